"""Figures of spectral bias, rates, other activations, several inputs, norms and interpolation."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, line, panel, points


def norms(data: xr.Dataset) -> Figure:
    one = data.isel(replicate=0)
    names = {"zero": "from 0", "random": "from a random start"}
    functions = [
        mark
        for k, start in enumerate(data["start"].values)
        for mark in (
            line(data["x"], one["end"].sel(start=start), names[start], k),
            line(
                data["x"],
                one["end_predicted"].sel(start=start),
                "f₀ + kK⁻¹r",
                role="predicted",
                width=1,
            ),
        )
    ]
    functions += [
        line(data["point"], data["value"], "least ∫ |f″|", role="bound"),
        points(data["point"], data["value"], "points", "ink"),
    ]
    place, marks = 0, []
    for k, start in enumerate(data["start"].values):
        for r in range(data.sizes["replicate"]):
            here = data.sel(start=start).isel(replicate=r)
            other = here["other_moved"].values
            marks += [
                points(np.full(len(other), place), other, "other interpolants", "grey", size=3),
                points([place], [here["moved"]], f"gradient descent {names[start]}", k),
                points(
                    [place],
                    [here["moved_predicted"]],
                    "rᵀK⁻¹r",
                    role="predicted",
                    marker="cross",
                    size=8,
                ),
            ]
            place += 1
    return Figure(
        (
            panel("one network, two starts", axis(data["x"]), Axis("f"), *functions),
            panel("how far the weights moved", Axis("run"), Axis("‖a − a₀‖²", "log"), *marks),
        )
    )


def noiseless(data: xr.Dataset) -> Figure:
    def side(name: str, title: str):
        marks = []
        for k, target in enumerate(data["target"].values):
            one = data.sel(target=target)
            marks += [
                points(data["cells"], one[name], str(target), k),
                line(data["cells"], one[f"{name}_predicted"], "leading term", k, "predicted"),
            ]
        return panel(
            title, axis(data["cells"], "log"), axis(data[name], "log", limits=(1e-13, None)), marks
        )

    return Figure((side("error", "h⁴, or h²"), side("middle", "in the middle: h⁴")))


def activations(data: xr.Dataset) -> Figure:
    splines, errors, n = [], [], data["width"].values
    for k, power in enumerate(data["power"].values):
        one = data.sel(power=power)
        splines += [
            line(data["x"], one["limit"], f"k = {power}", k),
            line(data["x"], one["limit_predicted"], "natural spline", role="predicted", width=1),
        ]
        error = np.sqrt(one["square"] / data["width"]).transpose("replicate", "width")
        constant = float(np.sqrt(one["square_predicted"]))
        errors += [
            *curve(error.rename("error"), f"k = {power}", k, marker=True),
            line(n, constant / np.sqrt(n), "predicted/√n", k, "predicted"),
        ]
    return Figure(
        (
            panel("splines of degree 2k + 1", axis(data["x"]), Axis("g*"), *splines),
            panel(
                f"{data.sizes['replicate']} networks a width, median and 5–95 %",
                axis(data["width"], "log"),
                Axis("‖f − g*‖", "log"),
                *errors,
            ),
        )
    )


def spectral_bias(data: xr.Dataset) -> Figure:
    mode, wave = data["mode"], data["wave"]
    rates = panel(
        "rates of the modes",
        Axis("mode j", "log"),
        Axis("μ_j", "log"),
        *curve(data["rate"], f"networks, {data.sizes['replicate']} draws", 1),
        points(mode, data["eigenvalue"], "kernel", 0),
        curve(data["eigenvalue_predicted"], "beam, β⁻⁴"),
    )
    times = panel(
        "time until half of a wave is left",
        axis(wave, "log"),
        Axis("τ = 2η̄t", "log"),
        points(wave, data["half_time"], "kernel", 0),
        curve(data["half_time_predicted"], "beam"),
    )
    return Figure((rates, times))


def early_stopping(data: xr.Dataset) -> Figure:
    marks, M = [], data["points"]
    for k, loss in enumerate(data["loss"].values):
        one = data.sel(loss=loss)
        marks += [
            points(M, one["risk"], f"t = cM^(4/5) of the {loss} loss", k),
            line(M, one["risk_predicted"], "bias + σ²/M (1 + BI/π)", k, "predicted"),
        ]
    first = float(data["risk"].isel(loss=0, points=0))
    guide = first * (M.values / M.values[0]) ** -0.8
    networks = curve(data["risk_networks"], "trained networks, 5–95 %", 2, marker=True)
    return Figure(
        (
            panel(
                "risk, the more points",
                axis(M, "log"),
                Axis("‖f_t − g₀‖²", "log"),
                networks,
                marks,
                line(M, guide, "M^(−4/5)", "grey", "bound"),
            ),
        )
    )


def multivariate(data: xr.Dataset) -> Figure:
    functions, errors, n = [], [], data["width"]
    for k, d in enumerate(data["dimension"].values):
        one = data.sel(dimension=d)
        functions += [
            line(data["place"], one["network"], f"d = {d}, {n.values[-1]} neurons", k),
            line(data["place"], one["spline_predicted"], "r³ spline", k, "predicted"),
        ]
        error = np.sqrt(one["square"] / n).transpose("replicate", "width")
        errors += [
            *curve(error, f"d = {d}", k, marker=True),
            line(n, np.sqrt(one["square_predicted"] / n), "predicted/√n", k, "predicted"),
        ]
    return Figure(
        (
            panel("along a diagonal", axis(data["place"]), Axis("f"), *functions),
            panel("over the cube", axis(n, "log"), Axis("‖f − g*‖", "log"), *errors),
        )
    )

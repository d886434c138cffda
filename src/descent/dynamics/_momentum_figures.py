"""Figures of averaged gradients on parallel modes; `figures.py` has the other ones."""

import numpy as np
import xarray as xr

from descent.figure import (
    Axis,
    Figure,
    Panel,
    axis,
    curve,
    heat,
    level,
    line,
    moment,
    panel,
    points,
    power,
)


def momentum_stability(data: xr.Dataset) -> Figure:
    chosen = data.attrs["beta_chosen"]
    angle = np.linspace(0, 2 * np.pi, 200)
    plane = panel(
        "stable up to h = 2 − β",
        axis(data["beta"]),
        axis(data["h"], limits=(0, data["h"].max())),
        heat(data["beta"], data["h"], data["plane"].T, "ρ", limits=(0.5, 1.5), diverging=True),
        curve(data["simulated_edge"]),
        curve(data["simulated_edge_predicted"], "2 − β"),
        level(1.0, "1 (document)", 1, role="printed"),
        curve(data["complex_from_predicted"], "(1 ± √(1 − β))²/2: complex inside", 2),
        curve(data["complex_to_predicted"], "(1 ± √(1 − β))²/2: complex inside", 2),
    )
    circles = [line(np.cos(angle), np.sin(angle), "unit circle", role="predicted", width=1)]
    if chosen < 1:
        r = np.sqrt(1 - chosen)
        circles.append(line(r * np.cos(angle), r * np.sin(angle), "√(1 − β)", "grey", "bound"))
    locus = panel(
        f"β = {chosen:g}: out at −1, h = {2 - chosen:g}",
        Axis("Re λ", limits=(-1.3, 1.3)),
        Axis("Im λ", limits=(-1.3, 1.3)),
        circles,
        *(
            points(
                data["root_real"].sel(root=k),
                data["root_imaginary"].sel(root=k),
                f"λ{'₋₊'[k]}, h from 0 up",
                k,
                size=2,
            )
            for k in (0, 1)
        ),
        square=True,
    )
    ends = [("repeated", "d"), ("real", "e"), ("complex", "f")]
    bounds = panel(
        "largest h of every kind of roots, β < 1",
        axis(data["complex_beta"]),
        Axis("h = ηβσ²", limits=(0, 2.2)),
        curve(data["edge"].sel(beta=data["complex_beta"].values), "stable, real", 1),
        curve(data["complex_to"], "complex; repeated at its end", 0),
        *(
            curve(data[f"printed_{name}"], f"document, 2{part}: {name}", k, "printed")
            for k, (name, part) in enumerate(ends, 2)
        ),
    )
    return Figure((plane, locus, bounds))


def momentum_modes(data: xr.Dataset) -> Figure:
    shown = [(0, "first"), (data.sizes["mode"] - 1, "last")][: data.sizes["mode"]]

    def drawn(title: str, name: str) -> Panel:
        return panel(
            title,
            axis(data["t"]),
            axis(data[name]),
            *(
                curve(data[name].isel(mode=i), f"{text} direction", i, marker=True)
                for i, text in shown
            ),
            *(curve(data[f"{name}_predicted"].isel(mode=i), "powers of R_i") for i, _ in shown),
        )

    places = np.arange(data.sizes["to"]) + 1
    sizes = np.abs(data["update"])
    relative = sizes / np.maximum(sizes.max("from"), 1e-300)
    whole = panel(
        "no direction reaches another",
        Axis("before the update: a₁ … a_n, x₁ … x_n"),
        Axis("after it: a₁ … a_n, x₁ … x_n"),
        heat(places, places, relative, "size, of the largest in the row", limits=(0, 1)),
        square=True,
    )
    return Figure(
        (
            drawn(f"β = {data.attrs['beta']:g}: errors", "error"),
            drawn("averaged gradients", "averaged_gradient"),
            whole,
        )
    )


def momentum_trajectories(data: xr.Dataset) -> Figure:
    each = list(enumerate(data["regime"].values))

    def drawn(title: str, scale: str, of) -> Panel:
        error, predicted = of(data["error"]), of(data["error_predicted"])
        error, predicted = (
            new.assign_attrs(old.attrs)
            for new, old in ((error, data["error"]), (predicted, data["error_predicted"]))
        )
        return panel(
            title,
            axis(data["t"]),
            Axis("x_t" if scale == "linear" else "|x_t|", scale),
            *(curve(error.sel(regime=name), name, k) for k, name in each),
            *(curve(predicted.sel(regime=name), "closed form") for _, name in each),
        )

    beta = data.attrs["beta"]
    early = slice(0, 40)
    return Figure(
        (
            drawn(f"β = {beta:g}, the first steps", "linear", lambda x: x.sel(t=early)),
            drawn("complex and repeated roots shrink alike", "log", np.abs),
        )
    )


NAMED = {
    "printed": ("document's step", "cross"),
    "interval_low": ("first of the best", "triangle"),
    "interval_high": ("last of the best", "diamond"),
    "gradient_descent": ("gradient descent, best η", "circle"),
    "polyak": ("Polyak (β, η)", "square"),
}


def momentum_step(data: xr.Dataset) -> Figure:
    beta = data.attrs["beta"]
    rate = panel(
        f"β = {beta:g}: the steps of least rate",
        axis(data["eta"], "log"),
        axis(data["rate"]),
        curve(data["rate"], "measured"),
        curve(data["rate_predicted"], "max |λ|"),
        moment(data["best_step_low_predicted"], "ends of the best steps", 1),
        moment(data["best_step_high_predicted"], "ends of the best steps", 1),
        level(data["best_rate_predicted"], "least rate", 2),
    )
    settings = [data.sel(setting=name) for name in NAMED]
    marks = [
        points(at["setting_eta"], at["named"], f"{label}: {int(at['named'])}", k, marker=marker)
        for k, (at, (label, marker)) in enumerate(zip(settings, NAMED.values(), strict=True), 1)
    ]
    count = panel(
        "iterations, of question 2g's example by default",
        axis(data["eta"], "log"),
        Axis(f"iterations to ε = {power(data.attrs['accuracy'])}", "log"),
        curve(data["iterations"], f"β = {beta:g}", marker=True),
        marks,
    )
    return Figure((rate, count))

"""Figures of the initialisation family, one function an experiment."""

import numpy as np
import xarray as xr

from descent.figure import (
    Axis,
    Figure,
    Mark,
    axis,
    band,
    curve,
    level,
    line,
    panel,
    points,
)

ERRORS = 4  # standard errors of a band


def whole(coordinate: xr.DataArray) -> Axis:
    """An axis of numbered things, with a tick at each if they are few."""
    return axis(coordinate, ticks=tuple(coordinate.values) if coordinate.size <= 12 else None)


def by_errors(mean: xr.DataArray, error: xr.DataArray, label: str, colour: int = 0) -> list[Mark]:
    """A mean with its points and a band of standard errors."""
    x = mean[mean.dims[0]].values
    low = (mean - ERRORS * error).clip(0)
    marks = [band(x, low, mean + ERRORS * error, colour=colour)]
    return marks + curve(mean, f"{label}, ± {ERRORS} standard errors", colour, marker=True)


def layer_gradients(data: xr.Dataset) -> Figure:
    measured = (
        by_errors(data["gradient"].sel(law=law), data["error"].sel(law=law), f"{law} weights", k)
        for k, law in enumerate(("normal", "uniform"))
    )
    return Figure(
        (
            panel(
                f"gradient of every layer, {data.attrs['networks']} networks",
                whole(data["layer"]),
                Axis("mean of ‖∂(u·f)/∂W_l‖²", "log"),
                *measured,
                curve(data["gradient_predicted"], "predicted"),
            ),
        )
    )


def tails(data: xr.Dataset) -> Figure:
    return Figure(
        (
            panel(
                "tails grow with depth over width",
                whole(data["hidden"]),
                axis(data["fourth"], "log"),
                by_errors(data["fourth"], data["fourth_error"], "normal weights"),
                curve(data["fourth_predicted"]),
            ),
        )
    )


def name_of(gain: float, data: xr.Dataset) -> str:
    if gain == data.attrs["width"] * data.attrs["deviation"] ** 2:
        return f"N(0, {data.attrs['deviation']:g}²)"
    return {2.0: "He", 1.0: "LeCun", 4.0: "twice He's"}.get(gain, f"n v = {gain:g}")


def depth(data: xr.Dataset) -> Figure:
    x, marks, theory = data["depth"].values, [], []
    for k in range(data.sizes["gain"]):
        one = data.isel(gain=k)
        label = f"{name_of(float(one['gain']), data)}, median, 5–95 %"
        marks += [band(x, one["low"], one["high"], colour=k)]
        marks += curve(one["median"], label, k, marker=True)
        theory += curve(np.exp(one["log_mean_predicted"]), "e^(L(ln v + μ_n))", role="predicted")
    return Figure(
        (
            panel(
                "the first layer's gradient against depth",
                axis(data["depth"]),
                Axis("‖∂(u·f)/∂W_1‖²", "log"),
                *marks,
                *theory,
            ),
            near_he(data),
        )
    )


def near_he(data: xr.Dataset):
    """Mean and median over the predicted mean, of the gain nearest to He's."""
    nearest = int(np.argmin(np.abs(np.log(data["gain"].values / 2))))
    one, x = data.isel(gain=nearest), data["depth"].values
    unit, centre = one["mean_predicted"], one["log_mean_predicted"]
    spread = 1.6448536269514722 * np.sqrt(one["log_variance_predicted"])
    return panel(
        f"mean and typical network, n = {data.attrs['width']}",
        axis(data["depth"]),
        Axis("‖∂(u·f)/∂W_1‖²/(n v/2)^L", "log"),
        by_errors(one["mean"] / unit, one["mean_error"] / unit, "mean"),
        line(x, np.ones(len(x)), "E‖G‖² = (n v/2)^L", role="predicted"),
        band(x, one["low"] / unit, one["high"] / unit, colour=1),
        curve(one["median"] / unit, "median, 5–95 %", 1, marker=True),
        line(x, np.exp(centre) / unit, "predicted median, 5 and 95 %", 1, "predicted"),
        line(x, np.exp(centre - spread) / unit, "predicted median, 5 and 95 %", 1, "predicted"),
        line(x, np.exp(centre + spread) / unit, "predicted median, 5 and 95 %", 1, "predicted"),
    )


def step_sizes(data: xr.Dataset) -> Figure:
    marks, theory = [], []
    for k, rule in enumerate(data["rule"].values):
        marks += curve(data["moved"].sel(rule=rule), f"{rule}", k, marker=True)
        theory += curve(data["moved_predicted"].sel(rule=rule), "predicted")
    return Figure(
        (
            panel(
                "how far the parameters move",
                axis(data["factor"], "log"),
                axis(data["moved"], "log"),
                *marks,
                *theory,
            ),
        )
    )


def recurrent(data: xr.Dataset) -> Figure:
    """The parts of one network, and what all networks' parts change by a step."""
    first, lag, radii = data.isel(replicate=0), data["lag"].values, data["radius"].values
    parts = []
    for k, rho in enumerate(radii):
        one = first.sel(radius=rho)
        parts.append(line(lag, one["part"], f"ρ = {rho:g}", k, width=3))
        parts.append(
            line(lag, one["part_predicted"], "powers of the eigenvalues", role="predicted")
        )
    left = panel(
        "one network, steps back from its loss",
        axis(data["lag"]),
        axis(data["part"], "log"),
        *parts,
    )
    across = np.broadcast_to(radii, data["growth"].shape).ravel()
    right = panel(
        f"{data.sizes['replicate']} networks: ρ decides",
        axis(data["radius"]),
        Axis("factor a step"),
        points(across, data["growth"].values.ravel(), "change of the parts a step"),
        points(across, data["singular"].values.ravel(), "σ₁(J), for a single step", 1, hollow=True),
        line(radii, radii, "ρ", role="predicted"),
        level(1.0, "neither grows nor vanishes", "grey", "bound"),
    )
    return Figure((left, right))

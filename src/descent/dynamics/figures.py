"""Figures of the dynamics family: one function per experiment, named after it."""

import numpy as np
import xarray as xr

from descent.dynamics._best_pair_figures import (  # noqa: F401  drawn by name
    momentum_plane,
    nesterov,
    polyak,
)
from descent.dynamics._momentum_figures import (  # noqa: F401  drawn by name
    momentum_modes,
    momentum_stability,
    momentum_step,
    momentum_trajectories,
)
from descent.figure import (
    Axis,
    Figure,
    axis,
    curve,
    level,
    moment,
    panel,
    points,
    power,
)


def learning_rate(data: xr.Dataset) -> Figure:
    shown = data["accuracy"].values[:: max(1, -(-data.sizes["accuracy"] // 4))]
    one = panel(
        "one mode: a single step at η_max/2",
        axis(data["fraction"]),
        Axis("iterations to accuracy ε", "log"),
        *(
            points(data["fraction"], data["reached"].sel(accuracy=e), f"ε = {power(e)}", k, size=4)
            for k, e in enumerate(shown)
        ),
        *(
            curve(data["reached_predicted"].sel(accuracy=e), "⌈ln ε/ln|1 − 2ησ²|⌉", k)
            for k, e in enumerate(shown)
        ),
    )
    predicted = data["iterations_predicted"].max("mode").assign_attrs(role="prediction")
    several = panel(
        "several modes: best just below η_max",
        axis(data["eta"], "log"),
        Axis(f"iterations to ε = {power(data.attrs['wanted'])}", "log"),
        curve(data["iterations"].max("mode"), "the slowest mode", marker=True),
        curve(predicted, "⌈ln ε/ln max|ρ_i|⌉"),
        moment(data["best_step_predicted"], "1/(σ₁² + σ_n²)", 1),
        moment(data.attrs["critical_step"], "η_max = 1/σ₁²", role="bound"),
    )
    return Figure((one, several))


def norm(modes: xr.DataArray) -> xr.DataArray:
    return np.sqrt(np.square(modes).sum("mode")).assign_attrs(modes.attrs)


def critical_step(data: xr.Dataset) -> Figure:
    measured, predicted = norm(data["amplitude"]), norm(data["amplitude_predicted"])
    each = list(enumerate(data["step_size"].values))
    around = panel(
        "least squares around the critical step",
        axis(data["t"]),
        Axis("‖w_t − w*‖", "log"),
        *(curve(measured.sel(step_size=f), f"η = {f:g} η_max", k) for k, f in each),
        *(curve(predicted.sel(step_size=f), "‖diag(ρ_i)ᵗ Vᵀ(w₀ − w*)‖") for _, f in each),
    )
    return Figure((around,))


def rank_deficient(data: xr.Dataset) -> Figure:
    distance = data["distance"]
    first = distance.sel(start="0")
    predicted = first[0] * data["rate_predicted"] ** data["t"]
    still = float(np.sqrt(np.square(data["unmoved_predicted"]).sum()))
    both = panel(
        "one solution from 0, another from elsewhere",
        axis(data["t"]),
        axis(distance, "log", limits=(1e-17 * first[0], None)),
        curve(first, "from 0"),
        curve(distance.sel(start="random"), "from a random start", 1),
        curve(predicted.assign_attrs(role="prediction"), "((κ − 1)/(κ + 1))ᵗ"),
        level(still, "‖(I − VVᵀ)w₀‖", 1),
    )
    return Figure((both,))


def momentum_oscillation(data: xr.Dataset) -> Figure:
    titles = {"plain": "plain descent: large σ flips", "averaged": "averaged gradients: it swings"}
    early = data.isel(t=slice(0, 41))
    panels = []
    for run, title in titles.items():
        at, marks = early.sel(run=run), []
        for i in (1, 2):
            name = f"σ² = {float(data['square'].sel(direction=i)):.3g}"
            marks += curve(at["error"].sel(direction=i), name, i - 1, marker=True)
        for i in (1, 2):
            marks += curve(at["error_predicted"].sel(direction=i), "closed form")
        panels.append(panel(title, axis(data["t"]), axis(data["error"]), marks))
    return Figure(tuple(panels))


def momentum_regression(data: xr.Dataset) -> Figure:
    def bounded(excess: xr.DataArray) -> xr.DataArray:
        return excess.where((excess < 1e12) & (excess > 1e-13))  # the rest diverges, or is rounding

    each = list(enumerate(data["run"].values))
    counts = data["iterations"].values
    losses = panel(
        "which is faster, and steps to accuracy ε",
        axis(data["t"]),
        axis(data["excess"], "log", limits=(1e-13, 1e6)),
        *(
            curve(bounded(data["excess"].sel(run=name)), f"{name}: {counts[k]} steps", k)
            for k, name in each
        ),
        *(
            curve(bounded(data["excess_predicted"].sel(run=name)), "closed form", role="predicted")
            for _, name in each
        ),
    )
    return Figure((losses,))

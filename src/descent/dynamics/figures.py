"""Figures of the dynamics family: one function per experiment, named after it."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure, level, power


def learning_rate(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    shown = data["accuracy"].values[:: max(1, -(-data.sizes["accuracy"] // 4))]
    for epsilon, colour in zip(shown, COLOURS, strict=False):
        at = data.sel(accuracy=epsilon)
        look = {"linestyle": "none", "marker": "o", "markersize": 4}
        against(left, at["reached"], f"ε = {power(epsilon)}", colour, **look)
        against(left, at["reached_predicted"], "", colour, linewidth=1)
    left.axvline(np.nan, color="0.3", linestyle="--", label="⌈ln ε/ln|1 − 2ησ²|⌉")
    if np.isfinite(data["reached"]).any():
        left.set(yscale="log")
    left.set(ylabel="iterations to accuracy ε")
    left.set_title("one mode: a single step at η_max/2")
    left.legend()
    against(middle, data["iterations"], "measured, every mode", marker=".")
    against(middle, data["iterations_predicted"], "⌈ln ε/ln max|ρ_i|⌉", "black")
    middle.axvline(data.attrs["best_step"], color=COLOURS[1], linestyle=":", label="1/(σ₁² + σ_n²)")
    middle.axvline(
        1 / data.attrs["largest_square"], color="black", linestyle=":", label="η_max = 1/σ₁²"
    )
    middle.set(
        xscale="log", yscale="log", ylabel=f"iterations to ε = {power(data.attrs['accuracy'])}"
    )
    middle.set_title("several modes: best just below η_max")
    middle.legend()
    for factor, colour in zip(data["step_size"].values, COLOURS, strict=False):
        at = data.sel(step_size=factor)
        against(right, at["error"], f"η = {factor:g} η_max", colour)
        against(right, at["error_predicted"], "", "black", linewidth=1)
    right.axvline(np.nan, color="black", linestyle="--", linewidth=1, label="predicted")
    right.set(yscale="log", ylabel="‖w_t − w*‖")
    right.set_title("least squares around η_max")
    right.legend()
    return drawing


def phase(axes: Axes, data: xr.Dataset) -> None:
    """ρ over (β, h) with the simulated edge, the predicted ones and the document's."""
    beta, h = data["beta"].values, data["h"].values
    shades = axes.pcolormesh(
        beta, h, data["radius"].T, cmap="PuOr_r", vmin=0.5, vmax=1.5, rasterized=True, alpha=0.6
    )
    bar = axes.figure.colorbar(shades, ax=axes)
    bar.ax.set(xlabel="ρ", ylabel="spectral radius")
    edge = [h[stable == 0].max(initial=0) for stable in data["grown"].values]
    axes.plot(beta, edge, color=COLOURS[0], label="last h that decays, simulated")
    axes.plot(beta, 2 - beta, "--", color="black", label="2 − β")
    axes.axhline(1.0, color=COLOURS[1], linestyle=":", linewidth=2, label="1 (document)")
    b = np.linspace(0, 1, 200)
    for sign in (1, -1):
        label = "(1 ± √(1 − β))²/2: complex inside" if sign > 0 else ""
        line = (1 + sign * np.sqrt(1 - b)) ** 2 / 2
        axes.plot(b, line, "-.", color=COLOURS[2], linewidth=1.2, label=label)
    axes.set(xlabel=data["beta"].attrs["long_name"], ylabel="h = ηβσ²", ylim=(0, h.max()))
    axes.set_title("stable up to h = 2 − β")
    axes.legend(loc="upper right", fontsize="x-small", frameon=True)


def momentum(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    phase(left, data)
    beta = data.attrs["beta_chosen"]
    angle = np.linspace(0, 2 * np.pi, 200)
    middle.plot(np.cos(angle), np.sin(angle), "--", color="black", label="unit circle")
    if beta < 1:
        r = np.sqrt(1 - beta)
        middle.plot(r * np.cos(angle), r * np.sin(angle), ":", color="0.4", label="√(1 − β)")
    for root, colour in zip((0, 1), COLOURS, strict=False):
        at = data.sel(root=root)
        look = {"linestyle": "none", "marker": ".", "markersize": 3, "color": colour}
        middle.plot(
            at["root_real"], at["root_imaginary"], **look, label=f"λ{'₋₊'[root]}, h from 0 up"
        )
    middle.set(xlabel="Re λ", ylabel="Im λ", xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal")
    middle.set_title(f"β = {beta:g}: out at −1, h = {2 - beta:g}")
    middle.legend(loc=(0.27, 0.2))
    against(right, data["iterations"], f"β = {beta:g}, measured", marker=".", markersize=3)
    marks = {
        "printed": ("document's step", "X"),
        "gradient_descent": ("gradient descent, best η", "o"),
        "best": (f"β = {beta:g}, best η", "v"),
        "polyak": ("Polyak (β, η)", "s"),
        "least": ("best (β, η)", "*"),
    }
    for k, (name, (label, marker)) in enumerate(marks.items(), 1):
        eta, T = data.attrs[f"mark_{name}"]
        label = f"{label}: {T:.0f}"
        right.plot([eta], [T], marker, color=COLOURS[k % 7], markersize=8, label=label)
    right.set(
        xscale="log", yscale="log", ylabel=f"iterations to ε = {power(data.attrs['accuracy'])}"
    )
    right.set_title("the example of question 2g")
    right.legend()
    return drawing


def momentum_regression(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    for axes, run in ((left, "gradient descent"), (middle, "averaged")):
        at = data.sel(run=run).isel(t=slice(0, 41))
        for i, colour in zip((1, 2), COLOURS, strict=False):
            square = float(data["square"].sel(direction=i))
            against(
                axes, at["parameter"].sel(direction=i), f"σ² = {square:.3g}", colour, marker="."
            )
            against(axes, at["parameter_predicted"].sel(direction=i), "", "black", linewidth=1)
        axes.axvline(np.nan, color="black", linestyle="--", linewidth=1, label="closed form")
        axes.set(ylabel="x_i = v_iᵀ(w_t − w*)")
        axes.legend()
    left.set_title("gradient descent: large σ oscillates")
    middle.set_title("averaged gradients: tamed")
    for run, colour in zip(data["run"].values, COLOURS, strict=False):
        excess = data["excess"].sel(run=run)
        excess = excess.where(excess < 1e12)  # the rest diverges
        against(right, excess, f"{run}: {int(data['iterations'].sel(run=run))} steps", colour)
    right.set(yscale="log", ylabel="L − L*", ylim=(1e-13, 1e6))
    right.set_title("which is faster, and steps to accuracy ε")
    right.legend(fontsize="x-small")
    return drawing


def edge_of_stability(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    for beta, colour in zip(data["beta"].values, COLOURS * data.sizes["beta"], strict=False):
        one = data.sel(beta=beta)
        against(left, one["sharpness"].dropna("t", how="all"), f"β = {beta:g}", colour)
        if beta < 1:
            left.axhline(
                float(one["printed"]),
                color=colour,
                linestyle=":",
                linewidth=1.2,
                label=f"2/(βη), β = {beta:g}",
            )
    level(left, float(data["predicted"][0]), "2(2 − β)/(βη), every β")
    left.set(ylabel="sharpness λ_max(∇²L)", ylim=(0, 2.1 * float(data["predicted"][0])))
    left.set_title("the sharpness rises to the edge and stays")
    left.legend(ncols=2, loc="upper center")
    ratio = data["plateau_over_predicted"].dropna("beta", how="all")  # without what diverged
    if ratio.size:
        against(right, ratio, "measured, median and 5–95 %", marker="o")
    level(right, 1.0, "2(2 − β)/(βη)")
    printed = data["printed"] / data["predicted"]
    against(right, printed.assign_attrs(role="prediction", long_name=""), "2/(βη)", "black")
    right.lines[-1].set_linestyle(":")
    right.set(ylabel="plateau / 2(2 − β)/(βη)", ylim=(0, 1.4))
    right.set_title("the plateau against the two bounds")
    right.legend()
    return drawing

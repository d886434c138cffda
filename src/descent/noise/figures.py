"""Figures of the noise family, one function an experiment."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure, level


def critical_steps(axes: Axes, data: xr.Dataset, *names: str) -> None:
    """Vertical lines at the critical steps, named."""
    labels = {
        "fourth": "η₄: E w⁴",
        "mean_square": "η_ms: E w²",
        "first": "η₁: E|w|",
        "mean": "η_mean: E w",
        "almost_sure": "η_as: the law",
    }
    for name, colour in zip(labels, COLOURS[1:], strict=False):
        if name in names:
            at = data.attrs[f"eta_{name}"]
            axes.axvline(at, color=colour, linestyle=":", linewidth=1.4, label=labels[name])


def instance_noise(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    law = data.isel(eta=np.flatnonzero(data["eta"] < data.attrs["eta_almost_sure"]))
    limit = data["variance_predicted"]
    tamed = law["variance"].isel(
        eta=np.isfinite(law["variance"]).all("replicate").values.nonzero()[0]
    )
    if tamed.sizes["eta"]:
        against(left, tamed, f"{data.sizes['replicate']} samples, 5–95 %", marker="o")
    against(left, limit, "predicted limit", "black")
    critical_steps(left, data, "fourth", "mean_square", "first", "mean", "almost_sure")
    low = float(limit.min())
    left.set(yscale="log", ylim=(low / 3, float(limit.max()) * 1e4), ylabel="variance of w_T")
    left.set_title("five critical steps")
    left.legend(fontsize="x-small", loc="upper left")
    tame = data.isel(eta=np.flatnonzero(data["eta"] < data.attrs["eta_mean_square"]))
    if tame.sizes["eta"]:
        against(middle, tame["mean"], "mean", marker="o")
    if law.sizes["eta"]:
        against(middle, law["median"], "median", COLOURS[1], marker="o")
    level(middle, data.attrs["limit"], "xy/(x² + σ²)")
    if data.attrs["noiseless"]:
        level(middle, data.attrs["noiseless"], "y/x, without noise")
        middle.lines[-1].set_linestyle(":")
    critical_steps(middle, data, "mean_square", "mean")
    middle.set(xlabel="step η", ylabel="w_T")
    middle.set_title("ridge, whatever the step")
    middle.legend(fontsize="x-small")
    read = data.isel(eta=np.flatnonzero(data["filled"]))
    if read.sizes["eta"]:
        against(right, read["hill"], "Hill's estimate", linestyle="none", marker="o")
    against(right, data["tail_index"], "E|1 − ηx̌²|^α = 1", "black")
    level(right, 2.0, "finite variance above")
    level(right, 1.0, "finite mean above")
    right.lines[-1].set_linestyle(":")
    right.set(yscale="log", ylabel="tail index α")
    right.set_title("the tail P(|w| > s) ~ s^(−α)")
    right.legend(fontsize="x-small")
    return drawing


def ridge(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    for k, colour in zip(data["shape"].values, COLOURS * data.sizes["shape"], strict=False):
        one = data.sel(shape=k)
        name = f"{int(one['rows'])} × {int(one['columns'])}"
        worst = np.maximum(one["primal"], one["dual"]).clip(1e-17)
        worst.attrs["long_name"] = "largest relative difference"
        against(left, worst, name, colour, marker="o")
        against(left, one["tolerance"], "", colour, linewidth=1)
    left.plot([], [], "--", color="0.3", label="50ε(s₁² + λ)/λ")
    left.set(xscale="log", yscale="log", ylabel="largest relative difference")
    left.set_title("primal and dual against spectral, n × d")
    left.legend(fontsize="x-small")
    right.plot(data["gain_predicted"], data["gain"], "o", label="least squares on draws")
    ends = [float(data["gain_predicted"].min()), float(data["gain_predicted"].max())]
    right.plot(ends, ends, "--", color="black", label="the same")
    right.set(xlabel="entry of K = Xᵀ(XXᵀ + λI)⁻¹", ylabel="entry of the regression of W on Y")
    right.set_title("the gain is a regression")
    right.legend()
    return drawing


def examples(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    for mode, name, colour in (
        ("full", "full batch", COLOURS[0]),
        ("single", "single example", COLOURS[1]),
    ):
        against(left, data[f"{mode}_variance"], f"{name}, 5–95 %", colour, marker="o")
        against(left, data[f"{mode}_variance_predicted"], "", "black")
        mean = data[f"{mode}_mean"].isel(fraction=0)
        against(right, mean, f"{name}, mean of w_T", colour, linestyle="none", marker="o")
    left.plot([], [], "--", color="black", label="predicted limit")
    left.set(yscale="log", ylabel="tr Cov w_T")
    left.set_title("variance below η_ms")
    left.legend()
    against(right, data["ridge"], colour="black", marker="_", markersize=14)
    for name, marker, colour in (("printed", "x", COLOURS[3]), ("noiseless", "+", COLOURS[6])):
        against(right, data[name], colour=colour, linestyle="none", marker=marker)
    right.xaxis.get_major_locator().set_params(integer=True)
    right.set(ylabel="w")
    right.set_title("the mean is ridge with λ = mσ²")
    right.legend(fontsize="x-small")
    return drawing

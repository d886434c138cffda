"""Figures of the noise family, one function an experiment."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, level, line, panel, points
from descent.noise.mean_square import spread
from descent.noise.ridge import EPS, differences


def instance_noise(data: xr.Dataset) -> Figure:
    means = panel(
        "ridge, whatever the step",
        axis(data["eta"]),
        axis(data["mean"]),
        curve(data["mean"], f"{data.sizes['replicate']} samples, 5–95 %", marker=True),
        level(data["limit_predicted"], "xy/(x² + σ²)"),
        level(data.attrs["noiseless"], "y/x, without noise", "grey", "bound"),
    )
    spreads = panel(
        "the spread grows with the step",
        axis(data["eta"]),
        axis(data["variance"], "log"),
        curve(data["variance"], f"{data.sizes['replicate']} samples, 5–95 %", marker=True),
        curve(data["variance_predicted"]),
    )
    each = list(enumerate(data["eta"].values))
    path = panel(
        "the way of the mean",
        axis(data["t"], "log"),
        axis(data["mean_at"]),
        *(curve(data["mean_at"].sel(eta=eta), f"η = {eta:g}", k, marker=True) for k, eta in each),
        *(curve(data["mean_at_predicted"].isel(eta=k), "closed form") for k, _ in each),
        level(data.attrs["noiseless"], "y/x, without noise", "grey", "bound"),
    )
    return Figure((path, means, spreads))


MOMENTS = {
    "fourth": "η₄: E w⁴",
    "mean_square": "η_ms: E w²",
    "first": "η₁: E|w|",
    "mean": "η_mean: E w",
    "almost_sure": "η_as: the law",
}


def critical_steps(data: xr.Dataset) -> Figure:
    unit = data["critical_predicted"].sel(moment="mean")
    exact = (data["critical_predicted"] / unit).assign_attrs(role="prediction")
    found = (data["critical"] / unit).mean("replicate")
    steps = panel(
        "up to which step what converges",
        axis(data["sigma"], "log"),
        Axis("critical step over that of the mean", "log"),
        *(
            points(data["sigma"], found.sel(moment=name), words, k)
            for k, (name, words) in enumerate(MOMENTS.items())
        ),
        *(curve(exact.sel(moment=name), "E|1 − ηx̌²|^p = 1", k) for k, name in enumerate(MOMENTS)),
    )
    return Figure((steps,))


def tails(data: xr.Dataset) -> Figure:
    index = (1 / data["log_excess_predicted"]).assign_attrs(role="prediction")
    hill = 1 / data["log_excess"].mean("replicate")
    exponents = panel(
        "the exponent of the tail",
        axis(data["eta"]),
        Axis("exponent α", "log"),
        points(data["eta"], hill, "Hill's estimate"),
        curve(index, "E|1 − ηx̌²|^α = 1"),
        level(2.0, "finite variance above", "grey", "bound"),
        level(1.0, "finite mean above", "grey", "bound"),
    )
    share, tail = data["share"].values, data.attrs["tail"]
    k, marks = int(np.abs(share - tail).argmin()), []
    for n, eta in enumerate(data["eta"].values):
        size, alpha = data["size"].sel(eta=eta).values, float(index.sel(eta=eta))
        marks.append(line(size, share, f"η = {eta:g}", n))
        straight = size[k] * (share / share[k]) ** (-1 / alpha)
        marks.append(line(straight, share, "slope −α", role="predicted"))
    laws = panel(
        "the tail P(|w − μ| > s) ~ s^(−α)",
        Axis("s", "log"),
        Axis("share of the runs beyond s", "log"),
        marks,
    )
    return Figure((exponents, laws))


def examples(data: xr.Dataset) -> Figure:
    i = data["i"]
    weights = panel(
        "noisy inputs lead to ridge with λ = mσ²",
        axis(i),
        Axis("w"),
        points(i, data["solution"].mean("replicate"), "noisy inputs", size=8),
        points(i, data["solution_predicted"], "(XᵀX + mσ²I)⁻¹Xᵀy", "ink", marker="cross"),
        points(i, data["with_sigma2"], "(XᵀX + σ²I)⁻¹Xᵀy", 1, marker="square"),
        points(i, data["noiseless"], "without noise", "grey", marker="triangle"),
    )
    return Figure((weights,))


def mean_square(data: xr.Dataset) -> Figure:
    names = {"full": "full batch", "single": "single example"}
    found = spread(data["covariance"])
    exact = spread(data["covariance_predicted"]).assign_attrs(role="prediction")
    variance = panel(
        "variance below η_ms",
        axis(data["fraction"]),
        Axis("tr Cov w_T", "log"),
        *(
            curve(found.sel(way=way), f"{name}, 5–95 %", k, marker=True)
            for k, (way, name) in enumerate(names.items())
        ),
        *(curve(exact.sel(way=way), "exact, at T") for way in names),
    )
    return Figure((variance,))


def ridge(data: xr.Dataset) -> Figure:
    marks, lines, lam = [], [], data["lambda"]
    worst = np.maximum(differences(data, "primal"), differences(data, "dual")).clip(1e-17)
    names: list[str] = []
    for k in range(data.sizes["shape"]):
        one = data.isel(shape=k)
        size = f"{int(one['rows'])} × {int(one['columns'])}"
        before = sum(name.partition(",")[0] == size for name in names)
        name = f"{size}, number {before + 1}" if before else size
        names.append(name)
        marks += curve(worst.isel(shape=k), name, k, "measured", marker=True)
        limit = 50 * EPS * (one["largest_square"] + lam) / lam
        lines += curve(limit, "50ε(s₁² + λ)/λ", k, "bound")
    gaps = panel(
        "primal and dual against spectral, n × d",
        axis(lam, "log"),
        Axis("largest relative difference", "log"),
        marks,
        lines,
    )
    return Figure((gaps,))


def posterior(data: xr.Dataset) -> Figure:
    exact, found = data["gain_predicted"], data["gain"].mean("replicate")
    ends = [float(exact.min()), float(exact.max())]
    gains = panel(
        "the gain is a regression",
        Axis("entry of K = Xᵀ(XXᵀ + λI)⁻¹"),
        Axis("entry of the regression of W on Y"),
        points(exact, found, "least squares on draws"),
        line(ends, ends, "the same", role="predicted"),
    )
    return Figure((gains,))

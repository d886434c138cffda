"""All layers trained beside the outer ones alone, and a skip connection that is trained like a neuron."""

import numpy as np
import xarray as xr

from descent.result import bound, measured, predicted, sweep
from descent.wide_relu import _data, _network, _spline
from descent.wide_relu._data import points
from descent.wide_relu._initial import Initial, Neurons, initials
from descent.wide_relu._layers import gradients, train
from descent.wide_relu._slopes import rms
from descent.wide_relu._spline import nodes, panels

OUTER = 1 / 3  # n E a² of a ~ U(−1/√n, 1/√n)


def hinges(data: _data.Points, ell: np.ndarray, initial: Initial) -> float:
    """∫ p_C (S₀² + S₁²) dc of S_k = Σ_{x_j > c} l_j x_jᵏ: what moves inner weights; both vanish beyond the points."""
    x, density = data.x, initial.zeta(0)
    c, weight = (one.ravel() for one in nodes(panels(x[0], x[-1], x, density.edges)))
    right = x[:, None] > c
    return float((weight * density.value(c)) @ ((ell @ right) ** 2 + ((ell * x) @ right) ** 2))


def predict_layers(config, drawn: list[list[Neurons]]) -> xr.Dataset:
    """Outer weights of least norm for each network, and the limits of how far weights move."""
    data = points(config)
    P, norms, outer, inner = _network.polynomials(data.x), [], [], []
    for law, each in zip(initials(config), drawn, strict=True):
        fits = [_network.least_norm(_network.features(data.x, *one), data.y, P) for one in each]
        norms.append([np.linalg.norm(one.a, axis=-1) for one in fits])
        outer.append(np.sqrt(_spline.interpolate(*data, law.zeta()).energy))
        ell = _data.represent(data, law.zeta()).weights
        inner.append(np.sqrt(OUTER * hinges(data, ell, law)))
    count = len(config.laws)
    return xr.Dataset(
        {
            "norm_predicted": predicted(("law", "width", "replicate"), norms, "least norm"),
            "outer_predicted": predicted("law", outer, "(∫ g*''²/ζ)^½"),
            "inner_predicted": predicted("law", inner, "limit of n‖Δ(w, b)‖"),
            "apart_bound": bound("law", np.full(count, -1.0), "slope of O(1/n)"),
        }
    )


def measure_layers(config, drawn: list[list[Neurons]], starts: list[np.ndarray]) -> xr.Dataset:
    """Training all layers: distance from the least-norm networks, how far weights moved, and what is left."""
    data, at = points(config), config.grid
    names = ("apart", "error", "norm", "inner", "missed", "share")
    rows: dict[str, list] = {name: [] for name in names}
    for law, each in zip(initials(config), drawn, strict=True):
        goal, mine = _data.represent(data, law.zeta())(at), {name: [] for name in names}
        for neurons, a in zip(each, starts, strict=True):
            ran = train(data, neurons, a, at, 1, config.limit, config.close)
            linear = _network.fitted(*data, at, neurons)[0]
            norm, inner = ran.moved(neurons, a)
            mine["apart"].append(rms(ran.curves - linear))
            mine["error"].append(rms(ran.curves - goal))
            size = np.hypot(norm, np.linalg.norm(a, axis=-1))
            mine["norm"].append(norm)
            mine["inner"].append(inner)
            mine["missed"].append(ran.residual / np.abs(data.y).max())
            mine["share"].append(_share(data.x, neurons, a, size))
        for name in names:
            rows[name].append(mine[name])
    each = ("law", "width", "replicate")
    return xr.Dataset(
        {
            "apart": measured(each, rows["apart"], "all layers against the outer ones"),
            "error": measured(each, rows["error"], "all layers against g*"),
            "norm": measured(each, rows["norm"], "‖Δa‖"),
            "inner": measured(each, rows["inner"], "‖Δ(w, b)‖"),
            "missed": measured(each, rows["missed"], "largest residual, of the data"),
            "share": measured(each, rows["share"], "inner layers' share of the kernel"),
        },
        coords={"width": sweep(config.widths, "width", "neurons n")},
    )


def _share(x: np.ndarray, neurons: Neurons, a: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The inner weights' kernel for ‖a‖ = size, its norm over the outer one's smallest eigenvalue, beside a line."""
    N, found = _network.free(_network.polynomials(x)), []
    for w, b, one, most in zip(*neurons, a, size, strict=True):
        J = N.T @ gradients(x, w, b, one)
        outer, inner = J[:, : len(w)], J[:, len(w) :]
        least = np.linalg.svd(outer, compute_uv=False)[-1] ** 2
        grown = most**2 / (one @ one)
        found.append(grown * np.linalg.norm(inner, 2) ** 2 / max(least, 1e-300))
    return np.array(found)


def predict_skips(config) -> xr.Dataset:
    """How far from g* networks end whose line is trained at κ² times n times the neurons' rate; 0: none."""
    data, at, found = points(config), config.grid, []
    lines = [np.vander(one, 2) for one in (data.x, at)]
    for law in initials(config):
        g, mine = _spline.interpolate(*data, law.zeta())(at), []
        K, K_at = (_data.whole_kernel(one, data.x, law) for one in (data.x, at))
        for kappa in (0.0, *config.skips):
            own, away = (
                k + kappa * one @ lines[0].T for k, one in zip((K, K_at), lines, strict=True)
            )
            mine.append(rms(away @ np.linalg.solve(own, data.y) - g))
        found.append(mine)
    return xr.Dataset({"skip_predicted": predicted(("law", "skip"), found, "limit")})


def measure_skips(config, drawn: list[Neurons]) -> xr.Dataset:
    """The same of wide networks; the first trains its line at the neurons' own rate, κ² = 1/n."""
    data, at, rows = points(config), config.grid, {"skip_error": [], "skip_blur": []}
    none, lines = np.zeros((len(data.x), 0)), [np.vander(one, 2) for one in (data.x, at)]
    for law, (w, b) in zip(initials(config), drawn, strict=True):
        goal, count = _data.represent(data, law.zeta())(at), w.shape[-1]
        Phi, error, blur = _network.features(data.x, w, b) / count**0.5, [], []
        for kappa in (1 / count, *config.skips):
            wide = np.broadcast_to(kappa**0.5 * lines[0], (*w.shape[:-1], *lines[0].shape))
            found = _network.least_norm(np.concatenate([Phi, wide], -1), data.y, none).a
            own = found[:, :-2] / count**0.5
            f = _network.outputs(at, w, b, own) + kappa**0.5 * found[:, -2:] @ lines[1].T
            error.append(rms(f.mean(0) - goal))
            blur.append(np.sqrt(f.var(0, ddof=1).mean() / len(f)))
        rows["skip_error"].append(error)
        rows["skip_blur"].append(blur)
    return xr.Dataset(
        {
            "skip_error": measured(("law", "skip"), rows["skip_error"], "mean distance from g*"),
            "skip_blur": measured(("law", "skip"), rows["skip_blur"], "its standard error"),
        },
        coords={"skip": sweep((0.0, *config.skips), "skip", "rate of the line over n η, κ²")},
    )

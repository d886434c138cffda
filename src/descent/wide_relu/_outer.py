"""Gradient descent on the outer weights alone: a loop, its closed form, its end, and its largest stable step."""

import numpy as np
import xarray as xr

from descent.result import measured, predicted
from descent.wide_relu import _network
from descent.wide_relu._data import points
from descent.wide_relu._initial import Neurons
from descent.wide_relu._network import EPS

MARKS = 6  # times at which the loop is compared
SIDES = ["below", "above"]  # the largest stable step


def marks(config) -> np.ndarray:
    return np.unique(np.round(np.geomspace(1, config.steps, MARKS)).astype(int))


def predict_outer(config, drawn: list[Neurons]) -> xr.Dataset:
    """The closed form in the eigenbasis, the least norm, and factors a step around the largest stable one."""
    (x, y), at = points(config), config.grid
    P, P_at = _network.polynomials(x), _network.polynomials(at, 1, x)
    paths, ends, factors = [], [], []
    for w, b in drawn:
        Phi = _network.features(x, w, b)
        modes = _network.modes(Phi, y, P)
        eta, path = 0.5 / modes.mu.max(-1), []
        for t in marks(config).tolist():
            a = _network.weights(modes, _network.discrete(modes, eta, t))
            path.append(_at(at, w, b, _network.fit(Phi, y, P, a), P_at))
        paths.append(np.swapaxes(path, 0, 1))
        ends.append(_at(at, w, b, _network.least_norm(Phi, y, P), P_at))
        mu, U = np.linalg.eigh(Phi @ np.swapaxes(Phi, -1, -2))
        target = np.swapaxes(U, -1, -2) @ y
        pair = []
        for side in (1 - config.margin, 1 + config.margin):
            left = 1 - 2 * side * mu / mu[:, -1:]
            last = (left**config.critical * target, left ** (config.critical - 1) * target)
            pair.append(np.divide(*(np.linalg.norm(one, axis=-1) for one in last)))
        factors.append(np.transpose(pair))
    each = ("law", "replicate")
    return xr.Dataset(
        {
            "path_predicted": predicted((*each, "mark", "x"), paths, "closed form"),
            "end_predicted": predicted((*each, "x"), ends, "least norm"),
            "factor_predicted": predicted((*each, "side"), factors, "factor a step"),
        }
    )


def _at(
    at: np.ndarray, w: np.ndarray, b: np.ndarray, fit: _network.Fit, P_at: np.ndarray
) -> np.ndarray:
    return _network.outputs(at, w, b, fit.a) + fit.beta @ P_at.T


def measure_outer(config, drawn: list[Neurons]) -> xr.Dataset:
    """Loops over steps of gradient descent from a = 0."""
    (x, y), at = points(config), config.grid
    P, P_at = _network.polynomials(x), _network.polynomials(at, 1, x)
    N, kept = _network.free(P), marks(config).tolist()
    names = ("path", "end", "left", "reach", "factor")
    rows: dict[str, list] = {name: [] for name in names}
    for w, b in drawn:
        Phi = _network.features(x, w, b)
        right = np.swapaxes(Phi, -1, -2)
        flat = N @ (N.T @ Phi)
        S = np.linalg.svd(flat, compute_uv=False)[:, : N.shape[1]]
        eta = (0.5 / S[:, :1] ** 2)[..., None]
        a, path = np.zeros_like(w), []
        for t in range(config.steps + 1):
            if t in kept:
                path.append(_at(at, w, b, _network.fit(Phi, y, P, a), P_at))
            r = (Phi @ a[..., None])[..., 0] - y
            r = r @ N @ N.T
            if t < config.steps:
                a = a - 2 * (eta * (right @ r[..., None]))[..., 0]
        rows["path"].append(np.swapaxes(path, 0, 1))
        rows["end"].append(path[-1])
        rows["left"].append(np.abs(r).max(-1) / np.abs(y).max())
        wide = np.sqrt((_network.features(at, w, b) ** 2).sum(-1)).max(-1)
        rows["reach"].append(2 * len(x) * wide / np.maximum(S[:, -1], 1e-300))
        rows["factor"].append(_critical(config, Phi, y))
    each = ("law", "replicate")
    return xr.Dataset(
        {
            "path": measured((*each, "mark", "x"), rows["path"], "f of the loop"),
            "end": measured((*each, "x"), rows["end"], "f at its end"),
            "left": measured(each, rows["left"], "largest residual at its end, of the data"),
            "reach": measured(each, rows["reach"], "how a residual shows between the points"),
            "factor": measured((*each, "side"), rows["factor"], "factor of the residual a step"),
        },
        coords={
            "mark": ("mark", kept, {"long_name": "step"}),
            "side": ("side", SIDES, {"long_name": "side of the largest stable step"}),
            "x": ("x", at, {"long_name": "x"}),
        },
    )


def _critical(config, Phi: np.ndarray, y: np.ndarray) -> np.ndarray:
    """‖r‖ of the last step over that of the one before, with no free line: (replicate, side)."""
    top, found = np.linalg.norm(Phi, 2, axis=(-2, -1)) ** 2, []
    right = np.swapaxes(Phi, -1, -2)
    for side in (1 - config.margin, 1 + config.margin):
        eta, a, norms = (side / top)[:, None, None], np.zeros((*Phi.shape[::2], 1)), []
        for t in range(config.critical + 1):
            r = Phi @ a - y[:, None]
            if t >= config.critical - 1:
                norms.append(np.linalg.norm(r[..., 0], axis=-1))
            a = a - 2 * eta * (right @ r)
        found.append(norms[1] / norms[0])
    return np.transpose(found)


def rounding(config, found: xr.Dataset) -> xr.DataArray:
    """Of all steps of the loop, as it shows on the grid."""
    return 64 * EPS * config.steps * found["reach"] * float(np.abs(config.values).max())

"""A run of the flow, seen as a path of predictors, and whether it has come to rest."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from descent.check import Relation
from descent.linear_networks._architectures import Network
from descent.linear_networks._flow import flow
from descent.linear_networks._separated import A_DECADE, Setting, minus_log_loss, weights
from descent.result import Check

ACCURATE = 1e-5  # of −log ℒ at the end; a run that is further off is lost
SILENT = 1e-8  # an example with a smaller weight moves nothing
STEADY = 0.1  # by this share a weight may change in a decade of s


class Path(NamedTuple):
    theta: Float[np.ndarray, "t N"]
    beta: Float[np.ndarray, "t d"]
    margins: Float[np.ndarray, "t n"]  # Zβ
    pull: Float[np.ndarray, "t N"]  # g = −∇_θ log ℒ
    speed: Float[np.ndarray, " d"]  # dβ/ds at the end
    finished: bool
    calls: int

    @property
    def weights(self) -> Float[np.ndarray, "t n"]:
        return weights(self.margins)

    @property
    def minus_log_loss(self) -> Float[np.ndarray, " t"]:
        return minus_log_loss(self.margins)

    @property
    def active(self) -> Bool[np.ndarray, " n"]:
        """The examples that still move the predictor at the end."""
        return self.weights[-1] > SILENT

    def spread(self) -> Float[np.ndarray, " t"]:
        """Σ p_n z_nᵀβ − min z_nᵀβ."""
        return (self.weights * self.margins).sum(1) - self.margins.min(1)

    def settled(self, Z: Float[np.ndarray, "n d"], heading: Float[np.ndarray, " d"]) -> bool:
        """Whether the same examples have counted alike for the last decade of s, and no other will come to.

        An example will count sooner or later if its margin is less in the direction that the predictor is
        heading to, `heading`, than those of the examples that count.
        """
        before, now = self.weights[[-1 - A_DECADE, -1]]
        changed = np.abs(now - before) > np.where(self.active, STEADY * now, SILENT)
        ahead = Z @ heading
        waiting = ahead[~self.active] < ahead[self.active].min(initial=np.inf)
        return bool(self.finished and not changed.any() and not waiting.any())

    def angle(self) -> Float[np.ndarray, " t"]:
        """1 − cos(θ, −∇ℒ), by the distance of the unit vectors, which keeps its digits."""
        apart = self.theta / np.linalg.norm(self.theta, axis=1, keepdims=True)
        apart = apart - self.pull / np.linalg.norm(self.pull, axis=1, keepdims=True)
        return np.square(apart).sum(1) / 2

    def mean(self, Z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " d"]:
        """Zᵀp at the end, to whose direction a fully connected network is heading."""
        return self.weights[-1] @ Z


def first_weights(config: Setting, net: Network, draw: list[int]) -> Float[np.ndarray, " N"]:
    return config.start * np.random.default_rng(draw).standard_normal(net.size)


def follow(config: Setting, net: Network, Z: Float[np.ndarray, "n d"], draw: list[int]) -> Path:
    """From weights of N(0, start²), drawn from the seed sequence `draw`."""
    found = flow(net, Z, first_weights(config, net, draw), config.times, config.calls)
    theta, beta = found.theta, net.predictor(found.theta)
    margins = beta @ Z.T
    pull = net.gradient(theta, weights(margins) @ Z)
    along = pull[-1] / np.square(pull[-1]).sum()
    step = 1e-5 * np.linalg.norm(theta[-1]) / np.linalg.norm(along)
    ahead, behind = (net.predictor(theta[-1] + sign * step * along) for sign in (1, -1))
    speed = (ahead - behind) / (2 * step)
    grown = minus_log_loss(margins[[0, -1]])
    # −log ℒ = s − log ℒ(0) exactly, so this is the integrator's error.
    exact = abs(grown[1] - grown[0] - config.end) <= ACCURATE * (config.end + abs(grown[0]))
    return Path(theta, beta, margins, pull, speed, bool(found.finished and exact), found.calls)


def last_slope(values: Float[np.ndarray, " t"]) -> float:
    """d log value/d log s over the last decade of s; nan where a value is not positive."""
    before, now = values[[-1 - A_DECADE, -1]]
    return float(np.log10(now / before)) if before > 0 and now > 0 else np.nan


def of_runs(array: xr.DataArray, mask: xr.DataArray) -> xr.DataArray:
    """The values at the runs in the mask, along one dimension `run` in front of the dimensions that it lacks."""
    wide = (array + 0 * mask).transpose(*mask.dims, ...)
    rest = wide.dims[mask.ndim :]
    flat = wide.values.reshape(-1, *wide.shape[mask.ndim :])
    labels = [
        ", ".join(f"{dim} {mask[dim].values[k]}" for dim, k in zip(mask.dims, at, strict=True))
        for at in np.ndindex(mask.shape)
    ]
    chosen = mask.values.ravel()
    coords = {dim: wide[dim].values for dim in rest if dim in wide.coords}
    coords["run"] = [label for label, one in zip(labels, chosen, strict=True) if one]
    return xr.DataArray(flat[chosen], dims=("run", *rest), coords=coords)


def on(
    mask: xr.DataArray, name: str, found, relation: Relation, expected, tol, why: str
) -> tuple[Check, ...]:
    """The check at the runs in the mask; none if there are none."""
    if not mask.any():
        return ()
    parts = (found, expected, tol)
    parts = (of_runs(p, mask) if isinstance(p, xr.DataArray) else p for p in parts)
    return (Check(name, next(parts), relation, next(parts), next(parts), why),)


def not_arrived(mask: xr.DataArray, what: str) -> tuple[str, ...]:
    """Why nothing is claimed, if some runs are not in the mask."""
    left = int((~mask).sum())
    return (f"{left} of {mask.size} runs {what}",) if left else ()


def table(rows: Iterable, pick: Callable) -> np.ndarray:
    """pick(path) for every path in a nested list."""
    return np.array([[pick(path) for path in row] for row in rows])

"""With one sample, AdaGrad, RMSProp and Adam all move along sign(x), not along x as gradient descent does.

The gradient is a multiple of the sample, and dividing every coordinate by its own gradients leaves only the
signs. AdaGrad comes to rest where the ray meets the solutions: at the one whose largest weight is least.

    f(w) = (xᵀw − t)²,   g = 2(xᵀw − t)x,   w₀ = 0,   w_∞ = t sign(x)/‖x‖₁ for any η
    AdaGrad:     w_k = a_k sign(x),   a_{k+1} = a_k − η ρ_k/√(ρ₀² + … + ρ_k²),   ρ_k = a_k‖x‖₁ − t
    RMSProp:     a cycle w_∞ ± η/2 in every coordinate: a constant η does not come to rest once old gradients are
                 forgotten, but where the residual was rounded to 0
    both others: no further past w_∞ than ηS/(1 − b_m/√b_v),  S = (1 − b_m)/√((1 − b_v)(1 − b_m²/b_v))

The last is the Cauchy–Schwarz inequality; b_m < √b_v are the weights of old gradients in m, of their squares in v.

See: on the left all three go along one ray, and gradient descent along another, to a shorter solution; on the
right AdaGrad's weights end at one point for every η, and RMSProp's cycle is as wide as η.

Source: CSE 891 homework 2, the question on linear regression and optimisation, part 3; JMLR 12:2121.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Number, Positive, experiment_config, require_increasing
from descent.linear import _adaptive
from descent.linear._adaptive import NEAR, moved
from descent.linear._problem import EPS, thinned
from descent.maths import optimisers
from descent.maths.limits import require_cost
from descent.result import Check, Result, measured, predicted, steps, sweep

Decay = Annotated[float, Field(ge=0, lt=1)]
SETTLED = 1e-6  # of η, to which RMSProp is in its cycle
TAIL = 1000  # last steps that are looked at


@experiment_config
class Config:
    x: Annotated[tuple[Number, ...], Field(min_length=1)]  # the sample
    t: Number  # its target
    etas: tuple[Positive, ...]
    momentum: Decay  # b_m of Adam
    decay: Decay  # b_v of Adam
    rms_decay: Decay  # b_v of RMSProp
    steps: Count

    def __post_init__(self):
        require_increasing("etas", self.etas)
        _adaptive.require_sample(self.x, self.t)
        _adaptive.require_reach("etas", self.etas, self.far, self.steps)
        require_cost(self, "steps, etas", 0, 60.0 * (len(self.etas) + 1) * self.steps * len(self.x))

    @property
    def sample(self) -> np.ndarray:
        return np.array(self.x, float)

    @property
    def far(self) -> float:
        """|t|/‖x‖₁, the way in every coordinate."""
        return abs(self.t) / float(np.abs(self.sample).sum())

    @property
    def methods(self) -> dict[str, optimisers.Memory]:
        return {
            "adagrad": optimisers.adagrad(),
            "rmsprop": optimisers.rmsprop(self.rms_decay),
            "adam": optimisers.adam(self.momentum, self.decay),
        }

    def come(self, name: str) -> list[bool]:
        """For which η a method that forgets has come to w_∞ before the tail."""
        decay, before = self.methods[name].decay, self.steps - TAIL
        return [before >= _adaptive.reaching(decay, self.far, eta) for eta in self.etas]

    @property
    def cycling(self) -> list[bool]:
        """For which η RMSProp has settled before the tail."""
        before = self.steps - TAIL
        needed = (_adaptive.settling(self.rms_decay, self.far, e, SETTLED) for e in self.etas)
        return [before >= count for count in needed]


def predict(config: Config) -> xr.Dataset:
    x, t = config.sample, float(config.t)
    length, signs = np.abs(x).sum(), np.sign(x)
    kept = thinned(config.steps)
    rays = [_adaptive.ray(length, t, eta, config.steps)[kept] for eta in config.etas]
    path = np.multiply.outer(np.array(rays), signs)
    return xr.Dataset(
        {
            "corner": predicted("i", t * signs / length, "t sign(x)/‖x‖₁"),
            "direction_predicted": predicted("i", signs / length, "sign(x)/‖x‖₁"),
            "path_predicted": predicted(("eta", "k", "i"), path, "a_k sign(x)"),
            "cycle_predicted": predicted("eta", np.array(config.etas) / 2, "η/2"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """The runs of all methods, and between which values their weights are in the last steps."""
    x, K, kept = config.sample, config.steps, thinned(config.steps)
    tail = np.arange(max(0, K - TAIL + 1), K + 1)
    late, paths = [], []
    for memory in config.methods.values():
        every = np.union1d(kept, tail)
        runs = _adaptive.ends(x[None], np.array([config.t], float), config.etas, memory, every)
        paths.append(runs[:, np.searchsorted(every, kept)])
        late.append(runs[:, np.searchsorted(every, tail)])
    late, each = np.array(late), ("rule", "eta", "i")
    low, high, end = late.min(2), late.max(2), late[:, :, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        direction = end / (end @ x)[..., None]
    return xr.Dataset(
        {
            "path": measured(("rule", "eta", "k", "i"), paths, "w_k"),
            "end": measured(each, end, "w_K"),
            "direction": measured(each, direction, "w_K/xᵀw_K"),
            "lowest": measured(each, low, "least w_j of the tail"),
            "highest": measured(each, high, "largest w_j of the tail"),
            "cycle": measured("eta", (high - low)[1].max(-1) / 2, "RMSProp: half its range"),
        },
        coords={
            "eta": sweep(config.etas, "eta", "rate η"),
            "k": steps(kept, "k", "iteration k"),
            "rule": ("rule", list(config.methods), {"long_name": "method"}),
            "i": ("i", np.arange(1, len(x) + 1), {"long_name": "coordinate"}),
        },
        attrs={"x": x, "t": float(config.t)},
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    x, t, corner = config.sample, float(config.t), theory["corner"]
    w, target = found["path"].sel(rule="adagrad").values, np.array([t])
    place = int(0.9 * w.shape[1]) - 1
    short = _adaptive.short(x[None], target, "η", config.etas, w[:, place], w[:, -1])
    checks, unchecked = others(config, found, theory)
    checks = compare(config, found, theory) + checks
    if not short:
        end, why = found["end"].sel(rule="adagrad"), "10⁻⁹ of t is left"
        checks += (
            Check("adagrad_ends_at_the_corner", end, "==", corner, 2 * NEAR * config.far, why),
        )
    return Result(
        data=found.merge(theory),
        metrics={
            "cycle": found["cycle"],
            "corner_norm_over_shortest": np.linalg.norm(corner) * np.linalg.norm(x) / abs(t),
        },
        checks=checks,
        no_claim=short,
        unchecked=unchecked,
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    """The ray: AdaGrad's way along it, and the direction in which all three end."""
    etas, x = found["eta"], config.sample
    walk = config.steps * EPS * np.maximum(config.far, etas)
    scale = abs(found["end"] * x).sum("i") / abs((found["end"] * x).sum("i"))
    sideways = 4 * config.steps * EPS * scale * np.maximum(1, etas / config.far) / np.abs(x).sum()
    path, why = found["path"].sel(rule="adagrad"), "Kε: the rounding of K steps"
    ray, direction = theory["path_predicted"], theory["direction_predicted"]
    ended, loose = moved(found, found["direction"]), moved(found, sideways)
    return (
        Check("adagrad_along_the_ray", path, "==", ray, walk, why),
        Check("direction_of_the_end", ended, "==", direction, loose, why),
    )


def others(
    config: Config, found: xr.Dataset, theory: xr.Dataset
) -> tuple[tuple[Check, ...], dict[str, str]]:
    """RMSProp's cycle, and how far both methods that forget may be from w_∞; else why not."""
    checks, unchecked, corner = [], {}, theory["corner"]
    moving = np.array(config.cycling) & (found["cycle"] > SETTLED * found["eta"]).values
    if moving.any():
        cycle, half = (a.isel(eta=moving) for a in (found["cycle"], theory["cycle_predicted"]))
        checks.append(
            Check("cycle_of_rmsprop", cycle, "==", half, SETTLED * cycle["eta"], "settled")
        )
    else:
        unchecked["cycle_of_rmsprop"] = "it has not settled, or rests where its residual is 0"
    for name in ("rmsprop", "adam"):
        m, come = config.methods[name], config.come(name)
        farthest = _adaptive.overshoot(m.momentum, m.decay, config.steps, m.corrected)
        if not np.isfinite(farthest) or not any(come):
            unchecked[f"{name}_near_the_corner"] = "no bound at b_m² ≥ b_v, or steps too few"
            continue
        late = found.sel(rule=name).isel(eta=come)
        most, walk = farthest * late["eta"], config.steps * EPS * config.far
        why = "Kε: the rounding of K steps"
        checks += [
            Check(f"{name}_highest", late["highest"], "<=", corner + most, walk, why),
            Check(f"{name}_lowest", late["lowest"], ">=", corner - most, walk, why),
        ]
    return tuple(checks), unchecked

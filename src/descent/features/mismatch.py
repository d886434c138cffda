"""Trained on a part of the interval, a network is nearly linear on the rest: one feature there, no fit, few kinks.

    matched: x ~ U(−1, 1);   mismatched: x ~ U(low, high);   errors (m(x) − f(x))² on all of [−1, 1]
    outside, on (high, 1]: kinks of m, and effective rank of the Jacobian of points there
    a network with no kink outside errs there by at least as much as the best line
    the contrast of the two is claimed where f bends outside: matched networks err at most half as much as that line

Source: CS182 homework 2, question 6j, k; its words for the two kinds of features, coherent and discrete, are
effective ranks near 1 and above it.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Positive, Seed, experiment_config
from descent.features import jacobian, problem
from descent.features.problem import Hidden, require_room, starts
from descent.features.training import Schedule, orders, step_count, train
from descent.maths.networks import Shape, draw, outputs
from descent.result import Check, Result, replicates

BENDS = 2  # the best line's error outside over that of the matched networks, at the least
OUTSIDE = 50  # points of the Jacobian outside


@experiment_config
class Config(problem.Data, Schedule):
    seed: Seed
    replicates: Annotated[int, Field(ge=10)]
    mismatched_seed: Seed  # of the mismatched x and noise
    low: float
    high: float
    hidden: Hidden
    width: Annotated[int, Field(ge=1)]  # of the shallow network
    test_points: Annotated[int, Field(ge=20)]
    ratio: Positive  # of the errors outside and inside, at the least

    def __post_init__(self):
        if not -1 <= self.low < self.high <= 0.9:
            raise ValueError(f"low {self.low:g}, high {self.high:g}: must be −1 ≤ low < high ≤ 0.9")
        x = self.test
        if not ((x >= self.low) & (x <= self.high)).any() or (x > self.high).sum() < 3:
            raise ValueError(
                f"test_points {self.test_points}: none in [low, high], or fewer than 3 above it"
            )
        if not step_count(self.samples, self.batch, self.epochs):
            raise ValueError(
                f"batch {self.batch} > {self.samples * self.epochs} points in all epochs: no step"
            )

    @property
    def test(self) -> np.ndarray:
        return np.linspace(-1, 1, self.test_points)[:, None]


def line_floor(x: np.ndarray, f: np.ndarray) -> float:
    """Mean square that the best line leaves."""
    basis = np.hstack([np.ones_like(x), x])
    return float(np.mean((f - basis @ np.linalg.lstsq(basis, f)[0]) ** 2))


def sign_score(less: np.ndarray, more: np.ndarray) -> float:
    """Pairs in which `less` is below `more`, over those in which it is above, in standard errors of a fair coin."""
    below, above = np.sum(less < more), np.sum(less > more)
    return float((below - above) / np.sqrt(max(below + above, 1)))


def run(config: Config) -> Result:
    samples = {
        "matched": config.sample(),
        "mismatched": config.sample(config.low, config.high, config.mismatched_seed),
    }
    R = config.replicates
    shapes = {
        "deep": Shape((1, *config.hidden, 1), "relu"),
        "shallow": Shape((1, config.width, 1), "relu"),
    }
    T = step_count(config.samples, config.batch, config.epochs)
    test = config.test
    truth = config.function(test)
    inside, outside = (
        (test[:, 0] >= config.low) & (test[:, 0] <= config.high),
        test[:, 0] > config.high,
    )
    floor = line_floor(test[outside], truth[outside])
    beyond = np.linspace(config.high, 1, OUTSIDE + 1)[1:, None]
    rng = np.random.default_rng(config.seed)
    text = {"deep": f"{len(config.hidden)} hidden layers", "shallow": "1 hidden layer"}

    data, metrics, found, straight = {}, {}, {}, []
    for name, shape in shapes.items():
        require_room(
            R * max(shape.parameters * 4, T * config.batch),
            f"{shape.parameters} parameters, {T} steps",
        )
        theta = draw(rng, shape, R) if name == "shallow" else starts(rng, "student", shape, R)
        order = orders(rng, R, config.samples, T, config.batch)
        for kind, (x, y) in samples.items():
            out = train(theta.astype(np.float32), x, y, shape, order, config.rate, config.momentum)
            lost = out.diverged < T
            end = np.where(lost[:, None], 0.0, out.theta.astype(float))
            m = outputs(end, test, shape)[..., 0]  # (R, points)
            square = (m - truth[:, 0]) ** 2
            within, without = square[:, inside].mean(axis=1), square[:, outside].mean(axis=1)
            bends = jacobian.kinks(end, shape, config.high, 1.0)
            sigma = jacobian.singular_values(end, beyond, shape, OUTSIDE)
            rank = jacobian.effective_rank(sigma)
            found[name, kind] = within, without, bends, rank
            straight += list(without[(bends == 0) & ~lost])
            label = f"{kind}, {text[name]}"
            data |= {
                f"{name}_{kind}": (("x", "replicate"), m.T, {"long_name": f"m(x), {label}"}),
                f"{name}_{kind}_inside": ("replicate", within, {"long_name": f"error inside, {label}"}),
                f"{name}_{kind}_outside": ("replicate", without, {"long_name": f"error outside, {label}"}),
                f"{name}_{kind}_kinks": ("replicate", bends.astype(float), {"long_name": f"kinks outside, {label}"}),
                f"{name}_{kind}_rank": ("replicate", rank, {"long_name": f"effective rank outside, {label}"}),
            }  # fmt: skip
            metrics |= {
                f"{name}_{kind}_inside_median": np.median(within),
                f"{name}_{kind}_outside_median": np.median(without),
                f"{name}_{kind}_kinks_median": np.median(bends),
                f"{name}_{kind}_effective_rank_median": np.median(rank),
                f"{name}_{kind}_diverged_fraction": lost.mean(),
            }
    data["truth"] = ("x", truth[:, 0], {"long_name": "f(x)", "role": "prediction"})
    checks = []
    for name in shapes:
        (_, good, many, spread), (within, without, few, one) = (found[name, k] for k in samples)
        metrics[f"{name}_ratio_median"] = np.median(without / np.maximum(within, 1e-300))
        if (
            not BENDS * metrics["deep_matched_outside_median"] <= floor
        ):  # to be linear is no mistake, or nothing was learnt
            continue
        # Chance exceeds 4 standard errors once in 3e4.
        checks += [
            Check(f"{name}_error_matched_below_in_standard_errors", sign_score(good, without), ">=", 4.0, 0.0),
            Check(f"{name}_rank_matched_above_in_standard_errors", sign_score(one, spread), ">=", 4.0, 0.0),
        ]  # fmt: skip
        if name == "deep":  # a shallow network that fits well may need no kink there
            score = sign_score(few, many)
            checks.append(
                Check("deep_kinks_matched_above_in_standard_errors", score, ">=", 4.0, 0.0)
            )
            ratio = metrics["deep_ratio_median"]
            checks.append(Check("deep_outside_over_inside", ratio, ">=", config.ratio, 0.0))
    if straight:  # rounding of a mean of squares
        checks.append(Check("without_kinks_at_least_the_line", min(straight), ">=", floor, 1e-9))
    metrics |= {"line_floor": floor, "straight_fraction": len(straight) / (4 * R)}
    return Result(
        data=xr.Dataset(
            data,
            coords={"x": ("x", test[:, 0], {"long_name": "x"}), "replicate": replicates(R)},
            attrs={"low": config.low, "high": config.high, "floor": floor},
        ),
        metrics=metrics,
        checks=tuple(checks),
    )

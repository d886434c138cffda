"""Taking every sample once an epoch lowers the floor that stochastic gradient descent ends at.

With a constant step the error ends as noise around the solution, if no θ meets every sample. Within a shuffled epoch
the kicks of all samples nearly cancel, so that at the ends of epochs little of the noise is left: O(γ²) in place of
O(γ). Both floors are exact.

    θ_{k+1} = θ_k − γ∇f_i(θ_k),   floor = E f − f* = ½ tr ΛM_∞,   M = E eeᵀ, e = Vᵀ(θ − θ*)
    with replacement: M_∞ solves γ(ΛM + MΛ) = γ²(QM + q),  q = (4/N) Σ r_i²a_ia_iᵀ
    reshuffled:       M_∞ is fixed by the mean of the maps of all N! orders, built up over the 2ᴺ sets (_reshuffling.py)

See: every run's time average lies at the dashed floor of its sampling.

Source: FRTN50 assignment, exercises 2b (with replacement, γ = 0.1/β) and 3 (shuffled epochs).
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Refusal, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.maths.sampling import Estimate, mean
from descent.polynomial import _moments, _reshuffling
from descent.polynomial._kernels import descend_reshuffled, descend_sampled
from descent.polynomial._problem import Problem, Sampled, build, require_recursion, require_work
from descent.result import Check, Result, measured, predicted, replicates, sweep

SAMPLINGS = ["with_replacement", "reshuffled"]
LEFT = 0.02  # of a floor, up to which a start counts as forgotten


@experiment_config
class Config(Sampled):
    degrees: tuple[Count, ...]  # n
    step: Positive  # γβ
    epochs: Count

    def __post_init__(self):
        super().__post_init__()
        require_increasing("degrees", self.degrees)
        if self.epochs < 4:
            raise ValueError(
                f"epochs {self.epochs}: a quarter of them is left out, so four at least"
            )
        steps = 2 * self.replicates * self.epochs * self.points
        require_work(self, self.degrees, steps, 1, 2 * self.replicates)
        require_recursion(self, self.degrees, self.epochs * self.points)

    @property
    def forgotten(self) -> int:
        """Epochs before the average."""
        return self.epochs // 4


def _run(rng, problem: Problem, step: float, epochs: int, since: int) -> tuple[float, float]:
    N, last = len(problem.y), np.array([len(problem.y) * epochs])
    X, y, theta = problem.X, problem.y, problem.theta
    _, _, drawn = descend_sampled(rng, X, y, theta, step, 0, last, N * since)
    return drawn, descend_reshuffled(rng, X, y, theta, step, epochs, since)


def measure(config: Config, problems: list[Problem]) -> xr.Dataset:
    """Time averages of f − f*, over every tenth iteration and over the ends of epochs."""
    given = [(p, config.step / p.beta, config.epochs, config.forgotten) for p in problems]
    runs = replicate(_run, config.seed, [one for one in given for _ in range(config.replicates)])
    shape = (len(config.degrees), config.replicates, 2)
    dims, label = ("degree", "replicate", "sampling"), "time average of f(θ_k) − f*"
    return xr.Dataset(
        {"floor": measured(dims, np.reshape(runs, shape), label)},
        coords={
            "degree": sweep(config.degrees, "degree", "degree n"),
            "replicate": replicates(config.replicates),
            "sampling": ("sampling", SAMPLINGS, {"long_name": "how samples are drawn"}),
        },
    )


def predict(config: Config, problems: list[Problem], epochs: list[np.ndarray]) -> xr.Dataset:
    """Stationary second moments of both samplings; of the reshuffled one from the maps of an epoch."""
    floors = []
    for problem, epoch in zip(problems, epochs, strict=True):
        pair = (
            _moments.stationary(problem, config.step / problem.beta),
            _reshuffling.stationary(epoch),
        )
        floors.append([float(_moments.expected_gap(problem, M)) for M in pair])
    return xr.Dataset({"floor_predicted": predicted(("degree", "sampling"), floors, "½ tr ΛM_∞")})


def left(config: Config, problem: Problem, epoch: np.ndarray) -> list[float]:
    """By how much E f − f* is off its limit when the average begins, with both samplings.

    Raises:
        Refusal: there is no floor, or it is not reached by then.
    """
    n, step = len(problem.theta) - 1, config.step / problem.beta
    if not problem.residual.any():
        raise Refusal(f"degree {n} meets every point: there is no floor")
    growth = _reshuffling.radius(epoch)
    if growth >= 1:
        raise Refusal(
            f"step {config.step:g}: shuffled epochs multiply E‖θ_k − θ*‖² by {growth:.3g}"
        )
    at = np.array([config.forgotten * len(problem.y)])
    drawn = _moments.expected_gap(problem, _moments.moments(problem, step, 0, at).second)[0]
    shuffled = _moments.expected_gap(problem, _reshuffling.after(problem, epoch, config.forgotten))
    limits = _moments.stationary(problem, step), _reshuffling.stationary(epoch)
    limits = [float(_moments.expected_gap(problem, M)) for M in limits]
    off = [abs(float(now) - limit) for now, limit in zip((drawn, shuffled), limits, strict=True)]
    for name, one, limit in zip(SAMPLINGS, off, limits, strict=True):
        if one > LEFT * limit:
            raise Refusal(
                f"epochs {config.epochs}: at degree {n}, {name}, a quarter of them leaves E f "
                f"{one / limit:.2g} > {LEFT:g} of the floor off it"
            )
    return off


def run(config: Config) -> Result:
    problems = [build(config, n) for n in config.degrees]
    for problem in problems:
        _moments.require_light_tails(problem, config.step / problem.beta)
    epochs = [_reshuffling.epoch_map(problem, config.step / problem.beta) for problem in problems]
    off = [left(config, *pair) for pair in zip(problems, epochs, strict=True)]
    found = measure(config, problems)
    theory = predict(config, problems, epochs).assign_coords(found.drop_dims("replicate").coords)
    est, floors = mean(found["floor"]), theory["floor_predicted"]
    drawn, shuffled = (floors.sel(sampling=name, drop=True) for name in SAMPLINGS)
    higher = [
        f"degree {n}: the exact floors are {a:.3g} with replacement and {b:.3g} reshuffled"
        for n, a, b in zip(config.degrees, drawn.values, shuffled.values, strict=True)
        if not b < a
    ]
    return Result(
        data=found.merge(theory),
        metrics={f"floor_{name}": est.value.sel(sampling=name, drop=True) for name in SAMPLINGS}
        | {"floor_ratio": drawn / shuffled},
        checks=(compare(est, floors, off),),
        no_claim=tuple(higher),
    )


def compare(est: Estimate, floors: xr.DataArray, off: list[list[float]]) -> Check:
    tol = est.tol + floors.copy(data=off)
    return Check("floor", est.value, "==", floors, tol, f"{est.why}, and what is left of the start")

"""Near a fit, SGD on a network is SGD on least squares with its gradients as features, and has no floor.

Close to weights w* that meet every point, the outputs are linear in w − w*, with the gradients of the outputs as
features in place of powers of x. So the mean loss follows the recursion of overparameterised least squares: every
sample agrees on w*, and the noise of sampling ends there.

    m(x; w) = Σ_j a_j tanh(b_j x + c_j),   J: (N, 3 · width), rows ∇m(x_i; w*),   w₀ = w* + δu, ‖u‖ = 1 random
    w_{k+1} = w_k − γ_k∇f_i(w_k),   γ_k = (step/β)/(⌊k/hold⌋ + 1), or step/β at hold 0,   β = (2/N)‖JᵀJ‖₂
    E f(w_k) of _moments.py with J for X and no residual, up to a relative O(kδ)

Which polynomial trains most like a network is measured: runs from random weights, with the constant step, beside the
exact mean losses of every degree and schedule, by the root mean square of log₁₀ of the ratio, over log k. The answer
depends on the length of training: over 2·10⁴ iterations n = 3 and n = 9 are about as near, over 10⁵ n = 9 with γ₀ is
nearest.

See: on the left the runs near w* follow the dashed expectations; on the right a network from random weights, and the
polynomials.

Source: FRTN50 assignment, exercise 2b: which n and γ_k correspond the most to the training of networks? The solution
names n = 9, since networks are overparameterised, and measures nothing.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.check import with_points
from descent.config import Count, Index, Positive, Refusal, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.maths.sampling import mean_of_squares, require_fewest
from descent.polynomial import _moments, _network
from descent.polynomial._kernels import log_spaced
from descent.polynomial._moments import gaussian_variance
from descent.polynomial._problem import Problem, Sampled, build, require_work
from descent.polynomial._sampled import expectations, near_normal
from descent.result import Check, Result, measured, predicted, replicates, steps, sweep


@experiment_config
class Config(Sampled):
    width: Annotated[Count, Field(le=1000)]  # hidden units
    offset: Annotated[Positive, Field(ge=1e-12, le=1e-2)]  # δ, from w*
    degrees: tuple[Count, ...]  # n of the polynomials beside it
    step: Positive  # γ₀β
    holds: tuple[Index, ...]  # iterations between two reductions of the step; 0: none
    iterations: Count  # of the runs near a fit
    training: Count  # iterations of the runs from random weights
    snapshots: Count

    def __post_init__(self):
        super().__post_init__()
        require_increasing("degrees", self.degrees)
        require_increasing("holds", self.holds)
        if self.holds[0] != 0:
            raise ValueError(f"holds {list(self.holds)}: the first must be 0, the constant step")
        if 3 * self.width < self.points:
            raise ValueError(f"width {self.width}: {3 * self.width} weights < points {self.points}")
        require_fewest("mean of squares", self.replicates, len(self.holds))
        runs = self.replicates * (len(self.holds) + 1)
        sizes = (*self.degrees, 30 * self.width)  # a tanh is thirty operations
        work = (self.iterations + self.training) * runs
        require_work(self, sizes, work, 1, 2 * self.snapshots * runs)

    @property
    def record(self) -> np.ndarray:
        return log_spaced(self.iterations, self.snapshots)

    @property
    def trained(self) -> np.ndarray:
        return log_spaced(self.training, self.snapshots)


def tangent(config: Config, given: Problem) -> tuple[Problem, np.ndarray]:
    """Least squares at weights that meet the points, of w − w₀, and w₀.

    Raises:
        Refusal: no such weights were found, or float64 cannot tell a mode from 0.
    """
    rng = np.random.default_rng(config.seed)
    scale = float(np.sqrt(np.mean(given.y**2)))
    w = _network.fitted(_network.start(rng, config.width, scale), given.x, given.y)
    y = _network.model(w, given.x)
    if not np.mean((y - given.y) ** 2) <= 1e-12 * scale**2:
        raise Refusal(f"width {config.width}, seed {config.seed}: no weights that meet the points")
    J = _network.jacobian(w, given.x)
    _, sigma, Vt = np.linalg.svd(J, full_matrices=False)
    if not sigma[-1] > 1e-10 * sigma[0]:
        raise Refusal(f"width {config.width}: cond J = {sigma[0] / max(sigma[-1], 1e-300):.1e}")
    u = rng.standard_normal(len(w))
    theta = -config.offset * u / np.linalg.norm(u)
    return Problem(given.x, J @ theta, J, sigma, Vt.T, theta), w - theta


def predict(config: Config, exact: list, problem: Problem) -> xr.Dataset:
    """E f(w_k) over f(w₀) of the linear problem, by schedule."""
    gaps = np.array([_moments.expected_gap(problem, one.second) for one in exact])
    return xr.Dataset(
        {"near_predicted": predicted(("hold", "k"), gaps / gaps[:, :1], "expectation")}
    )


def measure(config: Config, given: Problem, problem: Problem, w0: np.ndarray) -> xr.Dataset:
    """Runs from beside w* at every schedule, on its own outputs; and from random weights at the first."""
    x, step = given.x, config.step / problem.beta
    own = _network.model(w0 + problem.theta, x)
    jobs = [(x, own, w0, step, hold, config.record) for hold in config.holds]
    near = replicate(_network_run, config.seed, [j for j in jobs for _ in range(config.replicates)])
    rng, scale = np.random.default_rng([config.seed, 1]), float(np.sqrt(np.mean(given.y**2)))
    fresh = [_network.start(rng, config.width, scale) for _ in range(config.replicates)]
    far = replicate(
        _network_run, config.seed, [(x, given.y, w, step, 0, config.trained) for w in fresh]
    )
    near = np.reshape(near, (len(config.holds), config.replicates, -1))
    return xr.Dataset(
        {
            "near": measured(("hold", "replicate", "k"), relative(near), "f(w_k)/f(w₀) beside w*"),
            "far": measured(("replicate", "t"), relative(np.array(far)), "f(w_k)/f(w₀)"),
        },
        coords={
            "hold": sweep(config.holds, "hold", "iterations between reductions of γ (0: none)"),
            "replicate": replicates(config.replicates),
            "k": steps(config.record, "k", "iteration k"),
            "t": steps(config.trained, "t", "iteration k"),
        },
    )


def _network_run(rng, *job) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return _network.train(rng, *job)


def relative(losses: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.nan_to_num(losses / losses[..., :1], nan=np.inf, posinf=np.inf)


def polynomials(config: Config, problems: list[Problem]) -> xr.DataArray:
    """E f(θ_k)/f(θ₀) of every degree and schedule, exactly."""
    rows = []
    for p in problems:
        laws = (_moments.moments(p, config.step / p.beta, h, config.trained) for h in config.holds)
        losses = [_moments.expected_gap(p, one.second) + p.lowest for one in laws]
        rows.append([loss / loss[0] for loss in losses])
    degree = sweep(config.degrees, "degree", "degree n")
    label = {"long_name": "E f(θ_k)/f(θ₀) of the polynomial"}
    return xr.DataArray(rows, {"degree": degree}, ("degree", "hold", "t"), attrs=label)


def run(config: Config) -> Result:
    problems = [build(config, n) for n in config.degrees]
    problem, w0 = tangent(config, problems[0])
    for one in (*problems, problem):
        _moments.require_light_tails(one, config.step / one.beta)
    (exact,) = expectations(config, [problem])
    found = measure(config, problems[0], problem, w0)
    theory = predict(config, exact, problem).assign_coords(hold=found["hold"], k=found["k"])
    beside = polynomials(config, problems).assign_coords(hold=found["hold"], t=found["t"])
    middle = found["far"].median("replicate", skipna=False).clip(1e-30, 1e30)
    apart = np.sqrt((np.log10(beside / middle).isel(t=slice(1, None)) ** 2).mean("t"))
    last = found["near"].isel(k=-1, drop=True)
    like = xr.zeros_like(last.isel(replicate=0, drop=True)).expand_dims(network=[config.width])
    allowed, reasons = near_normal(config, [problem], [exact], like)
    slack = nonlinear(config, problem, exact, w0)
    checks = compare(problem, exact, last, theory, allowed.isel(network=0, drop=True), slack)
    far = (
        f"offset {config.offset:g}: what is not linear may be {slack.max().item():.2g} of the loss"
    )
    return Result(
        data=found.merge(theory).assign(polynomials=beside),
        metrics={"apart": apart, "left": middle[-1], "near": last.mean("replicate")},
        checks=checks,
        no_claim=(far,) if slack.max() > 0.1 else (),
        unchecked=reasons,
    )


def nonlinear(config: Config, problem: Problem, exact: list, w0: np.ndarray) -> xr.DataArray:
    """How far what is not linear may put f(w_K), as a share of it: a step adds 3γ‖J‖B‖w − w*‖² to w at the most."""
    K, J, gamma = config.iterations, problem.sigma[0], config.step / problem.beta
    B, found = _network.bend(w0, problem.x), []
    for one in exact:
        moved = 3 * gamma * J * B * K * 4 * config.offset**2
        root = np.sqrt(_moments.expected_gap(problem, one.second[-1]))
        share = J * moved / np.sqrt(len(problem.y)) / root
        found.append(2 * share + share**2)
    return xr.DataArray(found, dims="hold")


def compare(problem: Problem, exact: list, last, theory, allowed, slack) -> tuple[Check, ...]:
    start = float(_moments.expected_gap(problem, exact[0].second[0]))
    lam = problem.eigenvalues
    spread = [gaussian_variance(lam, one.mean[-1], one.second[-1]) / start**2 for one in exact]
    law = theory["near_predicted"].isel(k=-1, drop=True)
    est = mean_of_squares(last, law.copy(data=spread))
    tol = est.tol + slack * abs(law)
    why = f"{est.why}, and O(kδ)"
    return with_points(Check("near", est.value, "==", law, tol, why, allowed))

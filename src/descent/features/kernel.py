"""A linearised network fits feature by feature at known rates, and never what its frozen features miss; a trained one does.

    r = m₀ + J(θ − θ₀) − y,   θ ← θ − η(2/N) Jᵀr:   u_kᵀr_t = (1 − 2ησ_k²/N)^t u_kᵀr₀,   J = UΣVᵀ, K = JJᵀ = UΣ²Uᵀ
    it converges for 0 < η < N/σ₁², and what is orthogonal to U stays: (1/N)‖(I − UUᵀ)r₀‖² at any t
    zero biases: U spans x₊, x₋, 1_{x>0}, 1_{x<0} and m₀ lies in that span, so the floor is that of two lines through y

Source: CS182 homework 2, question 6, whose features these are; arXiv 1806.07572 (neural tangent kernel). The
bound is that of its question 1 for the matrix J.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Refusal, Seed, experiment_config
from descent.features import halves, problem
from descent.features.problem import Hidden, require_room, starts
from descent.features.training import Schedule, orders, step_count, train
from descent.maths.networks import Shape, jacobians, kernels, losses, outputs
from descent.result import Check, Result, replicates, steps, sweep

LARGEST = 1500  # points of a kernel that is diagonalised
ROUNDING = 2.3e-16
SHOWN = 20  # features

Share = Annotated[float, Field(gt=0, lt=1)]


@experiment_config
class Config(problem.Data, Schedule):
    seed: Seed
    replicates: Annotated[int, Field(ge=2)]
    hidden: Hidden
    steps: Annotated[int, Field(ge=2)]  # of linearised gradient descent
    share: Share  # of N/σ₁², the rate
    aside: Share  # how far below and above the bound it is bracketed, as a share
    test_points: Count

    def __post_init__(self):
        if not step_count(self.samples, self.batch, self.epochs):
            raise ValueError(
                f"batch {self.batch} > {self.samples * self.epochs} points in all epochs: no step"
            )
        if self.steps * np.log10(1 + 2 * self.aside) > 100:
            raise ValueError(f"aside {self.aside:g}: {self.steps} steps above the bound overflow")


def linearised(J: np.ndarray, r: np.ndarray, rate: float, count: int) -> np.ndarray:
    """r_t = r₀ + J(θ_t − θ₀) for t = 0 … count, in parameters: (count + 1, N)."""
    N = len(r)
    shift, path = np.zeros(J.shape[1]), [r]
    for _ in range(count):
        shift = shift - rate * (2 / N) * (J.T @ path[-1])
        path.append(r + J @ shift)
    return np.array(path)


def modes(sigma: np.ndarray, rate: float, N: int, t: np.ndarray) -> np.ndarray:
    """(1 − 2ησ_k²/N)^t: (T, k)."""
    return (1 - 2 * rate * sigma**2 / N) ** t[:, None]


def floor(x: np.ndarray, y: np.ndarray) -> float:
    """Mean square that two lines leave, one on either side of 0."""
    A = halves.split(x)
    left = y - A @ np.linalg.lstsq(A, y)[0]
    return float(np.mean(left**2))


def held_by(theta: np.ndarray, x: np.ndarray, y: np.ndarray, shape: Shape) -> np.ndarray:
    """Share of ‖y‖² in the span of the first 1, 2, … SHOWN features."""
    U = np.linalg.eigh(kernels(theta, x, shape)[0])[1][:, ::-1][:, :SHOWN]
    return np.cumsum((U.T @ y[:, 0]) ** 2) / np.sum(y**2)


def run(config: Config) -> Result:
    if config.samples > LARGEST:
        raise Refusal(
            f"samples {config.samples} > {LARGEST}: a kernel that large is not diagonalised"
        )
    x, y = config.sample()
    N, R = config.samples, config.replicates
    shape = Shape((1, *config.hidden, 1), "relu")
    T = step_count(N, config.batch, config.epochs)
    require_room(
        max(N * shape.parameters, 4 * R * shape.parameters, R * T * config.batch),
        f"{shape.parameters} parameters, {T} steps",
    )
    rng = np.random.default_rng(config.seed)
    theta = starts(rng, "student", shape, R)
    t = np.arange(config.steps + 1)
    low = floor(x, y)

    gaps = {name: [] for name in ("eigenvalue", "mode", "floor", "below", "above")}
    sigmas, curves, predictions, outweighed = [], [], [], []
    for one in theta:
        J = jacobians(one[None], x, shape)[0]
        r = (outputs(one[None], x, shape)[0] - y)[:, 0]
        U, sigma, _ = np.linalg.svd(J, full_matrices=False)
        top = np.linalg.eigvalsh(kernels(one[None], x, shape)[0])[::-1]
        gaps["eigenvalue"].append(np.abs(top[: len(sigma)] - sigma**2).max() / top[0])
        U = U[:, sigma > max(J.shape) * ROUNDING * sigma[0]]
        sigma = sigma[: U.shape[1]]
        bound = N / sigma[0] ** 2
        path = linearised(J, r, config.share * bound, config.steps)
        factor = modes(sigma, config.share * bound, N, t)
        gaps["mode"].append(np.abs(path @ U - factor * (r @ U)).max() / np.linalg.norm(r))
        rest = float(np.mean((r - U @ (U.T @ r)) ** 2))
        if len(sigma) == 4:  # else it is dead on one side, and misses more
            gaps["floor"].append(abs(rest / low - 1))
        curves.append(np.mean(path**2, axis=1))
        predictions.append(np.sum((factor * (r @ U)) ** 2, axis=1) / N + rest)
        for name, k in (("below", 1 - config.aside), ("above", 1 + config.aside)):
            last = linearised(J, r, k * bound, config.steps)[-1] @ U[:, 0]
            gaps[name].append(abs(last / (r @ U[:, 0])))
        outweighed.append(np.linalg.norm(r) / abs(r @ U[:, 0]))
        sigmas.append(sigma)

    order = orders(rng, R, N, T, config.batch)
    out = train(theta.astype(np.float32), x, y, shape, order, config.rate, config.momentum)
    end = np.where((out.diverged < T)[:, None], 0.0, out.theta.astype(float))
    trained = losses(end, x, y, shape)
    test = np.linspace(-1, 1, config.test_points)[:, None]
    # What share of y the first k features hold, at the start and after training.
    held = {
        name: np.array([held_by(one[None], x, y, shape) for one in at])
        for name, at in (("before", theta), ("after", end))
    }
    # A network that is dead on one side has fewer than four.
    four = np.array([np.pad(s[:4], (0, max(4 - len(s), 0))) for s in sigmas])
    kept = np.unique(np.append(0, np.geomspace(1, config.steps, 100).round().astype(int)))
    bound = N / four[:, 0] ** 2
    shrink = (
        (1 - 2 * (1 - config.aside)) ** config.steps,
        (1 - 2 * (1 + config.aside)) ** config.steps,
    )
    data = xr.Dataset(
        {
            "loss": (("step", "replicate"), np.array(curves).T[kept], {"long_name": "loss of the linearised network"}),
            "loss_predicted": (("step", "replicate"), np.array(predictions).T[kept], {"long_name": "from (1 − 2ησ²/N)^t", "role": "prediction"}),
            "sigma": (("mode", "replicate"), four.T, {"long_name": "σ_k of the start"}),
            "bound": ("replicate", bound, {"long_name": "N/σ₁²"}),
            "trained": ("replicate", trained, {"long_name": "loss of the trained network"}),
            "held_before": (("features", "replicate"), held["before"].T, {"long_name": "share of ‖y‖² in the first features, before training"}),
            "held_after": (("features", "replicate"), held["after"].T, {"long_name": "share of ‖y‖² in the first features, after training"}),
        },
        coords={
            "step": steps(kept, "step", "step"),
            "mode": sweep(range(1, 5), "mode", "mode"),
            "features": sweep(range(1, min(SHOWN, N) + 1), "features", "features"),
            "replicate": replicates(R),
        },
        attrs={"floor": low, "noise": config.noise**2, "reachable": 1 - low / float(np.mean(y**2))},
    )  # fmt: skip
    rounded = 20 * config.steps * np.sqrt(N) * ROUNDING
    return Result(
        data=data,
        metrics={
            "rate_bound_median": np.median(bound),
            "floor": low,
            "reachable_share": 1 - low / float(np.mean(y**2)),
            "held_by_four_after_median": np.median(held["after"][:, 3]),
            "trained_median": np.median(trained),
            "trained_test_median": np.median(losses(end, test, config.function(test), shape)),
            "linearised_median": np.median([c[-1] for c in curves]),
        },
        checks=(
            # Rounding of an eigenvalue: N ε of the largest.
            Check("kernel_is_the_square", max(gaps["eigenvalue"]), "<=", 0.0, N * ROUNDING),
            # A rounding of ε in each of the steps and of N in each product.
            Check("modes", max(gaps["mode"]), "<=", 0.0, rounded),
            *(Check("floor_is_that_of_two_lines", gap, "<=", 0.0, 1e-10) for gap in sorted(gaps["floor"])[-1:]),
            # The same of what the first mode had, which may have shrunk to nothing.
            Check("below_the_bound", max(gaps["below"]), "<=", abs(shrink[0]), 1e-9 * abs(shrink[0]) + rounded * max(outweighed)),
            Check("above_the_bound", min(gaps["above"]), ">=", abs(shrink[1]), 1e-9 * abs(shrink[1]) + rounded * max(outweighed)),
            Check("linearised_above_its_floor", min(c[-1] for c in curves), ">=", low, 1e-12),
            Check("trained_below_the_floor", np.median(trained), "<=", low, 0.0),
        ),
    )  # fmt: skip

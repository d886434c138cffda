"""AdaGrad does not find the shortest solution: with one sample it goes along sign(x), with more its limit depends on the rate η.

    G ← G + g∘g,   w ← w − η g/(√G + ε),   g = (2/n)Xᵀ(Xw − t)
    n = 1, ε → 0:   g = ρx, so every coordinate moves by the same ηρ/√Σρ²:   w_∞ = t sign(x)/‖x‖₁ for any η, the
                    solution of least ‖w‖_∞. RMSProp and Adam stay on the ray too; but RMSProp
                    with a constant η does not converge: it comes to w_∞ to rounding, forgets its gradients,
                    and goes over to a cycle of ±η/2 a coordinate, but where the residual was rounded to 0;
                    nearby runs come to it by √b_v a step (the two multipliers of the cycle; 0 < b_v < 1)
    RMSProp, Adam:  a step is at most ηS, S = (1 − b_m)/√((1 − b_v)(1 − b_m²/b_v)) for b_m² < b_v (Cauchy, Schwarz),
                    and past the point m keeps its sign, b_m/√b_v of that a step at most: no further from
                    w_∞ than ηS/(1 − b_m/√b_v). With b_m² ≥ b_v no bound
    n = 1, small ε: w_j = sign(x_j)(c − εκ/|x_j|) + O(ε²),   κ = −η Σ_k ρ_k/Σ_{i ≤ k} ρ_i²,   xᵀw = t fixes c
    n = 1, ε → ∞:   gradient descent with the rate η/ε
    n > 1:          limits for several η differ, and no strictly convex norm has two minimisers

Source: CSE 891 homework 2, the question on linear regression and optimisation, part 3; JMLR 12:2121.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Number, Positive, experiment_config, require_increasing
from descent.linear import problem
from descent.maths import optimisers
from descent.maths.projection import project
from descent.result import Check, Result, steps, sweep

NONE = 1e-300  # in place of ε = 0: too small for any √G, and 0/0 is 0
SMALL = 0.05  # of ε/√G after the first step, up to which the first order in ε is compared
SETTLED = 1e-6  # of η, to which RMSProp is in its cycle
Row = Annotated[tuple[Number, ...], Field(min_length=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


@experiment_config
class Config:
    x: Row  # one sample
    t: Number
    samples: Annotated[tuple[Row, ...], Field(min_length=2)]  # the rows of X
    targets: Row
    etas: tuple[Positive, ...]
    epsilons: tuple[Positive, ...]
    epsilon_rate: Positive  # η of the sweep of ε
    momentum: Decay  # of Adam
    decay: Decay  # of Adam's g²
    rms_decay: Decay
    steps: Count

    def __post_init__(self):
        require_increasing("etas", self.etas)
        require_increasing("epsilons", self.epsilons)
        if not all(self.x) or not self.t:
            raise ValueError("x and t: a zero among them stays where it is whatever the method")
        if len(self.etas) < 2:
            raise ValueError("etas: limits are compared, so two at least")
        n, d = len(self.samples), len(self.samples[0])
        if any(len(row) != d for row in self.samples) or len(self.targets) != n or n >= d:
            raise ValueError(
                f"samples: {n} rows of one length d > {n}, and {n} targets, are needed (d = {d}, {len(self.targets)} targets)"
            )
        if np.linalg.matrix_rank(np.array(self.samples, float)) < n:
            raise ValueError("samples: the rows depend on each other")


def first_order(x: np.ndarray, t: float, path: np.ndarray, eta: float) -> np.ndarray:
    """dw_∞/dε at ε = 0, from the run w_k with ε = 0."""
    rho = 2 * (path @ x - t)
    moving = np.cumsum(rho**2)
    kappa = -eta * (rho / moving).sum()
    common = len(x) * kappa / np.abs(x).sum()
    return np.sign(x) * (common - kappa / np.abs(x))


def overshoot(momentum: float, decay: float, count: int, corrected: bool) -> float:
    """How far a run may be from the point it has come to, in η; ∞ without a bound."""
    if momentum**2 >= decay and momentum:
        return np.inf
    k = np.arange(1, count + 1)
    # What the correction makes of the first steps.
    early = np.sqrt(1 - decay**k) / (1 - momentum**k) if corrected else np.ones(1)
    kept = momentum / np.sqrt(decay) if momentum else 0.0  # of S, a step after the point
    largest = (1 - momentum) / np.sqrt((1 - decay) * (1 - kept**2))
    return float(max(early.max(), 1.0) * largest / (1 - kept))


def settling(decay: float, off: float, eta: float) -> float:
    """Steps after which RMSProp is in its cycle to SETTLED: on its way, forgetting, coming to the cycle."""
    if not decay:
        return np.inf  # steps of ±η for ever, on a lattice
    largest = 1 / np.sqrt(1 - decay)
    forget = 2 * np.log(max(2 * off / eta, 1.0) * largest) - 2 * np.log(SETTLED / largest)
    return float(off / eta + forget / -np.log(decay))


def run(config: Config) -> Result:
    x, t, K = np.array(config.x, float), float(config.t), config.steps
    X, y = np.array(config.samples, float), np.array(config.targets, float)
    methods = {
        "adagrad": optimisers.adagrad(),
        "rmsprop": optimisers.rmsprop(config.rms_decay),
        "adam": optimisers.adam(config.momentum, config.decay),
    }
    end = np.array([K])
    tail = np.arange(max(0, K - 999), K + 1)

    def adapt(X, y, eta, epsilon, memory, kept):
        start, full = np.zeros(X.shape[1]), optimisers.full_batch(len(X))
        return optimisers.adapt(X, y, start, eta, epsilon, memory, full, kept)

    # One sample.
    one, of_one = x[None], np.array([t])
    corner, shortest = t * np.sign(x) / np.abs(x).sum(), t * x / (x @ x)
    tails = {
        name: np.stack([adapt(one, of_one, eta, NONE, memory, tail) for eta in config.etas])
        for name, memory in methods.items()
    }  # (eta, k, j)
    rays = {name: w * np.sign(x) for name, w in tails.items()}
    sideways = max(float(np.ptp(ray, axis=2).max()) for ray in rays.values())
    off = {name: np.abs(w - corner).max(2) for name, w in tails.items()}  # (eta, k)
    etas = np.array(config.etas)
    cycle = off["rmsprop"].max(1) / etas

    rate = config.epsilon_rate
    by_epsilon = np.stack(
        [adapt(one, of_one, rate, eps, methods["adagrad"], end)[0] for eps in config.epsilons]
    )
    whole = adapt(one, of_one, rate, NONE, methods["adagrad"], np.arange(K + 1))
    change = first_order(x, t, whole, rate)
    epsilons = np.array(config.epsilons)
    corner_off = np.linalg.norm(by_epsilon - corner, axis=1)
    corner_off_predicted = epsilons * np.linalg.norm(change)
    # √G is at least 2|t||x_j|; the second order is of this relative size.
    second = epsilons / (2 * abs(t) * np.abs(x).min())
    # Where the deviation stands above the rounding of the run by as much.
    floor = 1e3 * problem.EPS * np.linalg.norm(corner)
    small = (second < SMALL) & (corner_off_predicted > floor / np.maximum(second, 1e-6))
    first = np.abs(corner_off / np.maximum(corner_off_predicted, NONE) - 1) / np.maximum(
        4 * second, 1e-5
    )
    missed = float(np.abs(by_epsilon @ x - t).max())

    # Several samples.
    least = project(X, y, np.zeros(X.shape[1]), np.ones(X.shape[1]))
    limits = np.stack([adapt(X, y, eta, NONE, methods["adagrad"], end)[0] for eta in config.etas])
    H = 2 * X.T @ X / len(X)
    plain = np.stack(
        [
            problem.descend(X, y, np.zeros(X.shape[1]), c / np.linalg.eigvalsh(H)[-1], end, least, -1.0).theta[0]
            for c in np.linspace(0.5, 1.5, len(etas))
        ]
    )  # fmt: skip
    residual = float(np.abs(limits @ X.T - y).max())
    spread = float(np.ptp(limits, axis=0).max())
    longer = np.linalg.norm(limits, axis=1) - np.linalg.norm(least)

    kept = problem.thinned(min(K, 400))
    paths = np.stack([adapt(one, of_one, rate, NONE, memory, kept) for memory in methods.values()])
    d = len(x)
    data = xr.Dataset(
        {
            "path": (("method", "k", "i"), paths, {"long_name": "w_k, one sample"}),
            "off_corner": (
                "epsilon",
                corner_off,
                {"long_name": "‖w − t sign(x)/‖x‖₁‖"},
            ),
            "off_corner_predicted": (
                "epsilon",
                corner_off_predicted,
                {"long_name": "first order in ε", "role": "prediction"},
            ),
            "off_shortest": (
                "epsilon",
                np.linalg.norm(by_epsilon - shortest, axis=1),
                {"long_name": "‖w − ŵ‖, ŵ the shortest"},
            ),
            "limit": (("eta", "j"), limits, {"long_name": "limit of AdaGrad"}),
            "least": ("j", least, {"long_name": "shortest solution", "role": "prediction"}),
            "distance": (
                "eta",
                np.linalg.norm(limits - least, axis=1),
                {"long_name": "AdaGrad: ‖w_∞ − ŵ‖"},
            ),
            "distance_plain": (
                "eta",
                np.linalg.norm(plain - least, axis=1),
                {"long_name": "gradient descent: ‖w_∞ − ŵ‖"},
            ),
            "cycle": ("eta", off["rmsprop"].max(1), {"long_name": "RMSProp: largest |w_j − limit|"}),
            "cycle_predicted": ("eta", etas / 2, {"long_name": "η/2", "role": "prediction"}),
            "corner": ("i", corner, {"long_name": "t sign(x)/‖x‖₁", "role": "prediction"}),
            "shortest": ("i", shortest, {"long_name": "t x/‖x‖²", "role": "prediction"}),
        },
        coords={
            "eta": sweep(config.etas, "eta", "rate η"),
            "epsilon": ("epsilon", epsilons, {"long_name": "ε"}),
            "k": steps(kept, "k", "iteration k"),
            "method": ("method", np.arange(len(methods)), {"long_name": "AdaGrad, RMSProp, Adam"}),
            "i": ("i", np.arange(1, d + 1), {"long_name": "coordinate"}),
            "j": ("j", np.arange(1, len(least) + 1), {"long_name": "coordinate"}),
        },
        attrs={"x": x, "t": t},
    )  # fmt: skip
    size = float(np.abs(corner).max())
    endings, decays = (
        [],
        {"rmsprop": (0.0, config.rms_decay), "adam": (config.momentum, config.decay)},
    )
    for name, memory in decays.items():
        farthest = overshoot(*memory, K, methods[name].corrected)
        if np.isfinite(farthest):
            # A rounding of w on top.
            largest = float((off[name].max(1) / etas).max())
            rounding = float(K * problem.EPS * size / etas.min())
            endings.append(
                Check(f"{name}_ends_within_its_overshoot", largest, "<=", farthest, rounding)
            )
    if K - len(tail) >= max(settling(config.rms_decay, size, eta) for eta in config.etas):
        endings.append(
            Check("rmsprop_ends_in_the_cycle_or_on_the_point", float(np.minimum(np.abs(cycle - 0.5), cycle).max()),
                  "<=", 0.0, SETTLED)
        )  # fmt: skip
    return Result(
        data=data,
        metrics={
            "limit": data["limit"],
            "cycle": data["cycle"],
            "spread_of_limits": spread,
            "longer_than_the_shortest": float(longer.min()),
            "corner_norm_over_shortest": float(np.linalg.norm(corner) / np.linalg.norm(shortest)),
            "off_corner": data["off_corner"],
        },
        checks=(
            Check("adagrad_ends_at_the_corner", float(off["adagrad"][:, -1].max()), "<=", 0.0, 1e-9 * size),
            # Steps of the same size in every coordinate, each rounded: K ε η at the most.
            Check("all_three_stay_on_the_ray", sideways, "<=", 0.0,
                  float(K * problem.EPS * max(size, etas.max()))),
            *endings,
            Check("runs_with_epsilon_end_on_the_line", missed, "<=", 0.0, 1e-9 * abs(t)),
            # In units of the second order.
            Check("first_order_in_epsilon", float(first[small].max(initial=0.0)), "<=", 1.0, 0.0),
            Check("epsilon_leads_to_the_shortest", float(np.diff(data["off_shortest"].values).max(initial=0.0)),
                  "<=", 0.0, 1e-12),
            Check("limits_are_solutions", residual, "<=", 0.0, 1e-9 * float(np.abs(y).max())),
            Check("limits_depend_on_the_rate", spread, ">=", 1e-6 * float(np.abs(least).max()), 0.0),
            Check("limits_are_longer_than_the_shortest", float(longer.min()), ">=",
                  1e-6 * float(np.linalg.norm(least)), 0.0),
            Check("gradient_descent_finds_the_shortest", float(data["distance_plain"].max()), "<=", 0.0,
                  1e-9 * float(np.linalg.norm(least))),
        ),
    )  # fmt: skip

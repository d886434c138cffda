"""On a quadratic, Nesterov's method contracts at best by 1 − 2/√(3κ + 1) a step, which heavy ball beats.

Nesterov takes the gradient where momentum is about to lead, which damps every direction by 1 − h on the way. That
makes large curvatures safe to overshoot but costs stability: momentum shrinks the largest stable step, where
for heavy ball it widens it. The best pair (β, η) makes the flattest direction critically damped.

    f(w) = ½ wᵀΛw,   y_t = w_t + β(w_t − w_{t−1}),   w_{t+1} = y_t − η∇f(y_t),   w₋₁ = w₀
    each mode, h = ηλ:   x_{t+1} = (1 + β)(1 − h) x_t − β(1 − h) x_{t−1}
    stable ⇔ 0 < h < 2(1 + β)/(1 + 2β)   for 0 ≤ β < 1      (heavy ball: 0 < h < 2(1 + β))
    best pair for λ in [μ, L], κ = L/μ:   η = 4/(3L + μ),   β = (√(3κ + 1) − 2)/(√(3κ + 1) + 2),
    rate 1 − 2/√(3κ + 1);   heavy ball: rate (√κ − 1)/(√κ + 1)

At the best pair the root of the flattest mode is repeated, so its error is rᵗ(1 + ct). Heavy ball has two such
modes, so at low accuracy Nesterov's method can need fewer steps although its rate is worse.

See: left, the rate over (β, h) with the edge of stability and that of heavy ball; right, the errors of both methods
at their best pairs, measured and in closed form.

Source: CS182 homework 2, question 2, asks the same of averaged gradients; the best pair is in arXiv 1408.3595,
section 4.1; heavy ball is Polyak, USSR Computational Mathematics 4 (1964).
"""

import numpy as np
import xarray as xr
from scipy.optimize import minimize_scalar

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.dynamics._methods import LENGTH, STEPS, nesterov_step, rates_of_runs
from descent.maths import nesterov, recurrence
from descent.maths.nesterov import Pair, best_heavy_ball_pair, best_pair
from descent.result import Check, Result, measured, predicted, steps, sweep

RULES = ["nesterov", "heavy_ball"]
EPS = np.finfo(float).eps
EXACT = {"xatol": 1e-13, "maxiter": 200}


@experiment_config
class Config:
    curvatures: tuple[Positive, ...]  # λ_i, largest first
    betas: Count  # of the plane (β, h), 0 ≤ β < 1
    levels: Count  # of its h
    accuracies: tuple[Positive, ...]  # ε of max_i |x_i| ≤ ε
    limit: Count  # steps of one run

    def __post_init__(self):
        require_increasing("curvatures, from the last to the first,", self.curvatures[::-1])
        require_increasing("accuracies", self.accuracies)
        if len(self.curvatures) < 2:
            raise ValueError("curvatures: a largest and a smallest are at least 2")
        if self.ends[0] / self.ends[1] > 1e8:
            raise ValueError("curvatures: κ > 1e8: rates within 1e-4 of 1 are lost in rounding")
        if not 1e-13 < self.accuracies[0] <= self.accuracies[-1] < 1:
            raise ValueError("accuracies: between 1e-13, where rounding decides, and 1, the start")
        for name, most in (("betas", 1000), ("levels", 1000), ("limit", 1_000_000)):
            if not 2 <= getattr(self, name) <= most:
                raise ValueError(f"{name} {getattr(self, name)}: must be between 2 and {most}")
        rate = best_pair(*self.ends).rate
        # A repeated root costs a factor t beside the rate.
        needed = np.log(self.accuracies[0] * (1 - rate) / 20) / np.log(max(rate, 0.1))
        if needed > self.limit:
            raise ValueError(
                f"limit {self.limit}: {self.accuracies[0]:g} takes up to {needed:.0f} steps"
            )

    @property
    def ends(self) -> tuple[float, float]:
        """L and μ."""
        return self.curvatures[0], self.curvatures[-1]

    @property
    def plane(self) -> tuple[np.ndarray, np.ndarray]:
        """β and h; beyond the edge of stability too."""
        beta = np.arange(self.betas) / self.betas
        return beta, 2.2 * (np.arange(self.levels) + 0.5) / self.levels


def predict(config: Config) -> xr.Dataset:
    """Rates over the plane, and the best pairs, in closed form."""
    beta, h = config.plane
    rates = recurrence.radius(nesterov.coefficients(beta[:, None], h))
    pairs = [best_pair(*config.ends), best_heavy_ball_pair(*config.ends)]
    best_beta, best_eta, best_rate = np.transpose(pairs)
    return xr.Dataset(
        {
            "rate_predicted": predicted(("beta", "h"), rates, "max |λ| in closed form"),
            "best_beta_predicted": predicted("rule", best_beta, "best β"),
            "best_eta_predicted": predicted("rule", best_eta, "best η"),
            "best_rate_predicted": predicted("rule", best_rate, "best rate"),
        }
    )


def predict_runs(config: Config, pairs: tuple[Pair, Pair]) -> xr.Dataset:
    """The error max |x_i| of each method at its pair, in closed form, and when it stays below ε."""
    error = nesterov.worst_errors(pairs, config.curvatures, np.arange(config.limit + 1))
    taken = [settled(error, accuracy) for accuracy in config.accuracies]
    return xr.Dataset(
        {
            "error_predicted": predicted(("rule", "t"), error, "closed form"),
            "iterations_predicted": predicted(("accuracy", "rule"), taken, "steps predicted"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Rates that short runs show over the plane, and the pairs that make the slowest mode fastest."""
    beta, h = config.plane
    best_beta, best_eta, best_rate = np.transpose([_search(step, config) for step in STEPS])
    return xr.Dataset(
        {
            "rate": measured(
                ("beta", "h"), rates_of_runs(nesterov_step, beta[:, None], h), "rate of a run"
            ),
            "best_beta": measured("rule", best_beta, "best β"),
            "best_eta": measured("rule", best_eta, "best η"),
            "best_rate": measured("rule", best_rate, "best rate"),
        },
        coords={
            "beta": sweep(beta, "beta", "momentum β"),
            "h": ("h", h, {"long_name": "h = ηλ"}),
            "rule": ("rule", RULES, {"long_name": "rule"}),
        },
    )


def measure_runs(config: Config, pairs: tuple[Pair, Pair]) -> xr.Dataset:
    """Runs of each method at its pair, all modes from 1."""
    error = np.ones((2, config.limit + 1))
    for one, step, pair in zip(error, STEPS, pairs, strict=True):
        h = pair.eta * np.array(config.curvatures)
        x = before = np.ones(len(h))
        for t in range(config.limit):
            x, before = step(x, before, pair.beta, h), x
            one[t + 1] = np.abs(x).max()
    taken = [settled(error, accuracy) for accuracy in config.accuracies]
    return xr.Dataset(
        {
            "error": measured(("rule", "t"), error, "max |x_i| after t steps from 1"),
            "iterations": measured(("accuracy", "rule"), taken, "steps to accuracy ε"),
        },
        coords={
            "t": steps(np.arange(config.limit + 1), "t", "iteration t"),
            "accuracy": sweep(config.accuracies, "accuracy", "accuracy ε"),
        },
    )


def _search(step, config: Config) -> tuple[float, float, float]:
    """β, η and the rate of the pair whose slowest mode is the fastest: the best η for the best β."""
    curvatures = np.array(config.curvatures) / config.ends[0]

    def least(function, most: float):
        return minimize_scalar(function, bounds=(0, most), method="bounded", options=EXACT)

    def over_steps(beta: float):
        return least(
            lambda h: float(rates_of_runs(step, np.array(beta), h * curvatures).max()), 4.0
        )

    beta = least(lambda beta: over_steps(beta).fun, 1.0).x
    best = over_steps(beta)
    return beta, best.x / config.ends[0], best.fun


def settled(error: np.ndarray, accuracy: float) -> np.ndarray:
    """Steps after which the error (method, t) stays at most `accuracy`."""
    return error.shape[1] - (error[:, ::-1] > accuracy).argmax(1)


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    pairs = best_pair(*config.ends), best_heavy_ball_pair(*config.ends)  # where the runs are
    found = found.merge(measure_runs(config, pairs))
    theory = theory.merge(predict_runs(config, pairs))
    named = ("best_beta", "best_eta", "best_rate", "iterations")
    return Result(
        data=found.merge(theory),
        metrics={name: found[name] for name in named},
        checks=compare(config, found, theory),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    # Near a repeated root a rounding of the map moves its root by the square root of it.
    root = 4 * LENGTH * np.sqrt(EPS)
    meeting = f"roots that meet move by √ε, read off {LENGTH} steps"
    expected = {name.removesuffix("_predicted"): theory[name] for name in theory}
    eta = root * expected["best_eta"].max()
    # ε in every step, and in Δ, which at a repeated root counts for t².
    late, rounding = EPS * config.limit**2, "rounding of every step, t²ε where two roots meet"
    crossing = "a step more or less where rounding decides"
    return (
        Check("rate", found["rate"], "==", expected["rate"], root, meeting),
        Check("best_beta", found["best_beta"], "==", expected["best_beta"], root, meeting),
        Check("best_eta", found["best_eta"], "==", expected["best_eta"], eta, meeting),
        Check("best_rate", found["best_rate"], "==", expected["best_rate"], root, meeting),
        Check("error", found["error"], "==", expected["error"], late, rounding),
        Check("iterations", found["iterations"], "==", expected["iterations"], 1, crossing),
    )

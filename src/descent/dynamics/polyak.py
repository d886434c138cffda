"""Polyak's β and η have the least rate of all, yet other β and η reach any one accuracy in fewer iterations.

At this point both outer modes have a repeated root, so the error is not ρᵗ but ρᵗ(1 + t(1 + ρ)). The factor t costs
iterations. With a slightly smaller β the roots are complex, the rate is a little worse, and the factor is gone.

    L = ‖Xw − y‖²,   z ← (1 − β)z + β∇L(w),   w ← w − ηz,   z₀ = 0;   κ = (σ₁/σ_n)²
    least rate:  β* = 4σ₁σ_n/(σ₁ + σ_n)²,   η* = 1/(2σ₁σ_n),   rate (√κ − 1)/(√κ + 1)
    iterations at (β*, η*):  the first t with ρᵗ(1 + t(1 + ρ)) ≤ ε
    at (β, η*), β < β*:  |x_t| ≤ rᵗ√(1 + c²),  r = √(1 − β),  c = (cos θ − r)/sin θ,  which bounds the fewest

See: on the right Polyak's iterations lie on their closed form, and the fewest are below them for every ε; on the
left the fewest are beside that point and not at it.

Source: CS182 homework 2, question 2g; Polyak, USSR Computational Mathematics 4 (1964).
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.dynamics._landscape import envelope, plane, search
from descent.dynamics._least_squares import require_decreasing
from descent.dynamics._modes import repeated_iterations
from descent.maths.limits import require_at_most, require_cost, require_within
from descent.maths.momentum import polyak
from descent.result import Check, Result, bound, measured, predicted, sweep


@experiment_config
class Config:
    squares: tuple[Positive, ...]  # σ_i², largest first
    accuracies: tuple[Positive, ...]  # ε
    grid: Count  # weights of the plane, and as many steps
    limit: Count  # iterations of one run

    def __post_init__(self):
        require_decreasing("squares", self.squares)
        require_within("squares", self.squares, 1e-50, 1e50, "its powers leave float64")
        require_increasing("accuracies", self.accuracies)
        if self.accuracies[-1] >= 1:
            raise ValueError(f"accuracies {self.accuracies[-1]:g} ≥ 1: the start is as good")
        require_within("accuracies", self.accuracies, 1e-12, 1, "rounding hides it")
        if self.grid < 2:
            raise ValueError(f"grid {self.grid}: a range needs at least 2")
        require_at_most(self, "a map of grid × grid runs", grid=1000, limit=1_000_000)
        # Few of the runs take all of `limit`.
        work = 2.0 * self.grid**2 * len(self.squares) * len(self.accuracies) * self.limit
        require_cost(self, "grid, squares, accuracies, limit", operations=work)
        kappa = self.squares[0] / self.squares[-1]
        if kappa - 1 < 1e-6:
            raise ValueError(f"squares: κ = 1 + {kappa - 1:.1g}: one step solves it, to rounding")
        rate = polyak(self.squares[0], self.squares[-1]).rate
        longest = repeated_iterations(rate, self.accuracies[0]) if rate < 1 else np.inf
        if not longest < self.limit:
            raise ValueError(f"limit {self.limit}: Polyak's point takes {longest} iterations")


def predict(config: Config) -> xr.Dataset:
    """Polyak's point, its iterations, and iterations that suffice beside it."""
    joint = polyak(config.squares[0], config.squares[-1])
    counts = [repeated_iterations(joint.rate, epsilon) for epsilon in config.accuracies]
    enough = envelope(np.array(config.squares), np.array(config.accuracies))
    return xr.Dataset(
        {
            "beta_predicted": predicted((), joint.beta, "4σ₁σ_n/(σ₁ + σ_n)²"),
            "eta_predicted": predicted((), joint.eta, "1/(2σ₁σ_n)"),
            "rate_predicted": predicted((), joint.rate, "(√κ − 1)/(√κ + 1)"),
            "at_polyak_predicted": predicted("accuracy", counts, "ρᵗ(1 + t(1 + ρ)) = ε"),
            "least_bound": bound("accuracy", enough, "enough with complex roots"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """A search for the least rate, and runs over the plane."""
    squares, accuracies = np.array(config.squares), np.array(config.accuracies)
    point = search(squares)
    found = plane(squares, accuracies, config.grid, config.limit)
    fewest, weight, step = zip(*found.fewest, strict=True)
    words = f"iterations, {config.limit} at the most"
    return xr.Dataset(
        {
            "beta": measured((), point.beta, "β of the least rate"),
            "eta": measured((), point.eta, "η of the least rate"),
            "rate": measured((), point.rate, "least rate"),
            "at_polyak": measured("accuracy", found.at_polyak, "at Polyak's (β, η)"),
            "least": measured("accuracy", list(fewest), "fewest, at any (β, η)"),
            "least_beta": measured("accuracy", list(weight), "β of the fewest"),
            "least_eta": measured("accuracy", list(step), "η of the fewest"),
            "iterations": measured(("accuracy", "weight", "step"), found.iterations, words),
        },
        coords={
            "accuracy": sweep(accuracies, "accuracy", "accuracy ε"),
            "weight": ("weight", found.beta, {"long_name": "weight β of the new gradient"}),
            "step": ("step", found.eta, {"long_name": "step η"}),
        },
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    saved = found["at_polyak"] - found["least"]
    short = found["accuracy"].values[(saved < 1).values]
    reasons = [f"at ε = {epsilon:g} the factor t costs no whole iteration" for epsilon in short]
    return Result(
        data=found.merge(theory),
        metrics={
            "least": found["least"],
            "at_polyak": found["at_polyak"],
            "polyak_beta": found["beta"],
            "polyak_eta": found["eta"],
            "polyak_rate": found["rate"],
        },
        checks=compare(config, found, theory),
        no_claim=tuple(reasons),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    joint = polyak(config.squares[0], config.squares[-1])
    # A rounding of η moves x_t at a repeated root by a part in t².
    counts = [
        [repeated_iterations(joint.rate, epsilon * (1 + sign * 1e-9)) for sign in (1, -1)]
        for epsilon in config.accuracies
    ]
    undecided = found["at_polyak"].copy(data=[last - first for first, last in counts])
    root, count = "where two roots meet, u moves them by √u", "a count, where rounding decides"
    # The rate falls like √(1 − β) with β: at the slope 1/2ρ.
    weight = 1e-7 * max(joint.rate, 1e-7)
    return (
        Check("beta", found["beta"], "==", theory["beta_predicted"], weight, root),
        Check("eta", found["eta"], "==", theory["eta_predicted"], 1e-6 * joint.eta, root),
        Check("rate", found["rate"], "==", theory["rate_predicted"], 1e-7, root),
        Check(
            *("at_polyak", found["at_polyak"], "==", theory["at_polyak_predicted"]),
            *(undecided, count),
        ),
        Check("least", found["least"], "<=", theory["least_bound"], 0, "a count"),
    )

"""Fresh noise of variance σ² on all inputs of m examples acts as ridge regression with λ = mσ².

The squared noise of an input adds σ² to the square of its weight, once for each of the m examples: λ is mσ² for a
sum over examples and σ² for a mean. The penalised problem has a smaller critical step, too.

    E‖X̌w − y‖² = ‖Xw − y‖² + mσ²‖w‖²,   X̌ = X + N,   N_ij ~ N(0, σ²),   X: (m, n)
    E X̌ᵀX̌ = XᵀX + mσ²I,   argmin = (XᵀX + mσ²I)⁻¹Xᵀy,   E w is stable for η < 2/(s₁² + mσ²)

where s₁ is the largest singular value of X.

See: the weights that noisy inputs lead to are those of ridge with λ = mσ², not those of σ² and not those without
noise.

Source: CS182 homework 2, questions 3a, 3c and 3d. The answers there have λ = σ²/m, as if E NᵀN were σ²I instead of
mσ²I, and so σ² where mσ² stands in the bound and in the limit.
"""

import numpy as np
import xarray as xr

from descent.config import Count, experiment_config
from descent.maths.limits import require_at_most, require_cost
from descent.maths.sampling import Estimate, mean, require_fewest
from descent.noise._forms import primal
from descent.noise._noisy import Examples, Problem
from descent.result import Check, Erratum, Result, measured, predicted, replicates


@experiment_config
class Config(Examples):
    replicates: Count
    draws: Count  # of X̌ a replicate

    def __post_init__(self):
        super().__post_init__()
        require_fewest("mean", self.replicates, self.weights**2)
        if self.draws * self.examples < 200:
            raise ValueError(
                f"draws × examples = {self.draws * self.examples} < 200: no mean is near normal"
            )
        require_at_most(self, "its Gram matrices take minutes", weights=300, replicates=10_000)
        inputs = 4.0 * self.draws * self.examples * self.weights
        work = inputs * self.replicates * self.weights
        require_cost(self, "draws, examples, weights, replicates", inputs, work)


def predict(config: Config, problem: Problem) -> xr.Dataset:
    """Ridge with λ = mσ²."""
    (X, y), shrinkage = problem, config.examples * config.sigma**2
    gram = X.T @ X + shrinkage * np.eye(config.weights)
    top = np.linalg.norm(X, 2) ** 2
    return xr.Dataset(
        {
            "shrinkage_predicted": predicted((), shrinkage, "mσ²"),
            "gram_predicted": predicted(("i", "j"), gram, "XᵀX + mσ²I"),
            "solution_predicted": predicted("i", primal(X, y, shrinkage), "(XᵀX + mσ²I)⁻¹Xᵀy"),
            "critical_step_predicted": predicted((), 2 / (top + shrinkage), "2/(s₁² + mσ²)"),
        }
    )


def measure(config: Config, problem: Problem) -> xr.Dataset:
    """Gram matrices of noisy inputs, and what the average of all of them leads to."""
    (X, y), grams = problem, []
    for k in range(config.replicates):
        rng = np.random.default_rng([config.seed, k])
        # N and −N in pairs, so that the cross terms XᵀN cancel.
        N = config.sigma * rng.standard_normal((config.draws * config.examples, config.weights))
        grams.append(X.T @ X + N.T @ N / config.draws)
    grams = np.array(grams)
    pooled, excess = grams.mean(0), np.trace(grams, axis1=1, axis2=2) - np.sum(X * X)
    solution = np.linalg.solve(pooled, X.T @ y)
    values, vectors = np.linalg.eigh(pooled)
    v, top = vectors[:, -1], values[-1]
    # To first order in a replicate's deviation: the mean over replicates is that of all draws.
    solutions = solution - np.linalg.solve(pooled, (grams @ solution - X.T @ y).T).T
    steps = 2 / top - 2 * ((grams @ v) @ v - top) / top**2
    return xr.Dataset(
        {
            "shrinkage": measured("replicate", excess / config.weights, "what noise adds to XᵀX"),
            "gram": measured(("replicate", "i", "j"), grams, "mean of X̌ᵀX̌"),
            "solution": measured(("replicate", "i"), solutions, "solution of noisy inputs"),
            "critical_step": measured("replicate", steps, "2 over the largest eigenvalue"),
            "with_sigma2": measured("i", primal(X, y, config.sigma**2), "(XᵀX + σ²I)⁻¹Xᵀy"),
            "noiseless": measured("i", np.linalg.pinv(X) @ y, "X⁺y, without noise"),
        },
        coords={
            "replicate": replicates(config.replicates),
            "i": ("i", np.arange(config.weights) + 1, {"long_name": "weight i"}),
            "j": ("j", np.arange(config.weights) + 1, {"long_name": "weight j"}),
        },
    )


def run(config: Config) -> Result:
    problem = config.draw()
    found, theory = measure(config, problem), predict(config, problem)
    names = ("shrinkage", "gram", "solution", "critical_step")
    estimates = {name: mean(found[name]) for name in names}
    return Result(
        data=found.merge(theory),
        metrics={
            "shrinkage": estimates["shrinkage"].value,
            "shrinkage_predicted": theory["shrinkage_predicted"],
            "critical_step": estimates["critical_step"].value,
        },
        checks=tuple(
            Check(
                *(name, one.value, "==", theory[f"{name}_predicted"]),
                *(one.tol + 1e-12 * float(abs(one.value).max()), one.why),
            )
            for name, one in estimates.items()
        ),
        errata=refute(config, problem, theory, estimates) if config.examples > 1 else (),
    )


def refute(
    config: Config, problem: Problem, theory: xr.Dataset, found: dict[str, Estimate]
) -> tuple[Erratum, ...]:
    """λ = σ²/m and what follows from it, which is right for one example only, where the draws tell it."""
    (X, y), m, noise = problem, config.examples, config.sigma**2
    top, course = np.linalg.norm(X, 2) ** 2, "CS182 homework 2, question"
    lam, step = found["shrinkage"], found["critical_step"]
    value, tol = float(lam.value), float(lam.tol)
    apart = primal(X, y, noise) - theory["solution_predicted"].values
    k = int(np.abs(apart).argmax())
    weight = [float(part[k]) for part in (found["solution"].value, found["solution"].tol)]
    right = float(theory["solution_predicted"][k])
    rows = [
        (
            "lambda_of_the_mean_loss",
            f"{course} 3a: λ of equation 16, with its 1/m",
            noise / m,
            noise,
            value / m,
            tol / m,
        ),
        (
            "lambda_of_the_sum",
            f"{course} 3a: λ of the last line, without 1/m",
            noise / m,
            m * noise,
            value,
            tol,
        ),
        (
            "bound_on_the_step",
            f"{course} 3c: 2/(σ² + σ_max²)",
            2 / (top + noise),
            2 / (top + m * noise),
            float(step.value),
            float(step.tol),
        ),
        (
            "limit_of_a_weight",
            f"{course} 3d: (XᵀX + σ²I)⁻¹Xᵀy",
            float(right + apart[k]),
            right,
            *weight,
        ),
    ]
    found = (Erratum(*row) for row in rows)
    return tuple(one for one in found if abs(one.printed - one.correct) > 2 * one.tol)

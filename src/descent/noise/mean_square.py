"""The spread of gradient descent on noisy examples settles only below a step that is smaller than the mean's.

The mean sees the average matrix of a step; the spread sees the average of its square, which is larger the fewer
examples a step has. The square acts on second moments as a linear map, and the step at which the largest
eigenvalue of that map is 1 is the last at which they stay bounded.

    z ← (I − ηĤ)z,  z = w − w*,   Ĥ = X̌ᵀX̌ (full batch) or x̌_ix̌_iᵀ, i uniform (single example)
    E zzᵀ ← S − η(HS + SH) + η²M(S),   S = E zzᵀ,   H = EĤ,   M(S) = E ĤSĤ   (Isserlis)
    η_ms = 1/ρ(K⁻¹M),   K(S) = HS + SH   ≤   η_mean = 2/s₁(H)

M is compared with draws of Ĥ, the critical step with that of the drawn map, and mean and covariance of w_T with
those of runs at steps so small that a sample tells a variance.

See: the spread of both ways grows with the step as predicted; for single examples it is ten times that of full
batches at the same share of the critical step.

Source: CS182 homework 2, questions 3c and 3d, which ask for the mean only.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Positive, experiment_config, require_increasing
from descent.maths.limits import require_at_most, require_cost
from descent.maths.sampling import mean, require_fewest
from descent.maths.second_moment import Gradients, covariance, homogeneous, limit
from descent.noise import _noisy
from descent.noise import _thresholds as thresholds
from descent.noise._noisy import MODES, Problem
from descent.result import Check, Result, bound, measured, predicted, replicates, sweep


@experiment_config
class Config(_noisy.Examples):
    replicates: Count
    chains: Count  # runs a replicate
    steps: Count  # T
    fractions: tuple[Positive, ...]  # η/η_ms of the runs
    draws: Count  # of Ĥ a replicate

    def __post_init__(self):
        super().__post_init__()
        require_increasing("fractions", self.fractions)
        if self.fractions[-1] >= 1:
            raise ValueError(f"fractions {self.fractions[-1]:g} ≥ 1: the variance diverges")
        n, ways = self.weights, len(MODES)
        points = ways * max((n * (n + 1) // 2) ** 2, len(self.fractions) * n**2)
        require_fewest("mean", self.replicates, points)
        for name, least in (("chains", 100), ("draws", 1000)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"{name} {getattr(self, name)} < {least}: their averages are not near normal"
                )
        require_at_most(self, "the map of second moments has (n + 1)⁴ entries", weights=12)
        require_at_most(self, "one run would take minutes", steps=100_000, replicates=10_000)
        runs, inputs = self.chains * len(self.fractions), 4.0 * self.examples * self.weights
        work = inputs * self.replicates * (10 * self.weights * self.draws + 8 * runs * self.steps)
        fields = "draws, chains, fractions, steps, replicates, examples, weights"
        require_cost(self, fields, inputs * max(self.draws, runs), work)

    @property
    def light(self) -> list[float]:
        """Shares up to which E w⁸ is finite for one weight and nothing but noise, the worst case."""
        steps = thresholds.thresholds(0.0, 1.0)
        most = thresholds.critical_step(8.0, 0.0, 1.0) / steps.mean_square
        return [fraction for fraction in self.fractions if fraction <= most]


def laws(config: Config, problem: Problem) -> list[Gradients]:
    """Of z = (w, 1), both ways."""
    return [_noisy.gradients(problem, config.sigma, mode) for mode in MODES]


def steps(config: Config, problem: Problem) -> Float[np.ndarray, "2 F"]:
    """η of the runs."""
    critical = [limit(homogeneous(law)) for law in laws(config, problem)]
    return np.outer(critical, config.fractions)


def predict(config: Config, problem: Problem) -> xr.Dataset:
    """The map and its critical step, and the exact mean and covariance after T steps."""
    etas, both = steps(config, problem), laws(config, problem)
    ends = np.array(
        [[_noisy.after(both[a], eta, config.steps) for eta in etas[a]] for a in range(len(MODES))]
    )
    spread = np.array([[covariance(S) for S in row] for row in ends])
    plain = [homogeneous(law) for law in both]
    largest = [2 / np.linalg.eigvalsh(one.H)[-1] for one in plain]
    critical = [limit(one) for one in plain]
    square, cell = ("way", "row", "column"), ("way", "fraction", "i")
    return xr.Dataset(
        {
            "map_predicted": predicted(square, [one.M for one in plain], "S ↦ E ĤSĤ"),
            "critical_step_predicted": predicted("way", critical, "η_ms"),
            "mean_step_bound": bound("way", largest, "η_mean"),
            "mean_predicted": predicted(cell, ends[..., :-1, -1], "E w_T"),
            "covariance_predicted": predicted((*cell, "j"), spread, "Cov w_T"),
        }
    )


def measure(config: Config, problem: Problem) -> xr.Dataset:
    """Draws of Ĥ, and runs."""
    etas, drawn, means, spreads = steps(config, problem), [], [], []
    for k in range(config.replicates):
        rng = np.random.default_rng([config.seed, k])
        for a, mode in enumerate(MODES):
            w = _noisy.endings(
                rng, problem, config.sigma, etas[a], mode, config.chains, config.steps
            )
            means.append(w.mean(1))
            w -= w.mean(1, keepdims=True)
            spreads.append(w.mT @ w / (config.chains - 1))
            H = _noisy.hessians(rng, problem, config.sigma, mode, config.draws)
            drawn.append(_noisy.of_draws(H))
    maps, means, spreads = (
        np.array(part).reshape(config.replicates, len(MODES), *part[0].shape)
        for part in ([one.M for one in drawn], means, spreads)
    )
    critical = np.stack([_noisy.drawn_limits(drawn[a :: len(MODES)]) for a in range(len(MODES))], 1)
    cell, n = ("replicate", "way", "fraction", "i"), config.weights
    return xr.Dataset(
        {
            "map": measured(("replicate", "way", "row", "column"), maps, "mean of S ↦ ĤSĤ"),
            "critical_step": measured(("replicate", "way"), critical, "η_ms of the drawn map"),
            "mean": measured(cell, means, "mean of w_T"),
            "covariance": measured((*cell, "j"), spreads, "covariance of w_T"),
        },
        coords={
            "replicate": replicates(config.replicates),
            "way": ("way", list(MODES), {"long_name": "full batch or single example"}),
            "fraction": sweep(config.fractions, "fraction", "step η/η_ms"),
            **{d: (d, np.arange(n) + 1, {"long_name": f"weight {d}"}) for d in ("i", "j")},
        },
    )


def run(config: Config) -> Result:
    problem = config.draw()
    found, theory = measure(config, problem), predict(config, problem)
    heavy = [fraction for fraction in config.fractions if fraction not in config.light]
    trace = {
        "variance": spread(found["covariance"]).mean("replicate"),
        "variance_predicted": spread(theory["covariance_predicted"]).assign_coords(
            fraction=found["fraction"]
        ),
    }
    steps = {
        "mean": theory["mean_step_bound"],
        "mean_square": found["critical_step"].mean("replicate"),
    }
    return Result(
        data=found.merge(theory),
        metrics={
            f"eta_{name}_{mode}": step.isel(way=a)
            for name, step in steps.items()
            for a, mode in enumerate(MODES)
        }
        | {
            f"{mode}_{name}": values.isel(way=a)
            for name, values in trace.items()
            for a, mode in enumerate(MODES)
        },
        checks=compare(config, found, theory),
        unchecked={
            f"runs/fraction_{fraction:g}": "E w⁸ may be infinite, so no sample tells a variance"
            for fraction in heavy
        },
    )


def spread(covariance: xr.DataArray) -> xr.DataArray:
    """tr Cov w."""
    return sum(covariance.isel(i=k, j=k, drop=True) for k in range(covariance.sizes["i"]))


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    step = mean(found["critical_step"])
    parts = [("map", found["map"]), ("critical_step", found["critical_step"])]
    if config.light:
        runs = found.sel(fraction=config.light)
        parts += [("mean", runs["mean"]), ("covariance", runs["covariance"])]
    limit, name = theory["mean_step_bound"], "critical_step_below_that_of_the_mean"
    checks = [Check(name, step.value, "<=", limit, step.tol, step.why)]
    theory = theory.assign_coords(fraction=found["fraction"])
    for name, samples in parts:
        expected = theory[f"{name}_predicted"]
        if "fraction" in samples.dims:
            expected = expected.sel(fraction=config.light)
        one = mean(samples)
        checks.append(Check(name, one.value, "==", expected, one.tol, one.why))
    return tuple(checks)

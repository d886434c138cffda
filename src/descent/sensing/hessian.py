"""The curvature at the minimum says how fast gradient descent returns to it, and which step is too large.

Close to a minimum the loss is a quadratic, and the error along an eigenvector of the Hessian with eigenvalue λ is
multiplied by 1 − ηλ at every step. So the smallest positive eigenvalue belongs to the slowest direction. The largest
one sets the critical step 2/λ, beyond which its direction grows.

    U: (d, r),   U* the minimum,   X* = U*U*ᵀ with eigenvalues λ₁ ≥ … ≥ λ_r,   p = dr − r(r−1)/2
    m = ∞:   ∇²f(U*) has 2λ_j (d − r times each j), 2(λ_i + λ_j) for i ≤ j, and r(r−1)/2 zeros: the rotations
             U*Ω, Ω antisymmetric.  So it runs from 2λ_r to 4λ₁
    m < ∞:   the same zeros, and the rest in [2λ_r(1 − √(p/m))², 4λ₁(1 + √(p/m))²], because ∇²f(U*) = KGKᵀ
             and the range of K has p dimensions
    U₀ = U* + εV, V the eigenvector of μ:   ‖U_tU_tᵀ − X*‖ = |1 − ημ|ᵗ ‖U₀U₀ᵀ − X*‖ up to O(ε)

Two steps are tried at the largest eigenvalue μ_max. With η = (1 − margin)·2/μ_max the distance is multiplied by
1 − 2·margin at every step, and with η = (1 + margin)·2/μ_max by 1 + 2·margin.

See: the straight lines in the middle and on the right have the predicted slopes; on the right the run with a step
just below the critical one returns to X*, and the run with a step just above it leaves.

Source: CS7180 problem set 2, question 2b; for the edges, Davidson and Szarek's bound of Gaussian singular values.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, experiment_config
from descent.maths.replicates import replicate
from descent.maths.sampling import level
from descent.result import Check, Result, bound, measured, over_replicates, predicted, steps
from descent.sensing import _problem
from descent.sensing._curvature import edges, population_spectrum
from descent.sensing._memory import require_run
from descent.sensing._problem import degrees_of_freedom, require_stable, tangents
from descent.sensing._trajectories import distances

ZERO = 1e-9  # of the largest eigenvalue; one is known to p·2⁻⁵² of it
RUNS = [
    "slowest",
    "below",
    "above",
]  # along the slowest direction; below and above the critical step


@experiment_config
class Config(_problem.Measured):
    step: Positive  # η λ₁(X*) of the run along the slowest direction
    steps: Count
    perturbation: Positive  # ε/‖U*‖
    margin: Positive  # how far from the critical step, as a share of it
    left: Positive  # ‖UUᵀ − X*‖/‖X*‖ up to which the runs near the critical step are followed

    def __post_init__(self):
        super().__post_init__()
        require_stable(self.step)
        if not self.margin < 0.5:
            raise ValueError(f"margin {self.margin:g} ≥ 0.5: below it the fastest mode oscillates")
        if not self.perturbation < self.left:
            raise ValueError(f"perturbation {self.perturbation:g} ≥ left {self.left:g}")
        if self.nonlinear >= 1e-3:
            raise ValueError(
                f"perturbation {self.perturbation:g}: rates are read off to {self.nonlinear:.1e}, which shows "
                "nothing from 1e-3 on; between 1e-11 and 1e-5 they are exact enough"
            )
        if self.escape > 20_000:
            raise ValueError(f"margin {self.margin:g}: leaving takes {self.escape} > 20000 steps")

    @property
    def nonlinear(self) -> float:
        """Error of a rate over a tenfold change: what is not linear in ε, and rounding of the distances."""
        return 10 * self.perturbation + 1e-15 / self.perturbation

    @property
    def escape(self) -> int:
        """Steps in which (1 + 2 margin)ᵗ brings even a small share of the perturbation to `left`."""
        growth = np.log(10 * self.left / self.perturbation)
        return int(np.ceil(growth / np.log1p(2 * self.margin)))

    @property
    def freedom(self) -> int:
        """p."""
        return degrees_of_freedom(self.size, self.rank)

    @property
    def zeros(self) -> int:
        """Zero modes of a sample: the rotations, and what fewer than p measurements leave open."""
        return self.size * self.rank - min(self.freedom, self.measurements)


def predict(config: Config, given: xr.Dataset) -> xr.Dataset:
    """Spectra from λ(X*), and rates from the Hessian and the steps."""
    lam, (low, high) = given["eigenvalue"].values, edges(config.freedom, config.measurements)
    spectrum = [population_spectrum(one, config.size) for one in lam]
    modes, each = [config.zeros, -1, -1], "replicate"
    rates = np.abs(1 - given["eta"].values * given["sample"].values[:, modes])
    return xr.Dataset(
        {
            "population_predicted": predicted((each, "mode"), spectrum, "0, 2λ_j, 2(λ_i + λ_j)"),
            "lowest_bound": bound(each, 2 * lam[:, -1] * low, "2λ_r(1 − √(p/m))²"),
            "highest_bound": bound(each, 4 * lam[:, 0] * high, "4λ₁(1 + √(p/m))²"),
            "rate_predicted": predicted((each, "run"), rates, "|1 − ημ|"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Every replicate's Hessian at the minimum, and three runs of gradient descent from beside it."""
    kept = (config.size * config.rank) ** 2
    require_run(config, config.measurements, 3, max(config.steps, config.escape), kept)
    runs = replicate(_measure_one, config.seed, [(config,)] * config.replicates)
    return over_replicates(runs)


def _measure_one(rng: np.random.Generator, config: Config) -> xr.Dataset:
    given = _problem.measured(rng, config)
    K = tangents(given.factor)
    values, vectors = np.linalg.eigh(_problem.hessian(given))
    lam, critical = given.eigenvalues, 2 / values[-1]
    eta = [config.step / lam[0], (1 - config.margin) * critical, (1 + config.margin) * critical]
    modes = vectors[:, [config.zeros, -1, -1]]
    directions = modes.T.reshape(3, config.rank, config.size).mT
    starts = given.factor + config.perturbation * np.linalg.norm(given.factor) * directions
    T, ends = max(config.steps, config.escape), [config.steps, config.escape, config.escape]
    distance = distances(given, starts, np.array(eta), T) / np.linalg.norm(lam)
    rates = [_factor(one[: end + 1]) for one, end in zip(distance, ends, strict=True)]
    name = f"eigenvalues of ∇²f(U*), m = {config.measurements}"
    return xr.Dataset(
        {
            "eigenvalue": measured("i", lam, "λ_i(X*)"),
            "population": measured("mode", np.linalg.eigvalsh(K @ K.T), "the same for m = ∞"),
            "sample": measured("mode", values, name),
            "eta": measured("run", eta, "η"),
            "distance": measured(("run", "t"), distance, "‖U_tU_tᵀ − X*‖/‖X*‖"),
            "rate": measured("run", rates, "factor a step"),
        },
        coords={
            "run": ("run", RUNS, {"long_name": "direction and step of the run"}),
            "t": steps(np.arange(T + 1), "t", "step t"),
            "mode": ("mode", np.arange(len(values)) + 1, {"long_name": "mode"}),
            "i": ("i", np.arange(config.rank) + 1, {"long_name": "index i"}),
        },
        attrs={"margin": config.margin, "ends": ends},
    )


def _factor(distance: np.ndarray) -> float:
    """Mean factor a step, while the distance is within tenfold of where it began."""
    outside = np.abs(np.log(distance / distance[0])) > np.log(10)
    last = max(1, int(outside.argmax()) - 1 if outside.any() else len(distance) - 1)
    return float((distance[last] / distance[0]) ** (1 / last))


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config, found)
    lam, sample = found["eigenvalue"], found["sample"]
    lower, upper = edges(config.freedom, config.measurements)
    return Result(
        data=found.merge(theory),
        metrics={
            "rate": found["rate"].sel(run="slowest").mean(),
            "rate_predicted": theory["rate_predicted"].isel(run=0).mean(),
            "critical_step": (2 * lam[:, 0] / sample[:, -1]).mean(),  # in 1/λ₁
            "lowest_over_2_lambda_r": (sample[:, config.zeros] / (2 * lam[:, -1])).mean(),
            "highest_over_4_lambda_1": (sample[:, -1] / (4 * lam[:, 0])).mean(),
            "bracket_lower": lower,
            "bracket_upper": upper,
            "measurements": config.measurements,
        },
        checks=compare(config, found, theory),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    lam, population, sample = found["eigenvalue"], found["population"], found["sample"]
    expected, rate = theory["population_predicted"], theory["rate_predicted"]
    low, high = theory["lowest_bound"], theory["highest_bound"]
    rotations = config.rank * (config.rank - 1) // 2
    # Every edge of every replicate has a share of the lab's false-alarm rate.
    slack = np.sqrt(-2 * np.log(level(2 * config.replicates) / 2))
    (lower, upper), (least, most) = (
        edges(config.freedom, config.measurements, s) for s in (0.0, slack)
    )
    below, above = 2 * lam[:, -1] * (lower - least), 4 * lam[:, 0] * (most - upper)
    beyond = f"Davidson and Szarek: {slack:.1f}/√m further out"
    rounding = "rounding: dr·2⁻⁵² of the largest eigenvalue"
    linear = "what is not linear in the perturbation, and rounding"
    top = 1e-12 * population[:, -1]
    return (
        Check("zero_modes_of_the_population", zeros_of(population), "==", rotations, 0, "a count"),
        Check("zero_modes_of_the_sample", zeros_of(sample), "==", config.zeros, 0, "a count"),
        Check("population_spectrum", population, "==", expected, top, rounding),
        Check("lowest_of_the_sample", sample[:, config.zeros], ">=", low, below, beyond),
        Check("highest_of_the_sample", sample[:, -1], "<=", high, above, beyond),
        Check("rate", found["rate"], "==", rate, config.nonlinear, linear),
    )


def zeros_of(spectrum: xr.DataArray) -> xr.DataArray:
    """How many eigenvalues are zero, in every replicate."""
    return (abs(spectrum) < ZERO * spectrum[:, -1]).sum("mode")

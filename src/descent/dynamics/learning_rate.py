"""Gradient descent on a quadratic needs ⌈ln ε/ln|1 − 2ησ²|⌉ steps in every mode, the slowest of them decides.

A step multiplies the error of a mode by ρ = 1 − 2ησ², so the number of steps to a part ε of the start follows. A
short step is slow in the mode of least curvature and a long one in that of most: the best step makes both
equally fast, and the modes between them do not count.

    L(w) = ‖Xw − y‖², no ½ and no mean,   w ← w − 2ηXᵀ(Xw − y),   w₀ = 0;   in a mode: (σw − y)²
    |w_t − w*| ≤ ε|w*| from t = ⌈ln ε/ln|ρ|⌉ on,   stable for 0 < η < 1/σ₁²
    best:  η* = 1/(σ₁² + σ_n²),   rate (κ − 1)/(κ + 1),   κ = (σ₁/σ_n)²

See: every point lies on its dashed curve; one mode takes a single step at half the critical step, and several
modes take the fewest where the two outer ones are equally fast, just below the critical step.

Source: CS182 homework 2, questions 1a to 1f and 2a. Question 1b takes the logarithm to the base 1 − 2ησ², which is
not defined for η > 1/(2σ²); right is |1 − 2ησ²|. Question 2a says that the best step maximises the rate; it
minimises it.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Number, Positive, experiment_config, require_increasing
from descent.dynamics._iterations import iterations, require_reached, simulated, undecided
from descent.dynamics._least_squares import EPS, best_rate, best_step, require_decreasing
from descent.dynamics._modes import least
from descent.maths.limits import require_at_most, require_cost, require_within
from descent.result import Check, Erratum, Result, measured, predicted, sweep


@experiment_config
class Config:
    sigma: Positive  # of the problem of one mode
    target: Number  # its y, not 0
    fractions: tuple[Positive, ...]  # η/η_max there
    accuracies: tuple[Positive, ...]  # ε there
    squares: tuple[Positive, ...]  # σ_i² of the problem of several modes, largest first
    accuracy: Positive  # ε there
    points: Count  # steps η tried there
    limit: Count  # iterations of one run

    def __post_init__(self):
        require_increasing("fractions", self.fractions)
        require_increasing("accuracies", self.accuracies)
        require_decreasing("squares", self.squares)
        if self.target == 0:
            raise ValueError("target 0: w₀ = 0 is the solution")
        sizes = {"sigma": self.sigma, "target": abs(self.target), "squares": self.squares}
        for name, size in sizes.items():
            require_within(name, size, 1e-50, 1e50, "its powers leave float64")
        for name, value in (("accuracies", self.accuracies[-1]), ("accuracy", self.accuracy)):
            if value >= 1:
                raise ValueError(f"{name} {value:g} ≥ 1: the start is as good as that")
        if self.points < 2:
            raise ValueError(f"points {self.points}: a sweep of the step needs at least 2")
        require_at_most(self, "one run would take minutes", points=10_000, limit=1_000_000)
        runs = self.points * len(self.squares) + len(self.fractions) * len(self.accuracies)
        fields = "points, squares, fractions, accuracies, limit"
        require_cost(self, fields, operations=20.0 * runs * self.limit)
        rho = 1 - 2 * np.array(self.fractions)
        require_reached("fractions", rho, self.accuracies[0], self.limit)
        squares = np.array(self.squares)
        rho = 1 - 2 * np.append(self.steps(), best_step(squares))[:, None] * squares
        require_reached("squares", rho, self.accuracy, self.limit)

    def steps(self) -> np.ndarray:
        """Steps for several modes: half of them below η*, half between η* and η_max."""
        top, best = 1 / self.squares[0], best_step(np.array(self.squares))
        half = self.points // 2
        below = np.geomspace(best / 20, best, self.points - half, endpoint=False)
        return np.append(below, best + (top - best) * np.linspace(0.05, 0.95, half))


def settings(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """η/η_max: (fraction, 1) of the one mode, and its accuracies."""
    return np.array(config.fractions)[:, None], np.array(config.accuracies)


def predict(config: Config) -> xr.Dataset:
    """Counts and rates from ρ = 1 − 2ησ²."""
    fractions, accuracies = settings(config)
    squares, accuracy = np.array(config.squares), np.array(config.accuracy)
    rho = 1 - 2 * config.steps()[:, None] * squares
    one = iterations(1 - 2 * fractions, accuracies, config.limit)
    each = iterations(rho, accuracy, config.limit)
    rate = best_rate(squares)
    fewest = iterations(np.array(rate), accuracy, config.limit)
    return xr.Dataset(
        {
            "reached_predicted": predicted(("fraction", "accuracy"), one, "⌈ln ε/ln|ρ|⌉"),
            "iterations_predicted": predicted(("eta", "mode"), each, "⌈ln ε/ln|ρ_i|⌉"),
            "factor_predicted": predicted(("eta", "mode"), np.abs(rho), "|ρ_i|"),
            "best_step_predicted": predicted((), best_step(squares), "1/(σ₁² + σ_n²)"),
            "best_rate_predicted": predicted((), rate, "(κ − 1)/(κ + 1)"),
            "fewest_predicted": predicted((), fewest, "⌈ln ε/ln((κ − 1)/(κ + 1))⌉"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Runs to the accuracy, and a search for the step at which the slowest mode is fastest."""
    fractions, accuracies = settings(config)
    sigma, squares = np.array(config.sigma), np.array(config.squares)
    accuracy, s, eta = np.array(config.accuracy), np.sqrt(squares), config.steps()[:, None]
    one = simulated(sigma, config.target, fractions / sigma**2, accuracies, config.limit)
    each = simulated(s, 1.0, eta, accuracy, config.limit)
    best = least(lambda step: factors(step[:, None], s).max(-1), 0.0, 1 / squares[0])
    fewest = simulated(s, 1.0, np.array(best), accuracy, config.limit).max()
    return xr.Dataset(
        {
            "reached": measured(("fraction", "accuracy"), one, "iterations to accuracy ε"),
            "iterations": measured(("eta", "mode"), each, "iterations to accuracy ε"),
            "factor": measured(("eta", "mode"), factors(eta, s), "what a step leaves of the error"),
            "best_step": measured((), best, "step of the least rate"),
            "best_rate": measured((), factors(best, s).max(), "least rate"),
            "fewest": measured((), fewest, "iterations at the step of the least rate"),
        },
        coords={
            "fraction": sweep(config.fractions, "fraction", "η/η_max"),
            "accuracy": sweep(config.accuracies, "accuracy", "accuracy ε"),
            "eta": sweep(config.steps(), "eta", "step η"),
            "mode": ("mode", np.arange(len(squares)) + 1, {"long_name": "mode i"}),
        },
        attrs={"critical_step": 1 / config.squares[0], "wanted": config.accuracy},
    )


def factors(eta: np.ndarray | float, sigma: np.ndarray) -> np.ndarray:
    """|w₁ − w*|/|w*| of every mode after one step from 0, y = 1."""
    w = 0.0 - 2 * eta * sigma * (sigma * 0.0 - 1)
    return np.abs(sigma * w - 1)


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    return Result(
        data=found.merge(theory),
        metrics={
            "best_step": found["best_step"],
            "best_rate": found["best_rate"],
            "iterations_at_best_step": found["fewest"],
        },
        checks=compare(config, found, theory),
        errata=refute(config, found, theory),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    fractions, accuracies = settings(config)
    squares, accuracy, limit = np.array(config.squares), np.array(config.accuracy), config.limit
    kappa, rate = squares[0] / squares[-1], np.array(best_rate(squares))
    open_one = undecided(1 - 2 * fractions, accuracies, limit)
    open_each = undecided(1 - 2 * config.steps()[:, None] * squares, accuracy, limit)
    # The rate falls and rises with the step at slopes of 2σ_n² and more.
    rounding, flat = 8 * EPS, 16 * EPS * kappa * best_step(squares)
    exact = np.log(accuracy) / np.log(rate) if rate > EPS else 1.0
    near = int(abs(exact - round(exact)) < 16 * EPS * kappa * max(exact, 1.0))
    one, each = "reached_predicted", "iterations_predicted"
    count, words = "a count; rounding decides an integer ratio", "rounding of ρ"
    slope, least_rate = "rounding of the rate over its slope", theory["best_rate_predicted"]
    arrays = [theory[one].copy(data=open_one), theory[each].copy(data=open_each)]
    return (
        Check("iterations_of_one_mode", found["reached"], "==", theory[one], arrays[0], count),
        Check("iterations_of_each_mode", found["iterations"], "==", theory[each], arrays[1], count),
        Check("factor", found["factor"], "==", theory["factor_predicted"], rounding, words),
        Check("best_step", found["best_step"], "==", theory["best_step_predicted"], flat, slope),
        Check("best_rate", found["best_rate"], "==", least_rate, rounding, words),
        Check("fewest_iterations", found["fewest"], "==", theory["fewest_predicted"], near, count),
    )


def refute(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Erratum, ...]:
    fractions = np.array(config.fractions)
    defined, stable = int((fractions < 0.5).sum()), int((fractions < 1).sum())
    course, rate = "CS182 homework 2, question", found["best_rate"].item()
    largest = found["factor"].max("mode").max().item()
    printed = Erratum(
        "stable steps at which the number of iterations is defined",
        f"{course} 1b: logarithm to the base 1 − 2ησ², not |1 − 2ησ²|",
        printed=defined,
        correct=stable,
        measured=int((found["reached"] <= config.limit).all("accuracy").sum()),
        tol=0,
    )
    maximum = Erratum(
        "rate at the step that is said to maximise it",
        f"{course} 2a: the optimal learning rate maximises Eq. 9",
        printed=largest,
        correct=theory["best_rate_predicted"].item(),
        measured=rate,
        tol=8 * EPS,
    )
    return (printed, maximum) if defined < stable else (maximum,)

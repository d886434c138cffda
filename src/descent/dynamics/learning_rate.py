"""Gradient descent on least squares converges below the step 1/σ₁², in the predicted number of iterations.

    L(w) = ‖Xw − y‖², no ½ and no mean,   w ← w − 2ηXᵀ(Xw − y),   w₀ = 0,   X = UΣVᵀ: (rows, columns)
    Vᵀ(w_t − w*) = diag(ρ_i)ᵗ Vᵀ(w₀ − w*),   ρ_i = 1 − 2ησ_i²
    stable for 0 < η < 1/σ₁²;   at 1/σ₁² a cycle of two
    |w_t − w*| ≤ ε|w*| from t = ⌈ln ε/ln|ρ|⌉ on, in every mode
    best:  η* = 1/(σ₁² + σ_n²),   rate (κ − 1)/(κ + 1),   κ = (σ₁/σ_n)²;   the σ_i between do not count

Below η* the mode of σ₁ is ahead, above it that of σ_n. A mode with σ = 0 has ρ = 1 and never moves: from 0 a
rank-deficient X leads to pinv(X)y at the rate of its other modes. What y has outside the range of X
is a constant loss.

Source: CS182 homework 2, questions 1a to 1g and 2a.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Positive, Refusal, Seed, experiment_config, require_increasing
from descent.dynamics.iterations import LIMIT, horizon, iterations, off, require_visible, simulated
from descent.result import Check, Erratum, Result, steps, sweep

EPS = np.finfo(float).eps


@experiment_config
class Config:
    seed: Seed
    sigma: Positive  # of the scalar problem
    target: Positive  # its y
    fractions: tuple[Positive, ...]  # η/η_max of the scalar problem
    accuracies: tuple[Positive, ...]  # ε
    squares: tuple[Positive, ...]  # σ_i² of the diagonal problem, largest first
    accuracy: Positive  # ε of the diagonal problem
    points: Count  # steps tried there
    rows: Count
    columns: Count
    rank: Count  # of the deficient problem
    steps: Count
    margin: Positive  # around η_max

    def __post_init__(self):
        require_increasing("fractions", self.fractions)
        require_increasing("accuracies", self.accuracies)
        require_increasing("squares, from the last to the first,", self.squares[::-1])
        for name, value in (("accuracies", self.accuracies[-1]), ("accuracy", self.accuracy)):
            if value >= 1:
                raise ValueError(f"{name} {value:g} ≥ 1: the start is as good as that")
        if len(self.squares) < 2:
            raise ValueError("squares: a fastest and a slowest mode are at least 2")
        if self.points < 2:
            raise ValueError(f"points {self.points}: a sweep of the step needs at least 2")
        if self.rank >= self.columns or self.rank > self.rows:
            raise ValueError(
                f"rank {self.rank} must be < columns {self.columns} and ≤ rows {self.rows}"
            )
        if not self.margin < 0.5:
            raise ValueError(f"margin {self.margin:g} ≥ 0.5: the first mode changes its sign there")
        if self.margin * self.steps > 9:
            raise ValueError(
                f"margin · steps = {self.margin * self.steps:g} > 9: below η_max the error reaches rounding"
            )

    def rates(self) -> Float[np.ndarray, " points"]:
        """Steps for the diagonal problem: half of them below η*, half between η* and η_max."""
        top, best = 1 / self.squares[0], best_step(np.array(self.squares))
        half = self.points // 2
        below = np.geomspace(best / 20, best, self.points - half, endpoint=False)
        return np.append(below, best + (top - best) * np.linspace(0.05, 0.95, half))


def best_step(squares: Float[np.ndarray, " n"]) -> float:
    """η* for the squares of the singular values that are not 0."""
    return 1 / (squares.max() + squares.min())


def best_rate(squares: Float[np.ndarray, " n"]) -> float:
    kappa = squares.max() / squares.min()
    return (kappa - 1) / (kappa + 1)


def descend(X: np.ndarray, y: np.ndarray, w: np.ndarray, eta: np.ndarray, count: int) -> np.ndarray:
    """w₀ … w_count for every step: (count + 1, steps, columns)."""
    path = np.empty((count + 1, len(eta), X.shape[1]))
    path[0] = w
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(count):
            path[t + 1] = path[t] - 2 * eta[:, None] * ((path[t] @ X.T - y) @ X)
    return path


def spectrum(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """σ_i² > 0 and the rows of Vᵀ that belong to them."""
    _, s, Vt = np.linalg.svd(X, full_matrices=False)
    alive = s > s[0] * max(X.shape) * EPS
    return s[alive] ** 2, Vt[alive]


def scalar(config: Config) -> tuple[dict, list[Check], list[Erratum]]:
    """The grid over (fraction of η_max, accuracy)."""
    sigma, fractions = np.array(config.sigma), np.array(config.fractions)
    accuracies = np.array(config.accuracies)
    eta = (fractions / sigma**2)[:, None]
    span = iterations(1 - 2 * eta * sigma**2, accuracies)
    require_visible(1 - 2 * fractions, accuracies[0])
    found = simulated(sigma, config.target, eta, accuracies, horizon(span))
    dims = ("fraction", "accuracy")
    data = {
        "reached": (dims, found, {"long_name": "iterations to accuracy ε"}),
        "reached_predicted": (
            dims,
            span.first,
            {"long_name": "⌈ln ε/ln|ρ|⌉", "role": "prediction"},
        ),
    }
    checks = [
        Check("scalar_runs_off_prediction", off(found, span), "==", 0, 0),
    ]
    defined, stable = int((fractions < 0.5).sum()), int((fractions < 1).sum())
    errata = []
    if defined < stable:
        errata.append(
            Erratum(
                "stable steps at which the number of iterations is defined",
                "CS182 homework 2, question 1b: logarithm to the base 1 − 2ησ², not |1 − 2ησ²|",
                printed=defined,
                correct=stable,
                measured=int(np.isfinite(found).all(1).sum()),
                tol=0,
            )
        )
    return data, checks, errata


def diagonal(config: Config) -> tuple[dict, dict, list[Check], list[Erratum]]:
    """Several modes under one step."""
    squares, accuracy = np.array(config.squares), np.array(config.accuracy)
    best, rates = best_step(squares), config.rates()
    eta = np.append(rates, best)[:, None]
    span = iterations(1 - 2 * eta * squares, accuracy)
    require_visible(1 - 2 * eta * squares, config.accuracy)
    modes = simulated(np.sqrt(squares), 1.0, eta, accuracy, horizon(span))
    slowest = modes.max(1)
    fast, slow = modes[:-1, 0], modes[:-1, -1]
    crossed = ((rates < best) & (fast > slow)) | ((rates > best) & (fast < slow))
    # What one step from 0 leaves of the slowest mode.
    once = 2 * eta * np.sqrt(squares)  # w₁ for y = 1
    contraction, rate = np.abs(once * np.sqrt(squares) - 1).max(1), best_rate(squares)
    data = {
        "iterations": ("eta", slowest[:-1], {"long_name": "iterations until every mode is there"}),
        "iterations_predicted": (
            "eta",
            span.first[:-1].max(1),
            {"long_name": "⌈ln ε/ln max|ρ_i|⌉", "role": "prediction"},
        ),
    }
    checks = [
        Check("diagonal_runs_off_prediction", off(modes, span), "==", 0, 0),
        Check("best_step_over_all_steps_in_iterations", slowest[-1], "<=", slowest[:-1].min(), 0),
        Check("rate_at_the_best_step", float(contraction[-1]), "==", rate, 8 * EPS),
        Check("steps_with_the_wrong_mode_ahead", int(crossed.sum()), "==", 0, 0),
        Check("steps_limited_by_a_middle_mode", int((modes.max(1) > np.maximum(modes[:, 0], modes[:, -1])).sum()), "==", 0, 0),
    ]  # fmt: skip
    errata = [
        Erratum(
            "rate at the step that is said to maximise it",
            "CS182 homework 2, question 2a: the optimal learning rate maximises Eq. 9",
            printed=float(contraction[:-1].max()),
            correct=rate,
            measured=float(contraction[-1]),
            tol=8 * EPS,
        )
    ]
    metrics = {
        "best_step": best,
        "best_rate": rate,
        "iterations_at_best_step": int(slowest[-1]),
    }
    return data, metrics, checks, errata


def least_squares(config: Config) -> tuple[dict, dict, list[Check], list[Erratum]]:
    """A random X (rows, columns): just below η_max, at it, just above it, and at η*."""
    rng = np.random.default_rng(config.seed)
    X, y = rng.standard_normal((config.rows, config.columns)), rng.standard_normal(config.rows)
    squares, Vt = spectrum(X)
    target, top, kappa = np.linalg.pinv(X) @ y, 1 / squares[0], squares[0] / squares[-1]
    factors = np.array([1 - config.margin, 1, 1 + config.margin, best_step(squares) / top])
    path = descend(X, y, np.zeros(config.columns), factors * top, config.steps) - target
    error = np.linalg.norm(path, axis=-1)
    modes = path @ Vt.T  # (t, step, mode)
    powers = (1 - 2 * factors[:, None] * top * squares) ** np.arange(config.steps + 1)[
        :, None, None
    ]
    apart = np.abs(modes - powers * modes[0]).max((1, 2)) / np.abs(powers).max((1, 2))
    growth = np.abs(modes[-1, :3, 0] / modes[0, :3, 0]) ** (1 / config.steps)
    below, _, above = np.log(growth)
    threshold = 1 + config.margin * (above + below) / (below - above)
    kept = np.unique(np.geomspace(1, config.steps + 1, 400).astype(int)) - 1
    data = {
        "error": (("step_size", "t"), error[kept, :3].T, {"long_name": "‖w_t − w*‖"}),
        "error_predicted": (
            ("step_size", "t"),
            np.linalg.norm(powers[kept, :3] * modes[0, 0], axis=-1).T,
            {"long_name": "‖diag(ρ_i)ᵗ Vᵀw*‖", "role": "prediction"},
        ),
        "t": steps(kept, "t", "iteration t"),
        "step_size": sweep(factors[:3], "step_size", "η/η_max"),
    }
    # w* and V are themselves known to κ roundings, and the t-th power of ρ to t of them.
    rounding = (100 * kappa + 4 * config.steps) * EPS * np.linalg.norm(target)
    checks = [
        Check("modes_apart_from_their_powers", float(apart.max()), "<=", 0.0, rounding),
        # ln|1 − 2(1 ± margin)| is odd in the margin up to its square.
        Check("threshold_over_predicted", float(threshold), "==", 1.0, 2 * config.margin**2 + 1e-9),
        Check("growth_at_the_threshold", float(growth[1]), "==", 1.0, 1e-9),
    ]
    erratum = Erratum(
        "bound on the learning rate as printed, a < lost",
        "CS182 homework 2, question 1c: η σ_ℓ⁻² < σ_s⁻²",
        printed=float(kappa),
        correct=float(top),
        measured=float(threshold * top),
        tol=float(top * (2 * config.margin**2 + 1e-9)),
    )
    metrics = {
        "largest_step": top,
        "least_squares_best_step": best_step(squares),
        "least_squares_best_rate": best_rate(squares),
        "condition": kappa,
        "error_at_the_end": xr.DataArray(error[-1, :3], coords={"step_size": factors[:3]}),
    }
    return data, metrics, checks, [erratum]


def deficient(config: Config) -> tuple[dict, list[Check], list[Erratum]]:
    """X of too low a rank, from 0 and from a random start."""
    rng = np.random.default_rng([config.seed, 1])
    left = rng.standard_normal((config.rows, config.rank))
    X = left @ rng.standard_normal((config.rank, config.columns))
    y, start = rng.standard_normal(config.rows), rng.standard_normal(config.columns)
    squares, Vt = spectrum(X)
    eta, rate, kappa = best_step(squares), best_rate(squares), squares[0] / squares[-1]
    count = int(np.ceil(np.log(EPS) / np.log(rate))) if rate > EPS else 1
    if count > LIMIT:
        raise Refusal(f"the deficient problem takes {count} > {LIMIT} iterations")
    target = np.linalg.pinv(X) @ y
    path = descend(X, y, np.stack([0 * start, start]), np.array([eta, eta]), count)

    def still(w):
        """Without its components along the modes that move."""
        return w - Vt.T @ (Vt @ w)

    half = count // 2
    modes = np.abs((path[:, 0] - target) @ Vt.T)
    measured = (modes[half] / modes[0])[[0, -1]].max() ** (1 / half) if half else rate
    size = np.linalg.norm(target) + np.linalg.norm(start)
    rounding = 100 * kappa * EPS * size
    loss = np.square(X @ path[-1, 0] - y).sum()
    outside = np.square(y - X @ target).sum()
    checks = [
        Check("distance_from_the_pseudoinverse", float(np.linalg.norm(path[-1, 0] - target)), "<=", 0.0, rounding),
        # u a step, as a random walk or not
        Check("drift_without_a_singular_value", float(np.linalg.norm(still(path[-1, 1] - start))), "<=", 0.0, rounding + 10 * count * EPS * size),
        Check("loss_outside_the_range", float(loss), "==", float(outside), 100 * kappa * EPS * float(y @ y)),
        Check("rate_of_the_deficient_problem", float(measured), "==", rate, 1e-7),
    ]  # fmt: skip
    erratum = Erratum(
        "rate with a singular value of 0, every mode counted",
        "CS182 homework 2, question 1g: any X as parallel scalar problems",
        printed=1.0,
        correct=rate,
        measured=float(measured),
        tol=1e-7,  # of the slowest mode halfway to rounding
    )
    return {"deficient_rate": rate}, checks, [erratum]


def run(config: Config) -> Result:
    scalars, scalar_checks, scalar_errata = scalar(config)
    modes, mode_metrics, mode_checks, mode_errata = diagonal(config)
    squares, square_metrics, square_checks, square_errata = least_squares(config)
    rank_metrics, rank_checks, rank_errata = deficient(config)
    coords = {
        "fraction": sweep(config.fractions, "fraction", "η/η_max"),
        "accuracy": sweep(config.accuracies, "accuracy", "accuracy ε"),
        "eta": sweep(config.rates(), "eta", "step η"),
    }
    names = {"t", "step_size"}
    data = xr.Dataset(
        scalars | modes | {k: v for k, v in squares.items() if k not in names},
        coords=coords | {k: squares[k] for k in names},
        attrs={
            "largest_square": config.squares[0],
            "best_step": mode_metrics["best_step"],
            "accuracy": config.accuracy,
        },
    )
    return Result(
        data=data,
        metrics=mode_metrics | square_metrics | rank_metrics,
        checks=(*scalar_checks, *mode_checks, *square_checks, *rank_checks),
        errata=(*scalar_errata, *mode_errata, *square_errata, *rank_errata),
    )

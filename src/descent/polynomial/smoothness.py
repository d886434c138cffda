"""The gradient of the loss changes at most β = (2/N)‖XᵀX‖₂ times as much as θ, and as much along one mode.

The loss is quadratic, so its gradient is linear in θ and the Hessian says by how much it changes. The largest
eigenvalue is the least constant that serves for every pair of θ; the Frobenius norm is larger, and no pair
needs it.

    f(θ) = (1/N) Σ f_i(θ),   f_i(θ) = (φ(x_i)ᵀθ − y_i)²,   X: (N, n + 1), rows φ(x_i)
    ∇f = (2/N)Xᵀ(Xθ − y),   ∇f_i = 2φ(x_i)(φ(x_i)ᵀθ − y_i),   ∇²f = (2/N)XᵀX = VΛVᵀ
    ‖∇f(θ) − ∇f(θ′)‖² = Σ λ_i²c_i² ≤ β²‖θ − θ′‖²,   c = Vᵀ(θ − θ′),   equal for θ − θ′ along the first mode

Derivatives are measured from values of f alone, by complex steps: Im f(θ + ihe_j)/h has no rounding of a difference.

See: on the left no pair of θ is above the line of β, and the pair along the first mode is on it; on the right the
same for pairs along each mode.

Source: FRTN50 assignment, exercises 1b and 1h. Its solution prints ∇f′ for ∇f, which would be the Hessian, and φᵀ for φ
in ∇f_i, a row in place of a column.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost
from descent.polynomial._points import Points
from descent.polynomial._problem import Problem, build
from descent.polynomial._sampled import padded
from descent.result import Check, Erratum, Result, bound, measured, predicted, replicates, sweep

EPS = float(np.finfo(float).eps)
H = 1e-100  # of complex steps: it leaves no error of its own


@experiment_config
class Config(Points):
    seed: Seed
    replicates: Count  # pairs of θ
    degrees: tuple[Count, ...]  # n

    def __post_init__(self):
        super().__post_init__()
        require_increasing("degrees", self.degrees)
        p = self.degrees[-1] + 1.0
        pairs = self.replicates * len(self.degrees)
        work = 20 * (pairs + p * len(self.degrees)) * self.points * p**2
        # A complex step of every coordinate from every θ: of the pairs, or along p directions.
        steps = max(self.replicates, p) * p * (2 * p + 6 * self.points)
        kept = 5 * pairs * p * self.points
        require_cost(self, "points, degrees, replicates", steps + kept, work)


def predict(config: Config, problems: list[Problem], given: list[np.ndarray]) -> xr.Dataset:
    """The formulas at the first θ of every pair, and the constant."""
    N, slopes, each, bends, modes = config.points, [], [], [], []
    for problem, pairs in zip(problems, given, strict=True):
        X, theta = problem.X, pairs[0]
        residual = theta @ X.T - problem.y
        slopes.append(2 / N * residual @ X)
        each.append(2 * residual[0, :, None] * X)
        bends.append(2 / N * X.T @ X)
        modes.append(problem.eigenvalues)
    beta = [problem.beta for problem in problems]
    return xr.Dataset(
        {
            "slope_predicted": predicted(("degree", "replicate", "power"), cube(slopes), "∇f"),
            "terms_predicted": predicted(("degree", "i", "power"), cube(each), "∇f_i"),
            "bend_predicted": predicted(("degree", "power", "other"), cube(bends), "(2/N)XᵀX"),
            "along_predicted": predicted(("degree", "mode"), padded(modes), "λ of the mode"),
            "beta": bound("degree", beta, "β = (2/N)‖XᵀX‖₂"),
        }
    )


def measure(config: Config, problems: list[Problem], given: list[np.ndarray]) -> xr.Dataset:
    """Derivatives from values of f, and how much the gradient changes between two θ."""
    slopes, terms, bends, ratios, along = [], [], [], [], []
    for problem, (theta, other) in zip(problems, given, strict=True):
        x, y = problem.x, problem.y
        one, two = (complex_step(x, y, part).mean(1) for part in (theta, other))
        change = np.linalg.norm(two - one, axis=1)
        ratios.append(change / np.linalg.norm(other - theta, axis=1))
        slopes.append(one)
        terms.append(complex_step(x, y, theta[:1])[0])
        # f is quadratic: a difference of the gradient over any length is its derivative.
        far = np.linalg.norm(problem.theta)
        bends.append(differences(x, y, theta[0], far * np.eye(len(problem.theta))) / far)
        steps = differences(x, y, theta[0], far * problem.V.T) / far
        along.append(np.linalg.norm(steps, axis=1))
    return xr.Dataset(
        {
            "slope": measured(("degree", "replicate", "power"), cube(slopes), "∇f from values"),
            "terms": measured(("degree", "i", "power"), cube(terms), "∇f_i from values"),
            "bend": measured(("degree", "power", "other"), cube(bends), "∇²f from values"),
            "ratio": measured(
                ("degree", "replicate"), np.array(ratios), "‖∇f(θ) − ∇f(θ′)‖/‖θ − θ′‖"
            ),
            "along": measured(("degree", "mode"), padded(along), "the same along a mode"),
        },
        coords={
            "degree": sweep(config.degrees, "degree", "degree n"),
            "replicate": replicates(config.replicates),
            "i": ("i", problems[0].x, {"long_name": "x_i"}),
        },
    )


def cube(tables: list[np.ndarray]) -> np.ndarray:
    """Matrices of different sizes as one array, with 0 behind the smaller ones."""
    rows, columns = (max(table.shape[k] for table in tables) for k in (0, 1))
    return np.array(
        [np.pad(t, ((0, rows - t.shape[0]), (0, columns - t.shape[1]))) for t in tables]
    )


def complex_step(x: np.ndarray, y: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """∇f_i at every θ, (pair, N, p), from values of f_i by Horner's rule."""
    p = theta.shape[1]
    moved = theta[:, None, :] + 1j * H * np.eye(p)
    value = np.zeros((len(theta), p, len(x)), complex)
    for j in reversed(range(p)):
        value = value * x + moved[:, :, j, None]
    return ((value - y) ** 2).imag.transpose(0, 2, 1) / H


def differences(x: np.ndarray, y: np.ndarray, theta: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """How ∇f changes from θ − ½s to θ + ½s along every s."""
    ends = [complex_step(x, y, theta + side * ways / 2).mean(1) for side in (1, -1)]
    return ends[0] - ends[1]


def run(config: Config) -> Result:
    problems, rng = [build(config, n) for n in config.degrees], np.random.default_rng(config.seed)
    given = [pairs(config, problem, rng) for problem in problems]
    found, theory = measure(config, problems, given), predict(config, problems, given)
    theory = theory.assign_coords(found.coords)
    frobenius = theory["beta"].copy(data=[p.frobenius for p in problems])
    return Result(
        data=found.merge(theory).assign(
            frobenius=frobenius.assign_attrs(long_name="the Frobenius norm")
        ),
        metrics={
            "beta": found["along"].max("mode"),
            "beta_frobenius": frobenius,
            "largest_ratio": found["ratio"].max("replicate"),
        },
        checks=compare(problems, given, found, theory),
        errata=refute(found.sel(degree=9), problems[config.degrees.index(9)])
        if config.of_the_course and 9 in config.degrees
        else (),
    )


def refute(found: xr.Dataset, problem: Problem) -> tuple[Erratum, ...]:
    """What is printed as ∇f′ is 0 at a minimiser; what is printed as ∇f_i has one row."""
    where, p, beta = "FRTN50 assignment 1b", float(len(problem.theta)), problem.beta
    rows = float(np.count_nonzero(found["terms"][0]))  # coordinates of θ that move f_1
    bend = float(found["along"].max())
    return (
        Erratum("norm_of_nabla_f_prime_at_a_minimiser", where, 0.0, beta, bend, 1e-9 * beta),
        Erratum("rows_of_the_gradient_of_a_term", where, 1.0, p, rows, 0.0),
    )


def pairs(config: Config, problem: Problem, rng) -> np.ndarray:
    """θ and θ′ of about the length of the shortest fit, the last ones apart along the first mode."""
    p = len(problem.theta)
    scale = np.linalg.norm(problem.theta) / np.sqrt(p)
    found = scale * rng.standard_normal((2, config.replicates, p))
    found[1, -1] = found[0, -1] + np.linalg.norm(problem.theta) * problem.V[:, 0]
    return found


def compare(problems, given, found, theory) -> tuple[Check, ...]:
    each = {"degree": found["degree"]}
    # Of a product of p terms, each as large as all of them may be.
    sums = [10 * sum(p.X.shape) * EPS * p.sigma[0] ** 2 for p in problems]
    far = xr.DataArray([np.linalg.norm(p.theta) for p in problems], each)
    size = [
        np.linalg.norm(one, axis=-1).max() + np.linalg.norm(p.y) / p.sigma[0]
        for one, p in zip(given, problems, strict=True)
    ]
    near = xr.DataArray(np.array(sums) * size, each) + far * sums
    why, N = "10(N + p)ε of the terms", len(problems[0].y)
    slope, terms, bend, along = (
        (found[name], "==", theory[f"{name}_predicted"])
        for name in ("slope", "terms", "bend", "along")
    )
    apart = [np.linalg.norm(b - a, axis=1).min() for a, b in given]
    return (
        Check("gradient", *slope, 2 / N * near, why),
        Check("gradient_of_a_term", *terms, 2 * near, why),
        Check("hessian", *bend, 4 / N * near / far, why),
        Check("along_a_mode", *along, 4 / N * near / far, why),
        Check("lipschitz", found["ratio"], "<=", theory["beta"], 4 / N * near / apart, why),
        Check("tight", found["ratio"][:, -1], "==", theory["beta"], 4 / N * near / apart, why),
    )

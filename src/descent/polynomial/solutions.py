"""Fewer coefficients than points leave one fit; more leave a plane of exact fits, of dimension n + 1 − N.

N distinct points make all of the rows or all of the columns of X independent, whichever are fewer. Independent
columns make XᵀX invertible, and its inverse gives the one fit. Independent rows let every y be met, and whatever X
maps to 0 may be added to a fit.

    X: (N, n + 1),   rank X = rank XᵀX = rank XXᵀ = min(N, n + 1),   f(θ) = (1/N)‖Xθ − y‖²
    n + 1 ≤ N:   θ* = (XᵀX)⁻¹Xᵀy is the only fit,   f* = (1/N)‖y − QQᵀy‖²,   X = QR
    n + 1 ≥ N:   θ is a fit if and only if Xθ = y, so f* = 0;   if θ and θ′ are, so is αθ + (1 − α)θ′ for every α,
                 and {all fits} = θ + null X, of dimension n + 1 − N

Overparameterised is the model with n + 1 > N, underdetermined is its problem.

See: on the left the points and the fits; in the middle the ranks stop growing at N, and there free directions
begin; on the right the loss of the best fit, which is 0 from there on.

Source: FRTN50 assignment, exercises 1a, 1c, 1d, 1e and 1f; the figure of the points in exercises 2 and 4. Exercise
4 gives "one solution" for n = 9 whose coefficients are rounded: it misses the points whatever the digits that are
cut off, and it is near the shortest solution.
"""

import numpy as np
import xarray as xr

from descent.check import with_points
from descent.config import Count, Refusal, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost
from descent.polynomial import _rank
from descent.polynomial._points import Points
from descent.polynomial._problem import Problem, build, features, loss
from descent.polynomial._rounded import refute
from descent.polynomial._sampled import padded
from descent.result import Check, Result, measured, predicted, replicates, sweep

EPS = float(np.finfo(float).eps)
RANKS = ("rank", "rank_gram", "rank_outer")


@experiment_config
class Config(Points):
    seed: Seed
    replicates: Count  # fits that are looked for, from random starts
    degrees: tuple[Count, ...]  # n

    def __post_init__(self):
        super().__post_init__()
        require_increasing("degrees", self.degrees)
        free = max(self.degrees[-1] + 1 - self.points, 0)
        if self.replicates < 2 * free + 2:
            raise ValueError(
                f"replicates {self.replicates} < {2 * free + 2}: too few fits to span {free} "
                "directions"
            )
        p = self.degrees[-1] + 1.0
        work = len(self.degrees) * 100 * p * self.points * (p + self.points)
        require_cost(self, "points, degrees, replicates", self.replicates * p * 20, work)

    @property
    def as_printed(self) -> bool:
        return self.of_the_course and 9 in self.degrees


def predict(config: Config, problems: list[Problem]) -> xr.Dataset:
    """Counts, the projection of y onto the range of X, and the one fit where there is one."""
    N, counts = config.points, np.array(config.degrees) + 1
    fits, thetas = [], []
    for problem in problems:
        Q, R = np.linalg.qr(problem.X)
        under = R.shape[1] <= N
        fits.append(Q @ (Q.T @ problem.y) if R.shape[1] < N else problem.y)
        thetas.append(np.linalg.solve(R, Q.T @ problem.y) if under else np.zeros(R.shape[1]))
    lowest = [np.mean((p.y - fit) ** 2) for p, fit in zip(problems, fits, strict=True)]
    most = np.minimum(counts, N)
    found = {f"{name}_predicted": predicted("degree", most, "min(N, n + 1)") for name in RANKS}
    return xr.Dataset(
        found
        | {
            "free_predicted": predicted("degree", np.maximum(counts - N, 0), "n + 1 − N"),
            "fit_predicted": predicted(("degree", "i"), np.array(fits), "QQᵀy"),
            "loss_predicted": predicted("degree", np.array(lowest), "(1/N)‖y − QQᵀy‖²"),
            "formula_predicted": predicted(("degree", "power"), padded(thetas), "R⁻¹Qᵀy"),
        }
    )


def measure(config: Config, problems: list[Problem], given: list[np.ndarray]) -> xr.Dataset:
    """Ranks without rounding; fits from every start, lines through two of them, and how many ways they spread."""
    N, x, found = config.points, np.linspace(*config.interval, 201), []
    for problem, a in zip(problems, given, strict=True):
        X, p = problem.X, len(problem.theta)
        rows = _rank.features(problem.x, p - 1)
        sides = (rows, _rank.gram(_rank.transposed(rows)), _rank.gram(rows))
        # A Newton step from a; one is enough, for f is quadratic.
        theta = a + np.linalg.lstsq(X, (problem.y - a @ X.T).T, rcond=0)[0].T
        alpha = 10 * a[:, :1] / np.std(a)
        mixed = alpha * theta + (1 - alpha) * np.roll(theta, 1, axis=0)
        spread = np.linalg.svd(theta[1:] - theta[0], compute_uv=False)
        free = int((spread > resolved(problem, a)).sum())
        formula = np.linalg.inv(X.T @ X) @ (X.T @ problem.y) if p <= N else np.zeros(p)
        curve = features(x, p - 1) @ problem.theta
        ranks = [_rank.rank(side) for side in sides]
        found.append((ranks, free, mixed @ X.T, loss(problem, theta), formula, curve))
    ranks, free, mixed, losses, formulas, curves = zip(*found, strict=True)
    table = {
        name: measured("degree", [one[k] for one in ranks], label)
        for k, (name, label) in enumerate(
            zip(RANKS, ("rank X", "rank XᵀX", "rank XXᵀ"), strict=True)
        )
    }
    return xr.Dataset(
        table
        | {
            "free": measured("degree", list(free), "free directions of the fits"),
            "fit": measured(("degree", "replicate", "i"), np.array(mixed), "m at x_i, mixed fits"),
            "loss": measured(("degree", "replicate"), np.array(losses), "f of the fits"),
            "formula": measured(("degree", "power"), padded(formulas), "(XᵀX)⁻¹Xᵀy"),
            "curve": measured(("degree", "x"), np.array(curves), "m(x; θ*), the shortest"),
            "truth": measured("x", config.truth(x), "the function"),
            "point": measured("i", problems[0].y, "y_i"),
        },
        coords={
            "degree": sweep(config.degrees, "degree", "degree n"),
            "replicate": replicates(config.replicates),
            "power": ("power", np.arange(config.degrees[-1] + 1), {"long_name": "power j"}),
            "i": ("i", problems[0].x, {"long_name": "x_i"}),
            "x": ("x", x, {"long_name": "x"}),
        },
    )


def starts(config: Config, problem: Problem, rng) -> np.ndarray:
    """About as long as the shortest fit."""
    p = len(problem.theta)
    return rng.standard_normal((config.replicates, p)) * np.linalg.norm(problem.theta) / np.sqrt(p)


def rounding(problem: Problem, a: np.ndarray) -> float:
    """Of Xθ, relative to ‖X‖: of the longest fit that is found from these starts."""
    return 10 * EPS * float(np.linalg.norm(a, axis=1).max() + np.linalg.norm(problem.theta))


def resolved(problem: Problem, a: np.ndarray) -> float:
    """Up to where singular values of differences of fits are rounding.

    Raises:
        Refusal: a random direction may be no longer.
    """
    cond = problem.sigma[0] / problem.sigma[-1]
    least = rounding(problem, a) * cond * np.sqrt(len(a))
    if least > 1e-3 * np.std(a):
        raise Refusal(
            f"degree {len(problem.theta) - 1}: cond X = {cond:.1e}, free directions cannot be "
            "told from rounding"
        )
    return least


def run(config: Config) -> Result:
    problems, rng = [build(config, n) for n in config.degrees], np.random.default_rng(config.seed)
    given = [starts(config, problem, rng) for problem in problems]
    found = measure(config, problems, given)
    theory = predict(config, problems).assign_coords(found.drop_dims("replicate").coords)
    return Result(
        data=found.merge(theory),
        metrics={name: found[name] for name in (*RANKS, "free")}
        | {"lowest": theory["loss_predicted"]},
        checks=compare(config, problems, given, found, theory),
        errata=refute(problems[config.degrees.index(9)]) if config.as_printed else (),
    )


def compare(config: Config, problems, given, found, theory) -> tuple[Check, ...]:
    exact, each = "a count", {"degree": found["degree"]}
    checks = [
        Check(n, found[n], "==", theory[f"{n}_predicted"], 0, exact) for n in (*RANKS, "free")
    ]
    top = [p.sigma[0] * rounding(p, a) for p, a in zip(problems, given, strict=True)]
    near = xr.DataArray(top, each)
    far = near * [20 * np.abs(a).max() / np.std(a) + 1 for a in given]  # 1 + 2|α|
    off = 2 * np.sqrt(theory["loss_predicted"]) * near + near**2
    cond = xr.DataArray(
        [10 * len(p.theta) * EPS * (p.sigma[0] / p.sigma[-1]) ** 2 for p in problems], each
    )
    size = np.sqrt((theory["formula_predicted"] ** 2).sum("power"))
    one = (found["degree"] < config.points) & (cond < 1e-3)
    return (
        *checks,
        Check("fit", found["fit"], "==", theory["fit_predicted"], far, "10ε‖X‖ times |α|"),
        Check("loss", found["loss"], "==", theory["loss_predicted"], off, "10ε‖X‖ of a residual"),
        *with_points(
            Check(
                *("formula", found["formula"], "==", theory["formula_predicted"], cond * size),
                *("10pε of the condition of XᵀX", one),
            )
        ),
    )

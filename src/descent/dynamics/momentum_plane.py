"""The rate of averaged gradients has a corner over (β, η), Polyak's point, and ends at η = (2 − β)/(βσ₁²).

Every mode has its own rate at (β, η), and the slowest mode decides. Below the corner all modes are complex between two
lines, and the rate √(1 − β) does not depend on the step; left of that wedge the flattest mode is slow, right of it the
steepest one flips its sign, until it grows.

    L = ‖Xw − y‖²,   z ← (1 − β)z + β∇L(w),   w ← w − ηz;   in a mode h_i = ηβσ_i²
    rate(β, η) = max_i |λ(β, h_i)|,   λ² − (2 − β − 2h)λ + 1 − β = 0
    stable ⇔ η < (2 − β)/(βσ₁²)
    wedge:  (1 − r)²/(2βσ_n²) ≤ η ≤ (1 + r)²/(2βσ₁²),  r = √(1 − β):  rate r
    its corner:  β* = 4σ₁σ_n/(σ₁ + σ_n)²,  η* = 1/(2σ₁σ_n),  rate (√κ − 1)/(√κ + 1),  which no (β, η) beats

What dynamics@momentum_stability says of one mode at one h is here said of all modes at every pair that one can choose.

See: left, the measured rate; its edge, beyond which the empty cells grow, and its darkest corner lie on the predicted lines;
right, the least rate at every β falls along √(1 − β) up to Polyak's β and rises behind it.

Source: CS182 homework 2, questions 2d to 2g; Polyak, USSR Computational Mathematics 4 (1964).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Positive, experiment_config
from descent.dynamics._least_squares import EPS, require_decreasing
from descent.dynamics._methods import LENGTH, averaged_step, rates_of_maps
from descent.maths.limits import require_at_most, require_cost, require_within
from descent.maths.momentum import best_steps, highest, polyak, radius
from descent.result import Check, Result, bound, measured, predicted, sweep

ROOT = 4 * LENGTH * np.sqrt(EPS)  # near a repeated root a rounding of the map moves its root
MEETING = f"roots that meet move by √ε, read off {LENGTH} steps"
NEAR = 1e-6  # of a step: nearer to the edge than that rounding decides


@experiment_config
class Config:
    squares: tuple[Positive, ...]  # σ_i², largest first
    betas: Count  # rows of the plane, evenly in ln β up to β = 2
    etas: Count  # its columns, evenly in ln η
    smallest_beta: Positive  # where the first row begins
    smallest_step: Positive  # where the first column begins, in 1/σ₁²
    largest_step: Positive  # where the last column ends, in 1/σ₁²

    def __post_init__(self):
        require_decreasing("squares", self.squares)
        require_within("squares", self.squares, 1e-50, 1e50, "its powers leave float64")
        kappa = self.squares[0] / self.squares[-1]
        if not 1e-6 <= kappa - 1 <= 1e8:
            raise ValueError(f"squares: κ = {kappa:.6g} must lie between 1 + 1e-6 and 1e8")
        require_within("smallest_beta", self.smallest_beta, 1e-6, 1.9, "β ends at 2")
        for name in ("smallest_step", "largest_step"):
            require_within(name, getattr(self, name), 1e-6, 1e6, "30 steps leave float64")
        if not self.smallest_step < self.largest_step:
            ends = f"{self.smallest_step:g} < {self.largest_step:g}"
            raise ValueError(f"smallest_step < largest_step: {ends} does not hold")
        require_at_most(self, "a map of betas × etas runs", betas=2000, etas=2000)
        cells = float(self.betas * self.etas)
        work = cells * len(self.squares) * (20 * LENGTH + 3000)  # 3 µs an eigenvalue problem
        require_cost(self, "betas, etas, squares", 24 * cells, work)

    @property
    def rows(self) -> Float[np.ndarray, " b"]:
        """β, middles of the rows."""
        return middles(self.smallest_beta, 2.0, self.betas)

    @property
    def columns(self) -> Float[np.ndarray, " e"]:
        """η, middles of the columns."""
        ends = np.array([self.smallest_step, self.largest_step]) / self.squares[0]
        return middles(*ends, self.etas)

    def holds(self, beta: float, eta: float) -> bool:
        """Whether this point lies between middles of cells."""
        pairs = ((self.rows, beta), (self.columns, eta))
        return all(values[0] < at < values[-1] for values, at in pairs)


def middles(low: float, high: float, count: int) -> Float[np.ndarray, " n"]:
    """Of so many cells that are equal in the logarithm."""
    return low * (high / low) ** ((np.arange(count) + 0.5) / count)


def predict(config: Config) -> xr.Dataset:
    """The rate of the slowest mode over the plane, its edge and its corner, in closed form."""
    beta, eta, ends = config.rows, config.columns, (config.squares[0], config.squares[-1])
    h = eta * beta[:, None]
    rate = np.max([radius(beta[:, None], h * square) for square in config.squares], axis=0)
    least = [best_steps(float(b), *ends).rate for b in beta]
    corner = polyak(*ends)
    return xr.Dataset(
        {
            "rate_predicted": predicted(("beta", "eta"), rate, "max |λ| of all modes"),
            "edge_predicted": predicted("beta", highest(beta) / (beta * ends[0]), "(2 − β)/(βσ₁²)"),
            "least_bound": bound("beta", least, "least rate at any step"),
            "best_beta_predicted": predicted((), corner.beta, "4σ₁σ_n/(σ₁ + σ_n)²"),
            "best_eta_predicted": predicted((), corner.eta, "1/(2σ₁σ_n)"),
            "best_rate_bound": bound((), corner.rate, "(√κ − 1)/(√κ + 1)"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """The rate that runs show over the plane, where it passes 1, and where it is least."""
    beta, eta = config.rows, config.columns
    rate = np.zeros((len(beta), len(eta)))
    for square in config.squares:
        mode = rates_of_maps(averaged_step, beta[:, None], eta * beta[:, None] * square)
        rate = np.maximum(rate, mode)
    row, column = np.unravel_index(rate.argmin(), rate.shape)
    return xr.Dataset(
        {
            "rate": measured(("beta", "eta"), rate, "rate of the slowest mode"),
            "edge": measured("beta", crossings(rate, eta), "step at which the rate passes 1"),
            "least": measured("beta", rate.min(1), "least rate of the row"),
            "best_beta": measured((), beta[row], "β of the best cell"),
            "best_eta": measured((), eta[column], "η of the best cell"),
            "best_rate": measured((), rate[row, column], "rate of the best cell"),
        },
        coords={
            "beta": sweep(beta, "beta", "weight β of the new gradient"),
            "eta": ("eta", eta, {"long_name": "step η"}),
        },
        attrs={"largest": config.squares[0], "smallest": config.squares[-1]},
    )


def crossings(
    rate: Float[np.ndarray, "b e"], eta: Float[np.ndarray, " e"]
) -> Float[np.ndarray, " b"]:
    """Between the last step with a rate below 1 and the first that has not; nan where the row has only one kind."""
    grown = rate >= 1
    k = grown.argmax(1)
    inside = grown.any(1) & (k > 0)
    return np.where(inside, np.sqrt(eta[k] * eta[np.maximum(k - 1, 0)]), np.nan)


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    checks, unchecked = compare(config, found, theory)
    return Result(
        data=found.merge(theory),
        metrics={name: found[name] for name in ("best_beta", "best_eta", "best_rate")}
        | {"stable_share": float((found["rate"] < 1).mean())},
        checks=checks,
        unchecked=unchecked,
    )


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset
) -> tuple[tuple[Check, ...], dict[str, str]]:
    """The checks, and why those are left out that this plane cannot decide."""
    expected, eta, unchecked = theory["rate_predicted"], config.columns, {}
    tol = ROOT * np.maximum(expected, 1)  # the rounding of a large root is relative to it
    checks = (
        Check("rate", found["rate"], "==", expected, tol, MEETING),
        Check("least_of_a_row", found["least"], ">=", theory["least_bound"], ROOT, MEETING),
        Check("best_rate", found["best_rate"], ">=", theory["best_rate_bound"], ROOT, MEETING),
    )
    edge = theory["edge_predicted"]
    inside = (edge > eta[0] * (1 + NEAR)) & (edge < eta[-1] * (1 - NEAR))
    rows = np.flatnonzero(inside | np.isfinite(found["edge"].values))
    if len(rows):
        one, half = found["edge"][rows], np.sqrt(eta[1] / eta[0]) - 1 + NEAR
        checks += (Check("edge", one, "==", edge[rows], half * one, "half a cell of η"),)
    else:
        unchecked["edge"] = "no row has both a stable and an unstable step"
    corner = polyak(config.squares[0], config.squares[-1])
    if not config.holds(corner.beta, corner.eta):
        return checks, unchecked | {"best_cell": "Polyak's point is not between four cells"}
    # Cells that theory has for the best, up to rounding: the grid resolves the corner so far.
    b, e = np.nonzero(expected.values <= expected.values.min() + 2 * ROOT)
    beta, step = np.abs(config.rows[b] - corner.beta).max(), np.abs(eta[e] - corner.eta).max()
    why = "how far from the corner the best cell of the grid is"
    resolved = (("best_beta", beta), ("best_eta", step))
    checks += tuple(
        Check(name, found[name], "==", theory[f"{name}_predicted"], off * (1 + NEAR), why)
        for name, off in resolved
    )
    return checks, unchecked

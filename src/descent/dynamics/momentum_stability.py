"""Averaged gradients are stable exactly for 0 < β < 2 and ηβσ² < 2 − β, more than plain descent allows.

One update is a matrix on (average, error), and it is stable while both eigenvalues are inside the unit circle. Their
product is 1 − β, so while they are complex both have the size √(1 − β) and no step is too large; a step is too long
when the smaller of two real eigenvalues passes −1.

    L = ‖Xw − y‖²,   z ← (1 − β)z + β∇L(w),   w ← w − ηz;   in a mode h = ηβσ²
    (a, x) ← R(a, x),   R = [[1 − β, 2βσ²], [−η(1 − β), 1 − 2h]],   det R = 1 − β,   tr R = 2 − β − 2h
    stable ⇔ 0 < β < 2, 0 < h < 2 − β
    β < 1, r = √(1 − β):  real up to h₋ = (1 − r)²/2,  complex with |λ| = r up to h₊ = (1 + r)²/2,  then real

See: simulated runs decay up to the line h = 2 − β and not only up to the document's h = 1; in the middle both
roots leave the unit circle at −1; on the right the document's bounds, of which two are right for β > 2√2 − 2.

Source: CS182 homework 2, questions 2b to 2f. Its stability test |1 − 2ηβσ²| < 1 looks at an entry of R, not at its
eigenvalues: η < 1/(βσ²) is too small by the factor 2 − β. Question 2c has 1 − βη for (1 − β)η in the determinant.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config
from descent.dynamics._kernels import grows
from descent.dynamics._least_squares import EPS, require_decreasing
from descent.dynamics._modes import complex_ends, last_stable, roots, system
from descent.dynamics._printed_bounds import at_one_weight, printed_heights
from descent.maths.limits import require_at_most, require_within
from descent.maths.momentum import discriminant, highest, radius, repeated, trace
from descent.result import Check, Erratum, Result, measured, predicted, sweep

HORIZON = 10_000  # steps of a simulated run
DECIDED = 2e-3  # distance from the edge from which they tell growth from decay: 1.001^10⁴ = 2e4
TOP = 2.2  # the largest h


@experiment_config
class Config:
    seed: Seed
    beta: Positive  # of the root locus, and of the printed bounds in its case, β ≤ 2√2 − 2
    large_beta: Positive  # of the printed bounds in the other case
    squares: tuple[Positive, ...]  # σ², largest first, between whose ends the random modes lie
    samples: Count  # random modes whose eigenvalues are computed
    betas: Count  # of the plane
    levels: Count  # of its h

    def __post_init__(self):
        require_decreasing("squares", self.squares)
        require_within("squares", self.squares, 1e-12, 1e12, "R is too unbalanced for a solver")
        if self.beta >= 2:
            raise ValueError(f"beta {self.beta:g} ≥ 2: |det R| ≥ 1, so no step is stable")
        for name in ("beta", "large_beta"):
            value = getattr(self, name)
            require_within(name, value, 1e-6, 2, "the roots differ from 1 by rounding")
        for name in ("betas", "levels"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} {getattr(self, name)}: a range needs at least 2")
        require_at_most(self, "runs of 10⁴ steps each", betas=1000, levels=1000)
        require_at_most(self, "eigenvalues of that many matrices", samples=1_000_000)

    @property
    def weights(self) -> np.ndarray:
        """β of the plane."""
        return 2 * (np.arange(self.betas) + 0.5) / self.betas

    @property
    def light(self) -> np.ndarray:
        """Those β of the plane for which roots can be complex."""
        return self.weights[self.weights < 1]

    @property
    def heights(self) -> np.ndarray:
        """h of the plane."""
        return TOP * (np.arange(self.levels) + 0.5) / self.levels

    def modes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Random β, h on both sides of the edge, and σ²."""
        rng = np.random.default_rng(self.seed)
        beta = rng.uniform(0, 2, self.samples)
        h = rng.uniform(0, 1.2, self.samples) * (2 - beta)
        ends = np.log([self.squares[-1], self.squares[0]])
        return beta, h, np.exp(rng.uniform(*ends, self.samples))


def predict(config: Config) -> xr.Dataset:
    """Jury's edge, the ends of the complex regime, and the spectral radius of random modes."""
    beta, h, _ = config.modes()
    low, high = repeated(config.light)
    return xr.Dataset(
        {
            "edge_predicted": predicted("beta", highest(config.weights), "2 − β"),
            "simulated_edge_predicted": predicted("beta", highest(config.weights), "2 − β"),
            "complex_from_predicted": predicted("complex_beta", low, "h₋"),
            "complex_to_predicted": predicted("complex_beta", high, "h₊"),
            "radius_predicted": predicted("sample", radius(beta, h), "spectral radius"),
            "sum_predicted": predicted("sample", trace(beta, h), "2 − β − 2h"),
            "discriminant_predicted": predicted("sample", discriminant(beta, h), "Δ"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Eigenvalues by a solver, and runs over the plane."""
    beta, h, square = config.modes()
    weights, heights = config.weights, config.heights
    low, high = complex_ends(config.light)
    grown = grows(weights, heights, HORIZON)
    simulated = np.where(grown, 0.0, heights).max(1)
    plane = np.abs(roots(weights[:, None], heights)).max(-1)
    drawn = np.linalg.eigvals(system(beta, h / (beta * square), square))
    apart = np.square(drawn[:, 0] - drawn[:, 1]).real  # < 0 where they are complex
    levels = np.linspace(0, 1.05 * (2 - config.beta), 211)
    locus = np.sort_complex(roots(config.beta, levels))
    return xr.Dataset(
        {
            "edge": measured("beta", last_stable(weights), "last h with both roots inside"),
            "simulated_edge": measured("beta", simulated, "last h that decays, simulated"),
            "complex_from": measured("complex_beta", low, "first h with complex roots"),
            "complex_to": measured("complex_beta", high, "last h with complex roots"),
            "radius": measured("sample", np.abs(drawn).max(-1), "spectral radius of a random mode"),
            "sum": measured("sample", drawn.sum(-1).real, "λ₊ + λ₋"),
            "discriminant": measured("sample", apart, "(λ₊ − λ₋)²"),
            "plane": measured(("beta", "h"), plane, "spectral radius ρ"),
            "root_real": measured(("level", "root"), locus.real, "Re λ"),
            "root_imaginary": measured(("level", "root"), locus.imag, "Im λ"),
        },
        coords={
            "beta": sweep(weights, "beta", "weight β of the new gradient"),
            "complex_beta": sweep(config.light, "complex_beta", "weight β of the new gradient"),
            "h": ("h", heights, {"long_name": "h = ηβσ²"}),
            "level": ("level", levels, {"long_name": "h = ηβσ²"}),
            "root": ("root", [0, 1], {"long_name": "root"}),
        },
        attrs={"beta_chosen": config.beta},
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    beyond = found["simulated_edge"].sel(beta=config.light)
    cells = xr.where(found["h"] <= beyond, 1.0, 0.0)
    share = float(cells.where(found["h"] >= 1, 0.0).sum() / cells.sum()) if cells.any() else np.nan
    printed = {
        f"printed_{part}": measured("complex_beta", height, f"{part} roots, as printed")
        for part, height in printed_heights(config.light)._asdict().items()
    }
    return Result(
        data=found.merge(theory).drop_dims("sample").assign(printed),
        metrics={"stable_share_beyond_printed_bound": share},
        checks=compare(config, found, theory),
        errata=refute(config, share),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    beta, h, square = config.modes()
    R = system(beta, h / (beta * square), square)
    both = np.linalg.eigvals(R)
    # An eigenvalue of R + E is off by ‖E‖‖R‖/|λ₊ − λ₋|, and E by a few roundings of the entries.
    apart = np.maximum(np.abs(both[:, 0] - both[:, 1]), np.sqrt(EPS))
    size = xr.DataArray(np.square(R).sum((-2, -1)), dims="sample")
    rounding, one = 16 * EPS * size / apart, 16 * EPS * (size + 1)  # of 1 − 2h, too
    bend = 64 * EPS / np.sqrt(1 - found["complex_beta"])
    rows = [
        ("edge", 128 * EPS, "rounding of the roots"),
        ("simulated_edge", TOP / config.levels + DECIDED, "a cell of h, and what 10⁴ steps tell"),
        ("complex_from", bend, "rounding of the discriminant, whose slope is 8√(1 − β)"),
        ("complex_to", bend, "rounding of the discriminant, whose slope is 8√(1 − β)"),
        ("radius", rounding, "16 roundings of R over the distance of its roots"),
        ("sum", one, "16 roundings of R"),
        ("discriminant", 4 * one, "16 roundings of R, of a square"),
    ]
    return tuple(
        Check(name, found[name], "==", theory[f"{name}_predicted"], tol, why)
        for name, tol, why in rows
    )


def refute(config: Config, share: float) -> tuple[Erratum, ...]:
    """The document's bound over the plane, and what it says of this β where it has that wrong."""
    spacing = 2 / config.betas + TOP / config.levels
    plane = Erratum(
        "share of the stable plane β < 1 that the bound 1/(βσ²) calls unstable",
        "CS182 homework 2, questions 2d to 2f: |1 − 2ηβσ²| < 1 as the test of stability",
        printed=0.0,
        correct=1 / 3,  # the area of 1 < h < 2 − β over that of 0 < h < 2 − β: ½ over 3/2
        measured=share,
        tol=spacing,  # a cell along the edges
    )
    found = (plane,) if spacing < 0.1 else ()
    for beta in dict.fromkeys((config.beta, config.large_beta)):
        if 1e-3 <= beta <= 0.999:
            found += at_one_weight(beta, config.squares[0], "" if beta == config.beta else beta)
    return found

"""Averaged gradients are stable for 0 < β < 2 up to η = (2 − β)/(βσ₁²), and their least rate is not their fewest iterations.

    L = ‖Xw − y‖²,   z ← (1 − β)z + β∇L(w),   w ← w − ηz,   z₀ = 0;   h = ηβσ² in every mode
    (a, x) ← R(a, x),   R = [[1 − β, 2βσ²], [−η(1 − β), 1 − 2h]],   det R = 1 − β,   tr R = 2 − β − 2h
    stable ⇔ 0 < β < 2, 0 < h < 2 − β
    β < 1, r = √(1 − β):  real up to h₋ = (1 − r)²/2,  complex with |λ| = r up to h₊ = (1 + r)²/2,  then real
    fixed β: the best steps are [h₋/(βσ_n²), h₊/(βσ₁²)] while κ ≤ ((1 + r)/(1 − r))²
    both free: β = 4σ₁σ_n/(σ₁ + σ_n)², η = 1/(2σ₁σ_n), rate (√κ − 1)/(√κ + 1)  (Polyak)

The least rate is not the least number of iterations: at Polyak's point both roots are repeated and
the error is rᵗ(1 + t(1 + r)), whose factor t costs more than a slightly worse rate.

Source: CS182 homework 2, questions 2b to 2g. Its stability test |1 − 2ηβσ²| < 1 looks at an entry of R, not
at its eigenvalues: η < 1/(βσ²) is too small by the factor 2 − β.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Refusal, Seed, experiment_config, require_increasing
from descent.dynamics.kernels import grows, iterations_to_stay
from descent.dynamics.landscape import landscape
from descent.dynamics.modes import (
    balanced,
    bisected,
    closed_iterations,
    computed_rate,
    repeated_iterations,
    simulated,
    system,
)
from descent.maths.momentum import (
    best_steps,
    highest,
    polyak,
    radius,
    repeated,
    trajectory,
)
from descent.result import Check, Erratum, Result, steps, sweep

EPS = np.finfo(float).eps
DECIDED = 2e-3  # |ρ − 1| from which 10⁴ steps tell growth from decay: 1.002^10⁴ = 5e8
HORIZON = 10_000

Part = tuple[dict, dict, list[Check], list[Erratum]]  # data, metrics, checks, errata


@experiment_config
class Config:
    seed: Seed
    beta: Positive  # of the example
    squares: tuple[Positive, ...]  # σ_i², largest first
    accuracy: Positive  # ε
    accuracies: tuple[Positive, ...]  # of the landscape
    samples: Count  # random modes whose eigenvalues are computed
    betas: Count  # of the phase diagram
    levels: Count  # of its h
    length: Count  # of the trajectories
    points: Count  # steps η of the example
    grid: Count  # of the landscape, along β and η
    limit: Count  # iterations of one run

    def __post_init__(self):
        require_increasing("squares, from the last to the first,", self.squares[::-1])
        require_increasing("accuracies", self.accuracies)
        if len(self.squares) < 2:
            raise ValueError("squares: a largest and a smallest are at least 2")
        if self.beta >= 2:
            raise ValueError(f"beta {self.beta:g} ≥ 2: |det R| ≥ 1, so no step is stable")
        for epsilon in (self.accuracy, self.accuracies[-1]):
            if epsilon >= 1:
                raise ValueError(f"accuracy {epsilon:g} ≥ 1: the start is as good as that")
        for name in ("betas", "levels", "points", "grid", "length"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} {getattr(self, name)}: a range needs at least 2")


def spectra(config: Config) -> list[Check]:
    """Random modes: computed eigenvalues against the closed form."""
    rng = np.random.default_rng(config.seed)
    beta = rng.uniform(0, 2, config.samples)
    h = rng.uniform(0, 1.2, config.samples) * highest(beta)
    square = np.exp(rng.uniform(*np.log(np.array(config.squares)[[-1, 0]]), config.samples))
    eta = h / (beta * square)
    found = np.linalg.eigvals(system(beta, eta, square))
    rho, predicted = np.abs(found).max(-1), radius(beta, h)
    # An eigenvalue of R + E is off by ‖E‖‖R‖/|λ₊ − λ₋|, and E by a few roundings of the entries.
    size = np.square(system(beta, eta, square)).sum((-2, -1))
    rounding = EPS * size / np.abs(found[:, 0] - found[:, 1])
    stable = (h > 0) & (h < highest(beta))
    unclear = np.abs(rho - 1) < 1e-9
    return [
        Check("radius_off_in_roundings", float((np.abs(rho - predicted) / rounding).max()), "<=", 0.0, 16.0),
        Check("modes_misclassified", int(((rho < 1) != stable)[~unclear].sum()), "==", 0, 0),
    ]  # fmt: skip


def cases(config: Config) -> dict[str, float]:
    """One h in every regime of the example's β, and at its edges."""
    beta = config.beta
    if beta >= 1:
        return {"real": highest(beta) / 3, "real near the edge": 0.98 * highest(beta)}
    low, high = repeated(beta)
    return {
        "real, positive": low / 2,
        "repeated, +r": low,
        "complex": np.sqrt(low * high) if low else high / 2,
        "repeated, −r": high,
        "real, negative": (high + highest(beta)) / 2,
    }


def trajectories(config: Config) -> Part:
    chosen = cases(config)
    t = np.arange(config.length)
    found = np.array([simulated(config.beta, h, config.length) for h in chosen.values()])
    predicted = np.array([trajectory(config.beta, h, 1 - 2 * h, t) for h in chosen.values()])
    gap = np.abs(found - predicted).max(1) / np.abs(predicted).max(1)
    data = {
        "trajectory": (("case", "t"), found, {"long_name": "x_t"}),
        "trajectory_predicted": (
            ("case", "t"),
            predicted,
            {"long_name": "closed form", "role": "prediction"},
        ),
        "case_h": ("case", list(chosen.values()), {"long_name": "h of the case"}),
        "t": steps(t, "t", "iteration t"),
        "case": ("case", list(chosen), {"long_name": "regime"}),
    }
    # A rounding of h is one of Δ, which at a repeated root moves x_t by a part in t²Δ.
    rounding = EPS * config.length**2
    checks = [Check("trajectories_off_closed_form", float(gap.max()), "<=", 0.0, rounding)]
    return data, {}, checks, []


def phases(config: Config) -> Part:
    """Growth or decay over the plane (β, h), by simulation."""
    beta = 2 * (np.arange(config.betas) + 0.5) / config.betas
    h = 2.2 * (np.arange(config.levels) + 0.5) / config.levels
    grown = grows(beta, h, HORIZON)
    rho = radius(beta[:, None], h)
    stable = h < highest(beta[:, None])
    decided = np.abs(rho - 1) >= DECIDED
    below = beta < 1
    kept, printed = ~grown[below], h < 1  # the document's: η < 1/(βσ²)
    share = float((kept & ~printed).sum() / kept.sum()) if kept.any() else np.nan
    data = {
        "grown": (("beta", "h"), grown.astype(float), {"long_name": "grown after 10⁴ steps"}),
        "radius": (("beta", "h"), rho, {"long_name": "spectral radius ρ", "role": "prediction"}),
        "beta": sweep(beta, "beta", "weight β of the new gradient"),
        "h": ("h", h, {"long_name": "h = ηβσ²"}),
    }
    # The area of 1 < h < 2 − β over that of 0 < h < 2 − β, for β < 1: ½ over 3/2.
    spacing = 2 / config.betas + 2.2 / config.levels
    erratum = Erratum(  # if the plane is fine enough to tell
        "share of the stable plane β < 1 that the bound 1/(βσ²) calls unstable",
        "CS182 homework 2, questions 2d to 2f: |1 − 2ηβσ²| < 1 as the test of stability",
        printed=0.0,
        correct=1 / 3,
        measured=share,
        tol=spacing,  # a cell along the edges
    )
    wrong = int((grown == stable)[decided].sum())
    checks = [Check("phase_mismatches", wrong, "==", 0, 0)]
    errata = [erratum] if spacing < 0.1 else []
    return data, {"stable_share_beyond_printed_bound": share}, checks, errata


def example(config: Config) -> Part:
    """The two (or more) modes of question 2g at one β."""
    beta, squares = config.beta, np.array(config.squares)
    largest, smallest = squares.max(), squares.min()
    best, joint = best_steps(beta, largest, smallest), polyak(largest, smallest)
    edge = highest(beta) / (beta * largest)
    printed = repeated(beta)[0] / (beta * largest) if beta < 1 else 1 / (beta * largest)
    eta = np.geomspace(min(printed, best.low) / 2, 0.99 * edge, config.points)
    balance = highest(beta) / (beta * (largest + smallest))
    gradient = 1 / (largest + smallest)
    named = {
        "printed": (beta, printed),
        "balanced": (beta, balance),
        "interval_low": (beta, best.low),
        "interval_high": (beta, best.high),
        "polyak": (joint.beta, joint.eta),
        "gradient_descent": (1.0, gradient),
    }
    weights = np.append(np.full(len(eta), beta), [b for b, _ in named.values()])
    tried = np.append(eta, [e for _, e in named.values()])
    accuracy = np.array([config.accuracy])
    T = iterations_to_stay(weights, tried, squares, accuracy, config.limit)[:, 0]
    found = dict(zip(named, map(int, T[len(eta) :]), strict=True))
    best_found = int(T[: len(eta)].min())
    rates = np.abs(np.linalg.eigvals(system(*np.broadcast_arrays(beta, eta[:, None], squares))))
    rate = rates.max((-2, -1))
    locus = np.sort_complex(np.linalg.eigvals(balanced(beta, locus_levels(config))))
    data = {
        "named": {name: (e, found[name]) for name, (_, e) in named.items()},
        "iterations": ("eta", T[: len(eta)], {"long_name": f"iterations, {config.limit} at the most"}),
        "rate": ("eta", rate, {"long_name": "rate max |λ|"}),
        "eta": sweep(eta, "eta", "step η"),
        "root_real": (("level", "root"), locus.real, {"long_name": "Re λ"}),
        "root_imaginary": (("level", "root"), locus.imag, {"long_name": "Im λ"}),
        "level": ("level", locus_levels(config), {"long_name": "h = ηβσ²"}),
        "root": ("root", [0, 1], {"long_name": "root"}),
    }  # fmt: skip
    kappa = largest / smallest
    exact = np.log(config.accuracy) / np.log((kappa - 1) / (kappa + 1))
    if exact > config.limit:
        raise Refusal(f"limit {config.limit}: gradient descent takes {exact:.0f} iterations")
    inside = computed_rate(beta, np.linspace(best.low, best.high, 33), squares)
    # An iteration more or less where rounding decides.
    unclear = int(abs(exact - round(exact)) < 1e-9 * exact)
    off = 0
    for name, (b, e) in named.items():
        ends = [
            closed_iterations(b, e, squares, config.accuracy * (1 + sign * 1e-9), config.limit)
            for sign in (1, -1)
        ]
        off += not ends[0] <= found[name] <= ends[1]
    # Where two roots meet, a rounding u moves them by √u.
    checks = [
        Check("gradient_descent_iterations", found["gradient_descent"], "==", int(np.ceil(exact)), unclear),
        Check("polyak_iterations", found["polyak"], "==", repeated_iterations(joint.rate, config.accuracy), 0),
        Check("runs_off_closed_form_iterations", off, "==", 0, 0),
        Check("rate_at_polyak", computed_rate(joint.beta, np.array(joint.eta), squares), "==", joint.rate, 1e-7),
        Check("best_rate_over_steps", float(rate.min()), ">=", best.rate, 1e-7),
        Check("rate_inside_the_interval", inside, "==", best.rate, 1e-7),
    ]  # fmt: skip
    metrics = {f"iterations_{name}": T for name, T in found.items()} | {
        "iterations_best_step": best_found,
        "best_step_low": best.low,
        "best_step_high": best.high,
        "best_rate": best.rate,
        "largest_step": edge,
        "printed_step": printed,
        "polyak_beta": joint.beta,
        "polyak_eta": joint.eta,
        "polyak_rate": joint.rate,
    }
    return data, metrics, checks, printed_steps(config, printed, best.rate, inside)


def locus_levels(config: Config) -> np.ndarray:
    return np.linspace(0, 1.05 * highest(config.beta), 211)


def printed_steps(config: Config, printed: float, best: float, rate: float) -> list[Erratum]:
    """What the document says of the example's β, for those β that it has wrong."""
    beta, largest = config.beta, max(config.squares)
    if beta >= 1:
        return []
    source = "CS182 homework 2, question 2"
    plus, minus = repeated(beta)[1], repeated(beta)[0]
    split = beta <= 2 * np.sqrt(2) - 2

    def unit(h):
        return h / (beta * largest)

    def eigenvalues(h):
        return np.linalg.eigvals(balanced(beta, np.array(h)))

    last_complex = bisected((minus + plus) / 2, 2.0, lambda h: np.iscomplexobj(eigenvalues(h)))
    last_stable = bisected(plus / 2, 2.5, lambda h: np.abs(eigenvalues(h)).max() < 1)
    R = system(*map(np.array, (beta, printed, largest)))
    swapped = R.copy()
    swapped[1, 0] = beta * printed - 1  # 1 − βη in λ1 − R
    errata = [
        Erratum(
            "det R with 1 − βη for (1 − β)η",
            f"{source}c: the matrix under the determinant",
            printed=float(np.linalg.det(swapped)),
            correct=1 - beta,
            measured=float(np.linalg.det(R)),
            tol=1e-12,
        ),
        Erratum(
            "upper bound on the step with real eigenvalues",
            f"{source}e: {'η₋' if split else '1/(βσ²)'}",
            printed=unit(minus) if split else unit(1.0),
            correct=unit(highest(beta)),
            measured=unit(last_stable),
            tol=1e-9 * unit(highest(beta)),
        ),
    ]
    if split:
        errata += [
            Erratum(
                "highest step with repeated eigenvalues",
                f"{source}d: β > 2√2 − 2 for the root η₊",
                printed=unit(minus),
                correct=unit(plus),
                measured=unit(last_complex),
                tol=1e-7 * unit(plus),  # where roots meet, u moves them by √u
            ),
            Erratum(
                "highest step with complex eigenvalues that are stable",
                f"{source}f: 1/(βσ²) for β < 2√2 − 2",
                printed=unit(1.0),
                correct=unit(plus),
                measured=unit(last_complex),
                tol=1e-7 * unit(plus),
            ),
            Erratum(
                "fastest rate at this β",
                f"{source}g: η₋ of the largest singular value, 0.0026 in its example",
                printed=float(radius(beta, printed * beta * np.array(config.squares)).max()),
                correct=best,
                measured=rate,
                tol=1e-7,  # where roots meet, u moves them by √u
            ),
        ]
    return errata


def plane(config: Config) -> Part:
    """Iterations over (β, η) to several accuracies, and the fewest against those at Polyak's point."""
    squares, accuracies = np.array(config.squares), np.array(config.accuracies)
    joint = polyak(squares.max(), squares.min())
    found = landscape(squares, accuracies, config.grid)
    dims = ("accuracy", "weight", "rate_of_step")
    data = {
        "landscape": (dims, found.iterations, {"long_name": "iterations, 2000 at the most"}),
        "least": ("accuracy", found.least, {"long_name": "best (β, η) for ε"}),
        "least_beta": ("accuracy", found.least_beta, {"long_name": "β of the best"}),
        "least_eta": ("accuracy", found.least_eta, {"long_name": "η of the best"}),
        "at_polyak": ("accuracy", found.at_polyak, {"long_name": "Polyak's (β, η)"}),
        "accuracy": sweep(accuracies, "accuracy", "accuracy ε"),
        "weight": ("weight", found.beta, {"long_name": "weight β of the new gradient"}),
        "rate_of_step": ("rate_of_step", found.eta, {"long_name": "step η"}),
    }
    metrics = {
        name: xr.DataArray(data[name][1], coords={"accuracy": accuracies})
        for name in ("least", "at_polyak")
    }
    checks = [Check("rate_at_least_polyak", found.rate, ">=", joint.rate, 1e-7)]
    # What the factor t costs; less than 2, as at κ near 1, is a matter of rounding up.
    cost = found.at_polyak - np.ceil(np.log(accuracies) / np.log(joint.rate))
    if (cost >= 2).any():
        saved = int((found.at_polyak - found.least)[cost >= 2].min())
        checks.append(Check("fewer_iterations_than_polyak", saved, ">=", 1, 0))
    return data, metrics, checks, []


def marks(config: Config, data: dict) -> dict[str, list[float]]:
    """(η, iterations) of the named settings, for the figure."""
    named = {f"mark_{name}": [e, float(T)] for name, (e, T) in data.pop("named").items()}
    T, eta = data["iterations"][1], data["eta"].values
    named["mark_best"] = [float(eta[T.argmin()]), float(T.min())]
    k = int(np.abs(np.log(np.array(config.accuracies) / config.accuracy)).argmin())
    named["mark_least"] = [float(data["least_eta"][1][k]), float(data["least"][1][k])]
    return named


def run(config: Config) -> Result:
    data, metrics, checks, errata = {}, {}, spectra(config), []
    for part in (trajectories, phases, example, plane):
        more = part(config)
        data, metrics = data | more[0], metrics | more[1]
        checks, errata = checks + more[2], errata + more[3]
    return Result(
        data=xr.Dataset(
            data,
            attrs={"beta_chosen": config.beta, "accuracy": config.accuracy} | marks(config, data),
        ),
        metrics=metrics,
        checks=tuple(checks),
        errata=tuple(errata),
    )

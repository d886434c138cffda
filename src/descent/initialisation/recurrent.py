"""Long-term parts of a recurrent network's gradient vanish or explode like the powers of its Jacobian at rest.

The same weights act at every step, so what the loss feels of a state k steps back was multiplied k times by one matrix.
Its largest eigenvalue in size, ρ, decides: below 1 the long-term parts of the gradient vanish, above 1 they explode.
The largest singular value limits a single step only, and may be above 1 while everything vanishes.

    h_t = tanh(z_t),   z_t = Wh_{t−1} + b: (N,),   at rest in h* (b is chosen so);   loss cᵀh_T, ‖c‖ = 1
    ∂loss/∂W = Σ_k a_k h_{T−k−1}ᵀ,   a_k = ∂loss/∂z_{T−k} = DWᵀa_{k−1},   D = diag(1 − h*²)
    J = ∂z_t/∂z_{t−1} = WD = Σ_i λ_i v_i w_iᵀ,   |λ₁| = ρ the largest:   a_k = Σ_i λ_iᵏ (v_iᵀa₀) w_i
    (‖a_K‖/‖a₀‖)^(1/K) → ρ,   at least ρ (|v₁ᵀa₀|/‖a₀‖)^(1/K);   for every k   ‖a_k‖ ≤ σ₁(J)ᵏ‖a₀‖

A part of the gradient is the matrix a_k h_{T−k−1}ᵀ, what the weights did k steps before the last. W has Gaussian
entries and is scaled until J has the radius ρ; then σ₁(J) is about 2ρ.

See: left, the parts lie on the powers that the eigenvalues give, falling for ρ < 1 and rising for ρ > 1; right, the
change a step is ρ, while σ₁(J), the limit for a single step, is far above.

Source: CS7180 problem set 2, question 1a. Its answer lets gradients explode where layers "have values larger than
1.0": right for eigenvalues of the Jacobian, wrong for singular values; arXiv 1211.5063, section 2 (long-term
components).
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.initialisation._recurrent import backward, off, powers
from descent.maths.limits import require_cost
from descent.maths.replicates import replicate
from descent.result import (
    Check,
    Erratum,
    Result,
    bound,
    measured,
    over_replicates,
    predicted,
    steps,
    sweep,
)

CELL = ("replicate", "radius")
LARGE = 0.5  # of a part: rounding beyond it says nothing
HIDDEN = 0.2  # of ρ, likewise
WHERE = "CS7180 problem set 2, answer to 1a: explode where values are larger than 1.0"


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # networks
    width: Count  # N
    lags: Count  # K, steps back from the last
    radii: tuple[Positive, ...]  # ρ of the Jacobian
    spread: Positive  # standard deviation of the pre-activations at rest

    def __post_init__(self):
        require_increasing("radii", self.radii)
        if not 1e-3 <= self.spread <= 3:
            raise ValueError(
                f"spread {self.spread:g}: from 1e-3, as good as h* = 0, to 3, where units saturate"
            )
        for radius in self.radii:
            size = self.lags * np.log10(radius)
            if not -140 < size < 6:
                raise ValueError(
                    f"radii {radius:g}, lags {self.lags}: parts of size 1e{size:.0f}; from 1e6 on rounding takes "
                    "the network away from its rest, below 1e-140 squares leave float64"
                )
        S, K, N = len(self.radii), self.lags, self.width
        work = self.replicates * S * (60.0 * N**3 + 10.0 * K * N**2)
        numbers = self.replicates * S * (3.0 * K + 3.0 * N**2)
        require_cost(self, "replicates, width, lags, radii", numbers, work)


def measure(config: Config) -> xr.Dataset:
    """The parts of every network's gradient, and by how much a step changes them."""
    found = over_replicates(replicate(_measure_one, config.seed, [(config,)] * config.replicates))
    change = found["part"].isel(lag=-1, drop=True) / found["part"].isel(lag=0, drop=True)
    growth = change ** (1 / config.lags)
    return found.assign(growth=measured(CELL, growth.values, "change of the parts a step"))


def _measure_one(rng: np.random.Generator, config: Config) -> xr.Dataset:
    """One random matrix at every radius, with one state of rest."""
    N = config.width
    G, z = rng.standard_normal((N, N)), config.spread * rng.standard_normal(N)
    c, rest = rng.standard_normal(N), np.tanh(z)
    D = 1 - rest**2
    unit = np.array(config.radii) / np.abs(np.linalg.eigvals(G * D)).max()
    weights = np.multiply.outer(unit, G)
    c /= np.linalg.norm(c)
    each = [backward(W, z - W @ rest, rest, c, config.lags) for W in weights]
    first, parts, off = map(np.array, zip(*each, strict=True))
    lag = ("radius", "lag")
    return xr.Dataset(
        {
            "part": measured(lag, parts, "part k of the gradient, ‖a_k hᵀ‖"),
            "off": measured(lag, off, "relative change of h and D on the way"),
            "first": measured(("radius", "unit"), first, "a₀"),
            "jacobian": measured(("radius", "row", "unit"), weights * D, "J"),
            "rest": measured("unit", rest, "h*"),
            "singular": measured("radius", np.linalg.norm(weights * D, 2, axis=(-2, -1)), "σ₁(J)"),
        },
        coords={
            "radius": sweep(config.radii, "radius", "spectral radius ρ of the Jacobian"),
            "lag": steps(np.arange(config.lags + 1), "lag", "steps back k"),
        },
    )


def predict(config: Config, given: xr.Dataset) -> xr.Dataset:
    """From eigenvalues and singular values of every Jacobian, and the gradient's first part."""
    R, S = config.replicates, len(config.radii)
    found = [
        powers(
            given["jacobian"].values[r, s],
            given["first"].values[r, s],
            float(np.linalg.norm(given["rest"].values[r])),
            config.lags,
        )
        for r in range(R)
        for s in range(S)
    ]
    radius, part, most, sensitivity, rounding, reach, fastest = (
        np.array(one).reshape(R, S, *np.shape(one[0])) for one in zip(*found, strict=True)
    )
    along = (*CELL, "lag")
    return xr.Dataset(
        {
            "part_predicted": predicted(along, part, "‖Σ λ_iᵏ (v_iᵀa₀) w_i‖ ‖h*‖"),
            "part_bound": bound(along, most, "σ₁ᵏ‖a₀‖ ‖h*‖"),
            "growth_predicted": predicted(CELL, radius, "ρ"),
        },
        attrs={
            "sensitivity": sensitivity,
            "rounding": rounding,
            "reach": reach,
            "fastest": fastest,
        },
    )


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config, found)
    reasons = presupposed(found, theory)
    kept = found.drop_vars(["jacobian", "first", "rest", "off"])
    return Result(
        data=kept.merge(theory),
        metrics={
            "growth": found["growth"].mean("replicate"),
            "singular": found["singular"].mean("replicate"),
            "last_part": np.exp(np.log(found["part"].isel(lag=-1, drop=True)).mean("replicate")),
        },
        checks=() if reasons else compare(found, theory),
        errata=() if reasons else refute(found, theory),
        no_claim=reasons,
    )


def reach(theory: xr.Dataset) -> xr.DataArray:
    """By how much the change a step from 0 to K may differ from ρ."""
    return xr.DataArray(theory.attrs["reach"], dims=CELL)


def presupposed(found: xr.Dataset, theory: xr.Dataset) -> tuple[str, ...]:
    """Why the claim says nothing here: rounding decides, or too few steps show no power."""
    count = found["growth"].size
    lost = int((off(found, theory) > LARGE * found["part"]).any("lag").sum())
    few = int((reach(theory) > HIDDEN * found["growth"]).sum())
    K = found.sizes["lag"] - 1
    slow = f"lags {K}: in {few} of {count} networks the change a step may be {HIDDEN:.0%} off ρ"
    loud = f"rounding may be half of a part in {lost} of {count} networks"
    return tuple(reason for number, reason in ((lost, loud), (few, slow)) if number)


def compare(found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    part, tol = found["part"], off(found, theory)
    expected, most = theory["part_predicted"], theory["part_bound"]
    growth, rho = found["growth"], theory["growth_predicted"]
    rounding = (tol / part).isel(lag=[0, -1]).sum("lag") / (found.sizes["lag"] - 1)
    near = reach(theory) + growth * rounding
    why, root = "rounding of k steps both ways", "K-th root of the share of the largest eigenvalue"
    return (
        Check("part", part, "==", expected, tol, why),
        Check("part_at_most", part, "<=", most, tol, why),
        Check("growth", growth, "==", rho, near, root),
    )


def refute(found: xr.Dataset, theory: xr.Dataset) -> tuple[Erratum, ...]:
    """Where a singular value is above 1, and all the eigenvalues are below it."""
    fastest = xr.DataArray(theory.attrs["fastest"], dims=CELL)  # below 1: by the eigenvalues
    singled = (found["singular"] > 1) & (found["radius"] < 1) & (fastest < 1)
    fell = found["part"].isel(lag=-1, drop=True) < found["part"].isel(lag=0, drop=True)
    count, measured_count = int(singled.sum()), int((singled & fell).sum())
    name = "networks with a singular value above 1 whose gradients vanish"
    return (Erratum(name, WHERE, 0, count, measured_count, 0),) if count else ()

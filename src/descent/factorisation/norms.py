"""In a 2 × 2 completion every norm of the product grows without bound while its effective rank falls to 1.

The flow of a balanced product cannot change the sign of the determinant. If that sign is the one that the observed
entries ask for, the missing entry has to grow as the loss falls: the bias is then no norm, and low rank describes it.
From the other sign the same entries are met by a finite matrix of full rank.

    W = W_N ⋯ W_1: (2, 2),   ℓ = ½[(W₁₂ − a)² + (W₂₁ − b)² + W₂₂²],   κ = |ab|,   e = √(2ℓ) < min(|a|, |b|)
    det W of the sign of ab:   |W₁₁| ≥ (|a| − e)(|b| − e)/e,    σ₂ ≤ e,    rank ≤ 1 + 2e/√((|a| − e)(|b| − e))
                               since W₁₁W₂₂ = det W + W₁₂W₂₁;   rank: exp of the entropy of σ/Σσ
    t → ∞:   |W₁₁| = ((2N + 2)κ²t)^{N/(2N+2)},   ℓ = κ²/(2W₁₁²),   det W ~ t^{−2N/((N−2)(N+1))} for N > 2
    the other sign:   det W → −ab, which needs no large entry

The power laws follow from W₁₂ − a ≈ −ab²/W₁₁² and σ̇₁ = −Nσ₁^{2−2/N} u₁ᵀ∇ℓv₁ ≈ Nσ₁^{2−2/N} κ²/W₁₁³.

See: left, |W₁₁| against the loss stays above its dotted bound and runs along it; middle, norms grow by the dashed power
of time; right, the effective rank falls towards 1 below its bound, and stays where it is in the control.

Source: slides on implicit biases, the papers on linear networks; arXiv 2005.06398, theorems 1 and 2, where the
constants are larger; the power laws are derived here.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Number, Positive, Seed, experiment_config, require_increasing
from descent.factorisation._norm_checks import BACK, compare, presuppose
from descent.factorisation._products import effective_rank
from descent.factorisation._two_by_two import DECADE, pair, power
from descent.maths.limits import require_at_most, require_within
from descent.result import Result, bound, measured, over_replicates, predicted, steps, sweep

FIRST = 1e-2
SIGNS = ["asked_for", "opposite"]  # of the determinant


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # starts
    depths: tuple[Count, ...]  # N
    targets: tuple[Number, Number]  # a, b
    start: Positive  # ‖W₀‖
    decades: Count  # the flow ends at t = 10^decades

    def __post_init__(self):
        require_increasing("depths", self.depths)
        require_within("depths", self.depths, 2, 10, "a product, of not too stiff a flow")
        sizes = tuple(abs(value) for value in self.targets)
        require_within(
            "targets, without their signs,", sizes, 0.01, 100, "the flow is in units of 1"
        )
        require_within("start", self.start, 1e-6, 10, "a small start that float64 resolves")
        require_within("decades", self.decades, 3, 12, "to see a power, and not rounding")
        require_at_most(self, "a flow takes up to a second", replicates=1000)
        if self.replicates * len(self.depths) > 1000:
            raise ValueError(f"replicates {self.replicates}, depths: more than 1000 pairs of flows")
        kept = (min(sizes) / float(predict(self)["missing_predicted"].max())) ** 2
        if kept < 1e-8:
            raise ValueError(f"decades {self.decades}: W₁₂ − a is {kept:.1g} of a then: rounding")

    @property
    def times(self) -> np.ndarray:
        count = DECADE * round(self.decades - np.log10(FIRST))
        return np.geomspace(FIRST, 10.0**self.decades, count + 1)


def measure(config: Config) -> xr.Dataset:
    """The flows from every start, and from the same start with the sign of its determinant changed."""
    found = [_measure_one(config, k) for k in range(config.replicates)]
    return over_replicates(found)


def _measure_one(config: Config, k: int) -> xr.Dataset:
    rng, (a, b) = np.random.default_rng([config.seed, k]), config.targets
    target = np.array([[0, a], [b, 0]])
    every = pair(rng, config.start, target, config.depths, config.times)
    loss = ((every.W - target) ** 2 * [[0, 1], [1, 1]]).sum((-2, -1)) / 2
    one, two = every.sigma[..., 0], every.sigma[..., 1]
    norms = np.stack([np.maximum(one, two), np.hypot(one, two), one + two], -1)
    dims = ("depth", "sign", "t")
    late = [[power(x[:, 0], back) for back in BACK] for x in (abs(every.W[..., 0, 0]), loss)]
    det = np.array([1, -1])[:, None] * np.sign(a * b) * one * two
    return xr.Dataset(
        {
            "missing": measured(dims, abs(every.W[..., 0, 0]), "|W₁₁|"),
            "loss": measured(dims, loss, "loss ℓ"),
            "norm": measured((*dims, "kind"), norms, "norm"),
            "determinant": measured(dims, det, "det W"),
            "effective_rank": measured(dims, effective_rank(every.sigma), "effective rank"),
            "power": measured(("of", "back", "depth"), late, "power of t in a late decade"),
        },
        coords={
            "depth": sweep(config.depths, "depth", "depth N"),
            "sign": ("sign", SIGNS, {"long_name": "sign of the determinant"}),
            "of": ("of", ["missing", "loss"], {"long_name": "of what"}),
            "back": ("back", list(BACK), {"long_name": "decades before the last"}),
            "kind": ("kind", ["spectral", "frobenius", "nuclear"], {"long_name": "norm"}),
            "t": steps(config.times, "t", "time t"),
        },
    )


def predict(config: Config) -> xr.Dataset:
    """The laws for large t, and the determinant of a matrix that meets the entries with W₂₂ = 0."""
    a, b = config.targets
    N, kappa, t = np.array(config.depths)[:, None], abs(a * b), config.times
    missing = ((2 * N + 2) * kappa**2 * t) ** (N / (2 * N + 2))
    loss = kappa**2 / 2 / missing**2
    power = N[:, 0] / (2 * N[:, 0] + 2)
    return xr.Dataset(
        {
            "missing_predicted": predicted(("depth", "t"), missing, "((2N + 2)κ²t)^{N/(2N+2)}"),
            "loss_predicted": predicted(("depth", "t"), loss, "κ²/(2W₁₁²)"),
            "power_predicted": predicted("depth", power, "N/(2N + 2)"),
            "determinant_predicted": predicted((), -a * b, "−ab"),
        }
    )


def predict_bounds(config: Config, loss: xr.DataArray) -> xr.Dataset:
    """What the loss implies where e < min(|a|, |b|); elsewhere what always holds."""
    a, b = np.abs(config.targets)
    e = np.sqrt(2 * loss)
    known = e < min(a, b)
    product = ((a - e) * (b - e)).where(known, 1.0)
    least, most = (product / e).where(known, 0.0), (1 + 2 * e / np.sqrt(product)).where(known, 2.0)
    return xr.Dataset(
        {
            "missing_bound": bound(loss.dims, least.values, "(a − e)(b − e)/e"),
            "rank_bound": bound(loss.dims, most.clip(max=2).values, "most at this loss"),
        }
    )


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config).merge(predict_bounds(config, found["loss"]))
    theory = theory.assign_coords(found.coords)
    end, reasons = found.isel(t=-1, drop=True), presuppose(config, found, theory)
    return Result(
        data=found.merge(theory),
        metrics={
            "missing": end["missing"].mean("replicate"),
            "missing_predicted": theory["missing_predicted"].isel(t=-1, drop=True),
            "loss": end["loss"].mean("replicate"),
            "effective_rank": end["effective_rank"].mean("replicate"),
            "power": found["power"].sel(of="missing", back=0, drop=True).mean("replicate"),
        },
        checks=() if reasons else compare(config, found, theory),
        no_claim=reasons,
    )

"""From a balanced start descent keeps the sign of the determinant; unbalanced factors of that product lose it.

Of balanced factors the smaller singular value of the product changes at a speed proportional to its own power, so it
does not reach 0, and the missing entry of the completion has to grow. Factors of the same product that are not
balanced have no such law: they pass det W = 0 and meet the entries with a finite matrix, whose determinant is −ab.

    W = W_N ⋯ W_1: (2, 2),   ℓ = ½[(W₁₂ − a)² + (W₂₁ − b)² + W₂₂²],   det W(0) of the sign of ab,   e = √(2ℓ)
    balanced, D_j = W_{j+1}ᵀW_{j+1} − W_jW_jᵀ = 0:   σ̇₂ = −Nσ₂^{2−2/N} u₂ᵀ∇ℓv₂,   so det W keeps its sign
    any start:   |det W + ab| ≤ e(|W₁₁| + |a| + |b| + e);   Ḋ_j = 0 of the flow, and of descent with the step η
    D_j(t) − D_j(0) = η ∫₀ᵗ (G_{j+1}ᵀG_{j+1} − G_jG_jᵀ) + O(η²),   G_j = ∂ℓ/∂W_j

See: left, balanced starts stay above 0 and run along the flow of the product; middle, unbalanced ones pass 0 and end
at −ab; right, what descent adds to the imbalance, over η, is the integral of the flow.

Source: slides on implicit biases, the papers on linear networks; arXiv 2005.06398, theorem 1 and its experiments, whose
start is near 0 and not balanced; arXiv 1802.06509, theorem 1, for the balance. The sum of D_j is derived here.
"""

import numpy as np
import xarray as xr

from descent.config import (
    Count,
    Number,
    Positive,
    Refusal,
    Seed,
    experiment_config,
    require_increasing,
)
from descent.factorisation import _factors, _halved, _products, _two_by_two
from descent.factorisation._balance_checks import ACCURATE, KINDS, compare, slack
from descent.factorisation._halved import HALVINGS, NEAR
from descent.maths.limits import require_at_most, require_cost, require_within
from descent.result import Result, measured, predicted, replicates, steps, sweep

MASK = np.array([[0.0, 1], [1, 1]])
MARKS = 40  # times, at most


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # starts
    depths: tuple[Count, ...]  # N
    targets: tuple[Number, Number]  # a, b
    start: Positive  # ‖W₀‖
    stretch: Positive  # s of the unbalanced factors
    eta: Positive  # the largest of three steps
    steps: Count  # of it

    def __post_init__(self):
        require_increasing("depths", self.depths)
        require_within("depths", self.depths, 2, 6, "a product, of not too stiff a flow")
        sizes = tuple(abs(value) for value in self.targets)
        require_within("targets, without their signs,", sizes, 0.01, 10, "in units of about 1")
        require_within("start", self.start, 1e-4, 10, "a small start that float64 resolves")
        require_within("stretch", self.stretch, 1.01, 10, "1 is balanced, more than 10 is stiff")
        require_at_most(self, "all flows are one integration", replicates=100)
        if self.steps < 20:
            raise ValueError(f"steps {self.steps} < 20: no path is seen")
        work = 60.0 * sum(self.depths) * sum(HALVINGS) * 2
        require_cost(
            self, "replicates, depths, steps", operations=work * self.replicates * self.steps
        )
        N, T = np.array(self.depths), self.eta * self.steps
        sizes = ((2 * N + 2) * np.prod(self.targets) ** 2 * T) ** (N / (2 * N + 2))
        fastest = float((np.maximum(sizes, self.start) ** (2 - 2 / N)).max())
        if self.eta * fastest > 1:
            most = f"1/|W₁₁|^(2−2/N) = {1 / fastest:.2g} at the end"
            raise ValueError(f"eta {self.eta:g} > {most}: no small step")
        require_within("η steps", T, 0, 1e5, "longer ones are in norms, without steps")

    @property
    def at(self) -> np.ndarray:
        """Steps of size η after which the products are compared."""
        return np.unique(np.geomspace(1, self.steps, MARKS).round().astype(int))

    @property
    def target(self) -> np.ndarray:
        a, b = self.targets
        return np.array([[0.0, a], [b, 0.0]])

    def starts(self, depth: int) -> np.ndarray:
        """Factors over (kind, replicate)."""
        rngs = [np.random.default_rng([self.seed, k]) for k in range(self.replicates)]
        both = [_factors.two(rng, self.start, self.target, depth, self.stretch) for rng in rngs]
        return np.array(both).swapaxes(0, 1)


def measure(config: Config) -> xr.Dataset:
    """Gradient descent with three steps."""
    found = [_measure_one(config, depth) for depth in config.depths]
    return xr.concat(found, sweep(config.depths, "depth", "depth N"))


def _measure_one(config: Config, depth: int) -> xr.Dataset:
    begin = config.starts(depth)
    shape = (len(KINDS), config.replicates, len(HALVINGS))
    W, added = np.empty((*shape, len(config.at), 2, 2)), np.empty((*shape, depth - 1, 2, 2))
    for place in np.ndindex(shape):
        part, given = HALVINGS[place[2]], begin[place[:2]]
        eta = config.eta / part
        run = _products.descend(given, MASK, config.target, eta, config.at * part)
        W[place] = run.products
        with np.errstate(over="ignore", invalid="ignore"):
            both = np.stack([given, run.factors])
            before, after = _factors.imbalances(both)
            added[place] = (after - before) / eta
    dims = ("kind", "replicate", "halving")
    with np.errstate(over="ignore", invalid="ignore"):
        loss = ((MASK * (W - config.target)) ** 2).sum((-2, -1)) / 2
        det = W[..., 0, 0] * W[..., 1, 1] - W[..., 0, 1] * W[..., 1, 0]
        size = np.sqrt((added**2).sum((-3, -2, -1)))
    return xr.Dataset(
        {
            "determinant": measured((*dims, "t"), det, "det W"),
            "loss": measured((*dims, "t"), loss, "loss ℓ"),
            "missing": measured((*dims, "t"), abs(W[..., 0, 0]), "|W₁₁|"),
            "added": measured(dims, size, "‖D(t) − D(0)‖/η at the end"),
        },
        coords={
            "replicate": replicates(config.replicates),
            "kind": ("kind", KINDS, {"long_name": "factors at the start"}),
            "halving": _halved.coordinate(),
            "t": steps(config.eta * config.at, "t", "time t = η × steps"),
        },
    )


def predict(config: Config) -> xr.Dataset:
    """The flows: of balanced products in singular coordinates, which cannot change the sign; of the factors else."""
    t = config.eta * config.at
    shape = (len(config.depths), len(KINDS), config.replicates)
    det, added = np.full((*shape, len(t)), np.nan), np.full(shape, np.nan)
    for n, depth in enumerate(config.depths):
        begin = config.starts(depth)
        for kind, given in enumerate(begin):
            path = _factors.flow(given, MASK, config.target, t)
            added[n, kind] = np.sqrt((path.added[:, -1] ** 2).sum((-3, -2, -1)))
            det[n, kind] = np.linalg.det(path.W)
        for k, W in enumerate(_factors.product(begin[0])):
            sigma = _two_by_two.flow(W, config.target, depth, t).sigma
            det[n, 0, k] = np.sign(np.prod(config.targets)) * sigma.prod(-1)
    if not (np.isfinite(det).all() and np.isfinite(added).all()):
        rule = f"the flow to η steps = {t[-1]:g} takes too many evaluations"
        raise Refusal(f"start {config.start:g}, stretch {config.stretch:g}: {rule}")
    dims = ("depth", "kind", "replicate")
    return xr.Dataset(
        {
            "determinant_predicted": predicted((*dims, "t"), det, "det W of the flow"),
            "added_predicted": predicted(dims, added, "integral of the flow"),
            "limit_predicted": predicted((), -float(np.prod(config.targets)), "−ab"),
        }
    )


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config).assign_coords(found.coords)
    fine = found.isel(halving=-1, drop=True)
    kept = (fine["determinant"] * np.sign(np.prod(config.targets)) > 0).all("t")
    reasons = presuppose(config, found)
    checks, unchecked = ((), {}) if reasons else compare(config.targets, found, theory)
    return Result(
        data=found.merge(theory),
        metrics={
            "kept": kept.mean("replicate"),
            "added": fine["added"].mean("replicate"),
            "loss": fine["loss"].isel(t=-1, drop=True).mean("replicate"),
            "missing": fine["missing"].isel(t=-1, drop=True).mean("replicate"),
        },
        checks=checks,
        no_claim=reasons,
        unchecked=unchecked,
    )


def presuppose(config: Config, found: xr.Dataset) -> tuple[str, ...]:
    """What is not so of these runs: that the steps are small, and that some of them came to the entries."""
    if not bool(np.isfinite(found["loss"]).all()) or float(found["loss"].max()) > 1e6:
        return (f"eta {config.eta:g}: a run of gradient descent diverged",)
    det, balanced = _halved.limit(found["determinant"]), found["determinant"].sel(kind="balanced")
    least = abs(balanced).min("halving")
    moved = float((det.change.sel(kind="balanced") / least.clip(min=1e-300)).max())
    scale = float(abs(found["determinant"]).max())
    share = float((det.rest.max("t") / (det.change.max("t") + ACCURATE * scale)).max())
    if moved > 0.5 or share > 2 * NEAR:
        return (
            f"eta {config.eta:g} is too large: halving it changes det W of a balanced start by "
            f"{moved:.2g} of itself, and extrapolated values by {share:.2g} of their change",
        )
    far = slack(config.targets, found).sel(kind="unbalanced")
    near = int((far < abs(np.prod(config.targets)) / 2).sum())
    if not near:
        return (f"steps {config.steps}: no unbalanced start came to the entries",)
    return ()

"""Gradient flow on a product of N balanced matrices moves each singular value at a speed N σ^(2 − 2/N).

A factor's gradient is the product's, multiplied by all other factors. Where these are large the product moves fast,
so that large singular values grow faster and small ones wait, the more so the deeper the product. Gradient descent
with the step η follows this flow up to an error of order η.

    L(W) = ½ Σ_{ij observed} (W_ij − M_ij)²,   W = W_N ⋯ W_1 = Σ_r σ_r u_r v_rᵀ: (d, d),   G = ∇L(W)
    balanced start, W_{j+1}ᵀW_{j+1} = W_jW_jᵀ:   Ẇ = −Σ_j (WWᵀ)^{(j−1)/N} G (WᵀW)^{(N−j)/N},   so
    σ̇_r = −N σ_r^{2−2/N} g_r,   g_r = u_rᵀGv_r,   N ≥ 2

See: the deeper the product, the longer a singular value waits and the more suddenly it grows; the dashed curves are
the flow of the product alone, which knows no factors.

Source: slides on implicit biases, the papers on linear networks; arXiv 1905.13655, theorem 3; arXiv 1802.06509.
"""

import numpy as np
import xarray as xr
from scipy.integrate import solve_ivp

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.factorisation import _halved, _products
from descent.factorisation._growth_checks import across, apart, compare, order, presuppose
from descent.factorisation._halved import HALVINGS
from descent.maths.limits import require_at_most, require_cost, require_within
from descent.result import Result, measured, predicted, steps, sweep


@experiment_config
class Config:
    seed: Seed
    size: Count  # d
    rank: Count  # of M, whose Frobenius norm is √d
    share: Positive  # of the entries that is observed
    depths: tuple[Count, ...]  # N
    start: Positive  # ‖W₀‖/‖M‖
    eta: Positive  # the largest of three steps
    steps: Count  # of it
    marks: Count  # times at which the products are compared

    def __post_init__(self):
        require_increasing("depths", self.depths)
        require_within("share", self.share, 0.5 / self.size**2, 1, "an entry at least, all at most")
        require_at_most(self, "a matrix has no larger one", rank=self.size)
        require_at_most(self, "products are compared by their SVD", size=100, marks=2000)
        require_within(
            "depths", self.depths, 2, 20, "a single matrix has no factors; roots of tiny values"
        )
        require_within("start", self.start, 1e-6, 10, "smaller ones wait, larger ones are steep")
        if not 20 <= self.marks <= self.steps:
            raise ValueError(
                f"marks {self.marks}: from 20, for the integrals, to steps {self.steps}"
            )
        work = sum(self.depths) * self.size**3 * sum(HALVINGS) * 3.0
        require_cost(self, "size, depths, steps", operations=work * self.steps)
        require_cost(
            self, "size, depths, marks", 5.0 * len(self.depths) * self.marks * self.size**2
        )
        flow = 300.0 * self.size**3 * sum(self.depths) * max(2.0 * self.steps, self.marks)
        require_cost(self, "size, depths, steps", operations=flow / 10)

        M, _, start = problem(self)
        top = max(np.linalg.norm(M, 2), np.linalg.norm(start, 2))
        fastest = max(depth * top ** (2 - 2 / depth) for depth in self.depths)
        if self.eta * fastest > 1:
            raise ValueError(
                f"eta {self.eta:g} > 1/(Nσ₁^(2−2/N)) = {1 / fastest:.2g}: no small step"
            )

    @property
    def at(self) -> np.ndarray:
        """Steps of size η after which the products are compared."""
        return np.unique(np.linspace(0, self.steps, self.marks + 1).round().astype(int))


def problem(config: Config):
    """M, the mask of its observed entries, and the product at the start."""
    rng = np.random.default_rng(config.seed)
    M, mask = _products.completion(rng, config.size, config.rank, config.share)
    W = rng.standard_normal(M.shape)
    return M, mask, W * (config.start * np.linalg.norm(M) / np.linalg.norm(W))


def predict(config: Config) -> xr.Dataset:
    """Singular values of the flow of the product, without factors."""
    M, mask, start = problem(config)
    t, found = config.eta * config.at, []
    for depth in config.depths:

        def flow(_, w, depth=depth):
            return _products.velocity(w.reshape(M.shape), mask, M, depth).ravel()

        options = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-13, "t_eval": t}
        path = solve_ivp(flow, (0, t[-1]), start.ravel(), **options).y.T
        found.append(_products.singular_values(path.reshape(-1, *M.shape)))
    return xr.Dataset(
        {"sigma_predicted": predicted(("depth", "t", "r"), found, "σ_r of the product's flow")}
    )


def predict_speeds(config: Config, found: xr.Dataset) -> xr.Dataset:
    """−N σ_r^{2−2/N} g_r, where the run is."""
    depth = found["depth"].astype(float)
    with np.errstate(over="ignore", invalid="ignore"):
        speed = -depth * found["sigma"] ** (2 - 2 / depth) * found["gradient"]
    dims = found["speed"].dims
    label = "−N σ_r^{2−2/N} g_r"
    return xr.Dataset({"speed_predicted": predicted(dims, speed.transpose(*dims).values, label)})


def measure(config: Config) -> xr.Dataset:
    """Singular values of the products of factors under gradient descent, and the gradient along their vectors."""
    M, mask, start = problem(config)
    shape = (len(config.depths), len(HALVINGS), len(config.at), config.size)
    sigma, gradient, speed = np.empty(shape), np.empty(shape), np.empty(shape)
    moved = np.empty((len(config.depths), *shape[2:]))
    for k, depth in enumerate(config.depths):
        paths = []
        for h, part in enumerate(HALVINGS):
            factors, eta = _products.balanced(start, depth), config.eta / part
            pairs = (config.at[:, None] * part + [0, 1]).ravel()  # a step after each time as well
            both = _products.descend(factors, mask, M, eta, pairs).products
            W, after = both[::2], both[1::2]
            U, sigma[k, h], Vt = np.linalg.svd(W)
            gradient[k, h] = np.einsum("tir,tij,trj->tr", U, mask * (W - M), Vt)
            speed[k, h] = (_products.singular_values(after) - sigma[k, h]) / eta
            paths.append((W, after))
        (W, after), (halved, _) = paths[:2]
        moved[k] = across(W, after - W) + across(W, halved - W)
    dims = ("depth", "halving", "t", "r")
    return xr.Dataset(
        {
            "sigma": measured(dims, sigma, "singular value σ_r"),
            "gradient": measured(dims, gradient, "g_r"),
            "speed": measured(dims, speed, "change of σ_r in a step, over η"),
            "across": measured(
                ("depth", "t", "r"), moved, "what the step moves between vectors r and r + 1"
            ),
        },
        coords={
            "depth": sweep(config.depths, "depth", "depth N"),
            "halving": _halved.coordinate(),
            "t": steps(config.eta * config.at, "t", "time t = η × steps"),
            "r": ("r", np.arange(config.size) + 1, {"long_name": "index r"}),
        },
    )


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config).merge(predict_speeds(config, found))
    theory = theory.assign_coords(found.coords)
    top = found["sigma"].max(("halving", "t", "r"))
    deviation = abs(found["sigma"] - theory["sigma_predicted"]).where(apart(config, found))
    deviation, reasons = deviation.max(("t", "r")), presuppose(config, found)
    return Result(
        data=found.merge(theory),
        metrics={
            "relative_deviation": deviation.sel(halving=1, drop=True) / top,
            "order": order(deviation),
            "end": found["sigma"].isel(halving=-1, t=-1, r=0, drop=True),
        },
        checks=() if reasons else compare(config, found, theory),
        no_claim=reasons,
    )

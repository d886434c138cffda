"""Singular values emerge in turn, at times that the curvature of the loss at the saddles on the way gives.

The run passes saddles: P_j, the best matrix of rank j. Beside P_j the next directions grow by themselves, at the
rates of M_j, until the largest has grown up and the run is beside P_{j+1}. A start ten times smaller has ln 10 more
to grow, so it is later by a number of steps that the rates alone decide, whatever was drawn of the start.

    U: (d, d),   U₀ = αW,   U ← (1 + 2ηM)U,   M = unpack(G pack(X* − UUᵀ));   t_i: s_i(U_t)² = λ_i/2
    μ_1 ≥ μ_2 ≥ …: the positive eigenvalues of M_j, M at P_j (of P₀ = 0: M₀ = (1/m) Σ yᵢ sym(Aᵢ))
    g_ji = ln(1 + 2ημ_{i−j}) of M_j: e-folds a step of direction i > j while the run is beside P_j
    Σ_{j<i} (t_{j+1} − t_j) g_ji = ln(√μ_1(M_{i−1})/αρ_i):   the time of direction i, given those before it
    ρ_i: of W along eigenvector i of M₀, what lies outside the same for 1, …, i − 1
    a decade of α: the same with ln 10 on the right

See: on the left the measured times on the predicted ones; on the right the steps that a tenth of the start costs,
direction by direction, on the predicted ones and not on ln 10/ln(1 + 2ηλ_i), which m = ∞ measurements would give.

Source: CS7180 problem set 2, question 2e; arXiv 2106.15013 (small random starts), 2301.11500 (one by one).
"""

import numpy as np
import xarray as xr

from descent.check import with_points
from descent.config import Positive, experiment_config, require_increasing
from descent.maths.emergence import delay, due, emergence_times
from descent.maths.limits import SMALL, require_cost
from descent.maths.replicates import replicate
from descent.result import Check, Result, measured, predicted, replicates, sweep
from descent.sensing._memory import require_memory
from descent.sensing._problem import DescentConfig, draw_factor, sense
from descent.sensing._saddles import chain, pull, saddle
from descent.sensing._trajectories import descend


@experiment_config
class Config(DescentConfig):
    oversampling: Positive  # m/(dr)
    alphas: tuple[Positive, ...]  # scales of the start

    def __post_init__(self):
        super().__post_init__()
        require_increasing("alphas", self.alphas)
        if len(self.alphas) < 2:
            raise ValueError(f"alphas [{self.alphas[0]:g}]: a shift needs at least 2")

    @property
    def measurements(self) -> int:
        return self.count(self.oversampling)


def predict(config: Config, given: xr.Dataset) -> xr.Dataset:
    """Times and shifts from the curvature at the saddles and from the start."""
    growth = np.log1p(2 * given["eta"] * given["rate"]).values
    own, top = given["own_length"].values, np.diagonal(given["rate"].values, axis1=1, axis2=2)
    need = np.log(np.sqrt(top)[:, None] / np.multiply.outer(config.alphas, own).swapaxes(0, 1))
    times = [[chain(g, one) for one in folds] for g, folds in zip(growth, need, strict=True)]
    shift = [chain(g, np.full(config.rank, np.log(10))) for g in growth]
    each = ("replicate", "i")
    return xr.Dataset(
        {
            "emergence_predicted": predicted(("replicate", "alpha", "i"), times, "predicted t_i"),
            "shift_predicted": predicted(each, shift, "predicted steps per decade of α"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Random problems and starts: times along every run, and M at the saddles of the loss."""
    d, a = config.size, len(config.alphas)
    work = 4 * SMALL * a * (d * (d + 1) // 2) ** 2 * config.replicates * config.steps
    numbers = 3.0 * a * config.steps * d**2
    require_cost(config, "size, alphas, steps, replicates", numbers, work, free=True)
    require_memory(d, config.measurements, replicates=config.replicates)
    runs = replicate(_measure_one, config.seed, [(config,)] * config.replicates)
    times, lam, rate, own = map(np.array, zip(*runs, strict=True))
    each = ("replicate", "i")
    slopes = [np.polyfit(np.log10(config.alphas), one, 1)[0] for one in times]
    return xr.Dataset(
        {
            "emergence": measured(("replicate", "alpha", "i"), times, "emergence of s_i"),
            "shift": measured(each, -np.array(slopes), "steps per decade of α"),
            "eigenvalue": measured(each, lam, "λ_i(X*)"),
            "eta": measured("replicate", config.step / lam[:, 0], "η"),
            "rate": measured(
                ("replicate", "saddle", "i"), rate, "μ_{i−j} of M at saddle j; 0 for i ≤ j"
            ),
            "own_length": measured(each, own, "ρ_i"),
        },
        coords={
            "alpha": sweep(config.alphas, "alpha", "scale α of the start U₀ = αW"),
            "i": ("i", np.arange(config.rank) + 1, {"long_name": "index i"}),
            "saddle": ("saddle", np.arange(config.rank), {"long_name": "rank j of the saddle"}),
            "replicate": replicates(config.replicates),
        },
    )


def _measure_one(rng: np.random.Generator, config: Config) -> tuple[np.ndarray, ...]:
    """t_i (alpha, i), λ_i(X*), μ_{i−j}(M_j) (j, i), and what W has along each eigenvector of M₀ alone."""
    d, r = config.size, config.rank
    factor, W = draw_factor(rng, config), rng.standard_normal((d, d))
    problem = sense(factor, rng.standard_normal((config.measurements, d * (d + 1) // 2)))
    lam, t = problem.eigenvalues, np.arange(config.steps + 1)
    starts = np.multiply.outer(config.alphas, W)
    U = descend(problem, starts, config.step / lam[0], config.steps, t).factors
    finite = np.isfinite(U).all((-2, -1))
    s = np.full((*finite.shape, r), np.nan)
    s[finite] = np.linalg.svd(U[finite], compute_uv=False)[:, :r]
    times = [emergence_times(t, one, np.sqrt(lam / 2)) for one in s]
    rate = np.zeros((r, r))
    for j in range(r):
        values, vectors = np.linalg.eigh(pull(problem, saddle(problem, j)))
        rate[j, j:] = values[::-1][: r - j]
        if j == 0:
            own = np.abs(np.diag(np.linalg.qr(W.T @ vectors[:, ::-1][:, :r])[1]))
    return np.array(times), lam, rate, own


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config, found)
    times = found["emergence"]
    means = xr.Dataset({"measured": times, "predicted": theory["emergence_predicted"]})
    late, unfit = int(times.isnull().sum()), presuppose(config, found)
    short = f"{late} of {times.size} singular values had not emerged after {config.steps} steps"
    return Result(
        data=found.merge(theory),
        metrics=dict(means.mean("replicate", skipna=False).data_vars)
        | {
            "shift": found["shift"].mean("replicate", skipna=False),
            "shift_exact": theory["shift_predicted"].mean("replicate", skipna=False),
            "shift_predicted": np.log(10) / np.log1p(2 * config.step),
        },
        checks=() if unfit else compare(config, found, theory),
        no_claim=(*unfit, short) if late else unfit,
    )


def noise(config: Config, found: xr.Dataset) -> xr.DataArray:
    """(ν/2λ_i)², ν = ‖X*‖√(2d/m) the edge of the noise in M₀: by this share it moves λ_i."""
    lam = found["eigenvalue"]
    return (lam**2).sum("i") * config.size / (2 * config.measurements * lam**2)


def haste(found: xr.Dataset) -> xr.DataArray:
    """What a saddle passed in haste may change of the steps per decade: its rates are those of the one before.

    The share e^(−gΔt) of the way to the saddle is left when the next direction comes Δt later.
    """
    growth = np.log1p(2 * found["eta"] * found["rate"])
    steps = np.log(10) / growth.where(growth > 0)
    last = steps.where(steps["saddle"] == steps["i"] - 1).max("saddle")
    spread = abs(steps - last).max("saddle")
    gap = found["emergence"].isel(alpha=-1, drop=True).diff("i").clip(0)
    left = np.exp(-np.log1p(2 * found["eta"] * found["eigenvalue"]) * gap)
    left = left.reindex(i=found["i"], fill_value=0.0)
    worst = np.maximum.accumulate(left.transpose("replicate", "i").values, axis=1)
    return spread.transpose("replicate", "i") * worst


def presuppose(config: Config, found: xr.Dataset) -> tuple[str, ...]:
    """What was not so of the problem and the starts: small, and every λ_i outside the noise."""
    lam = found["eigenvalue"]
    start = 2 * config.alphas[-1] * np.sqrt(config.size) / float(np.sqrt(lam.min()))
    hidden = float(noise(config, found).max())
    reasons = (
        (start > 0.5, f"the largest start has {start:.2g} of √λ_r already, more than half"),
        (hidden > 1, f"noise of {np.sqrt(hidden):.2g} λ_r hides the smallest direction"),
    )
    return tuple(reason for applies, reason in reasons if applies)


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    share, lam = noise(config, found), found["eigenvalue"]
    growth = np.log1p(2 * found["eta"] * lam)
    # In e-folds: what saturating moves s² by, at most half a doubling; the directions turn by
    # ν/λ_i.
    tol = 1 + (np.log(2) / 2 + 2 * share) / growth
    times, law = found["emergence"], theory["emergence_predicted"]
    span = np.log(config.alphas[-1] / config.alphas[0])
    noisy = np.log(10) * share / span / growth
    held_up = delay(times, lam, 2 * found["eta"] * lam).max("alpha")
    turns = haste(found) + np.log(10) / span * held_up
    near = 0.2 * np.log(10) / span + noisy + turns
    slow = "a step, half a doubling, noise squared in e-folds"
    why = "a fifth of a step, noise, saddles in haste, directions side by side"
    shift, whole = theory["shift_predicted"], times.notnull().all(("alpha", "i"))
    return with_points(
        Check("emergence", times, "==", law, tol, slow, due(times, law, tol, config.steps)),
        Check("steps_per_decade", found["shift"], "==", shift, near, why, whole),
    )

"""What coordinate-wise methods do on least squares, where it has a closed form.

    G ← G + g∘g,   w ← w − η g/(√G + ε),   g = (2/n)Xᵀ(Xw − t)                                  (AdaGrad)

The size of a feature cancels: coordinates whose gradients are multiples of each other move by the same amount.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.maths import optimisers

NONE = 1e-300  # in place of ε = 0: too small for any √G, and 0/0 is 0
NEAR = 1e-9  # of t, to which a run has to meet it for its end to be a limit


def require_sample(x: tuple[float, ...], t: float) -> None:
    """Refuse a sample with a zero, or squares that leave float64.

    Raises:
        ValueError: naming x and t and the rule.
    """
    if not all(x) or not t:
        raise ValueError("x and t: a zero among them stays where it is whatever the method")
    least, most = min(abs(v) for v in (*x, t)), max(abs(v) for v in (*x, t))
    if not 1e-100 < least <= most < 1e100:
        raise ValueError(f"x, t: {least:g} … {most:g}, squares leave float64 beyond 1e±100")


def require_samples(samples: tuple[tuple[float, ...], ...], targets: tuple[float, ...]) -> None:
    """Refuse rows that do not leave a direction free, that depend on each other, or whose squares leave float64.

    Raises:
        ValueError: naming samples and targets and the rule.
    """
    n, d = len(samples), len(samples[0])
    if any(len(row) != d for row in samples) or len(targets) != n or n >= d:
        raise ValueError(
            f"samples: {n} rows of one length d > {n}, and {n} targets, are needed "
            f"(d = {d}, {len(targets)} targets)"
        )
    if not any(targets):
        raise ValueError("targets: all are 0, so the start w₀ = 0 is a solution")
    largest = max(abs(v) for row in (*samples, targets) for v in row)
    if not 1e-100 < largest < 1e100:
        raise ValueError(f"samples, targets: {largest:g}, squares leave float64 beyond 1e±100")
    if np.linalg.matrix_rank(np.array(samples, float)) < n:
        raise ValueError("samples: the rows depend on each other")


def require_reach(name: str, etas: tuple[float, ...], way: float, count: int) -> None:
    """Refuse rates whose steps cannot add up to the way: a coordinate of AdaGrad moves 2η√K at the most.

    Raises:
        ValueError: naming the rate and the way.
    """
    for eta in etas:
        reach = 2 * eta * count**0.5
        if not way < reach < 1e100:
            raise ValueError(
                f"{name} {eta:g}: {count} steps of AdaGrad go 2η√K = {reach:g}, "
                f"which must be more than the way, {way:g}, and less than 1e100"
            )


def ends(X, t, etas, memory, kept, epsilon: float = NONE) -> Float[np.ndarray, "eta k d"]:
    """w from 0 by the full gradient, at the steps `kept`, for every η."""
    start, full = np.zeros(X.shape[1]), optimisers.full_batch(len(X))
    runs = [optimisers.adapt(X, t, start, eta, epsilon, memory, full, kept) for eta in etas]
    return np.stack(runs)


def short(X, t, name: str, values, before, after) -> tuple[str, ...]:
    """Why runs are too short for their ends to be limits: some still approach the targets, measured twice.

    `before` and `after` are a tenth of a run apart; a run that rests elsewhere is not too short.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        far = [np.abs(w @ X.T - t).max(-1) / np.abs(t).max() for w in (before, after)]
    falling = ~(far[1] <= NEAR) & ~(far[1] >= (1 - NEAR) * far[0])
    late = ", ".join(f"{value:g}" for value in np.asarray(values)[falling])
    most = float(far[1].max())
    return (
        (f"AdaGrad still approaches t, {most:.2g} of it off, at {name} = {late}",) if late else ()
    )


def twice(count: int) -> np.ndarray:
    """The steps that `short` compares."""
    return np.array([count - max(1, count // 10), count])


def ray(length: float, t: float, eta: float, count: int) -> Float[np.ndarray, " k"]:
    """a_k of AdaGrad's w_k = a_k sign(x) with one sample and ε = 0, ‖x‖₁ = `length`.

    ρ_k = a_k ‖x‖₁ − t,   a_{k+1} = a_k − η ρ_k/√(ρ₀² + … + ρ_k²)
    """
    a, total, path = 0.0, 0.0, np.empty(count + 1)
    for k in range(count + 1):
        path[k] = a
        residual = a * length - t
        total += residual**2
        moved = a - eta * residual / np.sqrt(total)
        if moved == a:
            path[k:] = a
            break
        a = moved
    return path


def first_order(x: np.ndarray, t: float, path: np.ndarray, eta: float) -> Float[np.ndarray, " d"]:
    """dw_∞/dε at ε = 0 of AdaGrad with one sample, from its `ray`.

    w_j = sign(x_j)(c − εκ/|x_j|) + O(ε²),   κ = −η Σ_k r_k/Σ_{i ≤ k} r_i²,   r = 2ρ,   xᵀw = t fixes c
    """
    r = 2 * (path * np.abs(x).sum() - t)
    kappa = -eta * (r / np.cumsum(r**2)).sum()
    common = len(x) * kappa / np.abs(x).sum()
    return np.sign(x) * (common - kappa / np.abs(x))


def large_epsilon(x: np.ndarray, t: float, eta: float, epsilons) -> Float[np.ndarray, "e d"]:
    """The limit of AdaGrad with one sample to first order in √G/ε.

    w_j ∝ x_j(1 − |x_j|μ): gradient descent of the rate η/ε, whose residual t e^{−τ} makes
    √G = |x_j||t|√(ε/(η‖x‖²))√(1 − e^{−2τ}), and ∫ e^{−τ}√(1 − e^{−2τ}) dτ = π/4
    """
    w = x * (1 - np.abs(x) * mu(x, t, eta, epsilons)[:, None])
    return w * t / (w @ x)[:, None]


def mu(x: np.ndarray, t: float, eta: float, epsilons) -> Float[np.ndarray, " e"]:
    """(π/4)|t|/(‖x‖√(ηε))."""
    return np.pi / 4 * abs(t) / (np.linalg.norm(x) * np.sqrt(eta * np.asarray(epsilons, float)))


def overshoot(momentum: float, decay: float, count: int, corrected: bool) -> float:
    """How far a run may be from the point it has come to, in η; ∞ without a bound.

    A step is at most ηS, S = (1 − b_m)/√((1 − b_v)(1 − b_m²/b_v)) for b_m² < b_v (Cauchy, Schwarz), and past
    the point m keeps its sign, b_m/√b_v of that a step at most: no further than ηS/(1 − b_m/√b_v).
    """
    if momentum**2 >= decay and momentum:
        return np.inf
    k = np.arange(1, count + 1)
    # What the correction makes of the first steps.
    early = np.sqrt(1 - decay**k) / (1 - momentum**k) if corrected else np.ones(1)
    kept = momentum / np.sqrt(decay) if momentum else 0.0  # of S, a step after the point
    largest = (1 - momentum) / np.sqrt((1 - decay) * (1 - kept**2))
    return float(max(early.max(), 1.0) * largest / (1 - kept))


def reaching(decay: float, off: float, eta: float) -> float:
    """Steps after which RMSProp has come to a point `off` away: on its way, and forgetting its gradients."""
    if not decay:
        return off / eta + 1
    largest = 1 / np.sqrt(1 - decay)
    return float(off / eta + 2 * np.log(max(2 * off / eta, 1.0) * largest) / -np.log(decay))


def settling(decay: float, off: float, eta: float, share: float) -> float:
    """Steps after which RMSProp is in its cycle of ±η/2 to this share of η: two multipliers √b_v a cycle."""
    if not decay:
        return np.inf  # steps of ±η for ever, on a lattice
    more = 2 * np.log(1 / (share * np.sqrt(1 - decay))) / -np.log(decay)
    return reaching(decay, off, eta) + float(more)


def moved(found: xr.Dataset, values: xr.DataArray) -> xr.DataArray:
    """The values of the runs that do not end at 0, where there is no direction."""
    runs, ends = (one.stack(run=("rule", "eta")) for one in (values, found["end"]))
    names = [f"{rule}, η = {eta:g}" for rule, eta in ends["run"].values]
    runs = runs.drop_vars(["run", "rule", "eta"]).assign_coords(run=names)
    return runs.isel(run=np.flatnonzero((ends != 0).any("i")))

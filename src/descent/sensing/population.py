"""With infinitely many measurements the error of a small start is α² times what the start has outside X*.

    f(U) = ½‖UUᵀ − X*‖²,   U: (d, d),   U₀ = αW,   U ← U − 2η(UUᵀ − X*)U
    W_p: the rows of W outside the range of X*;   Q: an orthonormal basis of the rows inside it
    M = α² W_p(1 − QQᵀ)W_pᵀ, eigenvalues μ_k: what no direction of X* absorbs; it falls as M' = −4ηM² a step
    error(t) = √Σ_k (1/μ_k + 4ηt)⁻²:   the plateau ‖M‖ ∝ α² for small α,   √(d − r)/4ηt for large αt

As η → 0 at t = kη the run is the flow P' = 2XP + 2PX − 4P² of P = UUᵀ, X = X*. P⁻¹ solves a linear
equation, so with D = 4∫₀ᵗ e^{4Xs} ds

    P(t) = e^{2Xt} U₀ (1 + U₀ᵀDU₀)⁻¹ U₀ᵀ e^{2Xt},

and gradient descent is O(η) away from it. Everything is in the eigenbasis of X*, where a Gaussian W is
a Gaussian W.

Source: CS7180 problem set 2, question 2d, at m = ∞; arXiv 2508.20344 (closed form of the flow).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths.replicates import replicate
from descent.result import Check, Result, replicates, steps, sweep
from descent.sensing._problem import require_stable


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    size: Count  # d
    rank: Count  # r
    alphas: tuple[Positive, ...]
    step: Positive  # η λ₁(X*)
    steps: Count
    flow_alpha: Positive
    flow_time: Positive  # λ₁(X*) t to which the flow is followed
    flow_steps: Count  # of the coarsest run over that time
    halvings: Count  # finer runs, each with half the step

    def __post_init__(self):
        require_increasing("alphas", self.alphas)
        require_stable(self.step)
        require_stable(self.flow_time / self.flow_steps)
        if not self.rank < self.size:
            raise ValueError(f"rank {self.rank} ≥ size {self.size}: nothing lies outside X*")
        if self.flow_time > 150:
            raise ValueError(f"flow_time {self.flow_time:g} > 150: e^(4λt) leaves float64")


def descend(
    spectrum: Float[np.ndarray, " d"], U: Float[np.ndarray, "a d k"], eta: float, count: int
) -> tuple[Float[np.ndarray, "a t"], Float[np.ndarray, "a d k"]]:
    """‖UUᵀ − X*‖ along `count` steps in the eigenbasis of X*, and the last U."""
    distance = np.empty((len(U), count + 1))
    place = np.arange(len(spectrum))
    with np.errstate(over="ignore", invalid="ignore"):  # a start that diverges goes on as nan
        for t in range(count + 1):
            error = U @ U.mT
            error[:, place, place] -= spectrum
            distance[:, t] = np.linalg.norm(error, axis=(-2, -1))
            if t < count:
                U = U - 2 * eta * error @ U
    return distance, U


def unabsorbed(W: Float[np.ndarray, "d k"], rank: int) -> Float[np.ndarray, " rest"]:
    """Eigenvalues of W_p(1 − QQᵀ)W_pᵀ, the part of a start that gradient descent leaves."""
    Q = np.linalg.qr(W[:rank].T)[0]
    rest = W[rank:] - W[rank:] @ Q @ Q.T
    return np.linalg.svd(rest, compute_uv=False) ** 2


def law(mu: np.ndarray, eta: float, t: np.ndarray) -> np.ndarray:
    """√Σ_k (1/μ_k + 4ηt)⁻² at every t; an eigenvalue of 0 stays."""
    return np.linalg.norm(mu / (1 + 4 * eta * np.multiply.outer(t, mu)), axis=-1)


def flow(
    spectrum: Float[np.ndarray, " d"], U: Float[np.ndarray, "d k"], t: float
) -> Float[np.ndarray, "d d"]:
    """P(t) of the gradient flow from U in the eigenbasis of X*.

    With B = e^{2Xt}D^{−½}, which is bounded, and N = D^½UUᵀD^½ it is B(1 − (1 + N)⁻¹)B. The rows of N
    differ by e^{4λt}; scaled to a unit diagonal, 1 + N has a harmless condition.
    """
    safe = np.where(spectrum > 0, spectrum, 1.0)
    D = np.where(spectrum > 0, np.expm1(4 * safe * t) / safe, 4 * t)
    grown = np.sqrt(D)[:, None] * U
    H = np.eye(len(U)) + grown @ grown.T
    s = 1 / np.sqrt(np.diag(H))
    inverse = s[:, None] * np.linalg.inv(s[:, None] * H * s) * s
    B = np.where(spectrum > 0, np.sqrt(safe / -np.expm1(-4 * safe * t)), 1 / np.sqrt(4 * t))
    return B[:, None] * (np.eye(len(U)) - inverse) * B


def _run(rng, config: Config) -> tuple:
    d, r = config.size, config.rank
    factor = rng.standard_normal((d, r)) / np.sqrt(d)
    lam = np.linalg.svd(factor, compute_uv=False) ** 2
    spectrum = np.concatenate([lam, np.zeros(d - r)])
    W = rng.standard_normal((d, d))
    eta = config.step / lam[0]
    distance, _ = descend(spectrum, np.multiply.outer(config.alphas, W), eta, config.steps)
    mu = np.multiply.outer(np.square(config.alphas), unabsorbed(W, r))
    t = np.arange(config.steps + 1)
    predicted = np.array([law(one, eta, t) for one in mu])
    plateau = np.linalg.norm(mu, axis=-1)
    # Until t the plateau has fallen by 4ηtμ₁ at most, and the rows inside X* have turned by as
    # much; X* itself is reached up to rounding. A plateau that falls by more than 5 % is none.
    slack = 8 * eta * config.steps * mu.max(-1) + 1e-15 * d * lam[0] / plateau
    slack = np.minimum(slack, 0.05)
    # A step adds 4η + 12η²μ + … to 1/μ; over a run that is ¾ ln(1 + 4ημ₁T)/T of it.
    finite = np.log1p(4 * eta * config.steps * mu.max(-1)) / config.steps
    finite += 1e-15 * d * lam[0] / predicted[:, -1]

    time = config.flow_time / lam[0]
    exact = flow(spectrum, config.flow_alpha * W, time)
    errors = []
    for k in range(config.halvings + 1):
        count = config.flow_steps * 2**k
        U = descend(spectrum, config.flow_alpha * W[None], time / count, count)[1][0]
        errors.append(np.linalg.norm(U @ U.T - exact))
    return distance, predicted, plateau, slack, finite, eta, errors


def run(config: Config) -> Result:
    runs = replicate(_run, config.seed, [(config,)] * config.replicates)
    distance, predicted, plateau, slack, finite, eta, errors = map(
        np.array, zip(*runs, strict=True)
    )
    limit = np.sqrt(config.size - config.rank) / (4 * eta * config.steps)
    final = distance[:, :, -1]
    tail, expected_tail = final[:, -1] / limit, predicted[:, -1, -1] / limit
    off = np.abs(final / predicted[:, :, -1] - 1)
    slopes = np.diff(np.log(final)) / np.diff(np.log(config.alphas))
    ratios = errors[:, :-1] / errors[:, 1:]
    fine = config.flow_time / config.flow_steps / 2.0 ** np.arange(config.halvings + 1)
    curve = ("replicate", "alpha", "t")
    data = xr.Dataset(
        {
            "distance": (curve, distance, {"long_name": "‖U_tU_tᵀ − X*‖"}),
            "distance_predicted": (
                curve,
                predicted,
                {"long_name": "√Σ(1/μ_k + 4ηt)⁻²", "role": "prediction"},
            ),
            "plateau": (
                ("replicate", "alpha"),
                plateau,
                {"long_name": "α²‖W_p(1 − QQᵀ)W_pᵀ‖", "role": "prediction"},
            ),
            "tail_limit": (
                "replicate",
                limit,
                {"long_name": "√(d − r)/4ηT", "role": "prediction"},
            ),
            "flow_error": (
                ("replicate", "flow_step"),
                errors,
                {"long_name": "‖U_tU_tᵀ − P(t)‖, P the gradient flow"},
            ),
            "eta": ("replicate", eta, {"long_name": "η"}),
        },
        coords={
            "alpha": sweep(config.alphas, "alpha", "scale α of the start U₀ = αW"),
            "t": steps(np.arange(config.steps + 1), "t", "step t"),
            "flow_step": ("flow_step", fine, {"long_name": "step ηλ₁"}),
            "replicate": replicates(config.replicates),
        },
    )
    checks = [
        Check(
            "plateau_over_predicted",
            np.abs(final[:, 0] / plateau[:, 0] - 1).max(),
            "<=",
            0.0,
            slack[:, 0].max(),
        ),
        # The smallest μ_k, of order α²/d, still hold a few per cent of the limit back.
        Check(
            "tail_over_limit",
            tail.mean(),
            "==",
            expected_tail.mean(),
            (finite[:, -1] * expected_tail).max(),
        ),
        Check("error_over_law_in_tolerances", (off / finite).max(), "<=", 0.0, 1.0),
    ]
    if slopes.size:
        spread = slack[:, :2].sum(1).max() / np.log(config.alphas[1] / config.alphas[0])
        error = np.abs(slopes[:, 0] - 2).max()
        checks.append(Check("slope_in_alpha_is_2", error, "<=", 0.0, spread))
    for k in range(config.halvings):
        # First order has the ratio 2 up to O(ηλ₁), which 0.1 bounds below ηλ₁ = 0.02.
        gap = np.abs(ratios[:, k] - 2).max()
        checks.append(Check(f"flow_error_halves/{fine[k]:g}", gap, "<=", 0.0, 0.1))
    return Result(
        data=data,
        metrics={
            "distance": data["distance"].isel(t=-1, drop=True).mean("replicate", skipna=False),
            "plateau": data["plateau"].mean("replicate"),
            "plateau_over_alpha2": (plateau[:, 0] / config.alphas[0] ** 2).mean(),
            "measured_over_alpha2": (final[:, 0] / config.alphas[0] ** 2).mean(),
            "slope_smallest": slopes[:, 0].mean() if slopes.size else 0.0,
            "tail_ratio": tail.mean(),
            "flow_error": data["flow_error"].mean("replicate", skipna=False),
        },
        checks=tuple(checks),
    )

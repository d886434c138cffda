"""The published run does no matrix sensing, and at its step and length a correct one stops at the first saddle.

    notebook: Yᵢ = AᵢX* (np.inner, a matrix),  U ← U − (2η/m) Σ Aᵢ E (Aᵢ + Aᵢᵀ) U,   E = UUᵀ − X*
    correct:  yᵢ = ⟨Aᵢ, X*⟩ (a number),        U ← U − (η/m) Σ ⟨Aᵢ, E⟩ (Aᵢ + Aᵢᵀ) U

E[AE(A + Aᵀ)] = tr(E)1 + E, because E[A_ij A_kl] = δ_ik δ_jl, while E[⟨A, E⟩(A + Aᵀ)] = 2E. So the notebook
descends ½‖E‖² + ½tr(E)², and one Yᵢ gives X* = Aᵢ⁻¹Yᵢ. With E = 0 at the same place it can still converge.

Its targets are AAᵀ with A uniform on [0, 1], so λ₁ ≫ λ₂. The correct update with its effective step 2η
from a small start finds direction i at t_i, when u_i = v_iᵀU₀ has grown to √λ_i; t₁ < T < t₂, so the run
of T steps ends near the rank-1 saddle λ₁v₁v₁ᵀ, at the distance √Σ_{i≥2} λ_i²:

    t_i = ln(√λ_i/‖v_iᵀU₀‖)/ln(1 + 4ηλ_i)

Source: CS7180 problem set 2, questions 2a, 2b, 2d and 2e, handwritten gradient and notebook.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy import stats

from descent.config import Count, Index, Positive, Seed, experiment_config
from descent.maths.replicates import replicate
from descent.result import Check, Erratum, Result, replicates, steps

CHUNK = 250  # matrices A multiplied at once


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    size: Count  # d
    rank: Count  # r
    measurements: Count  # m
    step: Positive  # η as the notebook has it
    steps: Count  # T
    start: Positive  # of the emulated run, U₀ = start · W, W uniform on [0, 1]
    emulated: Count  # its steps
    printed: tuple[Positive, ...]  # its distances as published
    small_start: Positive  # of the correct run, W ~ N(0, 1)
    horizon: Count  # its steps
    draws: Count  # matrices A for the two means
    draw_size: Index  # their size

    def __post_init__(self):
        if not 2 <= self.rank <= self.size:
            raise ValueError(f"rank {self.rank}: must be from 2 to size {self.size}")
        if not self.steps <= self.horizon:
            raise ValueError(f"horizon {self.horizon} < steps {self.steps}")
        if self.replicates < 2 or self.draws < 2 or self.draw_size < 2:
            raise ValueError("replicates, draws and draw_size: a spread needs at least 2")
        if len(self.printed) > self.emulated:
            raise ValueError(f"{len(self.printed)} printed distances, {self.emulated} emulated")


def notebook_mean(E: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """E[AE(A + Aᵀ)] for a symmetric E."""
    return np.trace(E) * np.eye(len(E)) + E


def notebook_operator(
    A: Float[np.ndarray, "m d d"], E: Float[np.ndarray, "d d"]
) -> Float[np.ndarray, "d d"]:
    """(1/m) Σ AᵢE(Aᵢ + Aᵢᵀ), as three matrix products a chunk."""
    total = np.zeros_like(E)
    d = len(E)
    for first in range(0, len(A), CHUNK):
        a = A[first : first + CHUNK]
        rows = (a @ E).transpose(1, 0, 2).reshape(d, -1)  # AᵢE side by side
        total += rows @ a.reshape(-1, d) + rows @ a.transpose(0, 2, 1).reshape(-1, d)
    return total / len(A)


def emulate(rng, config: Config) -> tuple[np.ndarray, float]:
    """Distances of the notebook's algorithm, and the error of X* from one of its measurements."""
    d = config.size
    factor = rng.random((d, config.rank))
    X = factor @ factor.T
    U = config.start * rng.random((d, d))
    A = rng.standard_normal((config.measurements, d, d))
    one = np.inner(A[0], X)
    solved = np.linalg.norm(np.linalg.solve(A[0], one) - X) / np.linalg.norm(X)
    distance = []
    for _ in range(config.emulated):
        U = U - 2 * config.step * notebook_operator(A, U @ U.T - X) @ U
        distance.append(np.linalg.norm(U @ U.T - X))
    return np.array(distance), solved / np.linalg.cond(A[0])


def correct(rng, config: Config) -> tuple[np.ndarray, ...]:
    """Distance and ‖v_iᵀU_t‖² of gradient descent at m = ∞ with the notebook's target and step 2η.

    In the eigenbasis of X*, where a Gaussian start is one.
    """
    d, r = config.size, config.rank
    lam = np.linalg.svd(rng.random((d, r)), compute_uv=False) ** 2
    spectrum = np.concatenate([lam, np.zeros(d - r)])
    U = config.small_start * rng.standard_normal((d, d))
    first = np.linalg.norm(U[:r], axis=-1)
    times = np.log(np.sqrt(lam) / first) / np.log1p(4 * config.step * lam)
    distance, caught = np.empty(config.horizon + 1), np.empty((config.horizon + 1, r))
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(config.horizon + 1):
            E = U @ U.T
            caught[t] = np.diag(E)[:r]
            E -= np.diag(spectrum)
            distance[t] = np.linalg.norm(E)
            U = U - 4 * config.step * E @ U  # the step 2η on ∇ = 2EU
    return lam, distance, caught, times


def means(rng, config: Config) -> tuple[np.ndarray, ...]:
    """E, and per draw AE(A + Aᵀ) and the coefficients (a, b) of ⟨A, E⟩(A + Aᵀ) ≈ a tr(E)1 + bE."""
    k = config.draw_size
    factor, U = rng.random((k, min(config.rank, k))), rng.random((k, k))
    E = U @ U.T - factor @ factor.T
    A = rng.standard_normal((config.draws, k, k))
    notebook = A @ E @ (A + A.mT)
    scalar = np.sum(A * E, (-2, -1))[:, None, None] * (A + A.mT)
    basis = np.stack([np.trace(E) * np.eye(k).ravel(), E.ravel()], 1)
    fits = (np.linalg.pinv(basis) @ scalar.reshape(-1, k * k).T).T
    return E, notebook, fits


def factor_of_gradient(rng, config: Config) -> float:
    """Directional derivative of f over ⟨(1/m) Σ (⟨Aᵢ, UUᵀ⟩ − yᵢ)(Aᵢ + Aᵢᵀ)U, V⟩, at a random U along V."""
    k = config.draw_size
    A = rng.standard_normal((config.draws, k, k))
    target, U, V = rng.standard_normal((3, k, k))
    y = np.einsum("mij,ij->m", A, target @ target.T)

    def residuals(U):
        return np.einsum("mij,ij->m", A, U @ U.T) - y

    def f(U):
        return np.mean(residuals(U) ** 2) / 2

    h = 1e-4  # f is of fourth order: the error h² of the difference is 1e-8, its rounding ε/h 1e-12
    slope = (f(U + h * V) - f(U - h * V)) / (2 * h)
    update = np.mean(residuals(U)[:, None, None] * (A + A.mT), 0) @ U
    return float(slope / np.sum(update * V))


def _run(rng, config: Config) -> tuple:
    return *emulate(rng, config), *correct(rng, config)


def first_passage(caught: np.ndarray, lam: np.ndarray) -> np.ndarray:
    """First t at which ‖v_iᵀU_t‖² ≥ λ_i/2; the length of the run where it does not come to that."""
    above = caught >= lam / 2
    return np.where(above.any(0), above.argmax(0), len(caught))


def run(config: Config) -> Result:
    runs = replicate(_run, config.seed, [(config,)] * config.replicates)
    emulated, solved, lam, distance, caught, predicted = map(np.array, zip(*runs, strict=True))
    rng = np.random.default_rng([config.seed, config.replicates])  # no replicate has this one
    E, notebook, fits = means(rng, config)
    derivative = factor_of_gradient(rng, config)

    error = notebook.std(0, ddof=1) / np.sqrt(config.draws)
    z = np.abs(notebook.mean(0) - notebook_mean(E)) / error
    # Of k² entries with a Student t each, one seed in 10⁴ has one beyond this.
    unlucky = float(stats.t.isf(1e-4 / (2 * z.size), config.draws - 1))
    trace, own = fits.mean(0)
    trace_error, own_error = 4 * fits.std(0, ddof=1) / np.sqrt(config.draws)

    measured = np.array([first_passage(*one) for one in zip(caught, lam, strict=True)])
    saddle = np.sqrt((lam[:, 1:] ** 2).sum(1))
    parked = distance[:, config.steps] / saddle
    # u_i² = λ_i at t_i, so at T < t_i it is λ_i(1 + 4ηλ_i)^(2(T − t_i)): it takes twice λ_iu_i² from
    # the square of the distance. Above 5 % the saddle has been left, or has not been reached.
    left = lam**2 * np.exp(2 * (config.steps - predicted) * np.log1p(4 * config.step * lam))
    slack = min(0.05, 2 * (left[:, 1:].sum(1) / saddle**2).max() + 1e-3)
    needed, predicted_needed = measured[:, -1].mean(), predicted[:, -1].mean()
    found = (measured <= config.steps).sum(1).mean()
    expected_found = (predicted <= config.steps).sum(1).mean()
    checks = [
        Check("notebook_mean_in_standard_errors", z.max(), "<=", 0.0, unlucky),
        Check("correct_mean_is_2E", own, "==", 2.0, own_error),
        # Backward stability of a solve: some d ε of its condition number.
        Check("one_measurement_gives_the_target", solved.max(), "<=", 0.0, 1e-15 * config.size),
        Check("parks_at_the_rank_1_saddle", np.abs(parked - 1).max(), "<=", 0.0, slack),
        # A step of a few hundred; and directions of nearly the same λ take from each other before
        # they are grown, the more the later they come.
        Check(
            "second_direction_over_predicted",
            (measured[:, 1] / predicted[:, 1]).mean(),
            "==",
            1.0,
            0.02,
        ),
        Check(
            "last_direction_over_predicted",
            (measured[:, -1] / predicted[:, -1]).mean(),
            "==",
            1.0,
            0.1,
        ),
    ]
    spread = emulated.std(0, ddof=1) * np.sqrt(1 + 1 / config.replicates)
    for k, value in enumerate(config.printed):
        # Another draw of the same algorithm: within its 99 % prediction interval.
        tol = float(spread[k] * stats.t.isf(0.005, config.replicates - 1))
        checks.append(Check(f"printed_distance/t_{k + 1}", emulated[:, k].mean(), "==", value, tol))

    data = xr.Dataset(
        {
            "emulated": (
                ("replicate", "epoch"),
                emulated,
                {"long_name": "‖U_tU_tᵀ − X*‖ of the notebook's algorithm"},
            ),
            "distance": (
                ("replicate", "t"),
                distance,
                {"long_name": "‖U_tU_tᵀ − X*‖ of the correct update"},
            ),
            "saddle": (
                "replicate",
                saddle,
                {"long_name": "√Σ_{i≥2} λ_i²", "role": "prediction"},
            ),
            "caught": (("replicate", "t", "i"), caught, {"long_name": "‖v_iᵀU_t‖²"}),
            "eigenvalue": (("replicate", "i"), lam, {"long_name": "λ_i(X*)"}),
            "measured": (("replicate", "i"), measured, {"long_name": "emergence of direction i"}),
            "predicted": (
                ("replicate", "i"),
                predicted,
                {"long_name": "predicted emergence of direction i", "role": "prediction"},
            ),
        },
        coords={
            "t": steps(np.arange(config.horizon + 1), "t", "step t"),
            "epoch": steps(np.arange(config.emulated) + 1, "epoch", "step t"),
            "i": ("i", np.arange(config.rank) + 1, {"long_name": "index i"}),
            "replicate": replicates(config.replicates),
        },
        attrs={"steps": config.steps} | ({"printed": config.printed} if config.printed else {}),
    )
    where = "CS7180 problem set 2, notebook 2b, 2d"
    return Result(
        data=data,
        metrics={
            "first_emulated_distance": emulated[:, 0].mean(),
            "distance_at_T": distance[:, config.steps].mean(),
            "saddle": saddle.mean(),
            "emergence": data["measured"].mean("replicate"),
            "emergence_predicted": data["predicted"].mean("replicate"),
        },
        checks=tuple(checks),
        errata=(
            Erratum("trace_in_the_update", f"{where}: np.inner", 2, 0, 2 * trace, 2 * trace_error),
            Erratum("factor_of_the_gradient", f"{where}; answer to 2a", 2, 1, 1 / derivative, 1e-6),
            Erratum(
                "steps_until_all_directions",
                f"{where}: T",
                config.steps,
                predicted_needed,
                needed,
                0.1 * predicted_needed,
            ),
            Erratum(
                "directions_in_the_singular_values",
                "CS7180 problem set 2, notebook 2e: r singular values after T steps",
                config.rank,
                expected_found,
                found,
                0.5,
            ),
        ),
    )

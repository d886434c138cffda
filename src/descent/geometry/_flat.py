"""The flow of L = ¼Σr⁴ in logarithmic time: r = (1 + t/T)^{−1/2} p, and where p comes to rest.

ṙ = −Ar³,   A = XXᵀ,   s = log(1 + t/T):   dp/ds = p/2 − T A p³ = −T A ∇(¼Σp⁴ − pᵀA⁻¹p/(4T))
at rest p/2 = TAp³, so √t r → ρ = √T p with ρ/2 = Aρ³;   it is a minimum, approached like t^{−μ}
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

LAST = 400.0  # of the logarithmic time at which p rests: beyond it, it rests nowhere
ROUNDS = 50  # of Newton's method, which ends in rounding before
DEAD = 1e-9  # of p: change in a unit of s that is rest


class Rest(NamedTuple):
    rho: Float[np.ndarray, " n"]  # √t r for t → ∞; nan if it was not found
    slowest: float  # μ


def _rate(A, T: float):
    eye = np.eye(len(A)) / 2
    return (
        lambda s, p: p / 2 - T * (A @ p**3),
        lambda s, p: eye - 3 * T * A * p**2,
    )


def _unit(A, r) -> float:
    return 1 / (float(np.linalg.norm(A, 2)) * float(np.abs(r).max()) ** 2)


def residuals(A, r, t: Float[np.ndarray, " t"]) -> Float[np.ndarray, "t n"]:
    """r(t) of the flow from r; nan where the integration did not come to."""
    T, paths = _unit(A, r), np.full((len(t), len(r)), np.nan)
    rate, slope = _rate(A, T)
    s = np.log1p(t / T)
    options = {"method": "LSODA", "rtol": 1e-10, "atol": 1e-13 * np.abs(r).max(), "jac": slope}
    found = solve_ivp(rate, (0, s[-1]), r, t_eval=s, **options)
    paths[: found.y.shape[1]] = found.y.T
    return paths * np.exp(-s / 2)[:, None]


class Near(NamedTuple):
    distance: float  # ‖X⁺(p − ρ)‖, for T = 1; infinite where Newton's method finds no ρ
    of_itself: float  # its share of ‖X⁺p‖
    minimum: bool  # whether the flow draws together at p, at ρ and half way


def near(A, pinv, p) -> Near:
    """How far a shape p = √t r is from one at rest, without knowing which: Newton's method from p.

    Its first step would not do: where a rest has just vanished the flow is slow, and far from all others.
    """
    rate, slope = _rate(A, 1.0)
    rho = _newton(rate, slope, p)
    if not _rests(rate, rho):
        return Near(np.inf, np.inf, False)
    places = (p, (p + rho) / 2, rho)
    drawn = all((np.linalg.eigvals(slope(0, one)).real < 0).all() for one in places)
    distance = np.linalg.norm(pinv @ (p - rho))
    return Near(float(distance), float(distance / np.linalg.norm(pinv @ p)), bool(drawn))


def _newton(rate, slope, p):
    """p after ROUNDS of Newton's method; what it comes to, if to anything, is at rest."""
    with np.errstate(all="ignore"):
        for _ in range(ROUNDS):
            if not np.isfinite(p).all():
                break
            try:
                p = p - np.linalg.solve(slope(0, p), rate(0, p))
            except np.linalg.LinAlgError:  # singular to the last bit
                break
    return p


def _rests(rate, p) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.abs(rate(0, p)).max() < 1e-8 * np.abs(p).max())


def wavers(A, rho, pull: float) -> float:
    """By how much, at the most, a step r − pull/max r² · Ar³ multiplies what its shape is off ρ.

    The step takes ρ to fρ. Its derivative there has f for itself and, over f, the factors of all that is beside ρ.
    """
    top = int(np.argmax(np.abs(rho)))
    size, cube = pull / rho[top] ** 2, A @ rho**3
    slope = np.eye(len(rho)) - 3 * size * A * rho**2
    slope[:, top] += 2 * size * cube / rho[top]
    f = float(rho @ (rho - size * cube) / (rho @ rho))
    others = np.linalg.eigvals(slope)
    others = np.delete(others, np.argmin(np.abs(others - f)))
    return float(np.abs(others).max(initial=0) / abs(f))


def rest(A, r) -> Rest:
    """Where the flow from r ends, by the flow and then by Newton's method."""
    T = _unit(A, r)
    rate, slope = _rate(A, T)
    p = r
    for last in (50.0, LAST):
        options = {"method": "LSODA", "rtol": 1e-9, "atol": 1e-12 * np.abs(r).max(), "jac": slope}
        p = solve_ivp(rate, (0, last), p, **options).y[:, -1]
        if np.abs(rate(0, p)).max() < DEAD * np.abs(p).max():
            break
    p = _newton(rate, slope, p)
    if not _rests(rate, p) or not ((mu := -np.linalg.eigvals(slope(0, p)).real) > 0).all():
        return Rest(np.full(len(p), np.nan), np.nan)
    return Rest(np.sqrt(T) * p, float(mu.min()))

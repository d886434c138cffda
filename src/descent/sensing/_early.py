"""The first steps of gradient descent on matrix sensing from a small start, which are those of power iteration.

U ← U − 2ηPU,   P = unpack(G pack(UUᵀ − X*)) = K(UUᵀ) − M:   U_t = (1 + 2ηM)ᵗU₀ up to what is of third order in U
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.result import Check, measured, steps
from descent.sensing._problem import Problem, pack, unpack
from descent.sensing._saddles import pull

FOLDS = 3.0  # that the first direction grows at least while U is small
ROUNDING = 1e-14  # of a step
GROW = 0.1  # of ‖(1 + 2ηM)ᵗU₀‖: up to there what is of third order in U is known to be small
MOST = 1e100  # powers beyond are drawn nowhere


class Path(NamedTuple):
    """Of one run, over t = 0 … T; n directions, the columns of V."""

    caught: Float[np.ndarray, "t n"]  # ‖v_iᵀU_t‖
    size: Float[np.ndarray, " t"]  # ‖U_t‖
    bent: Float[np.ndarray, " t"]  # ‖U_t − (1 + 2ηM)ᵗU₀‖ at the most
    distance: Float[
        np.ndarray, " t"
    ]  # ‖U_tU_tᵀ − X*‖; of its block where the signs change, if they do
    loss: Float[np.ndarray, " t"]
    last: Float[np.ndarray, "d k"]  # U_T
    kicks: Float[np.ndarray, "k k"]  # 4η² Σ_t U_tᵀPSPU_t, P the pull at U_t and S = diag(signs)


def follow(
    problem: Problem,
    U: Float[np.ndarray, "d k"],
    eta: float,
    count: int,
    V: Float[np.ndarray, "d n"],
    signs: Float[np.ndarray, " d"],
) -> Path:
    """`count` steps U ← U − 2ηPU, P = unpack(G pack(UUᵀ − X*)).

    P + M is what the steps leave out that multiply by 1 + 2ηM; it adds up, and grows with the largest of them.
    """
    M = pull(problem, np.zeros((len(U), 1)))
    fastest = np.abs(1 + 2 * eta * np.linalg.eigvalsh(M)).max()
    X, kicks, bent = unpack(problem.target), np.zeros((U.shape[1],) * 2), [0.0]
    block = np.ix_(signs > 0, signs < 0 if (signs < 0).any() else signs > 0)
    caught, size, distance, loss = [], [], [], []
    with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges goes on as nan
        for t in range(count + 1):
            error = U @ U.T - X
            P = -pull(problem, U)
            caught.append(np.linalg.norm(V.T @ U, axis=1))
            size.append(np.linalg.norm(U))
            distance.append(np.linalg.norm(error[block]) / np.linalg.norm(X[block]))
            loss.append(np.maximum(np.vdot(error, P), 0) / 2)  # −1e-16 is rounding
            if t < count:
                bent.append(fastest * bent[-1] + 2 * eta * np.linalg.norm((P + M) @ U))
                change = 2 * eta * P @ U
                kicks += change.T @ (signs[:, None] * change)
                U = U - change
    return Path(*map(np.array, (caught, size, bent, distance, loss, U, kicks)))


def early(path: Path) -> int:
    """The last step up to which what is of third order in U is little beside it."""
    small = path.bent <= GROW * path.size
    return int(len(small) - 1 if small.all() else small.argmin() - 1)


def labelled(path: Path, mu: np.ndarray, eta: float, problem: Problem) -> xr.Dataset:
    """Of one run; the eigenvalues are those of the directions that it was followed along."""
    zero = np.vdot(problem.target, pack(pull(problem, np.zeros((len(problem.factor), 1))))) / 2
    with np.errstate(over="ignore", invalid="ignore"):  # of a run that diverges
        loss = path.loss / zero
    return xr.Dataset(
        {
            "caught": measured(("t", "i"), path.caught, "‖v_iᵀU_t‖"),
            "bent": measured("t", path.bent, "what is of third order in U, added up"),
            "early": measured((), early(path), "last step at which U is small"),
            "distance": measured("t", path.distance, "‖X_t − X*‖ / ‖X*‖"),
            "loss": measured("t", loss, "training loss / f(0)"),
            "mu": measured("i", mu, "eigenvalue μ_i of M"),
            "eta": measured((), eta, "η"),
        },
        coords={"t": steps(np.arange(len(path.size)), "t", "step t")},
    )


def powers(found: xr.Dataset) -> xr.DataArray:
    """(1 + 2ημ_i)ᵗ ‖v_iᵀU₀‖ over (replicate, t, i)."""
    growth = abs(1 + 2 * found["eta"] * found["mu"])
    with np.errstate(over="ignore"):
        grown = growth ** found["t"] * found["caught"].isel(t=0, drop=True)
    return np.minimum(grown, MOST).transpose("replicate", "t", "i")


def too_large(found: xr.Dataset) -> tuple[str, ...]:
    """The reason to claim nothing: U was not small for long enough to show a power."""
    growth = np.log1p(2 * found["eta"] * found["mu"].isel(i=0, drop=True))
    folds = float((found["early"] * growth).min())
    last = int(found["early"].min())
    if folds >= FOLDS:
        return ()
    return (
        f"U is small up to step {last}, {folds:.2g} < {FOLDS:g} e-folds: scale or steps do not do",
    )


def grows(found: xr.Dataset, expected: xr.DataArray) -> Check:
    """At the steps at which U is small."""
    tol = found["bent"] + ROUNDING * found["caught"].max("i") * (1 + found["t"])
    why, small = "what is of third order in U, added up", found["t"] <= found["early"]
    return Check("directions", found["caught"], "==", expected, tol, why, small)


def reported(found: xr.Dataset) -> dict[str, xr.DataArray]:
    """Where the runs end, how long they were small, and what M shows of X*."""
    end = found[["distance", "loss"]].isel(t=-1, drop=True)
    return dict(end.merge(found[["early", "mu"]]).mean("replicate", skipna=False).data_vars)

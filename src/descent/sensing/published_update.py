"""The published update contains matrix products where sensing has numbers, and in the mean adds a trace.

One of its "measurements" is a whole matrix AᵢX*, which alone determines X*. In the mean over Gaussian Aᵢ the product
AE(A + Aᵀ) keeps two pairings of the entries of A, and the number ⟨A, E⟩ times A + Aᵀ another: so the published update
descends ½‖E‖² + ½tr(E)², with a factor 2 as well that the loss does not have.

    published: Yᵢ = AᵢX* (np.inner),   U ← U − (2η/m) Σ AᵢE(Aᵢ + Aᵢᵀ)U,    E = UUᵀ − X*: (k, k)
    correct:   yᵢ = ⟨Aᵢ, X*⟩,          U ← U − (η/m) Σ ⟨Aᵢ, E⟩(Aᵢ + Aᵢᵀ)U
    E[A_ij A_kl] = δ_ik δ_jl:   E[AE(A + Aᵀ)] = tr(E)1 + E,   E[⟨A, E⟩(A + Aᵀ)] = 2E
    y = 0:   ∇f = (1/m) Σ ⟨Aᵢ, UUᵀ⟩(Aᵢ + Aᵢᵀ)U is of degree 3 in U and 2 in A; written: 2⟨Aᵢ, UUᵀ⟩, of 2 and 1

See: entry by entry, the mean over the draws of the published update lies on tr(E)1 + E, that of the correct one on 2E.

Source: CS7180 problem set 2, answer to 2a (the factor, and 2⟨Aᵢ, UUᵀ⟩ − 2yᵢ(AᵢU + AᵢᵀU), whose first term has lost its
(Aᵢ + Aᵢᵀ)U; the last line writes U behind both, and the matrix behind one) and the notebook to 2b and 2d (np.inner).
Right: the update above, whose factor is that of the derivative of f = (1/2m) Σ (⟨Aᵢ, UUᵀ⟩ − yᵢ)².
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Seed, experiment_config
from descent.maths.limits import require_cost
from descent.maths.sampling import mean
from descent.result import Check, Erratum, Result, measured, predicted, replicates

DOCUMENT = "CS7180 problem set 2"
WHERE = f"{DOCUMENT}, notebook 2b, 2d"
SQUARE = ("row", "column")
SLOPE_STEP = 1e-4  # of the derivative: f is of fourth order, so the error is its square, 1e-8
SLOPE_ERROR = 1e-6


@experiment_config
class Config:
    seed: Seed
    size: Count  # k, of the matrices A
    rank: Count  # of X*
    draws: Count  # of A

    def __post_init__(self):
        if self.size < 2:
            raise ValueError(f"size {self.size} < 2: a number is its own trace")
        if self.rank > self.size:
            raise ValueError(f"rank {self.rank} > size {self.size}: no such matrix")
        if self.draws < 100:
            raise ValueError(
                f"draws {self.draws} < 100: a mean of fourth powers needs many to be normal"
            )


def printed_mean(E: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k k"]:
    """E[AE(A + Aᵀ)] for a symmetric E."""
    return np.trace(E) * np.eye(len(E)) + E


def predict(given: xr.Dataset) -> xr.Dataset:
    """The means of the two updates for this E, and the target."""
    E, X = given["error"].values, given["target"].values
    return xr.Dataset(
        {
            "printed_predicted": predicted(SQUARE, printed_mean(E), "tr(E)1 + E"),
            "correct_predicted": predicted(SQUARE, 2 * E, "2E"),
            "target_predicted": predicted(SQUARE, X, "X*"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Both updates of every draw, what one published measurement says, and the slope of the loss."""
    k, n = config.size, config.draws
    require_cost(config, "size, draws", 8.0 * n * k**2, 10.0 * n * k**3, free=True)
    rng = np.random.default_rng(config.seed)
    factor, U = rng.random((k, config.rank)), rng.random((k, k))
    X, each = factor @ factor.T, ("replicate", *SQUARE)
    E = U @ U.T - X
    A = rng.standard_normal((n, k, k))
    printed = A @ E @ (A + A.mT)
    correct = np.sum(A * E, (-2, -1))[:, None, None] * (A + A.mT)
    one = np.linalg.solve(A[0], np.inner(A[0], X))
    slopes = slopes_of_the_loss(rng, A)
    return xr.Dataset(
        {
            "printed": measured(each, printed, "AE(A + Aᵀ)"),
            "correct": measured(each, correct, "⟨A, E⟩(A + Aᵀ)"),
            "error": measured(SQUARE, E, "E"),
            "target": measured(SQUARE, X, "X*"),
            "from_one": measured(SQUARE, one, "A₁⁻¹Y₁"),
            "condition": measured((), np.linalg.cond(A[0]), "condition number of A₁"),
            "slope_over_update": measured((), slopes.over_update, "f'(U)[V] over ⟨update, V⟩"),
            "degree_in_U": measured((), slopes.in_U, "log₂ of f'(2U)[U] over f'(U)[U], y = 0"),
            "degree_in_A": measured((), slopes.in_A, "the same of 2A over A"),
        },
        coords={"replicate": replicates(n)},
    )


class Slopes(NamedTuple):
    """Of the loss, by central differences."""

    over_update: float  # derivative at a random U along the correct update V, over ‖V‖²
    in_U: float  # log₂ of the derivative at 2U over that at U, both along U and with y = 0
    in_A: float  # the same of the derivative with 2A over that with A


def slopes_of_the_loss(rng: np.random.Generator, A: Float[np.ndarray, "n k k"]) -> Slopes:
    target, U = rng.standard_normal((2, *A.shape[1:]))
    y = fits(A, target)

    def slope(A, U, along, y):
        step = SLOPE_STEP * np.linalg.norm(U) / np.linalg.norm(along)
        ahead, behind = (np.mean((fits(A, U + s * along) - y) ** 2) / 2 for s in (step, -step))
        return (ahead - behind) / (2 * step)

    V = np.mean((fits(A, U) - y)[:, None, None] * (A + A.mT), 0) @ U
    plain = slope(A, U, U, 0)
    of_2U, of_2A = (np.log2(one / plain) for one in (slope(A, 2 * U, U, 0), slope(2 * A, U, U, 0)))
    return Slopes(float(slope(A, U, V, y) / np.sum(V * V)), float(of_2U), float(of_2A))


def fits(A: Float[np.ndarray, "n k k"], U: Float[np.ndarray, "k k"]) -> Float[np.ndarray, " n"]:
    """⟨Aᵢ, UUᵀ⟩."""
    return np.einsum("mij,ij->m", A, U @ U.T)


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(found)
    means = found[["printed", "correct"]].mean("replicate", keep_attrs=True)
    return Result(
        data=means.merge(theory).assign(from_one=found["from_one"]),
        metrics={
            "trace": np.trace(found["error"].values),
            "largest_entry_of_2E": 2 * abs(found["error"]).max(),
            "slope_over_update": found["slope_over_update"],
            "degree_in_U": found["degree_in_U"],
            "degree_in_A": found["degree_in_A"],
        },
        checks=compare(config, found, theory),
        errata=refute(found),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    printed, correct = mean(found["printed"]), mean(found["correct"])
    size = float(np.linalg.norm(found["target"]))
    solved = 1e-15 * config.size * float(found["condition"]) * size
    one, target = found["from_one"], theory["target_predicted"]
    expected, right = theory["printed_predicted"], theory["correct_predicted"]
    why = "backward stability of a solve"
    return (
        Check("published_update", printed.value, "==", expected, printed.tol, printed.why),
        Check("correct_update", correct.value, "==", right, correct.tol, correct.why),
        Check("target_from_one_measurement", one, "==", target, solved, why),
        Check(
            "slope_over_update",
            found["slope_over_update"],
            "==",
            1.0,
            SLOPE_ERROR,
            "third derivative",
        ),
    )


def refute(found: xr.Dataset) -> tuple[Erratum, ...]:
    """The trace term of the correct mean; the factor of the gradient, and what it lacks behind ⟨Aᵢ, UUᵀ⟩."""
    E = found["error"].values
    basis = np.stack([np.trace(E) * np.eye(len(E)).ravel(), E.ravel()], 1)
    draws = found["correct"].values.reshape(found.sizes["replicate"], -1)
    fit = xr.DataArray(draws @ np.linalg.pinv(basis)[0], dims="replicate")
    trace, factor = mean(fit), 1 / float(found["slope_over_update"])
    printed, tol = 2.0, 2 * float(trace.tol)
    of_U, of_A = (float(found[f"degree_in_{of}"]) for of in "UA")
    first = f"{DOCUMENT}, answer to 2a: 2⟨A, UUᵀ⟩ without (A + Aᵀ)U"
    return (
        Erratum(
            "trace_in_the_update", f"{WHERE}: np.inner", printed, 0, 2 * float(trace.value), tol
        ),
        Erratum("factor_of_the_gradient", f"{WHERE}; answer to 2a", 2, 1, factor, SLOPE_ERROR),
        Erratum("degree_of_the_gradient_in_U", first, 2, 3, of_U, SLOPE_ERROR),
        Erratum("degree_of_the_gradient_in_A", first, 1, 2, of_A, SLOPE_ERROR),
    )

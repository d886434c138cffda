"""Two factors of an asymmetric matrix are one factor of twice the size, and stay balanced up to η² a step.

Stacked on each other, U and V make one factor Z, whose product ZZᵀ has UVᵀ in its corner. Measurements of that corner
pull on Z as those of a symmetric matrix do, and a pull that only crosses from U to V changes UᵀU and VᵀV alike.

    f(U, V) = (1/2m) Σ (⟨Aᵢ, UVᵀ⟩ − yᵢ)²,   yᵢ = ⟨Aᵢ, X*⟩,   X*: (a, b) of rank r,   U: (a, R), V: (b, R), R = a + b
    U ← U − ηGV,   V ← V − ηGᵀU,   G = (1/m) Σ (⟨Aᵢ, UVᵀ⟩ − yᵢ)Aᵢ;   Z₀ = scale · W
    Z = [U; V]:   gradient descent on ⟨Ãᵢ, ZZᵀ⟩ = yᵢ with Ãᵢ = [[0, Aᵢ], [0, 0]]
    small Z:   ‖p_iᵀU_t + q_iᵀV_t‖ = (1 + ησ_i)ᵗ‖p_iᵀU₀ + q_iᵀV₀‖,   (1/m) Σ yᵢAᵢ = Σ σ_ip_iq_iᵀ
    every Z:   UᵀU − VᵀV = U₀ᵀU₀ − V₀ᵀV₀ + η² Σ_t (VᵀGᵀGV − UᵀGGᵀU)

X* and the measurements can be given in place of random ones.

See: left, the singular directions rise along the dashed powers until X* is there; middle, the distance to X* falls
only then; right, every entry of UᵀU − VᵀV has changed by the predicted η² terms.

Source: CS7180 problem set 2, question 2d, for an asymmetric X*, which it has not; arXiv 1705.09280, section 1 (the
symmetric form of an asymmetric problem), 1806.00900 (balance).
"""

import numpy as np
import xarray as xr

from descent.config import Count, experiment_config
from descent.maths.replicates import replicate
from descent.result import Check, Result, measured, over_replicates, predicted
from descent.sensing import _early, _given
from descent.sensing._given import GivenConfig
from descent.sensing._saddles import pull
from descent.sensing._trajectories import indices

SQUARE = ("replicate", "column", "other")


@experiment_config
class Config(GivenConfig):
    rows: Count  # a
    columns: Count  # b

    def __post_init__(self):
        super().__post_init__()
        self.require_shapes((self.rows, self.columns))


def measure(config: Config) -> xr.Dataset:
    """Every replicate's run, seen along the singular directions of its data, and the imbalance of its factors."""
    config.require_fits(config.rows + config.columns)
    runs = replicate(_measure_one, config.seed, [(config,)] * config.replicates)
    return over_replicates(runs)


def stacked_target(rng: np.random.Generator, config: Config) -> np.ndarray:
    """Z* = [U*; V*] with U*V*ᵀ = X*, balanced if it was given."""
    a, b, r = config.rows, config.columns, config.rank
    if not config.target:
        return np.concatenate([_given.drawn(rng, config.law, d, r) for d in (a, b)])
    P, s, Q = np.linalg.svd(np.array(config.target, float))
    return np.concatenate([P[:, :r], Q[:r].T]) * np.sqrt(s[:r])


def _measure_one(rng: np.random.Generator, config: Config) -> xr.Dataset:
    a, both, r = config.rows, config.rows + config.columns, config.rank
    A = np.zeros((config.measurements, both, both))
    factor = stacked_target(rng, config)
    A[:, :a, a:] = _given.matrices(rng, config, (a, config.columns))
    problem = _given.problem_of(factor, A)
    Z = config.scale * _given.start(rng, config, both)
    mu, V = np.linalg.eigh(pull(problem, np.zeros((both, 1))))
    mu, V = mu[::-1][:r], V[:, ::-1][:, :r]
    eta, signs = config.step / mu[0], np.where(np.arange(both) < a, 1.0, -1.0)
    path = _early.follow(problem, Z, eta, config.steps, V, signs)
    before, after = (x.T @ (signs[:, None] * x) for x in (Z, path.last))
    size = np.linalg.norm(path.last) ** 2
    return (
        _early.labelled(path, mu, eta, problem)
        .assign(
            imbalance=measured(SQUARE[1:], after - before, "change of UᵀU − VᵀV"),
            kicks=measured(SQUARE[1:], path.kicks, "η² Σ (VᵀGᵀGV − UᵀGGᵀU)"),
            square=measured((), size, "‖Z‖² at the end"),
        )
        .assign_coords(i=indices(r))
    )


def predict(found: xr.Dataset) -> xr.Dataset:
    """The powers of the singular values of the data, and the imbalance that the gradients on the way give."""
    grown, kicks = _early.powers(found), found["kicks"]
    along = ("replicate", "t", "i")
    return xr.Dataset(
        {
            "caught_predicted": predicted(along, grown.values, "(1 + ησ_i)ᵗ‖v_iᵀZ₀‖"),
            "imbalance_predicted": predicted(SQUARE, kicks.values, "η² Σ (VᵀGᵀGV − UᵀGGᵀU)"),
        }
    )


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(found)
    reasons = _early.too_large(found) + lost(found)
    checks = (_early.grows(found, theory["caught_predicted"]), balanced(config, found, theory))
    return Result(
        data=found.merge(theory),
        metrics=_early.reported(found),
        checks=() if reasons else checks,
        no_claim=reasons,
    )


def lost(found: xr.Dataset) -> tuple[str, ...]:
    """The reason to claim nothing of runs that diverge."""
    gone = int((~np.isfinite(found["square"])).sum())
    return (
        (f"{gone} of {found['square'].size} runs left float64: step is too large",) if gone else ()
    )


def balanced(config: Config, found: xr.Dataset, theory: xr.Dataset) -> Check:
    """Every step rounds an entry of ZᵀZ by the size of Z; nothing else is neglected."""
    expected, why = theory["imbalance_predicted"], f"rounding of {config.steps} steps"
    tol = _early.ROUNDING * config.steps * found["square"]
    return Check("imbalance", found["imbalance"], "==", expected, tol, why)

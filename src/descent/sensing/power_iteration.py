"""While a start is small, gradient descent is power iteration: every direction grows by 1 + 2ημ a step.

Of a small U the product UUᵀ is of second order, so the measurements of X* alone pull it. They do it through one matrix,
M, whatever was measured and from wherever U starts. Its eigenvectors and eigenvalues are those that the data show of X*
before anything has been found.

    f(U) = (1/2m) Σ (⟨Aᵢ, UUᵀ⟩ − yᵢ)²,   yᵢ = ⟨Aᵢ, X*⟩,   U: (d, d),   U₀ = scale · W
    U ← (1 + 2ηM)U − 2ηK(UUᵀ)U,   M = (1/m) Σ yᵢ sym(Aᵢ) = Σ_i μ_i v_iv_iᵀ,   K(X) = (1/m) Σ ⟨Aᵢ, X⟩ sym(Aᵢ)
    ‖v_iᵀU_t‖ = (1 + 2ημ_i)ᵗ ‖v_iᵀU₀‖   up to   Σ_s (1 + 2ημ₁)^(t−s) 2η‖K(U_sU_sᵀ)U_s‖

Target, measurements and start can be given in place of random ones: the matrices as rows of numbers; U* orthonormal, as
many programs draw it; W = 1, the identity, for their start √α · 1. With orthonormal U* all eigenvalues of X* are 1, and its directions appear at
nearly the same step.

See: left, the followed directions rise along the dashed powers until X* is there; right, the distance to X* and the loss
fall only then.

Source: CS7180 problem set 2, question 2d, for other targets, measurements and starts than it has; arXiv 2106.15013
(small random starts), 1712.09203 (orthonormal U*, W = 1).
"""

import numpy as np
import xarray as xr

from descent.config import Count, experiment_config
from descent.maths.replicates import replicate
from descent.result import Result, over_replicates, predicted
from descent.sensing import _early, _given
from descent.sensing._given import GivenConfig
from descent.sensing._saddles import pull
from descent.sensing._target import factor_of, require_positive
from descent.sensing._trajectories import indices

ALONG = ("replicate", "t", "i")


@experiment_config
class Config(GivenConfig):
    size: Count  # d

    def __post_init__(self):
        super().__post_init__()
        self.require_shapes((self.size, self.size))
        if self.target:
            require_positive(self.target)


def measure(config: Config) -> xr.Dataset:
    """Every replicate's run, and the eigenvectors of M that it is seen along."""
    config.require_fits(config.size)
    runs = replicate(_measure_one, config.seed, [(config,)] * config.replicates)
    return over_replicates(runs)


def _measure_one(rng: np.random.Generator, config: Config) -> xr.Dataset:
    d, r = config.size, config.rank
    if config.target:
        factor = factor_of(np.array(config.target, float), r)
    else:
        factor = _given.drawn(rng, config.law, d, r)
    problem = _given.problem_of(factor, _given.matrices(rng, config, (d, d)))
    U = config.scale * _given.start(rng, config, d)
    mu, V = np.linalg.eigh(pull(problem, np.zeros((d, 1))))
    mu, V = mu[::-1][:r], V[:, ::-1][:, :r]
    eta = config.step / mu[0]
    path = _early.follow(problem, U, eta, config.steps, V, np.ones(d))
    return _early.labelled(path, mu, eta, problem).assign_coords(i=indices(r))


def predict(found: xr.Dataset) -> xr.Dataset:
    """The powers, from the eigenvalues of M and the start."""
    grown = _early.powers(found)
    return xr.Dataset({"caught_predicted": predicted(ALONG, grown.values, "(1 + 2ημ_i)ᵗ‖v_iᵀU₀‖")})


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(found)
    reasons = _early.too_large(found)
    return Result(
        data=found.merge(theory),
        metrics=_early.reported(found),
        checks=() if reasons else (_early.grows(found, theory["caught_predicted"]),),
        no_claim=reasons,
    )

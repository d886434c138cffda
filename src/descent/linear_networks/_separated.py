"""Examples that a linear classifier separates, and what the Configs of this family share.

    x_n ~ N(0, 1)ᵈ,   w° uniform on the sphere,   y_n = sign(w°ᵀx_n),   z_n = unit · y_n(x_n + shift y_n w°)

so that w°ᵀz_n ≥ unit · shift. A predictor β classifies example n correctly if z_nᵀβ > 0, and its loss is
ℒ = Σ exp(−z_nᵀβ). The weights of example n in the gradient of log ℒ are p = softmax(−Zβ).
"""

from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import Field

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_at_most, require_within

A_DECADE = 5  # points of s that are kept
CALM = 100.0  # s from which a decade is one of the end, and not of the start


@experiment_config
class Setting:
    seeds: tuple[Seed, ...]  # of the data; the weights are drawn from (seed, number of the start)
    examples: Count  # n
    features: Count  # d
    shift: Positive  # by how much every example is moved away from the plane of w°
    unit: Positive  # length by which all examples are multiplied
    start: Positive  # standard deviation of the weights at the start
    end: Positive  # s = log ℒ(0) − log ℒ(s) at which a run ends
    near: Annotated[float, Field(gt=0, lt=0.1)]  # what counts as arrived, as a share of the limit
    calls: Count  # of the right-hand side, which one run may make

    def __post_init__(self):
        require_increasing("seeds", self.seeds)
        bounded = "the reference solutions and the flow are dense"
        require_at_most(self, bounded, examples=300, features=100)
        require_at_most(self, "a run of seconds is enough for these sizes", calls=1_000_000)
        require_within("unit", self.unit, 1e-8, 1e8, "squares of lengths have to stay in float64")
        require_within("shift", self.shift, 1e-6, 1e6, "in units of the examples' spread")
        require_within("start", self.start, 1e-8, 1e4, "products of layers stay in float64")
        limited = "a slope needs a decade after s = 100, and float64 resolves exponents up to 1e8"
        require_within("end", self.end, 10 * CALM, 1e8, limited)
        if len(self.seeds) > 100:
            raise ValueError(f"seeds: {len(self.seeds)} > 100 data sets")

    @property
    def times(self) -> Float[np.ndarray, " t"]:
        """0 and from 0.1 to `end`, which is a power of ten apart from some of the points before."""
        decades = int(np.floor(np.log10(self.end / 0.1)))
        powers = np.arange(-A_DECADE * decades, 1) / A_DECADE
        return np.concatenate([[0.0], self.end * 10.0**powers])


def separated(config: Setting, seed: int) -> Float[np.ndarray, "n d"]:
    """Z, the examples times their labels."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal(config.features)
    truth /= np.linalg.norm(truth)
    X = rng.standard_normal((config.examples, config.features))
    y = np.where(X @ truth >= 0, 1.0, -1.0)[:, None]
    return config.unit * y * (X + config.shift * y * truth)


def weights(margins: Float[np.ndarray, "*batch n"]) -> Float[np.ndarray, "*batch n"]:
    """softmax(−margins)."""
    p = np.exp(margins.min(-1, keepdims=True) - margins)
    return p / p.sum(-1, keepdims=True)


def minus_log_loss(margins: Float[np.ndarray, "*batch n"]) -> Float[np.ndarray, "*batch"] | float:
    """−log Σ exp(−margins), without overflow."""
    least = margins.min(-1, keepdims=True)
    return least[..., 0] - np.log(np.exp(least - margins).sum(-1))

"""Runs whose steps are halved again and again, from which the limit of small steps is found."""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Refusal, Seed, experiment_config
from descent.geometry._data import require_runs, require_sparse, require_underdetermined
from descent.maths.limits import require_within

LENGTH = 34  # of the runs, in times 1/λ_n: e⁻³⁴ is rounding
NEAR, TELLING = 1e-9, 0.02  # of y, to which it has to be met; of the first order, to be told
SAFE = 4  # times what the largest step adds to an extrapolation to η = 0


@experiment_config
class Halved:
    """Gradient descent and mirror descent on a regression with a positive sparse solution."""

    seed: Seed
    samples: Count  # n
    features: Count  # d
    sparsity: Count  # positive entries of the vector that made y
    step: Positive  # of the coarsest run, in units of the largest eigenvalue at the limit
    halvings: Count

    def __post_init__(self):
        require_underdetermined(self)
        require_sparse(self)
        require_within("halvings", self.halvings, 2, 10, "each doubles the steps")
        require_runs(self, "samples, features, halvings", 2 * self.halvings, 10_000)

    @property
    def shares(self) -> np.ndarray:
        """The step of every run, in those units."""
        return self.step / 2.0 ** np.arange(self.halvings + 1)


def coarsest(config: Halved, lam: np.ndarray, growth: float, longest: int) -> int:
    """Steps of the coarsest run, which come to rest after it has grown for so long.

    Args:
        lam: eigenvalues at the limit, the largest first.
        growth: the time that the dual weights take to their size.
        longest: steps of the finest run, at most.

    Raises:
        Refusal: the finest run would take more.
    """
    coarse = (LENGTH / lam[-1] + growth) * lam[0] / config.step
    if not coarse * 2.0**config.halvings <= longest:
        which = f"step {config.step:g}, halvings {config.halvings}"
        raise Refusal(f"{which}: {coarse * 2.0**config.halvings:.2g} steps, at most {longest:.0e}")
    return int(coarse)


def unready(config: Halved, found: xr.Dataset, y: np.ndarray, residual: str) -> tuple[str, ...]:
    """Why the runs tell nothing: they are not at rest, or their first order in η is too vague."""
    short = float(found["left"].max() / np.linalg.norm(y))
    vague = float(abs(found["shift_blur"]).max() / abs(found["shift"]).max())
    reasons = [f"{residual} is still {short:.2g} of y"] if not short <= NEAR else []
    if not vague <= TELLING:
        reasons += [f"step {config.step:g}: its first order is known to {vague:.2g} of itself"]
    return tuple(reasons)

"""Does an average over independent replicates agree with an exact value?"""

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit


def z_scores(
    samples: Float[np.ndarray, "r ..."], exact: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """(mean − exact) in standard errors of the mean over the leading axis; Student's t for r − 1."""
    error = samples.std(0, ddof=1) / np.sqrt(len(samples))
    return (samples.mean(0) - exact) / error


def unlucky(count: int, replicates: int) -> float:
    """What the largest of `count` such |z| exceeds for one seed in ten thousand."""
    return float(-stdtrit(replicates - 1, 1e-4 / (2 * count)))

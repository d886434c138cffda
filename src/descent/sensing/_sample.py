"""What a number of measurements can decide.

Source: arXiv 1303.6672 and 1308.5265 (cones); Davidson and Szarek's bound of Gaussian singular values.
"""

import numpy as np

from descent.maths.sampling import level
from descent.sensing._curvature import edges
from descent.sensing._problem import DescentConfig, TargetConfig, degrees_of_freedom


def transition_spread(d: int, r: int) -> float:
    """Standard deviation of the m at which X* becomes the only fit, rows added one by one.

    That of the intrinsic volumes of the cone: none in the tangent space, and √(4/π² − ¼) n of the n × n positive
    semidefinite matrices beyond it, n = d − r, up to O(1): half of the variance of Σ λ|λ| over a Gaussian
    matrix's eigenvalues, see arXiv 1308.5265 for how the two are related.
    """
    return (d - r) * float(np.sqrt(4 / np.pi**2 - 0.25))


def freedom_of_pairs(config: TargetConfig) -> int:
    """Degrees of freedom of the rank 2r, that of a difference of two matrices of rank r."""
    return degrees_of_freedom(config.size, min(2 * config.rank, config.size))


def require_recoverable(config: TargetConfig, m: int) -> None:
    """Refuse measurements that two matrices of the rank may share.

    Raises:
        ValueError: naming m and the least.
    """
    pairs = freedom_of_pairs(config)
    if m < pairs:
        raise ValueError(
            f"oversampling: m = {m} < {pairs}, from where on no two matrices of rank "
            f"{config.rank} fit alike"
        )


def require_stable_in_a_sample(config: DescentConfig, m: int) -> None:
    """Refuse a step that the largest curvature of m measurements may repel.

    Raises:
        ValueError: naming the step.
    """
    critical = 0.5 / edges(config.freedom, m)[1]
    if not config.step < critical:
        raise ValueError(
            f"step {config.step:g} ≥ {critical:.3g} (in 1/λ₁): the largest curvature of a "
            "sample may repel"
        )


def farthest_transition(config: TargetConfig) -> float:
    """How far from δ the m at which X* becomes the only fit may be in some replicate."""
    z = np.sqrt(-2 * np.log(level(config.replicates) / 2))
    return float(z * transition_spread(config.size, config.rank))


def require_decided(config: DescentConfig, m: int) -> None:
    """Both: what R = r needs of a sample."""
    require_recoverable(config, m)
    require_stable_in_a_sample(config, m)


def needed(m: np.ndarray, errors: np.ndarray, near: float) -> float:
    """The smallest m from which on every error is within `near`; one more than the largest if it is not."""
    far = np.flatnonzero(~(errors <= near))
    return float(m[0] if not len(far) else m[far[-1] + 1] if far[-1] + 1 < len(m) else m[-1] + 1)

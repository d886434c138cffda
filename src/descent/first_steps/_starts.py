"""The Gaussian starts that are compared, and the variances of their weights; all biases are 0.

zero: v = 0;   random: v = sd²;   lecun: 1/n_{l−1};   xavier: 2/(n_{l−1} + n_l);   he: 2/n_{l−1}

Source: CS182 homework 2, question 5.
"""

import numpy as np
from jaxtyping import Float

from descent.maths import initialise

NAMES = ("zero", "random", "lecun", "xavier", "he")


def variances(name: str, widths: tuple[int, ...], sd: float) -> Float[np.ndarray, " L"]:
    """v_1 … v_L; `sd` is that of "random"."""
    if name == "random":
        return np.full(len(widths) - 1, sd**2)
    return initialise.variances(name, widths)

"""A sum of sines on [−1, 1], sampled with noise, and what the networks that fit it may ask for.

    f(x) = Σ_{k<K} a_k sin kπx,  a ~ U(−1, 1);   y_i = f(x_i) + noise·ε_i,  x_i ~ U(low, high),  i ≤ N

The sum is odd, and its term k = 0 is zero: four sines where the document speaks of five. Its data come from
numpy's RandomState, x before ε, and are drawn here from the same streams.

Source: CS182 homework 2, question 6.
"""

from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from descent.config import Count, Positive, Refusal, Seed, experiment_config
from descent.maths.limits import require_at_most

LARGEST = 30_000_000  # numbers in all networks that train side by side: 120 MB an array

Hidden = Annotated[tuple[Count, ...], Field(min_length=1, max_length=100)]  # widths f₁, …, f_{D−1}
Scaled = Literal["student", "he_uniform", "he_normal", "xavier_uniform"]
Start = Scaled | Positive  # or c of U(±c)
FORMULA = {
    "student": "U(±√(2/fan_in)), the document's He",
    "he_uniform": "U(±√(6/fan_in)), He",
    "he_normal": "N(0, 2/fan_in), He",
    "xavier_uniform": "U(±√(6/(fan_in + fan_out))), Xavier",
}


@experiment_config
class Data:
    """Every experiment of the family has these."""

    function_seed: Seed  # of a
    sample_seed: Seed  # of x and ε
    components: Annotated[int, Field(ge=2)]  # K
    samples: Annotated[int, Field(ge=8)]  # N
    noise: float = Field(ge=0)  # standard deviation

    def __post_init__(self):
        require_at_most(self, "the sample fills the memory", samples=1_000_000, components=1000)

    def function(self, x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        a = np.random.RandomState(self.function_seed).rand(self.components) * 2 - 1
        return sum(a_k * np.sin(k * np.pi * x) for k, a_k in enumerate(a))

    def sample(
        self, low: float = -1.0, high: float = 1.0, seed: int | None = None
    ) -> tuple[Float[np.ndarray, "N 1"], Float[np.ndarray, "N 1"]]:
        """x, in the order in which it is drawn, and y."""
        stream = np.random.RandomState(self.sample_seed if seed is None else seed)
        x = stream.uniform(low, high, self.samples)
        y = self.function(x) + self.noise * stream.randn(self.samples)
        return x[:, None], y[:, None]


def require_room(numbers: int, what: str) -> None:
    """Refuse arrays that do not fit.

    Raises:
        Refusal: naming the number.
    """
    if numbers > LARGEST:
        raise Refusal(
            f"{what}: {numbers:,} numbers ({numbers / 2**28:.1f} GiB), more than {LARGEST:,}"
        )


def require_scale(name: str, c: float, hidden: tuple[int, ...]) -> None:
    """Refuse a c of U(±c) whose outputs, squared, are not numbers of double precision.

    Raises:
        ValueError: naming the field, the value and the rule.
    """
    D, widest = len(hidden) + 1, max(hidden)
    if c > 1e30 or 2 * D * np.log10(c * widest) > 280:
        raise ValueError(f"{name} {c:g}: squares of outputs, (c·width)^{2 * D}, overflow")
    if c < 1e-30 or 2 * D * np.log10(c) < -280:
        raise ValueError(f"{name} {c:g}: squares of outputs, c^{2 * D}, vanish")

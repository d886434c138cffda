"""The rippled wells of a setting: their parameters, and the phases drawn for the terms."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.config import Count, Number, Positive, Seed, experiment_config
from descent.maths.limits import require_at_most, require_within
from descent.minima._wells import Wells, wells

COURSE = {
    "phase_seed": 0,
    "terms": 2000,
    "centre": 5.0,
    "sharpness": 100.0,
    "amplitude": 20.0,
    "frequency": 10.0,
    "envelope": 2.0,
}


@experiment_config
class Setting:
    phase_seed: Seed  # of the phases, from the legacy stream that the course uses
    terms: Count  # N
    centre: Positive  # c
    sharpness: Positive  # κ
    amplitude: Positive  # a
    frequency: Positive  # ω
    envelope: Positive  # m
    start: Number  # x₀
    step: Positive  # γ
    steps: Count

    def __post_init__(self):
        for name in ("centre", "amplitude", "frequency", "envelope"):
            require_within(name, getattr(self, name), 1e-6, 1e6, "the slope has no digits left")
        require_within("sharpness", self.sharpness, 0, 1e8, "the sharp well has no width left")
        if self.sharpness <= 1 + 1e-6:
            raise ValueError(f"sharpness {self.sharpness:g} ≤ 1: the parabolas enclose no well")
        w = self.wells
        if not w.left <= self.start < w.right:
            raise ValueError(
                f"start {self.start:g} is outside the sharp well [{w.left:g}, {w.right:g})"
            )
        if self.step >= 1:
            raise ValueError(f"step {self.step:g} ≥ 1 = 2/b'' of the flat well: every run diverges")
        require_at_most(self, "one run would take minutes", steps=10_000_000, terms=10_000_000)
        # A grid over where f' may vanish has 64 points in the shortest period of f'.
        waves = self.frequency + self.envelope
        span = w.right + self.amplitude * waves
        if span * waves > 1e5:
            raise ValueError(
                f"amplitude {self.amplitude:g}, frequency {self.frequency:g}: {span * waves:.1e} > 1e5 "
                "ripples may hold minima"
            )

    @property
    def wells(self) -> Wells:
        return wells(self.centre, self.sharpness, self.amplitude, self.frequency, self.envelope)

    @property
    def of_the_course(self) -> bool:
        """Whether what the course document says is about these very wells."""
        return all(getattr(self, name) == value for name, value in COURSE.items())

    def draw(self) -> "Terms":
        legacy = np.random.RandomState(self.phase_seed)
        phases = 2 * np.pi * legacy.rand(self.terms)
        order = legacy.randint(self.terms, size=self.steps)
        cosines, sines = np.cos(phases), np.sin(phases)
        return Terms(cosines, sines, order, float(cosines.mean()), float(sines.mean()))


class Terms(NamedTuple):
    cosines: Float[np.ndarray, " N"]  # of the phases
    sines: Float[np.ndarray, " N"]
    order: np.ndarray  # in which the course's stream takes the terms
    A: float  # mean cosine
    B: float  # mean sine

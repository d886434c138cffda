"""What the experiments on gradient descent from 0 share: the parameters of a run, and what is kept of it."""

import numpy as np

from descent.config import Count, Index, Positive, experiment_config, require_increasing
from descent.polynomial._kernels import log_spaced
from descent.polynomial._problem import Points, require_work


@experiment_config
class Config(Points):
    degrees: tuple[Count, ...]  # n
    step: Positive  # γβ
    iterations: Count
    snapshots: Count  # iterations kept, log-spaced
    milestones: tuple[Index, ...]  # iterations reported as metrics

    def __post_init__(self):
        super().__post_init__()
        require_increasing("degrees", self.degrees)
        require_increasing("milestones", self.milestones)
        last = self.milestones[-1]
        if last > self.iterations:
            raise ValueError(
                f"milestone {last} > iterations {self.iterations}: it is never reached"
            )
        kept = 2 * (self.snapshots + len(self.milestones))
        require_work(self, self.degrees, self.iterations, self.points, kept)

    @property
    def record(self) -> np.ndarray:
        marks = np.array(self.milestones, int)
        return np.union1d(log_spaced(self.iterations, self.snapshots), marks)

"""What the experiments on fitted networks have in common: the points, and the laws from which networks start."""

import numpy as np

from descent.config import Count, Number, Positive, Seed, experiment_config
from descent.wide_relu._data import require_bent, require_points
from descent.wide_relu._initial import Law, require_initials, require_range
from descent.wide_relu._widths import require_networks


@experiment_config
class Fitted:
    """Networks of several widths, fitted to points."""

    seed: Seed
    replicates: Count  # networks of each width
    widths: tuple[Count, ...]  # n
    points: tuple[Number, ...]  # x_j, increasing
    values: tuple[Number, ...]  # y_j
    nodes: Count  # of the grid on which functions are compared

    def __post_init__(self):
        require_points(self)
        require_bent(self)

    @property
    def grid(self) -> np.ndarray:
        return np.linspace(self.points[0], self.points[-1], self.nodes)


@experiment_config
class Started(Fitted):
    """Each of them from every law of the start."""

    laws: tuple[Law, ...]
    weights: tuple[Positive, ...]  # scale of w for each law
    biases: tuple[Positive, ...]  # scale of b

    def __post_init__(self):
        super().__post_init__()
        require_initials(self)
        require_range(self)
        require_networks(self, len(self.laws))

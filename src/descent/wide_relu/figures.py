"""Figures of the experiments on wide networks, drawn by name."""

from descent.wide_relu._figures_a import (  # noqa: F401  drawn by name
    curvature,
    design,
    parametrisation,
    spline,
    training,
    trajectory,
    width,
)

# Of _figures_b, by name too:

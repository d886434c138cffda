"""Figures of the experiments on wide networks, drawn by name."""

from descent.wide_relu._capacity_figures import (  # noqa: F401  drawn by name
    interpolation,
    wide_enough,
)
from descent.wide_relu._limit_figures import (  # noqa: F401  drawn by name
    activations,
    breakpoint_range,
    curvature,
    design,
    multivariate,
    parametrisation,
    spline,
    width,
)
from descent.wide_relu._training_figures import (  # noqa: F401  drawn by name
    early_stopping,
    noiseless,
    norms,
    spectral_bias,
    training,
    trajectory,
)

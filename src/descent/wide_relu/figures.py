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
from descent.wide_relu._figures_b import (  # noqa: F401  drawn by name
    activations,
    early_stopping,
    multivariate,
    noiseless,
    norms,
    spectral_bias,
)
from descent.wide_relu._figures_c import (  # noqa: F401  drawn by name
    interpolation,
    wide_enough,
)

"""Figures of the experiments on wide networks, drawn by name."""

# Of _figures_a: spline, curvature, width, training, parametrisation, design, trajectory.

# Of _figures_b: spectral_bias, noiseless, early_stopping, activations, multivariate, norms, interpolation.
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

"""What is looked at in networks before and after their training."""

import numpy as np
import xarray as xr

from descent.features import _jacobian
from descent.maths.network import Shape
from descent.result import measured

TOP = 60  # singular values that are kept
FEATURES = 4  # that are drawn


def spectra(
    pair: tuple[np.ndarray, np.ndarray],
    near: np.ndarray,
    shape: Shape,
    samples: int,
    threshold: float,
) -> xr.Dataset:
    """Singular values, ranks, kinks and the first features of the Jacobian, of networks before and after training."""
    kept, dims = min(TOP, len(near)), ("when", "replicate")
    sigma = np.array([_jacobian.singular_values(at, near, shape, samples) for at in pair])
    top = sigma[..., :1]
    columns = [_jacobian.features(at[:1], near, shape, FEATURES) for at in pair]
    rank = [_jacobian.effective_rank(one) for one in sigma]
    kinks = np.array([_jacobian.kinks(at, shape, -1.0, 1.0) for at in pair], float)
    squares = np.sum(sigma**2, axis=-1) * (len(near) / samples)
    bent = [
        _jacobian.beside_lines(at.astype(float), near, shape, square)
        for at, square in zip(pair, squares, strict=True)
    ]
    scaled = np.array(columns) * np.sqrt(samples / len(near))
    above = np.sum(sigma > threshold * top, axis=-1).astype(float)
    shown = np.maximum(sigma, 1e-7 * top)[..., :kept]  # below there is rounding alone
    return xr.Dataset(
        {
            "sigma": measured((*dims, "index"), shown, "σ_k of the Jacobian"),
            "sigma1": measured(dims, top[..., 0], "σ₁"),
            "effective_rank": measured(dims, rank, "effective rank"),
            "beside_lines": measured(dims, bent, "share of J² beside straight lines"),
            "rank": measured(dims, above, "σ_k above the threshold"),
            "kinks": measured(dims, kinks, "kinks"),
            "features": measured(("when", "feature", "x"), scaled, "principal feature"),
        },
        coords={
            "when": ("when", ["before", "after"], {"long_name": "training"}),
            "index": ("index", np.arange(kept) + 1, {"long_name": "k"}),
            "feature": ("feature", np.arange(FEATURES) + 1, {"long_name": "feature"}),
            "x": ("x", near[:, 0], {"long_name": "x"}),
        },
    )

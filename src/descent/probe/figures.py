"""Figures of the probe family: the same for every block, whatever its name."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, level, panel

MOST = 6  # layers: more curves cannot be told from each other


def trained(data: xr.Dataset) -> Figure:
    """Norms of gradients, the noise scale of every layer, and the sharpness, over the training."""
    norms = panel(
        f"all layers, minibatches of {data.attrs['batch']}",
        axis(data["moment"]),
        Axis("norm of the gradient", "log"),
        curve(data["whole_norm"], "‖g_B‖ of a minibatch", 0),
        curve(data["full_whole_norm"], "‖∇L‖ over all samples", 1, marker=True),
    )
    panels = [norms]
    if "full_noise_scale" in data:
        panels.append(noise(data))
    if "sharpness" in data:
        panels.append(sharpness(data))
    return Figure(tuple(panels), main=0)


def noise(data: xr.Dataset):
    """tr Σ/‖∇L‖² of every layer."""
    scale = data["full_noise_scale"]
    [along] = [dim for dim in scale.dims if dim not in ("replicate", "moment")]
    names = scale[along].values
    some = names[sorted({round(k) for k in np.linspace(0, len(names) - 1, min(MOST, len(names)))})]
    layers = [curve(scale.sel({along: n}), str(n), k) for k, n in enumerate(some)]
    shown = "layer by layer" if len(some) == len(names) else f"{len(some)} of {len(names)} layers"
    batch = level(float(data.attrs["batch"]), "B")
    return panel(
        shown,
        axis(data["moment"]),
        Axis("noise scale tr Σ/‖∇L‖²", "log"),
        *layers,
        batch,
    )


def sharpness(data: xr.Dataset):
    """λ_max of the loss."""
    found = curve(data["sharpness"], "λ_max", 0, marker=True)
    return panel(
        "curvature", axis(data["moment"]), axis(data["sharpness"], limits=(0, None)), found
    )


def __getattr__(name: str):
    """A figure is asked for by the name of its block, which may be any."""
    if name.startswith("_"):
        raise AttributeError(name)
    return trained

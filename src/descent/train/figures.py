"""Figures of the train family: one function per experiment, named after it."""

import xarray as xr
from matplotlib.figure import Figure

from descent.style import against, figure


def mnist(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    for layer in data["layer"].values:
        against(left, data["gradient_norm"].sel(layer=layer), f"layer {layer}")
    left.set(ylim=(0, None))
    left.set_title(f"minibatches of {data.attrs['batch']}")
    left.legend()
    for name in ("train_loss", "test_loss"):
        against(right, data[name])
    right.set(yscale="log", ylabel="NLL")
    right.set_title(f"{data.sizes['replicate']} runs, median and 5–95 %")
    right.legend()
    return drawing

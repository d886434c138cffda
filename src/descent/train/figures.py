"""Figures of the train family."""

import xarray as xr

from descent.figure import Axis, Figure, axis, curve, panel


def mnist(data: xr.Dataset) -> Figure:
    norms = panel(
        f"minibatches of {data.attrs['batch']}",
        axis(data["epoch"]),
        axis(data["gradient_norm"], limits=(0, None)),
        *(
            curve(data["gradient_norm"].sel(layer=layer), f"layer {layer}", k)
            for k, layer in enumerate(data["layer"].values)
        ),
    )
    losses = panel(
        f"{data.sizes['replicate']} runs, median and 5–95 %",
        axis(data["epoch"]),
        Axis("NLL", "log"),
        curve(data["train_loss"], colour=0),
        curve(data["test_loss"], colour=1),
    )
    return Figure((norms, losses))

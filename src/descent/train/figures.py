"""Figures of the train family."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, Mark, axis, curve, level, panel, points


def mnist(data: xr.Dataset) -> Figure:
    norms = panel(
        f"minibatches of {data.attrs['batch']}",
        axis(data["epoch"]),
        axis(data["gradient_norm"], limits=(0, None)),
        *(
            curve(data["gradient_norm"].sel(layer=layer), f"layer {layer}", k)
            for k, layer in enumerate(data["layer"].values)
        ),
        printed(data),
    )
    losses = panel(
        f"{data.sizes['replicate']} runs, median and 5–95 %",
        axis(data["epoch"]),
        Axis("NLL", "log"),
        curve(data["train_loss"], colour=0),
        curve(data["test_loss"], colour=1),
    )
    return Figure((norms, losses))


def printed(data: xr.Dataset) -> list[Mark]:
    """The norms that the notebook prints, where the run is its own."""
    if "printed_norm" not in data:
        return []
    marks = []
    for layer in np.unique(data["printed_layer"].values):
        one = data.isel(print=np.flatnonzero(data["printed_layer"] == layer))
        look = {"role": "printed", "marker": "cross", "size": 6}
        marks.append(points(one["printed_epoch"], one["printed_norm"], "printed", "ink", **look))
    return marks


def edge_of_stability(data: xr.Dataset) -> Figure:
    edge, betas = data["edge_predicted"], list(enumerate(data["beta"].values))
    rises = panel(
        "the sharpness rises to the edge and stays",
        axis(data["t"]),
        axis(data["sharpness"], limits=(0, 2.1 * float(edge[0]))),
        *(curve(data["sharpness"].sel(beta=b), f"β = {b:g}", k) for k, b in betas),
        *(
            level(data["printed"].sel(beta=b), f"2/(βη), β = {b:g}", k, "printed")
            for k, b in betas
            if b < 1
        ),
        level(edge[0], "2(2 − β)/(βη), every β"),
    )
    printed = data["printed"] / edge
    against = panel(
        "the plateau against the two values",
        axis(data["beta"]),
        Axis("plateau / 2(2 − β)/(βη)", limits=(0, 1.4)),
        curve(data["plateau_over_predicted"], "measured, median and 5–95 %", marker=True),
        level(1.0, "2(2 − β)/(βη)"),
        curve(printed, "2/(βη)", "ink", "printed"),
    )
    return Figure((rises, against))


def random_labels(data: xr.Dataset) -> Figure:
    names = {
        "true": "own labels",
        "random": "random labels",
        "restart": "own, from the random ones",
    }
    cases, place = data["case"].values, np.arange(data.sizes["replicate"])
    losses = panel(
        "all fit their training labels",
        axis(data["step"], "log"),
        axis(data["loss"], "log"),
        *(curve(data["loss"].sel(case=case), names[case], k) for k, case in enumerate(cases)),
    )
    shares = panel(
        "on new images",
        Axis("network"),
        axis(data["share"], limits=(-0.03, 1.03)),
        *(
            points(place, data["share"].sel(case=case), names[case], k)
            for k, case in enumerate(cases)
        ),
        level(data["chance_predicted"], "1/C"),
    )
    return Figure((losses, shares))

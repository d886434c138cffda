"""Figures of the autodiff family: one function per experiment, named after it."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, line, panel, points, text

LANES = {"x": 0, "z": 1, "h": 1, "y": 0, "R": 1, "S": 0, "L": 0.5}  # the height of each node


def backprop(data: xr.Dataset) -> Figure:
    names = list(data["node"].values)
    across, up = data["depth"].values, np.array([LANES[name] for name in names])
    edges = []
    for ends in data["end"].values:
        skip = [names[end] for end in ends] == ["x", "y"]
        label, colour = ("skip", 1) if skip else ("edge", "grey")
        edges.append(line(across[ends], up[ends], label, colour))
    graph = panel(
        "the computation graph",
        Axis("edges from x, by the longest way", limits=(-0.5, across.max() + 0.5)),
        Axis("branch", limits=(-0.4, 1.4), ticks=(0, 1)),
        edges,
        points(across, up, "node", "ink", size=16, hollow=True),
        *(text(float(x), float(y), name) for name, x, y in zip(names, across, up, strict=True)),
    )
    first, marks = data.isel(replicate=0), []
    for k, name in enumerate(first["path"].values, 1):
        label = " → ".join(name) + (", the skip" if name == "xySL" else "")
        marks += curve(first["contribution"].sel(path=name), label, k, marker=True)
    parts = panel(
        "every path adds its part",
        axis(data["j"], ticks=tuple(data["j"].values[:: max(1, data.sizes["j"] // 10)])),
        Axis("∂L/∂x_j"),
        marks,
        curve(first["gradient"], "their sum, by one sweep back", 0, marker=True),
        curve(first["gradient_predicted"]),
    )
    return Figure((graph, parts))


def vjp(data: xr.Dataset) -> Figure:
    titles = {"products": "counted products", "bytes": "bytes kept"}
    formulas = {"products": "n², 2n² and 2n", "bytes": "8n² and 8n"}
    ways = (("free", "Jᵀy as v(vᵀy)", 0), ("dense", "Jᵀy through J", 1), ("alone", "J alone", 2))
    return Figure(
        tuple(
            panel(
                title,
                axis(data["n"], "log"),
                Axis(kind, "log"),
                *(curve(data[f"{way}_{kind}"], label, k, marker=True) for way, label, k in ways),
                *(curve(data[f"{way}_{kind}_predicted"], formulas[kind]) for way, *_ in ways),
            )
            for kind, title in titles.items()
        )
    )

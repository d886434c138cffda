"""Figures of networks at their start."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, Mark, axis, curve, line, panel, points

KINDS = {
    "small": "small",
    "large": "large",
    "student": "document's He",
    "he_normal": "He",
}


def norms(data: xr.Dataset) -> Figure:
    layer = axis(data["layer"], ticks=tuple(data["layer"].values.tolist()))
    size = "‖∇f‖ of a layer"
    every = panel(
        "gradients of four starts",
        layer,
        Axis(f"{size}, median, 5–95 %", "log"),
        *(
            curve(data["norm"].sel(start=name), text, k)
            for k, (name, text) in enumerate(KINDS.items())
        ),
    )
    known = panel(
        "small start: the second moment is known",
        layer,
        Axis(f"{size}, times 10⁶", limits=(0, None)),
        curve(data["small_rms"] * 1e6, "root mean square over networks", marker=True),
        line(data["layer"], 1e6 * np.sqrt(data["square_predicted"]), "predicted", role="predicted"),
    )
    return Figure((every, known), main=1)


def printed_norms(data: xr.Dataset) -> Figure:
    layer = axis(data["layer"], ticks=tuple(data["layer"].values.tolist()))
    names = list(KINDS)[:3]
    panels = []
    for title, key in (
        ("weights: as printed", "weight"),
        ("gradients: not as printed", "gradient"),
    ):
        marks: list[Mark] = []
        for k, name in enumerate(names):
            one = data.sel(start=name)
            marks += curve(one[key], f"{KINDS[name]}: {key}s", k, marker=True)
            law = np.sqrt(one["square_predicted"]) if key == "weight" else one["gradient_predicted"]
            text = "√(n_l n_{l−1} v_l)" if key == "weight" else "from two points"
            marks += curve(law, text, "ink", "predicted")
            if f"printed_{name}" in data:
                printed = data[f"printed_{name}"]
                look = {"marker": "cross", "size": 7}
                marks.append(points(data["layer"], printed, "as printed", "ink", "printed", **look))
        panels.append(panel(title, layer, Axis("norm of a layer", "log"), marks))
    return Figure(tuple(panels))


def zero_biases(data: xr.Dataset) -> Figure:
    index = axis(data["index"])
    marks: list[Mark] = []
    for k, name in enumerate(data["network"].values):
        one = data.sel(network=name)
        text = f"{name} start" if name in data["start"].values else f"{name}"
        look = "square" if name in data["start"].values else "circle"
        marks.append(points(data["index"], one["sigma"], text, k, marker=look))
        marks += curve(one["sigma_predicted"], "from x = ±1")
    four = panel("four singular values, whatever the depth", index, Axis("σ_k of J", "log"), marks)
    shown = [
        panel(
            f"features of the {name} start",
            axis(data["x"]),
            Axis("column of UΣ"),
            *(
                curve(data["column"].sel(start=name)[k], f"feature {k + 1}", k)
                for k in range(data.sizes["feature"])
            ),
            *(
                curve(data["column_predicted"].sel(start=name)[k], "from x = ±1")
                for k in range(data.sizes["feature"])
            ),
        )
        for name in ("large", "proper")
    ]
    return Figure((four, *shown))


def lost_sides(data: xr.Dataset) -> Figure:
    each = list(enumerate(data["width"].values))
    x, limits = axis(data["depth"]), (-0.03, 1.03)
    on = panel(
        "a side is on through all layers",
        x,
        Axis("share of sides", limits=limits),
        *(
            curve(data["on"].mean("side").sel(width=n), f"width {n}", k, marker=True)
            for k, n in each
        ),
        *(
            curve(
                data["on_predicted"].isel(side=0, width=k).assign_attrs(role="prediction"),
                "(1 − 2⁻ⁿ)ᴸ",
            )
            for k, _ in each
        ),
    )
    four = panel(
        "four features",
        x,
        Axis("share of networks", limits=limits),
        *(curve(data["four"].sel(width=n), f"width {n}", k, marker=True) for k, n in each),
        *(
            curve(data[f"four_{end}_bound"].isel(width=k), "2q − 1 … q", k, "bound")
            for k, _ in each
            for end in ("low", "high")
        ),
    )
    return Figure((on, four))

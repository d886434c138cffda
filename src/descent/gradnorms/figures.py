"""Figures of the gradnorms family: one function per experiment, named after it."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure, level


def mnist(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    first = data.sel(layer=1).mean("replicate")
    for batch, colour in zip(data["batch"].values, COLOURS, strict=False):
        for name in ("minibatch_square", "predicted_square"):
            root = np.sqrt(first[name].sel(batch=batch)).assign_attrs(data[name].attrs)
            measured = name == "minibatch_square"
            look = {"linestyle": "none", "marker": "o", "markersize": 4} if measured else {}
            against(left, root, f"B = {batch}" if measured else "", colour, **look)
    against(left, data["full_norm"].sel(layer=1), "all images", "black", marker=".")
    left.axhline(np.nan, color="0.3", linestyle="--", label="√(‖g‖² + tr Σ/B)")
    left.set(yscale="log", ylabel="gradient norm", ylim=(None, 4 * left.get_ylim()[1]))
    left.set_title("layer 1: minibatches see noise")
    left.legend(ncols=3, loc="upper center")
    for layer in data["layer"].values:
        against(right, data["noise_scale"].sel(layer=layer), f"layer {layer}", marker=".")
    right.set(yscale="log")
    right.set_title("batch size at which noise equals gradient")
    right.legend()
    return drawing


def batch(data: xr.Dataset) -> Figure:
    """Root mean square norm against B, and over ‖g‖ against B/B*, where all layers meet."""
    drawing, (left, right) = figure(2)
    mean = data.mean("replicate", keep_attrs=True)
    relative = {"long_name": "B / B*"}
    for layer, colour in zip(data["layer"].values, COLOURS * data.sizes["layer"], strict=False):
        one = mean.sel(layer=layer)
        for name in ("minibatch_square", "predicted_square"):
            root = np.sqrt(one[name]).assign_attrs(data[name].attrs)
            measured = name == "minibatch_square"
            look = {"linestyle": "none", "marker": "o", "markersize": 4} if measured else {}
            label = f"layer {layer}" if measured else ""
            against(left, root, label, colour, **look)
            moved = (data["batch"] / one["crossover"]).assign_attrs(relative)
            scaled = (root / one["full_norm"]).assign_attrs(root.attrs)
            against(right, scaled.assign_coords(batch=moved), label, colour, **look)
    left.axvline(np.nan, color="0.3", linestyle="--", label="√(‖g‖² + tr Σ/B)")
    left.set(xscale="log", yscale="log", ylabel="gradient norm (rms)")
    left.set_title("smaller minibatches see more noise")
    left.legend()
    level(right, 1.0, "‖g‖")
    right.axvline(1.0, color="black", linestyle=":", linewidth=1, label="predicted B*")
    right.set(xscale="log", yscale="log", ylabel="gradient norm (rms) / ‖g‖")
    right.set_title("B^(−1/2), then level")
    right.legend()
    return drawing


def depth(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    middle = slice(data.sizes["layer"] // 4, 3 * data.sizes["layer"] // 4)
    ends = sorted({0, data.sizes["variance"] - 1})
    for k, activation in enumerate(("relu", "tanh", "sigmoid")):
        for suffix in ("", "_predicted"):
            factor = data[f"{activation}_factor{suffix}"]
            mean = np.exp(np.log(factor.isel(layer=middle)).mean(("replicate", "layer")))
            look = {} if suffix else {"linestyle": "none", "marker": "o", "markersize": 4}
            label = "" if suffix else activation
            against(left, mean.assign_attrs(factor.attrs), label, COLOURS[k], **look)
            for end in ends:
                norm = data[f"{activation}_sample_norm{suffix}"].isel(variance=end)
                s2 = float(norm["variance"])
                label = "" if suffix else f"{activation}, s² = {s2:.3g}"
                if suffix:
                    norm = np.exp(np.log(norm).mean("replicate")).assign_attrs(norm.attrs)
                colour = "black" if suffix else COLOURS[k if end else k + 3]
                against(right, norm, label, colour, **({"linewidth": 1} if suffix else {}))
    for axes, name in ((left, "√(s² E φ′²)"), (right, "mean field")):
        axes.axvline(np.nan, color="0.3", linestyle="--", label=name)
        axes.set(yscale="log")
    bottom, top = right.get_ylim()
    right.set(ylim=(bottom, top * (top / bottom) ** 0.5))  # room for the legend
    right.xaxis.get_major_locator().set_params(integer=True)
    left.legend()
    right.legend(ncols=2, loc="upper center")
    left.set(xscale="log", ylabel="‖δ_l‖ / ‖δ_{l+1}‖, middle layers")
    left.set_title("change of the gradient a layer")
    right.set(ylabel="gradient norm of one image (rms)")
    right.set_title(f"{data.sizes['replicate']} random networks, median and 5–95 %")
    return drawing

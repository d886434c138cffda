"""Figures of the features family."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure, level


def norms(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    names = ("small", "large", "student", "he_normal")
    kinds = dict(zip(names, ("small", "large", "document's He", "He"), strict=True))
    for name, colour in zip(names, COLOURS, strict=False):
        against(left, data[f"{name}_gradient"], f"{kinds[name]}: gradient", colour)
    for name, colour in zip(names[:3], COLOURS, strict=False):
        left.plot(
            data["layer"],
            data[f"{name}_weight"],
            "x",
            color=colour,
            label=f"{kinds[name]}: as printed",
        )
    left.set(yscale="log", ylabel="‖∇f‖ of a layer, or as printed", ylim=(1e-7, 1e14))
    left.set_title("what is printed are norms of weights")
    left.legend(fontsize="x-small", loc="upper left", ncols=2)
    against(right, data["small_rms"] * 1e6, data["small_rms"].attrs["long_name"], marker="o")
    against(right, data["small_predicted"] * 1e6, "predicted", "black")
    right.lines[-1].set_linestyle("--")
    right.set(ylabel="‖∇f‖ of a layer, times 10⁶", ylim=(0, None))
    right.set_title("small start: the second moment is known")
    right.legend()
    for axes in (left, right):
        axes.set_xticks(data["layer"].values)
    return drawing


def spectrum(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    names = {
        "deep": f"{data.attrs['hidden']} hidden layers",
        "shallow": "1 hidden layer",
        "small": "small start",
    }
    for (name, text), colour in zip(names.items(), COLOURS, strict=False):
        for when, dashes in (("before", ":"), ("after", "-")):
            sigma = data[f"{name}_{when}"]
            against(left, sigma, f"{text}, {when}", colour, linestyle=dashes)
    level(left, data.attrs["root"], "√N")
    left.set(yscale="log", ylabel="σ_k of the Jacobian, median, 5–95 %", ylim=(1e-6, 3e4))
    left.set_title("four before training, many after")
    left.legend(fontsize="x-small", ncols=2, loc="upper right")
    for axes, when in ((middle, "before"), (right, "after")):
        for k, colour in zip(data["feature"].values, COLOURS, strict=False):
            column = data[f"deep_features_{when}"].sel(feature=k)
            axes.plot(data["x"], column, color=colour, label=f"feature {k}")
        axes.set(xlabel="x", ylabel="column of UΣ")
        axes.set_title(f"principal features {when} training")
        axes.legend(fontsize="x-small")
    return drawing


def mismatch(data: xr.Dataset) -> Figure:
    drawing, panels = figure(3)
    for axes, kind in zip(panels, ("matched", "mismatched"), strict=False):
        for name, text, colour in zip(
            ("deep", "shallow"), ("deep", "shallow"), COLOURS, strict=False
        ):
            against(axes, data[f"{name}_{kind}"], f"{text}, median, 5–95 %", colour)
        against(axes, data["truth"], colour="black")
        axes.set(ylabel="m(x)", ylim=(-1.5, 2.5))
    left, middle, right = panels
    left.set_title("trained on all of [−1, 1]")
    middle.set_title("trained up to the dotted line")
    middle.axvline(data.attrs["high"], color="0.5", linestyle=":", label="end of the data")
    for name, marker in (("deep", "o"), ("shallow", "x")):
        for kind, colour in zip(("matched", "mismatched"), COLOURS, strict=False):
            right.plot(
                data[f"{name}_{kind}_rank"],
                data[f"{name}_{kind}_outside"],
                marker,
                color=colour,
                markersize=4,
                label=f"{name}, {kind}",
            )
    right.set(yscale="log", xlabel="effective rank outside", ylabel="error outside")
    right.set_title("one feature outside, and no fit")
    for axes in panels:
        axes.legend(fontsize="x-small")
    return drawing


def stability(data: xr.Dataset) -> Figure:
    drawing, (left, middle, right) = figure(3)
    look = (("-", "o"), (":", "s"), ("-.", "^"), ("--", "v"))
    for axes, name in ((left, "failed"), (middle, "spiked")):
        for rate, colour in zip(data["rate"].values, COLOURS * data.sizes["rate"], strict=False):
            for momentum, (dashes, marker) in zip(data["momentum"].values, look, strict=False):
                cell = data.sel(rate=rate, momentum=momentum)
                axes.plot(
                    cell["ratio_of_bin"],
                    cell[f"{name}_of_bin"],
                    linestyle=dashes,
                    marker=marker,
                    markersize=4,
                    color=colour,
                    label=f"η = {rate:g}, μ = {momentum:g}",
                )
        axes.axvline(1, color="black", linestyle="--", linewidth=1, label="predicted edge")
        axes.set(xscale="log", xlabel="σ₁/√((1 + μ)N/η) of the start", ylim=(-0.03, 1.03))
        axes.legend(fontsize="x-small")
    left.set(ylabel="share of networks")
    left.set_title("lost or constant: beyond the edge")
    middle.set(ylabel="share of networks")
    middle.set_title("a loss ten times the first")
    loss = np.maximum(data["large_loss"], 1e-3)
    right.plot(data["step"], loss, color=COLOURS[0], linewidth=0.8, marker=".")
    right.lines[0].set_label("large starts, last finite loss")
    right.set(yscale="log", xlabel="step", ylabel="loss of the batch")
    right.set_title(f"large starts: lost by step {int(data['large_step'].max())}")
    right.legend(fontsize="x-small")
    return drawing


def kernel(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    late = data.isel(step=slice(1, None))
    against(left, late["loss"], "linearised, median, 5–95 %")
    against(left, late["loss_predicted"].median("replicate", keep_attrs=True), colour="black")
    level(left, data.attrs["floor"], "floor: two lines")
    left.lines[-1].set_linestyle(":")
    left.axhline(float(data["trained"].median()), color=COLOURS[1], label="trained network")
    left.set(xscale="log", yscale="log", ylabel="loss")
    left.set_title("a frozen kernel stops at its floor")
    for name, colour in zip(("before", "after"), COLOURS, strict=False):
        against(right, data[f"held_{name}"], f"{name} training", colour, marker="o", markersize=3)
    level(right, data.attrs["reachable"], "two lines")
    right.set(ylabel="share of ‖y‖² in the first features", ylim=(0, 1.02))
    right.set_title("training turns features towards y")
    for axes in (left, right):
        axes.legend(fontsize="x-small")
    return drawing

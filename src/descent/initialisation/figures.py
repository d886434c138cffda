"""Figures of the initialisation family, one function an experiment."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure


def moments(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    for law, colour in (("normal", COLOURS[0]), ("uniform", COLOURS[1])):
        mean, error = data[f"{law}_gradient"], data[f"{law}_error"]
        against(left, mean, f"{law} weights, ± 4 standard errors", colour, marker="o")
        x, low, high = data["layer"], mean - 4 * error, mean + 4 * error
        left.fill_between(x, low.clip(0), high, color=colour, alpha=0.2, linewidth=0)
    against(left, data["gradient_predicted"], "predicted", "black")
    left.set(yscale="log", ylabel="mean of ‖∂(u·f)/∂W_l‖²")
    left.set_title("every layer's gradient")
    left.legend(fontsize="x-small")
    fourth, error = data["fourth"], data["fourth_error"]
    against(right, fourth, "normal weights, ± 4 standard errors", marker="o")
    right.fill_between(
        data["hidden"],
        fourth - 4 * error,
        fourth + 4 * error,
        color=COLOURS[0],
        alpha=0.2,
        linewidth=0,
    )
    against(right, data["fourth_predicted"], colour="black")
    right.set(yscale="log", ylabel="E‖h_l‖⁴/(E‖h_l‖²)²")
    right.set_title("tails grow with depth over width")
    right.legend(fontsize="x-small")
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
    return drawing


def depth(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    own = data.attrs["width"] * data.attrs["deviation"] ** 2
    named = {2.0: "He", 1.0: "LeCun", 4.0: "twice He's"}
    for k, colour in zip(range(data.sizes["gain"]), COLOURS * data.sizes["gain"], strict=False):
        one = data.isel(gain=k)
        gain = float(one["gain"])
        name = (
            f"N(0, {data.attrs['deviation']:g}²)"
            if gain == own
            else named.get(gain, f"n v = {gain:g}")
        )
        against(left, one["median"], f"{name}, median, 5–95 %", colour, marker="o")
        left.fill_between(
            data["depth"], one["low"], one["high"], color=colour, alpha=0.2, linewidth=0
        )
        against(left, one["median_predicted"], "", "black", linewidth=1)
    left.plot([], [], "--", color="black", linewidth=1, label="e^(L(ln v + μ_n))")
    left.set(yscale="log", ylabel="‖∂(u·f)/∂W_1‖²")
    left.set_title("the first layer's gradient against depth")
    left.legend(fontsize="x-small")
    scaled = data.isel(gain=int(np.argmin(np.abs(np.log(data["gain"].values / 2)))))
    unit = scaled["mean_predicted"]
    share = (scaled["mean"] / unit).assign_attrs(long_name="mean")
    error = 4 * scaled["mean_error"] / unit
    against(right, share, "mean, ± 4 standard errors", marker="o")
    right.fill_between(
        data["depth"], share - error, share + error, color=COLOURS[0], alpha=0.2, linewidth=0
    )
    one = xr.ones_like(unit).assign_attrs(long_name="1", role="prediction")
    against(right, one, "E‖G‖² = (n v/2)^L", "black")
    middle = (scaled["median"] / unit).assign_attrs(long_name="median")
    against(right, middle, "median", COLOURS[1], marker="o")
    predicted = scaled["median_predicted"] / unit
    against(right, predicted.assign_attrs(long_name="", role="prediction"), "predicted", COLOURS[1])
    low, high = scaled["low"] / unit, scaled["high"] / unit
    right.fill_between(data["depth"], low, high, color=COLOURS[1], alpha=0.15, linewidth=0)
    for name in ("low", "high"):
        line = (scaled[f"{name}_predicted"] / unit).assign_attrs(long_name="", role="prediction")
        label = "lognormal 5 and 95 %" if name == "low" else ""
        against(right, line, label, COLOURS[1], linestyle=":")
    right.set(yscale="log", ylabel="‖∂(u·f)/∂W_1‖²/(n v/2)^L")
    right.set_title(f"the mean stays, a typical network does not, n = {data.attrs['width']}")
    right.legend(fontsize="x-small")
    return drawing

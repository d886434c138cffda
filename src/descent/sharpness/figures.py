"""Figures of the sharpness family: one function per experiment, named after it."""

import xarray as xr
from matplotlib.figure import Figure

from descent.style import COLOURS, against, figure, level


def mnist(data: xr.Dataset) -> Figure:
    drawing, (left, right) = figure(2)
    for beta, colour in zip(data["beta"].values, COLOURS * data.sizes["beta"], strict=False):
        one = data.sel(beta=beta)
        against(left, one["sharpness"].dropna("t", how="all"), f"β = {beta:g}", colour)
        if beta < 1:
            left.axhline(
                float(one["printed"]),
                color=colour,
                linestyle=":",
                linewidth=1.2,
                label=f"2/(βη), β = {beta:g}",
            )
    level(left, float(data["predicted"][0]), "2(2 − β)/(βη), every β")
    left.set(ylabel="sharpness λ_max(∇²L)", ylim=(0, 2.1 * float(data["predicted"][0])))
    left.set_title("the sharpness rises to the edge and stays")
    left.legend(ncols=2, loc="upper center")
    ratio = data["plateau_over_predicted"].dropna("beta", how="all")  # without what diverged
    if ratio.size:
        against(right, ratio, "measured, median and 5–95 %", marker="o")
    level(right, 1.0, "2(2 − β)/(βη)")
    printed = data["printed"] / data["predicted"]
    against(right, printed.assign_attrs(role="prediction", long_name=""), "2/(βη)", "black")
    right.lines[-1].set_linestyle(":")
    right.set(ylabel="plateau / 2(2 − β)/(βη)", ylim=(0, 1.4))
    right.set_title("the plateau against the two bounds")
    right.legend()
    return drawing

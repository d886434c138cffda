"""The one look of every figure: a prediction is dashed, a measurement solid, labels come from the data."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers tell apart; black is for what is predicted.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F"]

plt.rcParams |= {
    "svg.hashsalt": "descent",  # same data, same bytes
    "svg.fonttype": "none",  # words stay words: half the bytes, and they can be found and read aloud
    "font.sans-serif": ["DejaVu Sans"],
    "axes.prop_cycle": plt.cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": "small",
    "lines.linewidth": 1.6,
}


def figure(panels: int = 1) -> tuple[Figure, list[Axes]]:
    """`panels` axes side by side."""
    drawing, axes = plt.subplots(
        1, panels, figsize=(4.6 * panels + 0.4, 3.4), layout="constrained", squeeze=False
    )
    return drawing, list(axes[0])


def against(
    axes: Axes, curve: xr.DataArray, label: str | None = None, colour: str | None = None, **style
) -> None:
    """Draw an array over one coordinate; over replicates too, as their median and 5–95 % band.

    Prediction or measurement is the array's own `role`.
    """
    predicted = curve.attrs.get("role") == "prediction"
    look = {"linestyle": "--" if predicted else "-", "color": colour} | style
    name = label if label is not None else curve.attrs["long_name"]
    along = next(dim for dim in curve.dims if dim != "replicate")
    x = curve[along]
    if "replicate" in curve.dims:
        with np.errstate(invalid="ignore"):  # between two runs that left float64: no value
            low, middle, high = np.nanquantile(
                curve.transpose("replicate", along), [0.05, 0.5, 0.95], 0
            )
        (line,) = axes.plot(x, middle, label=name, **look)
        axes.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    else:
        axes.plot(x, curve, label=name, **look)
    axes.set(xlabel=x.attrs["long_name"], ylabel=axes.get_ylabel() or curve.attrs["long_name"])


def level(axes: Axes, y: float, label: str) -> None:
    """A horizontal line at a predicted value."""
    axes.axhline(y, color="black", linestyle="--", linewidth=1, label=label)


def power(value: float) -> str:
    """1e-05 as 10⁻⁵ where it is a power of ten, else the number."""
    exponent = np.log10(value)
    if exponent != round(exponent):
        return f"{value:g}"
    return "10" + str(round(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))

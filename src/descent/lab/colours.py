"""The colours of marks and of maps."""

import numpy as np

from descent.figure import Colour, Mark

# Okabe and Ito's palette, which colour-blind readers tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
FARTHEST = 1e300  # of the values of a map: sums and differences of two of them are still numbers
INK, GREY = "#000000", "#999999"


def colour(name: Colour) -> str:
    if isinstance(name, str):
        return {"ink": INK, "grey": GREY}[name]
    return COLOURS[int(name) % len(COLOURS)]


def shades(mark: Mark) -> tuple[float, float]:
    """Values of the two ends of the colours of a heat map; around 0 if they diverge."""
    z = mark.values["z"][np.isfinite(mark.values["z"])].clip(-FARTHEST, FARTHEST)
    low, high = float(z.min()), float(z.max())
    if mark.diverging:
        low, high = -max(-low, high, 0.0), max(-low, high, 0.0)
    given = mark.limits or (None, None)
    low, high = (
        float(g) if g is not None and np.isfinite(g) else found
        for g, found in zip(given, (low, high), strict=True)
    )
    low, high = (float(np.clip(end, -FARTHEST, FARTHEST)) for end in sorted((low, high)))
    apart = max(0.5, 1e-9 * abs(low))
    return (low - apart, high + apart) if high == low else (low, high)


def edges(middles: np.ndarray, scale: str) -> np.ndarray:
    """Borders of cells around these middles, halfway as drawn."""
    at = np.log10(middles) if scale == "log" else middles
    if len(at) == 1:
        found = np.array([at[0] - 0.5, at[0] + 0.5])
    else:
        between = (at[1:] + at[:-1]) / 2
        found = np.concatenate([[2 * at[0] - between[0]], between, [2 * at[-1] - between[-1]]])
    return 10 ** found.clip(-323, 308) if scale == "log" else found

"""The figure of the plane of measurements and starts."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, heat, level, line, moment, panel


def phase(data: xr.Dataset) -> Figure:
    c, alpha, at = data["oversampling"], data["alpha"], data.attrs
    middle = data["error"].median("replicate", skipna=False)
    with np.errstate(divide="ignore"):
        shade = np.log10(middle)
    edge = alpha.where(middle <= at["found"]).max("alpha")
    plane = panel(
        "a small start finds X* from fewer measurements",
        axis(c),
        axis(alpha, "log"),
        heat(c, alpha, shade.T, "log₁₀ of the median error"),
        line(c, edge, f"largest α with an error ≤ {at['found']:g}", 1, width=2.4),
        moment(at["dof"], "dof: below, none", role="bound"),
        moment(at["enough"], f"{at['enough']}dr: small starts find X*"),
        moment(at["threshold"], "δ: beyond, all find X*", 2),
        level(at["small"], "start that the guarantee calls small", 3),
    )
    shown = np.unique(np.linspace(0, c.size - 1, 4).round().astype(int))
    least = data["least_bound"].median("replicate", skipna=False)
    errors = panel(
        "the error over the start",
        axis(alpha, "log"),
        Axis("relative error at t = T", "log", limits=(1e-9, None)),
        *(
            curve(data["error"].isel(oversampling=k, drop=True), f"m/(dr) = {float(c[k]):g}", n)
            for n, k in enumerate(shown)
        ),
        line(alpha, data["most_bound"], "4√(α√d), from 4dr on", "ink", "bound"),
        line(alpha, least.isel(oversampling=-1), "least, at the largest m", "grey", "bound"),
        level(at["found"], "counts as found below", 1),
    )
    return Figure((plane, errors))

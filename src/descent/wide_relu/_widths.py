"""Networks of least norm over the width, against their limit g*: errors, their first order, and the checks of both.

f_n(x) − g*(x) = (1/n) Σ_i w_i² q(c_i) e_{c_i}(x) + O(1/n)
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import require_increasing
from descent.maths.limits import require_at_most, require_cost
from descent.maths.sampling import mean, require_fewest
from descent.result import Check, measured, replicates, sweep
from descent.wide_relu import _data, _network, _spline
from descent.wide_relu._data import Points
from descent.wide_relu._initial import Neurons
from descent.wide_relu._slopes import leverage, rms, slopes

MOST = 0.4  # of the error of the widest networks may be of order 1/n


def require_networks(config, kinds: int) -> None:
    """Refuse widths, replicates and nodes of a grid that show nothing or cost too much.

    Raises:
        ValueError: naming the field and the rule.
    """
    require_increasing("widths", config.widths)
    M = len(config.points)
    if len(config.widths) < 3:
        raise ValueError(f"widths: {len(config.widths)} < 3 show no law")
    if config.widths[0] < 8 * M:
        raise ValueError(f"widths {config.widths[0]} < {8 * M}, eight a point")
    require_at_most(config, "functions of M pieces are compared", nodes=5000, replicates=2000)
    if config.nodes < 4 * M:
        raise ValueError(f"nodes {config.nodes} < {4 * M}, four a point")
    require_fewest("mean", config.replicates, kinds)
    neurons = float(config.replicates * sum(config.widths) * kinds)
    numbers = 8 * neurons + M * config.widths[-1] + config.nodes * config.replicates
    operations = neurons * (40 * M**2 + 300)
    require_cost(config, "replicates, widths, points, nodes", numbers, operations)


def compared(
    data: Points, zeta: _spline.Zeta, drawn: list[Neurons], at: Float[np.ndarray, " p"]
) -> xr.Dataset:
    """Networks of neurons (s, n), one array a width, by their distance from the kernel's solution."""
    kernel = _data.represent(data, zeta)
    goal, rows = kernel(at), {"error": [], "rest": [], "network": []}
    unfit, widths = 0.0, [len(one.w[0]) for one in drawn]
    for one in drawn:
        f, fit = _network.fitted(*data, at, one)
        unfit = max(unfit, float(np.abs(fit.residual).max()))
        rows["error"].append(rms(f - goal))
        rows["rest"].append(rms(f - goal - first_order(data, kernel, one, at)))
        rows["network"].append(f[0])
    each = ("width", "replicate")
    return xr.Dataset(
        {
            "goal": measured("x", goal, "g* by its kernel"),
            "error": measured(each, rows["error"], "rms distance from g*"),
            "rest": measured(each, rows["rest"], "what is beyond the first order"),
            "network": measured(("width", "x"), rows["network"], "f of the first network"),
            "unfit": measured((), unfit, "largest |f(x_j) − y_j|"),
        },
        coords={
            "width": sweep(widths, "width", "neurons n"),
            "x": ("x", at, {"long_name": "x"}),
            "replicate": replicates(len(drawn[0].w)),
        },
    )


def first_order(
    data: Points, kernel: _data.Representer, drawn: Neurons, at: Float[np.ndarray, " p"]
) -> np.ndarray:
    """(1/n) Σ w_i² q(c_i) e_{c_i}: a network with other outer weights, less the limit of its values."""
    c = drawn.breakpoints
    q = np.maximum(data.x - c[..., None], 0) @ kernel.weights * (c > data.x[0])
    a, one = drawn.w**2 * q / c.shape[-1], np.ones_like(c)
    F, F_at = (_network.outputs(x, one, -c, a) for x in (data.x, at))
    return F_at - _spline.interpolate(data.x, F.T, kernel.zeta)(at).T


def doubts(found: xr.Dataset, config) -> tuple[str, ...]:
    """Why nothing can be claimed: a network that cannot fit, or widths too small for the law."""
    reasons, unfit = [], float(found["unfit"].max())
    if not unfit <= 1e-7 * float(np.abs(config.values).max()):
        reasons.append(f"a network misses a point by {unfit:.2g}: it cannot fit all")
    middle = found[["rest", "error"]].median("replicate")
    far = float((middle["rest"] / middle["error"]).isel(width=-1).max())
    if not far <= MOST:
        reasons.append(f"n = {config.widths[-1]}: {far:.2g} of the error is of order 1/n")
    return tuple(reasons)


def of_width(found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    """The constant c of c n^(−1/2) from the upper half of the widths, the slope, and that of what is left."""
    wide = found.isel(width=slice(found.sizes["width"] // 2, None))
    n = wide["width"]
    pooled = mean((n * wide["error"] ** 2).mean("width"))
    constants = np.sqrt(pooled.value)
    # |√a − √b| ≤ |a − b|/√a; the triangle inequality for what is beyond the first order
    tol = pooled.tol / constants + np.sqrt((n * wide["rest"] ** 2).mean(("width", "replicate")))
    exact = theory["error_predicted"].isel(width=slice(-len(n), None))
    exact = (np.sqrt(n) * exact).mean("width")
    share = abs(found["rest"] / found["error"]).median("replicate")
    slope, rest = mean(slopes(found["error"])), mean(slopes(found["rest"]))
    off = slope.tol + (abs(leverage(found["width"])) * np.log1p(share)).sum("width")
    order = "and what is of order 1/n"
    return (
        Check("constant", constants, "==", exact, tol, f"{pooled.why}, {order}"),
        Check("slope", slope.value, "==", theory["slope_predicted"], off, f"{slope.why}, {order}"),
        Check("rest", rest.value, "<=", theory["rest_bound"], rest.tol, rest.why),
    )

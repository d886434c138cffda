"""The distance between a network of n neurons and g* falls like n^(−1/2), whatever the law of the start.

A network sees ζ through n random breakpoints. The first-order effect of that is a mean of n independent functions, whose
size is known; what is left is of order 1/n. Without a line that is fitted freely the limit is another function.

    f_n(x) − g*(x) = (1/n) Σ_i w_i² q(c_i) e_{c_i}(x) + O(1/n),    e_c = [· − c]₊ − (g* through the values of [· − c]₊)
    n E |f_n(x) − g*(x)|² → ∫ ζ₂ q² e_c(x)² dc,    g*'' = ζq,   ζ₂ = p_C E[w⁴ | c]
    no free line:  f_n → g₀ = K₀(·, X)K₀⁻¹y,  a fixed distance from g*

See: left, f of growing widths on g*; right, the error falls along the predicted lines, and with no free line it ends at
the dotted floors.

Source: slides on implicit biases, Theorem 5; arXiv 2006.07356. The constants are derived here.
"""

import numpy as np
import xarray as xr

from descent.config import experiment_config
from descent.maths.sampling import of_error
from descent.result import Check, Result, bound, measured, predicted, sweep
from descent.wide_relu import _data, _network, _spline
from descent.wide_relu._data import points
from descent.wide_relu._initial import initials
from descent.wide_relu._moments import constant
from descent.wide_relu._settings import Started
from descent.wide_relu._slopes import rms, slopes
from descent.wide_relu._widths import compared, doubts, of_width


@experiment_config
class Config(Started):
    """Nothing beside them."""


def predict(config: Config) -> xr.Dataset:
    """Errors to first order, their slope, and the limits without a free line."""
    data, at, laws = points(config), config.grid, initials(config)
    goal = [_spline.interpolate(*data, one.zeta())(at) for one in laws]
    other = [_data.without_line(data, one, at) for one in laws]
    errors = [constant(data, one.zeta(), one.zeta(2), at) / np.sqrt(config.widths) for one in laws]
    floors = [rms(one - g) for one, g in zip(other, goal, strict=True)]
    return xr.Dataset(
        {
            "goal_predicted": predicted(("law", "x"), goal, "g*"),
            "error_predicted": predicted(("law", "width"), errors, "c n^(−1/2)"),
            "slope_predicted": predicted("law", np.full(len(laws), -0.5), "slope"),
            "rest_bound": bound("law", np.full(len(laws), -1.0), "slope of the rest"),
            "floor_predicted": predicted("law", floors, "distance of g₀ from g*"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Networks of least norm, with and without a free line, by their distance from the kernel's solution."""
    data, at, rng = points(config), config.grid, np.random.default_rng(config.seed)
    runs, bare = [], []
    for law in initials(config):
        drawn = [law.draw(rng, config.replicates, n) for n in config.widths]
        runs.append(compared(data, law.zeta(), drawn, at))
        without = _network.fitted(*data, at, drawn[-1], degree=-1)[0]
        bare.append(without - runs[-1]["goal"].values)
    middle = np.mean(bare, 1)
    blur = np.sqrt(np.var(bare, axis=1, ddof=1).mean(-1) / config.replicates)
    law = sweep([one.label for one in initials(config)], "law", "law of the start")
    floors = {
        "floor": measured("law", rms(middle), "mean distance without a free line"),
        "blur": measured("law", blur, "its standard error"),
    }
    return xr.concat(runs, "law").assign_coords(law=law).assign(floors)


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    reasons = doubts(found, config)
    return Result(
        data=found.merge(theory),
        metrics={"slope": slopes(found["error"]).mean("replicate"), "floor": found["floor"]},
        checks=() if reasons else compare(config, found, theory),
        no_claim=reasons,
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    size = float(np.abs(found["network"]).max())
    floor = of_error(found["floor"], found["blur"], config.replicates - 1)
    goal, limit = theory["goal_predicted"], theory["floor_predicted"]
    lost = "rounding times condition number"
    return (
        Check("goal", found["goal"], "==", goal, 1e-6 * size, lost),
        *of_width(found, theory),
        Check("floor_without_a_line", floor.value, "==", limit, floor.tol, floor.why),
    )

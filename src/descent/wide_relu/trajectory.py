"""At every time a network of infinite width is near a smoothing spline: within 0.2036 of the data, not on it.

Both shrink the same modes of the data, gradient descent by e^(−s) and the spline by 1/(1 + s) with s = 2η̄tκ, if λ is
1/(2η̄t) and the line is fitted freely. The two factors differ by 0.2036 at most, at s = 2.513, whatever the data.

    L = Σ (f(x_j) − y_j)²,  step η̄/n;   NᵀKN = UκUᵀ,  c = UᵀNᵀy:     f_t: (1 − e^{−s})c,   spline: s/(1 + s) c
    spline(t) = argmin Σ (g(x_j) − y_j)² + λ ∫ g''²/ζ,   λ = 1/(2η̄t)
    gap(t) = ‖f_t(X) − spline(X)‖/‖Nᵀy‖ ≤ max_s |1 − e^{−s} − s/(1 + s)| = 0.203632
    n neurons: max over t of the distance from the infinite network ~ n^(−1/2)

See: left, both paths in the plane of their first two principal components; middle, their gap and its bound; right,
networks of n neurons follow the infinite one up to n^(−1/2).

Source: slides on implicit biases, "Optimization trajectory in function space"; arXiv 2006.07356. The slides say that smoothing
splines describe the trajectory and print λ = 1/(η̄t); they approximate it, with the gap that is shown here, and the 2 of
the gradient of a sum of squares makes λ = 1/(2η̄t).
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, experiment_config
from descent.maths.limits import require_within
from descent.maths.sampling import mean
from descent.result import (
    Check,
    Erratum,
    Result,
    bound,
    measured,
    predicted,
    replicates,
    steps,
    sweep,
)
from descent.wide_relu import _network, _spline
from descent.wide_relu._data import points
from descent.wide_relu._initial import initials
from descent.wide_relu._paths import (
    Kernel,
    Paths,
    furthest,
    infinite,
    networks,
    principal,
    steps_of,
)
from descent.wide_relu._settings import Started
from descent.wide_relu._slopes import slopes

METHODS = ["gradient descent", "smoothing spline"]
LOST = 1e-4  # of the data: what rounding may take over all steps


@experiment_config
class Config(Started):
    step: Positive  # 2η̄ times the largest eigenvalue
    times: Count  # of a path

    def __post_init__(self):
        super().__post_init__()
        require_within("step", self.step, 1e-4, 0.05, "the flow is compared with the spline")
        require_within("times", self.times, 10, 100, "of a path through all modes")

    @property
    def kernels(self) -> list[Kernel]:
        return [Kernel.of(points(self), one.zeta(), self.step) for one in initials(self)]


def predict(config: Config) -> xr.Dataset:
    """The gap mode by mode, its bound, the share of two components, and a slope."""
    data, at = points(config), config.grid
    gaps, shares = [], []
    for one in config.kernels:
        t = steps_of(one, config.times)
        left = np.exp(t[:, None] * np.log1p(-one.step * one.kappa / one.kappa[-1]))
        s = t[:, None] * one.step * one.kappa / one.kappa[-1]
        both = np.array([1 - left, s / (1 + s)])
        coefficients = both * one.target
        gaps.append(np.linalg.norm(coefficients[0] - coefficients[1], axis=-1))
        gaps[-1] /= np.linalg.norm(one.target)
        curves = one.functions(data, coefficients.reshape(-1, len(one.kappa)), at)
        shares.append(principal(curves)[0])
    return xr.Dataset(
        {
            "gap_predicted": predicted(("law", "time"), gaps, "predicted"),
            "gap_bound": bound("law", [furthest()] * len(config.laws), "largest gap of a mode"),
            "share_predicted": predicted(("law", "axis"), shares, "share of two components"),
            "slope_predicted": predicted("law", [-0.5] * len(config.laws), "slope"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Powers of the step's matrix, splines from the banded system, and networks of finite width."""
    data, at, rng = points(config), config.grid, np.random.default_rng(config.seed)
    rows: dict[str, list] = {name: [] for name in ("gap", "share", "plane", "s", "error", "lost")}
    curves = []
    size = np.linalg.norm(_network.free(_network.polynomials(data.x)).T @ data.y)
    for one, law in zip(config.kernels, initials(config), strict=True):
        t = steps_of(one, config.times)
        ran = infinite(one, data, t, at)
        lam = one.lam(t)
        splines = [_spline.smooth(*data, law.zeta(), each) for each in lam]
        smooth = Paths(np.array([g.values for g in splines]), np.array([g(at) for g in splines]))
        rows["gap"].append(np.linalg.norm(ran.fitted - smooth.fitted, axis=-1) / size)
        share, plane = principal(np.concatenate([ran.curves, smooth.curves]))
        rows["share"].append(share)
        rows["plane"].append(plane.reshape(2, len(t), 2))
        rows["s"].append(t * one.step)
        rows["lost"].append(_network.EPS * t[-1])
        drawn = [law.draw(rng, config.replicates, n) for n in config.widths]
        rows["error"].append([networks(data, each, one, t, at, ran.curves) for each in drawn])
        curves.append(np.array([ran.curves, smooth.curves]))
    return xr.Dataset(
        {
            "gap": measured(("law", "time"), rows["gap"], "gap at the points, of the data"),
            "share": measured(("law", "axis"), rows["share"], "share of two components"),
            "plane": measured(("law", "method", "time", "axis"), rows["plane"], "components"),
            "s": measured(("law", "time"), rows["s"], "2η̄t times the largest eigenvalue"),
            "lost": measured("law", rows["lost"], "rounding of all steps"),
            "error": measured(
                ("law", "width", "replicate"), rows["error"], "largest distance over time"
            ),
            "curve": measured(("law", "method", "time", "x"), curves, "functions on the paths"),
        },
        coords={
            "law": sweep([one.label for one in initials(config)], "law", "law of the start"),
            "width": sweep(config.widths, "width", "neurons n"),
            "time": steps(np.arange(config.times) + 1, "time", "point of the path"),
            "axis": ("axis", [1, 2], {"long_name": "principal component"}),
            "method": ("method", METHODS, {"long_name": "method"}),
            "x": ("x", at, {"long_name": "x"}),
            "replicate": replicates(config.replicates),
        },
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    lost = float(found["lost"].max())
    reasons = (
        () if lost <= LOST else (f"{lost:.2g} of the data is lost to rounding over all steps",)
    )
    middle = np.sqrt((found["error"] ** 2).mean(("replicate", "width")))
    root = np.sqrt(1 / (1 / found["width"]).mean() / found["width"])
    line = (middle * root).transpose("law", "width").assign_attrs(long_name="slope −1/2")
    return Result(
        data=found.merge(theory).assign(error_line=line),
        metrics={
            "largest_gap": found["gap"].max("time"),
            "slope": slopes(found["error"]).mean("replicate"),
        },
        checks=() if reasons else compare(config, found, theory),
        errata=() if reasons else refute(config, found, theory),
        no_claim=reasons,
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    lost = 1e3 * found["lost"] + 1e-9
    # (1 − h)^t against e^(−ht): at most h/2 · max s e^(−s), and a little for h²
    discrete = config.step * 0.2
    slope, upper = mean(slopes(found["error"])), found["error"][:, len(config.widths) // 2 :]
    upper = slopes(upper) if upper.sizes["width"] > 1 else slopes(found["error"])
    bend = abs(upper.mean("replicate") - slope.value)
    steep, share = theory["slope_predicted"], theory["share_predicted"]
    bounded = theory["gap_bound"]
    rounding = "rounding of all steps"
    return (
        Check("gap", found["gap"], "==", theory["gap_predicted"], lost, rounding),
        Check("largest_gap", found["gap"].max("time"), "<=", bounded, discrete, "order of a step"),
        Check("principal_components", found["share"], "==", share, lost, rounding),
        Check("slope", slope.value, "==", steep, slope.tol + bend, f"{slope.why}, and its bend"),
    )


def refute(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Erratum, ...]:
    where = "slides on implicit biases, trajectory: largest gap to smoothing splines, of the data"
    gap, exact = float(found["gap"].max()), float(theory["gap_predicted"].max())
    return (Erratum("described_by_smoothing_splines", where, 0.0, exact, gap, 1e-6),)

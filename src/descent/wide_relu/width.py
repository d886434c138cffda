"""The distance between a network of n neurons and its limit g* falls like n^(−1/2), whatever the law of its start.

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

from descent.config import Count, Number, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_at_most, require_cost
from descent.maths.sampling import mean, of_error, require_fewest
from descent.result import Check, Result, bound, measured, predicted, replicates, sweep
from descent.wide_relu import _data, _network, _spline
from descent.wide_relu._data import points, require_bent, require_points
from descent.wide_relu._initial import Initial, Law, initials, require_initials, require_range

FINE = 8  # panels between two neighbouring kinks


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # networks of each width
    widths: tuple[Count, ...]  # n
    points: tuple[Number, ...]  # x_j, increasing
    values: tuple[Number, ...]  # y_j
    laws: tuple[Law, ...]
    weights: tuple[Positive, ...]  # scale of w for each law
    biases: tuple[Positive, ...]  # scale of b
    nodes: Count  # of the grid on which functions are compared

    def __post_init__(self):
        require_points(self)
        require_bent(self)
        require_initials(self)
        require_range(self)
        require_increasing("widths", self.widths)
        if len(self.widths) < 3:
            raise ValueError(f"widths: {len(self.widths)} < 3 show no law")
        if self.widths[0] < 8 * len(self.points):
            raise ValueError(f"widths {self.widths[0]} < {8 * len(self.points)}, eight a point")
        require_at_most(self, "functions of M pieces are compared", nodes=5000, replicates=2000)
        if self.nodes < 4 * len(self.points):
            raise ValueError(f"nodes {self.nodes} < {4 * len(self.points)}, four a point")
        require_fewest("mean", self.replicates, len(self.laws))
        size = float(self.replicates * sum(self.widths) * len(self.laws))
        fields = "replicates, widths, points, nodes"
        most = len(self.points) * self.widths[-1] + self.nodes * self.replicates
        operations = size * (40 * len(self.points) ** 2 + 300)
        require_cost(self, fields, 8 * most, operations)

    @property
    def grid(self) -> np.ndarray:
        return np.linspace(self.points[0], self.points[-1], self.nodes)


def rms(values: np.ndarray) -> np.ndarray:
    return np.sqrt((values**2).mean(-1))


def constant(config: Config, initial: Initial) -> float:
    """√n times the error's root mean square over seeds and points."""
    (x, y), zeta, at = points(config), initial.zeta(), config.grid
    g, cardinal = _spline.interpolate(x, y, zeta), _spline.interpolate(x, np.eye(len(x)), zeta)(at)
    ends = _spline.panels(x[0], x[-1], x, zeta.edges)
    shares = np.arange(FINE) / FINE
    ends = np.r_[(ends[:-1, None] + np.diff(ends)[:, None] * shares).ravel(), ends[-1]]
    c, weight = (one.ravel() for one in _spline.nodes(ends))
    q = g.second(c) / np.where(zeta.value(c) > 0, zeta.value(c), 1)
    left = np.maximum(at[:, None] - c, 0) - cardinal @ np.maximum(x[:, None] - c, 0)
    return float(np.sqrt((left**2 @ (weight * initial.zeta(2).value(c) * q**2)).mean()))


def predict(config: Config) -> xr.Dataset:
    """Errors to first order, their slope, and the limits without a free line."""
    data, at, laws = points(config), config.grid, initials(config)
    goal = [_spline.interpolate(*data, one.zeta())(at) for one in laws]
    other = [_data.without_line(data, one, at) for one in laws]
    errors = [constant(config, one) / np.sqrt(config.widths) for one in laws]
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
    each = (len(config.laws), config.replicates, len(config.widths))
    error, rest, bare = np.zeros(each), np.zeros(each), []
    goals = []
    shown, unfit = np.zeros((each[0], each[2], len(at))), 0.0
    for k, law in enumerate(initials(config)):
        kernel = _data.represent(data, law.zeta())
        goal = kernel(at)
        goals.append(goal)
        for i, n in enumerate(config.widths):
            drawn = law.draw(rng, config.replicates, n)
            f, fit = _network.fitted(*data, at, drawn)
            unfit = max(unfit, float(np.abs(fit.residual).max()))
            first = _first_order(data, kernel, drawn, at)
            error[k, :, i], rest[k, :, i] = rms(f - goal), rms(f - goal - first)
            shown[k, i] = f[0]
        bare.append(_network.fitted(*data, at, drawn, degree=-1)[0] - goal)
    middle = np.mean(bare, 1)
    blur = np.sqrt(np.var(bare, axis=1, ddof=1).mean(-1) / config.replicates)
    each = ("law", "replicate", "width")
    return xr.Dataset(
        {
            "goal": measured(("law", "x"), goals, "g* by its kernel"),
            "error": measured(each, error, "rms distance from g*"),
            "rest": measured(each, rest, "what is beyond the first order"),
            "floor": measured("law", rms(middle), "mean distance without a free line"),
            "blur": measured("law", blur, "its standard error"),
            "network": measured(("law", "width", "x"), shown, "f of the first network"),
            "unfit": measured((), unfit, "largest |f(x_j) − y_j|"),
        },
        coords={
            "law": sweep([one.label for one in initials(config)], "law", "law of the start"),
            "width": sweep(config.widths, "width", "neurons n"),
            "x": ("x", at, {"long_name": "x"}),
            "replicate": replicates(config.replicates),
        },
    )


def _first_order(data, kernel: _data.Representer, drawn, at: np.ndarray) -> np.ndarray:
    """(1/n) Σ w_i² q(c_i) e_{c_i}: a network with other outer weights, less its own kernel solution."""
    c = drawn.breakpoints
    q = np.maximum(data.x - c[..., None], 0) @ kernel.weights * (c > data.x[0])
    a, one = drawn.w**2 * q / c.shape[-1], np.ones_like(c)
    F, F_at = (_network.outputs(x, one, -c, a) for x in (data.x, at))
    return F_at - _spline.interpolate(data.x, F.T, kernel.zeta)(at).T


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    size = float(np.abs(config.values).max())
    reasons = []
    if not float(found["unfit"]) <= 1e-7 * size:
        reasons.append(
            f"a network misses a point by {float(found['unfit']):.2g}: it cannot fit all"
        )
    far = (found["rest"].median("replicate") / found["error"].median("replicate"))[:, -1]
    if not float(far.max()) <= 0.4:
        reasons.append(
            f"n = {config.widths[-1]}: {float(far.max()):.2g} of the error is of order 1/n"
        )
    return Result(
        data=found.merge(theory),
        metrics={"slope": slopes(found["error"]).mean("replicate"), "floor": found["floor"]},
        checks=() if reasons else compare(config, found, theory),
        no_claim=tuple(reasons),
    )


def slopes(values: xr.DataArray) -> xr.DataArray:
    """Of log values over log n."""
    return (np.log(values) * leverage(values["width"])).sum("width")


def leverage(width: xr.DataArray) -> xr.DataArray:
    """What each width contributes to a slope."""
    centred = np.log(width) - np.log(width).mean()
    return centred / (centred**2).sum()


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    size = float(np.abs(found["network"]).max())
    wide = found.isel(width=slice(len(config.widths) // 2, None))
    n = wide["width"]
    pooled = mean((n * wide["error"] ** 2).mean("width"))
    constants = np.sqrt(pooled.value)
    # |√a − √b| ≤ |a − b|/√a; the triangle inequality for what is beyond the first order
    tol = pooled.tol / constants + np.sqrt((n * wide["rest"] ** 2).mean(("width", "replicate")))
    predicted_constants = np.sqrt((n * theory["error_predicted"][:, -len(n) :] ** 2).mean("width"))
    share = (found["rest"] / found["error"]).median("replicate")
    slope = mean(slopes(found["error"]))
    off = slope.tol + (abs(leverage(found["width"])) * np.log1p(share)).sum("width")
    rest = mean(slopes(found["rest"]))
    floor = of_error(found["floor"], found["blur"], config.replicates - 1)
    first, goal = theory["slope_predicted"], theory["goal_predicted"]
    order = "and what is of order 1/n"
    return (
        Check("goal", found["goal"], "==", goal, 1e-6 * size, "rounding times condition number"),
        Check("constant", constants, "==", predicted_constants, tol, f"{pooled.why}, {order}"),
        Check("slope", slope.value, "==", first, off, f"{slope.why}, {order}"),
        Check("rest", rest.value, "<=", theory["rest_bound"], rest.tol, rest.why),
        Check(
            "floor_without_a_line",
            floor.value,
            "==",
            theory["floor_predicted"],
            floor.tol,
            floor.why,
        ),
    )

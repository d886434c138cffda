"""Without a free line the cubic spline is reached only as breakpoints spread over (−a, a): like 1/a or 1/a³.

Neurons whose breakpoints are far outside the points are straight on them, and the wider the range, the more of those
there are: they make lines cheap. A slope costs a curvature of size 1/a, and a height one of size 1/a³.

    w = ±1, b ~ U(−a, a), ζ = 1/(2a):   K₀(x, y) = ζ (|x − y|³/12 + a xy + a³/3),   f_∞ = K₀(·, X)K₀⁻¹y
    g* = Σ_j l_j |x − x_j|³/12 + β₀ + β₁x, the natural cubic spline;   f_∞ − g* = the function of the same system with
         values 0 and sums Pᵀl = (3β₀/a³, β₁/a), up to the square of that
    so rms (f_∞ − g*) ∝ 1/a if β₁ ≠ 0, and ∝ 1/a³ if β₁ = 0

Each tilt adds a line to the values so that β₁ is the tilt, in parts of the values' size over the points'.

See: the distance from the cubic spline falls along the predicted lines; the mean of random networks begins on them.

Source: slides on implicit biases, the last pages: arXiv 1906.07842 for the cubic spline. The exponents are derived here.
"""

import numpy as np
import xarray as xr
from scipy.interpolate import CubicSpline

from descent.config import Count, Number, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost, require_within
from descent.maths.sampling import of_error, require_fewest
from descent.result import Check, Result, measured, predicted, sweep
from descent.wide_relu import _data, _network
from descent.wide_relu._data import Points, points, require_bent, require_points
from descent.wide_relu._initial import Initial
from descent.wide_relu._network import EPS
from descent.wide_relu._saddle import Saddle
from descent.wide_relu._slopes import rms

LOST = 1e-3  # of the distance at the smallest range
KNOWN = 0.5  # of the power: enough to tell −1 from −3


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # networks of each range
    width: Count  # n
    points: tuple[Number, ...]
    values: tuple[Number, ...]
    tilts: tuple[Number, ...]  # β₁; 0: none
    ranges: tuple[Positive, ...]  # a, in parts of the largest |x_j|
    nodes: Count  # of the grid on which functions are compared

    def __post_init__(self):
        require_points(self)
        require_bent(self)
        require_increasing("tilts", self.tilts)
        require_increasing("ranges", self.ranges)
        require_within("ranges", self.ranges, 1, 100, "from the points to 1e-6 of rounding")
        require_within("nodes", self.nodes, 4 * len(self.points), 5000, "four a point")
        require_fewest("mean", self.replicates, len(self.ranges) * len(self.tilts))
        if not self.tilts or len(self.ranges) < 2 or self.ranges[-1] < 8:
            raise ValueError("ranges: two or more, up to 8 or further, where a law shows")
        if self.width < 8 * len(self.points):
            raise ValueError(f"width {self.width} < {8 * len(self.points)}: eight a point")
        work = float(self.replicates * len(self.ranges) * self.width)
        cost = 50 * work * (len(self.points) ** 2 + len(self.tilts))
        require_cost(self, "replicates, ranges, width", 4 * work + 1e4, cost)

    @property
    def grid(self) -> np.ndarray:
        return np.linspace(self.points[0], self.points[-1], self.nodes)

    @property
    def far(self) -> float:
        return float(np.abs(self.points).max())


def cubic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.abs(x[:, None] - y) ** 3 / 12


def scaled(config: Config) -> tuple[list[Points], np.ndarray]:
    """Points in parts of the largest |x|, values of each tilt in parts of their size, and the grid."""
    x, y = points(config)
    x, y, at = x / config.far, y / np.abs(y).max(), config.grid / config.far
    P = np.vander(x, 2, increasing=True)
    slope = Saddle.of(cubic(x, x), P).solve(y)[1][1]
    return [Points(x, y + (tilt - slope) * x) for tilt in config.tilts], at


def predict(config: Config) -> xr.Dataset:
    """The distance by the closed kernel, and its leading term."""
    data, at = scaled(config)
    distance, leading = [], []
    P, P_at = (np.vander(v, 2, increasing=True) for v in (data[0].x, at))
    for x, y in data:
        spline = CubicSpline(x, y, bc_type="natural")(at)
        system, far, first = Saddle.of(cubic(x, x), P), [], []
        line = system.solve(y)[1]
        for a in config.ranges:
            K, K_at = (cubic(v, x) + a * np.outer(v, x) + a**3 / 3 for v in (x, at))
            far.append(rms(K_at @ np.linalg.solve(K, y) - spline))
            l, beta = system.solve(np.zeros(len(x)), line / [a**3 / 3, a])
            first.append(rms(cubic(at, x) @ l + P_at @ beta))
        distance.append(far)
        leading.append(first)
    each = ("tilt", "range")
    power = [-1.0 if tilt else -3.0 for tilt in config.tilts]
    return xr.Dataset(
        {
            "distance_predicted": predicted(each, distance, "closed kernel"),
            "leading_predicted": predicted(each, leading, "leading term"),
            "power_predicted": predicted("tilt", power, "power of a"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """The limit by a quadrature over neurons, and means of random networks."""
    data, at = scaled(config)
    none, rows = (
        np.zeros((len(config.points), 0)),
        {"distance": [], "error": [], "blur": [], "lost": []},
    )
    for place, a in enumerate(config.ranges):
        law, rng = Initial("binary_uniform", 1, a), np.random.default_rng([config.seed, place])
        w, b = law.draw(rng, config.replicates, config.width)
        Phi = _network.features(data[0].x, w, b)
        condition = np.linalg.cond(_data.whole_kernel(data[0].x, data[0].x, law))
        mine = {name: [] for name in rows}
        for x, y in data:
            spline = CubicSpline(x, y, bc_type="natural")(at)
            mine["distance"].append(rms(_data.without_line(Points(x, y), law, at) - spline))
            mine["lost"].append(4 * EPS * condition * np.abs(y).max())
            f = _network.outputs(at, w, b, _network.least_norm(Phi, y, none).a)
            mine["error"].append(rms(f.mean(0) - spline))
            mine["blur"].append(np.sqrt(f.var(0, ddof=1).mean() / len(f)))
        for name in rows:
            rows[name].append(mine[name])
    each = ("range", "tilt")
    return xr.Dataset(
        {
            "distance": measured(each, rows["distance"], "infinitely wide"),
            "error": measured(each, rows["error"], f"mean of {config.width} neurons"),
            "lost": measured(each, rows["lost"], "rounding × condition of the kernel"),
            "blur": measured(each, rows["blur"], "its standard error"),
        },
        coords={
            "tilt": sweep(config.tilts, "tilt", "slope β₁"),
            "range": sweep(config.ranges, "range", "range a of the breakpoints, of the points'"),
        },
    ).transpose("tilt", "range")


def power(distance: xr.DataArray) -> xr.DataArray:
    """Of the last two ranges."""
    last = np.log(distance.isel(range=slice(-2, None)))
    return last.diff("range").isel(range=0, drop=True) / np.diff(np.log(distance["range"][-2:]))[0]


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config).assign_coords(found.coords)
    part = float((found["lost"] / found["distance"]).isel(range=0).max())
    reasons = (f"rounding takes {part:.2g} of the distance",) if not part <= LOST else ()
    off = float(uncertain(found, theory).max(skipna=False))
    early = {"power": f"ranges {config.ranges[-1]:g}: the power is known to {off:.2g} only"}
    checks = () if reasons else compare(config, found, theory)
    return Result(
        data=found.merge(theory),
        metrics={"distance": found["distance"], "power": power(found["distance"])},
        checks=tuple(one for one in checks if one.name != "power" or off <= KNOWN),
        no_claim=reasons,
        unchecked={} if off <= KNOWN else early,
    )


def uncertain(found: xr.Dataset, theory: xr.Dataset) -> xr.DataArray:
    """How far the power may be from its limit: by later terms, by both powers in the leading one, by rounding."""
    exact, leading = theory["distance_predicted"], theory["leading_predicted"]
    rest = abs(np.log(exact / leading)) + found["lost"] / exact
    ratio = found["range"][-1] / found["range"][-2]
    own = power(leading)
    mixed = np.minimum(abs(own + 1), abs(own + 3))
    return rest.isel(range=slice(-2, None)).sum("range") / np.log(ratio).item() + mixed


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    exact, limit, a = theory["distance_predicted"], found["distance"], found["range"]
    lost = found["lost"] + 1e-9 * limit
    networks = of_error(found["error"], found["blur"], config.replicates - 1)
    ratio, ends = (a[-1] / a[-2]).item(), limit.isel(range=-1, drop=True)
    # a part 1/a of the leading term, read off where it is larger
    before = limit.isel(range=-2, drop=True)
    part = 2 * abs(ends / before * ratio ** -theory["power_predicted"] - 1) / (ratio - 1)
    near, last = part * ends + lost.isel(range=-1, drop=True), theory["leading_predicted"]
    last, steep = last.isel(range=-1, drop=True), theory["power_predicted"]
    off, why = uncertain(found, theory), "later terms of the expansion, and rounding"
    return (
        Check("limit", limit, "==", exact, lost, "rounding times the condition of the kernel"),
        Check("leading", ends, "==", last, near, "twice the next order"),
        Check("power", power(limit), "==", steep, off, why),
        Check("networks", networks.value, "==", exact, networks.tol, networks.why),
    )

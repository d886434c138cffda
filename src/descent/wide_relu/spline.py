"""Among all functions through the points the least curvature, weighted by 1/ζ, is a spline of M numbers.

The optimality conditions leave g'' = ζq with q piecewise linear between the points and 0 outside of them, so g* comes
from a banded system to machine precision. A network of least norm has the same shape at every width: its outer weights
over |w_i| lie on a piecewise linear function of the breakpoints.

    g* = argmin ∫ g''²/ζ,  g(x_j) = y_j:     Tm = Qᵀy,  q = Σ m_j Λ_j;   ∫ g*''²/ζ = mᵀTm = lᵀy
    the same:  g = Pβ + Σ l_j K(·, x_j),  K(x, y) = ∫ ζ [x − c]₊[y − c]₊;   a quadratic programme on a grid
    network of least ‖a‖ beside a free line:  a_i/|w_i| = Σ_j l_j [x_j − c_i]₊,  Σ l_j = Σ l_j x_j = 0

See: left, g* of each law of the start; right, n a_i/|w_i| of a network at its breakpoints, on the predicted kinked line.

Source: slides on implicit biases, Theorem 5; arXiv 2006.07356. The banded system is Reinsch's, Numerische Mathematik 10
(1967), with a weight.
"""

import numpy as np
import xarray as xr
from scipy.interpolate import CubicSpline

from descent.config import Count, Number, Positive, Seed, experiment_config
from descent.maths.limits import require_at_most, require_cost
from descent.result import Check, Result, measured, predicted, sweep
from descent.wide_relu import _data, _network, _spline
from descent.wide_relu._data import points, require_bent, require_points
from descent.wide_relu._grid import programme, split
from descent.wide_relu._initial import Law, initials, require_initials, require_range
from descent.wide_relu._network import EPS

LOST = 1e-4  # of the values: what rounding may take of the kernel's solution


@experiment_config
class Config:
    seed: Seed
    points: tuple[Number, ...]  # x_j, increasing
    values: tuple[Number, ...]  # y_j
    laws: tuple[Law, ...]
    weights: tuple[Positive, ...]  # scale of w for each law
    biases: tuple[Positive, ...]  # scale of b
    neurons: Count  # of the networks of least norm
    parts: Count  # of every gap in the programme's coarse grid; the fine one has twice as many

    def __post_init__(self):
        require_points(self)
        require_bent(self)
        require_initials(self)
        require_range(self)
        require_at_most(self, "g* is looked at, not stored", neurons=100_000, parts=2000)
        if self.parts < 10:
            raise ValueError(f"parts {self.parts} < 10: the programme's error must be small")
        if self.neurons < 4 * len(self.points):
            raise ValueError(f"neurons {self.neurons} < {4 * len(self.points)}, four a point")
        size = len(self.points) * (self.neurons + 32 * self.parts * len(self.points))
        require_cost(self, "points, parts, neurons", 16 * size, 1000 * size)

    @property
    def edges(self) -> np.ndarray:
        """The points, and where some ζ has a kink or a jump."""
        x = points(self).x
        bends = [one.zeta().edges for one in initials(self)]
        return _spline.panels(x[0], x[-1], x, *bends)

    @property
    def grid(self) -> np.ndarray:
        return split(self.edges, self.parts)


def draw(config: Config) -> list:
    """The neurons of one network a law."""
    rng = np.random.default_rng(config.seed)
    return [one.draw(rng, config.neurons) for one in initials(config)]


def predict(config: Config, drawn: list) -> xr.Dataset:
    """g* and its energy from the banded system, and where the weights of a network have to lie."""
    data, at = points(config), config.grid
    found = [_spline.interpolate(*data, one.zeta()) for one in initials(config)]
    N, q = _network.free(_network.polynomials(data.x)), []
    for w, b in drawn:
        A = N.T @ _network.features(data.x, w, b)
        ell = config.neurons * N @ np.linalg.solve(A @ A.T, N.T @ data.y)
        q.append(np.maximum(data.x[:, None] + b / w, 0).T @ ell)
    cubic = _spline.interpolate(*data, _spline.constant())(at)
    return xr.Dataset(
        {
            "g_predicted": predicted(("law", "x"), [one(at) for one in found], "g*"),
            "energy_predicted": predicted("law", [one.energy for one in found], "∫ g*''²/ζ"),
            "outer_predicted": predicted(("law", "neuron"), q, "n Σ l_j [x_j − c_i]₊"),
            "cubic_predicted": predicted("x", cubic, "g* for constant ζ"),
        }
    )


def measure(config: Config, drawn: list) -> xr.Dataset:
    """g from the kernel, from programmes on two grids, and the weights of networks of least norm."""
    data, at, P = points(config), config.grid, _network.polynomials(points(config).x)
    rows = {
        name: [] for name in ("g", "energy", "lost", "change", "fine", "outer", "spread", "lever")
    }
    for initial, (w, b) in zip(initials(config), drawn, strict=True):
        zeta = initial.zeta()
        kernel = _data.represent(data, zeta)
        Phi = _network.features(data.x, w, b)
        modes = _network.modes(Phi, data.y, P)
        a = _network.least_norm(Phi, data.y, P).a
        rows["g"].append(kernel(at))
        rows["energy"].append(kernel.weights @ data.y)
        rows["lever"].append(np.abs(kernel.weights).sum())
        rows["lost"].append(EPS * kernel.condition)
        fine = programme(data, zeta, split(config.edges, 2 * config.parts))[::2]
        rows["change"].append(np.abs(fine - programme(data, zeta, at)).max())
        rows["fine"].append(fine)
        rows["outer"].append(config.neurons * a / np.abs(w))
        rows["spread"].append(EPS * modes.mu.max() / max(modes.mu.min(), 1e-300))
    breakpoints = [-b / w for w, b in drawn]
    each = ("law", "x")
    return xr.Dataset(
        {
            "g": measured(each, rows["g"], "g* from its kernel"),
            "energy": measured("law", rows["energy"], "lᵀy"),
            "lost": measured("law", rows["lost"], "rounding × condition of its system"),
            "fine": measured(each, rows["fine"], "programme on a grid"),
            "change": measured("law", rows["change"], "what halving its step has changed"),
            "outer": measured(("law", "neuron"), rows["outer"], "n a_i/|w_i|"),
            "spread": measured("law", rows["spread"], "rounding × condition of the network's"),
            "lever": measured("law", rows["lever"], "Σ |l_j|"),
            "breakpoint": measured(("law", "neuron"), breakpoints, "breakpoint c_i"),
            "cubic": measured("x", CubicSpline(*data, bc_type="natural")(at), "natural spline"),
        },
        coords={
            "law": sweep([one.label for one in initials(config)], "law", "law of the start"),
            "x": ("x", at, {"long_name": "x"}),
            "neuron": ("neuron", np.arange(config.neurons), {"long_name": "neuron i"}),
        },
    )


def run(config: Config) -> Result:
    drawn = draw(config)
    found, theory = measure(config, drawn), predict(config, drawn)
    reasons = []
    for name, what in (("lost", "the kernel's system"), ("spread", "the network's features")):
        worst = float(found[name].max())
        if not worst <= LOST:
            reasons.append(f"{what}: rounding takes {worst:.1g} of the values, above {LOST:g}")
    given = {"points": ("j", points(config).x, {"long_name": "x_j"})}
    given["values"] = ("j", points(config).y, {"long_name": "y_j"})
    j = ("j", np.arange(len(config.points)), {"long_name": "point j"})
    return Result(
        data=found.merge(theory).assign(given).assign_coords(j=j),
        metrics={"energy": found["energy"]},
        checks=() if reasons else compare(config, found, theory),
        no_claim=tuple(reasons),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    size = float(np.abs(found["g"]).max())
    lost = found["lost"] * size + 1e-12 * size
    bent = found["lost"] * abs(found["energy"]) + 1e-10 * abs(found["energy"])
    order = 2 * found["change"] + 1e-9 * size
    most = abs(found["outer"]).max("neuron")
    # far from the points terms of the size of c_i l_j cancel
    far = 100 * EPS * found["lever"] * abs(found["breakpoint"])
    kinks = (found["spread"] + 1e-12) * most + far
    rounding = "rounding times the condition number"
    outer, line = found["outer"], theory["outer_predicted"]
    cubic, goal = (found["cubic"], theory["cubic_predicted"]), theory["g_predicted"]
    return (
        Check("kernel", found["g"], "==", goal, lost, rounding),
        Check("energy", found["energy"], "==", theory["energy_predicted"], bent, rounding),
        Check("programme", found["fine"], "==", goal, order, "twice its last change"),
        Check("outer_weights", outer, "==", line, kinks, rounding),
        Check("constant_zeta", cubic[0], "==", cubic[1], 1e-10 * size, "rounding"),
    )

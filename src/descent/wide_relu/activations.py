"""Powers of ReLU learn splines of degree 2k + 1; |x| and leaky ReLU learn the same functions as ReLU.

The k-th power of ReLU is what makes a k + 1-st derivative jump, so a wide network penalises that derivative. With a
polynomial of degree k that is fitted freely, the limit for a constant ζ is the natural spline of degree 2k + 1.
|x| and leaky ReLU differ from a multiple of ReLU by a line, and lines are free.

    f = Σ_i a_i φ(w_i x + b_i) + p(x),   φ(z) = [z]₊ᵏ/k!,   p any polynomial of degree k,   a the least norm that fits
    g* = argmin ∫ (g⁽ᵏ⁺¹⁾)²/ζ_k,   ζ_k(x) = p_C(x) E[w^{2k} | c = x]
    f − g* = (1/n) Σ_i φ̃_i(x) (φ_i·l) to first order,   φ̃_i = φ_i − its own spline interpolation,   g* = Σ_j l_j K(·, x_j) + p
    n E (f − g*)² → E_{w,c}[w^{4k} φ̃_c(x)² q(c)²],   q(c) = Σ_j l_j [x_j − c]₊ᵏ/k! = g*⁽ᵏ⁺¹⁾/ζ_k

So the error is the predicted constant over √n, for every power.

See: left, the three splines through the same points; right, the error of networks falls on the predicted lines.

Source: slides on implicit biases, Theorem 9, which asks for g in C²; the minimiser has 2k continuous derivatives.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field
from scipy.interpolate import make_interp_spline

from descent.config import Count, Number, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost
from descent.maths.sampling import fewest, mean
from descent.result import Check, Result, measured, predicted, replicates, sweep
from descent.wide_relu._data import kernel, points, require_points
from descent.wide_relu._first_order import Limit, limit, variance
from descent.wide_relu._initial import Initial
from descent.wide_relu._network import EPS, features, least_norm, polynomials
from descent.wide_relu._slopes import slopes
from descent.wide_relu._spline import nodes, panels

MOST = 3  # the power: beyond it nothing is left of float64 in the kernel of a few points
KINDS = ["relu", "absolute", "leaky"]
LEAK = 0.2


@experiment_config
class Config:
    seed: Seed
    replicates: Annotated[Count, Field(ge=fewest("mean", 2))]  # networks of each width
    powers: tuple[Annotated[Count, Field(le=MOST)], ...]  # k
    widths: tuple[Count, ...]  # n
    bias: Positive  # w = ±1, b ~ U(−bias, bias)
    points: tuple[Number, ...]
    values: tuple[Number, ...]
    grid: Count  # of x

    def __post_init__(self):
        require_increasing("powers", self.powers)
        require_increasing("widths", self.widths)
        require_points(self, 2 * self.powers[-1] + 2)
        far = max(abs(one) for one in self.points)
        if self.bias < far:
            raise ValueError(f"bias {self.bias:g} < {far:g}: no breakpoints near some points")
        if self.bias > 10 * (self.points[-1] - self.points[0]):
            raise ValueError(f"bias {self.bias:g}: most breakpoints are far from the points")
        if self.widths[0] < 10 * len(self.points):
            raise ValueError(f"widths {self.widths[0]} < {10 * len(self.points)}: ten a point")
        if not 2 <= self.grid <= 10_000:
            raise ValueError(f"grid {self.grid}: between 2 and 10000")
        work = self.replicates * len(self.powers) * sum(self.widths)
        cost = work * (self.grid + 20.0 * len(self.points) ** 2)
        require_cost(self, "replicates, widths, grid", 4.0 * self.widths[-1] * self.grid, 4 * cost)

    @property
    def x(self) -> np.ndarray:
        return np.linspace(self.points[0], self.points[-1], self.grid)

    @property
    def initial(self) -> Initial:
        return Initial("binary_uniform", 1, self.bias)


def limits(config: Config) -> list[Limit]:
    """g* for every power, by the kernel of infinitely many neurons."""
    x, y = points(config)
    found = []
    for k in config.powers:
        zeta = config.initial.zeta(k)
        K, at = (kernel(one, x, zeta, k) for one in (x, config.x))
        found.append(limit(K, at, polynomials(x, k), polynomials(config.x, k, x), y))
    return found


def predict(config: Config, found: list[Limit]) -> xr.Dataset:
    """Natural splines, and n E ‖f − g*‖² by a quadrature over breakpoints."""
    x, y = points(config)
    splines, squares = [], []
    c, weight = (one.ravel() for one in nodes(panels(x[0], x[-1], x)))
    one = np.ones_like(c)
    for k, g in zip(config.powers, found, strict=True):
        ends = [(order, 0.0) for order in range(k + 1, 2 * k + 1)]
        u, at_u = (v / np.abs(x).max() for v in (x, config.x))  # its system has derivatives in it
        splines.append(make_interp_spline(u, y, 2 * k + 1, bc_type=(ends, ends))(at_u))
        Phi, at = (features(v, one, -c, k) for v in (x, config.x))
        squares.append(variance(g, Phi, at, weight * config.initial.zeta(k).value(c)))
    return xr.Dataset(
        {
            "limit_predicted": predicted(("power", "x"), splines, "natural spline, degree 2k + 1"),
            "square_predicted": predicted("power", squares, "n E ‖f − g*‖² to first order"),
        }
    )


def measure(config: Config, found: list[Limit]) -> xr.Dataset:
    """Networks of every power and width."""
    square = np.zeros((len(config.powers), len(config.widths), config.replicates))
    x, y = points(config)
    for p, (k, g) in enumerate(zip(config.powers, found, strict=True)):
        P, P_at = polynomials(x, k), polynomials(config.x, k, x)
        for m, n in enumerate(config.widths):
            for r in range(config.replicates):
                rng = np.random.default_rng([config.seed, k, n, r])
                w, b = config.initial.draw(rng, n)
                fit = least_norm(features(x, w, b, k), y, P)
                f = features(config.x, w, b, k) @ fit.a + P_at @ fit.beta
                square[p, m, r] = n * ((f - g.value) ** 2).mean()
    return xr.Dataset(
        {
            "limit": measured(("power", "x"), [g.value for g in found], "g* by the kernel"),
            "square": measured(("power", "width", "replicate"), square, "n ‖f − g*‖²"),
        },
        coords={
            "power": sweep(config.powers, "power", "power k"),
            "width": sweep(config.widths, "width", "neurons n"),
            "x": ("x", config.x, {"long_name": "x"}),
            "replicate": replicates(config.replicates),
        },
    )


def measure_kinds(config: Config) -> xr.Dataset:
    """One network with three activations that differ by a line and a factor."""
    x, y = points(config)
    w, b = config.initial.draw(np.random.default_rng(config.seed), config.widths[0])
    P, P_at, f = polynomials(x), polynomials(config.x, 1, x), []
    for kind in KINDS:
        other = {"relu": 0.0, "absolute": 1.0, "leaky": -LEAK}[kind]  # φ(z) = [z]₊ + other [−z]₊
        Phi, at = (features(v, w, b) + other * features(v, -w, -b) for v in (x, config.x))
        fit = least_norm(Phi, y, P)
        f.append(at @ fit.a + P_at @ fit.beta)
    kind = ("kind", KINDS[1:], {"long_name": "activation"})
    return xr.Dataset(
        {
            "relu": measured("x", f[0], "f of one network with ReLU"),
            "others": measured(("kind", "x"), f[1:], "f of it with other activations"),
        },
        coords={"kind": kind},
    )


def run(config: Config) -> Result:
    g = limits(config)
    found = measure(config, g).merge(measure_kinds(config))
    theory = predict(config, g)
    error = np.sqrt(found["square"].mean("replicate"))
    return Result(
        data=found.merge(theory),
        metrics={
            "constant": error.isel(width=-1, drop=True),
            "slope": slopes(error / np.sqrt(error["width"])),
        },
        checks=compare(config, found, theory, g),
    )


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, g: list[Limit]
) -> tuple[Check, ...]:
    y, M = points(config).y, len(config.points)
    levers = [np.abs(one.interpolation).sum(1).max() for one in g]
    blur = xr.DataArray([EPS * (4.0 * M) ** (k + 1) for k in config.powers], dims="power")
    rounding = blur * xr.DataArray(levers, dims="power") * 1e3 * np.abs(y).max()
    scaled = mean(found["square"].isel(width=-1, drop=True))
    exact = theory["square_predicted"]
    # the second order is a part M/n of the first, times the square of a normal variable or two
    tol, n = scaled.tol + 6 * M / config.widths[-1] * scaled.value, config.widths[-1]
    size = 1e5 * EPS * np.abs(y).max() * levers[0]
    why = "rounding times the condition of the saddle system"
    return (
        Check("limit", found["limit"], "==", theory["limit_predicted"], rounding, why),
        Check("square", scaled.value, "==", exact, tol, f"{scaled.why}, and 6M/n of it at {n = }"),
        Check(
            "same",
            found["others"],
            "==",
            found["relu"],
            size,
            "rounding times the condition of the features",
        ),
    )

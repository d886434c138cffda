"""In several dimensions a wide network learns the r³ spline of its points, with an error constant over √n.

A neuron bends along a plane. With directions uniform on the sphere and uniform breakpoints all planes through the data
count alike, and the kernel is the cube of the distance in every dimension, once linear functions are free.

    f = Σ_i a_i [⟨v_i, x⟩ − c_i]₊ + ⟨u, x⟩ + u₀,   v on the unit sphere of ℝ^d,   c ~ U(−a, a),   a ≥ √d ≥ ‖x_j‖
    g*(x) = Σ_j l_j K(x, x_j) + linear,   K = m r³/(24a),   m = E |v₁|³:   argmin ∫ (R{(−Δ)^((d+1)/2) g})²/ζ
    n E (f − g*)² → E [φ̃(x)² (Σ_j l_j φ(x_j))²] over one neuron φ,   φ̃ = φ minus its own spline through the points
    R exp(−‖x‖²/2) is known:   Σ of neurons with the density α = −R{(−Δ)^((d+1)/2) f}/(2(2π)^(d−1)) gives f back
    far away both are linear with different slopes:   mean (f − g*)² over a ball of radius ρ grows like ρ²

So the claim is about a box around the points; over all of ℝ^d the norm of f − g* is infinite.

See: left, a network as a surface over two coordinates; middle, along a diagonal, on the r³ spline; right, errors over the cube fall on the predicted lines.

Source: slides on implicit biases, Theorem 8, which takes the norm over ℝ^d; arXiv 2006.07356.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field
from scipy.interpolate import RBFInterpolator

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost
from descent.maths.sampling import fewest, mean
from descent.result import Check, Erratum, Result, measured, predicted, replicates, sweep
from descent.wide_relu import _radon, _sphere
from descent.wide_relu._cube import SIDE, Problem, diagonal, plane, problems
from descent.wide_relu._first_order import Limit, limit, variance
from descent.wide_relu._network import EPS, least_norm
from descent.wide_relu._slopes import slopes

ANGLES, PLACES = 32, 32  # of the quadrature over neurons: to 1e-3, as errors are known to 10 %
FAR = (1e2, 1e3)  # radii between which f − g* has become linear


@experiment_config
class Config:
    seed: Seed
    replicates: Annotated[Count, Field(ge=fewest("mean", 2))]  # networks of each width
    dimensions: tuple[Annotated[Count, Field(ge=2, le=3)], ...]  # d
    points: Count  # M, uniform in the cube [−1, 1]^d; values from N(0, 1)
    bias: Positive  # a
    widths: tuple[Count, ...]  # n
    grid: Count  # of a side of the cube

    def __post_init__(self):
        require_increasing("dimensions", self.dimensions)
        require_increasing("widths", self.widths)
        far = np.sqrt(self.dimensions[-1])
        if not far <= self.bias <= 20:
            raise ValueError(
                f"bias {self.bias:g}: from {far:.3g}, so that planes are everywhere, to 20"
            )
        if not self.dimensions[-1] + 2 <= self.points <= 60:
            raise ValueError(f"points {self.points}: from d + 2, more than a plane fits, to 60")
        if self.widths[0] < 10 * self.points:
            raise ValueError(f"widths {self.widths[0]} < {10 * self.points}: ten a point")
        if not 2 <= self.grid <= 60:
            raise ValueError(f"grid {self.grid}: between 2 and 60")
        cells, quad = float(self.grid) ** self.dimensions[-1], ANGLES**2 * PLACES / 2
        work = self.replicates * sum(self.widths) * (cells + 20.0 * self.points**2)
        numbers = 4 * (cells + self.points) * max(self.widths[-1], quad)
        require_cost(self, "replicates, widths, points, grid", numbers, 8 * work)


def limits(config: Config, given: list[Problem]) -> list[Limit]:
    """g* on the grid, by the kernel."""
    found = []
    for x, y, at in given:
        K, K_at = (_sphere.cubic_kernel(one, x, config.bias) for one in (x, at))
        found.append(limit(K, K_at, _sphere.affine(x), _sphere.affine(at), y))
    return found


def rays(d: int) -> np.ndarray:
    """Points from the middle of the cube to a corner."""
    return np.tile(np.linspace(0, 1, 11)[1:, None], d)


def predict(config: Config, given: list[Problem], found: list[Limit]) -> xr.Dataset:
    """The constants of the error by quadrature, and r³ splines."""
    squares, lines, bells = [], [], []
    for (x, y, at), g in zip(given, found, strict=True):
        one = _sphere.quadrature(x.shape[1], config.bias, ANGLES, PLACES)
        both = (_sphere.features(v, one) for v in (x, at))
        squares.append(variance(g, *both, one.weight))
        spline = RBFInterpolator(x, y, kernel="cubic", degree=1)
        lines.append(spline(diagonal(x.shape[1])))
        bells.append(np.expm1(-(rays(x.shape[1]) ** 2).sum(1) / 2))
    return xr.Dataset(
        {
            "square_predicted": predicted("dimension", squares, "n E ‖f − g*‖² to first order"),
            "spline_predicted": predicted(("dimension", "place"), lines, "r³ spline"),
            "bell_predicted": predicted(("dimension", "ray"), bells, "exp(−‖x‖²/2) − 1"),
        }
    )


def measure(config: Config, given: list[Problem], found: list[Limit]) -> xr.Dataset:
    """Networks of every width; the infinitely wide one along a diagonal; the widest far away."""
    dims = ("dimension", "width", "replicate")
    square = np.zeros((len(given), len(config.widths), config.replicates))
    shown, splines, far, surfaces = [], [], [], []
    for k, ((x, y, at), g) in enumerate(zip(given, found, strict=True)):
        d, P = x.shape[1], _sphere.affine(x)
        for m, n in enumerate(config.widths):
            for r in range(config.replicates):
                neurons = _sphere.draw(
                    np.random.default_rng([config.seed, d, n, r]), n, d, config.bias
                )
                fit = least_norm(_sphere.features(x, neurons), y, P)
                f = _sphere.features(at, neurons) @ fit.a + _sphere.affine(at) @ fit.beta
                square[k, m, r] = n * ((f - g.value) ** 2).mean()

        def network(z, neurons=neurons, fit=fit):
            return _sphere.features(z, neurons) @ fit.a + _sphere.affine(z) @ fit.beta

        def spline(z, x=x, y=y, P=P):
            K, K_z = (_sphere.cubic_kernel(one, x, config.bias) for one in (x, z))
            return limit(K, K_z, P, _sphere.affine(z), y).value

        line = diagonal(d)
        shown.append(network(line))
        surfaces.append(network(plane(d)).reshape(SIDE, SIDE))
        splines.append(spline(line))
        away = _sphere.draw(np.random.default_rng([config.seed, d]), 400, d, 1.0).v
        far.append([np.sqrt(((network(R * away) - spline(R * away)) ** 2).mean()) for R in FAR])
    side = np.linspace(-1, 1, SIDE)
    return xr.Dataset(
        {
            "square": measured(dims, square, "n ‖f − g*‖² over the cube"),
            "network": measured(("dimension", "place"), shown, f"{config.widths[-1]} neurons"),
            "spline": measured(("dimension", "place"), splines, "g* by the kernel"),
            "surface": measured(("dimension", "second", "first"), surfaces, "f"),
            "bell": measured(
                ("dimension", "ray"),
                [_radon.superposition(rays(d)) for d in config.dimensions],
                "neurons with the density of the Radon transform",
            ),
            "far": measured(("dimension", "radius"), far, "rms of f − g* on a sphere"),
        },
        coords={
            "dimension": sweep(config.dimensions, "dimension", "dimension d"),
            "width": sweep(config.widths, "width", "neurons n"),
            "replicate": replicates(config.replicates),
            "place": ("place", side, {"long_name": "place on the diagonal"}),
            "first": ("first", side, {"long_name": "x₁"}),
            "second": ("second", side, {"long_name": "x₂"}),
            "radius": sweep(FAR, "radius", "radius"),
        },
    )


def run(config: Config) -> Result:
    given = problems(config)
    g = limits(config, given)
    found, theory = measure(config, given, g), predict(config, given, g)
    slope = np.log10(found["far"][:, 1] / found["far"][:, 0])
    where = (
        "slides on implicit biases, theorem 8: power of the radius of f − g*, if its norm is finite"
    )
    return Result(
        data=found.merge(theory),
        metrics={
            "constant": np.sqrt(found["square"].mean("replicate")).isel(width=-1, drop=True),
            "slope": slopes(np.sqrt(found["square"] / found["width"]).mean("replicate")),
            "radon": abs(found["bell"] - theory["bell_predicted"]).max("ray"),
        },
        checks=compare(config, found, theory, given, g),
        errata=tuple(
            Erratum(f"norm_{d}", where, -d / 2, 1.0, float(slope[k]), 0.05)
            for k, d in enumerate(config.dimensions)
        ),
    )


def compare(config, found, theory, given, g) -> tuple[Check, ...]:
    n, M = config.widths[-1], config.points
    scaled, exact = mean(found["square"].isel(width=-1, drop=True)), theory["square_predicted"]
    tol = scaled.tol + 6 * M / n * scaled.value
    size = [
        np.abs(one.y).max() * np.abs(two.interpolation).sum(1).max()
        for one, two in zip(given, g, strict=True)
    ]
    rounding = 1e5 * EPS * xr.DataArray(size, dims="dimension")
    why = "rounding times the condition of the saddle system"
    return (
        Check("square", scaled.value, "==", exact, tol, f"{scaled.why}, and 6M/n of it at {n = }"),
        Check("spline", found["spline"], "==", theory["spline_predicted"], rounding, why),
        Check(
            "radon", found["bell"], "==", theory["bell_predicted"], 2e-4, "quadrature of neurons"
        ),
    )

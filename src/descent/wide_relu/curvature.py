"""The law of the first weights sets where a network may bend: more where ζ, in closed form, is larger.

A neuron bends the function at its breakpoint, by w² more readily the larger its inner weight. So ζ is the density of
breakpoints times the mean of w² there, and a solution puts its curvature where ζ is large.

    ζ(x) = ∫ |w|³ p(w, −wx) dw = p_C(x) E[w² | c = x],   ∫ ζ = E w²
    gaussian         2σ_w³σ_b³/(π(σ_b² + σ_w²x²)²)
    binary_uniform   s²/(2β/s) up to |x| = β/s
    uniform          s³/(8β) up to |x| = β/s, and β³/(8sx⁴) beyond
    sampled:         Σ_i w_i² 1[c_i in a bin]/(N h),   variance (mean of ζ₂/h − (mean of ζ)²)/N,  ζ₂ = p_C E[w⁴ | c]

See: left, ζ over its largest value, sampled on the closed forms; right, the solutions, which bend most where ζ is large.

Source: slides on implicit biases, Theorem 6 and Figures 3 and 4; arXiv 2006.07356. Of the uniform law the slides give ζ
up to β/s only, as if there were no breakpoints beyond: it has a tail β³/(8sx⁴).
"""

import numpy as np
import xarray as xr

from descent.config import Count, Number, Positive, Seed, experiment_config
from descent.maths.limits import require_at_most
from descent.maths.sampling import mean_of_known_spread
from descent.result import (
    Check,
    Erratum,
    Result,
    measured,
    over_replicates,
    predicted,
    replicates,
    sweep,
)
from descent.wide_relu import _data, _spline
from descent.wide_relu._data import points, require_bent, require_points
from descent.wide_relu._initial import Law, initials, require_initials, require_range
from descent.wide_relu._moments import averages, integral

FEW = 400  # neurons expected in a bin, from which on a mean of their w² is near normal
EXACT = 1e-9  # of an adaptive integral
NODES = 81  # for the figure


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    draws: Count  # neurons of a replicate
    bins: Count
    reach: Positive  # the bins fill [−reach, reach]
    points: tuple[Number, ...]  # x_j of the solutions
    values: tuple[Number, ...]
    near: Positive  # the share of ∫ g''² in |x| < near
    laws: tuple[Law, ...]
    weights: tuple[Positive, ...]  # scale of w for each law
    biases: tuple[Positive, ...]  # scale of b

    def __post_init__(self):
        require_points(self)
        require_bent(self)
        require_initials(self)
        require_range(self)
        why = "the error falls with the square root only"
        require_at_most(self, why, replicates=1000, draws=10_000_000, bins=1000)
        require_at_most(self, why, replicates=100_000_000 // self.draws)
        for one in initials(self):
            expected = self.draws * self.replicates * averages(one, self.edges, 0) * self.width
            few = expected[(expected > 1e-9) & (expected < FEW)]
            if few.size:
                raise ValueError(
                    f"draws {self.draws}: {few.min():.3g} neurons of {one.label} in a bin, < {FEW}"
                )
        if not self.points[0] < self.near < self.points[-1]:
            raise ValueError(f"near {self.near:g} must lie between the first and the last point")

    @property
    def edges(self) -> np.ndarray:
        return np.linspace(-self.reach, self.reach, self.bins + 1)

    @property
    def width(self) -> float:
        return 2 * self.reach / self.bins

    @property
    def grid(self) -> np.ndarray:
        return np.linspace(self.points[0], self.points[-1], NODES)


def predict(config: Config) -> xr.Dataset:
    """Closed forms, and the share of the curvature near 0."""
    laws, data = initials(config), points(config)
    shares = []
    for one in laws:
        g = _spline.interpolate(*data, one.zeta())
        c, weight = _spline.nodes(_inside(config, one.zeta()))
        bent = (weight * g.second(c.ravel()).reshape(c.shape) ** 2).sum(1)
        shares.append(bent[np.abs(c[:, 0]) < config.near].sum() / bent.sum())
    at = [one.zeta().value(config.grid) for one in laws]
    return xr.Dataset(
        {
            "zeta_predicted": predicted(
                ("law", "bin"), [averages(one, config.edges, 1) for one in laws], "ζ in closed form"
            ),
            "integral_predicted": predicted(("law", "x"), at, "ζ in closed form"),
            "share_predicted": predicted("law", shares, "share of ∫ g''² near 0"),
        }
    )


def _inside(config: Config, zeta: _spline.Zeta) -> np.ndarray:
    """Ends of panels over the points' interval."""
    x, near = np.array(config.points), np.array([-config.near, config.near])
    return _spline.panels(x[0], x[-1], x, zeta.edges, near)


def measure(config: Config) -> xr.Dataset:
    """ζ from neurons that were drawn and from its integral, and solutions by their kernels."""
    laws, rng = initials(config), np.random.default_rng(config.seed)
    sampled = [_sampled(config, rng) for _ in range(config.replicates)]
    data, shares, solutions = points(config), [], []
    for one in laws:
        zeta = one.zeta()
        kernel = _data.represent(data, zeta)
        c, weight = _spline.nodes(_inside(config, zeta))
        hinges = np.maximum(data.x - c[..., None], 0) @ kernel.weights
        bent = (weight * (zeta.value(c) * hinges) ** 2).sum(1)
        shares.append(bent[np.abs(c[:, 0]) < config.near].sum() / bent.sum())
        solutions.append(kernel(config.grid))
    integrals = [[integral(one, x) for x in config.grid] for one in laws]
    middle = (config.edges[1:] + config.edges[:-1]) / 2
    rest = xr.Dataset(
        {
            "integral": measured(("law", "x"), integrals, "∫ |w|³ p(w, −wx) dw"),
            "share": measured("law", shares, "share of ∫ g''² near 0, by the kernel"),
            "solution": measured(("law", "x"), solutions, "solution"),
        },
        coords={
            "law": sweep([one.label for one in laws], "law", "law of the start"),
            "bin": ("bin", middle, {"long_name": "x"}),
            "x": ("x", config.grid, {"long_name": "x"}),
        },
    )
    return rest.merge(over_replicates(sampled).assign_coords(replicate=replicates(len(sampled))))


def _sampled(config: Config, rng: np.random.Generator) -> xr.Dataset:
    """Σ w² of the neurons in each bin."""
    rows = []
    for one in initials(config):
        drawn = one.draw(rng, config.draws)
        total = np.histogram(drawn.breakpoints, config.edges, weights=drawn.w**2)[0]
        rows.append(total / (config.draws * config.width))
    return xr.Dataset({"zeta": measured(("law", "bin"), rows, "ζ, sampled")})


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    given = xr.Dataset(
        {
            "point": ("j", points(config).x, {"long_name": "x_j"}),
            "value": ("j", points(config).y, {"long_name": "y_j"}),
        },
        coords={"j": ("j", np.arange(len(config.points)), {"long_name": "point j"})},
    )
    return Result(
        data=found.merge(theory).merge(given),
        metrics={"share": found["share"]},
        checks=compare(config, found, theory),
        errata=refute(config),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    zeta, exact = found["zeta"], theory["zeta_predicted"]
    fourth = np.array([averages(one, config.edges, 2) for one in initials(config)])
    first = np.array([averages(one, config.edges, 1) for one in initials(config)])
    variance = (fourth / config.width - first**2) / config.draws
    sd = exact.copy(data=np.sqrt(np.maximum(variance, 0)))
    estimate = mean_of_known_spread(zeta, sd)
    tol = EXACT * abs(found["integral"]).max("x")
    share, near = found["share"], theory["share_predicted"]
    lost = "rounding times the condition number of the kernel's system"
    integrals = found["integral"], theory["integral_predicted"]
    return (
        Check("sampled", estimate.value, "==", exact, estimate.tol + 1e-12, estimate.why),
        Check("integral", integrals[0], "==", integrals[1], tol, "of an adaptive integral"),
        Check("share_near_0", share, "==", near, 1e-6, lost),
    )


def refute(config: Config) -> tuple[Erratum, ...]:
    """At twice the scale of the first uniform law, in parts of ζ(0); the slides have nothing there."""
    for one in initials(config):
        if one.law == "uniform":
            ratio = integral(one, 2 * one.scale) / integral(one, 0.0)
            where = (
                "slides on implicit biases, Theorem 6.3: ζ(2a_b/a_w)/ζ(0), where nothing is printed"
            )
            return (Erratum("tail_of_the_uniform_law", where, 0.0, 1 / 16, ratio, EXACT),)
    return ()

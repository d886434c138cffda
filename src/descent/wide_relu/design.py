"""Any penalty of curvature can be had: draw breakpoints by its reciprocal, and inner weights apart from them.

If w does not depend on c, then ζ is the density of the breakpoints times E w². So a density that is proportional to 1/ρ
makes 1/ζ proportional to ρ, for every law of w with a second moment.

    p_C = 1/(Zρ) on [x₁, x_M],   Z = ∫ 1/ρ,   b = −wc:    ζ = E[w²]/(Zρ),   g* = argmin ∫ ρ g''²
    waves   ρ = exp(2 sin 2πu)        u ∈ [−1, 1] over the points
    step    ρ = 1 for u < 0, then 10
    bump    ρ = 1/(0.05 + exp(−(u/0.3)²))
    w = ±1, N(0, 1), U(−1, 1):   n E|f_n − g*|² → ∫ ζ₂ q² e_c²,   ζ₂ = E[w⁴]/(Zρ)

See: left, the designed penalties; right, wide networks on the functions that they lead to, and away from the natural cubic
spline.

Source: slides on implicit biases, Proposition 7; arXiv 2006.07356.
"""

from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from descent.config import experiment_config
from descent.maths.sampling import of_error
from descent.result import Check, Result, bound, measured, predicted, sweep
from descent.wide_relu import _network, _spline
from descent.wide_relu._data import points
from descent.wide_relu._initial import Neurons
from descent.wide_relu._moments import constant
from descent.wide_relu._settings import Fitted
from descent.wide_relu._slopes import rms, slopes
from descent.wide_relu._spline import Zeta
from descent.wide_relu._widths import compared, doubts, of_width, require_networks

Penalty = Literal["waves", "step", "bump"]
Inner = Literal["signs", "gaussian", "uniform"]
SQUARE = {"signs": 1.0, "gaussian": 1.0, "uniform": 1 / 3}  # E w²
FOURTH = {"signs": 1.0, "gaussian": 3.0, "uniform": 1 / 5}
LEAST = {"waves": np.exp(-2), "step": 1.0, "bump": 1 / 1.05}  # of ρ
PANELS = 64  # over the points, more than any ρ needs


@experiment_config
class Config(Fitted):
    penalties: tuple[Penalty, ...]
    inner: tuple[Inner, ...]  # law of w

    def __post_init__(self):
        super().__post_init__()
        for name in ("penalties", "inner"):
            given = getattr(self, name)
            if not given or len(set(given)) < len(given):
                raise ValueError(f"{name} {list(given)}: one or more, each once")
        require_networks(self, len(self.penalties) * len(self.inner))

    @property
    def designs(self) -> list["Design"]:
        ends = self.points[0], self.points[-1]
        return [Design(rho, w, *ends) for rho in self.penalties for w in self.inner]


class Design(NamedTuple):
    penalty: Penalty
    inner: Inner
    low: float | int
    high: float | int

    @property
    def label(self) -> str:
        return f"{self.penalty}, {self.inner}"

    def rho(self, x: np.ndarray) -> np.ndarray:
        u = (2 * x - self.low - self.high) / (self.high - self.low)
        if self.penalty == "waves":
            return np.exp(2 * np.sin(2 * np.pi * u))
        if self.penalty == "step":
            return np.where(u < 0, 1.0, 10.0)
        return 1 / (0.05 + np.exp(-((u / 0.3) ** 2)))

    def zeta(self, moment: float) -> Zeta:
        """moment/(Zρ), with panels for its kink and its waves."""
        edges = np.linspace(self.low, self.high, PANELS + 1)
        c, weight = _spline.nodes(edges)
        Z = float((weight / self.rho(c)).sum())
        return Zeta(lambda x: moment / (Z * self.rho(np.asarray(x, float))), edges)

    def draw(self, rng: np.random.Generator, *shape: int) -> Neurons:
        """Breakpoints by rejection; w apart from them."""
        count, kept = int(np.prod(shape)), np.zeros(0)
        while len(kept) < count:
            c = rng.uniform(self.low, self.high, 4 * count)
            accepted = rng.uniform(size=len(c)) * self.rho(c) < LEAST[self.penalty]
            kept = np.r_[kept, c[accepted]]
        if self.inner == "signs":
            w = rng.choice([-1.0, 1.0], shape)
        else:
            w = rng.uniform(-1, 1, shape) if self.inner == "uniform" else rng.normal(0, 1, shape)
        return Neurons(w, -w * kept[:count].reshape(shape))


def predict(config: Config) -> xr.Dataset:
    """g* of each penalty, distances from the unweighted solution, errors to first order."""
    data, at, each = points(config), config.grid, config.designs
    goal = [_spline.interpolate(*data, one.zeta(1.0))(at) for one in each]
    plain = _spline.interpolate(*data, _spline.constant())(at)
    root = np.sqrt(config.widths)
    errors = [
        constant(data, one.zeta(SQUARE[one.inner]), one.zeta(FOURTH[one.inner]), at) / root
        for one in each
    ]
    return xr.Dataset(
        {
            "goal_predicted": predicted(("design", "x"), goal, "argmin ∫ ρ g''²"),
            "error_predicted": predicted(("design", "width"), errors, "c n^(−1/2)"),
            "slope_predicted": predicted("design", np.full(len(each), -0.5), "slope"),
            "rest_bound": bound("design", np.full(len(each), -1.0), "slope of the rest"),
            "distance_predicted": predicted("design", rms(goal - plain), "distance of g*"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Networks of least norm, by their distances from the kernel's solution and from the natural cubic spline."""
    data, at, rng = points(config), config.grid, np.random.default_rng(config.seed)
    plain = _spline.interpolate(*data, _spline.constant())(at)
    runs, distance, blur = [], [], []
    for one in config.designs:
        drawn = [one.draw(rng, config.replicates, n) for n in config.widths]
        runs.append(compared(data, one.zeta(SQUARE[one.inner]), drawn, at))
        f = _network.fitted(*data, at, drawn[-1])[0]
        distance.append(rms(f.mean(0) - plain))
        blur.append(np.sqrt(f.var(0, ddof=1).mean() / config.replicates))
    rho = [one.rho(at) for one in config.designs]
    design = sweep([one.label for one in config.designs], "design", "penalty and law of w")
    more = {
        "distance": measured("design", distance, "mean distance from the natural cubic spline"),
        "blur": measured("design", blur, "its standard error"),
        "rho": measured(("design", "x"), rho, "penalty ρ"),
        "plain": measured("x", plain, "natural cubic spline"),
    }
    return xr.concat(runs, "design").assign_coords(design=design).assign(more)


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    reasons = doubts(found, config)
    widest = np.sqrt((found["error"].isel(width=-1) ** 2).mean("replicate"))
    return Result(
        data=found.merge(theory),
        metrics={"slope": slopes(found["error"]).mean("replicate"), "error": widest},
        checks=() if reasons else compare(config, found, theory),
        no_claim=reasons,
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    size = float(np.abs(found["network"]).max())
    goal, far = theory["goal_predicted"], theory["distance_predicted"]
    away = of_error(found["distance"], found["blur"], config.replicates - 1)
    lost = "rounding times condition number"
    return (
        Check("goal", found["goal"], "==", goal, 1e-6 * size, lost),
        Check("distance", away.value, "==", far, away.tol, away.why),
        *of_width(found, theory),
    )

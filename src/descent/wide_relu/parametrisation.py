"""With outer weights of order 1 and the output over √n the inner layers learn too, and the limit is not g*.

The kernel that gradient descent sees is a sum over all layers. In the standard scale the outer layer's part is n times
larger than the others; in the tangent-kernel scale they are of one size, and the curvature that is least is another one.

    f = n^(−1/2) Σ a_i [w_i x + b_i]₊ + v + ux,   a ~ U(−1, 1), line free
    kernel → K₀(x, y) + E a² (1 + xy) P(a neuron is on at x and y),   limit g_T = its interpolation beside a free line
    linearised networks:  least change of all weights that fits;   f → g_T like n^(−1/2), and ‖g_T − g*‖ does not shrink
    trained networks:     their weights move by O(1) in all layers, so the wider they are, the closer to the linearised ones

See: left, the mean of wide networks lies on g_T and not on g*; right, their distances over the width.

Source: slides on implicit biases, Theorem 5, which asks for the standard scale; arXiv 2006.07356; arXiv 1806.07572 for the
tangent kernel.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, experiment_config
from descent.maths.limits import require_time, require_within
from descent.maths.sampling import Estimate, of_error
from descent.result import Check, Result, measured, predicted, replicates, sweep
from descent.wide_relu import _data, _network, _spline
from descent.wide_relu._data import points
from descent.wide_relu._initial import Initial, initials
from descent.wide_relu._layers import gradients, train
from descent.wide_relu._saddle import Saddle
from descent.wide_relu._settings import Started
from descent.wide_relu._slopes import rms

SQUARE = 1 / 3  # E a²
TELLING = 2 / 3  # of a distance, to which it must be known to be compared


@experiment_config
class Config(Started):
    trained: Count  # how many of the widths, from the smallest, are trained too
    limit: Count  # steps at the most
    close: Positive  # residual at which they stop, of the data

    def __post_init__(self):
        super().__post_init__()
        require_within("close", self.close, 1e-12, 1e-4, "the end of training is compared")
        require_within("trained", self.trained, 3, len(self.widths), "of the widths, for a trend")
        steps = self.limit * sum(self.widths[: self.trained])
        work = 60.0 * len(self.points) * self.replicates * len(self.laws)
        require_time(f"limit {self.limit}, replicates {self.replicates}", work * steps)


def both_on(x: np.ndarray, y: np.ndarray, initial: Initial) -> np.ndarray:
    """P(wx + b > 0 and wy + b > 0): (p, M)."""
    low = np.minimum(x[:, None], y)
    high = np.maximum(x[:, None], y)
    return (_below(initial, low) + 1 - _below(initial, high)) / 2


def _below(initial: Initial, x: np.ndarray) -> np.ndarray:
    """P(c < x)."""
    u = x / initial.scale
    if initial.law == "gaussian":
        return 0.5 + np.arctan(u) / np.pi
    if initial.law == "binary_uniform":
        return np.clip((1 + u) / 2, 0, 1)
    with np.errstate(divide="ignore"):
        return np.where(np.abs(u) <= 1, 0.5 + u / 4, np.where(u > 0, 1, 0) - 1 / (4 * u))


def tangent_limit(data: _data.Points, initial: Initial, at: np.ndarray) -> np.ndarray:
    """g_T: the interpolation by the kernel of all layers beside a free line."""
    P, P_at = _network.polynomials(data.x), _network.polynomials(at, 1, data.x)
    K, K_at = (
        _data.whole_kernel(x, data.x, initial)
        + SQUARE * (1 + x[:, None] * data.x) * both_on(x, data.x, initial)
        for x in (data.x, at)
    )
    ell, beta = Saddle.of(K, P).solve(data.y)
    return K_at @ ell + P_at @ beta


def predict(config: Config) -> xr.Dataset:
    """g_T, its distance from g*, and slopes."""
    data, at, laws = points(config), config.grid, initials(config)
    goal = [_spline.interpolate(*data, one.zeta())(at) for one in laws]
    limit = [tangent_limit(data, one, at) for one in laws]
    far = [rms(one - g) for one, g in zip(limit, goal, strict=True)]
    return xr.Dataset(
        {
            "limit_predicted": predicted(("law", "x"), limit, "g_T"),
            "distance_predicted": predicted("law", far, "distance of g_T from g*"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Linearised networks of all widths, and the same networks trained."""
    data, at, rng = points(config), config.grid, np.random.default_rng(config.seed)
    names = ("middle", "spread", "blur", "error", "distance", "apart", "drift", "trained", "missed")
    rows: dict[str, list] = {name: [] for name in names}
    goals = []
    for law in initials(config):
        goal, mine = _data.represent(data, law.zeta())(at), {name: [] for name in names}
        for place, n in enumerate(config.widths):
            drawn, a = (
                law.draw(rng, config.replicates, n),
                rng.uniform(-1, 1, (config.replicates, n)),
            )
            f = np.array([_linearised(data, *one, at) for one in zip(*drawn, a, strict=True)])
            mine["error"].append(rms(f - goal))
            mine["distance"].append(rms(f.mean(0) - goal))
            mine["blur"].append(np.sqrt(f.var(0, ddof=1).mean() / config.replicates))
            if place < config.trained:
                ran = train(data, drawn, a, at, n**-0.5, config.limit, config.close)
                mine["apart"].append(rms(ran.curves - f))
                mine["drift"].append(rms((ran.curves - f).mean(0)))
                mine["trained"].append(rms(ran.curves.mean(0) - goal))
                mine["missed"].append(ran.residual / np.abs(data.y).max())
        mine["middle"], mine["spread"] = f.mean(0), f.std(0, ddof=1) / config.replicates**0.5
        goals.append(goal)
        for name in names:
            rows[name].append(mine[name])
    each, few = ("law", "width", "replicate"), ("law", "few", "replicate")
    return xr.Dataset(
        {
            "goal": measured(("law", "x"), goals, "g*"),
            "middle": measured(("law", "x"), rows["middle"], "mean of the widest networks"),
            "spread": measured(("law", "x"), rows["spread"], "its standard error"),
            "error": measured(each, rows["error"], "linearised networks from g*"),
            "distance": measured(("law", "width"), rows["distance"], "their mean from g*"),
            "blur": measured(("law", "width"), rows["blur"], "its standard error"),
            "apart": measured(few, rows["apart"], "trained networks from linearised ones"),
            "drift": measured(few[:2], rows["drift"], "their means from each other"),
            "trained": measured(few[:2], rows["trained"], "mean of trained networks from g*"),
            "missed": measured(few, rows["missed"], "largest residual, of the data"),
        },
        coords={
            "law": sweep([one.label for one in initials(config)], "law", "law of the start"),
            "width": sweep(config.widths, "width", "neurons n"),
            "few": sweep(config.widths[: config.trained], "few", "neurons n"),
            "x": ("x", at, {"long_name": "x"}),
            "replicate": replicates(config.replicates),
        },
    )


def _linearised(
    data: _data.Points, w: np.ndarray, b: np.ndarray, a: np.ndarray, at: np.ndarray
) -> np.ndarray:
    """f of the least change of all weights that fits."""
    P, P_at, s = _network.polynomials(data.x), _network.polynomials(at, 1, data.x), len(w) ** -0.5
    found = _network.least_norm(gradients(data.x, w, b, a, s), data.y, P)
    return gradients(at, w, b, a, s) @ found.a + P_at @ found.beta


def run(config: Config) -> Result:
    found = measure(config)
    theory = predict(config).assign_coords(law=found["law"])
    missed = float(found["missed"].max())
    reasons = ()
    if not missed <= 2 * config.close:
        reasons = (f"limit {config.limit}: a residual is still {missed:.2g} of the data",)
    late = trained(config, found)
    known = float((late.tol / late.value).max())
    unchecked = {} if known <= TELLING else {"trained": f"known to {known:.2g} of itself only"}
    return Result(
        data=found.merge(theory),
        metrics={"distance": found["distance"], "distance_predicted": theory["distance_predicted"]},
        checks=() if reasons else compare(config, found, theory, None if unchecked else late),
        no_claim=reasons,
        unchecked=unchecked,
    )


def trained(config: Config, found: xr.Dataset) -> Estimate:
    """How far the mean of the widest trained networks is from g*; they stray as linearised ones do, and from these."""
    few = found.isel(few=-1, width=config.trained - 1, drop=True)
    late = of_error(few["trained"], few["blur"], config.replicates - 1)
    why = f"{late.why}, and the mean's distance from that of linearised ones"
    return late._replace(tol=late.tol + few["drift"], why=why)


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, late: Estimate | None
) -> tuple[Check, ...]:
    wide, r = found.isel(width=-1, drop=True), config.replicates
    away = of_error(wide["distance"], wide["blur"], r - 1)
    near = of_error(wide["middle"], wide["spread"], r - 1)
    far, limit = theory["distance_predicted"], theory["limit_predicted"]
    checks = (
        Check("distance", away.value, "==", far, away.tol, away.why),
        Check("limit", near.value, "==", limit, near.tol + 1e-9, near.why),
    )
    if late is None:
        return checks
    return (*checks, Check("trained", late.value, "==", far, late.tol, late.why))

"""Trained outer weights end at the least change that fits; weight decay asks for the least bending instead.

Each step adds a combination of the network's features at the points, so the end differs from the start by the least
change of weights that fits. Other interpolants of the same network are further away. Weight decay on both layers asks
for something else: the least total variation of f′, which the broken line through the points attains.

    f = Φ(x)a,   Φ: (M, n) at the points,   K = ΦΦᵀ,   k(x) = Φ(x)Φᵀ,   r = y − Φa₀
    gradient descent on Σ (f(x_j) − y_j)²:   f_∞ = f₀ + k(x)K⁻¹r,   ‖a_∞ − a₀‖² = rᵀK⁻¹r,   the least of all that fit
    ½ Σ (a_i² + w_i²) over functions through the points:   least Σ |a_i w_i| = least ∫ |f″|
        = Σ_j |s_{j+1} − s_j|,   s_j the slopes between neighbours: f′ has to take each of them somewhere

The least ∫ |f″| is found by a linear programme over the weights of neurons with a kink at each point and at random
places. With random places alone no network does better than the broken line.

See: left, one network from 0 and from a random start: both fit, each nearest to where it began; right, squared distances
of other interpolants lie above the predicted least.

Source: slides on implicit biases, the last pages: arXiv 1905.07777 for the norm of the kernel, arXiv 1902.05040 for ∫ |f″|.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Number, Positive, Seed, experiment_config
from descent.maths.limits import require_at_most, require_cost
from descent.result import Check, Result, measured, predicted, replicates
from descent.wide_relu._data import points, require_bent, require_points
from descent.wide_relu._initial import Initial, Law, Neurons
from descent.wide_relu._kernel_descent import EPS, Sizes, descend, sizes
from descent.wide_relu._network import features
from descent.wide_relu._variation import cubic_variation, least_variation

NEAR = 1e-8  # of the values: a residual up to which a run is at its end
LARGEST = 1e7  # condition number of the features beyond which K⁻¹ has no digits to compare


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # networks
    width: Count  # n
    law: Law  # of the inner weights and biases
    weight: Positive  # its scale
    bias: Positive
    start: Positive  # a₀ ~ N(0, start²/n) in the second run of each; the first begins at 0
    points: tuple[Number, ...]
    values: tuple[Number, ...]
    others: Count  # interpolants that are drawn
    kinks: Count  # random ones of the linear programme
    grid: Count  # of x
    limit: Count  # steps of a run

    def __post_init__(self):
        require_points(self)
        require_bent(self)
        require_at_most(self, "the linear programme is dense", kinks=10_000)
        if self.width < 2 * len(self.points):
            raise ValueError(f"width {self.width} < {2 * len(self.points)}: twice the points")
        if self.kinks < 2 * len(self.points):
            raise ValueError(f"kinks {self.kinks} < {2 * len(self.points)}: twice the points")
        if self.grid < 2:
            raise ValueError(f"grid {self.grid}: at least the two ends of the points")
        size = self.replicates * self.width * (self.grid + 4.0 * len(self.points))
        work = 4.0 * self.replicates * self.limit * (self.width * len(self.points) + 1e4)
        fields = "replicates, width, grid, others, limit"
        require_cost(self, fields, size + self.replicates * self.others * self.width, work)

    @property
    def x(self) -> np.ndarray:
        """Where functions are compared."""
        return np.linspace(self.points[0], self.points[-1], self.grid)


def draw(config: Config) -> tuple[Neurons, np.ndarray, np.ndarray]:
    """Neurons (replicate, n), starts (replicate, 2, n), kinks."""
    rng = np.random.default_rng(config.seed)
    size = config.replicates, config.width
    neurons = Initial(config.law, config.weight, config.bias).draw(rng, *size)
    start = np.zeros((size[0], 2, size[1]))
    start[:, 1] = rng.normal(0, config.start / np.sqrt(config.width), size)
    kinks = np.sort(rng.uniform(config.points[0], config.points[-1], config.kinks))
    return neurons, start, kinks


def predict(config: Config, neurons: Neurons, start: np.ndarray) -> xr.Dataset:
    """The nearest interpolant by the singular values of Φ, and the variation of the broken line."""
    data, ends, norms = points(config), [], []
    for w, b, a0 in zip(*neurons, start, strict=True):
        U, S, V = np.linalg.svd(features(data.x, w, b), full_matrices=False)
        at = features(config.x, w, b)
        c = (data.y - a0 @ features(data.x, w, b).T) @ (U / S)
        ends.append((a0 + c @ V) @ at.T)
        norms.append((c**2).sum(1))
    bends = np.abs(np.diff(np.diff(data.y) / np.diff(data.x))).sum()
    each = ("replicate", "start")
    return xr.Dataset(
        {
            "end_predicted": predicted((*each, "x"), ends, "f₀ + kK⁻¹r"),
            "moved_predicted": predicted(each, norms, "rᵀK⁻¹r"),
            "variation_predicted": predicted((), bends, "Σ |s_{j+1} − s_j|"),
        }
    )


def measure(config: Config, neurons: Neurons, start: np.ndarray) -> xr.Dataset:
    """Gradient descent on every network, and other interpolants beside its end."""
    data, rng = points(config), np.random.default_rng([config.seed, 1])
    end, moved, left, other = [], [], [], []
    for w, b, starts in zip(*neurons, start, strict=True):
        Phi, at = features(data.x, w, b), features(config.x, w, b)
        ran = descend(Phi, data.y, starts, config.limit)
        change = ran.weights - starts
        end.append(ran.weights @ at.T)
        moved.append((change**2).sum(1))
        left.append(np.abs(ran.residual).max(1))
        away = rng.standard_normal((config.others, config.width))
        away -= np.linalg.lstsq(Phi, Phi @ away.T)[0].T  # what no point sees
        away *= np.linalg.norm(change, axis=1).max() / np.sqrt(config.width)
        other.append([((one + away) ** 2).sum(1) for one in change])
    each = ("replicate", "start")
    return xr.Dataset(
        {
            "end": measured((*each, "x"), end, "f at the end"),
            "moved": measured(each, moved, "‖a_∞ − a₀‖²"),
            "value": measured("point", data.y, "y"),
            "left": measured(each, left, "largest residual at the end"),
            "other_moved": measured((*each, "other"), other, "‖a − a₀‖² of other interpolants"),
        },
        coords={
            "replicate": replicates(config.replicates),
            "start": ("start", ["zero", "random"], {"long_name": "start"}),
            "x": ("x", config.x, {"long_name": "x"}),
            "point": ("point", data.x, {"long_name": "x"}),
            "other": ("other", np.arange(config.others), {"long_name": "interpolant"}),
        },
    )


def measure_variation(config: Config, kinks: np.ndarray) -> xr.Dataset:
    """The least ∫ |f″| by linear programmes, and that of the natural cubic spline."""
    data = points(config)
    both = np.unique(np.r_[data.x, kinks])
    return xr.Dataset(
        {
            "variation": measured((), least_variation(data, both), "least ∫ |f″|, kinks anywhere"),
            "variation_random": measured((), least_variation(data, kinks), "with random kinks"),
            "variation_cubic": measured((), cubic_variation(data), "of the cubic spline"),
        }
    )


def run(config: Config) -> Result:
    neurons, start, kinks = draw(config)
    size = sizes(points(config), config.x, neurons, start)
    found = measure(config, neurons, start).merge(measure_variation(config, kinks))
    theory = predict(config, neurons, start)
    flat = int((size.condition > LARGEST).sum())
    late = int((found["left"] > NEAR * size.length).sum())
    solved = np.isfinite(found[["variation", "variation_random"]].to_dataarray()).all()
    reasons = {
        f"{flat} of {config.replicates} networks have features of condition > {LARGEST:g}": flat,
        f"limit {config.limit}: {late} runs had not converged": late,
        "the linear programme was not solved": not solved,
    }
    no_claim = tuple(why for why, some in reasons.items() if some)
    return Result(
        data=found.fillna(0.0).merge(theory),
        metrics={
            "moved": found["moved"].isel(replicate=0),
            "condition": size.condition.max(),
            **{name: found[name] for name in ("variation", "variation_random", "variation_cubic")},
        },
        checks=() if no_claim else compare(found, theory, size),
        no_claim=no_claim,
    )


def compare(found: xr.Dataset, theory: xr.Dataset, size: Sizes) -> tuple[Check, ...]:
    left = found["left"] + 64 * EPS * size.condition * size.length
    why = "the residual that is left, and rounding times the condition of Φ"
    # ‖Δa‖ errs by the residual over the least singular value, in parts of it by its condition
    moved = theory["moved_predicted"]
    part = 4 * size.condition * left / size.length
    least, solver = theory["variation_predicted"], "tolerance 1e-7 of the solver, for each kink"
    return (
        Check("end", found["end"], "==", theory["end_predicted"], size.lever * left, why),
        Check("moved", found["moved"], "==", moved, part * moved, why),
        Check("other_interpolants", found["other_moved"], ">=", moved, part * moved, why),
        Check("variation", found["variation"], "==", least, 1e-6 * least, solver),
        Check("variation_random", found["variation_random"], ">=", least, 1e-6 * least, solver),
        Check("variation_cubic", found["variation_cubic"], ">=", least, 1e-6 * least, solver),
    )

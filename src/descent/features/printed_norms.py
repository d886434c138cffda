"""What the document prints as norms of gradients are norms of weights: its gradients run from 1e-6 to 1e5.

The printed numbers are reproduced to eight digits by the weights that its seeds draw. The gradients at these weights,
by backward passes over all points and again from the two points x = ±1 alone, are something else.

    W_l ~ U(±c) for small and large c, U(±√(2/fan_in)) for what it calls He; biases 0
    weights: ‖W_l‖² = Σ w², about n_l n_{l−1} v_l;   gradients: ‖∇_{W_l} f‖,  f(θ) = (1/N) Σ_i (m(x_i) − y_i)²
    ∇_{W_l} f = c₊ δ_l(1) h_{l−1}(1)ᵀ + c₋ δ_l(−1) h_{l−1}(−1)ᵀ,   c_± = (2/N) Σ_{±x_i>0} (|x_i| m(±1) − y_i)|x_i|

See: the printed crosses lie on the weights, and nowhere near the gradients.

Source: CS182 homework 2, question 6a, d, f. A start of He's needs variance 2/fan_in, but a uniform law of half-width
√(2/fan_in) has a third of that.
"""

from itertools import pairwise

import numpy as np
import xarray as xr
from scipy import stats

from descent.config import Positive, Seed, experiment_config
from descent.features import _halves, _problem
from descent.features._printed import DOCUMENT, PRINTED, PRINTED_AT, errata
from descent.features._problem import FORMULA, Hidden, require_room, require_scale
from descent.maths.initialise import Scheme, from_torch, variances
from descent.maths.network import Shape, value_and_gradient
from descent.maths.sampling import level
from descent.result import Check, Result, measured, predicted, sweep


@experiment_config
class Config(_problem.Data):
    hidden: Hidden
    small: Positive  # c
    large: Positive
    small_seed: Seed  # of torch
    large_seed: Seed
    he_seed: Seed
    printed_small: tuple[Positive, ...]  # norms of W₁, …, W_D, or none
    printed_large: tuple[Positive, ...]
    printed_he: tuple[Positive, ...]

    def __post_init__(self):
        super().__post_init__()
        if not self.small < self.large:
            raise ValueError(f"small {self.small:g} must be below large {self.large:g}")
        require_scale("small", self.small, self.hidden)
        require_scale("large", self.large, self.hidden)
        for name in ("small", "large", "he"):
            given = len(getattr(self, f"printed_{name}"))
            if given not in (0, len(self.hidden) + 1):
                raise ValueError(f"printed_{name}: {given} values, must be one a layer or none")

    @property
    def shape(self) -> Shape:
        return Shape((1, *self.hidden, 1), "relu")

    @property
    def starts(self) -> dict[str, tuple[int, Scheme]]:
        """Seed of torch, and start."""
        own = {"small": (self.small_seed, self.small), "large": (self.large_seed, self.large)}
        return own | {name: (self.he_seed, name) for name in FORMULA}

    @property
    def printed(self) -> dict[str, tuple[float, ...]]:
        """What is printed, of the document's own starts and data alone."""
        given = {
            "small": self.printed_small,
            "large": self.printed_large,
            "student": self.printed_he,
        }
        own = all(getattr(self, name) == value for name, value in DOCUMENT.items())
        of = {name for name, start in PRINTED_AT.items() if own and self.starts[name] == start}
        return {name: values for name, values in given.items() if values and name in of}


def _each(config: Config) -> list[np.ndarray]:
    return [from_torch(seed, scheme, config.shape) for seed, scheme in config.starts.values()]


def _norms(theta: np.ndarray, shape: Shape) -> list[float]:
    return [float(np.linalg.norm(W.astype(float))) for W, _ in shape.layers(theta)]


def _coordinates(config: Config) -> dict[str, xr.Variable]:
    return {
        "start": xr.Variable("start", list(config.starts), {"long_name": "start"}),
        "layer": sweep(range(1, len(config.shape.widths)), "layer", "layer"),
    }


def predict(config: Config) -> xr.Dataset:
    """Gradients from two points, and weights from their law."""
    x, y = config.sample()
    halves = [
        _halves.gradient_norms(theta.astype(float), x, y, config.shape)[0]
        for theta in _each(config)
    ]
    sizes = np.array([a * b for a, b in pairwise(config.shape.widths)])
    laws = [sizes * variances(scheme, config.shape.widths) for _, scheme in config.starts.values()]
    dims = ("start", "layer")
    return xr.Dataset(
        {
            "gradient_predicted": predicted(dims, halves, "gradient, from two points"),
            "square_predicted": predicted(dims, laws, "n_l n_{l−1} v_l"),
        },
        coords=_coordinates(config),
    )


def measure(config: Config) -> xr.Dataset:
    """Norms of weights and gradients at the document's seeds, layer by layer."""
    x, y = config.sample()
    starts, shape = _each(config), config.shape
    weights = [_norms(theta, shape) for theta in starts]
    slopes = [value_and_gradient(one.astype(float), x, y, shape, "square")[1] for one in starts]
    dims = ("start", "layer")
    return xr.Dataset(
        {
            "weight": measured(dims, weights, "‖W_l‖"),
            "gradient": measured(dims, [_norms(g, shape) for g in slopes], "‖∇f‖ of a layer"),
        },
        coords=_coordinates(config),
    )


def run(config: Config) -> Result:
    require_room(20 * config.shape.parameters, f"hidden {list(config.hidden)}")
    require_room(2 * config.samples * max(config.hidden), f"samples {config.samples}")
    found, theory = measure(config), predict(config)
    data, names = found.merge(theory), list(config.starts)
    for name, values in config.printed.items():
        data[f"printed_{name}"] = measured("layer", list(values), "printed")
    return Result(
        data=data,
        metrics={
            **{f"{name}_gradient": found["gradient"].sel(start=name) for name in names},
            **{f"{name}_weights": found["weight"].sel(start=name) for name in names},
        },
        checks=compare(config, found, theory),
        errata=errata(config.printed, config.shape.widths, found, theory),
        unchecked={} if config.printed else {"printed": "the document prints nothing of these"},
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    uniform = [name for name in config.starts if name != "he_normal"]  # bounded, so soon normal
    expected = theory["square_predicted"].sel(start=uniform)
    sizes = xr.DataArray([a * b for a, b in pairwise(config.shape.widths)], dims="layer")
    z = float(-stats.norm.ppf(level(expected.size) / 2))
    # A square of U(±c) has the standard deviation √(4/5) of its mean; so ‖W‖² of n of them.
    tol = expected * z * np.sqrt(0.8 / sizes)
    rounding = 1e-11 * found["gradient"].max("layer")
    weights = found["weight"].sel(start=uniform) ** 2
    law = f"{z:.1f} exact standard errors of a sum of squares"
    halves = theory["gradient_predicted"]
    checks = [
        Check("squared_weight", weights, "==", expected, tol, law),
        Check("gradient", found["gradient"], "==", halves, rounding, "rounding of sums"),
    ]
    for name, values in config.printed.items():
        printed = xr.DataArray(list(values), dims="layer")
        weight, why = found["weight"].sel(start=name), "eight decimals of sums in float32"
        checks.append(Check(f"{name}_printed", weight, "==", printed, PRINTED * printed, why))
    return tuple(checks)

"""Far from the end of training the loss grows like the power that the depth sets, whatever was learnt.

Along θ* + tΔ a ReLU network of D layers is a polynomial of degree D in t once all units have switched for good, and
what is left of θ* is of order 1/t: the leading coefficient is that of Δ alone, without its later biases. A sigmoid
network is saturated there, so only its last layer still grows. That ReLU looks steeper from afar is no sharpness.

    t → ±∞:  f ~ t^{2D} mean_i m₊(x_i; ±Δ)² for ReLU, m₊ without biases but the first: homogeneous
             f ~ t² mean_i m₊(x_i; ±Δ)² for 4·sigmoid, m₊ with units 0 or 4: saturated

See: in both panels the curves run into the dashed power laws.

Source: FRTN50 assignment 3e, whose wide plots it reads as sharpness of the minima.
"""

import numpy as np
import xarray as xr

from descent.config import experiment_config
from descent.maths.activations import activate
from descent.maths.network import Shape
from descent.mlp1d import _problem
from descent.mlp1d._ends import Config as EndsConfig
from descent.mlp1d._ends import Ends, along, directions, ends
from descent.mlp1d._networks import FORMULA
from descent.result import Check, Result, measured, predicted, replicates

FAR = np.array([1e3, 1e4, 1e5])  # t between which growth is read off: what is left out is 1/t of it
SATURATED = 20.0  # e-folds of 4·sigmoid at which no float tells a unit from 0 or 4
DRAWN = np.geomspace(1e-2, FAR[-1], 71)


@experiment_config
class Config(EndsConfig):
    def __post_init__(self):
        super().__post_init__()
        if len(self.hidden) > 20:
            raise ValueError(f"hidden: {len(self.hidden)} layers > 20: t^(2D) leaves float64")


def exponent(shape: Shape) -> int:
    """The highest power of t."""
    return 2 * (len(shape.widths) - 1) if shape.activation == "relu" else 2


def leading(delta: np.ndarray, x: np.ndarray, shape: Shape) -> np.ndarray:
    """The coefficient of the highest power of t in f(θ + tΔ), from Δ: (R, P) alone."""
    layers, h = shape.layers(delta), x
    for l, (W, b) in enumerate(layers):
        z = h @ W.swapaxes(1, 2)
        if l == 0 or shape.activation != "relu":
            z = z + b
        if l == len(layers) - 1:
            break
        h = activate(z, "relu") if shape.activation == "relu" else 4.0 * (z > 0)
    return np.mean(z[..., 0] ** 2, 1)


def predict(config: Config) -> xr.Dataset:
    """Powers, and coefficients on both sides, from the depth and the directions."""
    (x, _), delta, theory = _problem.points(config.points), directions(config), {}
    for name, text in FORMULA.items():
        shape = config.shape(name)
        sides = np.array([leading(side * delta, x, shape) for side in (-1, 1)])
        power = exponent(shape)
        theory[f"{name}_exponent_predicted"] = predicted((), power, f"t^{power}, {text}")
        theory[f"{name}_coefficient_predicted"] = predicted(
            ("side", "replicate"), sides, f"leading coefficient from Δ alone, {text}"
        )
    return xr.Dataset(theory)


def measure(config: Config, both: dict[str, Ends]) -> xr.Dataset:
    """The loss along the directions, near and far."""
    delta, data = directions(config), {}
    for name, (shape, theta, _) in both.items():
        text, first = FORMULA[name], theta[:1]
        far = np.array([along(first, side * delta, FAR, config, shape) for side in (-1, 1)])
        near = along(first, delta, DRAWN, config, shape)
        data[f"{name}_along"] = measured(("t", "replicate"), near, f"f(θ* + tΔ), {text}")
        data[f"{name}_far"] = measured(("side", "far", "replicate"), far, f"f(θ* ± tΔ), {text}")
    return xr.Dataset(
        data,
        coords={
            "t": ("t", DRAWN, {"long_name": "t"}),
            "far": ("far", FAR, {"long_name": "t"}),
            "side": ("side", [-1, 1], {"long_name": "sign of t"}),
            "replicate": replicates(config.replicates),
        },
    )


def run(config: Config) -> Result:
    both = {name: ends(config, name) for name in FORMULA}
    found, theory = measure(config, both), predict(config)
    metrics, reasons = {}, {}
    for name in FORMULA:
        alive = living(config, name)
        slope = slopes(found[f"{name}_far"]).isel(far=-1).where(alive)
        metrics |= {
            f"{name}_exponent": slope.median() if bool(alive.any()) else 0.0,
            f"{name}_alive_directions": alive.mean(),
        }
        if alive.mean() < 0.5:
            reasons[f"exponent_{name}"] = (
                f"{float(1 - alive.mean()):.0%} of the directions are dead, or not saturated yet"
            )
    whole = len(reasons) == len(FORMULA)
    return Result(
        data=found.merge(theory),
        metrics=metrics,
        checks=compare(config, found, theory, tuple(reasons)),
        no_claim=tuple(reasons.values()) if whole else (),
        unchecked={} if whole else reasons,
    )


def living(config: Config, name: str) -> xr.DataArray:
    """Directions, on both sides, that are compared.

    Of ReLU those that switch some unit of every layer on: on the others a lower power leads. Of 4·sigmoid those on which
    every unit is saturated at the end.
    """
    (x, _), shape, sides = _problem.points(config.points), config.shape(name), []
    relu = shape.activation == "relu"
    for side in (-1, 1):
        h, alive = x, True
        for l, (W, b) in enumerate(shape.layers(side * directions(config))[:-1]):
            z = h @ W.swapaxes(1, 2) + (b if l == 0 or not relu else 0)
            h = np.maximum(z, 0) if relu else 4.0 * (z > 0)
            done = (h > 0).any((1, 2)) if relu else (abs(z) * FAR[-1] >= SATURATED).all((1, 2))
            alive = alive & done
        sides.append(alive)
    return xr.DataArray(np.array(sides), dims=("side", "replicate"))


def slopes(far: xr.DataArray) -> xr.DataArray:
    """d log f/d log t from decade to decade."""
    return np.log10(far.where(far > 0)).diff("far")


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, dead: tuple[str, ...]
) -> tuple[Check, ...]:
    checks, why = [], "what a decade changes: of order 1/t, so nine times the rest"
    for name in FORMULA:
        if f"exponent_{name}" in dead:
            continue
        far, power = found[f"{name}_far"], exponent(config.shape(name))
        alive, every = living(config, name), ("side", "replicate")
        each = slopes(far).where(alive)
        slope = each.isel(far=1, drop=True).median(every)
        # Of every direction, since what two medians differ by may come from two directions.
        tol = abs(each.diff("far")).isel(far=0, drop=True).median(every) + 1e-9
        expected = theory[f"{name}_exponent_predicted"]
        checks.append(Check(f"exponent_{name}", slope, "==", expected, tol, why))
        scaled = far / found["far"] ** float(power)
        last, before = scaled.isel(far=-1, drop=True), scaled.isel(far=-2, drop=True)
        tol = abs(last - before) + 1e-12 * last
        expected = theory[f"{name}_coefficient_predicted"]
        checks.append(Check(f"coefficient_{name}", last, "==", expected, tol, why, alive))
    return tuple(checks)

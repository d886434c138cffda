"""Averaged over random directions, the curvature at the end of training is the trace of the Hessian.

A direction with independent standard normal entries sees every eigenvalue alike, so one direction says little and the
mean of many says tr H. For the smooth activation the curvature along a direction is the second difference of the loss;
ReLU has points on kinks, where it is not. The end of training of 4·sigmoid is no minimum: H has a negative eigenvalue.

    f(θ* + tΔ), Δ ~ N(0, 1);   E ΔᵀHΔ = tr H,   Var ΔᵀHΔ = 2‖H‖²_F,   H = ∇²f(θ*)
    (f(θ* + hΔ) − 2f(θ*) + f(θ* − hΔ))/h² = ΔᵀHΔ + O(h²)

See: on the left the median direction rises more steeply for ReLU, but the bands, on the right, are decades wide.

Source: FRTN50 assignment 3e. It draws Δ with standard deviation 0.1 in place of 1, evaluates at an even number of
points, so never at θ* itself, reseeds inside the loop over layers, so that their directions share entries, and takes
ends of training for minima.
"""

import numpy as np
import xarray as xr

from descent.config import Index, Positive, experiment_config
from descent.maths.curvature import hessian_products, hessians
from descent.maths.network import differentiate, forward
from descent.maths.sampling import level
from descent.mlp1d import _document, _problem
from descent.mlp1d._ends import Config as EndsConfig
from descent.mlp1d._ends import Ends, along, directions, ends, line_of, plane
from descent.mlp1d._filtered import filtered
from descent.mlp1d._networks import FORMULA
from descent.result import Check, Erratum, Result, measured, predicted, replicates

EPS = float(np.finfo(float).eps)


@experiment_config
class Config(EndsConfig):
    half: Index  # points of a line or plane on each side of θ*
    difference: Positive  # h of second differences
    printed_grid: Index  # points on [−1, 1] in the document, an even number; or 0
    printed_scale: _document.Scale  # of its directions, or 0

    def __post_init__(self):
        super().__post_init__()
        if not 1e-5 <= self.difference <= 0.1:
            raise ValueError(f"difference {self.difference:g}: must be between 1e-5 and 0.1")
        if self.printed_grid % 2:
            raise ValueError(f"printed_grid {self.printed_grid}: an odd number contains θ*")
        if self.chance > 1.1:
            raise ValueError(
                f"replicates {self.replicates}: too few directions to tell a trace from chance, "
                f"which may put it off by {self.chance:.2g} times the norm of H"
            )
        if not 1 <= self.half <= 500:
            raise ValueError(
                f"half {self.half}: between 1 and 500, the plane has (2 half + 1)² points"
            )

    @property
    def unlikely(self) -> float:
        """−ln of the chance of a false alarm that each side of each network has."""
        return float(np.log(2 / level(len(FORMULA) * len(self.torch_seeds))))

    @property
    def chance(self) -> float:
        """How far off chance may put a mean, at the most, in norms of H."""
        share = self.unlikely / self.replicates
        return float(2 * np.sqrt(share) + 2 * share)

    @property
    def is_documents(self) -> bool:
        """Whether the network is the one whose landscape the document draws."""
        own = (_document.POINTS, _document.RATE, _document.SEED, 2000)
        widths = self.shape("relu").widths == _document.WIDTHS
        return widths and (self.points, self.rate, self.torch_seeds[0], self.epochs) == own


def predict(config: Config, both: dict[str, Ends]) -> xr.Dataset:
    """Traces, and the curvature along every direction, from the Hessians."""
    (x, y), delta = _problem.points(config.points), directions(config)
    theory = {}
    for name, (shape, theta, _) in both.items():
        trace = np.trace(hessians(theta, x, y, shape, "square"), axis1=1, axis2=2)
        text = f"tr H, {FORMULA[name]}"
        theory[f"{name}_trace_predicted"] = predicted("network", trace, text)
    shape, theta, _ = both["sigmoid"]
    H = hessians(theta[:1], x, y, shape, "square")[0]
    along_each = np.vecdot(delta @ H, delta)
    theory["curvature_predicted"] = predicted("replicate", along_each, "ΔᵀHΔ, 4·sigmoid")
    return xr.Dataset(theory)


def measure(config: Config, both: dict[str, Ends]) -> xr.Dataset:
    """Curvature along the directions, lines and a plane through θ*, and the ends of the spectra."""
    t, delta = line_of(config.half), directions(config)
    data = {}
    for name, end in both.items():
        data |= _measure_one(config, name, end, t, delta)
    first = both["relu"].theta[:1]
    surface = plane(
        first, filtered(delta, first, both["relu"].shape), t, config, both["relu"].shape
    )
    shape, h = both["sigmoid"].shape, config.difference
    for name, step in (("near", h), ("twice", 2 * h)):
        values = along(both["sigmoid"].theta[:1], delta, np.array([-step, 0, step]), config, shape)
        second = (values[0] - 2 * values[1] + values[2]) / step**2
        data[f"difference_{name}"] = measured("replicate", second, "second difference, 4·sigmoid")
    return xr.Dataset(
        data | {"plane": measured(("t", "s"), surface, "f(θ* + tΔ₁ + sΔ₂), filter-normalised")},
        coords={
            "t": ("t", t, {"long_name": "t"}),
            "s": ("s", t, {"long_name": "s"}),
            "network": ("network", list(config.torch_seeds), {"long_name": "torch seed"}),
            "replicate": replicates(config.replicates),
        },
    )


def _measure_one(
    config: Config, name: str, end: Ends, t: np.ndarray, delta: np.ndarray
) -> dict[str, xr.Variable]:
    (x, y), (shape, theta, loss), text = _problem.points(config.points), end, FORMULA[name]
    passes = (differentiate(forward(one[None], x, shape), y, "square") for one in theta)
    quadratic = np.array([np.vecdot(delta, hessian_products(back, delta)) for back in passes])
    spectrum = np.linalg.eigvalsh(hessians(theta, x, y, shape, "square"))
    lines = along(theta[:1], delta, t, config, shape)
    normal = along(theta[:1], filtered(delta, theta[:1], shape), t, config, shape)
    norm = np.sqrt(np.sum(spectrum**2, 1))
    which, line = "network", ("t", "replicate")
    return {
        f"{name}_along": measured(line, lines, f"f(θ* + tΔ), {text}"),
        f"{name}_filtered": measured(line, normal, f"f(θ* + tΔ), {text}, filter-normalised"),
        f"{name}_quadratic": measured((which, "replicate"), quadratic, f"ΔᵀHΔ, {text}"),
        f"{name}_sharpness": measured(which, spectrum[:, -1], f"λ_max, {text}"),
        f"{name}_lowest": measured(which, spectrum[:, 0], f"λ_min, {text}"),
        f"{name}_norm": measured(which, norm, f"‖H‖_F, {text}"),
        f"{name}_loss": measured(which, loss, f"f(θ*), {text}"),
    }


def run(config: Config) -> Result:
    both = {name: ends(config, name, 2 * config.half + 1) for name in FORMULA}
    found, theory = measure(config, both), predict(config, both)
    metrics = {}
    for name in FORMULA:
        loss = found[f"{name}_loss"].isel(network=0, drop=True)
        rise, normal = (found[f"{name}_{kind}"][-1].median() for kind in ("along", "filtered"))
        metrics |= {
            f"{name}_loss": loss,
            f"{name}_trace": theory[f"{name}_trace_predicted"].isel(network=0, drop=True),
            f"{name}_trace_by_directions": found[f"{name}_quadratic"]
            .isel(network=0, drop=True)
            .mean(),
            f"{name}_sharpness": found[f"{name}_sharpness"].isel(network=0, drop=True),
            f"{name}_lowest": found[f"{name}_lowest"].isel(network=0, drop=True),
            f"{name}_rise_median": rise - loss,
            f"{name}_rise_filtered_median": normal - loss,
        }
    relu, sigmoid = (found[f"{name}_along"][-1].values for name in ("relu", "sigmoid"))
    return Result(
        data=found.merge(theory),
        metrics=metrics | {"relu_rises_more_fraction": np.mean(relu[:, None] > sigmoid)},
        checks=compare(config, found, theory),
        errata=errata(config, found, both["sigmoid"]),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    share = config.unlikely / config.replicates
    why = f"Laurent and Massart's tails of χ², {config.replicates} directions"
    checks = []
    for name in FORMULA:
        mean, norm = found[f"{name}_quadratic"].mean("replicate"), found[f"{name}_norm"]
        tol = 2 * np.sqrt(share) * norm + 2 * share * abs(found[f"{name}_sharpness"])
        trace = theory[f"{name}_trace_predicted"]
        checks.append(Check(f"trace_{name}", mean, "==", trace, tol, why))
    near, twice, h = found["difference_near"], found["difference_twice"], config.difference
    size = found["sigmoid_along"].isel(t=config.half, drop=True)
    # The part of order h² is a third of this; that of h⁴ a fifteenth.
    tol = abs(twice - near) + 64 * EPS * (1 + size) / h**2
    why = "what doubling h changes, and rounding of the losses"
    expected = theory["curvature_predicted"]
    return (*checks, Check("second_difference", near, "==", expected, tol, why))


def errata(config: Config, found: xr.Dataset, end: Ends) -> tuple[Erratum, ...]:
    """Of the end of training that is called a minimum, and of how the document draws and evaluates directions."""
    where, stands = "FRTN50 assignment 3e", []
    lowest = float(found["sigmoid_lowest"][0])
    if config.is_documents and lowest < 0:
        (x, y), h = _problem.points(config.points), config.difference
        H = hessians(end.theta[:1], x, y, end.shape, "square")[0]
        v = np.linalg.eigh(H)[1][:, :1].T
        f = along(end.theta[:1], v, np.array([-h, 0, h]), config, end.shape)[:, 0]
        second = float((f[0] - 2 * f[1] + f[2]) / h**2)
        name = "lowest_curvature_at_the_minimum_of_the_sigmoid"  # of a minimum, 0 at the least
        stands.append(Erratum(name, where, 0.0, second, lowest, 0.01 * abs(lowest)))
    return (
        *stands,
        *_document.flaws(config.printed_grid, config.printed_scale, directions(config)),
    )

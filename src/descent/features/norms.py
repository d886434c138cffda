"""At a small start the mean square of every layer's gradient is known from the widths and the data.

The outputs are far below the targets, so the loss pulls at the network as if it were zero. What is left is a product of
one random factor a layer, whose mean square is known exactly, times what the two half-lines of the data share.

    W_l ~ U(±c) with variance v_l, n_l rows, biases 0;   f(θ) = (1/N) Σ_i (m(x_i) − y_i)²;   m ≈ 0
    E‖∇_{W_l} f‖² = C_l (a₊² + a₋² + 2a₊a₋ r_l),   a_± = −(2/N) Σ_{±x_i>0} y_i|x_i|
    C_l = ∏_{k<l} (n_k v_k/2) ∏_{k>l} (n_{k−1} v_k/2): exact;   r₁ = r₂ = 0: exact
    r_l for l > 2 from arc-cosine kernels: the limit of wide layers, 1/n_k from it for every layer

See: on the right the root mean square of many networks lies on the predicted points; on the left the gradients of
other starts are larger by up to eleven powers of ten.

Source: CS182 homework 2, question 6a, d, f; arc-cosine kernels: Cho and Saul (2009).
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Refusal, Seed, experiment_config
from descent.features import _halves, _problem
from descent.features._moments import scale, shared
from descent.features._problem import FORMULA, Hidden, require_room, require_scale
from descent.maths.initialise import Scheme, initialise, variances
from descent.maths.limits import require_at_most, require_cost
from descent.maths.network import Shape
from descent.maths.sampling import mean
from descent.result import Check, Result, measured, predicted, replicates, sweep

SHOWN = 1000  # networks whose norms are kept
CHUNK = 500  # networks at once
SMALL = 0.01  # outputs over targets, at the most: what is left out is the square


@experiment_config
class Config(_problem.Data):
    seed: Seed
    replicates: Count  # networks of each start
    hidden: Hidden
    small: Positive  # c
    large: Positive

    def __post_init__(self):
        super().__post_init__()
        if self.replicates < 100:
            raise ValueError(f"replicates {self.replicates}: a root mean square needs at least 100")
        require_at_most(self, "norms of all networks are kept", replicates=1_000_000)
        if not self.small < self.large:
            raise ValueError(f"small {self.small:g} must be below large {self.large:g}")
        require_scale("small", self.small, self.hidden)
        require_scale("large", self.large, self.hidden)

    @property
    def shape(self) -> Shape:
        return Shape((1, *self.hidden, 1), "relu")

    @property
    def starts(self) -> dict[str, Scheme]:
        return {"small": self.small, "large": self.large} | {name: name for name in FORMULA}

    @property
    def output_over_targets(self) -> float:
        """Root mean square of the slope of m, over the targets, at the small start."""
        v, widths = variances(self.small, self.shape.widths), self.shape.widths
        output = np.sqrt(np.prod(v * widths[:-1]) / 2 ** (len(v) - 1))
        a, b = _halves.moments(*self.sample())
        return float(np.abs(b).max() * output / np.hypot(*a))


def predict(config: Config) -> xr.Dataset:
    """E‖∇_{W_l} f‖² at the small start, for wide layers."""
    (plus, minus), _ = _halves.moments(*config.sample())
    C, r = (
        scale(config.shape.widths, variances(config.small, config.shape.widths)),
        shared(len(config.hidden) + 1),
    )
    square = C * (plus**2 + minus**2 + 2 * plus * minus * r)
    layer = sweep(range(1, len(square) + 1), "layer", "layer")
    found = predicted("layer", square, "E‖∇f‖²")
    return xr.Dataset({"square_predicted": found}, coords={"layer": layer})


def measure(config: Config) -> xr.Dataset:
    """‖∇_{W_l} f‖ of many networks of every start."""
    rng, found = np.random.default_rng(config.seed), {}
    x, y = config.sample()
    for name, scheme in config.starts.items():
        found[name] = np.concatenate(
            [
                _halves.gradient_norms(
                    initialise(rng, scheme, config.shape, min(CHUNK, config.replicates - first)),
                    x,
                    y,
                    config.shape,
                )
                for first in range(0, config.replicates, CHUNK)
            ]
        )
    dims, norms = ("start", "replicate", "layer"), np.array(list(found.values()))
    return xr.Dataset(
        {"norm": measured(dims, norms, "‖∇f‖ of a layer")},
        coords={
            "start": ("start", list(found), {"long_name": "start"}),
            "replicate": replicates(config.replicates),
            "layer": sweep(range(1, norms.shape[-1] + 1), "layer", "layer"),
        },
    )


def run(config: Config) -> Result:
    R, P = config.replicates, config.shape.parameters
    require_room(min(CHUNK, R) * 2 * P, f"hidden {list(config.hidden)}")
    require_cost(config, "replicates, hidden", 0, 50.0 * R * P)
    if config.output_over_targets > SMALL:
        raise Refusal(
            f"small {config.small:g}: outputs are {config.output_over_targets:.2g} of the targets, "
            f"more than {SMALL:g}: the theory is for a start with m ≈ 0"
        )
    found, theory = measure(config), predict(config)
    norm, square = found["norm"], theory["square_predicted"]
    medians, rms = norm.median("replicate"), np.sqrt(np.square(norm).mean("replicate"))
    (plus, minus), _ = _halves.moments(*config.sample())
    shown = found.isel(replicate=slice(0, SHOWN)).assign(
        small_rms=rms.sel(start="small", drop=True).assign_attrs(long_name="root mean square")
    )
    return Result(
        data=shown.merge(theory),
        metrics={
            **{f"{name}_gradient_median": medians.sel(start=name) for name in config.starts},
            **{f"{name}_gradient_rms": rms.sel(start=name) for name in config.starts},
            "small_gradient_rms_predicted": np.sqrt(square),
            "a_plus": plus,
            "a_minus": minus,
            "small_output_over_targets": config.output_over_targets,
        },
        checks=compare(config, found, theory),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    estimate = mean(np.square(found["norm"].sel(start="small", drop=True)))
    (plus, minus), _ = _halves.moments(*config.sample())
    shape = config.shape
    C = scale(shape.widths, variances(config.small, shape.widths))
    narrow = sum(1 / n for n in config.hidden)
    finite = C * np.abs(2 * plus * minus * shared(len(C))) * narrow
    left_out = C * (plus**2 + minus**2) * config.output_over_targets**2
    tol = estimate.tol + estimate.tol.copy(data=finite + left_out)
    why = f"{estimate.why}, and Σ 1/n_k = {narrow:.2g} of what both sides share"
    square = theory["square_predicted"]
    return (Check("mean_square_at_the_small_start", estimate.value, "==", square, tol, why),)

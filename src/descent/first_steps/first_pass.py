"""An untrained ReLU network multiplies a signal's length by one random factor a layer, both ways.

The units that are on for an image are as good as fair coins, and the weights of the units that are on are Gaussian:
so each layer multiplies by the root of its variance times a χ², in both directions. Of a product of ten such factors
it is the logarithm whose mean a few hundred networks tell, and this is a sum over the layers.

    z_L the outputs for an image x of MNIST, weights N(0, v_l), no biases, u = 1/C − e_y: the slope of the loss at z_L = 0
    mean ln ‖z_L‖²/‖x‖² = Σ_{k<L} (ln v_k + E ln Q_k) + ln v_L + E ln χ²_C
    mean ln ‖∂(u·z_L)/∂W_l‖²/(‖x‖² ‖u‖²) = Σ_{k≠l} ln v_k + Σ_{k<L} E ln Q_k,   Q_k = χ²_B, B ~ Binomial(n_k, ½)

All starts have the same draws, rescaled. The images of a network share its weights, so that they count as one. The
outputs of He's network are about as long as its inputs: on raw pixels such a network is certain, and mostly wrong.

See: the measured gradients of every layer lie on the predicted ones; small random weights make them vanish.

Source: CS182 homework 2, question 5a, which compares gradient norms of initialisations; arXiv 1502.01852 (He) and
1812.05994 (the logarithm).
"""

import numpy as np
import xarray as xr
from scipy import stats

from descent.config import Positive, Refusal, experiment_config
from descent.first_steps import _protocol, _starts
from descent.first_steps._classifiers import log_squares
from descent.first_steps._protocol import CLASSES, PIXELS, Task
from descent.maths.homogeneity import squared_norms
from descent.maths.initialise import rescaled
from descent.maths.network import Backward, backward, forward, gradient
from descent.maths.random_relu import hidden_layers, log_gradient_squares, log_output_square
from descent.maths.replicates import replicate
from descent.maths.sampling import level, mean
from descent.result import Check, Result, measured, over_replicates, predicted

NAMES = [name for name in _starts.NAMES if name != "zero"]
RESOLVED = 0.5 * np.log(2)  # tolerance of a mean logarithm at the most: a factor 2 must be seen


@experiment_config
class Config(_protocol.Images):
    small: Positive  # standard deviation of "random"

    def __post_init__(self):
        super().__post_init__()
        self.require_affordable(len(NAMES), passes=1, looks=0)
        dead = self.replicates * self.batch * sum(0.5**n for n in self.hidden)
        if dead > 0.01:
            raise ValueError(
                f"hidden {list(self.hidden)}: of {self.replicates} networks and {self.batch} images "
                "some have a layer that is off altogether (number · 2^(−n) > 0.01), and no logarithm"
            )
        if self.resolution > RESOLVED:
            raise ValueError(
                f"replicates {self.replicates}: a mean logarithm is known to {self.resolution:.2g}; "
                f"at most {RESOLVED:.2g}, or a factor 2 would pass"
            )
        log = log_gradient_squares(self.widths, self.variances("random"))
        if np.abs(log).max() > 140 * np.log(10):
            raise Refusal(
                f"small {self.small:g} with {len(self.hidden)} hidden layers: squared gradients "
                "are predicted to leave 1e-140 … 1e140"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Those on MNIST."""
        return (PIXELS, *self.hidden, CLASSES)

    def variances(self, name: str) -> np.ndarray:
        return _starts.variances(name, self.widths, self.small)

    @property
    def resolution(self) -> float:
        """The tolerance of the mean logarithms, all starts and layers together, from their exact variance."""
        points = len(NAMES) * (len(self.hidden) + 1)
        t = -stats.t.ppf(level(points) / 2, self.replicates - 1)
        return float(t * np.sqrt(hidden_layers(self.widths).variance / self.replicates))


def predict(config: Config, widths: tuple[int, ...]) -> xr.Dataset:
    v = [_starts.variances(name, widths, config.small) for name in NAMES]
    outputs = [log_output_square(widths, one).mean for one in v]
    gradients = [log_gradient_squares(widths, one) for one in v]
    return xr.Dataset(
        {
            "log_output_predicted": predicted("start", outputs, "Σ ln v_k + Σ E ln Q_k + E ln χ²"),
            "log_gradient_predicted": predicted(
                ("start", "layer"), gradients, "Σ_{k≠l} ln v_k + Σ E ln Q_k"
            ),
        }
    )


def measure(config: Config, task: Task) -> xr.Dataset:
    """Every replicate's first minibatch."""
    return over_replicates(
        replicate(_measure_one, config.seed, [(task, config)] * config.replicates)
    )


def _measure_one(rng, task: Task, config: Config) -> xr.Dataset:
    shape = task.shape(config.hidden)
    v = np.array([_starts.variances(name, shape.widths, config.small) for name in NAMES])
    theta = rescaled(rng, shape, v)
    batch = rng.integers(config.images, size=config.batch)
    u = 1 / task.classes - np.eye(task.classes)[task.labels[batch]]
    passed = forward(theta, task.x[batch].astype(float), shape)
    logs = log_squares(passed, u)
    deltas = backward(passed, np.broadcast_to(u, passed.outputs.shape))
    slope = gradient(Backward(passed, "half_square", u, passed.outputs, deltas, each=True))
    norms = np.sqrt(squared_norms(slope, shape).weights)
    layer = ("start", "layer")
    return xr.Dataset(
        {
            "log_output": measured("start", logs.output, "mean ln ‖z_L‖²/‖x‖²"),
            "log_gradient": measured(layer, logs.gradient, "mean ln ‖∂(u·z_L)/∂W_l‖²/‖x‖²‖u‖²"),
            "weight_norm": measured(layer, norms, "‖∂W_l‖ of a minibatch on raw pixels"),
        },
        coords={
            "start": ("start", NAMES, {"long_name": "start"}),
            "layer": ("layer", np.arange(len(shape.widths) - 1) + 1, {"long_name": "layer l"}),
        },
    )


def run(config: Config, mnist: xr.Dataset) -> Result:
    task = _protocol.task(mnist, config)
    found = measure(config, task)
    theory = predict(config, task.shape(config.hidden).widths)
    logs = found[["log_output", "log_gradient"]]
    dead = int((~np.isfinite(logs.to_dataarray())).any(["variable", "start", "layer"]).sum())
    output = found["log_output"].mean("replicate")
    metrics = {f"{name}_log_output": output.sel(start=name, drop=True) for name in NAMES}
    reason = f"{dead} of {config.replicates} networks are off for every image"
    small = found["weight_norm"].sel(start="random")
    return Result(
        data=found.fillna(0.0).merge(theory),
        metrics=metrics | {"random_weight_norm": small.median(), "dead_networks": dead},
        checks=() if dead else compare(found, theory),
        no_claim=(reason,) if dead else (),
    )


def compare(found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    outputs, gradients = mean(found["log_output"]), mean(found["log_gradient"])
    output, slope = theory["log_output_predicted"], theory["log_gradient_predicted"]
    return (
        Check("log_output_square", outputs.value, "==", output, outputs.tol, outputs.why),
        Check("log_gradient_square", gradients.value, "==", slope, gradients.tol, gradients.why),
    )

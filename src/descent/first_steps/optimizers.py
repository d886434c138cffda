"""On pixels scaled down, SGD and momentum steps shrink and stall; RMSProp and Adam steps keep their size.

SGD and momentum step in proportion to the gradient, RMSProp and Adam divide it by its recent size. Pixels 255 times
smaller make the gradients of a network with small weights smaller still: the first two hardly leave the start, while
the steps of the others are as long as before.

    a ReLU network from N(0, sd²), trained on the same minibatches by the four rules
    first step of a coordinate: η|g| (SGD, momentum), η|g|/(√(1 − ρ)|g| + ε) (RMSProp), η|g|/(|g| + ε) (Adam)
    loss_0 − loss_T ≤ Σ_t η_t ‖g_t‖²,   η_t = η(1 − μᵀ⁻ᵗ)/(1 − μ)      (μ = 0 for SGD)

The last is to first order, for a gradient g of all images that changes slowly; η_t is how far momentum has carried a gradient by
step T. Noise and curvature lessen the progress. Training is in float32. Which rule ends lowest is no theory's to say:
the final losses are reported.

See: on small pixels only RMSProp and Adam come down.

Source: CS182 homework 2, question 5, whose notebook compares the four on raw pixels (CIFAR-10); arXiv 1412.6980 (Adam).
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Positive, experiment_config
from descent.first_steps import _protocol, _starts
from descent.first_steps._classifiers import evaluate, slope
from descent.first_steps._protocol import RAW, Task
from descent.maths.four_rules import NAMES, Rules, first_step
from descent.maths.initialise import rescaled
from descent.maths.network import Shape, differentiate, forward, gradient
from descent.maths.replicates import replicate
from descent.maths.sampling import mean
from descent.maths.times import evenly_spaced
from descent.maths.training import HIGHEST, train
from descent.result import Check, Result, bound, measured, over_replicates, predicted, steps, sweep

SLOW = ("sgd", "momentum")
LOOKS = 4  # even: intervals at whose ends ‖g‖² is taken
ROUGH = 0.5  # by how much half as many looks may change Σ η_t ‖g_t‖², relative


@experiment_config
class Config(_protocol.Training, Rules):
    weight_sd: Positive  # of all weights at the start

    def __post_init__(self):
        super().__post_init__()
        self.require_affordable(len(NAMES) * len(self.ranges), self.iterations, LOOKS + 4)
        self.require_unfelt(self.ranges[0] / self.ranges[-1])

    @property
    def looks(self) -> np.ndarray:
        return evenly_spaced(self.iterations, LOOKS)


def allowed(config: Config, square: xr.DataArray, every: int = 1) -> xr.DataArray:
    """Σ_t η_t ‖g_t‖² from ‖g‖² at every so many looks; between them its chord, which lies above where it is convex."""
    T, carried, looks = config.iterations, [], config.looks[::every]
    for rule in SLOW:
        mu = config.momentum if rule == "momentum" else 0.0
        carried.append(config.rates[rule] * (1 - mu ** np.arange(T, 0, -1)) / (1 - mu))
    chords = np.array([np.interp(np.arange(T), looks, one) for one in np.eye(len(looks))])
    weights = xr.DataArray(np.array(carried) @ chords.T, dims=("slow", "look"))
    return (square[..., ::every].drop_vars("look", errors="ignore") * weights).sum("look")


def predict(config: Config, given: xr.Dataset) -> xr.Dataset:
    """From the first gradients, and for the bound from ‖g‖² along the runs."""
    first = first_step(config, given["largest_gradient"]).transpose(*given["first_step"].dims)
    progress = allowed(config, given["square"])
    return xr.Dataset(
        {
            "first_step_predicted": predicted(first.dims, first.values, "largest first step"),
            "progress_bound": bound(progress.dims, progress.values, "Σ η_t ‖g_t‖²"),
        }
    )


def measure(config: Config, task: Task) -> xr.Dataset:
    """All rules at all ranges, replicate by replicate."""
    runs = replicate(_measure_one, config.seed, [(task, config)] * config.replicates)
    return over_replicates(runs).assign_coords(
        {
            "rule": ("rule", list(NAMES), {"long_name": "rule"}),
            "slow": ("slow", list(SLOW), {"long_name": "rule"}),
            "range": sweep(config.ranges, "range", "range of the pixels"),
            "iteration": steps(np.arange(config.iterations), "iteration", "iteration"),
            "look": ("look", config.looks, {"long_name": "iteration"}),
        }
    )


@np.errstate(over="ignore", invalid="ignore")  # to diverge is a result
def _measure_one(rng, task: Task, config: Config) -> xr.Dataset:
    """From the same weights and on the same minibatches."""
    shape, T = task.shape(config.hidden), config.iterations
    v = _starts.variances("random", shape.widths, config.weight_sd)
    start = rescaled(rng, shape, v[None]).astype(np.float32)
    scale = np.array(config.ranges).astype(np.float32) / np.float32(RAW)
    start = np.repeat(start, len(scale), axis=0)
    batches = rng.integers(config.images, size=(T, config.batch))
    slopes = slope(task.x, task.labels, batches, shape, scale)
    _, g = slopes(start, np.arange(len(scale)), 0)
    found = []
    for name, rule in config.rules.items():
        rate = np.full((1, 1), config.rates[name], start.dtype)
        first = rule.step(rule.start(g), g.copy(), 1, rate)[1]
        keep = config.looks.tolist() if name in SLOW else []
        run = train(start, slopes, rule, config.rates[name], T, evaluate_end=False, keep=keep)
        ends = evaluate(run.theta, task.x, task.labels, shape, scale).loss
        right = evaluate(run.theta, task.validation_x, task.validation_labels, shape, scale)
        squares = [full_square(one[:1], task, shape, scale[:1]) for one in run.kept]
        found.append((run, np.abs(first).max(1), ends, right.accuracy, squares))
    runs, first, ends, accuracy, squares = map(list, zip(*found, strict=True))
    network = ("rule", "range")
    begin = evaluate(start[:1], task.x, task.labels, shape, scale[:1]).loss
    return xr.Dataset(
        {
            "loss": measured(
                (*network, "iteration"), [r.losses.T for r in runs], "loss of the minibatch"
            ),
            "final": measured(network, ends, "loss at the end on all images trained on"),
            "accuracy": measured(network, accuracy, "validation accuracy at the end"),
            "first_step": measured(network, first, "largest first change of a parameter"),
            "largest_gradient": measured(
                "range", np.abs(g).max(1).astype(float), "largest |g| at first"
            ),
            "square": measured(
                ("slow", "look"), squares[: len(SLOW)], "‖g‖² on the smallest pixels"
            ),
            "progress": measured(
                "slow", [begin[0] - one[0] for one in ends[: len(SLOW)]], "loss_0 − loss_T"
            ),
            "lost": measured(network, [r.is_lost for r in runs], "diverged"),
        }
    )


def full_square(
    theta: Float[np.ndarray, "1 P"], task: Task, shape: Shape, scale: Float[np.ndarray, " 1"]
) -> float:
    """‖g‖² over all images."""
    back = differentiate(forward(theta, task.x, shape, scale), task.labels, "softmax")
    return float(
        np.nan_to_num(np.square(gradient(back).astype(float)).sum(), nan=HIGHEST, posinf=HIGHEST)
    )


def run(config: Config, mnist: xr.Dataset) -> Result:
    task = _protocol.task(mnist, config, config.validation)
    found = measure(config, task)
    theory = predict(config, found)
    metrics = {
        f"{name}_{what}": found[what].sel(rule=name, drop=True).median("replicate")
        for name in NAMES
        for what in ("final", "accuracy", "first_step")
    }
    fraction = found["lost"].astype(float).mean("replicate")
    metrics |= {f"{name}_diverged_fraction": fraction.sel(rule=name, drop=True) for name in NAMES}
    reasons = presupposed(config, found)
    return Result(
        data=found.merge(theory).assign_attrs(images=config.images),
        metrics=metrics,
        checks=compare(config, found, theory)[: 1 if reasons else 2],
        no_claim=reasons,
    )


def presupposed(config: Config, found: xr.Dataset) -> tuple[str, ...]:
    """Why nothing can be said of the stall on the smallest pixels."""
    lost = int(found["lost"].sel(rule=list(SLOW)).isel(range=0).sum())
    if lost:
        return (f"{lost} runs of SGD and momentum diverged on the smallest pixels",)
    fine, coarse = (allowed(config, found["square"], every).mean("replicate") for every in (1, 2))
    rough = float((abs(coarse / fine.where(fine > 0, 1.0) - 1)).max())
    if rough > ROUGH:
        return (
            f"on pixels of range {config.ranges[0]:g} ‖g‖² changes too fast: its sum moves by "
            f"{rough:.2g} of itself with half as many looks, more than {ROUGH:g}",
        )
    return ()


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    first, step = theory["first_step_predicted"], found["first_step"]
    rounding = 10 * 2.0**-24 * step
    # The spread of what progress lacks to the bound, from the measured squares.
    lacking = mean(found["progress"] - allowed(config, found["square"]))
    progress, most = (a.mean("replicate") for a in (found["progress"], theory["progress_bound"]))
    return (
        Check("first_step", step, "==", first, rounding, "at most ten roundings of float32"),
        Check("progress_on_small_pixels", progress, "<=", most, lacking.tol, lacking.why),
    )

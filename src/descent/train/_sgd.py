"""Plain SGD on a classifier, with the norm of every layer's minibatch gradient."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.maths import losses, network, rules
from descent.maths.homogeneity import along_the_output, squared_layer_norms, squared_norms
from descent.maths.images import Images
from descent.maths.network import Shape
from descent.maths.training import NEVER, Run
from descent.maths.training import train as descend
from descent.result import measured, steps


class Settings(NamedTuple):
    batch: int
    rate: float  # η
    epochs: int
    kept: list[int]  # epochs after which the parameters are kept


class Test(NamedTuple):
    """Of one network on the test set."""

    loss: float  # mean of the minibatch NLLs, weighted by their sizes
    unweighted: float  # as if every minibatch were of the same size
    accuracy: float


def evaluate(theta: Float[np.ndarray, "1 P"], shape: Shape, test: Images, batch: int) -> Test:
    log_p = losses.log_softmax(network.outputs(theta, test.x, shape))
    nll = losses.of_samples("softmax", log_p, test.labels)[0].astype(float)
    parts = np.split(nll, range(batch, len(nll), batch))
    means = [part.mean() for part in parts]
    weighted = np.average(means, weights=[len(part) for part in parts])
    accuracy = losses.accuracy(log_p, test.labels)[0]
    return Test(float(weighted), float(np.mean(means)), float(accuracy))


def train(
    rng: np.random.Generator,
    start: Float[np.ndarray, "1 P"],
    shape: Shape,
    images: Images,
    test: Images,
    settings: Settings,
) -> xr.Dataset:
    """`epochs` passes over the images in random order, in the precision of `start`.

    Over (epoch, layer): means over an epoch weigh every minibatch by its size. A network that is lost keeps
    its last finite parameters; `lost` is the step, and what follows it is NaN.
    """
    n, depth, batch = len(images.x), len(shape.widths) - 1, settings.batch
    per_epoch = -(-n // batch)
    norms, train_loss = np.full((settings.epochs, depth), np.nan), np.full(settings.epochs, np.nan)
    tests = [Test(np.nan, np.nan, np.nan)] * settings.epochs
    squares, order = np.zeros(depth), np.arange(n)

    def slope(theta, _, t):
        """The loss and the gradient of minibatch t; before a new epoch, the test of the last one."""
        nonlocal order, squares
        epoch, place = divmod(t, per_epoch)
        if place == 0:
            if epoch:
                tests[epoch - 1] = evaluate(theta, shape, test, batch)
            order = rng.permutation(n)
            norms[epoch], train_loss[epoch] = 0, 0
        chosen = order[place * batch : (place + 1) * batch]
        passed = network.forward(theta, images.x[chosen], shape)
        back = network.differentiate(passed, images.labels[chosen], "softmax", each=True)
        g = network.gradient(back)
        squared = squared_norms(g, shape)
        squares = squares + along_the_output(squared)[0]
        norms[epoch] += np.sqrt(squared.weights[0]) * (len(chosen) / n)
        each = network.sample_losses(back)
        train_loss[epoch] += float(each.sum()) / n
        return each.mean(-1), g

    keep = [epoch * per_epoch for epoch in settings.kept]
    last = settings.epochs * per_epoch
    run = descend(start, slope, rules.descent(), settings.rate, last, evaluate_end=False, keep=keep)
    if run.lost[0] == NEVER:
        tests[-1] = evaluate(run.theta, shape, test, batch)
    kicks = np.float64(settings.rate) ** 2 * squares
    return _labelled(Trained(norms, train_loss, tests, kicks, run), start, shape, settings)


class Trained(NamedTuple):
    """What a training leaves behind; E epochs, D layers."""

    norms: Float[np.ndarray, "E D"]
    train_loss: Float[np.ndarray, " E"]
    tests: list[Test]
    kicks: Float[np.ndarray, " D"]
    run: Run


def _labelled(found: Trained, start: np.ndarray, shape: Shape, settings: Settings) -> xr.Dataset:
    run, depth = found.run, len(shape.widths) - 1
    growth = squared_layer_norms(run.theta, shape) - squared_layer_norms(start, shape)
    test_loss, unweighted, accuracy = np.transpose(found.tests)
    return xr.Dataset(
        {
            "gradient_norm": measured(
                ("epoch", "layer"), found.norms, "mean minibatch gradient norm ‖G_l‖"
            ),
            "train_loss": measured("epoch", found.train_loss, "training NLL"),
            "test_loss": measured("epoch", test_loss, "test NLL"),
            "test_loss_unweighted": measured(
                "epoch", unweighted, "test NLL, minibatches unweighted"
            ),
            "accuracy": measured("epoch", accuracy, "test accuracy"),
            "growth": measured("layer", growth[0], "Δ‖W_l‖²"),
            "kicks": measured("layer", found.kicks, "η² Σ ‖G_l‖²"),
            "parameters": measured(("checkpoint", "parameter"), run.kept[:, 0], "W_1, b_1, W_2, …"),
            "lost": measured((), int(run.lost[0]), f"step at which it was lost, or {NEVER}"),
        },
        coords={
            "epoch": steps(np.arange(settings.epochs) + 1, "epoch", "epoch"),
            "checkpoint": steps(settings.kept, "checkpoint", "epoch"),
            "layer": ("layer", np.arange(depth) + 1, {"long_name": "layer"}),
        },
        attrs={
            "widths": list(shape.widths),
            "bias": int(shape.biases),
            "activation": shape.activation,
            "rate": settings.rate,
            "batch": settings.batch,
        },
    )

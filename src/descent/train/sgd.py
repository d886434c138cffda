"""Plain SGD on a classifier, with the norm of every layer's minibatch gradient."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.maths import mlp
from descent.maths.images import Images


class Settings(NamedTuple):
    activation: mlp.Activation
    initialisation: mlp.Initialisation
    bias: bool
    batch: int
    rate: float
    epochs: int
    kept: list[int]  # epochs after which the parameters are kept


class Run(NamedTuple):
    """E epochs, L layers. Means over an epoch weigh every minibatch by its size."""

    gradient_norm: Float[np.ndarray, "E L"]  # ‖G_l‖, weights only
    train_loss: Float[np.ndarray, " E"]  # of the minibatches, before each step
    test_loss: Float[np.ndarray, " E"]
    test_loss_unweighted: Float[np.ndarray, " E"]  # as if every minibatch were of the same size
    accuracy: Float[np.ndarray, " E"]
    growth: Float[np.ndarray, " L"]  # Δ‖W_l‖² over the run, with the biases from l on
    kicks: Float[np.ndarray, " L"]  # η² Σ_t ‖G_l‖², likewise
    parameters: Float[np.ndarray, "kept P"]


def evaluate(
    network: mlp.Network, images: Images, settings: Settings
) -> tuple[float, float, float]:
    """The mean of minibatch NLLs weighted by size, their unweighted mean, the accuracy."""
    _, log_p = mlp.forward(network, images.x, settings.activation)
    losses = -log_p[np.arange(len(log_p)), images.labels].astype(float)
    batches = np.split(losses, range(settings.batch, len(losses), settings.batch))
    means = [batch.mean() for batch in batches]
    weighted = np.average(means, weights=[len(batch) for batch in batches])
    return weighted, float(np.mean(means)), (log_p.argmax(1) == images.labels).mean()


def train(
    rng: np.random.Generator, images: Images, test: Images, widths: list[int], settings: Settings
) -> Run:
    """`epochs` passes over the images in random order; a run that diverges goes on as inf and nan."""
    n, depth = len(images.x), len(widths) - 1
    network = mlp.initialise(rng, widths, settings.initialisation, settings.bias)
    start, squares = mlp.squared_layer_norms(network), np.zeros(depth)
    norms, train_loss = np.zeros((settings.epochs, depth)), np.zeros(settings.epochs)
    evaluations, kept = [], [mlp.flattened(network)] if 0 in settings.kept else []
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        rate = np.float32(settings.rate)
        for epoch in range(settings.epochs):
            order = rng.permutation(n)
            for first in range(0, n, settings.batch):
                chosen = order[first : first + settings.batch]
                passed = mlp.differentiate(
                    network, images.x[chosen], images.labels[chosen], settings.activation
                )
                gradient = mlp.gradients(network, passed)
                squared = mlp.squared_norms(gradient.parameters())
                squares += mlp.along_the_output(squared[:depth], squared[depth:])
                norms[epoch] += np.sqrt(squared[:depth]) * (len(chosen) / n)
                train_loss[epoch] += float(passed.losses.sum()) / n
                for parameter, slope in zip(
                    network.parameters(), gradient.parameters(), strict=True
                ):
                    slope *= rate
                    parameter -= slope
            evaluations.append(evaluate(network, test, settings))
            if epoch + 1 in settings.kept:
                kept.append(mlp.flattened(network))
        growth = mlp.squared_layer_norms(network) - start
        kicks = np.float64(settings.rate) ** 2 * squares
    test_loss, unweighted, accuracy = np.array(evaluations).T
    return Run(
        gradient_norm=norms,
        train_loss=train_loss,
        test_loss=test_loss,
        test_loss_unweighted=unweighted,
        accuracy=accuracy,
        growth=growth,
        kicks=kicks,
        parameters=np.array(kept),
    )

"""One epoch of the MNIST perceptron with per-layer gradient norms, every way of doing it."""

from itertools import pairwise

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from descent.maths.images import Images
from descent.maths.initialise import initialise
from descent.maths.network import Shape
from descent.train._sgd import Settings, train
from machine import timed

BATCH, RATE = 128, 0.01
SHAPE = Shape((784, 128, 128, 128, 10), "relu", biases=False)
WIDTHS = SHAPE.widths


def network() -> torch.nn.Sequential:
    layers = []
    for fan_in, fan_out in pairwise(WIDTHS):
        layers += [torch.nn.Linear(fan_in, fan_out, bias=False), torch.nn.ReLU()]
    return torch.nn.Sequential(torch.nn.Flatten(), *layers[:-1], torch.nn.LogSoftmax(dim=1))


def epoch(batches, model) -> None:
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE)
    norms = []
    for x, labels in batches:
        optimiser.zero_grad()
        torch.nn.functional.nll_loss(model(x), labels).backward()
        optimiser.step()
        norms.append([p.grad.norm().item() for p in model.parameters()])


def through_loader(root: str, fraction: float):
    """The notebook's way: images transformed one at a time by a DataLoader."""
    normal = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    data = datasets.MNIST(root, train=True, transform=normal)
    part = torch.utils.data.Subset(data, range(int(fraction * len(data))))
    epoch(DataLoader(part, BATCH, shuffle=True), network())


def preloaded(x: torch.Tensor, labels: torch.Tensor):
    order = torch.randperm(len(x))
    chunks = order.split(BATCH)
    epoch(((x[chunk], labels[chunk]) for chunk in chunks), network())


def start(rng: np.random.Generator) -> np.ndarray:
    return initialise(rng, "uniform", SHAPE).astype(np.float32)


def ours(images: Images, few: Images):
    rng = np.random.default_rng(0)
    train(rng, start(rng), SHAPE, images, few, Settings(BATCH, RATE, 1, []))


def bare_products(batches: int):
    """The matrix products of an epoch and nothing else: forward, weight gradients, deltas."""
    rng = np.random.default_rng(0)
    W = [W[0] for W, _ in SHAPE.layers(start(rng))]
    h = [rng.standard_normal((BATCH, width), np.float32) for width in WIDTHS]
    for _ in range(batches):
        for layer, weights in enumerate(W):
            h[layer] @ weights.T
            h[layer + 1].T @ h[layer]
            if layer:
                h[layer + 1] @ weights


def ways(root: str = "data/mnist") -> list[dict]:
    """Seconds an epoch on one thread."""
    torch.set_num_threads(1)
    mnist = datasets.MNIST(root, train=True)
    x = (
        mnist.data.reshape(len(mnist), -1).numpy() / np.float32(255) - np.float32(0.1307)
    ) / np.float32(0.3081)
    images = Images(x, mnist.targets.numpy())
    few = Images(x[:128], images.labels[:128])
    xt, labels = torch.from_numpy(x), mnist.targets
    batches = -(-len(x) // BATCH)
    with threadpool_limits(1):
        rows = [
            ("the notebook's DataLoader", 20 * timed(lambda: through_loader(root, 0.05), 3)),
            ("autograd, preloaded", timed(lambda: preloaded(xt, labels), 3)),
            ("ours", timed(lambda: ours(images, few), 5)),
            ("floor: the bare matrix products", timed(lambda: bare_products(batches), 5)),
        ]
    return [
        {"way": way, "seconds_per_epoch": seconds, "ratio_to_loader": rows[0][1] / seconds}
        for way, seconds in rows
    ]

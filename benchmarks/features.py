"""Small networks on a line: gradient norms of 2000 starts, and the training of forty, each the notebook's way and ours."""

from itertools import pairwise

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from descent.features import _halves
from descent.features._problem import Data
from descent.features._training import Pace, orders, train_in_batches
from descent.maths.initialise import initialise
from descent.maths.network import Shape, value_and_gradient
from machine import timed

SHAPE = Shape((1, 20, 20, 20, 20, 1), "relu")
STARTS, NETWORKS, STEPS, BATCH, RATE, MOMENTUM = 2000, 40, 468, 32, 0.1, 0.9
PACE = Pace(RATE, MOMENTUM)
STARTS_TIMED, NETWORKS_TIMED = 20, 1  # of the notebook's way, which is scaled up
CHUNK = 20  # networks at once, over all points


def module() -> torch.nn.Sequential:
    layers = []
    for fan_in, out in pairwise(SHAPE.widths):
        layers += [torch.nn.Linear(fan_in, out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    for layer in model[::2]:
        torch.nn.init.uniform_(layer.weight, -0.3, 0.3)
        torch.nn.init.zeros_(layer.bias)
    return model


def norms_one_by_one(x: torch.Tensor, y: torch.Tensor, count: int) -> list[float]:
    """Full-batch gradient norms of the matrices, through autograd."""
    kept = []
    for _ in range(count):
        model = module()
        torch.nn.functional.mse_loss(model(x), y).backward()
        kept += [layer.weight.grad.norm().item() for layer in model[::2]]
    return kept


def train_one_by_one(x: torch.Tensor, y: torch.Tensor, count: int) -> None:
    for _ in range(count):
        model = module()
        rule = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)
        order = torch.cat([torch.randperm(len(x)) for _ in range(10)])
        for t in range(STEPS):
            batch = order[t * BATCH : (t + 1) * BATCH]
            rule.zero_grad()
            torch.nn.functional.mse_loss(model(x[batch]), y[batch]).backward()
            rule.step()


def ways() -> list[dict]:
    """Seconds on one thread."""
    torch.set_num_threads(1)
    data = Data(function_seed=0, sample_seed=10, components=5, samples=1500, noise=0.1)
    x, y = data.sample()
    xt, yt = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    rng = np.random.default_rng(0)
    many = initialise(rng, "student", SHAPE, STARTS)
    few = initialise(rng, "student", SHAPE, NETWORKS)
    order = orders(rng, NETWORKS, len(x), STEPS, BATCH)

    def batched():
        return [
            value_and_gradient(many[k : k + CHUNK], x, y, SHAPE, "square")
            for k in range(0, STARTS // 10, CHUNK)
        ]

    with threadpool_limits(1):
        seconds = [
            STARTS / STARTS_TIMED * timed(lambda: norms_one_by_one(xt, yt, STARTS_TIMED), 3),
            10 * timed(batched, 3),
            timed(lambda: _halves.gradient_norms(many, x, y, SHAPE), 5),
            NETWORKS / NETWORKS_TIMED * timed(lambda: train_one_by_one(xt, yt, NETWORKS_TIMED), 3),
            timed(lambda: train_in_batches(few, x, y, SHAPE, order, Pace(RATE, MOMENTUM)), 3),
        ]
    norms = f"gradient norms of {STARTS} starts, 1500 points"
    training = f"{NETWORKS} networks, {STEPS} steps"
    return [
        {"job": job, "way": way, "seconds": s, "ratio": slow / s}
        for job, way, s, slow in (
            (norms, "torch modules one by one", seconds[0], seconds[0]),
            (norms, "ours, all points, float64", seconds[1], seconds[0]),
            (norms, "ours, from two points", seconds[2], seconds[0]),
            (training, "torch modules one by one", seconds[3], seconds[3]),
            (training, "ours", seconds[4], seconds[3]),
        )
    ]

"""Small networks: forty trained side by side, and a landscape of 101² points, each the notebook's way and ours."""

import copy
from itertools import pairwise

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from descent.maths import rules
from descent.maths.initialise import initialise
from descent.maths.network import Shape, losses
from descent.maths.training import train
from descent.mlp1d._problem import points, slope
from machine import timed

SHAPE, RATE = Shape((1, 10, 10, 1), "relu"), 0.05
NETWORKS, EPOCHS, SIDE = 40, 2000, 101
EPOCHS_TIMED, POINTS_TIMED = 200, 500  # of the notebook's way, which is scaled up


def module() -> torch.nn.Sequential:
    layers = []
    for fan_in, out in pairwise(SHAPE.widths):
        layers += [torch.nn.Linear(fan_in, out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def one_by_one(x: torch.Tensor, y: torch.Tensor, epochs: int) -> None:
    """One network through autograd, keeping every loss."""
    model = module()
    optimiser, kept = torch.optim.SGD(model.parameters(), lr=RATE), []
    for _ in range(epochs):
        optimiser.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimiser.step()
        kept.append(loss.item())


def copy_a_point(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, count: int) -> None:
    """A deep copy of the network and of its parameters at each point, loaded and run."""
    for k in range(count):
        moved = copy.deepcopy(model)
        state = copy.deepcopy(moved.state_dict())
        for name, value in state.items():
            state[name] = value + k * torch.randn(value.shape) + torch.randn(value.shape)
        moved.load_state_dict(state)
        with torch.no_grad():
            torch.nn.functional.mse_loss(moved(x), y).item()


def ways() -> list[dict]:
    """Seconds on one thread."""
    torch.set_num_threads(1)
    x, y = points(7)
    xt, yt = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    rng = np.random.default_rng(0)
    theta, directions = (
        initialise(rng, "uniform", SHAPE, NETWORKS),
        rng.standard_normal((2, SHAPE.parameters)),
    )
    t = np.linspace(-1, 1, SIDE)
    model = module()

    def landscape():
        first, second = directions[:1], t[:, None] * directions[1:]
        return [losses(theta[:1] + u * first + second, x, y, SHAPE, "square") for u in t]

    def training():
        return train(theta, slope(x, y, SHAPE), rules.descent(), RATE, EPOCHS)

    with threadpool_limits(1):
        seconds = [
            NETWORKS * EPOCHS / EPOCHS_TIMED * timed(lambda: one_by_one(xt, yt, EPOCHS_TIMED), 3),
            timed(training, 3),
            SIDE**2 / POINTS_TIMED * timed(lambda: copy_a_point(model, xt, yt, POINTS_TIMED), 3),
            timed(landscape, 5),
        ]
    training_job, landscape_job = (
        f"{NETWORKS} networks, {EPOCHS} epochs",
        f"landscape, {SIDE}² points",
    )
    return [
        {"job": job, "way": way, "seconds": s, "ratio": slow / s}
        for job, way, s, slow in (
            (training_job, "torch modules one by one", seconds[0], seconds[0]),
            (training_job, "ours", seconds[1], seconds[0]),
            (landscape_job, "a deep copy a point", seconds[2], seconds[2]),
            (landscape_job, "ours", seconds[3], seconds[2]),
        )
    ]

"""What a probe costs: a training loop with it at every=100 against the bare loop, in seconds and in memory."""

import multiprocessing
import resource
import time
from statistics import median

import torch
from threadpoolctl import threadpool_limits
from torch import nn

from descent.probe.probe import Probe

BATCH, STEPS, EVERY, RUNS = 128, 1000, 100, 5


def perceptron() -> nn.Module:
    """The perceptron of MNIST: 134,400 weights."""
    layers = [nn.Flatten()]
    for fan_in in (784, 128, 128):
        layers += [nn.Linear(fan_in, 128, bias=False), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(128, 10, bias=False))


def convolutional() -> nn.Module:
    """LeNet with ReLUs and max-pooling."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


NETWORKS = {"perceptron": perceptron, "convolutional": convolutional}


def loop(name: str, steps: int, probed: bool) -> float:
    """CPU seconds of so many steps of SGD, on random images."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, loss_fn = NETWORKS[name](), nn.functional.cross_entropy
    x, y = torch.randn(BATCH, 1, 28, 28), torch.randint(10, (BATCH,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    probe = Probe(model, loss_fn, every=EVERY)

    def step() -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    start = time.process_time()
    for _ in range(steps):
        if probed:
            with probe.step(x, y):
                step()
        else:
            step()
    return time.process_time() - start


def _peak(name: str, probed: bool, found) -> None:
    loop(name, EVERY + 1, probed)
    found.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)


def peak(name: str, probed: bool) -> float:
    """MiB of a process of its own, torch included."""
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    process = context.Process(target=_peak, args=(name, probed, found))
    process.start()
    value = found.get()
    process.join()
    return value


def ways(steps: int = STEPS, runs: int = RUNS) -> list[dict]:
    """The two loops in turn, so that both meet the machine in the same state; one thread."""
    rows = []
    for name in NETWORKS:
        with threadpool_limits(1):
            pairs = [[loop(name, steps, probed) for probed in (False, True)] for _ in range(runs)]
        bare, probed = (median(times) for times in zip(*pairs, strict=True))
        memory = [peak(name, probed) for probed in (False, True)]
        rows.append(
            {
                "network": name,
                "bare_seconds": bare,
                "with_probe_seconds": probed,
                "overhead": median(b / a for a, b in pairs) - 1,
                "bare_mib": memory[0],
                "with_probe_mib": memory[1],
                "memory_ratio": memory[1] / memory[0],
            }
        )
    return rows

"""A network of the user's own: made anew for each run, and tried on its data before it is trained."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from descent.config import Refusal
from descent.maths.limits import HOUR
from descent.probe._by_name import loss_of
from descent.probe._layers import require_model
from descent.probe._sets import CLASSES, Samples

LONGEST = 200  # characters of what foreign code says


@contextmanager
def drawn_from(seed: int, replicate: int) -> Iterator[None]:
    """Meanwhile torch draws from a generator of this seed and replicate, on one thread; then all is as it was.

    One thread, so that the bits do not depend on the number of cores.
    """
    threads = torch.get_num_threads()
    state = int(np.random.SeedSequence([seed, replicate]).generate_state(1, np.uint64)[0] >> 1)
    with torch.random.fork_rng():
        torch.manual_seed(state)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def device(asked: str) -> str:
    """`cpu` or `cuda`; auto is cuda where torch finds a device.

    Raises:
        Refusal: it finds none, and is asked for one.
    """
    there = torch.cuda.is_available() if asked != "cpu" else False
    if asked == "cuda" and not there:
        raise Refusal("device cuda: torch finds no CUDA device, expected cpu or auto")
    return "cuda" if there else "cpu"


def made(network: Callable, name: str, on: str) -> torch.nn.Module:
    """A new network in float32.

    Raises:
        Refusal: the function raises, or returns something else, or a module that cannot be probed.
    """
    model = said_by(f"network {name}", network)
    if not isinstance(model, torch.nn.Module):
        raise Refusal(f"network {name}: expected a torch module, got a {type(model).__name__}")
    try:
        require_model(model)
    except Refusal as rule:
        raise Refusal(f"network {name}: {rule}") from None
    return model.to(on, torch.float32)


def said_by(what: str, work: Callable):
    """What foreign code returns.

    Raises:
        Refusal: with what it raised.
    """
    try:
        return work()
    except (Exception, SystemExit) as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST]
        raise Refusal(f"{what}: {said}") from error


def tried(network: Callable, name: str, of: Samples, loss: str, batch: int) -> float:
    """Seconds of a forward and a backward pass of one minibatch through a network that is then thrown away.

    The last minibatch of an epoch, which may be smaller, is tried as well.

    Raises:
        Refusal: the network does not take this X, or gives what the loss cannot compare with this y.
    """
    model, seconds = made(network, name, str(of.X.device)), 0.0
    for size in (len(of.X) % batch or batch, batch, batch):
        x, y = of.X[:size], of.y[:size]
        start = time.perf_counter()
        of_x = f"{str(x.dtype).removeprefix('torch.')} x of shape {tuple(x.shape)}"
        output = said_by(f"network {name} for {of_x}", lambda x=x: model(x))
        require_fit(output, y, loss, name)
        if loss in CLASSES:
            require_classes(output.shape[1], of.y, name)
        value = said_by(f"network {name}, {loss}", lambda o=output, y=y: loss_of(loss)(o, y))
        if not value.requires_grad:
            raise Refusal(f"network {name}: its output does not depend on a trained parameter")
        said_by(f"network {name}, backwards", value.backward)
        seconds = time.perf_counter() - start  # of the last, when all is warm
    return seconds


def require_fit(output: object, y: torch.Tensor, loss: str, name: str) -> None:
    """Refuse outputs that the loss cannot compare with y.

    Raises:
        Refusal: with the shape that is expected and the one that came.
    """
    if not isinstance(output, torch.Tensor):
        raise Refusal(f"network {name}: expected a tensor, got a {type(output).__name__}")
    got, wanted = tuple(output.shape), tuple(y.shape)
    if loss in CLASSES and len(wanted) > 1 and len(got) == 2:
        one = f"expected y of shape {wanted[:1]}, a label for each sample of {name}, got {wanted}"
        raise Refusal(f"data: {one}")
    if loss in CLASSES and (len(got) < 2 or (got[0], *got[2:]) != wanted):
        raise Refusal(f"network {name}: expected (B, classes) for labels {wanted}, got {got}")
    if loss not in CLASSES and got != wanted:
        raise Refusal(f"network {name}: expected {wanted}, the shape of y, got {got}")


def require_classes(count: int, y: torch.Tensor, name: str) -> None:
    """Refuse labels that are no class of the network's.

    Raises:
        Refusal: with the label and the classes.
    """
    if (largest := int(y.max())) >= count:
        expected = f"expected 0 … {count - 1}, one for each output of {name}"
        raise Refusal(f"data: {expected}, got the label {largest}")


def require_hour(seconds: float, steps: int, rule: str) -> None:
    """Refuse so many steps of so many seconds.

    Raises:
        Refusal: with the counts and the hours.
    """
    hours = seconds * steps / HOUR
    if hours > 1:
        raise Refusal(f"{rule}: about {hours:.3g} hours, at most 1")

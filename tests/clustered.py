"""What the tests send to the workers of a cluster: workers import it by name."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from descent.config import Refusal


class Odd(Exception):
    """An error that cannot be sent as it is: it takes two arguments and keeps one."""

    def __init__(self, one, other):
        super().__init__(f"{one} {other}")


def drawn(rng: np.random.Generator, scale: float, image: np.ndarray | None = None) -> np.ndarray:
    """Noise, and a product whose last bits depend on the order of its sums."""
    noise = scale * rng.standard_normal((40, 40))
    return noise @ noise.T if image is None else noise @ image[:40, :40]


def writable(rng: np.random.Generator, image: np.ndarray) -> tuple[bool, int]:
    """Whether what is handed over may be written to, and in which process."""
    return image.flags.writeable, os.getpid()


def killed(rng: np.random.Generator, number: int, once: str) -> float:
    """The process of replicate 3 kills itself: the first time only, if there is a file to remember that."""
    if number == 3:
        if not once:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            Path(once).touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
        except FileExistsError:
            pass
    return rng.random()


def failing(rng: np.random.Generator, how: str) -> None:
    if how == "refusal":
        raise Refusal("rank 3: no such matrix")
    if how == "memory":
        raise MemoryError
    if how == "odd":
        raise Odd(1, 2)
    raise OverflowError("math range error")


def slow(rng: np.random.Generator, seconds: float) -> float:
    time.sleep(seconds)
    return rng.random()

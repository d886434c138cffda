"""Where the arrays live: in NumPy's memory, or through CuPy in that of a CUDA device.

The device is a fact of the environment, not a parameter: DESCENT_DEVICE is `auto` (cuda where CuPy
finds a device, else cpu; the default), `cpu` or `cuda`. No other module imports CuPy, and this one
only when it is needed.
"""

import os
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import psutil

from descent.config import Refusal

Array = Any  # numpy.ndarray or cupy.ndarray


@cache
def cupy() -> ModuleType | None:
    """CuPy, where it is installed and finds a device."""
    try:
        import cupy
    except ImportError:
        return None
    return cupy if cupy.cuda.is_available() else None


def name() -> str:
    """`cpu` or `cuda`.

    Raises:
        Refusal: DESCENT_DEVICE asks for a device that is not here, or is no device at all.
    """
    asked = os.environ.get("DESCENT_DEVICE", "auto")
    if asked not in ("auto", "cpu", "cuda"):
        raise Refusal(f"DESCENT_DEVICE={asked}: must be auto, cpu or cuda")
    if asked == "cuda" and cupy() is None:
        raise Refusal("DESCENT_DEVICE=cuda: CuPy is not installed or finds no CUDA device")
    return "cpu" if asked == "cpu" or cupy() is None else "cuda"


def module() -> ModuleType:
    """The array module of the device."""
    return cupy() if name() == "cuda" else np


def namespace(x: Array) -> ModuleType:
    """The array module that x is of."""
    return np if isinstance(x, np.ndarray) else cupy()


def to(xp: ModuleType, x: Array) -> Array:
    """x as an array of this module, copied only if it lives elsewhere."""
    if xp is np and not isinstance(x, np.ndarray):
        return cupy().asnumpy(x)
    return xp.asarray(x)


def vecdot(x: Array, y: Array) -> Array:
    """Inner products over the last axis; CuPy 14 has no `vecdot`."""
    return np.vecdot(x, y) if isinstance(x, np.ndarray) else (x * y).sum(-1)


def free_memory(xp: ModuleType = np) -> int:
    """Bytes that can still be had where the arrays of this module live."""
    if xp is np:
        return psutil.virtual_memory().available
    return xp.cuda.runtime.memGetInfo()[0] + xp.get_default_memory_pool().free_bytes()


def shared_memory() -> int:
    """Bytes of shared memory that one block of threads may ask for."""
    cuda = cupy().cuda.runtime
    return cuda.deviceGetAttribute(cuda.cudaDevAttrMaxSharedMemoryPerBlockOptin, cuda.getDevice())


@cache
def launcher(source: str) -> Callable:
    """launch(kernel, blocks, threads, shared, *arguments) for the kernels of this CUDA source.

    `shared` is in bytes; arguments are arrays and NumPy scalars of the very types of the signature.
    """
    compiled = cupy().RawModule(code=source, options=("--std=c++17",))

    def launch(kernel: str, blocks: int, threads: int, shared: int, *arguments) -> None:
        function = compiled.get_function(kernel)
        function.max_dynamic_shared_size_bytes = shared
        function((blocks,), (threads,), arguments, shared_mem=shared)

    return launch

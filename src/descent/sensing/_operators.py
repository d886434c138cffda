"""The Gram operator x ↦ Gx, G = SᵀS/m, in forms for every amount of memory; all work on both devices.

    Dense         p²        one matrix product with G
    Stored        mp        S twice from memory on the CPU, once by the fused kernel on a CUDA device
    Regenerated   p         rows of S made from a counter whenever they are needed: time, not memory

x may be several vectors (a, p) and comes back as the array that it was.
"""

from types import ModuleType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.config import Refusal
from descent.maths import device
from descent.maths.device import Array
from descent.sensing import _cuda, _philox

BLOCK = 64  # rows of S at a time on the CPU
SHARE = 8  # one problem takes at most this part of a device, because replicates run side by side


class Dense(NamedTuple):
    G: Float[Array, "p p"]

    @property
    def module(self) -> ModuleType:
        return device.namespace(self.G)

    def apply(self, x: Float[Array, "a p"]) -> Float[Array, "a p"]:
        return device.to(device.namespace(x), device.to(self.module, x) @ self.G)


class Stored(NamedTuple):
    S: Float[Array, "m p"]

    @property
    def module(self) -> ModuleType:
        return device.namespace(self.S)

    def apply(self, x: Float[Array, "a p"]) -> Float[Array, "a p"]:
        if self.module is np:
            return by_blocks(lambda first, count: self.S[first : first + count], len(self.S), x)
        return device.to(device.namespace(x), _cuda.stored(self.S, device.to(self.module, x)))


class Regenerated(NamedTuple):
    """Rows first, …, first + m − 1 of the endless Gaussian matrix of this seed."""

    seed: int
    first: int
    m: int

    @property
    def module(self) -> ModuleType:
        return device.module()

    def apply(self, x: Float[Array, "a p"]) -> Float[Array, "a p"]:
        if self.module is np:
            p = x.shape[1]
            return by_blocks(
                lambda first, count: _philox.normals(self.seed, self.first + first, count, p),
                self.m,
                x,
            )
        y = _cuda.gaussian(self.seed, self.first, self.m, device.to(self.module, x))
        return device.to(device.namespace(x), y)


Operator = Dense | Stored | Regenerated


def by_blocks(rows, m: int, x: Float[np.ndarray, "a p"]) -> Float[np.ndarray, "a p"]:
    """SᵀSx/m from rows(first, count) of S, in the order of the rows: the twin of the kernels."""
    y = np.zeros_like(x)
    for first in range(0, m, BLOCK):
        S = rows(first, min(BLOCK, m - first))
        y += (x @ S.T) @ S
    return y / m


def operator(S: Float[Array, "m p"]) -> Operator:
    """G itself where S lives if there is room for it, else the passes over S."""
    m, p = S.shape
    if 8 * p * p > device.free_memory(device.namespace(S)) // SHARE:
        return Stored(S)
    G = S.T @ S
    G /= m
    return Dense(G)


def placed(S: Float[np.ndarray, "m p"]) -> Operator:
    """The operator of these measurements on the CUDA device.

    Raises:
        Refusal: S does not fit there.
    """
    free = device.free_memory(device.cupy())
    if S.nbytes > free // SHARE:
        raise Refusal(
            f"S of {len(S)} measurements needs {S.nbytes / 2**30:.1f} GiB, "
            f"{free / SHARE / 2**30:.1f} GiB of the device are for one problem; DESCENT_DEVICE=cpu"
        )
    return operator(device.to(device.cupy(), S))

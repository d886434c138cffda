"""Starts of networks: weights independent with mean 0 and a spread that depends on fan_in and fan_out.

    uniform          U(±1/√fan_in), biases too: torch's default, Var W = 1/(3 fan_in)
    lecun            N(0, 1/fan_in)
    xavier           N(0, 2/(fan_in + fan_out))
    he, he_normal    N(0, 2/fan_in)
    he_uniform       U(±√(6/fan_in)), of the same variance
    xavier_uniform   U(±√(6/(fan_in + fan_out))), likewise
    student          U(±√(2/fan_in)), a third of He's variance, which a document takes for He's
    zero             0
    a number c       U(±c)

Biases are 0 but for "uniform". Numbers are drawn layer by layer, all R networks of a layer at once; for "uniform"
network by network, biases too where there are none, so that a network without biases has the same weights.
`from_torch` draws what torch draws after manual_seed.

Source: arXiv 1502.01852 (He); Glorot and Bengio (2010); LeCun et al., Efficient BackProp (1998).
"""

from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from descent.maths.network import Shape
from descent.maths.torch_stream import Stream

Name = Literal[
    "uniform",
    "lecun",
    "xavier",
    "he",
    "he_normal",
    "he_uniform",
    "xavier_uniform",
    "student",
    "zero",
]
Scheme = Name | float | int


class Law(NamedTuple):
    """U(±size), or N(0, size²)."""

    size: float
    normal: bool

    @property
    def variance(self) -> float:
        return self.size**2 / (1 if self.normal else 3)


def law(scheme: Scheme, fan_in: int, fan_out: int) -> Law:
    """Of a weight."""
    if not isinstance(scheme, str):
        return Law(float(scheme), normal=False)
    square, normal = {
        "uniform": (1 / fan_in, False),
        "lecun": (1 / fan_in, True),
        "xavier": (2 / (fan_in + fan_out), True),
        "he": (2 / fan_in, True),
        "he_normal": (2 / fan_in, True),
        "he_uniform": (6 / fan_in, False),
        "xavier_uniform": (6 / (fan_in + fan_out), False),
        "student": (2 / fan_in, False),
        "zero": (0.0, True),
    }[scheme]
    return Law(float(np.sqrt(square)), normal)


def variances(scheme: Scheme, widths: tuple[int, ...]) -> Float[np.ndarray, " D"]:
    """Var W_1, …, Var W_D."""
    return np.array([law(scheme, fan_in, out).variance for fan_in, out in pairwise(widths)])


def initialise(
    rng: np.random.Generator, scheme: Scheme, shape: Shape, count: int = 1
) -> Float[np.ndarray, "R P"]:
    """`count` networks, in float64."""
    if scheme == "uniform":
        return _torch_default(rng, shape, count)
    theta = np.zeros((count, shape.parameters))
    for (W, _), fans in zip(shape.layers(theta), pairwise(shape.widths), strict=True):
        size, normal = law(scheme, *fans)
        W[:] = size * (rng.standard_normal(W.shape) if normal else rng.uniform(-1, 1, W.shape))
    return theta


def _torch_default(rng: np.random.Generator, shape: Shape, count: int) -> Float[np.ndarray, "R P"]:
    full = shape._replace(biases=True)
    theta = rng.uniform(-1, 1, (count, full.parameters))
    for (W, b), fan_in in zip(full.layers(theta), shape.widths, strict=False):
        W /= np.sqrt(fan_in)
        b /= np.sqrt(fan_in)
    return theta if shape.biases else _without_biases(theta, full)


def _without_biases(theta: Float[np.ndarray, "R P"], full: Shape) -> Float[np.ndarray, "R Q"]:
    return np.concatenate([W.reshape(len(theta), -1) for W, _ in full.layers(theta)], axis=1)


def rescaled(
    rng: np.random.Generator, shape: Shape, v: Float[np.ndarray, "S D"]
) -> Float[np.ndarray, "S P"]:
    """One Gaussian network at every S sets of variances v_1 … v_D: the same draws, rescaled; zero biases."""
    theta = np.zeros((len(v), shape.parameters))
    for l, (W, _) in enumerate(shape.layers(theta)):
        W[:] = np.sqrt(v[:, l])[:, None, None] * rng.standard_normal(W.shape[1:])
    return theta


def from_torch(seed: int, scheme: Scheme, shape: Shape) -> Float32[np.ndarray, "1 P"]:
    """The network that torch draws after manual_seed(seed), layer by layer."""
    stream, theta = Stream(seed), np.zeros((1, shape.parameters), np.float32)
    for (W, b), fans in zip(shape.layers(theta), pairwise(shape.widths), strict=True):
        size, normal = law(scheme, *fans)
        W[:] = _draw(stream, W.size, size, normal).reshape(W.shape)
        if scheme == "uniform":  # torch draws the bias of a layer after its weights
            if b is None:
                raise ValueError("torch's default draws biases: the shape must have them")
            b[:] = stream.uniform(b.size, -size, size)
    return theta


def _draw(stream: Stream, count: int, size: float, normal: bool) -> Float32[np.ndarray, " n"]:
    return np.float32(size) * stream.normal(count) if normal else stream.uniform(count, -size, size)

"""A residual network with a penalty on its hidden layer, as a graph of seven nodes and eight edges.

    z = W₁x + b₁,   h = σ(z),   y = x + W₂h + b₂,   L = S + R,   S = ½‖y − s‖²,   R = rᵀh

Source: CSE 891 homework 2, question 1.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Inexact

from descent.autodiff._graph import Edge

ACTIVATIONS = Literal["sigmoid", "tanh", "relu", "softplus"]
NODES = ("x", "z", "h", "y", "R", "S", "L")  # in an order of evaluation


class Network(NamedTuple):
    W1: Float[np.ndarray, "K N"]
    b1: Float[np.ndarray, " K"]
    W2: Float[np.ndarray, "N K"]
    b2: Float[np.ndarray, " N"]
    x: Float[np.ndarray, " N"]
    r: Float[np.ndarray, " K"]
    s: Float[np.ndarray, " N"]


def drawn(rng: np.random.Generator, N: int, K: int, scale: float) -> Network:
    shapes = ((K, N), K, (N, K), N, N, K, N)
    return Network(*(scale * rng.standard_normal(shape) for shape in shapes))


def sigma(name: str, z: Inexact[np.ndarray, "..."]) -> Inexact[np.ndarray, "..."]:
    """σ(z), also off the real line; no exponential overflows."""
    if name == "sigmoid":
        return (1 + np.tanh(z / 2)) / 2
    if name == "tanh":
        return np.tanh(z)
    if name == "relu":
        return np.where(z.real > 0, z, 0)
    return np.where(z.real > 0, z, 0) + np.log1p(np.exp(-np.where(z.real > 0, z, -z)))


def sigma_prime(name: str, z: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    if name == "sigmoid":
        return (1 - np.tanh(z / 2) ** 2) / 4
    if name == "tanh":
        return 1 - np.tanh(z) ** 2
    if name == "relu":
        return (z > 0).astype(float)
    return sigma("sigmoid", z)


def forward(net: Network, x: Inexact[np.ndarray, "*batch N"], activation: str) -> dict:
    """The value of every node; of every row of a batch."""
    z = x @ net.W1.T + net.b1
    h = sigma(activation, z)
    y = x + h @ net.W2.T + net.b2
    S, R = ((y - net.s) ** 2).sum(-1) / 2, h @ net.r
    return {"x": x, "z": z, "h": h, "y": y, "R": R, "S": S, "L": S + R}


def edges(net: Network, values: dict, activation: str) -> tuple[Edge, ...]:
    """The graph at these values."""
    return (
        Edge("x", "z", lambda bar: net.W1.T @ bar),
        Edge("z", "h", lambda bar: bar * sigma_prime(activation, values["z"])),
        Edge("h", "y", lambda bar: net.W2.T @ bar),
        Edge("x", "y", lambda bar: bar),
        Edge("h", "R", lambda bar: net.r * bar),
        Edge("y", "S", lambda bar: (values["y"] - net.s) * bar),
        Edge("S", "L", lambda bar: bar),
        Edge("R", "L", lambda bar: bar),
    )

"""One sweep back over seven nodes and eight edges gives ∂L/∂x, and the skip connection is one of its three paths.

    z = W₁x + b₁,   h = σ(z),   y = x + W₂h + b₂,   L = S + R,   S = ½‖y − s‖²,   R = rᵀh
    δy = y − s,   δh = W₂ᵀδy + r,   δz = δh ∘ σ'(z),   δx = δy + W₁ᵀδz        W₁: (K, N),  W₂: (N, K)

δv is ∂L/∂v. The δy in δx is the skip x → y → S → L; leaving it out is the usual mistake. Compared with the derivative of L
by a complex step, Im L(x + ihe_j)/h, which subtracts nothing and so is right to rounding.

Source: CSE 891 homework 2, question 1.
"""

from typing import Annotated, Literal, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Inexact
from pydantic import Field

from descent.autodiff.graph import Edge, along, depths, paths, reverse
from descent.config import Count, Seed, experiment_config
from descent.result import Check, Result, replicates

NODES = ("x", "z", "h", "y", "R", "S", "L")  # in an order of evaluation
H = 1e-100  # of the complex step: its square is below the rounding of anything


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # networks, one after another from one stream
    inputs: Count  # N, and outputs
    hidden: Count  # K
    activation: Literal["sigmoid", "tanh", "relu", "softplus"]
    scale: Annotated[float, Field(gt=0)]  # standard deviation of every entry


class Network(NamedTuple):
    W1: Float[np.ndarray, "K N"]
    b1: Float[np.ndarray, " K"]
    W2: Float[np.ndarray, "N K"]
    b2: Float[np.ndarray, " N"]
    x: Float[np.ndarray, " N"]
    r: Float[np.ndarray, " K"]
    s: Float[np.ndarray, " N"]


def draw(rng: np.random.Generator, N: int, K: int, scale: float) -> Network:
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


def complex_step(net: Network, activation: str) -> Float[np.ndarray, " N"]:
    """∂L/∂x_j = Im L(x + ihe_j)/h."""
    shifted = net.x + 1j * H * np.eye(len(net.x))
    return forward(net, shifted, activation)["L"].imag / H


def run(config: Config) -> Result:
    rng = np.random.default_rng(config.seed)
    N, K, R = config.inputs, config.hidden, config.replicates
    gradients, steps, contributions, losses, residuals, rounding = ([] for _ in range(6))
    for _ in range(R):
        net = draw(rng, N, K, config.scale)
        values = forward(net, net.x, config.activation)
        graph = edges(net, values, config.activation)
        routes = sorted(paths(graph, "x", "L"), key=len)
        gradients.append(reverse(NODES, graph)["x"])
        steps.append(complex_step(net, config.activation))
        contributions.append([along(route) for route in routes])
        residuals.append(np.linalg.norm(values["y"] - net.s))
        losses.append([values["S"], values["R"]])
        # A sum of n products is off by nε of the products' sizes at the most: of N, K, and K again.
        sizes = [np.abs(values["y"]) + np.abs(net.s)]
        back = np.abs(net.W2.T) @ sizes[0] + np.abs(net.r)
        rounding.append((sizes[0] + np.abs(net.W1.T) @ back).max())
    gradient, step, contribution = map(np.array, (gradients, steps, contributions))
    residual = np.array(residuals)
    tol = 4 * (N + 2 * K + 8) * np.finfo(float).eps * max(rounding)

    where = depths(NODES, graph)
    names = ["".join([route[0].tail, *(edge.head for edge in route)]) for route in routes]
    skip = names.index("xySL")
    missed = np.linalg.norm(gradient - contribution[:, skip] - step, axis=1)
    norms = np.linalg.norm(contribution, axis=2)  # (replicate, path)
    share = norms / norms.sum(1, keepdims=True)
    data = xr.Dataset(
        {
            "gradient": (("replicate", "j"), gradient, {"long_name": "x̄ by reverse accumulation"}),
            "complex_step": (
                ("replicate", "j"),
                step,
                {"long_name": "∂L/∂x by a complex step", "role": "prediction"},
            ),
            "contribution": (
                ("replicate", "path", "j"),
                contribution,
                {"long_name": "contribution of a path"},
            ),
            "loss": (("replicate", "part"), np.array(losses), {"long_name": "S and R"}),
            "depth": ("node", [where[node] for node in NODES], {"long_name": "edges from x"}),
            "tail": ("edge", [NODES.index(e.tail) for e in graph], {"long_name": "from node"}),
            "head": ("edge", [NODES.index(e.head) for e in graph], {"long_name": "to node"}),
        },
        coords={
            "replicate": replicates(R),
            "j": ("j", np.arange(1, N + 1), {"long_name": "input j"}),
            "path": ("path", np.arange(len(routes)), {"long_name": "path, the shortest first"}),
            "part": ("part", [0, 1], {"long_name": "S, R"}),
            "node": ("node", np.arange(len(NODES)), {"long_name": "node"}),
            "edge": ("edge", np.arange(len(graph)), {"long_name": "edge"}),
        },
        attrs={"nodes": " ".join(NODES), "paths": " ".join(names)},
    )
    return Result(
        data=data,
        metrics={
            "loss_first": float(sum(losses[0])),
            "gradient_norm_first": float(np.linalg.norm(gradient[0])),
            "paths": len(routes),
            "skip_share": float(share[:, skip].mean()),
            "least_share": float(share.min()),
        },
        checks=(
            Check("reverse_is_the_complex_step", float(np.abs(gradient - step).max()), "<=", 0.0, tol),
            Check("paths_add_up", float(np.abs(contribution.sum(1) - gradient).max()), "<=", 0.0, tol),
            # The number of paths by the graph's own recursion: 1 at L, else the sum over the heads.
            Check("paths_as_counted_backwards", len(routes), "==", float(count_paths(graph)), 0),
            # Left out, the skip is missed by just ȳ = y − s.
            Check("error_without_the_skip", float(np.abs(missed - residual).max()), "<=", 0.0, tol),
        ),
    )  # fmt: skip


def count_paths(graph: tuple[Edge, ...]) -> int:
    """Paths from x to L, by one sweep back."""
    ways = dict.fromkeys(NODES, 0) | {"L": 1}
    for node in reversed(NODES):
        ways[node] += sum(ways[edge.head] for edge in graph if edge.tail == node)
    return ways["x"]

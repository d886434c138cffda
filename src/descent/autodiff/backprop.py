"""One sweep back over 7 nodes and 8 edges gives ∂L/∂x, and the skip connection is one of its three paths.

The derivative at a node is the sum over its outgoing edges of what comes back along them, so every edge is used once.
The same gradient is the sum over all paths from x to L. The path of the skip contributes just y − s, and leaving it out
is the usual mistake.

    z = W₁x + b₁,   h = σ(z),   y = x + W₂h + b₂,   L = S + R,   S = ½‖y − s‖²,   R = rᵀh
    δy = y − s,   δh = W₂ᵀδy + r,   δz = δh ∘ σ'(z),   δx = δy + W₁ᵀδz        W₁: (K, N),  W₂: (N, K)
    compared with the complex step  ∂L/∂x_j = Im L(x + ihe_j)/h,  which subtracts nothing: right to rounding

See: the contributions of the three paths add up to the gradient of one sweep, which lies on the dashed one of the
complex step.

Source: CSE 891 homework 2, question 1.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.autodiff._graph import Edge, along, depths, paths, reverse
from descent.autodiff._residual import (
    ACTIVATIONS,
    NODES,
    Network,
    drawn,
    edges,
    forward,
)
from descent.config import Count, Positive, Seed, experiment_config
from descent.maths.limits import CALL, require_at_most, require_cost, require_within
from descent.result import Check, Result, measured, predicted, replicates

H = 1e-100  # of the complex step: its square is below the rounding of anything
PATHS = ("xySL", "xzhRL", "xzhySL")  # from x to L, by hand; the first is the skip


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # networks, one after another from one stream
    inputs: Count  # N, and outputs
    hidden: Count  # K
    activation: ACTIVATIONS
    scale: Positive  # standard deviation of every entry

    def __post_init__(self):
        require_within("scale", self.scale, 1e-50, 1e50, "products of four leave float64")
        require_at_most(self, "the complex step has as many rows", inputs=2000, hidden=20_000)
        # Complex ones, and every network is checked row by row.
        work = self.replicates * (100.0 * self.inputs**2 * self.hidden + 50 * CALL)
        require_cost(self, "replicates, inputs, hidden", operations=work)


def draw(config: Config) -> list[Network]:
    rng = np.random.default_rng(config.seed)
    sizes = (config.inputs, config.hidden, config.scale)
    return [drawn(rng, *sizes) for _ in range(config.replicates)]


def complex_step(net: Network, activation: str) -> Float[np.ndarray, " N"]:
    """∂L/∂x_j = Im L(x + ihe_j)/h."""
    shifted = net.x + 1j * H * np.eye(len(net.x))
    return forward(net, shifted, activation)["L"].imag / H


def predict(config: Config, networks: list[Network]) -> xr.Dataset:
    """The derivative by its definition, what the skip contributes, and the number of paths."""
    slopes = [complex_step(net, config.activation) for net in networks]
    skips = [forward(net, net.x, config.activation)["y"] - net.s for net in networks]
    cell = ("replicate", "j")
    return xr.Dataset(
        {
            "gradient_predicted": predicted(cell, slopes, "∂L/∂x by a complex step"),
            "skip_predicted": predicted(cell, skips, "y − s"),
            "paths_predicted": predicted((), len(PATHS), "paths from x to L, by hand"),
        }
    )


def measure(config: Config, networks: list[Network]) -> xr.Dataset:
    """One sweep back, and the paths one by one."""
    gradients, contributions, losses = [], [], []
    for net in networks:
        values = forward(net, net.x, config.activation)
        graph = edges(net, values, config.activation)
        routes = sorted(paths(graph, "x", "L"), key=len)
        gradients.append(reverse(NODES, graph)["x"])
        contributions.append([along(route) for route in routes])
        losses.append([values["S"], values["R"]])
    where = depths(NODES, graph)
    names = ["".join([route[0].tail, *(edge.head for edge in route)]) for route in routes]
    ends = [[NODES.index(end) for end in (edge.tail, edge.head)] for edge in graph]
    return xr.Dataset(
        {
            "gradient": measured(("replicate", "j"), gradients, "one sweep back"),
            "contribution": measured(("replicate", "path", "j"), contributions, "one path"),
            "paths": measured((), count_paths(graph), "paths, counted by one sweep back"),
            "loss": measured(("replicate", "part"), losses, "S and R"),
            "depth": measured("node", [where[node] for node in NODES], "edges from x"),
            "end": measured(("edge", "side"), ends, "its nodes"),
        },
        coords={
            "replicate": replicates(config.replicates),
            "j": ("j", np.arange(1, config.inputs + 1), {"long_name": "input j"}),
            "path": ("path", names, {"long_name": "path, the shortest first"}),
            "part": ("part", ["S", "R"], {"long_name": "part of the loss"}),
            "node": ("node", list(NODES), {"long_name": "node"}),
            "side": ("side", ["tail", "head"], {"long_name": "side of an edge"}),
        },
    )


def count_paths(graph: tuple[Edge, ...]) -> int:
    """Paths from x to L, by one sweep back: 1 at L, else the sum over the heads."""
    ways = dict.fromkeys(NODES, 0) | {"L": 1}
    for node in reversed(NODES):
        ways[node] += sum(ways[edge.head] for edge in graph if edge.tail == node)
    return ways["x"]


def run(config: Config) -> Result:
    networks = draw(config)
    found, theory = measure(config, networks), predict(config, networks)
    norms = np.sqrt((found["contribution"] ** 2).sum("j"))
    share = norms / norms.sum("path")
    first = found.isel(replicate=0)
    return Result(
        data=found.merge(theory),
        metrics={
            "loss_first": first["loss"].sum(),
            "gradient_norm_first": float(np.linalg.norm(first["gradient"])),
            "paths": found["paths"],
            "skip_share": share.sel(path=PATHS[0]).mean(),
            "least_share": share.min(),
        },
        checks=compare(config, networks, found, theory),
    )


def compare(
    config: Config, networks: list[Network], found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    sizes = []
    for net in networks:
        # A sum of n products is off by nε of the products' sizes at the most: of N, K, and K again.
        y = np.abs(forward(net, net.x, config.activation)["y"]) + np.abs(net.s)
        y += np.abs(net.x) + np.abs(net.W2) @ np.ones(config.hidden) * config.scale
        back = np.abs(net.W2.T) @ y + np.abs(net.r)
        sizes.append((y + np.abs(net.W1.T) @ back).max())
    terms = 4 * (config.inputs + 2 * config.hidden + 8)
    tol = found["paths"].copy(data=0.0) + xr.DataArray(
        terms * np.finfo(float).eps * np.array(sizes), coords={"replicate": found["replicate"]}
    )
    expected, why = theory["gradient_predicted"], "rounding of sums of N, K and K products"
    contributions = found["contribution"]
    return (
        Check("gradient", found["gradient"], "==", expected, tol, why),
        Check("sum_of_the_paths", contributions.sum("path"), "==", expected, tol, why),
        Check("paths", found["paths"], "==", theory["paths_predicted"], 0, "a count"),
        Check(
            *("skip", contributions.sel(path=PATHS[0], drop=True), "=="),
            *(theory["skip_predicted"], tol, why),
        ),
    )

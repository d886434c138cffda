"""Jᵀy of f(x) = vvᵀx costs 2n products as v(vᵀy), and 2n² through the Jacobian.

    J = vvᵀ: (n, n), symmetric, of rank 1;    Jᵀy = (vvᵀ)ᵀy = v(vᵀy)
    through J:  n² products to form it, n² products and n(n − 1) sums to use it, 8n² bytes to keep it
    v(vᵀy):     2n products and n − 1 sums, 8n bytes

Counted, not timed: the same two functions run on numbers that count their own products and sums.

Source: CSE 891 homework 2, question 2, with v = (1, 2, 3) and y = (1, 1, 1).
"""

from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from descent.config import Count, Number, Refusal, Seed, experiment_config, require_increasing
from descent.result import Check, Result, sweep

LARGEST = 1024  # n² numbers that count are Python objects: some seconds


@experiment_config
class Config:
    seed: Seed
    v: tuple[Number, ...]
    y: tuple[Number, ...]
    sizes: tuple[Count, ...]  # n at which the operations are counted

    def __post_init__(self):
        require_increasing("sizes", self.sizes)
        if len(self.v) != len(self.y) or not self.v:
            raise ValueError(f"v has {len(self.v)} entries, y {len(self.y)}: Jᵀy needs as many")
        largest = max(map(abs, (*self.v, *self.y)))
        if largest > 1e100:
            raise ValueError(f"an entry of {largest:g} > 1e100: products of three leave float64")


@dataclass
class Tally:
    products: int = 0
    sums: int = 0


@dataclass(frozen=True)
class Counted:
    """A number that enters every product and sum it takes part in."""

    value: float
    tally: Tally = field(repr=False)

    def __mul__(self, other: "Counted") -> "Counted":
        self.tally.products += 1
        return Counted(self.value * other.value, self.tally)

    def __add__(self, other: "Counted") -> "Counted":
        self.tally.sums += 1
        return Counted(self.value + other.value, self.tally)


def f(v: np.ndarray, x: np.ndarray) -> np.ndarray:
    """vvᵀx."""
    return v * (v @ x)


def jacobian(v: np.ndarray) -> np.ndarray:
    """vvᵀ, entry by entry."""
    return np.outer(v, v)


def through_jacobian(v: np.ndarray, y: np.ndarray) -> np.ndarray:
    return jacobian(v).T @ y


def vjp(v: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Jᵀy without J."""
    return v * (v @ y)


def columns(v: np.ndarray) -> np.ndarray:
    """The Jacobian of f as the definition gives it: f is linear, so column j is f(e_j)."""
    return np.stack([f(v, e) for e in np.eye(len(v))], axis=1)


def counted(function, v: np.ndarray, y: np.ndarray) -> tuple[Tally, np.ndarray]:
    """Products and sums that `function` takes, and its value."""
    tally = Tally()
    v_, y_ = (np.array([Counted(float(a), tally) for a in x], object) for x in (v, y))
    result = function(v_, y_)
    return tally, np.array([entry.value for entry in result])


def run(config: Config) -> Result:
    if config.sizes[-1] > LARGEST:
        raise Refusal(f"sizes: counting n = {config.sizes[-1]} > {LARGEST} takes n² Python objects")
    v, y = np.array(config.v), np.array(config.y)
    J, z = columns(v), vjp(v, y)
    rng = np.random.default_rng(config.seed)
    ways = {"dense": through_jacobian, "free": vjp}
    counts = {f"{way}_{kind}": [] for way in ways for kind in ("products", "sums", "bytes")}
    apart = []
    for n in config.sizes:
        a, b = rng.standard_normal((2, n))
        values = []
        for way, function in ways.items():
            tally, value = counted(function, a, b)
            kept = jacobian(a).nbytes if way == "dense" else function(a, b).nbytes
            for kind, count in (
                ("products", tally.products),
                ("sums", tally.sums),
                ("bytes", kept),
            ):
                counts[f"{way}_{kind}"].append(count)
            values.append(value)
        # Both are off by (n + 1)ε of Σ|v_i y_i| |v_j| at the most.
        apart.append(np.abs(values[0] - values[1]).max() / (np.abs(a * b).sum() * np.abs(a).max()))

    n = np.array(config.sizes)
    predicted = {
        "dense_products": 2 * n**2,
        "dense_sums": n * (n - 1),
        "dense_bytes": 8 * n**2,
        "free_products": 2 * n,
        "free_sums": n - 1,
        "free_bytes": 8 * n,
    }
    names = {"dense": "through J", "free": "v(vᵀy)"}
    data = xr.Dataset(
        {
            name: ("n", np.array(values), {"long_name": f"{name.partition('_')[2]} {names[name.partition('_')[0]]}"})
            for name, values in counts.items()
        }
        | {
            f"{name}_predicted": ("n", values, {"long_name": f"predicted {name.replace('_', ' ')}", "role": "prediction"})
            for name, values in predicted.items()
        }
        | {
            "apart": ("n", np.array(apart), {"long_name": "relative difference of the two"}),
            "jacobian": (("row", "column"), J, {"long_name": "J"}),
            "product": ("row", z, {"long_name": "Jᵀy"}),
        },
        coords={
            "n": sweep(config.sizes, "n", "dimension n"),
            "row": ("row", np.arange(1, len(v) + 1), {"long_name": "row"}),
            "column": ("column", np.arange(1, len(v) + 1), {"long_name": "column"}),
        },
    )  # fmt: skip
    eps = np.finfo(float).eps
    size = float(np.abs(v).max() ** 2)
    rank = int(
        (np.linalg.svd(J, compute_uv=False) > len(v) * eps * max(len(v) * size, 1e-300)).sum()
    )
    return Result(
        data=data,
        metrics={name: data[name] for name in predicted}
        | {f"J_{i + 1}{j + 1}": J[i, j] for i in range(min(len(v), 3)) for j in range(min(len(v), 3))}
        | {f"z_{i + 1}": z[i] for i in range(min(len(v), 3))},
        checks=(
            # Products of two numbers, rounded once in vvᵀ and once in f(e_j).
            Check("jacobian", float(np.abs(J - np.outer(v, v)).max()), "<=", 0.0, 2 * eps * size),
            Check("rank", rank, "==", float(np.any(v != 0)), 0),
            Check("vjp", float(np.abs(z - J.T @ y).max()), "<=", 0.0,
                  4 * (len(v) + 1) * eps * size * float(np.abs(y).sum())),
            Check("vjp_all_sizes", max(apart), "<=", 0.0, float(4 * (n[-1] + 1) * eps)),
            *(
                Check(f"{name}_as_predicted", float(np.abs(data[name].values - values).max()), "<=", 0.0, 0)
                for name, values in predicted.items()
            ),
        ),
    )  # fmt: skip

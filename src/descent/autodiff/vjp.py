"""Jᵀy of f(x) = vvᵀx costs 2n products as v(vᵀy), and 2n² through the Jacobian.

The Jacobian is a matrix of rank 1. Multiplied from the right it need never be formed: an inner product, then a
multiple of v. The products are counted, not timed: the same two functions run on numbers that count their own
products and sums.

    J = vvᵀ: (n, n), symmetric, of rank 1;    Jᵀy = (vvᵀ)ᵀy = v(vᵀy)
    J alone:    n² products and no sums, 8n² bytes
    through J:  n² products to form it, n² products and n(n − 1) sums to use it, 8n² bytes to keep it
    v(vᵀy):     2n products and n − 1 sums, 8n bytes

See: counted products lie on n² for J alone, on 2n² through J, on 2n without it; bytes on 8n² and 8n.

Source: CSE 891 homework 2, question 2, with v = (1, 2, 3) and y = (1, 1, 1).
"""

import numpy as np
import xarray as xr

from descent.autodiff._counted import counted
from descent.config import Count, Number, Refusal, Seed, experiment_config, require_increasing
from descent.result import Check, Result, measured, predicted, sweep

LARGEST = 1024  # n² numbers that count are Python objects: some seconds
EPS = np.finfo(float).eps
NAMES = {"alone": "of J alone", "dense": "through J", "free": "v(vᵀy)"}


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
        if len(self.v) > LARGEST:
            raise ValueError(f"v has {len(self.v)} > {LARGEST} entries: J does not fit a page")
        sizes = [abs(one) for one in (*self.v, *self.y) if one]
        if sizes and not (max(sizes) <= 1e100 and min(sizes) >= 1e-100):
            raise ValueError("v, y: entries beyond 1e-100 … 1e100: products of three leave float64")
        if self.sizes[-1] > LARGEST:
            raise Refusal(f"sizes: n = {self.sizes[-1]} > {LARGEST}: n² Python objects count")


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


def jacobian_alone(v: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Row after row; y is not used."""
    return jacobian(v).reshape(-1)


WAYS = {"alone": jacobian_alone, "dense": through_jacobian, "free": vjp}


def columns(v: np.ndarray) -> np.ndarray:
    """The Jacobian of f by definition: f is linear, so column j is f(e_j)."""
    return np.stack([f(v, e) for e in np.eye(len(v))], axis=1)


def predict(config: Config) -> xr.Dataset:
    """Counts by the formulas, the Jacobian, its rank, and Jᵀy through it."""
    n, v, y = np.array(config.sizes), np.array(config.v), np.array(config.y)
    counts = {
        "alone_products": n**2,
        "alone_sums": 0 * n,
        "alone_bytes": 8 * n**2,
        "dense_products": 2 * n**2,
        "dense_sums": n * (n - 1),
        "dense_bytes": 8 * n**2,
        "free_products": 2 * n,
        "free_sums": n - 1,
        "free_bytes": 8 * n,
    }
    return xr.Dataset(
        {
            f"{name}_predicted": predicted("n", values, f"predicted {name.replace('_', ' ')}")
            for name, values in counts.items()
        }
        | {
            "jacobian_predicted": predicted(("row", "column"), jacobian(v), "vvᵀ"),
            "rank_predicted": predicted((), int(np.any(v != 0)), "rank of vvᵀ"),
            "product_predicted": predicted("row", through_jacobian(v, y), "(vvᵀ)ᵀy"),
        }
    )


def measure(config: Config) -> xr.Dataset:
    """Counts of both ways, and J column by column."""
    v, y, rng = np.array(config.v), np.array(config.y), np.random.default_rng(config.seed)
    counts = {f"{way}_{kind}": [] for way in WAYS for kind in ("products", "sums", "bytes")}
    values = {way: [] for way in ("dense", "free")}
    for n in config.sizes:
        a, b = rng.standard_normal((2, n))
        for way, function in WAYS.items():
            tally, value = counted(function, a, b)
            kept = function(a, b).nbytes if way == "free" else jacobian(a).nbytes
            numbers = {"products": tally.products, "sums": tally.sums, "bytes": kept}
            for kind, count in numbers.items():
                counts[f"{way}_{kind}"].append(count)
            if way != "alone":
                values[way].append(value @ b)  # one number of Jᵀy: (vᵀy)²
    J = columns(v)
    size = np.abs(v).max() ** 2
    rank = int((np.linalg.svd(J, compute_uv=False) > len(v) ** 2 * EPS * max(size, 1e-300)).sum())
    row = np.arange(1, len(v) + 1)
    return xr.Dataset(
        {
            name: measured("n", numbers, f"{name.split('_')[1]} {NAMES[name.split('_')[0]]}")
            for name, numbers in counts.items()
        }
        | {way: measured("n", found, f"yᵀJᵀy, {NAMES[way]}") for way, found in values.items()}
        | {
            "jacobian": measured(("row", "column"), J, "J, column by column"),
            "rank": measured((), rank, "rank of J"),
            "product": measured("row", vjp(v, y), "v(vᵀy)"),
        },
        coords={
            "n": sweep(config.sizes, "n", "dimension n"),
            "row": ("row", row, {"long_name": "row"}),
            "column": ("column", row, {"long_name": "column"}),
        },
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    few = range(min(len(config.v), 3))
    J, z = found["jacobian"].values, found["product"].values
    names = [name.removesuffix("_predicted") for name in theory if "n" in theory[name].dims]
    return Result(
        data=found.merge(theory),
        metrics={name: found[name] for name in names}
        | {f"J_{i + 1}{j + 1}": J[i, j] for i in few for j in few}
        | {f"z_{i + 1}": z[i] for i in few},
        checks=compare(config, found, theory, names),
    )


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, names: list[str]
) -> tuple[Check, ...]:
    v, y = np.abs(config.v), np.abs(config.y)
    size, n = float(v.max() ** 2), found["n"]
    product = 4 * (len(v) + 1) * EPS * size * float(y.sum())
    # Both are off by (n + 1)ε of (Σ|v_i y_i|)², which is n² at the most for normal numbers.
    both = 4 * (n + 1) * EPS * (8 * n) ** 2
    why = "rounding of n products"
    expected = {name: theory[f"{name}_predicted"] for name in ("jacobian", "rank", "product")}
    return (
        Check("jacobian", found["jacobian"], "==", expected["jacobian"], 2 * EPS * size, why),
        Check("rank", found["rank"], "==", expected["rank"], 0, "a count"),
        Check("product", found["product"], "==", expected["product"], product, why),
        Check("product_of_all_sizes", found["free"], "==", found["dense"], both, why),
        *(
            Check(name, found[name], "==", theory[f"{name}_predicted"], 0, "a count")
            for name in names
        ),
    )

"""Fully connected linear networks of every depth tend to the largest ℓ₂ margin; deep ones get there more slowly.

On the way to zero loss all layers line up with each other, and the part of them that matters is a single vector that
grows. What it grows along is the weighted sum of the examples, as for depth 1. What the start left beside it, in
directions in which no support vector points, is carried along by the layers above it and fades like s^(−1/L) only.

    β = (W_L ⋯ W₁)ᵀ,   ℒ = Σ exp(−z_nᵀβ),   s = log ℒ(0) − log ℒ,   γ = max min_n z_nᵀβ/‖β‖
    p = softmax(−Zβ) → p*, the weights of the support vectors,   Σ p_n z_nᵀβ − min z_nᵀβ → c = H(p*) + log max p*
    1 − min z_nᵀβ/(γ‖β‖) ≥ c/(−log ℒ + H(p*)),   with equality where nothing is left beside the support vectors
    ‖Pβ‖/‖β‖ ~ s^(−1/L),   P the projector beside them:   so the gap ends like s^(−2/L) for L ≥ 3

See: left, the gap of the margin follows the same c/s for every depth until what is beside the support vectors decides;
right, that part fades with the exponents −1/L.

Source: slides on implicit biases, part on linear networks, "regardless of depth"; arXiv 1806.00468, theorem 1. That the
gap is 1/s at every depth holds only where the support vectors span the space.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, experiment_config, require_increasing
from descent.linear_networks import _architectures, _paths, _references, _separated
from descent.linear_networks._full_checks import compare, require_affordable
from descent.linear_networks._paths import Path, last_slope, not_arrived, table
from descent.linear_networks._references import Given
from descent.result import Result, bound, measured, predicted, steps, sweep


@experiment_config
class Config(_separated.Setting):
    depths: tuple[Annotated[int, Field(ge=1, le=8)], ...]  # L
    width: Count  # h of the hidden layers

    def __post_init__(self):
        super().__post_init__()
        require_increasing("depths", self.depths)
        require_affordable(self)


def predict(config: Config, given: list[Given], loss: xr.DataArray) -> xr.Dataset:
    """The largest margin, the weights of its support vectors and what follows; `loss` is −log ℒ at the start."""
    best = [one.best for one in given]
    H = xr.DataArray([one.entropy for one in best], dims="seed")
    s = xr.DataArray(config.times, dims="s")
    height = (loss.drop_vars(["seed", "depth"]) + s).transpose("seed", "depth", "s")
    floor = H / np.maximum(height + H, H + 1e-300)
    exponent = [-1 / depth for depth in config.depths]
    return xr.Dataset(
        {
            "margin_predicted": predicted("seed", [1 / one.norm for one in best], "γ"),
            "weight_predicted": predicted(("seed", "example"), [one.weights for one in best], "p*"),
            "spread_predicted": predicted(
                "seed", [one.constant for one in best], "H(p*) + log max p*"
            ),
            "gap_bound": bound(floor.dims, floor.values, "H(p*)/(−log ℒ + H(p*))"),
            "exponent_predicted": predicted("depth", exponent, "−1/L"),
        }
    )


def measure(config: Config, given: list[Given]) -> xr.Dataset:
    """Runs of every depth on every data set, each from weights of its own."""
    nets = [_architectures.full(config.features, config.width, L) for L in config.depths]
    paths = [
        [_paths.follow(config, net, one.Z, [one.seed, L]) for L, net in enumerate(nets)]
        for one in given
    ]
    each = ("seed", "depth")
    beside = [[_beside(one, p) for p in row] for one, row in zip(given, paths, strict=True)]
    return xr.Dataset(
        {
            "margin": measured((*each, "s"), table(paths, _margin), "min z_nᵀβ/‖β‖"),
            "length": measured(
                (*each, "s"), table(paths, lambda p: np.linalg.norm(p.beta, axis=1)), "‖β‖"
            ),
            "height": measured((*each, "s"), table(paths, lambda p: p.minus_log_loss), "−log ℒ"),
            "spread": measured(each, table(paths, lambda p: p.spread()[-1]), "Σ p_n z_nᵀβ − min"),
            "weight": measured((*each, "example"), table(paths, lambda p: p.weights[-1]), "p"),
            "beside": measured((*each, "s"), beside, "share of β beside the support vectors"),
            "exponent": measured(
                each, [[last_slope(one) for one in row] for row in beside], "d log/d log s of it"
            ),
            "finished": measured(each, table(paths, lambda p: p.finished), "reached the end"),
            "settled": measured(
                each,
                [
                    [p.settled(one.Z, p.mean(one.Z)) for p in row]
                    for one, row in zip(given, paths, strict=True)
                ],
                "the same examples count",
            ),
            "calls": measured(
                each, table(paths, lambda p: p.calls), "calls of the right-hand side"
            ),
        },
        coords={
            "seed": sweep(config.seeds, "seed", "seed of the data"),
            "depth": sweep(config.depths, "depth", "depth L"),
            "s": steps(config.times, "s", "s = log ℒ(0) − log ℒ"),
            "example": ("example", np.arange(config.examples) + 1, {"long_name": "example n"}),
        },
    )


def _margin(path: Path) -> np.ndarray:
    return path.margins.min(1) / np.linalg.norm(path.beta, axis=1)


def _beside(one: Given, path: Path) -> np.ndarray:
    """‖Pβ‖/‖β‖ along the path, P the projector beside the examples that count at its end."""
    if not path.finished:
        return np.full(len(path.beta), np.nan)
    _, sigma, rows = np.linalg.svd(one.Z[path.active], full_matrices=False)
    V = rows[sigma > 1e-9 * sigma[0]]
    rest = path.beta - path.beta @ V.T @ V
    return np.linalg.norm(rest, axis=1) / np.linalg.norm(path.beta, axis=1)


def run(config: Config) -> Result:
    given = _references.draw(config, _references.euclidean(config.features))
    found = measure(config, given)
    theory = predict(config, given, found["height"].isel(s=0, drop=True))
    gap = 1 - found["height"] / found["length"] / theory["margin_predicted"]
    found["gap"] = measured(gap.dims, gap.values, "1 + log ℒ/(γ‖β‖)")
    close = arrived(config, found)
    checks = compare(config, given, found, theory, close)
    left = {"spread", "weight", "exponent"} - {check.name for check in checks}
    why = "an example has yet to count, p* is not unique, or nothing is beside the support vectors"
    return Result(
        data=found.merge(theory),
        metrics={
            "margin_shortfall": 1 - found["margin"].isel(s=-1) / theory["margin_predicted"],
            "calls": found["calls"].sum(),
        },
        checks=checks,
        no_claim=not_arrived(close, f"are not within {config.near:g} of their limit at the end"),
        unchecked=dict.fromkeys(sorted(left), why),
    )


def arrived(config: Config, found: xr.Dataset) -> xr.DataArray:
    """Whether a run has little left to go, if its gap ends like s^(−2/L), at least 1/s."""
    margin, ago = found["margin"], -1 - _separated.A_DECADE
    now, before = margin.isel(s=-1, drop=True), margin.isel(s=ago, drop=True)
    left = abs(now - before) / (10 ** np.minimum(1, 2 / found["depth"]) - 1)
    return found["finished"] & (left <= config.near / 2 * abs(now))

"""The layers of a deep linear network tend to rank one and line up, at rates s^(−1/L) and s^(−2/L).

What two neighbouring layers differ by at the start they differ by for ever. The last layer is a vector, so all others
can differ from rank one by no more than that, while their first singular values grow without bound and together.

    β = (W_L ⋯ W₁)ᵀ,   ℒ = Σ exp(−z_nᵀβ),   s = log ℒ(0) − log ℒ,   γ the largest ℓ₂ margin, p* its weights
    D_l = W_l W_lᵀ − W_{l+1}ᵀ W_{l+1} is constant,   σ₂(W₁)² ≤ Σ_l ‖D_l‖
    σ₁(W_l) → ((−log ℒ + H(p*))/γ)^(1/L) for every l,   σ₂(W₁)/σ₁(W₁) ~ s^(−1/L),   1 − cos(θ, −∇ℒ) ~ s^(−2/L)

See: left, the first singular values of the first and of the last layer on their prediction, the second one under its
bound; right, the angle between the weights and the gradient closes with the exponents −2/L.

Source: slides on implicit biases, part on linear networks; arXiv 1810.02032, theorem 1 and lemma 1; arXiv 1806.00468.
"""

from itertools import pairwise
from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, experiment_config, require_increasing
from descent.linear_networks import _architectures, _paths, _references, _separated
from descent.linear_networks._architectures import Network
from descent.linear_networks._flow import RTOL
from descent.linear_networks._full_checks import require_affordable, slope_error
from descent.linear_networks._paths import Path, last_slope, not_arrived, on, table
from descent.linear_networks._references import Given
from descent.linear_networks._separated import A_DECADE, minus_log_loss
from descent.result import Check, Result, bound, measured, predicted, steps, sweep

LAYERS = ["first", "last"]


@experiment_config
class Config(_separated.Setting):
    depths: tuple[Annotated[int, Field(ge=2, le=8)], ...]  # L
    width: Count  # h of the hidden layers

    def __post_init__(self):
        super().__post_init__()
        require_increasing("depths", self.depths)
        require_affordable(self)
        if self.width < 2:
            raise ValueError("width 1: a layer of one unit has rank one from the start")

    @property
    def nets(self) -> list[Network]:
        return [_architectures.full(self.features, self.width, L) for L in self.depths]


def differences(W: list[np.ndarray]) -> list[np.ndarray]:
    """D_1, …, D_{L−1}."""
    return [a @ a.T - b.T @ b for a, b in pairwise(W)]


def predict(config: Config, given: list[Given]) -> xr.Dataset:
    """What the weights at the start and the largest margin say of the layers at every s."""
    shape = (len(given), len(config.depths))
    first, most = np.empty((*shape, config.width**2)), np.empty(shape)
    top = np.empty((*shape, len(config.times)))
    for i, one in enumerate(given):
        for k, (depth, net) in enumerate(zip(config.depths, config.nets, strict=True)):
            theta = _paths.first_weights(config, net, [one.seed, k])
            D = differences(net.layers(theta))
            first[i, k], most[i, k] = D[0].ravel(), np.sqrt(sum(np.linalg.norm(d, 2) for d in D))
            height = minus_log_loss(one.Z @ net.predictor(theta)) + config.times
            top[i, k] = (np.maximum(height + one.best.entropy, 0) * one.best.norm) ** (1 / depth)
    each, depths = ("seed", "depth"), np.array(config.depths)
    return xr.Dataset(
        {
            "difference_predicted": predicted((*each, "entry"), first, "D₁ at the start"),
            "second_bound": bound(each, most, "√Σ‖D_l‖"),
            "top_predicted": predicted((*each, "s"), top, "((−log ℒ + H(p*))/γ)^(1/L)"),
            "rank_exponent_predicted": predicted("depth", -1 / depths, "−1/L"),
            "angle_exponent_predicted": predicted("depth", -2 / depths, "−2/L"),
        }
    )


def measure(config: Config, given: list[Given]) -> xr.Dataset:
    """Singular values, what layers differ by, and angles along the runs."""
    paths = [
        [_paths.follow(config, net, one.Z, [one.seed, k]) for k, net in enumerate(config.nets)]
        for one in given
    ]
    runs = [[_layers(net, p) for net, p in zip(config.nets, row, strict=True)] for row in paths]
    each = ("seed", "depth")

    def of(key: str) -> np.ndarray:
        return np.array([[run[key] for run in row] for row in runs])

    settled = [
        [p.settled(one.Z, p.mean(one.Z)) for p in row]
        for one, row in zip(given, paths, strict=True)
    ]
    return xr.Dataset(
        {
            "top": measured((*each, "layer", "s"), of("top"), "σ₁(W)"),
            "second": measured((*each, "s"), of("second"), "σ₂(W₁)"),
            "difference": measured((*each, "entry"), of("difference"), "D₁ at the end"),
            "angle": measured((*each, "s"), of("angle"), "1 − cos(θ, −∇ℒ)"),
            "rank_exponent": measured(each, of("rank"), "d log/d log s of σ₂/σ₁"),
            "angle_exponent": measured(each, of("turn"), "d log/d log s of 1 − cos"),
            "height": measured((*each, "s"), table(paths, lambda p: p.minus_log_loss), "−log ℒ"),
            "settled": measured(each, settled, "the same examples count"),
            "finished": measured(each, table(paths, lambda p: p.finished), "reached the end"),
            "calls": measured(
                each, table(paths, lambda p: p.calls), "calls of the right-hand side"
            ),
        },
        coords={
            "seed": sweep(config.seeds, "seed", "seed of the data"),
            "depth": sweep(config.depths, "depth", "depth L"),
            "layer": ("layer", LAYERS, {"long_name": "layer"}),
            "s": steps(config.times, "s", "s = log ℒ(0) − log ℒ"),
            "entry": ("entry", np.arange(config.width**2) + 1, {"long_name": "entry of D₁"}),
        },
    )


def _layers(net: Network, path: Path) -> dict[str, np.ndarray]:
    theta = path.theta if path.finished else np.zeros_like(path.theta)  # no svd of nan
    W = net.layers(theta)
    sigma = np.linalg.svd(W[0], compute_uv=False)
    second = sigma[:, 1] if sigma.shape[1] > 1 else np.zeros(len(sigma))
    last = np.linalg.norm(W[-1], axis=(1, 2))
    angle = path.angle()
    with np.errstate(all="ignore"):
        share = second / sigma[:, 0]
    return {
        "top": np.stack([sigma[:, 0], last]),
        "second": second,
        "difference": differences([w[-1] for w in W])[0].ravel(),
        "angle": angle,
        "rank": last_slope(share),
        "turn": last_slope(angle),
    }


def run(config: Config) -> Result:
    given = _references.draw(config, _references.euclidean(config.features))
    found, theory = measure(config, given), predict(config, given)
    checks = compare(config, given, found, theory)
    names = {"top", "rank_exponent", "angle_exponent"}
    left = names - {check.name for check in checks}
    why = "the layers still remember their start, or an example has yet to count"
    return Result(
        data=found.merge(theory),
        metrics={name: found[name] for name in ("rank_exponent", "angle_exponent")}
        | {"angle": found["angle"].isel(s=-1), "calls": found["calls"].sum()},
        checks=checks,
        no_claim=not_arrived(found["settled"], "had examples that only began to count, or no end")
        + ((f"{', '.join(sorted(left))}: {why}",) if left else ()),
    )


def compare(
    config: Config, given: list[Given], found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    done, still = found["finished"], found["settled"]
    depth, gamma = found["depth"], xr.DataArray([1 / g.best.norm for g in given], dims="seed")
    # Sizes by scaling alone: σ^L = s/γ, and by how far the start is from balance.
    size = (config.end / gamma) ** (1 / depth)
    apart = (depth - 1) * 4 * config.start**2 * max(config.width, config.features)
    late = (1 + np.log(config.examples)) / config.end + RTOL * found["calls"]
    off_top, off_slope = apart / size + size * late, slope_error(config, given, found)
    rho = xr.DataArray([_inside(one) / config.end * 10 for one in given], dims="seed")
    mixed = 2 * off_slope + 2 * rho**2 / found["angle"].isel(s=-1 - A_DECADE, drop=True)
    lost = "the integrator's error of a step, in weights of this size"
    start = "what the layers differ by at the start, and offsets of s"
    tops = still & (off_top < size / 4)
    flat = still & (found["second"].isel(s=-1, drop=True) > 1e-6 * config.start)
    flat = flat & (off_slope < 0.25 / depth)
    turned = still & (mixed < 0.5 / depth)
    expected = {name.removesuffix("_predicted"): theory[name] for name in theory}
    top, top_expected = (a.isel(s=-1, drop=True) for a in (found["top"], expected["top"]))
    slope, turn = found["rank_exponent"], found["angle_exponent"]
    same, second = found["difference"], found["second"]
    off_same, most = RTOL * size**2, theory["second_bound"]
    return (
        *on(done, "difference", same, "==", expected["difference"], off_same, lost),
        *on(done, "second", second, "<=", most, RTOL * size, lost),
        *on(tops, "top", top, "==", top_expected, off_top, start),
        *on(flat, "rank_exponent", slope, "==", expected["rank_exponent"], off_slope, start),
        *on(turned, "angle_exponent", turn, "==", expected["angle_exponent"], mixed, start),
    )


def _inside(one: Given) -> float:
    """γ‖ρ‖, of ρ in the span of the support vectors with e^(−z_nᵀρ) ∝ p*_n."""
    S = one.best.support
    rho = np.linalg.pinv(one.Z[S]) @ (-np.log(one.best.weights[S]) - one.best.entropy)
    return float(np.linalg.norm(rho) / one.best.norm)

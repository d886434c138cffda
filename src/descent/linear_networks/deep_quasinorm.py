"""From three layers on, where a diagonal or convolutional network ends depends on its start: no norm decides it.

Its limit is a stationary point of the ℓ_{2/L} quasinorm at margin 1. That is no norm, so there are many such points;
a run ends at one that is near its start's path, and this need not be the best, nor better than the least ℓ₁ norm.

    β̂ = ŵ₁ ∘ ⋯ ∘ ŵ_L  in coordinates (diagonal) or in frequencies (circular),   q = 2/L < 1,   ℒ = Σ exp(−z_nᵀβ)
    the limit of β/min z_nᵀβ is stationary for min ‖β̂‖_q s.t. Zβ ≥ 1, and θ turns into −∇ℒ:  1 − cos(θ, −∇ℒ) → 0
    diagonal:  local minima are vertices, |S| = |K|,  β_K = Z_SK⁻¹ 1,  a = Z_SK⁻ᵀ sign(β_K)|β_K|^(q−1) ≥ 0,  p → a/Σa
               and the least value of all is that of the best vertex: all C(n + d, d) − 1 bases are tried

See: left, the angle between weights and gradient closes for every start; right, the quasinorms at which diagonal
networks end are among those of the stationary vertices, and not the least.

Source: slides on implicit biases, part on linear networks, which say that depth L "converges to a linear predictor
related to the ℓ_{2/L} penalty"; arXiv 1806.00468, theorem 2: a first-order stationary point, which for L ≥ 3 need not be
the minimum.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import experiment_config
from descent.linear_networks import _architectures, _paths, _references, _separated, _vertices
from descent.linear_networks._deep_checks import arrived, compare, refute, vertex
from descent.linear_networks._group_norm import sizes
from descent.linear_networks._paths import SILENT, Path, not_arrived
from descent.linear_networks._separated import A_DECADE
from descent.linear_networks._two_layers import Started
from descent.result import Result, bound, measured, predicted, steps, sweep

NETWORKS = ["diagonal", "circular"]
SHARE = 1e-3  # of the sum of the parts: a smaller one is on its way to 0
EACH = ("seed", "network", "start")


@experiment_config
class Config(Started):
    depth: Annotated[int, Field(ge=3, le=8)]  # L

    def __post_init__(self):
        super().__post_init__()
        many = _vertices.bases(self.examples, self.features) * len(self.seeds)
        if many > 2_000_000:
            raise ValueError(
                f"examples {self.examples}, features {self.features}: {many:.2g} bases > 2e6"
            )

    @property
    def kinds(self) -> int:
        return len(NETWORKS)

    @property
    def q(self) -> float:
        return 2 / self.depth

    @property
    def networks(self) -> list:
        d, L = self.features, self.depth
        return [
            (_architectures.diagonal(d, L), _references.absolute(d)),
            (_architectures.circular(d, L), _references.spectral(d)),
        ]


def draw(config: Config) -> list[np.ndarray]:
    return [_separated.separated(config, seed) for seed in config.seeds]


def predict(config: Config, found: xr.Dataset, given: list[np.ndarray]) -> xr.Dataset:
    """Of all stationary vertices of the data the one nearest to where each diagonal run ends."""
    shape = (len(given), config.starts)
    beta, weight = np.zeros((*shape, config.features)), np.zeros((*shape, config.examples))
    norm, least = np.zeros(shape), np.zeros(len(given))
    ends = found["beta"].sel(network="diagonal").transpose("seed", "start", "feature").values
    for i, Z in enumerate(given):
        listed = _vertices.stationary(Z, config.q)
        least[i] = listed.least
        for k, end in enumerate(ends[i]):
            near = np.nan_to_num(np.linalg.norm(listed.beta - end, axis=1), nan=np.inf).argmin()
            beta[i, k], weight[i, k] = listed.beta[near], listed.weights[near]
            norm[i, k] = listed.norm[near]
    each = ("seed", "start")
    return xr.Dataset(
        {
            "beta_predicted": predicted((*each, "feature"), beta, "the nearest stationary vertex"),
            "weight_predicted": predicted((*each, "example"), weight, "its a/Σa"),
            "quasinorm_predicted": predicted(each, norm, "its ‖β‖_q"),
            "least_bound": bound("seed", least, "least ‖β‖_q"),
            "angle_predicted": predicted("network", [0.0, 0.0], "0"),
        }
    )


def measure(config: Config, given: list[np.ndarray]) -> xr.Dataset:
    runs = [
        [
            [
                _measured(config, groups, Z, _paths.follow(config, net, Z, [seed, k]))
                for k in range(config.starts)
            ]
            for net, groups in config.networks
        ]
        for seed, Z in zip(config.seeds, given, strict=True)
    ]

    def of(key: str) -> np.ndarray:
        return np.array([[[run[key] for run in row] for row in table] for table in runs])

    return xr.Dataset(
        {
            "angle": measured((*EACH, "s"), of("angle"), "1 − cos(θ, −∇ℒ)"),
            "beta": measured((*EACH, "feature"), of("beta"), "β/min z_nᵀβ"),
            "turned": measured((*EACH, "feature"), of("turned"), "change in the last decade"),
            "weight": measured((*EACH, "example"), of("weight"), "p"),
            "moved": measured((*EACH, "example"), of("moved"), "change in the last decade"),
            "quasinorm": measured(EACH, of("quasinorm"), "‖β̂‖_q at margin 1"),
            "parts": measured(EACH, of("parts"), "parts that are not 0"),
            "active": measured(EACH, of("active"), "examples that count"),
            "settled": measured(EACH, of("settled"), "the same examples count"),
            "finished": measured(EACH, of("finished"), "reached the end"),
            "calls": measured(EACH, of("calls"), "calls of the right-hand side"),
        },
        coords={
            "seed": sweep(config.seeds, "seed", "seed of the data"),
            "network": ("network", NETWORKS, {"long_name": "network"}),
            "start": sweep(range(config.starts), "start", "start"),
            "s": steps(config.times, "s", "s = log ℒ(0) − log ℒ"),
            "feature": ("feature", np.arange(config.features) + 1, {"long_name": "feature j"}),
            "example": ("example", np.arange(config.examples) + 1, {"long_name": "example n"}),
        },
    )


def _measured(config: Config, groups, Z: np.ndarray, path: Path) -> dict:
    ends = [-1 - A_DECADE, -1]
    scaled = path.beta[ends] / path.margins[ends].min(1)[:, None]
    before, now = path.weights[ends]
    parts = sizes(groups, scaled[1])
    large = parts > SHARE * parts.sum()
    return {
        "angle": path.angle(),
        "beta": scaled[1],
        "turned": np.abs(scaled[1] - scaled[0]),
        "weight": now,
        "moved": np.abs(now - before),
        "quasinorm": _vertices.quasinorm(parts * large, groups.counts, config.q),
        "parts": large.sum(),
        "active": (now > SILENT).sum(),
        "settled": path.settled(Z, path.speed),
        "finished": path.finished,
        "calls": path.calls,
    }


def run(config: Config) -> Result:
    given = draw(config)
    found = measure(config, given)
    theory = predict(config, found, given)
    close = arrived(config, found)
    data = found.merge(theory)
    left = not_arrived(close, "are not at rest at the end, so nothing is said of them")
    few = bool(2 * close.sum() < close.size) or not vertex(found, close).any()
    return Result(
        data=data,
        metrics={
            "quasinorm": found["quasinorm"],
            "least_quasinorm": data["least_bound"],
            "angle": found["angle"].isel(s=-1),
            "at_rest": close.sum(),
            "at_vertices": vertex(found, close).sum(),
        },
        checks=compare(config, found, theory, close),
        errata=refute(config, found, theory, close),
        no_claim=(left or ("no diagonal run ended at a vertex",)) if few else (),
        unchecked={} if few or not left else {"beta": left[0]},
    )

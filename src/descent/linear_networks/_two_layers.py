"""Two layers whose spectra, or whose coordinates, are multiplied: what both kinds of network have in common.

    β̂_k = u_k v_k   (coordinates of a diagonal network, frequencies of a circular one),   ĝ_k = A_k Zᵀp,   ν = Σ|β̂_k|
    d/ds β̂_k ∝ (|u_k|² + |v_k|²) ĝ_k,    |u_k|² − |v_k|² = δ_k is constant:   |u_k|² + |v_k|² = √(δ_k² + 4|β̂_k|²)

So a part that is large and points along ĝ_k grows like s^λ_k with λ_k = ν*|A_k Zᵀp*|, which is 1 on the support of β*
and at most 1 elsewhere. A part with λ_k > 1 that is still small will come to count: the run is held by a saddle, at
the best solution without that part.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr

from descent.config import Count, experiment_config
from descent.linear_networks import _paths
from descent.linear_networks._architectures import Network
from descent.linear_networks._group_norm import Groups, norm, sizes
from descent.linear_networks._paths import Path, table
from descent.linear_networks._references import Given
from descent.linear_networks._separated import A_DECADE, Setting
from descent.maths.limits import require_at_most, require_cost
from descent.result import measured, steps, sweep

GROWS = 0.02  # an exponent above it, of a part that is small, is that of a saddle
SMALL = 0.02  # of ν(β)
SLOWEST = 0.2  # the exponent of a gap below which a decade tells nothing
STILL = 1e-5  # a rate as near to 1 is 1, up to the integrator's error
EACH = ("seed", "start")


@experiment_config
class Started(Setting):
    """A setting whose networks are run from several starts."""

    starts: Count  # runs of every network on every data set

    def __post_init__(self):
        super().__post_init__()
        require_at_most(self, "a few starts show whether the limit depends on them", starts=50)
        size, runs = 2 * self.features, len(self.seeds) * self.kinds * self.starts
        work = runs * self.calls * (1e4 + 30.0 * size * self.examples)
        require_cost(self, "seeds, starts, features, examples, calls", 20.0 * size**2, work)

    @property
    def kinds(self) -> int:
        """How many networks are run on every data set."""
        return 1


class Kind(NamedTuple):
    net: Network
    groups: Groups
    part: str  # what a part β̂_k is called
    first: int  # the number of the first


def measure(config: Setting, kind: Kind, given: list[Given], starts: int) -> xr.Dataset:
    paths = [
        [_paths.follow(config, kind.net, one.Z, [one.seed, k]) for k in range(starts)]
        for one in given
    ]
    runs = [[_measured(kind, one.Z, p) for p in row] for one, row in zip(given, paths, strict=True)]
    per_s, per_part = (*EACH, "s"), (*EACH, "part")

    def of(key: str) -> np.ndarray:
        return np.array([[run[key] for run in row] for row in runs])

    return xr.Dataset(
        {
            "norm": measured(per_s, of("norm"), "ν(β)/min z_nᵀβ"),
            "length": measured(per_s, of("length"), "ν(β)"),
            "height": measured(per_s, table(paths, lambda p: p.minus_log_loss), "−log ℒ"),
            "spread": measured(EACH, of("spread"), "Σ p_n z_nᵀβ − min"),
            "weight": measured((*EACH, "example"), table(paths, lambda p: p.weights[-1]), "p"),
            "moved": measured((*EACH, "example"), of("moved"), "change of p in the last decade"),
            "beta": measured((*EACH, "feature"), of("beta"), "β/min z_nᵀβ"),
            "turned": measured((*EACH, "feature"), of("turned"), "change of it in the last decade"),
            "share": measured((*EACH, "part", "s"), of("share"), "|β̂_k|/ν(β)"),
            "exponent": measured(per_part, of("exponent"), "d log/d log s of it"),
            "bent": measured(per_part, of("bent"), "(δ_k/2β̂_k)²"),
            "along": measured(per_part, of("along"), "cosine of β̂_k and ĝ_k"),
            "rate": measured(per_part, of("rate"), "|A_kZᵀp| over its mean on the support"),
            "settled": measured(EACH, of("settled"), "the same examples count"),
            "finished": measured(EACH, table(paths, lambda p: p.finished), "reached the end"),
            "calls": measured(
                EACH, table(paths, lambda p: p.calls), "calls of the right-hand side"
            ),
        },
        coords={
            "seed": sweep(config.seeds, "seed", "seed of the data"),
            "start": sweep(range(starts), "start", "start"),
            "s": steps(config.times, "s", "s = log ℒ(0) − log ℒ"),
            "part": (
                "part",
                np.arange(len(kind.groups.counts)) + kind.first,
                {"long_name": kind.part},
            ),
            "feature": ("feature", np.arange(config.features) + 1, {"long_name": "feature j"}),
            "example": ("example", np.arange(config.examples) + 1, {"long_name": "example n"}),
        },
    )


def _measured(kind: Kind, Z: np.ndarray, path: Path) -> dict:
    length, parts = norm(kind.groups, path.beta), sizes(kind.groups, path.beta)
    share, ends = (parts / length[:, None]).T, [-1 - A_DECADE, -1]
    before, now = path.weights[ends]
    b, g = (np.einsum("gkd,d->gk", kind.groups.maps, x) for x in (path.beta[-1], now @ Z))
    pull, layers = np.linalg.norm(g, axis=1), kind.net.layers(path.theta[-1])
    apart = np.subtract(*(sizes(kind.groups, w) ** 2 for w in layers))
    with np.errstate(all="ignore"):
        along = (b * g).sum(1) / (parts[-1] * pull)
        slope = np.log10(share[:, -1] / share[:, -1 - A_DECADE])
        bent = (apart / parts[-1]) ** 2 / 4
    pulls = sizes(kind.groups, path.weights[ends] @ Z)
    # ν°(Zᵀp) of the parts that the predictor consists of
    rate = pulls / (kind.groups.counts * share.T[ends] * pulls).sum(1, keepdims=True)
    scaled = path.beta[ends] / path.margins[ends].min(1)[:, None]
    return {
        "beta": scaled[1],
        "turned": np.abs(scaled[1] - scaled[0]),
        "norm": length / path.margins.min(1),
        "length": length,
        "spread": path.spread()[-1],
        "moved": np.abs(now - before),
        "share": share,
        "exponent": np.where(share[:, -1] > 0, slope, 0.0),
        "bent": np.where(parts[-1] > 0, bent, 1.0),
        "along": np.where(parts[-1] > 0, along, 0.0),
        "rate": rate[1],
        "settled": _at_rest(kind, Z, path, rate, share[:, -1]),
    }


def _at_rest(kind: Kind, Z: np.ndarray, path: Path, rate: np.ndarray, share: np.ndarray) -> bool:
    """Whether the same examples count, and the rates of the parts that β consists of close in on 1.

    A rate that stays a little off 1 is that of a part which still comes or goes, if at a snail's pace.
    """
    near = np.abs(rate[1] - 1) < GROWS
    before, now = np.abs(rate[:, near | (share > SMALL)] - 1).max(1, initial=0)
    kept = near * kind.groups.counts
    heading = np.einsum("g,gkd,gke,e->d", kept, kind.groups.maps, kind.groups.maps, path.speed)
    return path.settled(Z, heading) and bool(now <= before / 10**SLOWEST + STILL)


def held(found: xr.Dataset) -> xr.DataArray:
    """The parts that are small and grow: those that a saddle keeps back."""
    return (found["share"].isel(s=-1, drop=True) < SMALL) & (found["rate"] > 1 + GROWS)


def add_gap(found: xr.Dataset, given: list[Given]) -> None:
    """1 + log ℒ ν*/ν(β), which falls to 0."""
    least = xr.DataArray([one.best.norm for one in given], dims="seed")
    gap = 1 - found["height"] * least / found["length"]
    found["gap"] = measured(gap.dims, gap.values, "1 + ν* log ℒ/ν(β)")

"""The singular values of a small start emerge one after another, at times set by X*, and no more than r do.

While U_t is small every direction of X* grows by itself, the one of the largest eigenvalue fastest, so they grow up
in turn. What is not in X* grows only by the noise that m measurements leave, and stays small if the start was small.

    U_t: (d, d),   U₀ = αW;   while U_t is small:  s_i(t) ≈ α√d (1 + 2ηλ_i)ᵗ;    emergence: s_i² = λ_i/2
    t_i = ln(√(λ_i/2) / (α√d)) / ln(1 + 2ηλ_i)
    m measurements:   (1/m) Σ yᵢ sym(Aᵢ) has λ_i + (ν/2)²/λ_i for λ_i,  ν = ‖X*‖√(2d/m), and √(2/m) of it by chance

See: from the small start r singular values rise at the dashed times and end at √λ_i, far above the others; from the
large one they do not.

Source: CS7180 problem set 2, question 2e; arXiv 2106.15013 and 2301.11500 (one direction at a time).
"""

import numpy as np
import xarray as xr
from scipy import stats

from descent.config import Count, Index, Positive, experiment_config
from descent.maths.emergence import due, emergence_times, predicted_times
from descent.maths.sampling import level
from descent.result import Check, Result, measured, predicted

FOLDS = 3.0  # that every direction grows at least, from a start that is small


@experiment_config
class Config:
    top: Count  # how many singular values are followed
    claim_share: Positive  # of the largest: a singular value above it counts
    milestones: tuple[Index, ...]  # t whose values become metrics, where U_t was kept

    def __post_init__(self):
        if not self.claim_share < 1:
            raise ValueError(f"claim_share {self.claim_share:g} ≥ 1: the largest would not count")


def predict(config: Config, sensing: xr.Dataset) -> xr.Dataset:
    """When each of the followed directions emerges, and how many there are."""
    followed = min(config.top, sensing.sizes["i"])
    times = predicted_times(
        sensing["eigenvalue"], sensing["eta"], sensing["alpha"], sensing.sizes["row"]
    ).sel(i=slice(1, followed))
    count = np.full(sensing.sizes["replicate"], followed)
    return xr.Dataset(
        {
            "emergence_predicted": predicted(
                times.dims, times.values, "predicted emergence of s_i"
            ),
            "count_predicted": predicted("replicate", count, "rank of X*, as far as followed"),
        }
    )


def measure(config: Config, sensing: xr.Dataset) -> xr.Dataset:
    """Singular values at every snapshot, when they reach √(λ_i/2), and how many are large."""
    top = min(config.top, sensing.sizes["row"], sensing.sizes["factor"])
    sigma = spectrum(sensing["U"], top)
    followed = slice(1, min(config.top, sensing.sizes["i"]))
    times = xr.apply_ufunc(
        emergence_times,
        sensing["snapshot"],
        sigma.sel(index=followed),
        np.sqrt(sensing["eigenvalue"] / 2).sel(i=followed),
        input_core_dims=[["snapshot"], ["snapshot", "index"], ["i"]],
        output_core_dims=[["i"]],
        vectorize=True,
    )
    count = (sigma > config.claim_share * sigma.sel(index=1)).sum("index")
    return xr.Dataset(
        {
            "sigma": sigma,
            "emergence": times.assign_attrs(long_name="emergence of s_i"),
            "count": measured(count.dims, count.values, "singular values that count"),
        }
    )


def spectrum(U: xr.DataArray, top: int) -> xr.DataArray:
    """The `top` largest singular values over (replicate, alpha, snapshot, index); nan where U is not finite."""
    finite = np.isfinite(U.values).all((-2, -1))
    s = np.full((*finite.shape, top), np.nan)
    s[finite] = np.linalg.svd(U.values[finite], compute_uv=False)[..., :top]
    index = ("index", np.arange(top) + 1, {"long_name": "index i"})
    return xr.DataArray(
        s,
        dims=(*U.dims[:3], "index"),
        coords={dim: U[dim] for dim in U.dims[:3]} | {"index": index},
        attrs={"long_name": "singular value s_i(U_t)"},
    )


def run(config: Config, sensing: xr.Dataset) -> Result:
    found, theory = measure(config, sensing), predict(config, sensing)
    return Result(
        data=found.merge(theory),
        metrics=reported(config, found, sensing.sizes["i"]),
        checks=compare(config, found, theory, sensing),
        no_claim=presuppose(config, found, sensing),
    )


def reported(config: Config, found: xr.Dataset, rank: int) -> dict[str, xr.DataArray]:
    """Means over replicates at the milestones and at the end."""
    sigma = found["sigma"]
    means = {"count": found["count"].mean("replicate", skipna=False)}
    if sigma.sizes["index"] > rank:
        spurious = sigma.sel(index=rank + 1, drop=True)
        means["first_spurious"] = spurious.mean("replicate", skipna=False)
        gap = spurious / sigma.sel(index=rank, drop=True)
        means["gap_ratio"] = gap.mean("replicate", skipna=False)
    kept = sigma["snapshot"].values
    at = sorted({t for t in config.milestones if t in kept} | {int(kept[-1])})
    return {name: mean.sel(snapshot=at).rename(snapshot="t") for name, mean in means.items()}


def folds(sensing: xr.Dataset) -> xr.DataArray:
    """E-folds that direction i grows by from the smallest start until it emerges."""
    start = float(sensing["alpha"][0]) * np.sqrt(sensing.sizes["row"])
    return np.log(np.sqrt(sensing["eigenvalue"] / 2) / start)


def noise(sensing: xr.Dataset) -> xr.DataArray:
    """(ν/2λ_i)²: by this share the noise of m measurements moves λ_i."""
    lam, m = sensing["eigenvalue"], sensing.attrs["measurements"]
    return (lam**2).sum("i") * sensing.sizes["row"] / (2 * m * lam**2)


def found_closely(config: Config, sensing: xr.Dataset) -> xr.DataArray:
    """Whether the smallest start has led so close to X* that each of its r directions counts, and no other.

    By Weyl no eigenvalue of UUᵀ is further from that of X* than ‖UUᵀ − X*‖.
    """
    lam, share = sensing["eigenvalue"], config.claim_share**2
    error, most, least = sensing["distance"].isel(alpha=0, t=-1), lam.isel(i=0), lam.isel(i=-1)
    return (error < share * (most - error)) & (least - error > share * (most + error))


def presuppose(config: Config, found: xr.Dataset, sensing: xr.Dataset) -> tuple[str, ...]:
    """What was not so of the smallest start: that it is small, long enough followed, and leads to X*."""
    at, few = found["emergence"].isel(alpha=0), float(folds(sensing).min())
    late, close = int(at.isnull().sum()), found_closely(config, sensing)
    far, hidden = int((~close).sum()), float(noise(sensing).max())
    reasons = (
        (hidden > 1, f"noise of {np.sqrt(hidden):.2g} λ_r hides the smallest direction"),
        (
            few < FOLDS,
            f"a direction grows by {few:.2g} e-folds from the smallest start, not {FOLDS:g}",
        ),
        (late, f"{late} of {at.size} singular values did not emerge from the smallest start"),
        (far, f"X* was not found closely enough to count by in {far} of {close.size} problems"),
    )
    return tuple(reason for applies, reason in reasons if applies)


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, sensing: xr.Dataset
) -> tuple[Check, ...]:
    lam, m, d = sensing["eigenvalue"], sensing.attrs["measurements"], sensing.sizes["row"]
    grown, each = folds(sensing), level(lam.sizes["i"]) / 2
    chance = float(-stats.norm.ppf(each)) * np.sqrt(2 / m / lam.sizes["replicate"])
    # ‖v_iᵀW‖² is χ²_d; growth that saturates reaches λ_i/2 half a doubling late.
    ends = stats.chi2.ppf([each, 1 - each], d) / d
    overlap = np.log(2) / 2 + float(np.abs(np.log(ends)).max()) / 2
    spread = overlap + grown.clip(0) * (noise(sensing) + chance)
    tol = (1 + spread / np.log1p(2 * sensing["eta"] * lam)).sel(i=found["i"])
    expected = theory["emergence_predicted"].isel(alpha=0, drop=True).assign_coords(i=found["i"])
    end = float(sensing["snapshot"][-1])
    at = found["emergence"].isel(alpha=0, drop=True).mean("replicate", skipna=False)
    expected, tol = expected.mean("replicate"), tol.mean("replicate")
    there, checks = due(at, expected, tol, end), []
    if there.any() and float(grown.min()) >= FOLDS:
        why = "overlap of the start, noise of m measurements over the e-folds grown"
        checks.append(Check("emergence", at, "==", expected, tol, why, there))
    counted = found_closely(config, sensing)
    count = found["count"].isel(alpha=0, snapshot=-1, drop=True)
    if counted.any():
        expected = theory["count_predicted"][counted.values]
        checks.append(Check("count", count[counted.values], "==", expected, 0, "a count"))
    return tuple(checks)

"""The singular values of U_t emerge one after another at times set by the spectrum of X*, and no more than r of them do.

    while U_t is small:  s_i(t) ≈ α√d (1 + 2ηλ_i)ᵗ;    emergence: s_i² = λ_i/2
    t_i = ln(√(λ_i/2) / (α√d)) / ln(1 + 2ηλ_i)

From a small start r singular values end at √λ_i and the others stay near α; from a large one they do not.
The prediction leaves out what m measurements add: (1/m) Σ yᵢ sym(Aᵢ) has the eigenvalue λ_i + (ν/2)²/λ_i,
ν = ‖X*‖√(2d/m), where X* has λ_i, and it fluctuates by √(2/m) of itself.

Source: CS7180 problem set 2, question 2e; arXiv 2106.15013 and 2301.11500 (one direction at a time).
"""

import numpy as np
import xarray as xr

from descent.config import Count, Index, Positive, experiment_config
from descent.maths.emergence import emergence_times, predicted_times
from descent.result import Check, Result


@experiment_config
class Config:
    top: Count  # how many singular values are followed
    threshold: Positive  # relative to the largest, above which one counts
    milestones: tuple[Index, ...]  # t whose values become metrics, where U_t was kept


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


def punctuality(
    sensing: xr.Dataset, measured: xr.DataArray, predicted: xr.DataArray, i: int
) -> Check:
    """Mean delay of s_i behind its prediction from the smallest start, in e-folds of its growth.

    The start's overlap with a direction is known up to a factor of 1.75. Over E e-folds the sample
    adds a drift of (ν/2λ_i)² E, ν of what has not emerged before, and a fluctuation of √(2/m) E;
    a later direction feels the earlier ones as well, up to 15 % of its time.
    """
    eigenvalue, m = sensing["eigenvalue"], sensing.attrs["measurements"]
    here = {"alpha": 0}
    growth = np.log1p(2 * sensing["eta"] * eigenvalue).sel(i=i)
    expected = predicted.isel(here).sel(i=i) * growth
    delay = measured.isel(here).sel(i=i) * growth - expected
    left = (eigenvalue.sel(i=slice(i, None)) ** 2).sum("i")  # ‖X*‖² without what emerged before
    edge = 2 * sensing.sizes["row"] / m * left  # ν²
    drift = float((expected * edge / (2 * eigenvalue.sel(i=i)) ** 2).mean())
    folds = float(expected.mean())
    fluctuation = 4 * folds * np.sqrt(2 / (m * sensing.sizes["replicate"]))
    waiting = 0.15 * folds if i > 1 else 0.0
    tol = np.log(1.75) + drift + fluctuation + waiting
    return Check(f"delay_of_s{i}_in_e_folds", delay.values.mean(), "==", 0.0, tol)


def run(config: Config, sensing: xr.Dataset) -> Result:
    eigenvalue, eta = sensing["eigenvalue"], sensing["eta"]
    d, rank = sensing.sizes["row"], sensing.sizes["i"]
    sigma = spectrum(sensing["U"], min(config.top, d, sensing.sizes["factor"]))
    followed = min(rank, sigma.sizes["index"])
    predicted = predicted_times(eigenvalue, eta, sensing["alpha"], d).sel(i=slice(1, followed))
    measured = xr.apply_ufunc(
        emergence_times,
        sensing["snapshot"],
        sigma.sel(index=slice(1, followed)),
        np.sqrt(eigenvalue / 2).sel(i=slice(1, followed)),
        input_core_dims=[["snapshot"], ["snapshot", "index"], ["i"]],
        output_core_dims=[["i"]],
        vectorize=True,
    )
    away = (sigma > config.threshold * sigma.sel(index=1)).sum("index")

    smallest = {"alpha": 0}
    last = away.isel(snapshot=-1, **smallest)
    checks = [Check("count_from_smallest_alpha", last.values.mean(), "==", followed, 0)]
    for i in sorted({1, followed}):
        if (predicted.isel(smallest).sel(i=i) > 0).all():
            checks.append(punctuality(sensing, measured, predicted, i))

    means = {"count": away.mean("replicate", skipna=False)}
    if sigma.sizes["index"] > rank:
        spurious = sigma.sel(index=rank + 1, drop=True)
        means["first_spurious"] = spurious.mean("replicate", skipna=False)
        gap = spurious / sigma.sel(index=rank, drop=True)
        means["gap_ratio"] = gap.mean("replicate", skipna=False)
    end = int(sensing["snapshot"][-1])
    reported = sorted({t for t in config.milestones if t in sensing["snapshot"]} | {end})
    return Result(
        data=xr.Dataset(
            {
                "sigma": sigma,
                "predicted": predicted.assign_attrs(
                    long_name="predicted emergence of s_i", role="prediction"
                ),
                "measured": measured.assign_attrs(long_name="emergence of s_i"),
            }
        ),
        metrics={
            name: mean.sel(snapshot=reported).rename(snapshot="t") for name, mean in means.items()
        },
        checks=tuple(checks),
    )

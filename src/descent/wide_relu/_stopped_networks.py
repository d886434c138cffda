"""Networks of n neurons that stop early, each with noise of its own, and how far n shows in their risk."""

import numpy as np
import xarray as xr

from descent.result import measured, replicates, sweep
from descent.wide_relu import _stopped
from descent.wide_relu._beam import projected
from descent.wide_relu._network import features, polynomials


def measure_networks(config) -> xr.Dataset:
    """Networks on the mean loss, each with noise of its own."""
    risk, rest = np.zeros((2, len(config.trained), config.replicates))
    for m, M in enumerate(config.trained):
        x, t = np.linspace(-0.5, 0.5, M), config.times(M)[0]
        truth, line = _stopped.target(x + 0.5), np.linalg.qr(polynomials(x))[0]
        for r in range(config.replicates):
            rng = np.random.default_rng([config.seed, M, r])
            Phi = features(x, *config.initial.draw(rng, config.width))
            y = truth + rng.normal(0, config.noise, M)
            mu, u = projected(Phi @ Phi.T / config.width, x)
            learned = 1 - np.exp(-np.clip(2 * t * mu / M, 0, 700))
            both = np.column_stack([y, truth])
            f = line @ (line.T @ both) + u @ (learned[:, None] * (u.T @ both))
            risk[m, r], rest[m, r] = ((f - truth[:, None]) ** 2).mean(0)
    each, of = ("trained", "replicate"), f"of {config.width} neurons"
    return xr.Dataset(
        {
            "risk_networks": measured(each, risk, f"‖f_t − g₀‖² {of}"),
            "bias_networks": measured(each, rest, f"the same {of} without noise"),
        },
        coords={
            "trained": sweep(config.trained, "trained", "points M"),
            "replicate": replicates(config.replicates),
        },
    )


def finite(config, found: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """What n neurons change of the bias, and what noise adds, for each number of points with networks."""
    places = [config.points.index(M) for M in config.trained]
    wide = found.sel(loss="mean", drop=True).isel(points=places)
    wide = wide[["risk", "bias"]].rename(points="trained")
    change = abs(found["bias_networks"].mean("replicate") - wide["bias"])
    return change, wide["risk"] - wide["bias"]

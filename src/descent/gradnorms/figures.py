"""Figures of the gradnorms family."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, level, line, moment, panel, points


def mnist(data: xr.Dataset) -> Figure:
    first = data.sel(layer=1).mean("replicate", keep_attrs=True)
    x, law, shown = data["checkpoint"].values, "√(‖g‖² + tr Σ/B)", []
    for k, batch in enumerate(data["batch"].values):
        one = first.sel(batch=batch)
        shown.append(points(x, np.sqrt(one["minibatch_square"]), f"B = {batch}", k))
        shown.append(line(x, np.sqrt(one["predicted_square"]), law, k, "predicted"))
    noise = panel(
        "layer 1: minibatches see noise",
        axis(data["checkpoint"]),
        Axis("gradient norm", "log"),
        *shown,
        curve(data["full_norm"].sel(layer=1), "all images", "ink", marker=True),
    )
    scale = panel(
        "batch size at which noise equals gradient",
        axis(data["checkpoint"]),
        axis(data["noise_scale"], "log"),
        *(
            curve(data["noise_scale"].sel(layer=layer), f"layer {layer}", k, marker=True)
            for k, layer in enumerate(data["layer"].values)
        ),
    )
    return Figure((noise, scale))


def homogeneity(data: xr.Dataset) -> Figure:
    first, k = data.isel(replicate=0), data["k"].values
    products = panel(
        "one inner product for all layers",
        axis(data["k"]),
        Axis("⟨W_l, G_l⟩"),
        *(
            line(
                k, first["product"].sel(layer=layer), f"layer {layer}", place, width=3 - 0.5 * place
            )
            for place, layer in enumerate(data["layer"].values[:5])
        ),
        line(k, first["product_predicted"].isel(layer=0), "last layer", role="predicted"),
    )
    growth = panel(
        "growth is the law's, layer by layer",
        axis(data["layer"]),
        Axis("Δ‖W_l‖²"),
        points(data["layer"], first["growth"], "measured"),
        line(
            data["layer"], first["growth_predicted"], "common part + η² Σ ‖G_l‖²", role="predicted"
        ),
    )
    return Figure((products, growth))


def batch(data: xr.Dataset) -> Figure:
    """Root mean square norm against B, and over ‖g‖ against B/B*, where all layers meet."""
    mean, B, law = data.mean("replicate"), data["batch"].values, "√(‖g‖² + tr Σ/B)"
    norms, scaled = [], []
    for k, layer in enumerate(data["layer"].values):
        one = mean.sel(layer=layer)
        found, theory = np.sqrt(one["minibatch_square"]), np.sqrt(one["predicted_square"])
        norms.append(points(B, found, f"layer {layer}", k))
        norms.append(line(B, theory, law, k, "predicted"))
        x, unit = B / float(one["crossover"]), float(one["full_norm"]) or np.nan
        scaled.append(points(x, found / unit, f"layer {layer}", k))
        scaled.append(line(x, theory / unit, law, k, "predicted"))
    left = panel(
        "smaller minibatches see more noise",
        axis(data["batch"], "log"),
        Axis("gradient norm (rms)", "log"),
        *norms,
    )
    right = panel(
        "B^(−1/2), then level",
        Axis("B / B*", "log"),
        Axis("gradient norm (rms) / ‖g‖", "log"),
        *scaled,
        level(1.0, "‖g‖"),
        moment(1.0, "predicted B*"),
    )
    return Figure((left, right))

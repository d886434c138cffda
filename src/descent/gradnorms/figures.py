"""Figures of the gradnorms family."""

import numpy as np
import xarray as xr

from descent.figure import Axis, Figure, axis, curve, level, line, moment, panel, points, power


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


def depth(data: xr.Dataset) -> Figure:
    count = data.sizes["layer"]
    middle = data.isel(layer=slice(count // 4, max(3 * count // 4, 1)))
    ends, s2 = sorted({0, data.sizes["variance"] - 1}), data["variance"].values
    factors, norms = [], []
    for k, activation in enumerate(data["activation"].values):
        one = middle.sel(activation=activation)
        for name, draw, role in (("", points, "measured"), ("_predicted", line, "predicted")):
            mean = np.exp(np.log(one[f"factor{name}"]).mean(("replicate", "layer")))
            factors.append(draw(s2, mean, activation if draw is points else "√(s² E φ′²)", k, role))
        for end in ends:
            at = data.sel(activation=activation).isel(variance=end)
            label = f"{activation}, s² = {float(s2[end]):.3g}"
            norms.append(curve(at["sample_norm"], label, k if end else k + 3))
            theory = np.exp(np.log(at["sample_norm_predicted"]).mean("replicate"))
            norms.append(line(data["layer"], theory, "mean field", "ink", "predicted", width=1))
    left = panel(
        "change of the gradient a layer",
        axis(data["variance"], "log"),
        Axis("‖δ_l‖ / ‖δ_{l+1}‖, middle layers", "log"),
        *factors,
    )
    right = panel(
        f"{data.sizes['replicate']} random networks, median and 5–95 %",
        axis(data["layer"]),
        Axis("gradient norm of one image (rms)", "log"),
        *norms,
    )
    return Figure((left, right))


def vanishing(data: xr.Dataset) -> Figure:
    ratio = panel(
        "first layer over last: the same at every s²",
        axis(data["variance"], "log"),
        axis(data["ratio"], "log"),
        curve(data["ratio"], f"{data.sizes['replicate']} networks, 5–95 %", marker=True),
        curve(data["ratio_predicted"], "√(pixels/width)"),
    )
    shown = data["variance"].values[:: max(1, data.sizes["variance"] // 4)]
    norms = panel(
        "all layers vanish together",
        axis(data["layer"]),
        axis(data["sample_norm"], "log"),
        *(
            curve(data["sample_norm"].sel(variance=s2), f"s² = {power(s2)}", k)
            for k, s2 in enumerate(shown)
        ),
    )
    return Figure((ratio, norms))

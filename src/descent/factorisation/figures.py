"""Figures of the family factorisation: one function per experiment, named after it."""

import xarray as xr

from descent.figure import Axis, Figure, Panel, axis, curve, level, line, panel, points, power

COLOURS = 7
SHOWN = 4  # singular values in one panel


def singular_growth(data: xr.Dataset) -> Figure:
    panels: list[Panel] = []
    for depth in data["depth"].values[:3]:
        one, marks = data.sel(depth=depth), []
        for place, r in enumerate(data["r"].values[:SHOWN]):
            marks += curve(one["sigma"].sel(halving=4, r=r), f"σ_{r}", place)
            marks += curve(one["sigma_predicted"].sel(r=r), "flow of the product")
        panels.append(panel(f"{depth} factors", axis(data["t"]), Axis("σ_r"), marks))
    return Figure(tuple(panels))


def completion(data: xr.Dataset) -> Figure:
    depths = data["depth"].values[:COLOURS]
    paths, spectra = [], []
    for place, depth in enumerate(depths):
        one, name = data.sel(depth=depth), f"{depth} factors" if depth > 1 else "one factor"
        paths += curve(one["path"].isel(t=slice(1, None)), name, place)
        shown = one["sigma"].sel(r=slice(1, 2 * COLOURS))
        spectra += [points(shown["r"] + 0.1 * place, shown, name, place)]
    known = data["least_sigma"].sel(r=slice(1, 2 * COLOURS))
    spectra.append(points(known["r"] - 0.1, known, "least nuclear norm", "ink", marker="cross"))
    error = panel(
        "distance from the matrix",
        axis(data["t"], "log"),
        axis(data["path"], "log"),
        paths,
        level(data["least_error"], "least nuclear norm"),
    )
    several = data["nuclear"].sel(depth=depths[depths > 1] if (depths > 1).any() else depths)
    norm = panel(
        "nuclear norm",
        axis(data["depth"], ticks=tuple(several["depth"].values)),
        axis(data["nuclear"]),
        points(
            data["near"],
            data["nuclear_predicted"],
            "predicted",
            role="predicted",
            hollow=True,
            size=9,
        ),
        points(several["depth"], several, "at the end"),
        level(data["nuclear_of_M"], "of the matrix itself", "grey", role="measured"),
        level(data["least_predicted"], "least with these entries", role="bound"),
    )
    spectrum = panel("singular values", axis(data["r"]), axis(data["sigma"], "log"), spectra)
    return Figure((error, norm, spectrum))


def norms(data: xr.Dataset) -> Figure:
    asked, control = (data.isel(sign=k, replicate=0) for k in (0, 1))
    entries, grown, ranks = [], [], []
    for place, depth in enumerate(data["depth"].values[:COLOURS]):
        one, other, name = asked.sel(depth=depth), control.sel(depth=depth), f"{depth} factors"
        entries.append(line(one["loss"], one["missing"], name, place))
        entries.append(line(one["loss"], one["missing_bound"], "least", "ink", "bound"))
        grown += curve(one["norm"].sel(kind="nuclear"), name, place)
        grown += curve(one["missing_predicted"], "|W₁₁| for large t")
        ranks += curve(one["effective_rank"], name, place)
        ranks += curve(one["rank_bound"], "most at this loss", "grey")
        ranks += curve(other["effective_rank"], "det W of the other sign", "grey", width=1)
    low = float(data["loss"].isel(sign=0).min()) / 2
    return Figure(
        (
            panel(
                "the missing entry",
                axis(data["loss"], "log", limits=(low, None)),
                axis(data["missing"], "log", limits=(1e-2, None)),
                entries,
            ),
            panel("nuclear norm", axis(data["t"], "log"), Axis("‖W‖_*", "log"), grown),
            panel("effective rank", axis(data["t"], "log"), axis(data["effective_rank"]), ranks),
        )
    )


def balanced_start(data: xr.Dataset) -> Figure:
    depth, panels = data["depth"].values[0], []
    for kind in data["kind"].values:
        one, marks = data.sel(kind=kind, depth=depth), []
        for k in range(min(COLOURS, data.sizes["replicate"])):
            marks += curve(one["determinant"].sel(halving=4, replicate=k), f"start {k + 1}", k)
            marks += curve(one["determinant_predicted"].sel(replicate=k), "flow")
        scale = "log" if kind == "balanced" and float(one["determinant"].min()) > 0 else "linear"
        if kind == "unbalanced":
            marks.append(level(data["limit_predicted"], "−ab", "grey"))
        name = f"{kind}, {depth} factors"
        panels.append(panel(name, axis(data["t"], "log"), axis(data["determinant"], scale), marks))
    marks = []
    for place, kind in enumerate(data["kind"].values):
        one, x = data.sel(kind=kind, depth=depth), data["replicate"] + 1
        law, found = one["added_predicted"], one["added"].sel(halving=4)
        marks.append(points(x, law, "integral", role="predicted", hollow=True, size=9))
        marks.append(points(x, found, str(kind), place))
    size = Axis("‖D(t) − D(0)‖/η", limits=(0, None))
    panels.append(panel("imbalance added by descent", Axis("start"), size, marks))
    return Figure(tuple(panels))


def least_trace(data: xr.Dataset) -> Figure:
    small, above = data["small"], data["above"]
    law = float(above[0]) * (small / float(small[0])) ** float(data["gap_predicted"])
    trace = panel(
        "limit of the flow",
        axis(small, "log"),
        axis(above, "log"),
        points(small, above, "trace above the least"),
        line(small, law, "power of the linear programme", role="predicted"),
    )
    marks = []
    for place, alpha in enumerate(data["alpha"].values[::-1][:COLOURS]):
        one, at = data.sel(alpha=alpha), data["j"] + 0.12 * place
        flow, x = one["eigenvalue_predicted"], one["eigenvalue"].isel(halving=-1)
        marks.append(points(at, flow, "limit of the flow", role="predicted", hollow=True, size=8))
        marks.append(points(at, x, f"descent from α = {power(alpha)}", place))
    marks.append(points(data["j"], data["least_predicted"], "least trace", "ink", marker="cross"))
    values = panel("eigenvalues of X", axis(data["j"]), axis(data["eigenvalue"]), marks)
    return Figure((trace, values))

"""The figure of one experiment as a picture in memory: an SVG as on the page, or a PNG for a notebook."""

from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from pathlib import Path

import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg

from descent.figure import Figure
from descent.lab import svg
from descent.lab.draw import complaint, instead, made, to_see
from descent.lab.project import Block

DPI = 80  # of a PNG: 370 pixels a panel


def figure_of(block: Block, data: xr.Dataset) -> Figure:
    """The experiment's figure of these arrays; where it cannot be drawn, one that says why, as in plots/."""
    figures = import_module(f"descent.{block.family}.figures")
    return made(figures, Path(block.path), to_see(figures, block.name), data)[0]


def drawn(block: Block, figure: Figure, painter: Callable[[Figure], str | bytes]) -> str | bytes:
    """The picture, or one that says why the painter failed."""
    try:
        return painter(figure)
    except Exception as error:  # whatever the figure holds
        return painter(instead(complaint(Path(block.path), error), figure.caption))


def png(figure: Figure) -> bytes:
    """The picture as a PNG whose bytes depend on it and on the version of Matplotlib alone."""
    drawing, file = svg.paint(figure), BytesIO()
    with svg.look():
        drawing.set_dpi(DPI)
        FigureCanvasAgg(drawing).print_png(file, metadata={"Software": None})
    return file.getvalue()


def svg_of(figure: Figure) -> str:
    return svg.text_of(figure)

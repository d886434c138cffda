"""Draw every figure of one family: the door `stages/draw.py`.

Each artifact of the family has a function of its name in descent.FAMILY.figures. Its figure goes to
plots/FAMILY/NAME.svg, and what it shows, as data, to plots/FAMILY/NAME.json. A figure is drawn again only
if what it is made of has changed, or one of its files (artifacts/drawn has the digests, which git need not keep);
figures whose artifact is gone go too.

A figure that cannot be drawn does not stop the others: its picture says what failed, one line on standard
error does too, and it is tried again next time. The exit code stays 0, since the numbers and verdicts that
the page reports do not depend on the picture, and the page would not be made without it.
"""

import ast
import re
import sys
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from descent.figure import Axis, Figure, panel, text
from descent.lab import seen, svg, vega
from descent.lab.drawn import DRAWN, code_of, digest, is_drawn, state
from descent.lab.files import Damaged, dataset, kept, read_text, write, write_text
from descent.lab.messages import bounded, one_line, refuse

if TYPE_CHECKING:  # half a second that a family without a change does not need
    import xarray as xr


def draw(family: str) -> None:
    """Make plots/FAMILY what the artifacts say; needs the root of the project as working folder."""
    with kept():
        draw_all(family)


def draw_all(family: str) -> None:
    """The same.

    Raises:
        OSError: the disk is full, say.
    """
    if not family.isidentifier() or find_spec(f"descent.{family}") is None:
        refuse(f"{family or 'FAMILY'}: there is no such family")
    try:
        figures = import_module(f"descent.{family}.figures")
    except ModuleNotFoundError as error:
        refuse(f"{family}: is no family, or one without figures ({error})")
    code = code_of(figures, sys.modules[__name__])
    out, drawn = Path("plots", family), set()
    for artifact in sorted(Path("artifacts", family).glob("*.nc")):
        picture, data = (out / f"{artifact.stem}.{kind}" for kind in ("svg", "json"))
        drawn |= {picture, data}
        caption = to_see(figures, artifact.stem)
        origin = digest(code, artifact.read_bytes(), caption.encode())
        record = DRAWN / family / f"{artifact.stem}.txt"
        if is_drawn(record, origin, picture, data):
            continue
        figure, failed = made(figures, artifact, caption)
        try:
            keep(figure, picture, data, failed)
        except OSError:  # of the disk
            raise
        except Exception as error:  # of a painter: whatever the figure holds, the rest goes on
            failed = complaint(artifact, error)
            keep(instead(failed, caption), picture, data, failed)
        if failed:
            print(bounded(failed), file=sys.stderr)
        write_text(record, "" if failed else state(origin, picture, data))
    for stale in set(out.glob("*")) - drawn:
        stale.unlink()


def made(
    figures: ModuleType, artifact: Path, caption: str, data: "xr.Dataset | None" = None
) -> tuple[Figure, str]:
    """The figure of an artifact, or one that says why there is none; and that reason.

    Args:
        data: what the artifact holds, for arrays that were never written; only its name counts then.
    """
    found = ""
    try:
        data = dataset(artifact) if data is None else data
        found = lacking(data)
        figure = getattr(figures, artifact.stem)(data)
        return replace(figure, caption=figure.caption or caption), ""
    except Exception as error:  # whatever the family's function does with data it did not expect
        failed = complaint(artifact, error, found)
        return instead(failed, caption), failed


def lacking(data: "xr.Dataset") -> str:
    """Which dimensions are empty, and what has no finite value: why a figure fails, in most cases."""
    empty = [f"{dim} is empty" for dim, size in data.sizes.items() if not size]
    numbers = {name: one for name, one in data.variables.items() if one.dtype.kind in "fc"}
    void = [f"{name} has no number" for name, one in numbers.items() if one.size and lost(one)]
    return ", ".join(empty + void)


def lost(values: "xr.Variable") -> bool:
    return not np.isfinite(values.values).any()


def complaint(artifact: Path, error: Exception, found: str = "") -> str:
    said = one_line(error if isinstance(error, Damaged) else f"{type(error).__name__}: {error}")
    why = f"{found} ({said})" if found else said
    return f"plots/{artifact.parent.name}/{artifact.stem}: cannot be drawn: {why}"


def instead(failed: str, caption: str) -> Figure:
    """A picture of the reason."""
    lines = re.sub(r"(.{1,56})(?:\s+|$)", r"\1\n", failed[:600]).strip()
    empty = Axis("", ticks=(), limits=(0, 1))
    return Figure(
        (panel("This figure cannot be drawn", empty, empty, text(0.5, 0.5, lines)),), caption
    )


def keep(figure: Figure, picture: Path, data: Path, failed: str) -> None:
    """Write both files, or none."""
    shown = {
        "caption": seen.plain(figure.caption),
        "main": None if failed else vega.main_panel(figure),
        "panels": [
            panel | {"whole": panel["whole"] and not failed} for panel in vega.panels(figure)
        ],
    }
    write(picture, lambda path: svg.save(figure, path))
    write_text(data, vega.embedded(shown) + "\n")


def to_see(figures: ModuleType, name: str) -> str:
    """The paragraph `See: …` of the experiment's docstring; empty if there is none."""
    folder = Path(str(figures.__file__)).parent
    source = folder / f"{name}.py"
    if not source.exists():  # one module for all blocks of the family
        source = min((p for p in folder.glob("[!_]*.py") if runs(p)), default=source)
    try:
        docstring = ast.get_docstring(ast.parse(read_text(source))) or ""
    except (OSError, SyntaxError, ValueError):  # an artifact whose module is gone, say
        return ""
    return see(docstring)


def runs(source: Path) -> bool:
    """Whether a module is an experiment: it has a function `run`."""
    try:
        return any(getattr(node, "name", "") == "run" for node in ast.parse(read_text(source)).body)
    except (OSError, SyntaxError, ValueError):
        return False


def see(docstring: str) -> str:
    for paragraph in re.split(r"\n\s*\n", docstring):
        if paragraph.startswith("See:"):
            return " ".join(paragraph.removeprefix("See:").split())
    return ""

"""What each figure was last drawn of: artifacts/drawn/FAMILY/NAME.txt, one digest.

It is of this machine, so neither DVC nor git has it: a figure is drawn again where it is missing.
"""

import hashlib
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from descent import figure
from descent.lab import (
    colours,
    legend,
    rounding,
    rulers,
    seen,
    svg,
    svg_axis,
    svg_digits,
    svg_legend,
    svg_marks,
    thinning,
    ticks,
    vega,
)
from descent.lab.closure import closure
from descent.lab.files import read_text

DRAWN = Path("artifacts/drawn")
PAINTERS = (
    *(figure, colours, legend, rounding, rulers, seen, thinning, ticks, vega),
    *(svg, svg_axis, svg_digits, svg_legend, svg_marks),
)


def code_of(figures: ModuleType, painter: ModuleType) -> bytes:
    """What a figure is made by: the painters, a family's figures with all that they import, and Matplotlib's version."""
    whole = hashlib.sha256(version("matplotlib").encode())
    files = [Path(str(module.__file__)) for module in (*PAINTERS, painter)]
    own = Path(str(figures.__file__))
    for file in (*files, *sorted(closure(own, src=own.parents[2]))):
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.digest()


def digest(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()


def state(origin: str, picture: Path, data: Path) -> str:
    """What a figure is made of and the two files that were made: a digest of all."""
    return digest(origin.encode(), picture.read_bytes(), data.read_bytes()) + "\n"


def is_drawn(record: Path, origin: str, picture: Path, data: Path) -> bool:
    """Whether the last drawing was of the same and left these files. What failed has no record: it is tried again."""
    try:
        return read_text(record) == state(origin, picture, data)
    except (OSError, ValueError):
        return False

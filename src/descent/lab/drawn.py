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
    rulers,
    seen,
    svg,
    svg_digits,
    svg_legend,
    svg_marks,
    thinning,
    ticks,
    vega,
)
from descent.lab.files import read_text

DRAWN = Path("artifacts/drawn")
PAINTERS = (
    *(figure, colours, legend, rulers, seen, thinning, ticks, vega),
    *(svg, svg_digits, svg_legend, svg_marks),
)


def code_of(*modules: ModuleType) -> bytes:
    """What a figure is made by: the painters, these modules and the version of Matplotlib."""
    whole = hashlib.sha256(version("matplotlib").encode())
    for module in (*PAINTERS, *modules):
        whole.update(hashlib.sha256(Path(str(module.__file__)).read_bytes()).digest())
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

"""What the page works out of a file, kept until that file or the code is another one.

A page takes most of its time for the drawings and for the spreads over replicates, of which one change in params.yaml
renews two or three. Each is kept beside what its figure was drawn of, as artifacts/drawn/FAMILY/NAME.KIND: its
value, and a digest of the file, of the code with all that it imports, and of the libraries. So are the fonts of the
page, by their letters. They are of this machine, so neither DVC nor git has them. What is missing, torn or of something
else is worked out again.
"""

import hashlib
import json
import platform
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from descent.lab.closure import closure
from descent.lab.files import read_text, write_text

FOLDER = Path("artifacts/drawn")
LIBRARIES = ("fonttools", "matplotlib", "numpy", "scipy", "xarray")


def known(source: Path, kind: str, work: Callable[[], Any], code: str) -> Any:
    """What `work` makes of a file FAMILY/NAME.…, as JSON has it: a tuple is a list.

    Args:
        kind: what it is, the end of the name under which it is kept.
        code: the file of the module that works it out.
    """
    try:
        origin = digest(source)
    except OSError:  # who works on it says what is wrong with it
        return as_json(work())
    return remembered(FOLDER / source.parent.name / f"{source.stem}.{kind}", origin, work, code)


def remembered(record: Path, origin: str, work: Callable[[], Any], code: str) -> Any:
    """The same of something that is in no file.

    Args:
        record: where it is kept.
        origin: what it is made of, or a digest of that.
    """
    origin = made_of(code) + origin
    with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        there = json.loads(read_text(record))
        if there["of"] == origin:
            return there["is"]
    found = as_json(work())
    with suppress(OSError):  # no room: it is worked out again next time
        write_text(record, json.dumps({"of": origin, "is": found}))
    return found


def as_json(found: object) -> Any:
    """As JSON has it, so that it is the same whether it was kept or not."""
    return json.loads(json.dumps(found))


def digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@cache
def made_of(code: str) -> str:
    """A digest of a module with all that it imports, and of the libraries."""
    libraries = [f"{name} {version(name)}" for name in LIBRARIES]
    whole = hashlib.sha256("\n".join([platform.python_version(), *libraries]).encode())
    src = Path(__file__).resolve().parents[3]
    for file in sorted(closure(Path(code).resolve(), src=src)):
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()

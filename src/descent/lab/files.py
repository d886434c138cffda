"""Files that are either whole or absent, text that is UTF-8 everywhere, and inputs as labelled arrays."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from descent.lab.messages import one_line, refuse

if TYPE_CHECKING:  # half a second that only those who read arrays need
    import xarray as xr


class Damaged(ValueError):
    """A file that is missing, cut off or of another layout; one line that names it and says what makes it."""


@contextmanager
def whole(path: Path | str) -> Iterator[None]:
    """Whatever goes wrong meanwhile is the fault of this file, which is read.

    Raises:
        Damaged: something did.
    """
    try:
        yield
    except Damaged:
        raise
    except Exception as error:  # whatever a damaged file makes of its reader
        said = one_line(f"{type(error).__name__}: {error}")[:200]
        raise Damaged(f"{path}: missing or damaged ({said}); `dvc repro` makes it") from error


@contextmanager
def kept() -> Iterator[None]:
    """Meanwhile a file that is damaged, or that cannot be written, is one line: exit code 2 or 1."""
    try:
        yield
    except Damaged as error:
        refuse(str(error))
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        refuse(f"{what}cannot be written: {error.strerror or error}", 1)


def write(path: Path, save: Callable[[Path], object]) -> None:
    """Save through a temporary name in the same folder, then rename.

    Raises:
        OSError: the disk is full, say; `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = partial(path)
    try:
        save(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def partial(path: Path) -> Path:
    """Where this process writes a file before it has its name; another one may be at it too."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def write_text(path: Path, text: str) -> None:
    """Text in UTF-8 with the line ends as they are, whole or not at all."""
    write(path, lambda partial: partial.write_bytes(text.encode("utf-8")))


def update_text(path: Path, text: str) -> bool:
    """Write unless the file says so already; whether it was written."""
    if path.is_file() and path.read_bytes() == text.encode("utf-8"):
        return False
    write_text(path, text)
    return True


def read_text(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def read(path: str, config=None):
    """An input of an experiment with this Config; one line and exit code 2 if it is missing or damaged.

    An artifact (.nc) and a data folder are a Dataset. For artifacts/own/KIND/NAME.txt it is what the Config names; the
    code for that is no part of other experiments' digests, and stands in that text itself.
    """
    if path.startswith("artifacts/own/"):
        return import_module("descent.lab.own").given(path, config)
    try:
        return dataset(path) if path.endswith(".nc") else folder(path)
    except Damaged as error:
        refuse(str(error))


def dataset(path: Path | str) -> "xr.Dataset":
    """An artifact.

    Raises:
        Damaged: it cannot be read.
    """
    import xarray as xr

    with whole(path):
        return xr.load_dataset(path, engine="scipy")


def folder(root: str) -> "xr.Dataset":
    """A data folder.

    Raises:
        Damaged: it cannot be read.
    """
    with whole(root):
        return images(root)


def images(root: str) -> "xr.Dataset":
    """{train,test}_images (n, row, column) uint8 and _labels (n) int64; no test set where there is none."""
    import xarray as xr

    from descent.lab.image_sets import parts

    arrays = {}
    for name, (pixels, labels) in parts(Path(root)).items():
        arrays[f"{name}_images"] = ((name, "row", "column"), pixels)
        arrays[f"{name}_labels"] = ((name,), labels)
    return xr.Dataset(arrays)

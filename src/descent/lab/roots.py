"""Which project is meant, from whatever folder Python was started in, and how its files are found from there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock

import descent
from descent.config import Refusal

MARKS = ("params.yaml", "dvc.yaml")
CODE = Path(descent.__file__).resolve().parent
ALONE = RLock()  # the working folder is the whole process's


def root_of(given: str | os.PathLike | None = None) -> Path:
    """The root of the project: the folder given, or the nearest one at or above the working folder.

    Raises:
        Refusal: there is none, or this Python has imported the code of another one.
    """
    if given is not None:
        try:
            root = Path(given).expanduser().resolve()
        except (TypeError, ValueError, OSError, RuntimeError):
            raise Refusal(f"root: {given!r} is no folder") from None
        if not is_project(root):
            raise Refusal(f"root: {root}: no project, which has {' and '.join(MARKS)}")
    else:
        here = working_folder()
        root = next((folder for folder in (here, *here.parents) if is_project(folder)), None)
        if root is None:
            ours = CODE.parents[1]
            hint = f': name one by root="{ours}" or --root' if is_project(ours) else ""
            raise Refusal(f"{here}: neither this folder nor one above it is a clone{hint}")
    if (root / "src/descent").resolve() != CODE:
        how = "`pip install -e .` there"
        raise Refusal(f"{root}: not the project whose code was imported, {CODE}: {how}")
    return root


def working_folder() -> Path:
    """Where Python stands.

    Raises:
        Refusal: the folder is gone.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise Refusal(f"the working folder cannot be used: {error.strerror}") from None


def is_project(folder: Path) -> bool:
    return all((folder / mark).is_file() for mark in MARKS)


@contextmanager
def within(root: Path) -> Iterator[None]:
    """Meanwhile the working folder is the project's root, as it is for the doors."""
    with ALONE:
        before = Path.cwd()
        os.chdir(root)
        try:
            yield
        finally:
            with suppress(OSError):  # it has gone
                os.chdir(before)

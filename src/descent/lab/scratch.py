"""Shared memory of the worker processes, in a folder that outlives no one.

joblib hands large arrays to its workers through files in shared memory. A killed process leaves them there until
the machine restarts, so every process has a folder with its number, and the next one removes those of the dead.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

FOLDER = "JOBLIB_TEMP_FOLDER"


@contextmanager
def shared_memory() -> Iterator[None]:
    """Meanwhile joblib uses a folder of this process; folders of processes that are gone are removed."""
    own, before = clear() / f"{prefix()}{os.getpid()}", os.environ.get(FOLDER)
    own.mkdir(exist_ok=True)
    os.environ[FOLDER] = str(own)
    try:
        yield
    finally:
        forget(own)
        shutil.rmtree(own, ignore_errors=True)
        if before is None:
            os.environ.pop(FOLDER, None)
        else:  # a notebook goes on with its own
            os.environ[FOLDER] = before


def forget(own: Path) -> None:
    """What joblib has not removed yet its tracker would look for when this process ends, and warn that it is gone."""
    for folder in own.glob("joblib_*"):
        with suppress(ImportError, OSError):
            from joblib.externals.loky.backend.resource_tracker import unregister

            unregister(str(folder), "folder")


def clear() -> Path:
    """Remove the folders of processes that are gone; where the folders are."""
    fast = Path("/dev/shm")
    base = fast if os.access(fast, os.W_OK) else Path(tempfile.gettempdir())
    for folder in base.glob(f"{prefix()}*"):
        number = folder.name.removeprefix(prefix())
        if number.isdigit() and not alive(int(number), modified(folder)):
            shutil.rmtree(folder, ignore_errors=True)
    return base


def modified(path: Path) -> float:
    """When a file or folder was last changed; long ago if it has gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def prefix() -> str:
    """Of this user's folders, where the numbers of processes mean the same."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    try:
        space = os.stat("/proc/self/ns/pid").st_ino  # a container has numbers of its own
    except OSError:
        space = 0
    return f"descent-{user}-{space}-"


def alive(process: int, since: float) -> bool:
    """Whether the process of this number that was there at the time `since` still runs.

    One that was killed and that nobody has waited for does not, nor does a later one of the same number.
    """
    try:
        found = psutil.Process(process)
        return found.status() != psutil.STATUS_ZOMBIE and found.create_time() <= since + 1
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True  # another user's

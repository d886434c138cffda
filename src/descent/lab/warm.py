"""Commands that begin warm: forked from a process that has the libraries loaded, which takes more than a second.

Only libraries are loaded beforehand and none of the project's own code that computes, so a command runs the code that
is there when it begins: as the main program, in the environment that it is given, like `python stages/DOOR.py …` in a
shell.
"""

import multiprocessing
import os
import runpy
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, reduction
from multiprocessing.context import BaseContext
from pathlib import Path
from types import ModuleType
from typing import IO

from descent.lab.environment import SIDE_BY_SIDE

# xarray imports the two of Dask where they are installed; where they are not, they are passed over.
LIBRARIES = (
    *("dask.array", "distributed", "jaxtyping", "joblib.externals.loky", "numba", "numpy"),
    *("pandas", "psutil", "pydantic.dataclasses", "pydantic.main", "pydantic.type_adapter"),
    *("ruamel.yaml", "scipy.io", "scipy.optimize", "scipy.stats", "threadpoolctl"),
    *("xarray", "xarray.computation.nanops", "descent.lab.woken"),
)

SAID, CODE = ("params.yaml", "dvc.yaml"), ("src", "stages")
SRC = Path(__file__).resolve().parents[2]


def door(command: object) -> list[str] | None:
    """The words after `python` of a command `python stages/DOOR.py …`; None for any other.

    Others are for a shell. Forking is safe on Linux alone: the system libraries of macOS do not allow it.
    """
    if sys.platform != "linux" or not isinstance(command, str):
        return None
    words = command.split()
    plain = len(words) > 1 and words[0] == "python" and shlex.join(words) == command
    return words[1:] if plain and Path(words[1]).match("stages/*.py") else None


def edited() -> bool:
    """Whether the code or a parameter is younger than dvc.lock, so that something is to be run, most likely."""
    files = [*map(Path, SAID), *(f for folder in CODE for f in Path(folder).rglob("*.py"))]
    try:
        return max(map(modified, files)) > modified(Path("dvc.lock"))
    except OSError:  # no dvc.lock yet, say
        return True


def modified(file: Path) -> float:
    return file.stat().st_mtime


def beforehand() -> None:
    """Begin to load the libraries while DVC still looks what is to be run, if something is."""
    if edited():
        warmed()


def warmed() -> BaseContext:
    """What makes processes that need not load the libraries, where that is safe; they begin to be loaded at once."""
    if sys.platform == "linux":
        with suppress(OSError), as_a_server():  # who needs the server says what is wrong
            pass
    return multiprocessing.get_context("forkserver")


class Warm:
    """A command that has begun, with what is needed of the methods of `subprocess.Popen`."""

    def __init__(self, words: list[str], cwd: str, env: dict[str, str], said: IO[bytes] | None):
        """Begin it.

        Args:
            said: the file that its output and its errors go to; those of this process where it is None.

        Raises:
            OSError: no process can be forked here.
        """
        files = tuple(Handed(said.fileno() if said else number) for number in (1, 2))
        given = (words, cwd, dict(env), files)
        with as_a_server() as context:
            self._process = context.Process(target=enter, args=given)
            self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()


class Handed:
    """An open file that is handed to the process that is forked."""

    def __init__(self, number: int):
        self.number = number

    def __reduce__(self):
        return _received, (reduction.DupFd(self.number),)


def _received(handed) -> int:
    return handed.detach()


def enter(words: list[str], cwd: str, env: dict[str, str], files: tuple[int, int]) -> None:
    """In the forked process: run the door as the main program."""
    for number, file in zip((1, 2), files, strict=True):
        os.dup2(file, number)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = words
    path = Path(words[0]).resolve()
    sys.path[0] = str(path.parent)
    runpy.run_path(str(path), run_name="__main__")


@contextmanager
def as_a_server() -> Iterator[BaseContext]:
    """Meanwhile the server runs: with one thread a process, and without this process's main program.

    Raises:
        OSError: no process can be forked here.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LIBRARIES))
    given = dict.fromkeys(SIDE_BY_SIDE, "1")
    # What it loads of the project is this code, also where another is installed.
    given["PYTHONPATH"] = os.pathsep.join(filter(None, (str(SRC), os.environ.get("PYTHONPATH"))))
    before = {name: os.environ.get(name) for name in given}
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    os.environ.update(given)
    try:
        forkserver.ensure_running()
        yield context
    finally:
        sys.modules["__main__"] = main
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

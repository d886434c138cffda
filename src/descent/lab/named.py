"""A network or a data set by the name that a block has for it: FILE.py:FUNCTION, a data set, a folder, an .npz."""

import os
import sys
import traceback
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from re import fullmatch
from typing import TYPE_CHECKING, NamedTuple
from zipfile import is_zipfile

import numpy as np

from descent.lab.image_sets import training_files, training_set
from descent.lab.messages import one_line

if TYPE_CHECKING:
    import xarray as xr

FOLDERS = ("examples", "data")  # that the stage `own` depends on
LOADED_FROM: set[Path] = (
    set()
)  # by this process, so that files of one name are not taken for each other
FORMS = {
    "network": "FILE.py:FUNCTION in examples/",
    "data": "the name of a data set in data/, or a folder of IDX files, a FILE.npz or FILE.py:FUNCTION in examples/ "
    "or data/",
}
ARRAYS = {"X": ("X", "x", "x_train", "X_train"), "y": ("y", "Y", "y_train", "Y_train")}


class Named(NamedTuple):
    """A file, or a folder, or what the names of some files begin with; and the function of a file of code."""

    path: Path
    function: str = ""


def named(kind: str, reference: object) -> Named:
    """What a `network` or `data` of a block stands for.

    Raises:
        ValueError: it has no such form, or lies where no change would be seen.
    """
    text = reference if isinstance(reference, str) else ""
    code = fullmatch(r"(.+\.py):([^\W\d]\w*)", text)
    if code:
        one = Named(Path(code[1]), code[2])
    elif kind == "data" and fullmatch(r"[^:]+(?<!\.py)", text) and text.isprintable():
        one = Named(Path(text) if "/" in text else shelved(text))
    else:
        raise ValueError(f"expected {FORMS[kind]}")
    parts = one.path.parts
    if parts[0] not in FOLDERS or ".." in parts:
        raise ValueError("lies outside examples/ and data/, where `dvc repro` sees changes")
    if one.path.resolve() != Path.cwd().resolve() / one.path:
        raise ValueError("is a link, behind which `dvc repro` sees no change: put the files there")
    if one.function and not one.path.is_file():
        raise ValueError(f"there is no file {one.path}")
    return one


def shelved(name: str) -> Path:
    """Where a data set of this name lies."""
    file = Path("data", name if name.endswith(".npz") else f"{name}.npz")
    return file if file.is_file() else Path("data", name)


def data_files(one: Named) -> list[Path]:
    """The files of a data set.

    Raises:
        ValueError: there are none, or of several sets.
    """
    if one.path.suffix == ".npz":
        if not one.path.is_file():
            raise ValueError(f"there is no file {one.path}")
        return [one.path]
    return list(training_files(one.path).values())


def data_set(one: Named) -> "xr.Dataset":
    """The data set: X (sample, …), y (sample, …).

    Raises:
        ValueError: it cannot be read, or is none; the function raises.
    """
    if one.function:
        return labelled(*pair(called(function(one), one)))
    if one.path.suffix != ".npz":
        data_files(one)
        return labelled(*training_set(one.path))
    [file] = data_files(one)
    if not is_zipfile(file):
        raise ValueError("no .npz file: no archive")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            found = {key: next((n for n in ns if n in arrays), "") for key, ns in ARRAYS.items()}
            if not all(found.values()):
                raise ValueError(f"expected arrays X and y, got {', '.join(arrays) or 'none'}")
            return labelled(arrays[found["X"]], arrays[found["y"]])
    except ValueError:
        raise
    except Exception as error:  # whatever a damaged file makes of its reader
        raise ValueError(f"no .npz file ({one_line(error)[:200]})") from error


def pair(found: object) -> tuple[np.ndarray, np.ndarray]:
    """X and y of what a function returned.

    Raises:
        ValueError: it is no pair of arrays.
    """
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise ValueError(f"expected a pair (X, y) of arrays, got {described(found)}")
    try:
        X, y = (np.asarray(a.detach().cpu() if hasattr(a, "detach") else a) for a in found)
    except (ValueError, TypeError) as error:  # lists of unequal length
        raise ValueError(f"expected a pair (X, y) of arrays ({one_line(error)[:200]})") from None
    return X, y


def described(value: object) -> str:
    kind = type(value).__name__
    return f"a {kind} of {len(value)}" if isinstance(value, tuple | list) else f"a {kind}"


def labelled(X: np.ndarray, y: np.ndarray) -> "xr.Dataset":
    """The arrays with named dimensions.

    Raises:
        ValueError: they are no numbers, or not of as many samples.
    """
    import xarray as xr

    for name, array in (("X", X), ("y", y)):
        if array.dtype.kind not in "fiub":
            raise ValueError(f"{name}: expected numbers, got {array.dtype}")
        if not array.ndim or not array.size:
            raise ValueError(f"{name}: expected samples, got shape {array.shape}")
    if len(X) != len(y):
        raise ValueError(f"expected as many y as X, got {len(y)} and {len(X)}")
    dims = {n: ("sample", *(f"{n}{k}" for k in range(1, a.ndim))) for n, a in (("X", X), ("y", y))}
    return xr.Dataset({"X": (dims["X"], X), "y": (dims["y"], y)})


def function(one: Named) -> Callable:
    """The function of a file of code, which is run; the files beside it can be imported from it.

    Raises:
        ValueError: the file raises, or has no such function.
    """
    folder = one.path.parent.resolve()
    LOADED_FROM.add(folder)

    prefixes = tuple(f"{loaded}{os.sep}" for loaded in LOADED_FROM)

    def own(place: str | None) -> bool:
        return f"{place}{os.sep}".startswith(prefixes)

    sys.path[:] = [str(folder), *(place for place in sys.path if not own(place))]
    for name, module in list(sys.modules.items()):  # one of the same name may lie in another folder
        if own(getattr(module, "__file__", None)):
            del sys.modules[name]
    spec = spec_from_file_location(f"own_{one.path.stem}", one.path.resolve())
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    called(lambda: spec.loader.exec_module(module), one)
    found = getattr(module, one.function, None)
    if not callable(found):
        raise ValueError(f"{one.path} has no function {one.function}")
    return found


def called(work: Callable, one: Named):
    """What foreign code returns.

    Raises:
        ValueError: with what it raised, and the line of the file.
    """
    try:
        return work()
    except (Exception, SystemExit) as error:
        at = [
            f.lineno
            for f in traceback.extract_tb(error.__traceback__)
            if one.path.name in f.filename
        ]
        place = f" (line {at[-1]})" if at else ""
        said = one_line(f"{type(error).__name__}: {error}")[:300]
        raise ValueError(f"it raised {said}{place}") from error

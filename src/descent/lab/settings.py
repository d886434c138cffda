"""What a user changes in the parameters of a block: by keyword, by a mapping, or in the words of `-S`."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from shlex import quote

import numpy as np
import xarray as xr

from descent.config import Refusal
from descent.lab.messages import bounded, one_line
from descent.lab.params import PARAMS, shown

NEAR, CUTOFF = (
    3,
    0.75,
)  # names that are shown for one that is not known, and how like it they have to be


def near(name: str, known: Iterable[str]) -> str:
    """The names that look like it, or all: the end of a line that refuses it."""
    names = list(known)
    found = get_close_matches(name, names, NEAR, CUTOFF)
    if found:
        return f"did you mean {' or '.join(found)}?"
    return f"there are {', '.join(names)}" if names else "there are none"


def plain(value):
    """A Python value as params.yaml could hold it: NumPy's numbers and arrays as Python's, tuples as lists."""
    if isinstance(value, xr.DataArray):
        value = value.values
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(one) for one in value]
    return value


def changed(block: dict, changes: Mapping, named: str, fields: Iterable[str] = ()) -> dict:
    """The block with the changes; a mapping changes what it names in a mapping, all else is replaced.

    Args:
        changes: by name; a name with dots reaches into nested mappings, as in `-S`.
        named: the block as lines name it: `sensing.exact`.
        fields: names that the experiment knows and the block need not have.

    Raises:
        Refusal: a name is none of the block's, or reaches into a value that has no parts.
    """
    new, known = dict(block), list(dict.fromkeys([*block, *fields]))
    for key, value in changes.items():
        name, *parts = str(key).split(".")
        if name not in known:
            rule = f"there is no parameter {shown(name)}: {near(name, known)}"
            raise Refusal(bounded(one_line(f"{named}: {rule}")))
        if parts and not isinstance(new.get(name), dict):
            raise Refusal(f"{named}.{name}: {'.'.join(parts)}: the parameter has no parts")
        value = plain(value)
        for part in reversed(parts):
            value = {part: value}
        new[name] = merged(new.get(name), value)
    return new


def merged(old, new):
    """`new`, or `old` with what `new` names if both are mappings."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return old | {key: merged(old.get(key), value) for key, value in new.items()}


def overrides(words: Iterable[str], named: str) -> dict:
    """`-S` in DVC's spelling, which is Hydra's: `rank=3`, `sensing.exact.rank=3`, `fit=[1e-10,1e-4]`.

    Raises:
        Refusal: it is none, belongs to another block, deletes a parameter, or names more than one value.
    """
    return dict(override(word, named) for word in words)


def override(word: str, named: str) -> tuple[str, object]:
    """One of them: the name within the block, and the value."""
    from hydra.core.override_parser.overrides_parser import OverridesParser  # half a second
    from hydra.errors import HydraException

    said = f"-S {one_line(word)}"
    try:
        found = OverridesParser.create().parse_override(word.removeprefix(f"{PARAMS}:"))
    except HydraException as error:
        raise Refusal(f"{said}: must be NAME=VALUE ({one_line(error)[:200]})") from None
    if found.is_delete():
        raise Refusal(f"{said}: no parameter can be left out")
    if found.is_sweep_override():
        raise Refusal(f"{said}: one value at a time; `dvc exp run --queue -S …` queues several")
    family, key = named.partition(".")[0], found.key_or_group
    if not key:
        raise Refusal(f"{said}: must be NAME=VALUE")
    if key.split(".")[0] == family and not key.startswith(f"{named}."):
        raise Refusal(f"{said}: names no parameter of {named}")
    return key.removeprefix(f"{named}."), found.value()


def command(stage: str, changes: Mapping, block: Mapping) -> str:
    """How DVC runs `family@name` with these changes: it writes the results, and `track` mirrors them into MLflow.

    Args:
        block: the parameters of params.yaml; what is not among them is added, which takes a +.
    """
    if not changes:
        return f"dvc repro {stage}"
    named = stage.replace("@", ".")
    words = [
        quote(f"{'' if key in block else '+'}{named}.{key}={spelled(value)}")
        for key, value in changes.items()
    ]
    return " ".join(["dvc exp run", *(f"-S {word}" for word in words)])


def spelled(value) -> str:
    """A value as Hydra's grammar has it."""
    if value is None or isinstance(value, bool):
        return str(value).lower() if value is not None else "null"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{spelled(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(spelled, value)) + "]"
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z_][\w.@/-]*", value):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)

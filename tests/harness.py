"""Experiments at toy size, run once in a test process, and run again with an error planted in theory or measurement."""

import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from hashlib import sha256
from importlib import import_module
from inspect import isfunction, signature
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import xarray as xr

from descent.lab.files import read
from descent.lab.project import Block, blocks
from descent.result import Result
from fake_mnist import fake_mnist
from toy import ROOT, toy_params


@cache
def experiments() -> dict[str, Block]:
    """Every experiment by family@name."""
    found = blocks(ROOT / "params.yaml", ROOT / "dvc.yaml")
    return {f"{block.family}@{block.name}": block for block in found}


def work_unit(nodeid: str) -> str:
    """Tests of the same unit run in one process, which keeps what they share.

    That are the toy runs of an experiment, and otherwise the fixtures of a file. The scripts in faults/ share nothing.
    """
    file, _, test = nodeid.partition("::")
    stem, case = Path(file).stem, test.partition("[")[2].removesuffix("]")
    if stem in ("test_experiments", "test_planted") and case in experiments():
        return case
    return nodeid if stem == "test_faults" else stem


def module_of(name: str) -> ModuleType:
    return import_module(experiments()[name].module)


def config_of(name: str, **changes):
    """Its Config at toy size, with some parameters changed.

    Raises:
        pydantic.ValidationError: the changed parameters are refused.
    """
    block = experiments()[name]
    return module_of(name).Config(**(_toy_params()[block.family][block.name] | changes))


_toy_params = cache(toy_params)


def inputs_of(name: str, config=None) -> list:
    """What it takes: results of other experiments at toy size, an MNIST of noise, what its Config names."""
    block = experiments()[name]
    taken = block.upstream[: len(signature(module_of(name).run).parameters) - 1]
    return [_input(path, config or config_of(name)) for path in taken]


def _input(path: str, config):
    if path.startswith("artifacts/own/"):
        return read(path, config)
    if path.startswith("artifacts/"):
        return toy("@".join(Path(path).with_suffix("").parts[1:])).data
    return fake_mnist(np.random.default_rng(0), 256, 72)


def run(name: str, **changes) -> Result:
    """The experiment at toy size, with some parameters changed."""
    config = config_of(name, **changes)
    return module_of(name).run(config, *inputs_of(name, config))


def toy(name: str) -> Result:
    """The experiment at toy size, run once in a process."""
    return recorded(name).result


@cache
def again(name: str) -> tuple[Result, float]:
    """The experiment at toy size once more, and the seconds of processors that it took."""
    toy(name)  # compiles what has to be
    start = time.process_time()
    result = run(name)
    return result, time.process_time() - start


# What an experiment's theory and measurement return, and the same with an error in it.

Path_ = tuple[str, ...]  # of a number or an array in what a function returns


LONG = 0.003  # seconds from which on it pays to remember


def is_part(name: str) -> bool:
    return name.startswith(("predict", "measure"))


class Recorded(NamedTuple):
    """What `predict…` and `measure…` returned when `run` called them, in order."""

    outputs: dict[str, list]
    result: Result


@cache
def recorded(name: str) -> Recorded:
    module, outputs, depth = module_of(name), {}, [0]

    def keeping(part: str, function: Callable) -> Callable:
        def kept(*arguments, **named):
            depth[0] += 1
            try:
                value = function(*arguments, **named)
            finally:
                depth[0] -= 1
            if depth[0] == 0:
                outputs.setdefault(part, []).append(value)
            return value

        return kept

    with _replaced(module, keeping):
        result = run(name)
    return Recorded(outputs, result)


def replayed(name: str, part: str, path: Path_, error: Callable) -> Result:
    """The experiment with `error` applied to one value that `part` returned, and all others as they were."""
    outputs = {key: list(values) for key, values in recorded(name).outputs.items()}
    outputs[part] = [_changed(value, path, error) for value in outputs[part]]

    def instead(key: str, function: Callable) -> Callable:
        if not is_part(key):
            calls = getattr(getattr(function, "__code__", None), "co_names", ())
            return function if any(map(is_part, calls)) else remembering(function)
        return lambda *arguments, **named: (
            outputs[key].pop(0) if outputs.get(key) else function(*arguments, **named)
        )

    with _replaced(module_of(name), instead, lambda key: True):
        return run(name)


@cache
def remembering(function: Callable) -> Callable:
    """The same function, which does not compute twice what took it long: science is pure.

    A replay changes one value, and most of what `run` computes beside theory and measurement does not depend on it.
    """
    known = {}

    def remembered(*arguments, **named):
        try:
            key = sha256(pickle.dumps((arguments, named))).digest()
        except (pickle.PicklingError, AttributeError, TypeError):  # of a local function
            return function(*arguments, **named)
        if key not in known:
            start = time.perf_counter()
            value = function(*arguments, **named)
            if time.perf_counter() - start < LONG:
                return value
            known[key] = value
        return deepcopy(known[key])

    return remembered


@contextmanager
def _replaced(
    module: ModuleType, make: Callable[[str, Callable], Callable], which: Callable = is_part
):
    before = {
        key: value
        for key, value in vars(module).items()
        if which(key) and isfunction(value) and value.__module__.startswith("descent.")
        if value.__module__ != "descent.result" and key not in ("run", "compare", "refute")
    }
    try:
        for key, function in before.items():
            setattr(module, key, make(key, function))
        yield
    finally:
        for key, function in before.items():
            setattr(module, key, function)


def leaves(value, path: Path_ = ()) -> Iterator[tuple[Path_, object]]:
    """Every number and array of numbers in a Dataset, a NamedTuple, a dataclass, a dict, a list or a tuple."""
    if isinstance(value, xr.Dataset):
        parts = {str(key): array for key, array in value.data_vars.items()}
    elif hasattr(value, "_asdict"):
        parts = value._asdict()
    elif isinstance(value, dict):
        parts = value
    elif isinstance(value, list | tuple):
        parts = {str(k): part for k, part in enumerate(value)}
    else:
        numbers = np.asarray(value).dtype.kind in "fciub" if value is not None else False
        if numbers and not isinstance(value, bool):
            yield path, value
        return
    for key, part in parts.items():
        yield from leaves(part, (*path, str(key)))


def _changed(value, path: Path_, error: Callable):
    if not path:
        if isinstance(value, xr.DataArray):
            return value.copy(data=error(value.values))
        return (
            error(np.asarray(value))
            if isinstance(value, np.ndarray)
            else error(np.asarray(value)).item()
        )
    head, rest = path[0], path[1:]
    if isinstance(value, xr.Dataset):
        if head not in value:
            return value
        return value.assign({head: _changed(value[head], rest, error)})
    if hasattr(value, "_replace"):
        return value._replace(**{head: _changed(getattr(value, head), rest, error)})
    if isinstance(value, dict):
        return {k: _changed(v, rest, error) if str(k) == head else v for k, v in value.items()}
    return type(value)(
        _changed(v, rest, error) if str(k) == head else v for k, v in enumerate(value)
    )

"""What the command line of `descent.sensing.sharded` asks for: numbers of sensing@overparam, and how to run it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from descent.config import Refusal
from descent.lab.asked import named, reading
from descent.lab.environment import require_system
from descent.lab.params import configured
from descent.lab.project import Block
from descent.lab.roots import root_of
from descent.lab.settings import changed, overrides
from descent.lab.words import words
from descent.sensing.overparam import Config

NAME = "sensing.overparam"
ABOUT = "sensing@overparam with its measurements split over processes, which torchrun starts"


class Job(NamedTuple):
    """What is to be done, the same for every rank."""

    block: Block
    claim: str
    config: Config
    moved: dict[str, tuple]  # parameters: name → (in params.yaml, here)
    rows: str
    memory: float  # GiB of rows that a rank may keep; nan: as much as is there
    hours: float
    timeout: float
    out: Path | None
    root: Path


def number(least: float) -> Callable[[str], float]:
    """A type of argparse: numbers of at least this size."""

    def read(text: str) -> float:
        value = float(text)
        if not least <= value < 1e9:
            raise ValueError
        return value

    read.__name__ = f"number from {least:g} on"
    return read


def parser() -> ArgumentParser:
    one = ArgumentParser(
        "descent.sensing.sharded", add_help=False, allow_abbrev=False, description=ABOUT
    )
    add = one.add_argument
    add("-h", "--help", action="store_true", help="show this")
    add(
        "-S",
        "--set-param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="changes",
        help=f"a number of the block {NAME}, in DVC's spelling",
    )
    add(
        "--rows",
        choices=("fit", "keep", "make"),
        default="fit",
        help="keep the rows that fit and make the others anew (the default), all, or none",
    )
    add(
        "--memory",
        type=number(0.0),
        default=np.nan,
        metavar="GIB",
        help="of rows that a rank may keep; without it, what is there",
    )
    add("--hours", type=number(1e-4), default=1.0, help="refuse what takes longer (1)")
    add(
        "--timeout",
        type=number(0.1),
        default=600.0,
        metavar="SECONDS",
        help="how long a rank waits for another (600)",
    )
    add("--out", metavar="FILE.nc", help="keep the arrays, and what was found")
    add("--root", metavar="DIR", help="the project, if not this folder's")
    one.error = usage
    return one


def usage(message: str) -> NoReturn:
    raise Refusal(f"{message}; --help shows what there is")


def asked(chosen: Namespace) -> Job:
    """What the command line asks for.

    Raises:
        Refusal: it cannot be done.
    """
    with reading(chosen.root):
        require_system()
        block = named(NAME)
        given = overrides(chosen.changes, NAME)
        if given.get("replicates", 1) != 1:
            raise Refusal(f"{NAME}: replicates {given['replicates']}: a job is one problem")
        known = [field.name for field in fields(Config)]
        settings = changed(block.parameters, given | {"replicates": 1}, NAME, known)
        config = configured(Config, block.path, settings)
        claim = words(block.docstring()).claim
    was = {key: (block.parameters.get(key), value) for key, value in settings.items()}
    moved = {key: pair for key, pair in was.items() if pair[0] != pair[1]}
    out = Path(chosen.out).absolute() if chosen.out else None
    return Job(
        block,
        claim,
        config,
        moved,
        chosen.rows,
        chosen.memory,
        chosen.hours,
        chosen.timeout,
        out,
        root_of(chosen.root),
    )

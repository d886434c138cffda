"""The registry of experiments: what params.yaml and dvc.yaml say of each.

A group of dvc.yaml whose command is `python stages/run.py MODULE BLOCK [INPUT …]` is a family. The module is
descent.FAMILY.${key}, so blocks and modules are one to one; in a family that is keyed by its source it is one
module for all blocks (descent.spectra.singular_values). As in DVC, ${item.NAME} is a parameter of the block, and
${FAMILY.BLOCK.NAME} one of another.
"""

import ast
import re
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import NamedTuple

from descent.lab.files import read_text
from descent.lab.messages import refuse
from descent.lab.params import PARAMS, mapping
from descent.lab.takes import parsed, taken

PIPELINE = Path("dvc.yaml")
DOOR = "stages/run.py"


class Block(NamedTuple):
    """One experiment: `family.name` in params.yaml, `family@name` in dvc.yaml."""

    family: str
    name: str
    parameters: dict
    module: str  # descent.family.name, say
    upstream: list[str]  # what its family reads: artifacts and data folders, as dvc.yaml has them
    question: str  # what its family asks, `desc` in dvc.yaml

    @property
    def path(self) -> str:
        return f"{self.family}/{self.name}"

    @property
    def stage(self) -> str:
        return f"{self.family}@{self.name}"

    @property
    def source(self) -> Path:
        return Path("src", *self.module.split(".")).with_suffix(".py")

    def docstring(self) -> str:
        """The module's docstring, without importing it, and without parsing the module where that is easy."""
        try:
            begin, quotes, rest = read_text(self.source).partition('"""')
        except (OSError, ValueError):
            begin, quotes, rest = "", "", ""  # `parsed` says why
        text, _, _ = rest.partition('"""')
        if begin or not quotes or "\\" in text:
            return ast.get_docstring(parsed(self.source)) or ""
        return cleandoc(text)

    def inputs(self) -> list[str]:
        """What of `upstream` the experiment takes, with its parameters put in."""
        wanted = self.upstream[: taken(self.source)]
        return [filled(path, {"item": self.parameters}) for path in wanted]


def filled(text: str, values: dict) -> str:
    """With every ${NAME} and ${NAME.NAME} that the values have in place of it; others as they stand."""

    def value(found: re.Match) -> str:
        one = values
        for name in found[1].split("."):
            if not isinstance(one, dict) or name not in one:
                return found[0]
            one = one[name]
        return str(one)

    return re.sub(r"\$\{([\w.]+)\}", value, text)


def families(pipeline: Path = PIPELINE) -> dict[str, dict]:
    """The stages of dvc.yaml that run experiments, by family."""
    stages = mapping(pipeline).get("stages") or {}
    if not isinstance(stages, dict) or not all(isinstance(one, dict) for one in stages.values()):
        refuse(f"{pipeline}: stages: must be a mapping of stages")
    bodies = {name: stage.get("do") for name, stage in stages.items()}
    return {
        name: body
        for name, body in bodies.items()
        if isinstance(body, dict) and DOOR in str(body.get("cmd", ""))
    }


def blocks(params: Path = PARAMS, pipeline: Path = PIPELINE) -> Iterator[Block]:
    """Every experiment, in the order of params.yaml."""
    stages = families(pipeline)
    whole = mapping(params)
    for family, experiments in whole.items():
        if family not in stages:
            continue
        if not isinstance(experiments, dict):
            refuse(f"{params}: {family}: must be a mapping of experiments")
        for name, block in experiments.items():
            if not str(name).isidentifier():
                refuse(f"{params}: {family}: {name} is no name of an experiment")
            if not isinstance(block, dict):
                refuse(f"{params}: {family}.{name}: must be a block of named parameters")
            command = filled(str(stages[family]["cmd"]), {**whole, "key": str(name)}).split()
            if len(command) < 4:
                refuse(f"{pipeline}: {family}: cmd must be `python {DOOR} MODULE BLOCK [INPUT …]`")
            _, _, module, _, *upstream = command
            yield Block(family, str(name), block, module, upstream, stages[family].get("desc", ""))

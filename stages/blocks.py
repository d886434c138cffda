"""What params.yaml and dvc.yaml say about an experiment: its parameters, its module, its inputs.

Whatever they say wrong is one line on standard error and exit code 2.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from pydantic import ValidationError
from ruamel.yaml import YAML, YAMLError

PARAMS, PIPELINE = Path("params.yaml"), Path("dvc.yaml")


class Block(NamedTuple):
    """One experiment: `family.name` in params.yaml, `family@name` in dvc.yaml."""

    family: str
    name: str
    parameters: dict
    module: str  # descent.family.name, say
    upstream: list[str]  # what it reads: artifacts and data folders
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
        """The module's docstring, without importing it."""
        return ast.get_docstring(ast.parse(self.source.read_text())) or ""


def refuse(message: str) -> NoReturn:
    """One line on standard error and exit code 2: the input cannot be used."""
    print(" ".join(message.split()), file=sys.stderr)
    sys.exit(2)


def load(path: Path) -> dict:
    """A YAML 1.2 file, read as DVC reads it (`1e-3` is a number)."""
    try:
        return YAML(typ="safe").load(path)
    except FileNotFoundError:
        refuse(f"{path}: not found; run this from the root of the repository")
    except (YAMLError, UnicodeDecodeError) as error:
        refuse(f"{path}: not valid YAML: {error}")


def parameters(family: str, name: str):
    """The block `family.name` of params.yaml, or one line and exit code 2."""
    params = load(PARAMS)
    for key, tree in ((family, params), (f"{family}.{name}", (params or {}).get(family))):
        if not isinstance(tree, dict) or key.rpartition(".")[2] not in tree:
            refuse(f"{PARAMS}: {key}: there is no such block")
    return params[family][name]


def configure(Config: type, block: str):
    """The validated Config of `block`, or one line per broken rule and exit code 2."""
    prefix = block.replace("/", ".")
    given = parameters(*block.split("/"))
    if not isinstance(given, dict):
        refuse(f"{PARAMS}: {prefix}: must be a block of named parameters (got {given!r})")
    try:
        return Config(**{str(key): value for key, value in given.items()})
    except ValidationError as error:
        for issue in error.errors():
            key = ".".join(map(str, (prefix, *issue["loc"])))
            rule = issue["msg"].removeprefix("Value error, ")
            scalar = isinstance(issue["input"], str | int | float | None)
            got = f" (got {issue['input']!r})" if issue["loc"] and scalar else ""
            print(f"{PARAMS}: {key}: {rule}{got}", file=sys.stderr)
        sys.exit(2)


def blocks(params: Path = PARAMS, pipeline: Path = PIPELINE) -> Iterator[Block]:
    """Every experiment: the families of params.yaml whose stage runs stages/run.py."""
    params, stages = load(params), load(pipeline)["stages"]
    for family, experiments in params.items():
        stage = stages.get(family, {}).get("do", {})
        command = stage.get("cmd", "")
        if "stages/run.py" in command:
            for name, block in experiments.items():
                _, _, module, _, *upstream = command.replace("${key}", name).split()
                yield Block(family, name, block, module, upstream, stage.get("desc", ""))

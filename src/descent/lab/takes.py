"""What an experiment takes: one function says it, for DVC's commands, MLflow and the tests alike."""

import ast
from functools import cache
from pathlib import Path

from descent.lab.messages import refuse


def parsed(source: Path) -> ast.Module:
    """A module's syntax tree, or one line and exit code 2."""
    return _parsed(source.absolute(), source)  # a relative path is another file in another folder


@cache
def _parsed(place: Path, source: Path) -> ast.Module:
    try:
        return ast.parse(place.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        refuse(f"{source}: cannot be read: {error}")


def taken(source: Path) -> int:
    """How many of its family's inputs an experiment takes: as its `run(config, …)` has parameters for."""
    for node in parsed(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == "run":
            return len(node.args.args) - 1
    refuse(f"{source}: has no function `run`, so it is no experiment")

"""What the project holds of an experiment beside its results: its parameters as written, and those it last ran with."""

from pathlib import Path

from ruamel.yaml import YAML, YAMLError

from descent.lab.files import read_text
from descent.lab.lockfile import pieces
from descent.lab.page.listed import listed
from descent.lab.params import PARAMS
from descent.lab.project import Block

LOCK = Path("dvc.lock")


def listed_parameters(block: Block) -> list[str]:
    """The block in params.yaml, a line a parameter with its comment."""
    return listed(read_text(PARAMS))[block.family][block.name].splitlines()


def is_current(block: Block) -> bool:
    """Whether the stored result was made with the parameters of params.yaml; true where nobody can tell."""
    try:
        part = (pieces(read_text(LOCK)) or {})[block.stage]
        stage = YAML(typ="safe").load(part)[block.stage]
        ran = stage["params"][str(PARAMS)]
        return ran.get(f"{block.family}.{block.name}") == block.parameters
    except (OSError, YAMLError, ValueError, LookupError, AttributeError, TypeError):
        return True

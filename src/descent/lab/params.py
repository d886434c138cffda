"""params.yaml: every number of the project, read as DVC reads it, and the validated Config of a block.

Whatever is wrong in it is one line on standard error and exit code 2.
"""

from copy import deepcopy
from functools import cache
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.resolver import VersionedResolver

from descent.lab.messages import one_line, refuse, refuse_all

PARAMS = Path("params.yaml")
UNREADABLE = (YAMLError, ValueError, ArithmeticError, TypeError, RecursionError)
SHOWN = 200  # characters of a value or a reason
DEEP, MANY = (
    30,
    100_000,
)  # levels of nesting and values: of a slip, or of a file made to fill the memory


class Resolver(VersionedResolver):
    """Of YAML 1.2, whatever a file says of itself, as for the parser in C: half of the time it would ask for the version."""

    processing_version = (1, 2)


def load(path: Path) -> object:
    """A YAML 1.2 file (`1e-3` is a number), or one line and exit code 2."""
    try:
        return deepcopy(parsed(path.read_bytes().decode("utf-8")))
    except FileNotFoundError:
        refuse(f"{path}: not found; run this from the root of the repository")
    except OSError as error:
        refuse(f"{path}: cannot be read: {error.strerror}")
    except UNREADABLE as error:
        refuse(f"{path}: not valid YAML: {one_line(error)[:SHOWN]}")


@cache
def parsed(text: str) -> object:
    """What a YAML file says. A `dvc repro` asks nine times, and parsing takes a twentieth of a second.

    Raises:
        UNREADABLE: it is none, or none that a block can be read from.
    """
    require_flat(text)
    yaml = YAML(typ="safe")
    yaml.Resolver = Resolver
    tree = yaml.load(text)
    require_plain(tree)
    return tree


def require_flat(text: str) -> None:
    """Refuse what is nested so deeply that a parser in C ends the process.

    Raises:
        ValueError, YAMLError: with the rule.
    """
    depth = 0
    for event in YAML(typ="safe").parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > DEEP:
            raise ValueError(f"nested more than {DEEP} deep")


def require_plain(tree: object) -> None:
    """Refuse keys that are no names, and values without end, which a few aliases can stand for.

    Raises:
        ValueError: with the rule.
    """
    left, seen = [("", tree)], 0
    while left:
        above, value = left.pop()
        seen += 1
        if seen > MANY:
            raise ValueError(f"more than {MANY} values: aliases that multiply, say")
        if isinstance(value, dict):
            for key, one in value.items():
                if not (isinstance(key, str | int | float | None) and str(key).isprintable()):
                    raise ValueError(f"{above or 'top'}: the key {shown(key)} is no name")
                left.append((str(key)[:SHOWN], one))
        elif isinstance(value, list):
            left += [(above, one) for one in value]
        elif not isinstance(value, str | int | float | None):
            raise ValueError(f"{above}: a {type(value).__name__} is no number, text, list or block")


def mapping(path: Path) -> dict:
    """A YAML file that is a mapping."""
    tree = load(path)
    if not isinstance(tree, dict):
        refuse(f"{path}: must be a mapping of blocks (got {shown(tree)})")
    return tree


def shown(value) -> str:
    """A value in one line of bounded length."""
    text = one_line(repr(value)) if isinstance(value, str | int | float | None) else ""
    text = text or f"a {type(value).__name__}"
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def parameters(family: str, name: str, path: Path = PARAMS):
    """The block `family.name` of params.yaml or a file like it, or one line and exit code 2."""
    params = mapping(path)
    for key, tree in ((family, params), (f"{family}.{name}", params.get(family))):
        if not isinstance(tree, dict) or key.rpartition(".")[2] not in tree:
            refuse(f"{path}: {key}: there is no such block")
    return params[family][name]


def configure(Config: type, block: str):
    """The validated Config of `block`, or one line per broken rule and exit code 2."""
    return configured(Config, block, parameters(*block.split("/")))


def configured(Config: type, block: str, given):
    """The Config of these parameters, or one line per broken rule and exit code 2."""
    prefix = block.replace("/", ".")
    if not isinstance(given, dict):
        refuse(f"{PARAMS}: {prefix}: must be a block of named parameters (got {shown(given)})")
    try:
        return Config(**{str(key): value for key, value in given.items()})
    except ValidationError as error:
        refuse_all([broken_rule(prefix, issue) for issue in error.errors()])
    except (RecursionError, ArithmeticError, TypeError) as error:
        refuse(f"{PARAMS}: {prefix}: numbers that cannot be used ({one_line(error)[:SHOWN]})")


def broken_rule(prefix: str, issue: dict) -> str:
    """One line: file, key, rule and value."""
    key = ".".join(one_line(str(part))[:SHOWN] for part in (prefix, *issue["loc"]))
    rule = issue["msg"].removeprefix("Value error, ")
    scalar = isinstance(issue["input"], str | int | float | None)
    got = f" (got {shown(issue['input'])})" if issue["loc"] and scalar else ""
    return f"{PARAMS}: {key}: {rule}{got}"

"""What a person asks the laboratory for: an experiment by its name, or an error of one line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from descent.config import Refusal
from descent.lab import messages
from descent.lab.files import Damaged
from descent.lab.messages import bounded, masked, one_line, refusals
from descent.lab.params import shown
from descent.lab.project import Block, blocks
from descent.lab.roots import root_of, within
from descent.lab.settings import near

Root = str | os.PathLike | None
OWN = (
    "artifacts/own"  # what of a user's own code and data a block names: read as the Config names it
)


class Refused(Refusal):
    """What cannot be run or read, in the line that a door would say; one line a reason."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it."""
        return [f"Refused: {line}" for line in str(self).splitlines()]


@contextmanager
def refusing() -> Iterator[None]:
    """Meanwhile whatever is refused is an error with its line.

    Raises:
        Refused: something is.
    """
    try:
        yield
    except Refused:
        raise
    except messages.Refused as said:
        raise Refused(str(said).strip()) from None
    except (Refusal, Damaged) as rule:
        raise Refused(bounded(one_line(masked(str(rule))))) from None


@contextmanager
def reading(root: Root) -> Iterator[None]:
    """Meanwhile the working folder is the project's, and a refusal is an error."""
    with refusing(), within(root_of(root)), refusals():
        yield


def dotted(experiment: str) -> str:
    """`family@name` and `family/name` as `family.name`."""
    return experiment.strip().replace("@", ".").replace("/", ".")


def named(experiment: str) -> Block:
    """The block of that name.

    Raises:
        Refused: there is none.
    """
    known = {dotted(block.path): block for block in blocks()}
    name = dotted(experiment) if isinstance(experiment, str) else ""
    if name in known:
        return known[name]
    family = [one for one in known if one.startswith(f"{name}.")]
    ends = [one for one in known if name and one.endswith(f".{name}")]
    if family:
        hint = f"is a family; name one of its experiments: {', '.join(family)}"
    elif ends:
        hint = f"no such experiment; did you mean {' or '.join(ends)}?"
    else:
        close = near(name, known) if name else ""
        other = "`descent list` or lab.experiments() names them"
        hint = f"no such experiment; {close if close.startswith('did') else other}"
    raise Refused(bounded(one_line(f"{name or shown(experiment)}: {hint}")))


def require_inputs(block: Block) -> None:
    """Refuse an experiment that takes from another, or from the data, what is not there.

    Raises:
        Refused: naming the file, and what makes it.
    """
    for path in block.inputs():
        if not (Path(path).exists() or Path(path).is_relative_to(OWN)):
            folder, *rest = Path(path).with_suffix("").parts
            stage = "@".join(rest if folder == "artifacts" else ("download", *rest))
            raise Refused(f"{path}: not there: `dvc repro {stage}` makes it")

"""How a door is called: with the arguments that its first line names, or it says so in one line, exit code 2."""

import re
import sys
from collections.abc import Callable
from inspect import signature

from descent.lab.messages import refuse


def enter(door: Callable[..., int | None], docstring: str | None) -> int:
    """The door's exit code, if the arguments of the command line are such as it takes.

    Args:
        docstring: of the file in stages/, which has `python stages/NAME.py …` in its first line.
    """
    given = sys.argv[1:]
    try:
        signature(door).bind(*given)
    except TypeError:
        usage = re.search(r"`(python stages/[^`]+)`", docstring or "")
        how = f"usage: {usage[1]}" if usage else "other arguments are needed"
        refuse(f"{len(given)} arguments do not fit; {how}")
    return door(*given) or 0

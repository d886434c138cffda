"""params.yaml in the form that `dvc exp run -S` writes, so that -S changes the line of its number and no other.

DVC writes the whole file anew: a list one item a line, a long word on a line of its own. Comments behind a value or a
name survive that; those behind the items of a list, and what stands between a list and the next block, do not.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from descent.lab.files import read_text, update_text, write_text
from descent.lab.messages import refuse, say
from descent.lab.params import PARAMS, mapping

TIMES = 5  # that DVC may need until it leaves the file as it is


def as_dvc_writes(text: str) -> str:
    """What DVC makes of the file when it sets a number, but for that number."""
    from dvc.utils.hydra import apply_overrides

    with TemporaryDirectory() as folder:
        path = Path(folder, PARAMS.name)
        for _ in range(TIMES):
            write_text(path, text)
            apply_overrides(str(path), [])
            if read_text(path) == text:
                break
            text = read_text(path)
    return text


def comments(text: str) -> int:
    return sum(" #" in line or line.startswith("#") for line in text.splitlines())


def main(*arguments: str) -> None:
    """Write params.yaml so; with --check only say whether it is."""
    if arguments not in ((), ("--check",)):
        refuse(f"unknown: {' '.join(arguments)}; only --check is known")
    mapping(PARAMS)  # or one line
    text = read_text(PARAMS)
    wanted = as_dvc_writes(text)
    if arguments:
        sys.exit(0 if text == wanted else f"{PARAMS}: not as DVC writes it: `make params`")
    if lost := comments(text) - comments(wanted):
        refuse(f"{PARAMS}: {lost} comments stand where DVC drops them: behind items of a list")
    say(f"{PARAMS}: {'renewed' if update_text(PARAMS, wanted) else 'as DVC writes it'}")

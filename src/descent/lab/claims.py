"""The README's table of claims, made from the first lines of the experiments' docstrings.

The table of what stages take goes with it, from the last runs on this machine (progress.py).
"""

import sys
from pathlib import Path

from descent.lab.files import kept, read_text, update_text
from descent.lab.messages import refuse, say
from descent.lab.progress import renew
from descent.lab.project import blocks
from descent.lab.words import words

README = Path("README.md")
HEADER = "| experiment | claim |\n|---|---|\n"


def rows() -> str:
    """A row a module: its blocks and its claim."""
    stages: dict[str, list[str]] = {}
    claims = {}
    for block in blocks():
        stages.setdefault(block.module, []).append(f"`{block.stage}`")
        claims[block.module] = words(block.docstring()).claim.rstrip(".").replace("|", r"\|")
    return "".join(f"| {', '.join(names)} | {claims[m]} |\n" for m, names in stages.items())


def renewed(readme: str) -> str:
    """The README with the rows as they should be.

    Raises:
        ValueError: it has no table of claims.
    """
    before, header, after = readme.partition(HEADER)
    if not header:
        raise ValueError(f"{README}: there is no table that begins with {HEADER.splitlines()[0]}")
    lines = after.splitlines(keepends=True)
    end = next((k for k, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return before + header + rows() + "".join(lines[end:])


def main(*arguments: str) -> None:
    """Write the table; with --check only say whether it is up to date."""
    if arguments not in ((), ("--check",)):
        refuse(f"unknown: {' '.join(arguments)}; only --check is known")
    try:
        readme = read_text(README)
        wanted = renewed(readme)
    except (OSError, ValueError) as error:
        refuse(str(error))
    if arguments:
        sys.exit(0 if readme == wanted else f"{README}: the claims have changed: `make readme`")
    with kept():
        say(f"{README}: {'renewed' if update_text(README, wanted) else 'up to date'}")
        renew()

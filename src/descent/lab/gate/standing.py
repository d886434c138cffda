"""Are the reports of the workspace all there, of blocks that there are, and those that the pipeline made?"""

from collections.abc import Iterator
from pathlib import Path

from descent.lab.gate.reports import Note
from descent.lab.leftovers import registered
from descent.lab.verify import LOCK, md5, outs


def names() -> set[str] | None:
    """Every block as family/name; None where there is no pipeline."""
    found = registered()
    return None if found is None else {block.path for block in found}


def standing(now: set[str], known: set[str] | None) -> Iterator[Note]:
    """A block without its report, a report without its block, a report that is not the pipeline's."""
    for name in sorted((known or set()) - now):
        yield Note(f"{name}: its metrics are lost: `make repro` makes them")
    for name in sorted(now - known if known is not None else ()):
        yield Note(f"{name}: belongs to no block of params.yaml: `make repro` removes it")
    made = {out.path: out.md5 for out in outs()} if LOCK.is_file() else {}
    for name in sorted(now):
        path = Path(f"metrics/{name}.json")
        if path in made and md5(path) != made[path]:
            yield Note(f"{name}: {path} is not the file that {LOCK} names: edited or damaged")

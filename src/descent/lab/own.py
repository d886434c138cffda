"""What the blocks of `probe` name: networks and data of your own, and of which files they are made.

    artifacts/own/network/NAME.txt   the function of `network: FILE.py:FUNCTION`, its file and the files beside it which
                                     that imports
    artifacts/own/data/NAME.txt      the files of `data: …`, or the code of its function

DVC cannot tell from `examples/networks.py:lenet` which files that is, so this does: a text lists them with their
digests, and the stage of the block depends on it. It changes if and only if one of those files does, or the code that
reads them. Files have to lie in examples/ or data/, whose changes `dvc repro` sees. What is not there is said by the
stage of the block, so that one block does not stop the others.
"""

import hashlib
from pathlib import Path

from descent.lab.closure import Dynamic, closure, code_digest
from descent.lab.files import kept, update_text
from descent.lab.messages import one_line, refuse
from descent.lab.named import Named, data_files, data_set, function, named
from descent.lab.params import PARAMS
from descent.lab.project import blocks

OWN, READERS = Path("artifacts/own"), Path("artifacts/code/own.txt")
FAMILY, KINDS = "probe", ("network", "data")


def code_files(file: Path) -> set[Path]:
    """A file of code and those beside it which it imports; all beside it where nobody can follow its imports."""
    try:
        return closure(file, src=file.parent)
    except (Dynamic, SyntaxError, ValueError, RecursionError):
        return set(file.parent.rglob("*.py"))


def digest(file: Path) -> str:
    """Of what code does, of the bytes of any other file."""
    if file.suffix == ".py":
        try:
            return code_digest(file)
        except (SyntaxError, ValueError, RecursionError):
            pass
    whole = hashlib.sha256()
    with file.open("rb") as opened:
        while part := opened.read(2**20):
            whole.update(part)
    return whole.hexdigest()


def listing(kind: str, reference: object) -> str:
    """What a block names, and every file of it with its digest."""
    try:
        one = named(kind, reference)
        files = code_files(one.path) if one.function else data_files(one)
        lines = [f"{digest(file)[:32]} {file.as_posix()}\n" for file in sorted(files)]
    except (OSError, ValueError) as error:
        lines = [f"{one_line(error)}\n"]
    return "".join([f"{one_line(reference)}\n", *lines])


def main() -> None:
    readers = f"read by {digest(READERS)[:32]}\n" if READERS.is_file() else ""
    wanted = {
        OWN / kind / f"{block.name}.txt": listing(kind, block.parameters.get(kind)) + readers
        for block in blocks()
        if block.family == FAMILY
        for kind in KINDS
    }
    with kept():
        for path, text in wanted.items():
            update_text(path, text)
        for path in set(OWN.rglob("*.txt")) - wanted.keys():
            path.unlink()


def given(path: str, config):
    """What the Config of a block names, for the input `artifacts/own/KIND/NAME.txt` of its stage.

    Returns:
        for `network` the function that makes it; for `data` a Dataset X (sample, …), y (sample, …).

    One line and exit code 2 for what is not there, of another form, or raises.
    """
    kind, name = Path(path).parent.name, Path(path).stem
    reference = getattr(config, kind)
    try:
        one: Named = named(kind, reference)
        return function(one) if kind == "network" else data_set(one)
    except (OSError, ValueError) as error:
        refuse(f"{PARAMS}: {FAMILY}.{name}.{kind}: {reference}: {one_line(error)}")

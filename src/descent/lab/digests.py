"""Which code every stage uses, as small files that DVC can depend on: artifacts/code/….txt.

    artifacts/code/FAMILY/NAME.txt      the experiment, and how results are written (stages/run.py)
    artifacts/code/FAMILY/figures.txt   the family's figures, the painters (stages/draw.py), and what to see in them
    artifacts/code/DOOR.txt             download, own, curves, report, track
    artifacts/code/report.txt           also the template, and what the docstrings say

DVC follows no imports, so this does. A file lists every module in the import closure with the digest of its code,
without comments and docstrings: those rerun nothing but this stage, and the page where its words change. A file
that would say the same is not written again.
"""

import hashlib
from pathlib import Path

from descent.lab.closure import closure, code_digest, docstring, parsed
from descent.lab.files import kept, update_text
from descent.lab.leftovers import sweep
from descent.lab.messages import refuse
from descent.lab.words import words

CODE = Path("artifacts/code")
SRC, DOORS = Path("src"), Path("stages")
RESOURCES = {
    "page": {".j2", ".css", ".js"},
    "documents": {".yaml"},
    "guide": {".yaml"},
}  # of the page
SEEN, SAID = "what there is to see:\n", "docstrings:\n"


def is_experiment(file: Path) -> bool:
    """Whether a module of a family is one: it has a function `run`, and its name does not begin with _."""
    names = {getattr(node, "name", "") for node in parsed(file).body}
    return "run" in names and not file.name.startswith("_")


def experiments(src: Path) -> list[Path]:
    """Every experiment's module: descent/FAMILY/NAME.py."""
    found = sorted((src / "descent").glob("*/*.py"))
    return [f for f in found if f.parent.name not in ("lab", "maths") and is_experiment(f)]


def listing(files: set[Path], root: Path, digest=code_digest) -> str:
    """A line a file: its digest and its name."""
    lines = {file.relative_to(root).as_posix(): digest(file) for file in files}
    return "".join(f"{lines[name][:32]} {name}\n" for name in sorted(lines))


def whole(file: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def said(file: Path) -> str:
    """SHA-256 of what a module's docstring says."""
    return hashlib.sha256(docstring(file).encode("utf-8")).hexdigest()


def seen(file: Path) -> str:
    """SHA-256 of what its docstring says there is to see in the figure."""
    return hashlib.sha256(words(docstring(file)).see.encode("utf-8")).hexdigest()


def files(folder: Path, kinds: set[str]) -> list[Path]:
    """The files of these suffixes in a folder, which need not be there."""
    return [f for f in folder.glob("*") if f.suffix in kinds]


def digests(root: Path) -> dict[str, str]:
    """What every file of artifacts/code says, by its path there."""
    src, found = root / SRC, {}

    def used(door: str, *more: Path) -> str:
        return listing(closure(root / DOORS / f"{door}.py", *more, src=src), root)

    modules = experiments(src)
    for module in modules:
        found[f"{module.parent.name}/{module.stem}.txt"] = used("run", module)
    for family in {module.parent for module in modules}:
        if (family / "figures.py").is_file():
            ours = {module for module in modules if module.parent == family}
            shown = listing(ours, root, seen)
            found[f"{family.name}/figures.txt"] = used("draw", family / "figures.py") + SEEN + shown
    for door in ("download", "own", "curves", "report", "track"):
        if (root / DOORS / f"{door}.py").is_file():
            found[f"{door}.txt"] = used(door)
    lab = src / "descent/lab"
    shown = {f for name, kinds in RESOURCES.items() for f in files(lab / name, kinds)}
    found["report.txt"] += listing(shown, root, whole)
    found["report.txt"] += SAID + listing(set(modules), root, said)
    return found


def main(*, root: Path = Path(".")) -> None:
    try:
        found = digests(root)
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        refuse(f"the code cannot be read: {error}")
    with kept():
        if root.resolve() == Path.cwd():
            sweep()
        for name, text in found.items():
            update_text(root / CODE / name, text)
        named = {root / CODE / name for name in found}
        for path in sorted((root / CODE).rglob("*"), reverse=True):
            if path.is_file() and path not in named:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()

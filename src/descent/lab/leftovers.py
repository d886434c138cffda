"""What a block that is gone has left behind: its results, and its entries in dvc.lock.

Nothing is removed unless params.yaml, dvc.yaml and the modules fit together: a slip of the pen costs no result.
"""

import re
from pathlib import Path

from ruamel.yaml import YAML

from descent.lab.files import read_text, write_text
from descent.lab.lockfile import HEAD, pieces
from descent.lab.messages import say
from descent.lab.params import PARAMS, mapping
from descent.lab.project import PIPELINE, Block, blocks, families
from descent.lab.scratch import alive, modified

LOCK = Path("dvc.lock")
OURS = {
    "metrics": {".json"},
    "plots": {".svg", ".json"},
    "artifacts": {".nc"},
    "artifacts/cost": {".json"},
    "artifacts/drawn": {".txt", ".picture", ".spread"},
}
WRITTEN = ("metrics", "plots", "curves", "artifacts", "report", "data")
SHOWN = 6  # files in the line that says what was removed


def registered() -> list[Block] | None:
    """Every block; None where there is no pipeline, or a block without a module or a family without a block."""
    if not (PARAMS.is_file() and PIPELINE.is_file()):
        return None
    found = list(blocks())
    fit = families().keys() == {block.family for block in found}
    return found if found and fit and all(block.source.is_file() for block in found) else None


def sweep() -> None:
    """Remove what belongs to no block, and say so in a line; and what killed processes did not finish."""
    for file in unfinished():
        file.unlink(missing_ok=True)
    found = registered()
    if found is None:
        return
    kept = {block.path for block in found}
    stale = [file for folder, kinds in OURS.items() for file in results(Path(folder), kinds, kept)]
    for file in stale:
        file.unlink(missing_ok=True)
        if not any(file.parent.iterdir()):
            file.parent.rmdir()
    if stale:
        more = f" and {len(stale) - SHOWN} more" if len(stale) > SHOWN else ""
        say(f"removed, since no block has them: {', '.join(map(str, stale[:SHOWN]))}{more}")


def results(folder: Path, kinds: set[str], kept: set[str]) -> list[Path]:
    """The files FOLDER/FAMILY/NAME of no block."""
    return [
        file
        for file in sorted(folder.glob("*/*"))
        if file.is_file() and file.suffix in kinds and f"{file.parent.name}/{file.stem}" not in kept
    ]


def unfinished() -> list[Path]:
    """Files that processes were writing which run no longer (`files.partial`)."""
    found = [file for folder in WRITTEN for file in Path(folder).rglob(".*.partial")]
    found += [file for folder in (".", ".dvc/tmp") for file in Path(folder).glob(".*.partial")]
    return [file for file in found if not written_now(file)]


def written_now(file: Path) -> bool:
    number = file.name.split(".")[-2]
    return number.isdigit() and alive(int(number), modified(file))


def of_dvc() -> list[Path]:
    """Copies that a killed DVC did not finish; none are at work when another one is about to start."""
    folders = (*WRITTEN, ".dvc/cache/files")
    found = [file for folder in folders for file in Path(folder).rglob(".*.tmp")]
    return [file for file in found if re.fullmatch(r"\.[\w-]{22}\.tmp", file.name)]


def stages() -> set[str] | None:
    """The name of every stage; None if the pipeline has one of a kind that is not known here."""
    params, names = mapping(PARAMS), set()
    for name, body in mapping(PIPELINE).get("stages", {}).items():
        if "matrix" in body:
            return None
        over = body.get("foreach")
        if isinstance(over, str):
            over = params.get(over.removeprefix("${").removesuffix("}"))
            if not isinstance(over, dict | list):
                return None
        names |= {name} if over is None else {f"{name}@{item}" for item in over}
    return names


def forget() -> None:
    """Take the stages that are gone out of dvc.lock, and away what a killed DVC left; DVC must not be running."""
    for file in of_dvc():
        file.unlink(missing_ok=True)
    if registered() is None or not LOCK.is_file() or (known := stages()) is None:
        return
    parts = pieces(text := read_text(LOCK)) or {}
    gone = parts.keys() - known
    if gone and gone == YAML(typ="safe").load(text)["stages"].keys() - known:
        left = [part for name, part in parts.items() if name not in gone]
        write_text(LOCK, HEAD + "".join(left)) if left else LOCK.unlink()

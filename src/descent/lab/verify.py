"""Are the results those that dvc.lock names? Every output in the workspace and in DVC's cache, byte by byte.

DVC itself looks at a file again only if its time or size has changed, and trusts what lies in its cache. Exit code 1
if something differs, is damaged or is missing; 2 and one line if dvc.lock cannot be used.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from descent.lab.files import read_text
from descent.lab.messages import refuse, say
from descent.lab.params import mapping
from descent.lab.project import blocks

LOCK = Path("dvc.lock")
SHOWN = 50  # lines of what differs
HELP = "remove what differs or is damaged: `dvc checkout` and `make repro` bring it back"
IGNORED = ("__pycache__", (".partial", ".tmp", "compare.html"))  # by .dvcignore


class Out(NamedTuple):
    """One output of a stage, as dvc.lock names it."""

    stage: str
    path: Path
    md5: str  # ends with .dir for a folder


def outs(lock: Path = LOCK) -> list[Out]:
    """Every output in dvc.lock, or one line and exit code 2."""
    try:
        return [
            Out(name, Path(out["path"]), str(out["md5"]))
            for name, stage in (mapping(lock).get("stages") or {}).items()
            for out in stage.get("outs", ())
        ]
    except (LookupError, TypeError, AttributeError) as error:
        refuse(f"{lock}: not as DVC writes it ({type(error).__name__}: {error}); `make repro`")


def md5(path: Path) -> str:
    """MD5 of a file; of a folder what DVC makes of the names and MD5 of its files."""
    if path.is_dir():
        listing = [
            {"md5": digest, "relpath": name} for name, digest in sorted(inside(path).items())
        ]
        return hashlib.md5(json.dumps(listing, sort_keys=True).encode()).hexdigest() + ".dir"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def inside(folder: Path) -> dict[str, str]:
    """MD5 of every file in a folder, by its name there."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {
        file.relative_to(folder).as_posix(): md5(file)
        for file in files
        if not (file.name.endswith(IGNORED[1]) or IGNORED[0] in file.parts)
    }


def cache() -> Path:
    """Where DVC keeps what it caches."""
    try:
        from dvc.repo import Repo

        return Path(Repo().cache.local.path)
    except Exception:  # no DVC, or no project of it: its usual place
        return Path(".dvc/cache/files/md5")


def held(place: Path, digest: str) -> Path:
    """The file of the cache that has this digest."""
    return place / digest[:2] / digest[2:]


def content(place: Path, out: Out) -> dict[str, str] | None:
    """The files of a folder by their names in it, as the cache lists them; None if it does not."""
    try:
        listed = json.loads(read_text(held(place, out.md5)))
        return {str(entry["relpath"]): str(entry["md5"]) for entry in listed}
    except (OSError, ValueError, LookupError, TypeError):
        return None


def in_workspace(place: Path, out: Out) -> Iterator[str]:
    """What of an output is not what dvc.lock says."""
    if not out.path.exists():
        yield f"{out.path}: missing"
    elif md5(out.path) != out.md5:
        wanted = content(place, out) if out.md5.endswith(".dir") and out.path.is_dir() else None
        if wanted is None:
            yield f"{out.path}: differs from {LOCK}"
            return
        there = inside(out.path)
        for name in sorted(wanted.keys() | there.keys()):
            if wanted.get(name) != there.get(name):
                what = (
                    "missing"
                    if name not in there
                    else "differs from"
                    if name in wanted
                    else "not in"
                )
                yield f"{out.path / name}: {what}" + (f" {LOCK}" if name in there else "")


def in_cache(place: Path, out: Out) -> Iterator[str]:
    """What of an output is damaged in the cache; what is not there is no fault."""
    files = {"": out.md5}
    if out.md5.endswith(".dir"):
        files |= content(place, out) or {}
    for name, digest in files.items():
        copy = held(place, digest)
        if copy.is_file() and md5(copy) != digest.removesuffix(".dir"):
            yield f"{copy}, the cached {out.path / name}: damaged"


def main(*arguments: str) -> int:
    if arguments:
        refuse(f"unknown: {' '.join(arguments)}")
    if not LOCK.is_file():
        refuse(f"{LOCK}: not found; run this from the root of the repository, after `make repro`")
    named, place = outs(), cache()
    try:
        found = [
            line for out in named for look in (in_workspace, in_cache) for line in look(place, out)
        ]
    except OSError as error:
        refuse(f"{error.filename}: cannot be read: {error.strerror}")
    done = {out.stage for out in named}
    found += [f"{block.stage}: not in {LOCK}" for block in blocks() if block.stage not in done]
    more = [f"… and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    say(f"verify: {len(named)} outputs, {len(found)} faults", *sorted(found)[:SHOWN], *more)
    if found:
        say(HELP)
    return 1 if found else 0

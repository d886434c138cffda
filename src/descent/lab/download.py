"""Put the files of MNIST, or of a data set like it, where torchvision reads them.

The block download.NAME of params.yaml lists the sources, tried in order, and the SHA-256 of every
file of data/NAME/MNIST/raw. A file whose SHA-256 is left empty is taken by its name at first, if it
is whole; its digest is then recorded in digests/NAME.sha256, which belongs into git, and checked
ever after. A file appears in data/NAME whole and verified, or not at all; what is in place is not
fetched again; in the end data/NAME holds nothing else. Bad parameters: one line each, exit code 2,
nothing written. Files that no source has: what each of them answered, exit code 1.
"""

import sys
from hashlib import sha256
from pathlib import Path
from re import fullmatch
from typing import Annotated

from pydantic import Field, StringConstraints

from descent.config import Positive, experiment_config
from descent.lab.files import read_text, update_text, write
from descent.lab.idx import size, unpacked
from descent.lab.messages import masked, one_line, say
from descent.lab.params import PARAMS, configure
from descent.lab.sources import Missing, Source, finds

DIGESTS = Path("digests")
UNKNOWN = ""  # the digest of a file that is seen for the first time
FileName = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", to_lower=True)]


@experiment_config
class Config:
    """Where the files come from, and what they must be."""

    timeout: Annotated[Positive, Field(le=86400)]  # seconds that a connection may be silent
    sources: Annotated[list[Source], Field(min_length=1)]
    # of the decompressed files; empty: what it is at first
    sha256: Annotated[dict[FileName, Digest | None], Field(min_length=1)]


def known(data: bytes, name: str, missing: Missing) -> tuple[str, bytes]:
    """Which of the missing files this is, by its digest, and its content; no name for a file that nobody looks for.

    Raises:
        ValueError: it is damaged, or another file than its name says.
    """
    data = unpacked(data)
    found = sha256(data).hexdigest()
    file = next((file for file, digest in missing.items() if digest == found), "")
    if not file and missing.get(name) == UNKNOWN:
        if size(data) != len(data):
            raise ValueError("no whole IDX file")
        file = name
    if name in missing and not file:
        raise ValueError(f"SHA-256 {found[:8]}… instead of {missing[name][:8]}…")
    return file, data


def held(path: Path, digest: str) -> bool:
    """Whether the right file is in place."""
    return path.is_file() and sha256(path.read_bytes()).hexdigest() == digest


def obtain(name: str, config: Config, raw: Path, missing: Missing) -> list[str]:
    """Put in `raw` what the sources have of `missing`; one line of complaints per source."""
    answers = []
    for kind, places in config.sources:
        source, wanted, complaints = f"{kind} {', '.join(places)}", len(missing), []
        for find in finds(kind, places, missing, config.timeout) if missing else ():
            if isinstance(find, str):
                complaints.append(find)
                continue
            named, origin, data = find
            try:
                file, content = known(data, named, missing)
            except ValueError as error:
                complaints.append(f"{origin}: {error}")
                continue
            if file:
                write(raw / file, lambda path, content=content: path.write_bytes(content))
                del missing[file]
        if len(missing) < wanted:
            had = wanted - len(missing)
            say(masked(f"{name}: {had} of {len(config.sha256)} files from {source}", *places))
        said = "; ".join(complaints) or f"has no {', '.join(missing)}"
        answers.append(masked(one_line(f"{source}: {said}"), *places))
    return answers


def plea(name: str, config: Config, raw: Path, missing: Missing, answers: list[str]) -> str:
    """What each source answered, and how to place by hand what is missing."""
    lines = [f"{name}: {len(missing)} of {len(config.sha256)} files are missing"]
    lines += [f"  {answer}" for answer in answers]
    lines += [f"Place these files, decompressed (SHA-256), in {raw}:"]
    lines += [f"  {file} {digest or '(any)'}" for file, digest in missing.items()]
    for kind, (place, *_) in config.sources:
        if kind == "folder" and place.startswith("$"):
            lines += [
                f"or set {place[1:]} to a folder that has them, packed or not, under any name."
            ]
    return "\n".join(lines)


def recorded(name: str) -> dict[str, str]:
    """File → SHA-256, of those that were seen before.

    Raises:
        ValueError: the record is damaged.
    """
    path = DIGESTS / f"{name}.sha256"
    if not path.is_file():
        return {}
    found = [line.split(maxsplit=1) for line in read_text(path).splitlines()]
    if not all(len(line) == 2 and fullmatch("[0-9a-f]{64}", line[0]) for line in found):
        raise ValueError(f"{path}: each line must be a SHA-256 and the name of a file")
    return {Path(file).name: digest for digest, file in found}


def record(name: str, raw: Path, files: list[str]) -> None:
    """Write down what these files are, in the form that `sha256sum -c` reads."""
    if files:
        lines = [
            f"{sha256((raw / file).read_bytes()).hexdigest()}  {raw / file}\n" for file in files
        ]
        update_text(DIGESTS / f"{name}.sha256", "".join(lines))


def clear(root: Path, kept: set[Path]) -> None:
    """Remove what lies under `root`, left by a killed run, say, except the files that are kept."""
    for path in sorted(root.rglob("*"), reverse=True):  # what is in a folder before the folder
        if path.is_symlink() or not path.is_dir():
            if path not in kept:
                path.unlink()
        elif not any(path.iterdir()):
            path.rmdir()


def main(name: str) -> None:
    config = configure(Config, f"download/{name}")
    root = Path("data", name)
    raw = root / "MNIST" / "raw"
    for folder in (root, root / "MNIST", raw):
        if folder.is_symlink():  # `clear` must not reach into somebody's own folder
            sys.exit(f"{folder}: must not be a link; name its target as a source in {PARAMS}")
    try:
        known = recorded(name)
        wanted = {file: sha or known.get(file, UNKNOWN) for file, sha in config.sha256.items()}
        missing = {file: sha for file, sha in wanted.items() if not held(raw / file, sha)}
        answers = obtain(name, config, raw, missing)
        if missing:
            sys.exit(plea(name, config, raw, missing, answers))
        record(name, raw, [file for file, sha in config.sha256.items() if not sha])
        clear(root, {raw / file for file in config.sha256})
    except (OSError, ValueError) as error:
        sys.exit(f"{name}: {error}")

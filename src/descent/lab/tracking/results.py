"""Every result that has been made, with its fingerprint: of the parameters and the outputs.

So a cached stage, a fresh clone, a second call or a lost store end with one run each.
"""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from descent.lab.messages import one_line
from descent.lab.project import Block, blocks


class Tracked(NamedTuple):
    """A block with its results, which are not read until they are needed."""

    block: Block
    fingerprint: str


def canonical(value):
    """Parameters as DVC compares them: 1, 1.0 and true are one value."""
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    return float(value) if isinstance(value, int | float) else value


def digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents in a folder."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        parts = "".join(f"{file.relative_to(path)} {digest(file)}\n" for file in files)
        return hashlib.sha256(parts.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def result(block: Block) -> Tracked:
    """A block with its result.

    Raises:
        Exception: whatever is wrong with its parameters or files.
    """
    artifact, metrics = outputs(block)
    parts = [block.path, json.dumps(canonical(block.parameters), sort_keys=True)]
    parts += [digest(artifact), digest(metrics)]
    fingerprint = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return Tracked(block, fingerprint)


def outputs(block: Block) -> tuple[Path, Path]:
    return Path(f"artifacts/{block.path}.nc"), Path(f"metrics/{block.path}.json")


def results() -> tuple[list[Tracked], dict[str, str]]:
    """Every block that has been run; and those that cannot be read, with the reason."""
    found, failed = [], {}
    for block in blocks():
        if all(file.exists() for file in outputs(block)):
            try:
                found.append(result(block))
            except Exception as error:
                failed[block.path] = why(error)
    return found, failed


def why(error: BaseException) -> str:
    """An error in a line."""
    return one_line(error) or type(error).__name__

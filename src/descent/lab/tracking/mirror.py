"""What is to be tracked, and whether it is there: every result with its fingerprint.

A fingerprint is of the parameters and outputs of a result, so a cached stage, a fresh clone, a second call or a lost
store end with exactly one run each. The store is $MLFLOW_TRACKING_URI, else mlflow.db at the root of the
repository, also from the temporary workspaces of `dvc exp run`. A store that cannot be used is one warning, never
a failure: the science does not depend on it.
"""

import hashlib
import json
import logging
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from descent.lab.files import write_text
from descent.lab.messages import masked, one_line
from descent.lab.project import Block, blocks
from descent.lab.results import load_report
from descent.lab.tracking.describe import question

ROOT = Path(os.environ.get("DVC_ROOT") or Path(__file__).parents[4])
MARKER = Path("artifacts/tracked.json")  # what DVC sees of this stage
FINGERPRINT = "descent.fingerprint"
PATIENCE = 120  # seconds to wait for another process that tracks
QUIET = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


class Tracked(NamedTuple):
    """A block with its results."""

    block: Block
    report: dict  # metrics/….json
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


def results() -> list[Tracked]:
    """Every block that has been run."""
    found = []
    for block in blocks():
        artifact, metrics = Path(f"artifacts/{block.path}.nc"), Path(f"metrics/{block.path}.json")
        if artifact.exists() and metrics.exists():
            parts = [block.path, json.dumps(canonical(block.parameters), sort_keys=True)]
            parts += [digest(artifact), digest(metrics)]
            fingerprint = hashlib.sha256("\n".join(parts).encode()).hexdigest()
            found.append(Tracked(block, load_report(metrics), fingerprint))
    return found


def address() -> str:
    """The store's address; a relative path counts from the root, also in a temporary workspace."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    scheme, colon, path = uri.partition(":///")
    if not colon and "://" not in uri:
        return str(ROOT / uri)
    if colon and scheme.startswith("sqlite") and not path.startswith("/"):
        return f"{scheme}:///{ROOT / path}"
    return uri


def known(uri: str) -> set[str]:
    """Fingerprints of whole results in a local store, read without MLflow, whose import costs 2 s.

    An answer too small costs only that time, so whatever is wrong here is left to MLflow.
    """
    query = """
        SELECT tags.value FROM tags JOIN runs USING (run_uuid) JOIN experiments USING (experiment_id)
        WHERE tags.key = ? AND runs.status = 'FINISHED' AND runs.lifecycle_stage = 'active'
        AND experiments.lifecycle_stage = 'active' AND NOT EXISTS (
            SELECT 1 FROM tags AS parent
            WHERE parent.run_uuid = runs.run_uuid AND parent.key = 'mlflow.parentRunId')
    """
    path = uri.removeprefix("sqlite:///")
    if path == uri:
        return set()
    try:
        with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as db:
            return {value for (value,) in db.execute(query, (FINGERPRINT,))}
    except sqlite3.Error:
        return set()


def mirror(found: list[Tracked], left: list[Tracked], uri: str) -> None:
    """Add what is left, family by family, and take it off the list."""
    from descent.lab.tracking.store import Store

    # Two processes that make the store at once collide, and add what the other has not finished.
    with FileLock(ROOT / ".mlflow.lock", timeout=PATIENCE):
        store = Store(uri, ROOT)
        for family in dict.fromkeys(result.block.family for result in left):
            ours = [result.block for result in found if result.block.family == family]
            experiment = store.experiment(family, question(ours))
            for result in [result for result in left if result.block.family == family]:
                store.add(experiment, result)
                left.remove(result)


def main() -> None:
    found, uri = results(), address()
    os.environ |= QUIET
    logging.disable(logging.WARNING)  # the first use of a store logs its schema's history
    left = found
    try:
        there = known(uri)
        left = [result for result in found if result.fingerprint not in there]
        if left:
            mirror(found, left, uri)
    except Exception as error:  # whatever is wrong with the store, the results stand
        reason = masked(one_line(error))[:200]
        print(
            f"track: {masked(uri)}: {len(left)} of {len(found)} results not tracked ({reason}); "
            "repeat with `make track`",
            file=sys.stderr,
        )
    marker = {result.block.path: result.fingerprint for result in found}
    write_text(MARKER, json.dumps(marker, indent=2) + "\n")

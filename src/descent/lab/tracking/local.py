"""A store that is a file of sqlite: read and tried without MLflow, and kept to one writer at a time."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import psutil
from filelock import FileLock, Timeout

from descent.lab.tracking.census import ATTEMPT, FINGERPRINT, PARENT, POINTS, Seen

PATIENCE = 60  # seconds to wait for another process that tracks
STOPPED = 2  # seconds to wait for one that is stopped
LOST = "LOST"  # the status, for us, of a run without its files
BUSY = 5  # seconds to wait for a database that somebody has locked

SEEN = """
    SELECT runs.run_uuid, runs.status, runs.start_time, f.value, p.value, n.value, a.value,
        runs.artifact_uri
    FROM tags AS f JOIN runs USING (run_uuid) JOIN experiments USING (experiment_id)
    LEFT JOIN tags AS p ON p.run_uuid = runs.run_uuid AND p.key = ?
    LEFT JOIN tags AS n ON n.run_uuid = runs.run_uuid AND n.key = ?
    LEFT JOIN tags AS a ON a.run_uuid = runs.run_uuid AND a.key = ?
    WHERE f.key = ? AND runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active'
"""


def look(path: Path, fingerprint: str | None = None) -> list[Seen]:
    """The runs of all results, or of one; finished ones whose files are gone count as lost.

    Raises:
        sqlite3.Error: there is no database, or none that can be read.
    """
    keys = [PARENT, POINTS, ATTEMPT, FINGERPRINT, *([fingerprint] if fingerprint else [])]
    query = SEEN + (" AND f.value = ?" if fingerprint else "")
    address = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=BUSY)) as database:
        rows = [(Seen(*row), place) for *row, place in database.execute(query, keys)]
    return [
        seen._replace(status=LOST) if finished(seen) and emptied(place) else seen
        for seen, place in rows
    ]


def finished(run: Seen) -> bool:
    """Whether it is a result's own run, with files, and not that of a point."""
    return run.parent is None and run.status == "FINISHED"


def emptied(place: str | None) -> bool:
    """Whether a folder of this machine, to which every result writes its report, is gone or empty."""
    address = urlparse(place or "")
    if address.scheme not in ("", "file"):
        return False
    try:
        return not any(Path(url2pathname(address.path)).iterdir())
    except FileNotFoundError:
        return True
    except OSError:  # nobody can tell
        return False


def probe(path: Path) -> None:
    """Write what is there already: MLflow tries for minutes to open what cannot be written.

    Raises:
        OSError, sqlite3.Error: it cannot.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=BUSY, isolation_level=None)) as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        database.execute(f"PRAGMA user_version = {version}")


def unhurried() -> None:
    """From now on this process does not wait for the disk at each of the thousands of commits that tracking takes.

    A process that is killed loses nothing by it. Where the power fails the file may be damaged; once that is removed,
    `make track` makes it again from the results.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    if not event.contains(Engine, "connect", _unhurried):
        event.listen(Engine, "connect", _unhurried)


def _unhurried(connection, _) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


@contextmanager
def alone(path: Path, answered: Callable[[], None]) -> Iterator[None]:
    """Holding the lock of the folder of a database: two that make one at once collide.

    Raises:
        TimeoutError: another process holds it; who, where the system tells.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(".mlflow.lock"))
    waited = 0
    while not lock.is_locked:
        try:
            lock.acquire(timeout=1, poll_interval=0.1)
        except Timeout:
            waited += 1
            who, stopped = holder(Path(lock.lock_file))
            if waited >= (STOPPED if stopped else PATIENCE):
                raise TimeoutError(f"{lock.lock_file} is held by {who}") from None
            answered()
    try:
        yield
    finally:
        lock.release()


def holder(path: Path) -> tuple[str, bool]:
    """Who holds a lock, and whether it is stopped; Linux tells."""
    try:
        inode, locks = (
            path.stat().st_ino,
            Path("/proc/locks").read_text(encoding="ascii").splitlines(),
        )
        fields = [line.split() for line in locks if line.split()[1] == "FLOCK"]
        (number,) = {int(f[4]) for f in fields if f[5].endswith(f":{inode}")}
        process = psutil.Process(number)
        stopped = process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
        return f"process {number}" + (", which is stopped" if stopped else ""), stopped
    except (OSError, ValueError, IndexError, psutil.Error):
        return "another process", False

"""A database of another MLflow than the installed one, older or newer, is set aside, so that a new one can be made.

MLflow opens a database of its own schema only; one that it finds older it may migrate, for minutes and with no way
back, and a newer one it refuses. All that we have put into one can be made again.
"""

import re
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

MIGRATIONS = (
    "store/db_migrations/versions"  # of the package; each names its schema and the one before
)
STEADY = 3.0  # seconds in which a database that is being made goes on to its next schema
BESIDE = ("-journal", "-wal", "-shm")  # what sqlite keeps beside a database


@cache
def installed() -> str | None:
    """The schema of the installed MLflow, without importing it; None where it does not tell."""
    spec = find_spec("mlflow")
    folder = Path(spec.origin).parent / MIGRATIONS if spec and spec.origin else Path()
    schemas, before = set(), set()
    for file in folder.glob("[!_]*.py"):
        text = file.read_text(encoding="utf-8", errors="replace")
        schemas |= set(re.findall(r"^revision\b[^=\n]*= *['\"](\w+)", text, re.MULTILINE))
        for named in re.findall(r"^down_revision\b[^=\n]*=(.*)", text, re.MULTILINE):
            before |= set(re.findall(r"\w+", named))
    last = schemas - before
    return last.pop() if len(last) == 1 else None


def of(path: Path) -> str | None:
    """The schema of a database; None where there is none, or none of MLflow."""
    if not path.is_file():
        return None
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=1)) as database:
            found = database.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:  # locked, damaged, or another's: whoever opens it says so
        return None
    return found[0][0] if len(found) == 1 else None


def foreign(path: Path) -> str | None:
    """The schema of a database if it is another than that of the installed MLflow."""
    found, ours = of(path), installed()
    return found if found and ours and found != ours else None


def steady(path: Path) -> str | None:
    """The same, once nobody is on the way to another schema."""
    found = foreign(path)
    while found:
        time.sleep(STEADY)
        before, found = found, foreign(path)
        if found == before:
            return found
    return None


def set_aside(path: Path) -> str:
    """Rename a database of another schema; what was done, in a line, empty if nothing was.

    The files of its runs stay where they are, since it names them by their place.

    Raises:
        OSError: it cannot be renamed.
    """
    found = steady(path)
    if not found:
        return ""
    place = vacant(path)
    for end in BESIDE:
        file = path.with_name(path.name + end)
        if file.exists():
            file.rename(place.with_name(place.name + end))
    path.rename(place)
    return (
        f"track: {path.name} has the schema {found} of another MLflow than {version('mlflow')}: set aside as "
        f"{place.name}, which keeps all its runs, also those that are not ours; a new one is made"
    )


def vacant(path: Path) -> Path:
    """`mlflow.db.2026-11-29.old`, or with a number where that is taken."""
    today, count = f"{datetime.now(UTC):%Y-%m-%d}", 1
    while True:
        place = path.with_name(f"{path.name}.{today}{f'-{count}' if count > 1 else ''}.old")
        if not place.exists():
            return place
        count += 1

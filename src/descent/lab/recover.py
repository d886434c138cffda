"""What lets `dvc repro` survive being killed: torn files of DVC are restored from copies.

`dvc repro` by itself truncates dvc.lock and writes it anew after every stage, so that a kill or Ctrl-C in that moment
leaves it empty or cut off, and then no command of DVC works; .dvc/tmp/rwlock likewise. The last good copy of dvc.lock
lies in .dvc/tmp/dvc.lock.good, which stages/repro.py renews before and after it runs DVC; without it git's is taken.
(stages/repro.py itself replaces dvc.lock in one piece: lockfile.py.)
"""

import json
import subprocess
import time
from pathlib import Path

from ruamel.yaml import YAML, YAMLError

from descent.lab.environment import without_git
from descent.lab.files import write
from descent.lab.messages import say
from descent.lab.scratch import alive

LOCK, TEMPORARY = Path("dvc.lock"), Path(".dvc/tmp")
GOOD, TORN = TEMPORARY / "dvc.lock.good", TEMPORARY / "dvc.lock.torn"
RWLOCK = TEMPORARY / "rwlock"
MOMENT = 0.3  # seconds that another process may take to write a file


def whole(data: bytes) -> bool:
    """Whether these bytes are a lock file that DVC takes."""
    try:
        tree = YAML(typ="safe").load(data.decode("utf-8"))
    except (YAMLError, ValueError, RecursionError):
        return False
    if not isinstance(tree, dict) or str(tree.get("schema")) != "2.0":
        return False
    stages = tree.get("stages", {})
    return isinstance(stages, dict) and all(map(_stage, stages.values()))


def _stage(stage) -> bool:
    if not isinstance(stage, dict) or not isinstance(stage.get("cmd"), str | list):
        return False
    params = stage.get("params", {})
    if not isinstance(params, dict) or not all(isinstance(p, dict) for p in params.values()):
        return False
    return all(_entries(stage.get(key, [])) for key in ("deps", "outs"))


def _entries(entries) -> bool:
    """Files with their digests: a list of mappings in which nothing is cut off."""
    return isinstance(entries, list) and all(
        isinstance(entry, dict)
        and isinstance(entry.get("path"), str)
        and None not in entry.values()
        for entry in entries
    )


def in_conflict(data: bytes) -> bool:
    """Whether git left both sides of a merge in it, which only a person can choose from."""
    return data.startswith(b"<<<<<<<") or b"\n<<<<<<<" in data


def torn(data: bytes) -> bool:
    """Whether this is the beginning of a lock file: no longer YAML, not to the end of a line, or of the copy."""
    copy = _read(GOOD)
    if data and data == copy:  # which was whole when it was made
        return False
    if not whole(data) or not data.endswith(b"\n"):
        return True
    return copy.startswith(data) and data != committed()


def committed() -> bytes:
    """dvc.lock of the last commit, or nothing."""
    command = ["git", "show", f"HEAD:./{LOCK}"]
    try:
        return subprocess.run(command, capture_output=True, env=without_git()).stdout
    except OSError:
        return b""


def mend() -> None:
    """Restore dvc.lock, and clear the other lock of what a killed process left in it; a line for each."""
    if LOCK.exists() and torn(data := LOCK.read_bytes()) and not in_conflict(data):
        write(TORN, lambda path: path.write_bytes(data))
        for source, of in (("the last good copy", _read(GOOD)), ("git", committed())):
            if whole(of):
                write(LOCK, lambda path, of=of: path.write_bytes(of))
                say(f"{LOCK} was torn by an interrupt: restored from {source}")
                break
        else:
            LOCK.unlink()
            say(f"{LOCK} was torn by an interrupt, and there is no copy: everything runs again")
    if RWLOCK.exists() and _json(RWLOCK) is None:
        time.sleep(MOMENT)  # another process may be writing it
        if RWLOCK.exists() and _json(RWLOCK) is None:
            RWLOCK.unlink()
            say(f"{RWLOCK} was torn by an interrupt: removed")
    release(RWLOCK)


def release(path: Path) -> None:
    """Take out of the file of locks what no running process holds.

    DVC does so too, but takes a killed process that nobody has waited for, or a new process under the number of the
    old one, for the holder, and then refuses to run.
    """
    held = _json(path)
    if not held:
        return
    written = path.stat().st_mtime
    kept = {
        "write": {k: v for k, v in held.get("write", {}).items() if alive(v["pid"], written)},
        "read": {
            k: [v for v in vs if alive(v["pid"], written)] for k, vs in held.get("read", {}).items()
        },
    }
    if kept != {"write": {}, "read": {}} | held:
        write(path, lambda partial: partial.write_bytes(json.dumps(kept).encode()))
        say(f"{path} was held by a process that has ended: released")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _json(path: Path) -> dict | None:
    """What is in a JSON file of one object; None if it is torn or absent."""
    try:
        found = json.loads(_read(path))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def keep() -> None:
    """Copy dvc.lock if it is whole and not the copy already."""
    data = _read(LOCK)
    if data and data != _read(GOOD) and whole(data):
        write(GOOD, lambda path: path.write_bytes(data))

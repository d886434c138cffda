"""What lets `dvc repro` survive being killed: torn files of DVC are restored, and good copies kept meanwhile.

DVC truncates dvc.lock and writes it anew after every stage, so that a kill or Ctrl-C in that moment leaves it empty
or cut off, and then no command of DVC works; .dvc/tmp/rwlock likewise. The last good copy of dvc.lock lies in
.dvc/tmp/dvc.lock.good, which is renewed after every stage; without it git's is taken.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import psutil
from ruamel.yaml import YAML, YAMLError

from descent.lab.environment import without_git
from descent.lab.files import write
from descent.lab.messages import say

LOCK, TEMPORARY = Path("dvc.lock"), Path(".dvc/tmp")
GOOD, TORN = TEMPORARY / "dvc.lock.good", TEMPORARY / "dvc.lock.torn"
RWLOCK = TEMPORARY / "rwlock"
OFTEN = 0.3  # seconds between two looks at dvc.lock


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


def committed() -> bytes:
    """dvc.lock of the last commit, or nothing."""
    command = ["git", "show", f"HEAD:./{LOCK}"]
    try:
        return subprocess.run(command, capture_output=True, env=without_git()).stdout
    except OSError:
        return b""


def mend() -> None:
    """Restore dvc.lock, and clear the other lock of what a killed process left in it; a line for each."""
    if LOCK.exists() and not whole(data := LOCK.read_bytes()) and not in_conflict(data):
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
        time.sleep(OFTEN)  # another process may be writing it
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
        "write": {k: v for k, v in held.get("write", {}).items() if _runs(v, written)},
        "read": {k: [v for v in vs if _runs(v, written)] for k, vs in held.get("read", {}).items()},
    }
    if kept != {"write": {}, "read": {}} | held:
        write(path, lambda partial: partial.write_bytes(json.dumps(kept).encode()))
        say(f"{path} was held by a process that has ended: released")


def _runs(holder: dict, written: float) -> bool:
    """Whether the process that took a lock before the time `written` still runs."""
    try:
        process = psutil.Process(holder["pid"])
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= written + 1
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True  # another user's process


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


@contextmanager
def watched() -> Iterator[None]:
    """Meanwhile, and at the end, keep a copy of dvc.lock whenever a stage has changed it."""
    done = Event()
    watcher = Thread(target=_watch, args=(done,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        with suppress(OSError):  # a full disk: the copy before is kept
            keep()


def _watch(done: Event) -> None:
    seen = None
    while not done.wait(OFTEN):
        try:
            state = LOCK.stat()
            if (state.st_mtime_ns, state.st_size) != seen:
                keep()
                seen = (state.st_mtime_ns, state.st_size)
        except OSError:
            continue

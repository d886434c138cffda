"""`dvc repro` that survives being killed: torn files of DVC are restored first, and good copies are kept meanwhile.

DVC truncates dvc.lock and writes it anew after every stage, so that a kill or Ctrl-C in that moment leaves it empty
or cut off, and then no command of DVC works; .dvc/tmp/rwlock likewise. The last good copy of dvc.lock lies in
.dvc/tmp/dvc.lock.good, which is renewed after every stage; without it git's is taken.
"""

import json
import shutil
import subprocess
import time
from pathlib import Path
from threading import Event, Thread

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
    """Restore dvc.lock and remove the other lock if they are torn; a line for each."""
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
    if RWLOCK.exists() and not _json(RWLOCK):
        time.sleep(OFTEN)  # another process may be writing it
        if RWLOCK.exists() and not _json(RWLOCK):
            RWLOCK.unlink()
            say(f"{RWLOCK} was torn by an interrupt: removed")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _json(path: Path) -> bool:
    try:
        return isinstance(json.loads(_read(path)), dict)
    except ValueError:
        return False


def keep() -> None:
    """Copy dvc.lock if it is whole and not the copy already."""
    data = _read(LOCK)
    if data and data != _read(GOOD) and whole(data):
        write(GOOD, lambda path: path.write_bytes(data))


def watch(done: Event) -> None:
    """Keep a copy of dvc.lock whenever a stage has changed it."""
    seen = None
    while not done.wait(OFTEN):
        try:
            state = LOCK.stat()
            if (state.st_mtime_ns, state.st_size) != seen:
                keep()
                seen = (state.st_mtime_ns, state.st_size)
        except OSError:
            continue


def repro(*arguments: str) -> int:
    """`dvc repro`, mended before and watched meanwhile; its exit code."""
    dvc = shutil.which("dvc")
    if dvc is None:
        say("dvc is not on the PATH: activate the environment, or use make")
        return 2
    mend()
    keep()
    done = Event()
    watcher = Thread(target=watch, args=(done,), daemon=True)
    watcher.start()
    try:
        return subprocess.run([dvc, "repro", *arguments]).returncode
    except KeyboardInterrupt:
        return 130
    finally:
        done.set()
        watcher.join()
        keep()

"""Shared memory of the worker processes, in a folder that outlives no one.

joblib hands large arrays to its workers through files in shared memory. A killed process leaves them there until
the machine restarts, so every process has a folder with its number, and the next one removes those of the dead.
"""

import os
import shutil
import tempfile
from pathlib import Path


def shared_memory() -> Path:
    """This process's folder, which joblib is told of; folders of processes that are gone are removed."""
    fast = Path("/dev/shm")
    base = fast if os.access(fast, os.W_OK) else Path(tempfile.gettempdir())
    for folder in base.glob(f"{prefix()}*"):
        number = folder.name.removeprefix(prefix())
        if number.isdigit() and not alive(int(number)):
            shutil.rmtree(folder, ignore_errors=True)
    own = base / f"{prefix()}{os.getpid()}"
    own.mkdir(exist_ok=True)
    os.environ["JOBLIB_TEMP_FOLDER"] = str(own)
    return own


def prefix() -> str:
    """Of this user's folders, where the numbers of processes mean the same."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    try:
        space = os.stat("/proc/self/ns/pid").st_ino  # a container has numbers of its own
    except OSError:
        space = 0
    return f"descent-{user}-{space}-"


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True

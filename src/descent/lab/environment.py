"""What a door asks of the system, and the environment that it hands to the programs it calls."""

import os
import subprocess
import sys
from pathlib import Path

from descent.lab.messages import refuse


def require_system() -> None:
    """One line and exit code 2 where nobody has tried this."""
    if sys.platform not in ("linux", "darwin"):
        refuse(f"{sys.platform} is not supported: use Linux, macOS, or WSL on Windows")


def require_clone() -> None:
    """One line and exit code 2 where DVC cannot work: outside of git, or where nothing can be written."""
    if not Path("dvc.yaml").is_file():
        refuse("dvc.yaml: not found; run this from the root of the repository")
    try:
        inside = ["git", "rev-parse", "--git-dir"]
        done = subprocess.run(inside, capture_output=True, env=without_git())
    except OSError as error:
        refuse(f"git cannot be called ({error.strerror}): install it")
    if done.returncode:
        said = done.stderr.decode(errors="replace").partition("\n")[0]
        refuse(
            f"this folder is no clone ({said}), and DVC works in one: clone the repository, or "
            "`git init && git add -A && git commit -m start`"
        )
    for folder in (Path("."), Path(".dvc")):
        if not os.access(folder, os.W_OK):
            refuse(f"{folder.resolve()}: cannot be written: clone to a folder of your own")


def without_git() -> dict[str, str]:
    """Without git's own variables: a hook sets GIT_DIR, and git would then work on the hook's repository."""
    return {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}

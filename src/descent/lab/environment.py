"""The environment: what a door asks of the system, what it drops, and what it does not hand to programs it calls.

Results depend on the project alone, so variables that change what the libraries compute, draw or refuse are dropped
before those are imported.
"""

import locale
import os
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

from descent.lab.messages import refuse

# By prefix, with those that stay.
FOREIGN = ("NPY_", "NUMBA_", "OPENBLAS_", "MKL_", "MPL", "MATPLOTLIB", "PYTHONWARNINGS")
STAY = ("NUMBA_CACHE_DIR", "MPLCONFIGDIR")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
SIDE_BY_SIDE = ("LOKY_MAX_CPU_COUNT", *THREADS)  # 1 for each of several stages that run at once


def settle() -> None:
    """Drop what would change results or make warnings errors, in this process and those that it starts."""
    for name in foreign(os.environ):
        del os.environ[name]
    os.environ["MPLBACKEND"] = "agg"
    if any("error" in option for option in sys.warnoptions):
        sys.warnoptions.clear()
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
    if not known_locale():
        for name in [name for name in os.environ if name == "LANG" or name.startswith("LC_")]:
            del os.environ[name]


def foreign(variables: Mapping[str, str]) -> list[str]:
    """Those that change what the libraries compute, draw or refuse."""
    return [
        name
        for name, value in variables.items()
        if (
            not (value.isascii() and value.isdigit() and int(value) > 0)
            if name in THREADS
            else name.startswith(FOREIGN) and name not in STAY
        )
    ]


def known_locale() -> bool:
    """Whether this system has the locale that the environment names: Matplotlib may ask for it."""
    usual = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "")
        return True
    except locale.Error:
        return False
    finally:
        locale.setlocale(locale.LC_ALL, usual)


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

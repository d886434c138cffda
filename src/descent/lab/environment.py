"""The environment: what of it a door takes away from itself, and what it does not hand to the programs it calls.

Results depend on the project alone, so variables that change what the libraries compute, draw or refuse are dropped
before those are imported.
"""

import locale
import os
import sys
import warnings

# By prefix, with those that stay.
FOREIGN = ("NPY_", "NUMBA_", "OPENBLAS_", "MKL_", "MPL", "MATPLOTLIB", "PYTHONWARNINGS")
STAY = ("NUMBA_CACHE_DIR", "MPLCONFIGDIR")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def settle() -> None:
    """Drop what would change results or make warnings errors, in this process and those that it starts."""
    for name in list(os.environ):
        count = os.environ[name]
        if name in THREADS:
            foreign = not (count.isascii() and count.isdigit() and int(count) > 0)
        else:
            foreign = name.startswith(FOREIGN) and name not in STAY
        if foreign:
            del os.environ[name]
    os.environ["MPLBACKEND"] = "agg"
    if any("error" in option for option in sys.warnoptions):
        sys.warnoptions.clear()
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
    if not known_locale():
        for name in [name for name in os.environ if name == "LANG" or name.startswith("LC_")]:
            del os.environ[name]


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


def without_git() -> dict[str, str]:
    """Without git's own variables: a hook sets GIT_DIR, and git would then work on the hook's repository."""
    return {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}

"""Standard streams that the caller has closed, as `descent list >&-` and some schedulers do."""

import os
import sys

NAMES = ("stdin", "stdout", "stderr")  # by their numbers


def opened() -> None:
    """Open /dev/null for each of the three that is closed: what is written there is lost, and nothing else happens.

    Python has None in its place, which has no encoding; and the next file that is opened would take its number, so
    that what a library prints would land in that file.
    """
    for number, name in enumerate(NAMES):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the least number that is free
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115, it is used to the end
            setattr(sys, name, stream)

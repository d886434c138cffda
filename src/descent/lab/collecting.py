"""How often Python looks for dead cycles: after every seven hundred new objects, where DVC and MLflow make millions."""

import atexit
import gc

SELDOM = (300_000, 10, 100)  # of gc: new objects, then collections of the generation before


def collect_seldom() -> None:
    """From now on this process looks seldom, and not at all when it ends.

    That saves a tenth to a fifth of the time where many small objects are made. It is not for experiments: arrays that
    only a cycle holds would stay too long.
    """
    gc.set_threshold(*SELDOM)
    atexit.register(gc.freeze)

"""What other settings do to the checks: `python tests/faults/settings.py [--short] [--seed N] [FAMILY@NAME …]`.

Every number of every block, and every list of numbers as a whole, is multiplied by each of FACTORS; every list loses its
first or all but its first; every word becomes each other one that is allowed: one at a time, at toy size and with
another seed each time. With --together K, it is K of a block's fields at a time, drawn by chance, as often; with --whole,
three such runs of each block of params.yaml itself. A check that fails is a false alarm, unless it is the chance that
statistics leaves: what a setting takes from a claim must be a reason to claim nothing, or a refusal. Printed: each check
that failed, each exception, each run that took too long, and the counts.
"""

import argparse
import os
import random
import signal
import sys
import warnings
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")  # the runs are side by side already
TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent / "src"), str(TESTS)]

from multiprocessing import Pool

from pydantic import ValidationError
from threadpoolctl import threadpool_limits

from descent.config import Refusal
from faults.seeds import allowed
from harness import config_of, experiments, module_of, run

FACTORS = (0.5, 0.7, 1.5, 2.0, 3.0)
LONGEST = 60  # seconds of a run, ten times as many of one that is --whole
FEW = 150  # runs of --short
WHOLE = 3  # runs of a block of params.yaml


class Late(Exception):
    """A run takes longer than it may."""


def times(value: object, factor: float) -> object:
    """A number, or a list of them, multiplied; None for what is none, or stays as it is."""
    if isinstance(value, list | tuple) and value:
        parts = [times(part, factor) for part in value]
        return None if None in parts else parts
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    found = type(value)(round(value * factor) if isinstance(value, int) else value * factor)
    return None if found == value else found


def others(kind: object, value: object) -> list:
    """What else a field of this kind may be."""
    if isinstance(value, bool):
        return [not value]
    if get_origin(kind) is Literal:
        return [word for word in get_args(kind) if word != value]
    shorter = isinstance(value, list | tuple) and len(value) > 1
    cut = [list(value[:1]), list(value[1:])] if shorter else []
    return [other for factor in FACTORS if (other := times(value, factor)) is not None] + cut


def cases(names: list[str], seed: int, together: int, whole: bool) -> list[tuple[str, dict]]:
    """(experiment, what is changed), in an order of chance."""
    rng, found = random.Random(seed), []
    for name in names:
        given = vars(config_of(name, **(experiments()[name].parameters if whole else {})))
        kinds = get_type_hints(module_of(name).Config)
        changes = [
            (field, other)
            for field, value in given.items()
            if field != "seed" and not field.startswith("printed")  # of the source, to the digit
            for other in others(kinds[field], value)
        ]
        every = [{field: other} for field, other in changes]
        if together > 1:
            every = [dict(rng.sample(changes, min(together, len(changes)))) for _ in changes]
        if whole:
            every = rng.sample(every, min(WHOLE, len(every)))
        for change in every:
            fresh = {"seed": rng.randrange(10**6)} if "seed" in given else {}
            found.append((name, change | fresh))
    rng.shuffle(found)
    return found


def late(*_) -> None:
    raise Late


def ending(case: tuple[str, dict], limit: int, whole: bool) -> tuple[str, str, dict, list[str]]:
    """What a run ends in, and what it says."""
    name, changes = case
    signal.signal(signal.SIGALRM, late)
    signal.alarm(limit)
    try:
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")
            result = run(name, **(experiments()[name].parameters if whole else {}) | changes)
    except (ValidationError, Refusal):
        return "refused", name, changes, []
    except SystemExit:  # a line has been said
        return "refused", name, changes, []
    except Late:
        return "late", name, changes, [f"more than {limit} s"]
    except Exception as error:
        return "exception", name, changes, [repr(error)]
    finally:
        signal.alarm(0)
    said = [f"{check.name} {check.worst}" for check in result.checks if not check.holds]
    return "failed" if said else result.verdict, name, changes, said


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--together", type=int, default=1)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--short", action="store_true")
    given = parser.parse_args(arguments)
    found = cases(given.names or list(experiments()), given.seed, given.together, given.whole)
    found = found[:FEW] if given.short else found
    counts: Counter[str] = Counter()
    one = partial(ending, limit=LONGEST * (10 if given.whole else 1), whole=given.whole)
    with Pool(maxtasksperchild=200) as pool:
        for kind, name, changes, said in pool.imap_unordered(one, found):
            counts[kind] += 1
            for line in said:
                print(f"{name} {changes}: {kind}: {line}", flush=True)
    print(f"{len(found)} settings,", ", ".join(f"{k} {n}" for k, n in sorted(counts.items())))
    runs = 1 + len(found) // len(experiments())  # of the whole lab
    return int(counts["exception"] + counts["late"] > 0 or counts["failed"] > allowed(runs))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

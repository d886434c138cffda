"""What other seeds do to the checks: `python tests/faults/seeds.py [--runs N] [FAMILY@NAME …]`.

Every experiment that draws anything is run at toy size with N other seeds (20). A check may fail by chance once in a
hundred runs of the whole lab (descent/maths/sampling.py), an exact one never; what a claim presupposes may be missing,
which is told as "no claim". Printed: each check that failed, each exception, and the counts.
"""

import argparse
import sys
import warnings
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent / "src"), str(TESTS)]

from scipy import stats
from threadpoolctl import threadpool_limits

from descent.config import Refusal
from descent.maths.sampling import FALSE_ALARM
from harness import config_of, experiments, run

FIRST = 1000  # no seed of params.yaml


def drawn(name: str) -> bool:
    return hasattr(config_of(name), "seed")


def outcomes(name: str, runs: int):
    """What each seed ends in, and of which check or reason."""
    for seed in range(FIRST, FIRST + runs):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                result = run(name, seed=seed)
        except Refusal as rule:
            yield "refused", seed, str(rule)
            continue
        except Exception as error:
            yield "exception", seed, repr(error)
            continue
        for check in result.checks:
            yield "held" if check.holds else "failed", seed, f"{check.name} {check.worst}"
        if result.verdict == "no claim":
            yield "no claim", seed, result.no_claim[0]


def allowed(runs: int) -> int:
    """Checks that may fail by chance in so many runs of the whole lab, but for one series in a thousand."""
    return int(stats.binom.isf(1e-3, runs, FALSE_ALARM))


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args(arguments)
    names = [name for name in given.names or experiments() if drawn(name)]
    runs = given.runs
    counts = Counter(experiments=len(names))
    with threadpool_limits(1):
        for name in names:
            for kind, seed, said in outcomes(name, runs):
                counts[kind] += 1
                if kind != "held":
                    print(f"{name} seed={seed}: {kind}: {said}", flush=True)
    print(f"{runs} seeds,", ", ".join(f"{kind} {count}" for kind, count in counts.items()))
    return int(counts["exception"] > 0 or counts["failed"] > allowed(runs))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""No run without end: `python tests/faults/endless.py [--short] [--root FOLDER] [--log FILE] [FAMILY@NAME …]`.

Every count of every block of params.yaml, and the last of every list of counts, becomes the largest that its kind
allows, a million, and a thousand times itself; where all these are refused, the largest that the Config takes, so that
a cost that grows faster than the value is met where it is accepted; every list gets as many points as a figure has a
place for. Each such run has a few seconds of a processor. If it is neither refused nor done by then, its time is
extrapolated: from what the block takes by itself, as if all of it grew with the cube of the value; if that is too long,
from runs at smaller values, by the power of the value that they show. A run that takes thrice an hour and is not
refused is a fault; what `maths.limits` estimated stands beside it. FOLDER has the data/ and artifacts/ that some
experiments read.
"""

import argparse
import json
import math
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from itertools import chain, pairwise
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent / "src"), str(TESTS), str(TESTS / "faults")]

from descent.config import LONG, MANY, REPLICATES
from descent.lab.files import read
from descent.lab.project import Block
from descent.maths import limits
from harness import experiments, inputs_of, module_of, run, toy_params
from params import Case, Outcome, attempt

HOUR, FACTOR = 3600, 3  # seconds; how far an extrapolation may be off
ALARM, LONGEST = 2, 45  # seconds of a processor: of a case, and of a run that is to end
SLOWEST = 600  # the same of a block with its own parameters
NEAR, HALVINGS = (
    1.1,
    5,
)  # how near the search for the largest accepted value comes; runs may refuse, too
QUICK = ["autodiff@backprop", "linear@risk", "noise@posterior"]  # of the short form


class Change(NamedTuple):
    """A field with another value; `size` is the count that grew from `base`."""

    field: str
    value: object
    size: int
    base: int


def changes(config, parameters: dict) -> Iterator[list[Change]]:
    """Each field's values, from the largest down."""
    for name, value in parameters.items():
        held = getattr(config, name)
        if "seed" in name:
            continue
        if isinstance(held, int) and not isinstance(held, bool):
            yield [Change(name, v, v, max(held, 1)) for v in larger(name, held)]
        elif isinstance(held, tuple) and held:
            if isinstance(count := last(held), int):
                yield [
                    Change(name, with_last(value, v), v, max(count, 1)) for v in larger(name, count)
                ]
            yield [Change(name, lengthened(value), LONG, len(held))]


def smaller(block: Block, change: Change) -> Iterator[Change]:
    """Where a value is refused: the largest that the Config takes, then halfway down to the usual one, by its digits."""
    low, high = change.base, change.size
    while high > NEAR * low + 1:
        middle = max(low + 1, round(math.sqrt(low * high)))
        try:
            value = sized(block, change, middle)
            module_of(block.stage).Config(**block.parameters | {change.field: value})
            low = middle
        except ValueError:
            high = middle
    for _ in range(HALVINGS):
        if low <= change.base:
            break
        yield change._replace(value=sized(block, change, low), size=low)
        low = round(math.sqrt(low * change.base))


def larger(name: str, count: int) -> list[int]:
    most = REPLICATES if name == "replicates" else MANY
    return sorted({v for v in (most, 10**6, 1000 * count) if count < v <= most}, reverse=True)


def last(values):
    return last(values[-1]) if isinstance(values, tuple) and values else values


def with_last(values: list, number: int) -> list:
    """The last number of a list, or of its last list, replaced."""
    end = with_last(values[-1], number) if isinstance(values[-1], list) else number
    return [*values[:-1], end]


def lengthened(values: list) -> list:
    """As many points as are allowed, between the ends of a list of numbers; else copies."""
    ends = values[0], values[-1]
    if not all(isinstance(end, int | float) for end in ends) or len(values) < 2:
        return (values * LONG)[:LONG]
    a, b = ends
    if all(isinstance(v, int) for v in values):
        return sorted({a + round(k * max((b - a) / (LONG - 1), 1)) for k in range(LONG)})
    if a > 0 and b > 0:
        return [float(f"{a * (b / a) ** (k / (LONG - 1)):.9g}") for k in range(LONG)]
    return [float(f"{a + (b - a) * k / (LONG - 1):.9g}") for k in range(LONG)]


class Tried(NamedTuple):
    outcome: Outcome
    hours: float  # the largest estimate


def tried(block: Block, parameters: dict, upstream: list, seconds: int) -> Tried:
    NOTED.write_text("", encoding="ascii")
    outcome = attempt(Case(block, "", parameters), upstream, seconds)
    noted = [float(line) for line in NOTED.read_text(encoding="ascii").split()]
    return Tried(outcome, max(noted, default=math.nan))


def noting(operations: float) -> float:
    """`limits.hours_of`, written down where a process that is killed leaves it."""
    hours = operations / limits.SPEED / limits.HOUR
    with NOTED.open("a", encoding="ascii") as file:
        print(float(hours), file=file)
    return hours


def cost(root: Path, block: Block, upstream: list) -> float:
    """Seconds that the block takes: what its last run has left in artifacts/cost, else measured here."""
    try:
        text = (root / f"artifacts/cost/{block.path}.json").read_text(encoding="utf-8")
        return float(json.loads(text)["seconds"])
    except (OSError, ValueError, KeyError):
        return tried(block, block.parameters, upstream, SLOWEST).outcome.cpu


def extrapolated(block: Block, change: Change, upstream: list, usual: float) -> tuple[float, str]:
    """Hours that the run would take, and of which runs at smaller values this was concluded."""
    seen: list[tuple[int, float]] = []
    size, scale, given, factor = change.base, 1.0, block, 10
    if usual > LONGEST / 2:  # at toy size, in the same proportion
        parameters = toy_params()[block.family][block.name]
        given, upstream = block._replace(parameters=parameters), inputs_of(block.stage)
    while not seen or (seen[-1][0] < change.size and seen[-1][1] < 4 * seen[0][1] + 1):
        smaller = given.parameters | {change.field: sized(block, change, size)}
        done = tried(given, smaller, upstream, LONGEST)
        if done.outcome.kind == "done":
            seen.append((size, done.outcome.cpu))
        elif len(seen) != 1 or factor == 2:
            break
        else:  # ten times as large is too large already
            factor = 2
        size = min(factor * seen[-1][0], change.size)
    if len(seen) < 2:
        return math.nan, f"{seen}"
    if given is not block:
        scale = usual / seen[0][1]
    rises = [b[1] - a[1] for a, b in pairwise(seen)]
    power = 1.0
    if len(rises) > 1 and min(rises[-2:]) > 0.2:
        power = max(1.0, math.log(rises[-1] / rises[-2], factor))
    (n0, _), (n, t) = seen[-2:]
    rate = max(rises[-1], 0.0) / (n**power - n0**power)
    shown = ", ".join(f"{n}: {t:.1f} s" for n, t in seen)
    hours = scale * (t + rate * (change.size**power - n**power)) / HOUR
    return hours, f"{shown}, power {power:.2g}, times {scale:.3g}"


def sized(block: Block, change: Change, size: int):
    """The field's value for another count."""
    given = block.parameters[change.field]
    if not isinstance(given, list):
        return size
    if isinstance(change.value, list) and len(change.value) == len(given) != LONG:
        return with_last(given, size)
    return change.value[:: max(1, round(LONG / size))] if size >= change.base else given[:size]


def judged(block: Block, change: Change, upstream: list, root: Path) -> tuple[str, str]:
    """refused, done, lawful, fault or unknown; and what was seen."""
    alarm = ALARM + 6 * bool(upstream)  # which is read and prepared first
    found = tried(block, block.parameters | {change.field: change.value}, upstream, alarm)
    kind, estimate = found.outcome.kind, f"estimate {found.hours:.3g} h"
    if kind != "endless":
        kind = kind if kind in ("done", "refused") else "fault"
        said = f"{found.outcome.cpu:.1f} s, {estimate}, {found.outcome.said.strip()[-200:]}"
        return kind, said
    usual = cost(root, block, upstream)
    hours = usual * (change.size / change.base) ** 3 / HOUR
    why = "all its time grows with its cube"
    if hours > FACTOR:
        hours, why = extrapolated(block, change, upstream, usual)
    if math.isnan(hours):
        return "unknown", f"{estimate}; {why}"
    kind = "fault" if hours > FACTOR else "lawful"
    return kind, f"{estimate}, extrapolated {hours:.3g} h ({why})"


def main() -> int:
    global NOTED
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--root", type=Path, default=TESTS.parent)
    parser.add_argument("--log", type=Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    os.chdir(TESTS.parent)
    counts, log = Counter(), options.log.open("a", encoding="utf-8") if options.log else None
    names = options.names or (QUICK if options.short else list(experiments()))
    limits.hours_of = noting
    with tempfile.TemporaryDirectory() as folder:
        NOTED = Path(folder, "estimates")
        for name in names:
            block = experiments()[name]
            run(name)  # at toy size, so that every case finds its code compiled
            import_module(f"descent.{block.family}.figures")
            upstream = [read(str(options.root / path)) for path in block.inputs()]
            config = module_of(name).Config(**block.parameters)
            for values in filter(None, changes(config, block.parameters)):  # none is larger
                counted = values[0].size > LONG
                more = smaller(block, values[-1]) if counted else ()
                for change in chain(values, more):
                    kind, said = judged(block, change, upstream, options.root)
                    counts[kind] += 1
                    line = f"{kind:8} {name} {change.field}={change.size}: {said}"
                    if kind in ("fault", "unknown"):
                        print(line, flush=True)
                    if log:
                        print(line, file=log, flush=True)
                    if kind != "refused":  # so are the smaller ones
                        break
    print(f"{counts.total()} cases: {dict(counts)}")
    return int(counts["fault"] + counts["unknown"] > 0)


if __name__ == "__main__":
    sys.exit(main())

"""What a parameter file can do to a run: `python tests/faults/params.py [--short] [FAMILY@NAME …]`.

Every number of every block is replaced, one at a time, by values that are huge, tiny, negative or nothing, and every
block by what is no block: 700 such files drawn from all, or those of the blocks that are named. Each goes through the
door `stages/run.py` at toy size, in a process of its own with limits on its time and its memory, and what it returns is
made a figure. A case ends well if it ends in time, with exit code 0, or with exit code 2 and one line for each broken
rule, and without a MemoryError on the way.
"""

import argparse
import contextlib
import io
import os
import random
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent / "src"), str(TESTS)]
for pool in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ[f"{pool}_NUM_THREADS"] = "1"  # threads do not survive a fork
os.environ |= {"LOKY_MAX_CPU_COUNT": "1", "NUMBA_THREADING_LAYER": "workqueue"}

from ruamel.yaml import YAML

from descent.figure import Figure
from descent.lab import running, vega
from descent.lab.project import Block
from harness import experiments, inputs_of, run, toy_params

WHOLE = (0, -1, 1, 2, 3, 10**4, 10**6, 10**7, 10**9, 2**31, 2**32, 10**18, 10**400, 1e308)
REAL = (0, -1, 5e-324, 1e-100, 1e-30, 1e-9, 1e-3, 0.5, 1, 1.5, 100, 1e9, 1e30, 1e100, 1e155, 1e308)
OTHERS = ("1", None, [], {}, [[]], True)
SECONDS, PATIENCE = 10, 200  # of a processor beside thrice the usual, and on the clock
MEMORY = 6 * 2**30  # bytes that a case may take beside what is loaded
LATE = ("Unable to allocate", "more memory than", "MemoryError", "can't allocate")
FULL, SHORT = 700, 40  # cases
QUICK = ["autodiff@backprop", "linear@risk", "noise@posterior"]  # of the short form


class Case(NamedTuple):
    block: Block
    label: str
    parameters: object


class Outcome(NamedTuple):
    kind: str  # done, refused, late, traceback, lines, endless, killed, figure
    said: str
    seconds: float  # on the clock
    cpu: float  # seconds of a processor


def replaced(value) -> Iterator[object]:
    """What may stand in the place of a parameter."""
    if isinstance(value, list):
        yield from ([], value[:1], value * 2)
        yield [value[0] if value else 1] * 201
        if value and not isinstance(value[0], list):
            whole = all(isinstance(one, int) for one in value)
            yield list(range(1, 201)) if whole else [1e-3 + k / 200 for k in range(200)]
        for one in replaced(value[-1]) if value else ():
            yield [*value[:-1], one]
    elif isinstance(value, bool):
        yield from (not value, *OTHERS[:3])
    elif isinstance(value, int):
        yield from WHOLE
    elif isinstance(value, float):
        yield from REAL


def mutated(parameters: dict) -> Iterator[tuple[str, object]]:
    """One change a time, with its name."""
    for name, value in parameters.items():
        for one in (*replaced(value), *OTHERS):
            yield f"{name}={shortened(one)}", parameters | {name: one}
        yield f"without {name}", {key: v for key, v in parameters.items() if key != name}
    for key in ("unknown", "a\nb", "\x1b[31m", 3, None, "self", "__dataclass_self__"):
        yield f"key {key!r}", parameters | {key: 1}
    for whole in ([], [1], 7, "text", None, {}, True):
        yield f"block {whole!r}", whole


def shortened(value) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:50]}…({len(text)})"


def cases(names: list[str], short: bool) -> list[Case]:
    params, found = toy_params(), []
    names = names or (QUICK if short else [])
    for name, block in experiments().items():
        if names and name not in names:
            continue
        for label, one in mutated(params[block.family][block.name]):
            found.append(Case(block, label, one))
    if names and not short:
        return found
    chosen = random.Random(0).sample(range(len(found)), SHORT if short else FULL)
    return [found[k] for k in sorted(chosen)]


def attempt(case: Case, upstream: list, seconds: int = SECONDS) -> Outcome:
    """The case in a process of its own."""
    start, (reader, writer) = time.perf_counter(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.setpgid(0, 0)
        with os.fdopen(writer, "w", encoding="utf-8", errors="replace") as answer:
            answer.write("\n".join(confined(case, upstream, seconds)))
        os._exit(0)
    os.close(writer)
    said = heard(reader, start + PATIENCE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    spent, cpu = time.perf_counter() - start, used.ru_utime + used.ru_stime
    kind, _, rest = said.partition("\n")
    if not kind:
        out_of_time = spent >= PATIENCE or os.WTERMSIG(status) == signal.SIGXCPU
        return Outcome("endless" if out_of_time else f"killed {status}", "", spent, cpu)
    return Outcome(kind, rest, spent, cpu)


def heard(reader: int, until: float) -> str:
    """All that comes through a pipe, or nothing if it does not end in time."""
    parts = []
    with os.fdopen(reader, "rb") as pipe:
        while select.select([pipe], [], [], max(0.0, until - time.perf_counter()))[0]:
            if not (part := os.read(pipe.fileno(), 1 << 16)):
                return b"".join(parts).decode("utf-8", "replace")
            parts.append(part)
    return ""


def confined(case: Case, upstream: list, seconds: int) -> tuple[str, str]:
    """The kind of the case's end, and what the door said."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(spent.ru_utime + spent.ru_stime) + seconds, -1))
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGESIZE") + MEMORY, -1))
    errors, kind = io.StringIO(), "done"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        block = case.block
        os.symlink(TESTS.parent / "src", "src")
        tree = {block.family: {block.name: case.parameters}}
        with open("params.yaml", "w", encoding="utf-8") as file:
            YAML(typ="safe").dump(tree, file)
        left = iter(upstream)
        running.read = lambda path, config=None: deepcopy(next(left))  # networks, too
        try:
            with contextlib.redirect_stderr(errors):
                running.run(block.module, block.path, *block.inputs())
            kind = drawn(block)
        except SystemExit as stop:
            kind = judged(stop.code, errors.getvalue())
        except BaseException:
            return "traceback", traceback.format_exc()[-1500:]
        finally:
            os.chdir("/")
    return kind, errors.getvalue()


def judged(code: object, said: str) -> str:
    lines = said.splitlines()
    if code != 2:
        return f"code {code}"
    if any(word in said for word in LATE):
        return "late"
    keys = {line.split(": ")[1] for line in lines if line.startswith("params.yaml: ")}
    bounded = all(len(line) < 1000 and line.isprintable() for line in lines)
    return "refused" if lines and len(keys) == len(lines) and bounded else "lines"


def drawn(block: Block) -> str:
    """Make the artifact's figure, as the page has it; the other painter shows the same."""
    import xarray as xr

    data = xr.load_dataset(f"artifacts/{block.path}.nc", engine="scipy")
    figures = import_module(f"descent.{block.family}.figures")
    try:
        figure: Figure = getattr(figures, block.name)(data)
        vega.embedded(vega.panels(figure))
    except Exception:
        print(traceback.format_exc()[-1500:], file=sys.stderr)
        return "figure"
    return "done"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--log", type=Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    os.chdir(TESTS.parent)
    counts: dict[str, int] = {}
    log = options.log.open("a", encoding="utf-8") if options.log else None
    previous, upstream, longest = None, [], SECONDS
    for case in cases(options.names, options.short):
        if case.block != previous:
            previous, upstream, start = case.block, inputs_of(case.block.stage), time.process_time()
            run(case.block.stage)  # so that every case finds its code compiled
            import_module(f"descent.{case.block.family}.figures")
            longest = SECONDS + int(3 * (time.process_time() - start))
        outcome = attempt(case, upstream, longest)
        kind = outcome.kind
        counts[kind] = counts.get(kind, 0) + 1
        line = f"{kind:10} {outcome.seconds:6.1f} s {case.block.stage} {case.label}"
        if kind not in ("done", "refused"):
            print(f"{line}\n{outcome.said}", flush=True)
        if log:
            print(f"{line}: {outcome.said.strip()[-300:]!r}", file=log, flush=True)
    print(f"{sum(counts.values())} cases: {counts}")
    return int(any(kind not in ("done", "refused") for kind in counts))


if __name__ == "__main__":
    sys.exit(main())

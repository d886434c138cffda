"""What damaged files do to their readers: `python tests/faults/inputs.py [--short]`.

One to three bytes of an artifact, of IDX files, of a report and of a figure's data are changed, or the file is cut off.
A case ends well if its reader reads it all the same, or says in one line of which file something is wrong.
"""

import argparse
import contextlib
import io
import json
import os
import random
import resource
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent / "src"), str(TESTS)]

import numpy as np

from descent.autodiff import figures
from descent.lab import curves, draw
from descent.lab.files import Damaged, read, write_text
from descent.lab.gate.reports import reports
from descent.lab.page.spread import rows
from descent.lab.results import as_report, dumps, load_report
from fake_mnist import fake_mnist
from harness import toy
from toy import write_idx

FULL, SHORT = {"artifact": 800, "idx": 200, "report": 800, "figure": 400}, 12
MEMORY = 8 * 2**30  # bytes beside what is loaded: no reader may believe a size in a damaged file


def prepared() -> dict[str, tuple[list[Path], list[Callable]]]:
    """Whole files of every kind in the working folder, and their readers."""
    result = toy("autodiff@vjp")
    artifact, report = Path("artifacts/autodiff/vjp.nc"), Path("metrics/autodiff/vjp.json")
    artifact.parent.mkdir(parents=True)
    result.data.to_netcdf(artifact, engine="scipy")
    write_text(report, dumps(as_report(result)))
    draw.draw("autodiff")
    figure = Path("plots/autodiff/vjp.json")
    raw = Path("data/mnist/MNIST/raw")
    write_idx(raw, fake_mnist(np.random.default_rng(0), 256, 72))
    return {
        "artifact": (
            [artifact],
            [
                lambda: read(str(artifact)),
                lambda: rows(str(artifact)),
                lambda: draw.made(figures, artifact, ""),
            ],
        ),
        "idx": (sorted(raw.iterdir()), [lambda: read("data/mnist")]),
        "report": (
            [report],
            [
                lambda: load_report(report),
                lambda: reports({"metrics/a/b.json": report.read_bytes()}),
            ],
        ),
        "figure": ([figure], [lambda: curves.table(figure)]),
    }


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, or the end cut off; the first kilobyte, where the layout stands, more often."""
    if chance.random() < 0.1:
        return data[: chance.randrange(len(data))]
    found = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        far = len(data) if chance.random() < 0.5 else min(len(data), 1000)
        found[chance.randrange(far)] = chance.randrange(256)
    return bytes(found)


def outcome(reader: Callable) -> tuple[str, str]:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader()
    except Damaged as error:
        return ("told" if len(str(error).splitlines()) == 1 else "lines"), str(error)
    except SystemExit as stop:
        lines = said.getvalue().splitlines()
        return ("told" if stop.code == 2 and len(lines) == 1 else "lines"), said.getvalue()
    except BaseException:
        return "traceback", traceback.format_exc()[-1200:]
    return "read", ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true")
    short, counts, chance = parser.parse_args().short, Counter(), random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        kinds = prepared()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * os.sysconf("SC_PAGESIZE") + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        for kind, (paths, readers) in kinds.items():
            for _ in range(SHORT if short else FULL[kind]):
                path = chance.choice(paths)
                whole = path.read_bytes()
                path.write_bytes(damaged(whole, chance))
                for reader in readers:
                    end, said = outcome(reader)
                    counts[f"{kind} {end}"] += 1
                    if end not in ("read", "told"):
                        print(f"{end} {kind} {path}: {said}", flush=True)
                path.write_bytes(whole)
        os.chdir("/")
    print(f"{counts.total()} cases: {json.dumps(counts)}")
    return int(any(not key.endswith((" read", " told")) for key in counts))


if __name__ == "__main__":
    sys.exit(main())

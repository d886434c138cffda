"""What a full disk does to every door that writes: `python tests/faults/disks.py [--short]`.

Every door runs in a process that may write files of so many bytes and no more. A case ends well if the door says so in
one line, with exit code 1 or 2, or had enough, and if every file is as it was, or whole.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent / "src"), str(TESTS)]

import numpy as np
from ruamel.yaml import YAML

from descent.lab import curves, digests, download, draw, running
from descent.lab.page import report
from fake_mnist import fake_mnist
from toy import ROOT, toy_params, write_idx

FULL, SHORT = (0, 1, 50, 500, 3000, 10_000, 30_000, 100_000), (0, 500)
WRITTEN = ("artifacts", "metrics", "plots", "curves", "report", "data")


def doors() -> dict[str, Callable]:
    return {
        "digests": digests.main,
        "download": lambda: download.main("mnist"),
        "run": lambda: running.run("descent.autodiff.vjp", "autodiff/vjp"),
        "draw": lambda: draw.draw("autodiff"),
        "curves": curves.curves,
        "report": report.main,
    }


def prepare() -> None:
    """A project of one experiment in the working folder."""
    for name in ("src", "stages", "dvc.yaml"):
        Path(name).symlink_to(ROOT / name)
    params = toy_params()
    sha = write_idx(Path("given"), fake_mnist(np.random.default_rng(0), 256, 72))
    source = {"timeout": 1, "sources": [{"folder": "given"}], "sha256": sha}
    tree = {"download": {"mnist": source}, "autodiff": {"vjp": params["autodiff"]["vjp"]}}
    with open("params.yaml", "w", encoding="utf-8") as file:
        YAML(typ="safe").dump(tree, file)


def state() -> dict[str, bytes]:
    files = (path for folder in WRITTEN for path in Path(folder).rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


def attempt(door: Callable, most: int) -> tuple[int, str]:
    """Exit code and what was said, of a process that may write so many bytes a file."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        said, code = io.StringIO(), 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
                door()
        except SystemExit as stop:
            if isinstance(stop.code, str):
                print(stop.code, file=said)
            code = 1 if isinstance(stop.code, str) else int(stop.code or 0)
        except BaseException:
            said, code = io.StringIO(traceback.format_exc()), 99
        os.write(writer, said.getvalue().encode()[:60_000])
        os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def whole(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """Files that are neither as they were nor complete."""
    ends = {".json": "}\n", ".svg": "</svg>\n", ".html": "</html>\n", ".csv": "\n", ".txt": "\n"}
    broken = [name for name in after if name.endswith(".partial")]
    for name, data in after.items():
        end = ends.get(Path(name).suffix)
        if data != before.get(name) and end and "cost" not in name:
            broken += [name] * (not data.decode().rstrip().endswith(end.strip()))
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true")
    limits, counts = SHORT if parser.parse_args().short else FULL, Counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepare()
        for name, door in doors().items():
            for most in limits:
                before = state()
                code, said = attempt(door, most)
                kind = "enough" if code == 0 else "told" if len(said.splitlines()) == 1 else "lines"
                if code not in (0, 1, 2):
                    kind = "traceback"
                if broken := whole(before, state()):
                    kind, said = "half", ", ".join(broken)
                counts[kind] += 1
                if kind not in ("told", "enough"):
                    print(f"{kind} {name} {most}: {said}", flush=True)
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    door()  # so that the next one has its input
            except SystemExit as stop:
                print(f"{name}: {stop.code}")
                return 1
        os.chdir("/")
    print(f"{counts.total()} cases: {json.dumps(counts)}")
    return int(counts.keys() - {"told", "enough"} != set())


if __name__ == "__main__":
    sys.exit(main())

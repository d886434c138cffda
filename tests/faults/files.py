"""What params.yaml may be instead of a file of blocks: `python tests/faults/files.py [--short]`.

Every such file, and a folder in its place, meets every door that reads it. A case ends well if the door ends with exit
code 2 and one line that begins with the file's name.
"""

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent / "src"), str(TESTS)]

from descent.lab import attempt, claims, download, running
from toy import ROOT

BOMB = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 10)
)
FILES: dict[str, bytes | None] = {
    "a list": b"- 1\n- 2",
    "a number": b"7",
    "text": b"hello",
    "empty": b"",
    "nothing": b"null",
    "a folder": None,
    "deep": b"a: " + b"[" * 3000 + b"]" * 3000,
    "deep blocks": b"\n".join(b" " * k + b"a:" for k in range(3000)),
    "endlessly deep": b"[" * 100_000,
    "an alias bomb": BOMB.encode(),
    "itself": b"a: &x [*x]",
    "Latin-1": "é: 1".encode("latin-1"),
    "UTF-16": "a: 1".encode("utf-16"),
    "a key twice": b"linear:\n  risk: {seed: 1, seed: 2}",
    "a tab": b"linear:\n\trisk: 1",
    "a key of two lines": b'"a\\nb": 1',
    "a key that steers a terminal": b'"\\e[31m": 1',
    "a zero byte": b"a: \0",
    "two documents": b"a: 1\n---\nb: 2",
    "code": b'a: !!python/object/apply:os.system ["true"]',
    "a date": b"a: 2020-01-01",
    "a set": b"a: !!set {b, c}",
    "a list as a key": b"? [1, 2]\n: 3",
    "open": b"a: [1, 2",
    "an unknown alias": b"a: *nope",
    "a number of 5000 digits": b"a: " + b"9" * 5000,
    "any bytes": bytes(range(256)),
    "a family that is a list": b"linear: [1]\ndownload: [1]",
    "a block that is a number": b"linear: {risk: 7}\ndownload: {mnist: 7}",
    "a block that is no name": b"linear: {../risk: {}}\ndownload: {mnist: 7}",
    "a block of nothing": b"linear: {risk: }\ndownload: {mnist: }",
}
SHORT = ("a folder", "endlessly deep", "an alias bomb", "a key of two lines", "a block of nothing")


def track() -> None:
    from descent.lab.tracking import mirror

    mirror.main()


def report() -> None:
    from descent.lab.page import report

    report.main()


DOORS: dict[str, Callable] = {
    "run": lambda: running.run("descent.linear.risk", "linear/risk"),
    "attempt": lambda: attempt.main("linear@risk"),
    "claims": claims.main,
    "download": lambda: download.main("mnist"),
    "track": track,
    "report": report,
}


def outcome(door: Callable) -> tuple[str, str]:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            door()
    except SystemExit as stop:
        lines = said.getvalue().splitlines()
        named = len(lines) == 1 and lines[0].startswith("params.yaml: ") and len(lines[0]) < 700
        good = stop.code == 2 and named and lines[0].isprintable()
        return ("told" if good else f"code {stop.code}"), said.getvalue()
    except BaseException:
        return "traceback", traceback.format_exc()[-1200:]
    return "silent", said.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true")
    names, counts = SHORT if parser.parse_args().short else FILES, Counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for link in ("src", "stages", "tests", "dvc.yaml", "README.md"):
            Path(link).symlink_to(ROOT / link)
        params = Path("params.yaml")
        for name in names:
            data = FILES[name]
            params.mkdir() if data is None else params.write_bytes(data)
            for door, call in DOORS.items():
                end, said = outcome(call)
                counts[end] += 1
                if end != "told":
                    print(f"{end} {door}: {name}: {said}", flush=True)
            params.rmdir() if data is None else params.unlink()
        os.chdir("/")
    print(f"{counts.total()} cases: {json.dumps(counts)}")
    return int(counts.keys() != {"told"})


if __name__ == "__main__":
    sys.exit(main())

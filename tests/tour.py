"""The tour, notebooks/tour.ipynb: run anew, compared with what is committed, or renewed: `python tests/tour.py`.

The committed outputs may come from another machine, where roundings differ. So numbers are compared up to a part in a
thousand, checks whose worst point is another one by their words, and pictures by their pixels.
"""

import io
import os
import re
import sys
import tempfile
from base64 import b64decode
from pathlib import Path

import matplotlib.image
import nbformat
import numpy as np
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
TOUR = ROOT / "notebooks/tour.ipynb"
SECONDS = 300  # of a cell on a busy machine
NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(?:\.\d*)?(?:e[-+]?\d+)?")
WORST = re.compile(r"(worst of \d+)([^)<]*)")
PARTS, TINY = 1e-3, 1e-9  # of two numbers, and what is rounding
PIXELS = 0.01  # mean difference of two pictures whose pixels lie in [0, 1]


def executed(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """A copy with fresh outputs and nothing of the machine, run in the folder by the code beside this file."""
    fresh = nbformat.from_dict(notebook)
    with tempfile.TemporaryDirectory() as empty:  # for histories and profiles
        plain = Path(empty, "matplotlibrc")
        plain.touch()
        ours = {"PYTHONPATH": str(ROOT / "src"), "IPYTHONDIR": empty, "MATPLOTLIBRC": str(plain)}
        ours |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        client = NotebookClient(
            fresh,
            timeout=SECONDS,
            record_timing=False,
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute(env=os.environ | ours)
    for cell in fresh.cells:
        cell.metadata = {key: cell.metadata[key] for key in ("tags",) if key in cell.metadata}
        if cell.cell_type == "code":  # what is said on standard error is the machine's
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
        for output in cell.get("outputs", ()):
            if "metadata" in output:
                output.metadata = {}
    fresh.metadata = notebook.metadata
    return fresh


def text(value) -> str:
    return "".join(value) if isinstance(value, list) else value


def said(output) -> dict[str, str]:
    """What an output shows, by kind."""
    if output.output_type == "stream":
        return {output.name: text(output.text)}
    if output.output_type == "error":
        return {"error": "\n".join([output.ename, output.evalue, *output.traceback])}
    return {kind: text(value) for kind, value in output.data.items()}


def masked(words: str) -> str:
    """Without its numbers, and without where a check is nearest to failing."""
    return NUMBER.sub("#", WORST.sub(r"\1", words))


def same_numbers(old: str, new: str) -> bool:
    """Line by line; a check whose worst point is another one has other numbers."""
    for a, b in zip(old.splitlines(), new.splitlines(), strict=True):
        worst, other = WORST.findall(a), WORST.findall(b)
        if [points for points, _ in worst] != [points for points, _ in other]:
            return False
        if worst != other:
            continue
        pairs = zip(NUMBER.findall(a), NUMBER.findall(b), strict=True)
        for x, y in ((float(x.replace("−", "-")), float(y.replace("−", "-"))) for x, y in pairs):
            if abs(x - y) > PARTS * max(abs(x), abs(y)) + TINY:
                return False
    return True


def same_picture(old: str, new: str) -> bool:
    a, b = (matplotlib.image.imread(io.BytesIO(b64decode(one))) for one in (old, new))
    return a.shape == b.shape and float(np.abs(a - b).mean()) <= PIXELS


def same(kind: str, old: str, new: str) -> bool:
    if kind == "image/png":
        return same_picture(old, new)
    return masked(old) == masked(new) and (kind == "text/html" or same_numbers(old, new))


def differences(old: nbformat.NotebookNode, new: nbformat.NotebookNode) -> list[str]:
    """Which cells say something else now: a line each."""
    found = []
    for before, after in zip(old.cells, new.cells, strict=True):
        a, b = ([said(one) for one in cell.get("outputs", ())] for cell in (before, after))
        if [one.keys() for one in a] != [one.keys() for one in b]:
            found.append(f"{before.id}: has other outputs")
            continue
        found += [
            f"{before.id}: {kind} is\n{one[kind][:2000]}\nand was\n{was[kind][:2000]}"
            for was, one in zip(a, b, strict=True)
            for kind in was
            if not same(kind, was[kind], one[kind])
        ]
    return found


if __name__ == "__main__":
    committed = nbformat.read(TOUR, as_version=4)
    nbformat.write(executed(committed, TOUR.parent), TOUR)
    sys.exit(0)

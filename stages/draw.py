"""Draw every figure of one family: `python stages/draw.py sensing`.

Each artifact of the family has a function of its name in descent.FAMILY.figures; its figure goes to
plots/FAMILY/NAME.svg. Figures whose artifact is gone go too.
"""

import sys
from importlib import import_module
from pathlib import Path

from files import read, write


def main(family: str) -> None:
    figures = import_module(f"descent.{family}.figures")
    out, drawn = Path("plots", family), set()
    for artifact in sorted(Path("artifacts", family).glob("*.nc")):
        drawing = getattr(figures, artifact.stem)(read(str(artifact)))
        path = out / f"{artifact.stem}.svg"
        write(path, lambda p, d=drawing: d.savefig(p, format="svg", metadata={"Date": None}))
        drawn.add(path)
    for stale in set(out.iterdir()) - drawn:
        stale.unlink()


if __name__ == "__main__":
    main(sys.argv[1])

"""Draw every figure of one family: `python stages/draw.py sensing`.

Each artifact of the family has a function of its name in descent.FAMILY.figures. Its figure goes to
plots/FAMILY/NAME.svg, and what it shows, as data, to plots/FAMILY/NAME.json. A figure is drawn again only
if what it is made of has changed; figures whose artifact is gone go too.
"""

import hashlib
import json
import sys
from importlib import import_module
from pathlib import Path

import matplotlib

from chart import chart
from descent.lab.files import read, write


def digest(*files: Path) -> str:
    """SHA-256 of what a figure is made of: these files and the version of Matplotlib."""
    whole = hashlib.sha256(matplotlib.__version__.encode())
    for file in files:
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def made_from(data: Path) -> str | None:
    """The digest that the last drawing left behind."""
    try:
        return json.loads(data.read_text())["made_from"]
    except (OSError, ValueError, KeyError):
        return None


def main(family: str) -> None:
    figures = import_module(f"descent.{family}.figures")
    here, style = Path(__file__), sys.modules["descent.style"].__file__
    code = (here, here.with_name("chart.py"), Path(style), Path(figures.__file__))
    out, drawn = Path("plots", family), set()
    for artifact in sorted(Path("artifacts", family).glob("*.nc")):
        picture, data = (out / f"{artifact.stem}.{kind}" for kind in ("svg", "json"))
        drawn |= {picture, data}
        origin = digest(artifact, *code)
        if picture.exists() and made_from(data) == origin:
            continue
        drawing = getattr(figures, artifact.stem)(read(str(artifact)))
        panels = json.dumps(
            {"made_from": origin, "panels": chart(drawing)}, ensure_ascii=False, allow_nan=False
        )
        write(picture, lambda p, d=drawing: d.savefig(p, format="svg", metadata={"Date": None}))
        write(data, lambda p, text=panels: p.write_text(text + "\n"))
    for stale in set(out.iterdir()) - drawn:
        stale.unlink()


if __name__ == "__main__":
    main(sys.argv[1])

"""Draw every figure of one family: `python stages/draw.py FAMILY`."""

import sys
from pathlib import Path

SRC = Path(__file__).resolve().parents[1] / "src"
sys.path.insert(0, str(SRC))

import descent

if Path(descent.__file__).resolve().parent != SRC / "descent":
    sys.exit(f"{descent.__file__}: not the code beside {__file__}, so nothing was run")

from descent.lab.environment import settle

settle()

from descent.lab.collecting import collect_seldom

collect_seldom()

from descent.lab.door import enter
from descent.lab.draw import draw

if __name__ == "__main__":
    sys.exit(enter(draw, __doc__))

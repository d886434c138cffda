"""Write the tables of `dvc plots`: `python stages/curves.py`."""

import sys
from pathlib import Path

SRC = Path(__file__).resolve().parents[1] / "src"
sys.path.insert(0, str(SRC))

import descent

if Path(descent.__file__).resolve().parent != SRC / "descent":
    sys.exit(f"{descent.__file__}: not the code beside {__file__}, so nothing was run")

from descent.lab.environment import settle

settle()

from descent.lab.curves import curves
from descent.lab.door import enter

if __name__ == "__main__":
    sys.exit(enter(curves, __doc__))

"""Have the metrics moved? `python stages/gate.py [--base REV]` compares metrics/ with a git revision."""

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

from descent.lab.streams import opened

opened()

from descent.lab.door import enter
from descent.lab.gate.compare import main

if __name__ == "__main__":
    sys.exit(enter(main, __doc__))

"""Run one experiment: `python stages/run.py MODULE BLOCK [INPUT …]`.

    python stages/run.py descent.sensing.exact sensing/exact
    python stages/run.py descent.spectra.singular_values spectra/scarce artifacts/sensing/scarce.nc

BLOCK names both the parameters (params.yaml) and the outputs: artifacts/BLOCK.nc, metrics/BLOCK.json.
"""

import sys
from pathlib import Path

SRC = Path(__file__).resolve().parents[1] / "src"
sys.path.insert(0, str(SRC))

import descent

if Path(descent.__file__).resolve().parent != SRC / "descent":
    sys.exit(f"{descent.__file__}: not the code beside {__file__}, so nothing was run")

from descent.lab.environment import settle

settle()

from descent.lab.door import enter
from descent.lab.running import run

if __name__ == "__main__":
    sys.exit(enter(run, __doc__))

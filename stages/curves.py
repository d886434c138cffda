"""Write the tables of `dvc plots`: `python stages/curves.py`. The work is descent.lab.curves."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from descent.lab.curves import curves

if __name__ == "__main__":
    curves()

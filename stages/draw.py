"""Draw every figure of one family: `python stages/draw.py sensing`. The work is descent.lab.draw."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
os.environ["MPLBACKEND"] = (
    "agg"  # Matplotlib refuses to be imported with a name that it does not know
)

from descent.lab.draw import draw

if __name__ == "__main__":
    draw(sys.argv[1])

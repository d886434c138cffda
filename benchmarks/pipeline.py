"""The whole pipeline in a fresh clone: cold, with nothing to do, and after one changed number."""

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def repro(clone: Path) -> float:
    environment = os.environ | {
        "PYTHONPATH": str(clone / "src"),
        "DESCENT_DATA": str(ROOT / "data/mnist/MNIST/raw"),
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    start = time.perf_counter()
    subprocess.run(("dvc", "repro", "-q"), cwd=clone, env=environment, check=True)
    return time.perf_counter() - start


def ways() -> list[dict]:
    """Seconds of `dvc repro` at full size."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "descent")
        subprocess.run(("git", "clone", "-q", str(ROOT), str(clone)), check=True)
        rows = [("cold", repro(clone)), ("nothing to do", repro(clone))]
        params = clone / "params.yaml"
        text = params.read_text()
        params.write_text(re.sub(r"(threshold: )0\.1", r"\g<1>0.11", text, count=1))
        rows.append(("one block changed (spectra.overparam)", repro(clone)))
    return [{"way": way, "seconds": seconds} for way, seconds in rows]

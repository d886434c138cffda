"""The whole pipeline in a fresh clone: cold, with nothing to do, and after one changed number."""

import json
import os
import re
import subprocess
import sys
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
    command = (sys.executable, "stages/repro.py", "-q")  # what `make repro` runs
    subprocess.run(command, cwd=clone, env=environment, check=True)
    return time.perf_counter() - start


def costs(clone: Path) -> list[dict]:
    """Seconds and peak memory of every experiment, as the stages recorded them."""
    folder = clone / "artifacts/cost"
    files = sorted(folder.rglob("*.json"))
    return [
        {"stage": str(f.relative_to(folder).with_suffix("")).replace("/", "@")}
        | json.loads(f.read_text(encoding="utf-8"))
        for f in files
    ]


def ways() -> tuple[list[dict], list[dict]]:
    """Seconds of `make repro` at full size; and of its experiments, with their memory."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "descent")
        subprocess.run(("git", "clone", "-q", str(ROOT), str(clone)), check=True)
        rows = [("cold", repro(clone)), ("nothing to do", repro(clone))]
        stages = costs(clone)
        params = clone / "params.yaml"
        text = params.read_text(encoding="utf-8")
        changed, count = re.subn(r"(overparam:.*claim_share: )0\.1\b", r"\g<1>0.11", text)
        assert count == 1, "spectra.overparam"
        params.write_text(changed, encoding="utf-8")
        rows.append(("one block changed (spectra.overparam)", repro(clone)))
    return [{"way": way, "seconds": seconds} for way, seconds in rows], stages

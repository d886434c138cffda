"""One sensing job whose rows do not fit into one process: what a step costs on one rank and on two, and on paper on 64.

The limit is one on the private memory of each process (`ulimit -d`). Of it Python and the libraries take 0.2 GiB, and
torch, without which ranks cannot talk, 0.6 GiB more. The 32,500 measurements of size 100 are 1.2 GiB of rows.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import xarray as xr

from descent.lab.job import asked, parser
from descent.maths.limits import GIB
from descent.sensing._shares import own_rows, packed, traffic

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ("size=100", "rank=5", "oversampling=65", "held_out=64", "alphas=[1e-5]", "steps=2",
            "milestones=[0,2]", "snapshots=2")  # fmt: skip
LIMIT = 1.75  # GiB of private memory of a process
NETWORK = 1.25e9  # bytes a second that a machine sends, 10 Gbit/s: assumed
PAPER = 64


def arguments(rows: str) -> list[str]:
    changes = [word for one in SETTINGS for word in ("-S", one)]
    return [*changes, "--rows", rows, "--root", str(ROOT)]


def job(ranks: int, rows: str, out: Path) -> str:
    """Run it under the limit: the line with which it was refused, or nothing."""
    start = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    command = [sys.executable, *(start if ranks > 1 else ()), "-m", "descent.sensing.sharded"]
    limited = ["bash", "-c", f'ulimit -d {LIMIT * 2**20:.0f} && exec "$@"', "bash"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*limited, *command, *arguments(rows), "--out", str(out)],
        env=environment, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stderr.splitlines()[0]


def ways() -> list[dict]:
    """Seconds a step, kept rows and traffic; what cannot be done has its line instead of seconds."""
    config = asked(parser().parse_args(arguments("fit"))).config
    table, kept = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        for ranks, rows in ((1, "keep"), (1, "make"), (1, "fit"), (2, "keep"), (2, "make")):
            out = Path(folder, f"{ranks}-{rows}.nc")
            row = {"ranks": ranks, "rows": rows, "how": "measured"}
            if refusal := job(ranks, rows, out):
                table.append(row | figures(config, ranks) | {"refused": refusal})
                continue
            found = xr.load_dataset(out)
            seconds = float(found["seconds_per_step"].max())
            if (ranks, rows) == (2, "keep"):
                kept = seconds
            spent = {
                "seconds_per_step": seconds,
                "rows_kept": int(found["rows_kept"].sum()),
                "peak_mib": float(found["peak_mib"].max()),
                "load": os.getloadavg()[0],
            }
            table.append(row | spent | figures(config, ranks) | {"refused": ""})
    # rows by measured seconds a row, and what is sent by the assumed network
    sent = traffic(config, PAPER) / NETWORK
    share = own_rows(config, PAPER, 0) / own_rows(config, 2, 0)
    on_paper = {"ranks": PAPER, "rows": "keep", "how": f"2 ranks × {share:.3g} + {sent:.2g} s sent"}
    on_paper |= {"seconds_per_step": kept * share + sent} | figures(config, PAPER)
    empty = dict.fromkeys(("seconds_per_step", "rows_kept", "peak_mib", "load", "refused"), "")
    order = ("ranks", "rows", "how", "gib_of_rows", "mb_sent_per_step", *empty)
    return [{key: (empty | row)[key] for key in order} for row in [*table, on_paper]]


def figures(config, ranks: int) -> dict:
    """Of a rank: its rows, if it keeps all, and what it sends."""
    rows = own_rows(config, ranks, 0)
    return {
        "gib_of_rows": 8 * packed(config) * rows / GIB,
        "mb_sent_per_step": traffic(config, ranks) / 1e6,
    }

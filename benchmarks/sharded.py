"""One sensing job whose rows do not fit into one process: what a step costs on one rank and on two, and on paper on 64.

The limit is one on the private memory of each process (`ulimit -d`). Of it Python and the libraries take 0.2 GiB, and
torch, without which ranks cannot talk, 0.6 GiB more. The 32,500 measurements of size 100 are 1.2 GiB of rows.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from descent.lab.job import asked, parser
from descent.maths.limits import GIB
from descent.sensing._problem import pack, unpack
from descent.sensing._shares import own_rows, packed, traffic
from machine import timed

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ("size=100", "rank=5", "oversampling=65", "held_out=64", "alphas=[1e-5]", "steps=2",
            "milestones=[0,2]", "snapshots=2")  # fmt: skip
LIMIT = 1.75  # GiB of private memory of a process
PAPER = 64
NETWORK = 1.25e9  # bytes a second that a machine sends, 10 Gbit/s: assumed
EXCHANGE = 1e-3  # seconds until an exchange among all has begun, of which a step has two: assumed


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
    on_paper = paper(config, kept)
    empty = dict.fromkeys(("seconds_per_step", "rows_kept", "peak_mib", "load", "refused"), "")
    order = ("ranks", "rows", "how", "gib_of_rows", "mb_sent_per_step", *empty)
    return [{key: (empty | row)[key] for key in order} for row in [*table, on_paper]]


def paper(config, two: float) -> dict:
    """A step on 64 ranks that keep all rows, from what one on 2 takes.

    The rows are shared, what every rank does with U is not, and what is sent depends on the network:
    (two − alone) × share of the rows + alone + sent.
    """
    alone = unshared(config)
    most = [max(own_rows(config, n, rank) for rank in range(n)) for n in (PAPER, 2)]
    share, sent = most[0] / most[1], traffic(config, PAPER) / NETWORK + 2 * EXCHANGE
    how = f"({two:.3g} - {alone:.2g}) * {share:.3g} + {alone:.2g} + {sent:.2g}"
    row = {"ranks": PAPER, "rows": "keep", "how": f"on paper: {how}"}
    return row | {"seconds_per_step": (two - alone) * share + alone + sent} | figures(config, PAPER)


def unshared(config) -> float:
    """Seconds of a step without its rows, as every rank makes it."""
    d = config.size
    U = np.random.default_rng(0).standard_normal((len(config.alphas), d, d))
    with threadpool_limits(1):
        return timed(lambda: U - unpack(pack(U @ U.mT)) @ U)


def figures(config, ranks: int) -> dict:
    """Of a rank: its rows, if it keeps all, and what it sends."""
    rows = max(own_rows(config, ranks, rank) for rank in range(ranks))
    return {
        "gib_of_rows": 8 * packed(config) * rows / GIB,
        "mb_sent_per_step": traffic(config, ranks) / 1e6,
    }

"""Replicates on a Dask cluster whose workers are killed at random: python tests/faults/cluster.py [--short] [--runs N]

All experiments run at toy size without a cluster, which tells those that have replicates. Then these run N times (3) on
two workers of this machine, one of which is killed now and then while it is at a replicate, and must leave the same bits. At the end
`stages/repro.py` runs the toy project (tests/toy.py): where no scheduler answers, it must end in a line and exit code
1, and the next run, on two workers, must leave what a run without a cluster leaves. --short: one experiment, once.
"""

import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "src")]
os.environ["LOKY_MAX_CPU_COUNT"] = "1"

import dask
from distributed import LocalCluster

from descent.lab import own, quick
from descent.lab.project import Block, blocks
from descent.lab.scheduler import SCHEDULER, cluster_here
from descent.maths.elsewhere import run_by
from toy import ROOT, Project

WORKERS = 2
EVERY = 1.0  # seconds between two kills, on average
MOST = 12  # kills in a run, which ends so even where a new worker takes longer than a kill
SHORT = ("polynomial/sgd",)  # its replicates take long
RESULTS = ("metrics", "artifacts")
GIVEN_UP = 10**6  # deaths of workers after which a task is given up
UNREACHABLE = "tcp://127.0.0.1:9"


def left(root: Path) -> dict[str, bytes]:
    """What the experiments have left, but for what they cost."""
    paths = [path for folder in RESULTS for path in (root / folder).rglob("*") if path.is_file()]
    found = {str(path.relative_to(root)): path.read_bytes() for path in paths}
    return {path: data for path, data in found.items() if not path.startswith("artifacts/cost")}


def without(wanted: list[Block]) -> tuple[list[Block], dict[str, str]]:
    """Run them here; those that have replicates, and what each said that could not be run."""
    used, said = [], {}
    for block in wanted:

        def here(alone, tasks, seen, block=block):
            if block not in used:
                used.append(block)
            return [alone(*task) for task in tasks]

        with run_by(here):
            said[block.path] = quick.one(block)
    return used, said


@contextmanager
def killed_at_random(counts: Counter, seed: int) -> Iterator[str]:
    """The address of a cluster whose workers are killed now and then, and replaced."""
    rng, over, kills = random.Random(seed), Event(), [None] * MOST
    settings = {"distributed.scheduler.allowed-failures": GIVEN_UP}

    def kill(cluster: LocalCluster) -> None:
        while not over.wait(rng.expovariate(1 / EVERY)):
            busy = {
                address for address, at in [*cluster.scheduler.workers.items()] if at.processing
            }
            nannies = [n for n in [*cluster.workers.values()] if n.worker_address in busy]
            if not nannies or not kills:
                continue
            with suppress(ProcessLookupError):  # it is being replaced
                os.kill(rng.choice(nannies).pid, signal.SIGKILL)
                kills.pop()
                counts["kills"] += 1

    with dask.config.set(settings), cluster_here(WORKERS) as cluster:
        thread = Thread(target=kill, args=(cluster,), daemon=True)
        thread.start()
        try:
            yield cluster.scheduler_address
        finally:
            over.set()
            thread.join()


def trial(used: list[Block], said: dict, right: dict, counts: Counter, seed: int) -> None:
    """Run them once more, on workers that are killed, and compare."""
    for block in used:
        for path in (f"metrics/{block.path}.json", f"artifacts/{block.path}.nc"):
            Path(path).unlink(missing_ok=True)
    with killed_at_random(counts, seed) as address:
        os.environ[SCHEDULER] = address
        try:
            for block in used:
                now = quick.one(block)
                counts["said otherwise"] += now != said[block.path]
                if now != said[block.path]:
                    print(f"{block.path}: {now}", flush=True)
        finally:
            del os.environ[SCHEDULER]
    found = left(Path())
    wrong = sorted(p for p in found.keys() | right.keys() if found.get(p) != right.get(p))
    counts["differs"] += len(wrong)
    counts["runs"] += 1
    print(f"run {seed}: {dict(counts)} {wrong or ''}", flush=True)


def experiments(folder: Path, names: tuple[str, ...], runs: int, counts: Counter) -> None:
    """All of them at toy size, or those of these names, in a folder."""
    quick.FOLDER = folder / "toy"
    with chdir(ROOT):
        quick.prepare()
    with chdir(quick.FOLDER):
        own.main()
        found = [block for block in blocks() if not names or block.path in names]
        used, said = without(sorted(found, key=quick.reads))
        right = left(Path())
        print(f"{len(found)} experiments, {len(used)} with replicates", flush=True)
        counts["without replicates"] += bool(names) and len(used) < len(names)
        for seed in range(runs):
            trial(used, said, right, counts, seed)


def pipeline(folder: Path, counts: Counter) -> None:
    """The toy project under `dvc repro`: without a cluster, where none answers, on two workers."""
    results = {}
    for name in ("without", "with"):
        project = Project(folder / name / "toy")
        if name == "with":
            project.environment |= {SCHEDULER: UNREACHABLE, QUICKLY: "1s"}
            _, done = project.repro()
            line = f"{SCHEDULER}={UNREACHABLE}: no Dask scheduler answers within 1 s"
            counts["lost"] += done.returncode == 0
            counts["no line"] += line not in done.stdout + done.stderr
            counts["traceback"] += "Traceback" in done.stdout + done.stderr
            project.environment |= {SCHEDULER: f"local:{WORKERS}"}
        _, done = project.repro()
        counts["lost"] += done.returncode != 0
        if done.returncode or "Traceback" in done.stdout + done.stderr:
            counts["traceback"] += "Traceback" in done.stdout + done.stderr
            print((done.stdout + done.stderr)[-2000:], flush=True)
        results[name] = left(project.root)
        shutil.rmtree(project.root)
    counts["pipeline differs"] += results["without"] != results["with"]


QUICKLY = "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT"
FAULTS = ("said otherwise", "differs", "without replicates")
FAULTS += ("lost", "no line", "traceback", "pipeline differs")


def program(*arguments: str) -> int:
    short = "--short" in arguments
    runs = int(arguments[arguments.index("--runs") + 1]) if "--runs" in arguments else 3
    counts = Counter(dict.fromkeys(("runs", *FAULTS), 0))
    with tempfile.TemporaryDirectory() as folder:
        experiments(Path(folder), SHORT if short else (), 1 if short else runs, counts)
        if not short:
            pipeline(Path(folder), counts)
    print(", ".join(f"{name} {count}" for name, count in counts.items()))
    return int(any(counts[name] for name in FAULTS))


if __name__ == "__main__":
    sys.exit(program(*sys.argv[1:]))

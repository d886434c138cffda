"""`make repro` on a cluster that is started as the README writes it, and after everything that can happen to one.

The toy project's replicates do what a file says: kill their worker, once or always, or the scheduler.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest

from descent.lab.scheduler import SCHEDULER, cores
from toy import ROOT, Project

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="one system will do"),
]
ONE = "alpha@swept"
FAULT = """
    from os import kill
    from pathlib import Path

    todo = Path("{file}")
    if todo.exists():
        victim, again = map(int, todo.read_text(encoding="ascii").split())
        if not again:
            todo.unlink()
        kill(victim or __import__("os").getpid(), 9)
"""
SECONDS = {  # Dask's own settings, for schedulers, workers and those who ask alike
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "20s",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    "DASK_DISTRIBUTED__SCHEDULER__NO_WORKERS_TIMEOUT": "30s",
}


def commands() -> list[list[str]]:
    """The scheduler and the workers of the README; of these two, and on any port that is free."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^    (dask (?:scheduler|worker) [^&#]*)&", text, re.MULTILINE)
    scheduler, worker = found
    assert "--nworkers 16 " in worker
    few = worker.replace("--nworkers 16 ", "--nworkers 2 ")
    return [shlex.split(f"{scheduler} --port 0 --no-dashboard"), shlex.split(few)]


class Cluster:
    """A toy project beside a scheduler and two workers, which run in its folder."""

    def __init__(self, folder):
        self.fault, self.project = folder / "fault", Project(folder / "toy")
        module = "src/descent/alpha/_noise.py"
        text = (self.project.root / module).read_text(encoding="utf-8")
        last = text.index("    return", text.index("def noisy"))
        text = text[:last] + FAULT.format(file=self.fault).lstrip("\n") + text[last:]
        (self.project.root / module).write_text(text, encoding="utf-8")
        self.project.environment |= SECONDS
        done = self.project.repro()[1]
        assert done.returncode == 0, done.stdout + done.stderr
        self.right = self.results()
        self.begun = []
        names = ("metrics/alpha/swept.json", "artifacts/alpha/swept.nc")
        self.outputs = [self.project.root / name for name in names]

    def start(self) -> None:
        given = self.project.environment | {"PYTHONPATH": str(self.project.root / "src")}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        for command in commands():
            self.begun.append(
                subprocess.Popen(
                    command, cwd=self.project.root, env=given, start_new_session=True, **quiet
                )
            )
            file, late = self.project.root / "scheduler.json", time.monotonic() + 60
            while not file.exists():
                assert time.monotonic() < late
                time.sleep(0.05)

    def end(self) -> None:
        for process in self.begun:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            process.wait()

    def address(self) -> str:
        file = self.project.root / "scheduler.json"
        return json.loads(file.read_text(encoding="utf-8"))["address"]

    def results(self) -> dict[str, bytes]:
        """Everything that the experiments leave but what they cost, which is of one run."""
        found = self.project.files("metrics", "artifacts")
        return {path: data for path, data in found.items() if "/cost/" not in path}

    def fails(self, where: str, **settings: str) -> str:
        """What the experiment with replicates says when it is run anew, and fails."""
        code, said = self.forced(where, **settings)
        assert code != 0, said
        assert "Traceback" not in said
        assert not any(path.exists() for path in self.outputs)
        return said

    def runs(self, where: str) -> None:
        """It runs anew, and leaves what it left without a cluster."""
        code, said = self.forced(where)
        assert code == 0, said
        cost = self.project.root / "artifacts/cost/alpha/swept.json"
        assert json.loads(cost.read_text(encoding="utf-8"))["processors"]
        assert self.results() == self.right

    def forced(self, where: str, **settings: str) -> tuple[int, str]:
        """Exit code and words of `make repro` of that experiment, of which nothing is left before."""
        for path in self.outputs:
            path.unlink(missing_ok=True)
        door = ("python", "stages/repro.py", "--force", "--single-item", ONE)
        done = self.project.call(*door, **{SCHEDULER: where}, **settings)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        made.start()
        yield made
    finally:
        made.end()


def test_the_readme_s_cluster_leaves_what_this_machine_leaves(cluster):
    cluster.runs("scheduler.json")
    cluster.runs(cluster.address())


def test_after_a_worker_is_killed(cluster):
    cluster.fault.write_text("0 0", encoding="ascii")
    cluster.runs("scheduler.json")
    assert not cluster.fault.exists()


def test_after_a_replicate_that_kills_every_worker(cluster):
    cluster.fault.write_text("0 1", encoding="ascii")
    said = cluster.fails("scheduler.json")
    assert re.search(r"alpha\.swept: replicate \d+.* of 24: every worker that tried it died", said)
    cluster.fault.unlink()
    cluster.runs("scheduler.json")


def test_after_a_scheduler_that_cannot_be_reached(cluster):
    soon = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}
    said = cluster.fails("tcp://127.0.0.1:9", **soon)
    assert "no Dask scheduler answers within 1 s" in said
    cluster.runs("scheduler.json")


def test_after_workers_without_memory(cluster):
    full = {"DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "0.0001"}
    soon = {"DASK_DISTRIBUTED__SCHEDULER__NO_WORKERS_TIMEOUT": "4s"}
    said = cluster.fails("local:1", **full, **soon)
    assert "no worker that runs for 4 s (1 paused, for want of memory)" in said
    cluster.runs(f"local:{min(2, cores())}")


def test_after_a_scheduler_that_dies_in_mid_run(cluster):
    """The last of these tests, since it takes the cluster with it."""
    cluster.fault.write_text(f"{cluster.begun[0].pid} 0", encoding="ascii")
    said = cluster.fails("scheduler.json")
    assert re.search(r"alpha\.swept: the scheduler (is gone|does not answer)", said)
    cluster.end()
    (cluster.project.root / "scheduler.json").unlink()
    cluster.start()
    cluster.runs("scheduler.json")

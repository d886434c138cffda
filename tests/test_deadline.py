"""A run that no estimate had foreseen ends in one line, with all that it started."""

import os
import subprocess
import sys
import time

import psutil

from descent.lab import deadline


def outcome(seconds: float, monkeypatch, capfd) -> tuple[int, list[str], list[int]]:
    """Exit code, lines and workers of a process that works for so long, with a worker beside it."""
    monkeypatch.setattr(deadline, "POLL", 0.02)
    monkeypatch.setattr(deadline, "MOST", 0.2)
    child = os.fork()
    if child == 0:
        worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(worker.pid, flush=True)
        with deadline.deadline("params.yaml: alpha.quick"):
            end = time.process_time() + seconds
            while time.process_time() < end:
                pass
        worker.kill()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    said = capfd.readouterr()
    return code, said.err.splitlines(), [int(said.out)]


def test_what_ends_in_time_is_left_alone(monkeypatch, capfd):
    assert outcome(0.02, monkeypatch, capfd)[:2] == (0, [])


def test_what_does_not_is_ended_in_one_line(monkeypatch, capfd):
    code, lines, workers = outcome(20, monkeypatch, capfd)
    (line,) = lines
    assert code == 2
    assert line.startswith("params.yaml: alpha.quick: ")
    assert line.endswith(" hours of processors are over, and it is not done: a count is too large")
    ended = not psutil.pid_exists(workers[0])
    assert ended or psutil.Process(workers[0]).status() == psutil.STATUS_ZOMBIE

"""Replicates on a Dask cluster have the bits that they have at home, and whatever happens to it is one line.

The whole of it, with kills at random: tests/faults/cluster.py.
"""

import gc
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from types import ModuleType

import dask
import numpy as np
import pytest
from distributed import LocalCluster

from clustered import drawn, failing, killed, slow, writable
from descent.config import Refusal
from descent.lab import cluster, running, scheduler, sent, watch
from descent.lab.cluster import where_asked
from descent.lab.scheduler import (
    SCHEDULER,
    Lost,
    asked,
    cluster_here,
    one_cluster,
    quiet,
    workers_here,
)
from descent.maths import replicates
from descent.maths.replicates import beside, replicate
from toy import ROOT, clean_environment

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


# ---- What the environment asks for.


@pytest.mark.long
def test_nothing_is_asked_for_and_dask_is_not_imported():
    program = """if True:
        import sys
        from descent.lab import running, repro
        from descent.lab.cluster import where_asked
        with where_asked() as processors:
            assert processors == set()
        assert not {"dask", "distributed"} & set(sys.modules)
    """
    environment = clean_environment() | {"PYTHONPATH": str(ROOT / "src")}
    environment.pop(SCHEDULER, None)
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


CORES = f"N must be a whole number from 1 to {scheduler.cores()}, the cores of this machine"


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        *((f"local:{n}", CORES) for n in ("0", "", "x", "-1", "1.5", "²", "9" * 30)),
        *((f"tcp://{a}", scheduler.RULE) for a in ("host", "host:0", "host:65536", "host:x")),
        *((a, scheduler.RULE) for a in ("http://host:1", "tcp://:8786", "tcp://h:1/path")),
        *((a, scheduler.RULE) for a in ("tcp://user:secret@h:1", "tcp://[h:1", "://")),
        *((a, "no such file") for a in ("nowhere.json", "local", "/", "host:8786")),
        ("text", "is no scheduler file"),
        ("list", "is no scheduler file"),
        ("other", scheduler.RULE),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_rule(monkeypatch, tmp_path, said, rule):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("tcp://host:1", encoding="utf-8")
    (tmp_path / "list").write_text("[1]", encoding="utf-8")
    (tmp_path / "other").write_text('{"address": "inproc://1"}', encoding="utf-8")
    monkeypatch.setenv(SCHEDULER, said)
    with pytest.raises(Refusal, match=r"^DESCENT_SCHEDULER=") as refused:
        asked()
    assert rule in str(refused.value)
    assert not isinstance(refused.value, Lost)


def test_an_address_a_file_and_a_number_are_understood(monkeypatch, tmp_path):
    monkeypatch.setattr(scheduler, "cores", lambda: 8)
    file = tmp_path / "scheduler.json"
    file.write_text('{"address": "tcp://10.0.0.1:8786", "workers": {}}', encoding="utf-8")
    for said, workers, address in (
        ("local:8", 8, ""),
        ("tcp://host:8786", 0, "tcp://host:8786"),
        ("tls://[::1]:1", 0, "tls://[::1]:1"),
        (str(file), 0, "tcp://10.0.0.1:8786"),
    ):
        monkeypatch.setenv(SCHEDULER, said)
        assert asked() == (workers, address, said)
    monkeypatch.setenv(SCHEDULER, "")
    assert asked() is None


def test_without_dask_the_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setenv(SCHEDULER, "local:1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(Refusal, match=r"pip install -e '\.\[dist\]'"):
        asked()


# ---- Workers that are processes of their own.


@pytest.fixture(scope="module")
def processes():
    """The address of two workers; a task with which two of them have died is given up."""
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}), workers_here(2) as address:
        yield address


@contextmanager
def on(address: str):
    """Meanwhile replicates run there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SCHEDULER, address)
        with where_asked() as processors:
            yield processors


@pytest.mark.long
def test_the_bits_are_those_of_this_machine(processes):
    image = np.random.default_rng(0).standard_normal((400, 400))
    tasks = [(0.5,), (2.0, image), (3.0, image)] * 3
    here = replicate(drawn, 7, tasks)
    with on(processes) as processors:
        there = replicate(drawn, 7, tasks)
        assert replicate(drawn, 7, []) == []
        assert beside(9) == 1
    assert [a.tobytes() for a in there] == [a.tobytes() for a in here]
    assert all(a.flags.writeable for a in there)
    assert processors == {sent.processor()}


@pytest.mark.long
def test_replicates_that_are_done_are_counted_here(processes, monkeypatch):
    told = []
    monkeypatch.setattr(replicates, "seen", lambda done, of: told.append((done, of)))
    monkeypatch.setattr(cluster, "PIECES", 3)
    with on(processes):
        replicate(slow, 0, [(0.0,)] * 5)
    assert told == [(done, 5) for done in sorted({done for done, _ in told})]
    assert len(told) == 3  # pieces of 2, 2, and 1
    assert told[-1] == (5, 5)


@pytest.mark.long
def test_large_arrays_arrive_read_only_and_many_small_replicates_in_order(processes, monkeypatch):
    monkeypatch.setattr(cluster, "PIECES", 4)
    image = np.zeros(sent.LARGE)
    with on(processes):
        found = replicate(writable, 0, [(image,)] * 6)
        numbers = replicate(slow, 3, [(0.0,)] * 11)
    assert {flag for flag, _ in found} == {False}
    assert os.getpid() not in {process for _, process in found}
    assert numbers == [slow(np.random.default_rng([3, k]), 0.0) for k in range(11)]


@pytest.mark.long
def test_a_worker_killed_in_mid_task_changes_no_bit(processes, tmp_path):
    tasks = [(k, str(tmp_path / "once")) for k in range(6)]
    with on(processes):
        found = replicate(killed, 1, tasks)
    assert (tmp_path / "once").exists()
    assert found == [np.random.default_rng([1, k]).random() for k in range(6)]


@pytest.mark.long
def test_a_replicate_that_kills_every_worker_is_named(processes):
    start = time.monotonic()
    with (
        pytest.raises(Lost, match=r"^replicate 3 of 5: every worker that tried it died"),
        on(processes),
    ):
        replicate(killed, 1, [(k, "") for k in range(5)])
    assert time.monotonic() - start < 60


@pytest.mark.long
def test_a_worker_that_dies_as_it_starts_is_replaced(monkeypatch):
    """Dask alone gives it up, if the kill meets it before it has registered."""
    monkeypatch.setattr(scheduler, "AGAIN", 0.2)
    quickly = {"distributed.deploy.lost-worker-timeout": "1s"}
    with dask.config.set(quickly), cluster_here(1) as made:
        (nanny,) = made.workers.values()
        first = nanny.pid
        os.kill(first, signal.SIGKILL)
        while nanny.pid in (first, None):
            time.sleep(0.01)
        os.kill(nanny.pid, signal.SIGKILL)
        with on(made.scheduler_address):
            assert replicate(slow, 3, [(0.0,)]) == [slow(np.random.default_rng([3, 0]), 0.0)]


@pytest.mark.long
@pytest.mark.parametrize(
    ("how", "error", "line"),
    [
        ("refusal", Refusal, "rank 3: no such matrix"),
        ("memory", Refusal, "replicate 0: more memory than the worker has"),
        ("arithmetic", OverflowError, "math range error"),
        ("odd", RuntimeError, "Odd: 1 2"),
    ],
)
def test_what_a_replicate_raises_arrives_as_at_home(processes, how, error, line):
    with pytest.raises(error) as raised, on(processes):
        replicate(failing, 0, [(how,)])
    assert str(raised.value) == line


# ---- Workers that are threads of this process: what they are like can be changed.


@contextmanager
def threads(**options):
    """A cluster in this process."""
    usual = {"processes": False, "protocol": "tcp", "dashboard_address": "127.0.0.1:0"}
    usual |= {"n_workers": 1, "threads_per_worker": 1, "silence_logs": scheduler.SILENT}
    with quiet(), LocalCluster(**usual | options) as made:
        yield made
    gc.collect()


def refused_there(**options) -> str:
    """The line with which a worker of this kind is refused."""
    with threads(**options) as made, on(made.scheduler_address), pytest.raises(Refusal) as raised:
        replicate(slow, 0, [(0.0,)])
    assert not isinstance(raised.value, Lost)
    return str(raised.value)


@pytest.mark.long
def test_a_worker_with_several_threads_is_refused():
    assert "has 2 threads" in refused_there(threads_per_worker=2)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "rule"), [("numpy", "make them the same"), (sent.CODE, "restart it")]
)
def test_a_worker_with_other_code_is_refused(monkeypatch, name, rule):
    ours = sent.facts()
    monkeypatch.setattr(cluster.sent, "facts", lambda: ours)
    asked = iter([ours, ours | {name: "1.0"}])  # of the client, of the worker
    monkeypatch.setattr(cluster.sent, "facts", lambda: next(asked))
    line = refused_there()
    assert f"has {name} 1.0, here it is {ours[name]}" in line
    assert line.endswith(rule)


@pytest.mark.long
def test_a_worker_whose_variables_change_results_is_refused(monkeypatch):
    monkeypatch.setenv("NPY_DISABLE_CPU_FEATURES", "AVX2")
    assert "has NPY_DISABLE_CPU_FEATURES set" in refused_there()


def test_the_digest_is_of_the_code(monkeypatch, tmp_path):
    monkeypatch.setattr(sent.descent, "__file__", str(tmp_path / "__init__.py"))
    found = []
    for name, text in (("a", "1"), ("b", "2"), ("b", "3"), ("c", "2")):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        found.append(sent.digest_of_code())
    assert len(set(found)) == 4


@pytest.mark.long
def test_a_scheduler_without_workers_ends_in_a_line(monkeypatch):
    monkeypatch.setattr(watch, "POLL", 0.1)
    monkeypatch.setattr(cluster, "POLL", 0.1)
    with (
        threads(n_workers=0) as made,
        dask.config.set({"distributed.scheduler.no-workers-timeout": "0.5s"}),
        pytest.raises(Lost, match=r"no worker that runs for 0\.5 s \(none at all\)"),
        on(made.scheduler_address),
    ):
        replicate(slow, 0, [(0.0,)])


@pytest.mark.long
def test_a_worker_without_memory_ends_in_a_line(monkeypatch):
    monkeypatch.setattr(watch, "POLL", 0.1)
    monkeypatch.setattr(cluster, "POLL", 0.1)
    with (
        threads(memory_limit="1 MiB") as made,
        dask.config.set({"distributed.scheduler.no-workers-timeout": "1.5s"}),
        on(made.scheduler_address),
    ):
        time.sleep(0.5)  # until it has seen that
        with pytest.raises(Lost, match="1 paused, for want of memory"):
            replicate(slow, 0, [(0.0,)])


@pytest.mark.long
def test_a_scheduler_that_dies_in_mid_run_ends_in_a_line(monkeypatch):
    monkeypatch.setattr(watch, "SILENCE", 2.0)
    with threads() as made:
        address = made.scheduler_address
        made.loop.call_later(1.5, partial(made.loop.add_callback, made.scheduler.close))
        with pytest.raises(Lost, match=r"the scheduler (is gone|does not answer)"), on(address):
            replicate(slow, 0, [(0.3,)] * 30)


@pytest.mark.long
def test_a_run_that_has_had_its_time_ends_in_the_line_of_every_other(monkeypatch):
    monkeypatch.setattr(watch, "POLL", 0.1)
    monkeypatch.setattr(cluster, "POLL", 0.1)
    monkeypatch.setattr(watch, "MOST", 0.3)
    with (
        threads() as made,
        on(made.scheduler_address),
        pytest.raises(Refusal, match="hours of processors are over"),
    ):
        replicate(slow, 0, [(0.5,)] * 6)


@pytest.mark.long
def test_an_interrupt_takes_the_tasks_from_the_scheduler(monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(watch.Watch, "look", interrupted)
    with threads() as made:
        with pytest.raises(KeyboardInterrupt), on(made.scheduler_address):
            replicate(slow, 0, [(0.2,)] * 20)
        deadline = time.monotonic() + 10
        while made.scheduler.tasks and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not made.scheduler.tasks


# ---- The doors.


def door(monkeypatch, capsys, tmp_path, said: str) -> tuple[int, str]:
    """Exit code and line of an experiment with replicates."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SCHEDULER, said)
    monkeypatch.setattr(running, "configure", lambda config, block: None)
    monkeypatch.setattr(running, "taken", lambda path: 0)

    experiment = ModuleType("experiment")
    experiment.__file__, experiment.Config = "x", None
    experiment.run = lambda config: replicate(slow, 0, [(0.0,)] * 12)
    monkeypatch.setattr(running, "found", lambda module: experiment)
    one_second = {"distributed.comm.timeouts.connect": "1s"}
    with dask.config.set(one_second), pytest.raises(SystemExit) as stop:
        running.run("descent.family.name", "family/name")
    assert list(tmp_path.iterdir()) == []
    return stop.value.code, capsys.readouterr().err


def test_a_scheduler_that_cannot_be_reached_is_one_line_and_exit_code_1(
    monkeypatch, capsys, tmp_path
):
    code, line = door(monkeypatch, capsys, tmp_path, "tcp://127.0.0.1:9")
    assert code == 1
    assert line == (
        "params.yaml: family.name: DESCENT_SCHEDULER=tcp://127.0.0.1:9: "
        "no Dask scheduler answers within 1 s (OSError)\n"
    )


def test_a_bad_address_is_one_line_and_exit_code_2(monkeypatch, capsys, tmp_path):
    code, line = door(monkeypatch, capsys, tmp_path, "local:0")
    assert code == 2
    assert line == f"params.yaml: family.name: DESCENT_SCHEDULER=local:0: {CORES}\n"


def test_all_stages_of_a_repro_share_their_workers(monkeypatch):
    started = []

    @contextmanager
    def pretended(count):
        started.append(count)
        yield "tcp://127.0.0.1:1"
        started.append("ended")

    monkeypatch.setattr(scheduler, "workers_here", pretended)
    monkeypatch.setenv(SCHEDULER, "local:1")
    with one_cluster() as start:
        assert started == []  # a repro with nothing to do starts none
        start()
        start()
        assert os.environ[SCHEDULER] == "tcp://127.0.0.1:1"
    assert started == [1, "ended"]
    assert os.environ[SCHEDULER] == "local:1"
    monkeypatch.delenv(SCHEDULER)
    with one_cluster() as start:
        start()
    assert started == [1, "ended"]


def test_workers_that_cannot_be_started_end_a_repro_in_a_line(monkeypatch, capsys):
    @contextmanager
    def failing(count):
        raise Lost("no room")
        yield

    monkeypatch.setattr(scheduler, "workers_here", failing)
    monkeypatch.setenv(SCHEDULER, "local:1")
    with pytest.raises(SystemExit) as stop, one_cluster() as start:
        start()
    assert (stop.value.code, capsys.readouterr().err) == (1, "no room\n")

"""Stages that do not wait for each other run side by side, and DVC's books are as if they had not."""

import os
import signal
import subprocess
import sys
import time

import pytest
from ruamel.yaml import YAML

from descent.lab.progress import duration
from toy import ROOT, clean_environment

CALL = """
import sys
from descent.lab.side_by_side import side_by_side
from dvc.cli import main
with side_by_side():
    sys.exit(main(["repro", *sys.argv[1:]]))
"""
LONG = 1.2  # seconds that a stage takes


class Pipeline:
    """A DVC project whose stages are shell commands that note when they begin and end."""

    def __init__(self, root, **stages: tuple[str, ...]):
        self.root, tree = root, {}
        self.environment = clean_environment() | {"PYTHONPATH": f"{ROOT / 'src'}"}
        for name, (command, *deps) in stages.items():
            noted = f"date +%s.%N >> {name}.times; {command}; date +%s.%N >> {name}.times"
            given = "".join(f"cat {dep} >> {name}.out; " for dep in deps)
            tree[name] = {
                "cmd": f"echo {name} > {name}.out; {given}{noted}",
                "deps": list(deps),
                "outs": [{f"{name}.out": {"persist": True}}],
            }
        YAML().dump({"stages": tree}, root / "dvc.yaml")
        (root / "given").write_text("1\n", encoding="ascii")
        for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
            subprocess.run(command, cwd=root, check=True, env=self.environment)

    def repro(self, *arguments: str, jobs: str = "2") -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-c", CALL, *arguments],
            cwd=self.root,
            env=self.environment | {"DESCENT_JOBS": jobs},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )

    def times(self, name: str) -> list[float]:
        """When the stage began and ended, of each time that it ran."""
        path = self.root / f"{name}.times"
        return list(map(float, path.read_text("ascii").split())) if path.exists() else []

    def ran(self) -> set[str]:
        """The stages that have run since the last call."""
        found = {path.stem for path in self.root.glob("*.times")}
        for name in found:
            (self.root / f"{name}.times").unlink()
        return found


def overlap(one: list[float], other: list[float]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


@pytest.mark.long
def test_two_stages_run_at_once_and_a_third_waits_for_what_it_takes(tmp_path):
    pipeline = Pipeline(
        tmp_path,
        one=(f"sleep {LONG}", "given"),
        two=(f"sleep {LONG}", "given"),
        three=("true", "one.out"),
    )
    done = pipeline.repro()
    assert done.returncode == 0, done.stderr
    assert overlap(pipeline.times("one"), pipeline.times("two"))
    assert pipeline.times("three")[0] > pipeline.times("one")[1]
    assert [line.split("'")[1] for line in done.stdout.splitlines() if "Running" in line] == [
        *("one", "two", "three")
    ]
    pipeline.ran()
    again = pipeline.repro()
    assert pipeline.ran() == set()
    assert "up to date" in again.stdout
    (tmp_path / "one.out").write_text("lost\n", encoding="ascii")
    pipeline.repro()
    assert pipeline.ran() == {"one"}  # it makes the same again, so `three` stays


def how_far(done) -> list[str]:
    return [line for line in done.stdout.splitlines() if line.startswith("stage ")]


@pytest.mark.long
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_how_far_it_is_and_how_long_the_rest_takes(tmp_path, jobs):
    pipeline = Pipeline(
        tmp_path,
        first=("true", "given"),
        one=("sleep 0.5", "first.out"),
        two=("sleep 0.5", "first.out"),
        three=("true", "one.out", "two.out"),
    )
    cost = tmp_path / "artifacts/cost/family/two.json"
    cost.parent.mkdir(parents=True)
    cost.write_text('{"seconds": ', encoding="utf-8")  # torn
    done = pipeline.repro(jobs=jobs)
    assert done.returncode == 0, done.stderr
    expected = [(2, 13.5), (3, 9), (4, 4.5)]  # of the first it cannot tell what will follow
    told = [f"stage {k} of 4, about {max(4.5, s / int(jobs)):.0f} s left" for k, s in expected]
    assert how_far(done) == told
    door = tmp_path / "stages/door.py"
    door.parent.mkdir()
    door.write_text("open('door.out', 'w').write('seen\\n'); print('said')", encoding="utf-8")
    tree = YAML(typ="safe").load(tmp_path / "dvc.yaml")
    tree["stages"]["door"] = {
        "cmd": "python stages/door.py",
        "deps": ["given"],
        "outs": [{"door.out": {"persist": True}}],
    }
    YAML().dump(tree, tmp_path / "dvc.yaml")
    done = pipeline.repro(jobs=jobs)
    assert done.returncode == 0, done.stderr
    assert how_far(done) == ["stage 1 of 1, about 4 s left"]
    assert "\nsaid\n" in done.stdout


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (89.0, "89 s"), (91.0, "2 min"), (3570.0, "1 h 0 min"), (4800.0, "1 h 20 min")],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.mark.long
def test_one_at_a_time_where_that_is_asked(tmp_path):
    pipeline = Pipeline(tmp_path, one=("sleep 0.3", "given"), two=("sleep 0.3", "given"))
    assert pipeline.repro(jobs="1").returncode == 0
    assert not overlap(pipeline.times("one"), pipeline.times("two"))


def test_as_many_as_there_are_cores_and_memory_for(monkeypatch):
    from types import SimpleNamespace

    from descent.lab import side_by_side

    monkeypatch.delenv("DESCENT_JOBS", raising=False)
    monkeypatch.setattr(side_by_side.os, "sched_getaffinity", lambda _: range(8), raising=False)
    for gib, expected in ((64, 8), (9, 4), (1, 1)):
        free = SimpleNamespace(available=gib * 2**30)
        monkeypatch.setattr(side_by_side.psutil, "virtual_memory", lambda free=free: free)
        assert side_by_side.jobs() == expected


def test_another_dvc_runs_as_it_does(monkeypatch):
    import dvc.stage.run as run

    from descent.lab.side_by_side import side_by_side

    monkeypatch.setenv("DESCENT_JOBS", "2")
    usual = run.cmd_run
    with side_by_side():
        assert run.cmd_run is not usual
    monkeypatch.delattr(run, "prepare_kwargs")
    with side_by_side():
        assert run.cmd_run is usual


@pytest.mark.long
@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1.5"])
def test_a_number_of_jobs_that_is_none_is_one_line(monkeypatch, capsys, jobs):
    from descent.lab.side_by_side import side_by_side

    monkeypatch.setenv("DESCENT_JOBS", jobs)
    with pytest.raises(SystemExit) as stop, side_by_side():
        pass
    line = f"DESCENT_JOBS: must be a whole number from 1 on, not {jobs!r}\n"
    assert (stop.value.code, *capsys.readouterr()) == (2, "", line)


@pytest.mark.long
def test_a_stage_that_fails_ends_the_run_with_those_that_ran_ahead_of_it(tmp_path):
    pipeline = Pipeline(
        tmp_path, one=("sleep 0.5; exit 3", "given"), two=("sleep 120; touch late", "given")
    )
    start = time.perf_counter()
    done = pipeline.repro()
    assert time.perf_counter() - start < 100
    assert done.returncode != 0
    assert "exited with 3" in done.stderr
    assert "'one'" in done.stderr
    lock = tmp_path / "dvc.lock"
    assert not lock.exists() or "two" not in lock.read_text("utf-8")
    assert not (tmp_path / "late").exists()


@pytest.mark.long
def test_a_stage_that_failed_ahead_fails_in_its_turn_and_the_others_go_on_if_asked(tmp_path):
    pipeline = Pipeline(
        tmp_path,
        one=("sleep 0.8", "given"),
        two=("echo why; exit 4", "given"),
        three=("true", "two.out"),
        four=("true", "one.out"),
    )
    done = pipeline.repro("--keep-going")
    assert done.returncode != 0
    assert "exited with 4" in done.stderr
    assert done.stdout.index("'one'") < done.stdout.index("'two'") < done.stdout.index("why")
    assert pipeline.ran() == {"one", "two", "four"}
    lock = YAML(typ="safe").load(tmp_path / "dvc.lock")
    assert set(lock["stages"]) == {"one", "four"}


@pytest.mark.long
def test_what_changed_since_a_stage_was_begun_is_seen(tmp_path):
    pipeline = Pipeline(
        tmp_path, one=("sleep 0.8; echo 2 > given2", "given"), two=("true", "given2")
    )
    (tmp_path / "given2").write_text("1\n", encoding="ascii")
    done = pipeline.repro()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "two.out").read_text("ascii") == "two\n2\n"
    assert len(pipeline.times("two")) == 4  # begun twice
    assert "up to date" in pipeline.repro().stdout


@pytest.mark.long
def test_what_dvc_would_remove_or_restore_is_left_to_it(tmp_path):
    pipeline = Pipeline(tmp_path, one=("sleep 0.6", "given"), two=("sleep 0.6", "given"))
    tree = YAML(typ="safe").load(tmp_path / "dvc.yaml")
    for stage in tree["stages"].values():
        stage["outs"] = [name for out in stage["outs"] for name in out]  # not kept, so cached
    YAML().dump(tree, tmp_path / "dvc.yaml")
    assert pipeline.repro().returncode == 0
    assert not overlap(pipeline.times("one"), pipeline.times("two"))


@pytest.mark.long
def test_an_interrupt_ends_all_that_run(tmp_path):
    pipeline = Pipeline(
        tmp_path, one=("sleep 20; touch late", "given"), two=("sleep 20; touch late", "given")
    )
    begun = subprocess.Popen(
        [sys.executable, "-c", CALL],
        cwd=tmp_path,
        env=pipeline.environment | {"DESCENT_JOBS": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    while not (pipeline.times("one") and pipeline.times("two")):
        time.sleep(0.05)
        assert begun.poll() is None
    os.killpg(begun.pid, signal.SIGINT)
    begun.communicate(timeout=15)
    assert begun.returncode != 0
    assert not (tmp_path / "late").exists()
    assert not (tmp_path / "dvc.lock").exists()

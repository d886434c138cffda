"""DVC, really run on a copy of the project at toy size."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest

from toy import EXPERIMENTS, Project

STAGES = {f"{family}@{name}" for family, names in EXPERIMENTS.items() for name in names}
DRAWN = {f"draw@{family}" for family in EXPERIMENTS}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """One project; every test leaves it reproduced, committed and tracked."""
    project = Project(tmp_path_factory.mktemp("pipeline") / "toy")
    ran, done = project.repro()
    assert done.returncode == 0, done.stderr
    assert ran == {"download@mnist", *STAGES, *DRAWN, "curves", "report", "track"}
    project.commit("results")
    return project


def tracked(project):
    """The fingerprints of all finished top-level runs, straight from the database."""
    query = """
        SELECT mark.value FROM runs
        JOIN tags AS mark ON mark.run_uuid = runs.run_uuid AND mark.key = 'descent.fingerprint'
        LEFT JOIN tags AS parent
            ON parent.run_uuid = runs.run_uuid AND parent.key = 'mlflow.parentRunId'
        WHERE parent.value IS NULL AND status = 'FINISHED' AND lifecycle_stage = 'active'
    """
    with closing(sqlite3.connect(project.root / "mlflow.db")) as database:
        return [fingerprint for (fingerprint,) in database.execute(query)]


def test_outputs_are_there_and_claims_hold(project):
    page = (project.root / "report/index.html").read_text()
    for stage in STAGES:
        family, name = stage.split("@")
        report = json.loads((project.root / f"metrics/{family}/{name}.json").read_text())
        assert all(check["holds"] for check in report["checks"].values()), stage
        assert (project.root / f"plots/{family}/{name}.svg").exists()
        spent = json.loads((project.root / f"artifacts/cost/{family}/{name}.json").read_text())
        assert spent["seconds"] > 0
        assert 50 < spent["peak_mib"] < 4096
        assert f"{family}/{name}" in page
    assert not list(project.root.rglob("*.partial"))


def test_a_second_repro_runs_nothing(project):
    start = time.perf_counter()
    ran, done = project.repro()
    assert ran == set()
    assert "up to date" in done.stdout
    assert time.perf_counter() - start < 5


def test_a_changed_block_reruns_what_follows_from_it_and_nothing_else(project):
    project.params["sensing"]["scarce"]["seed"] = 7
    project.save()
    ran, done = project.repro()
    assert done.returncode == 0, done.stderr
    follows = {"spectra@scarce", "draw@sensing", "draw@spectra", "curves", "report", "track"}
    assert ran == {"sensing@scarce", *follows}
    assert len(tracked(project)) == len(set(tracked(project))) == len(STAGES) + 2


def test_equal_numbers_written_otherwise_rerun_nothing(project):
    project.params["sensing"]["scarce"]["seed"] = 7.0
    project.params["train"]["mnist"]["bias"] = 0
    project.save()
    ran, _ = project.repro()
    assert ran == set()
    assert project.call("python", "stages/track.py").returncode == 0
    assert len(tracked(project)) == len(STAGES) + 2
    project.params["sensing"]["scarce"]["seed"] = 7
    project.params["train"]["mnist"]["bias"] = False
    project.save()


def written(project):
    """All results, but not what they took."""
    files = project.files("metrics", "plots", "curves", "artifacts", "report")
    return {
        path: re.sub(rb"[\d.]+ s, \d+ MiB", b"", data)
        for path, data in files.items()
        if "artifacts/cost/" not in path
    }


@pytest.mark.parametrize(
    ("family", "name", "key", "value", "rule"),
    [
        ("train", "mnist", "batch", 0, "greater than or equal to 1 (got 0)"),
        ("train", "mnist", "batch", 10_000, "batch 10000 > 256 training images"),
        ("sensing", "overparam", "alphas", [], "one or more strictly increasing"),
        ("sensing", "exact", "step", "0.1", "valid number (got '0.1')"),
        ("sensing", "exact", "step", float("nan"), "finite number"),
        ("sensing", "scarce", "typo", 1, "Unexpected keyword argument"),
    ],
)
def test_bad_parameters_are_one_line_and_exit_code_2(project, family, name, key, value, rule):
    before = written(project)
    good = dict(project.params[family][name])
    project.params[family][name][key] = value
    project.save()
    inputs = ["data/mnist"] if family == "train" else []
    module = f"descent.{family}.{name}"
    done = project.call("python", "stages/run.py", module, f"{family}/{name}", *inputs)
    project.params[family][name] = good
    project.save()
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"params.yaml: {family}.{name}")
    assert rule in done.stderr
    assert written(project) == before


def test_dvc_keeps_its_outputs_when_parameters_are_refused(project):
    before = written(project)
    project.params["sensing"]["overparam"]["rank"] = 200
    project.save()
    ran, done = project.repro()
    project.params["sensing"]["overparam"]["rank"] = 2
    project.save()
    assert ran == {"sensing@overparam"}
    assert done.returncode != 0
    assert "params.yaml: sensing.overparam: rank 200 > size 12" in done.stderr
    assert written(project) == before
    assert project.repro()[0] == set()


def test_a_missing_key_is_named(project):
    del project.params["sensing"]["exact"]["fit"]
    project.save()
    done = project.call("python", "stages/run.py", "descent.sensing.exact", "sensing/exact")
    project.params["sensing"]["exact"]["fit"] = [1e-12, 1e-5]
    project.save()
    assert done.returncode == 2
    assert done.stderr.startswith("params.yaml: sensing.exact.fit: ")


def test_a_number_in_yaml_12_notation_is_a_number(project):
    path = project.root / "params.yaml"
    text = path.read_text()
    path.write_text(text.replace("recovered: 1e-06", "recovered: 1e-6"))
    assert "recovered: 1e-6" in path.read_text()
    assert project.repro()[0] == set()
    path.write_text(text)


def test_a_damaged_input_is_one_line(project):
    artifact = project.root / "artifacts/sensing/scarce.nc"
    whole = artifact.read_bytes()
    artifact.write_bytes(whole[: len(whole) // 2])
    command = ("descent.spectra.singular_values", "spectra/scarce", "artifacts/sensing/scarce.nc")
    done = project.call("python", "stages/run.py", *command)
    artifact.write_bytes(whole)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "artifacts/sensing/scarce.nc" in done.stderr


def test_a_repro_killed_again_and_again_is_finished_by_the_next(project):
    before = written(project)
    project.params["sensing"]["scarce"]["seed"] = 3
    project.save()
    for seconds in (0.3, 2.0, 4.5):
        process = subprocess.Popen(
            ("dvc", "repro"),
            cwd=project.root,
            env=project.environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    _, done = project.repro()
    assert done.returncode == 0, done.stderr
    assert project.repro()[0] == set()
    project.params["sensing"]["scarce"]["seed"] = 7
    project.save()
    _, done = project.repro()
    assert done.returncode == 0, done.stderr
    assert written(project) == before
    assert len(tracked(project)) == len(set(tracked(project)))


def test_a_full_disk_leaves_the_earlier_artifact(project):
    before = project.files("metrics", "artifacts")
    limited = "ulimit -f 8; exec python stages/run.py descent.sensing.overparam sensing/overparam"
    done = project.call("bash", "-c", limited)
    assert done.returncode != 0
    assert done.stderr.count("\n") <= 1
    assert project.files("metrics", "artifacts") == before


def test_a_lost_store_is_rebuilt_and_a_second_call_adds_nothing(project):
    expected = json.loads((project.root / "artifacts/tracked.json").read_text())
    for path in project.root.glob("mlflow.db*"):
        path.unlink()
    for _ in range(2):
        assert project.call("python", "stages/track.py").returncode == 0
        assert sorted(tracked(project)) == sorted(expected.values())


def test_an_experiment_in_a_temporary_workspace_is_tracked_at_the_root(project):
    project.git("add", "-A")
    project.git("commit", "-qm", "as it is", "--allow-empty")
    before = set(tracked(project))
    done = project.call("dvc", "exp", "run", "--temp", "-S", "sensing.exact.seed=5")
    assert done.returncode == 0, done.stderr
    added = set(tracked(project)) - before
    assert len(added) == 1
    assert len(tracked(project)) == len(before) + 1

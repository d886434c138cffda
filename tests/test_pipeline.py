"""DVC, really run on a project of toy science with the project's own doors."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from descent.lab.results import load_report
from descent.lab.scratch import prefix
from toy import EXPERIMENTS, Project

STAGES = {f"{family}@{name}" for family, names in EXPERIMENTS.items() for name in names}
DRAWN = {f"draw@{family}" for family in EXPERIMENTS}
LAST = {"curves", "report", "track"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """One project, in a folder with a space; every test leaves it reproduced, committed and tracked."""
    project = Project(tmp_path_factory.mktemp("pipe line") / "toy project")
    ran, done = project.repro()
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran == {"code", "download@mnist", *STAGES, *DRAWN, *LAST}
    project.commit("results")
    return project


@pytest.fixture
def kept(project):
    """The project; its code and parameters are put back, and it is reproduced."""
    params = json.dumps(project.params)
    yield project
    project.params = json.loads(params)
    project.git("checkout", "--", "src", "stages", "params.yaml", "dvc.yaml")
    _, done = project.repro()
    assert done.returncode == 0, done.stdout + done.stderr


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


def written(project):
    """All results, but not what they took."""
    files = project.files("metrics", "plots", "curves", "artifacts", "report")
    return {
        path: re.sub(rb"[\d.]+ s, \d+ MiB", b"", data)
        for path, data in files.items()
        if "artifacts/cost/" not in path
    }


def test_outputs_are_there_and_claims_hold(project):
    page = (project.root / "report/index.html").read_text(encoding="utf-8")
    for stage in STAGES:
        family, name = stage.split("@")
        report = load_report(project.root / f"metrics/{family}/{name}.json")
        assert report["verdict"] == "holds"
        assert (project.root / f"plots/{family}/{name}.svg").exists()
        spent = json.loads((project.root / f"artifacts/cost/{family}/{name}.json").read_text())
        assert spent["seconds"] > 0
        assert 50 < spent["peak_mib"] < 4096
        assert f"{family}/{name}" in page
    assert not list(project.root.rglob("*.partial"))


def test_the_lock_lists_code_parameters_and_inputs_and_no_module(project):
    lock = YAML(typ="safe").load(project.root / "dvc.lock")["stages"]
    assert [dep["path"] for dep in lock["beta@swept"]["deps"]] == [
        "artifacts/alpha/swept.nc",
        "artifacts/code/beta/ends.txt",
    ]
    assert (project.root / "dvc.lock").stat().st_size < 700 * len(lock)


# ---- What reruns.


def test_a_second_repro_runs_nothing(project):
    ran, done = project.repro()
    assert ran == set()
    assert "up to date" in done.stdout


def test_a_changed_block_reruns_what_follows_from_it_and_nothing_else(kept):
    before = len(tracked(kept))
    kept.params["alpha"]["swept"]["seed"] = 7
    kept.save()
    ran, done = kept.repro()
    assert done.returncode == 0, done.stderr
    assert ran == {"alpha@swept", "beta@swept", "draw@alpha", "draw@beta", *LAST}
    assert len(tracked(kept)) == len(set(tracked(kept))) == before + 2


def test_a_comment_reruns_the_digests_alone(kept):
    kept.edit("src/descent/alpha/_sums.py", "def partial", "# a comment\ndef partial")
    assert kept.repro()[0] == {"code"}


def test_the_words_of_a_docstring_rerun_the_page_alone(kept):
    kept.edit("src/descent/alpha/quick.py", "shrinks by q", "becomes smaller by q")
    assert kept.repro()[0] == {"code", "report"}
    page = (kept.root / "report/index.html").read_text(encoding="utf-8")
    assert "becomes smaller by q" in page


def test_a_helper_reruns_who_uses_it(kept):
    kept.edit("src/descent/alpha/_noise.py", "-0.1, 0.1", "-0.1, 0.11")
    ran, done = kept.repro()
    assert done.returncode == 0, done.stderr
    assert ran == {"code", "alpha@swept", "beta@swept", "draw@alpha", "draw@beta", *LAST}


def test_a_helper_that_changes_no_result_reruns_who_uses_it_and_nothing_after(kept):
    kept.edit("src/descent/maths/ladder.py", "range(count + 1)", "range(1 + count)")
    ran, _ = kept.repro()
    assert ran == {"code", "alpha@quick", "alpha@swept", "beta@quick", "beta@swept"}


def test_the_figures_of_a_family_are_drawn_again_if_their_code_changes(kept):
    kept.edit("src/descent/beta/figures.py", '"Ends"', '"The ends"')
    assert kept.repro()[0] == {"code", "draw@beta", *LAST}


def test_a_quadratic_does_not_wait_for_images(kept):
    shutil.rmtree(kept.root / "data")
    ran, done = kept.repro("alpha@quick", "beta@quick")
    assert done.returncode == 0
    assert ran == set()
    assert not (kept.root / "data").exists()


def test_equal_numbers_written_otherwise_rerun_no_experiment(kept):
    before = len(tracked(kept))
    kept.params["alpha"]["swept"]["seed"] = 0.0
    kept.params["alpha"]["quick"]["claimed"] = [0.000001, 0.1]
    kept.save()
    assert kept.repro()[0] == {"report", "track"}  # the page shows the block as it is written
    assert len(tracked(kept)) == before


def test_a_number_in_yaml_12_notation_is_a_number(kept):
    path = kept.root / "params.yaml"
    text = path.read_text(encoding="utf-8")
    assert "1e-06" in text
    path.write_text(text.replace("1e-06", "1e-6"), encoding="utf-8")
    assert kept.repro()[0] == {"report", "track"}


# ---- Whose code runs.


@pytest.fixture(scope="module")
def elsewhere(project, tmp_path_factory):
    """Another tree of the same package, as an installed one would be: its sums are a hundred times larger."""
    other = tmp_path_factory.mktemp("elsewhere") / "src"
    shutil.copytree(project.root / "src", other)
    sums = other / "descent/alpha/_sums.py"
    text = sums.read_text(encoding="utf-8")
    sums.write_text(text.replace("SCALE = 1.0", "SCALE = 100.0"), encoding="utf-8")
    return other


@pytest.mark.parametrize("environment", [{}, {"PYTHONSAFEPATH": "1"}, {"PYTHONOPTIMIZE": "2"}])
@pytest.mark.parametrize("block", ["alpha/quick", "alpha/swept"])
def test_the_tree_s_own_code_runs_whatever_is_installed(project, elsewhere, block, environment):
    """Also in the processes of joblib, which alpha/swept has."""
    before = project.files(f"metrics/{block}.json", "metrics", "artifacts/alpha")
    done = project.run(block, PYTHONPATH=str(elsewhere), **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert project.files(f"metrics/{block}.json", "metrics", "artifacts/alpha") == before


def test_a_foreign_package_that_is_there_already_is_refused(project, elsewhere, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys; sys.path.insert(0, {str(elsewhere)!r}); import descent\n", encoding="utf-8"
    )
    for door in ("run", "download", "draw", "curves", "report", "track", "gate", "digests"):
        done = project.call("python", f"stages/{door}.py", PYTHONPATH=str(tmp_path))
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert "nothing was run" in line


def test_an_experiment_in_a_temporary_workspace_is_tracked_at_the_root(kept):
    kept.git("add", "-A")
    kept.commit("as it is")
    before = set(tracked(kept))
    done = kept.call(
        *("dvc", "exp", "run", "--temp", "-S", "alpha.quick.q=0.25"),
        MLFLOW_TRACKING_URI="sqlite:///mlflow.db",  # a relative address counts from the root
    )
    assert done.returncode == 0, done.stderr
    added = set(tracked(kept)) - before
    assert len(added) == 2  # of alpha and of beta, which reads it
    assert len(tracked(kept)) == len(before) + 2


def test_a_hook_s_git_variables_do_not_reach_us(project, tmp_path):
    other = tmp_path / "theirs"
    subprocess.run(["git", "init", "-q", str(other)], check=True, env=project.environment)
    done = project.call("python", "stages/gate.py", GIT_DIR=str(other / ".git"))
    assert done.returncode == 0, done.stderr
    assert "0 moved, 0 failures" in done.stdout


# ---- What is refused.


@pytest.mark.parametrize(
    ("family", "name", "key", "value", "rule"),
    [
        ("photos", "count", "batch", 0, "greater than or equal to 1 (got 0)"),
        ("photos", "count", "batch", 10_000, "batch 10000 > 256 training images"),
        ("alpha", "swept", "qs", [], "one or more strictly increasing"),
        ("alpha", "swept", "qs", [0.1, 0.10000001], "are one value in six digits"),
        ("alpha", "swept", "replicates", 2, "too few to tell a mean from chance"),
        ("alpha", "quick", "q", "0.1", "valid number (got '0.1')"),
        ("alpha", "quick", "q", float("nan"), "finite number"),
        ("alpha", "quick", "typo\nof two lines", 1, "Unexpected keyword argument"),
    ],
)
def test_bad_parameters_are_one_line_and_exit_code_2(project, family, name, key, value, rule):
    before = written(project)
    good = dict(project.params[family][name])
    project.params[family][name][key] = value
    project.save()
    done = project.run(f"{family}/{name}")
    project.params[family][name] = good
    project.save()
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"params.yaml: {family}.{name}")
    assert rule in done.stderr
    assert written(project) == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 2]",
        "3",
        "alpha: 3",
        "alpha: {quick: [1]}",
        "[" * 5000,
        "a: [",
        "\x00",
        "a: &a [*a]",
    ],
)
def test_a_params_file_that_is_none_is_one_line(project, text):
    path = project.root / "params.yaml"
    good = path.read_bytes()
    path.write_text(text, encoding="utf-8")
    done = project.run("alpha/quick")
    path.write_bytes(good)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("params.yaml: ")


def test_a_params_file_that_is_a_folder_is_one_line(project, tmp_path):
    (tmp_path / "params.yaml").mkdir()
    door = project.root / "stages/run.py"
    done = subprocess.run(
        ["python", door, "descent.alpha.quick", "alpha/quick"],
        cwd=tmp_path,
        env=project.environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_dvc_keeps_its_outputs_when_parameters_are_refused(kept):
    before = written(kept)
    kept.params["alpha"]["quick"]["q"] = 2
    kept.save()
    ran, done = kept.repro()
    assert ran == {"alpha@quick"}
    assert done.returncode != 0
    assert "params.yaml: alpha.quick: q 2 ≥ 1: the sum has no end" in done.stderr
    assert written(kept) == before


def test_a_missing_key_is_named(kept):
    del kept.params["alpha"]["quick"]["steps"]
    kept.save()
    done = kept.run("alpha/quick")
    assert done.returncode == 2
    assert done.stderr.startswith("params.yaml: alpha.quick.steps: ")


def test_a_damaged_input_is_one_line(project):
    artifact = project.root / "artifacts/alpha/swept.nc"
    whole = artifact.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", bytes(len(whole)), whole[:8] + whole[9:]):
        artifact.write_bytes(damaged)
        done = project.run("beta/swept")
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "artifacts/alpha/swept.nc" in done.stderr
    artifact.write_bytes(whole)


def test_a_full_disk_leaves_the_earlier_artifact(project):
    before = project.files("metrics", "artifacts")
    limited = "ulimit -f 2; exec python stages/run.py descent.alpha.swept alpha/swept"
    done = project.call("bash", "-c", limited)
    assert done.returncode != 0
    assert done.stderr.count("\n") <= 1
    assert project.files("metrics", "artifacts") == before


@pytest.mark.parametrize("locale", [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_a_locale_without_greek_letters_changes_nothing(project, locale):
    before = written(project)
    for door in ("draw.py alpha", "curves.py", "report.py", "track.py", "gate.py", "digests.py"):
        done = project.call("python", *f"stages/{door}".split(), **locale)
        assert (done.returncode, done.stderr) == (0, ""), door
    for block in ("alpha/quick", "alpha/swept"):
        assert project.run(block, **locale).returncode == 0
    assert written(project) == before


# ---- Interrupts.


def kill(project, when, number=signal.SIGKILL):
    """`make repro` in the background, killed with all its children as soon as when() says so."""
    process = subprocess.Popen(
        ("python", "stages/repro.py"),
        cwd=project.root,
        env=project.environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not when():
        pass
    os.killpg(process.pid, number)
    process.wait()


def test_a_repro_killed_again_and_again_is_finished_by_the_next(kept):
    before = written(kept)
    kept.params["alpha"]["swept"]["seed"] = 3
    kept.save()
    for seconds in (0.3, 2.0, 4.5):
        end = time.monotonic() + seconds
        kill(kept, lambda end=end: time.monotonic() > end)
    _, done = kept.repro()
    assert done.returncode == 0, done.stderr
    assert kept.repro()[0] == set()
    kept.params["alpha"]["swept"]["seed"] = 0
    kept.save()
    _, done = kept.repro()
    assert done.returncode == 0, done.stderr
    assert written(kept) == before
    assert len(tracked(kept)) == len(set(tracked(kept)))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_kill_aimed_at_the_lock_file_is_finished_by_the_next(kept, number):
    """As soon as DVC has truncated dvc.lock, or begun to write it."""
    lock = kept.root / "dvc.lock"
    usual = lock.stat().st_size
    kept.params["alpha"]["swept"]["seed"] = 5
    kept.save()
    kill(kept, lambda: lock.stat().st_size < usual / 2, number)
    _, done = kept.repro()
    assert done.returncode == 0, done.stdout + done.stderr
    assert kept.repro()[0] == set()


TEARS = [0.0, 0.1, 0.37, 0.6, 0.9, 0.98]


@pytest.mark.parametrize("part", TEARS)
def test_a_torn_lock_file_is_restored_from_the_last_good_copy(project, part):
    lock = project.root / "dvc.lock"
    whole = lock.read_bytes()
    for cut in range(8):
        lock.write_bytes(whole[: int(part * len(whole)) + cut * (part > 0)])
        ran, done = project.repro("alpha@quick")
        assert done.returncode == 0, done.stdout + done.stderr
        assert ran <= {"code", "alpha@quick"}
        if lock.read_bytes() == whole:
            assert (
                "dvc.lock was torn by an interrupt: restored from the last good copy" in done.stdout
            )
            break
    lock.write_bytes(whole)
    assert project.repro()[0] == set()


def test_without_a_copy_the_lock_file_is_git_s_and_without_git_s_everything_runs(kept):
    lock, good = kept.root / "dvc.lock", kept.root / ".dvc/tmp/dvc.lock.good"
    kept.commit("as it is")
    good.unlink()
    lock.write_bytes(b"")
    _, done = kept.repro()
    assert "restored from git" in done.stdout
    good.write_bytes(b"schema: '2")
    lock.write_bytes(b"schema: '2.0'\nstages:\n  alpha@quick:\n    cmd:")
    (kept.root / ".git").rename(kept.root / "git-is-away")
    done = kept.call(
        "python",
        "-c",
        "import sys; sys.path.insert(0, 'src')\nfrom descent.lab.recover import mend; mend()",
    )
    (kept.root / "git-is-away").rename(kept.root / ".git")
    assert done.stdout.endswith("there is no copy: everything runs again\n")
    assert not lock.exists()
    kept.git("checkout", "--", "dvc.lock")


def test_a_torn_lock_of_dvc_s_processes_is_removed(project):
    (project.root / ".dvc/tmp/rwlock").write_bytes(b"")
    _, done = project.repro()
    assert done.returncode == 0, done.stderr
    assert "rwlock was torn by an interrupt: removed" in done.stdout


def test_both_sides_of_a_merge_are_left_to_a_person(project):
    lock = project.root / "dvc.lock"
    whole = lock.read_bytes()
    conflict = b"<<<<<<< ours\n" + whole + b"=======\n" + whole + b">>>>>>> theirs\n"
    lock.write_bytes(conflict)
    _, done = project.repro()
    assert done.returncode != 0
    assert lock.read_bytes() == conflict
    lock.write_bytes(whole)


def test_shared_memory_of_the_dead_is_removed_by_the_next(project):
    dead = subprocess.Popen(["true"])
    dead.wait()
    base = Path("/dev/shm")
    if not os.access(base, os.W_OK):
        pytest.skip("there is no shared memory")
    left = base / f"{prefix()}{dead.pid}"
    left.mkdir()
    (left / "array").write_bytes(bytes(100))
    assert project.run("alpha/swept").returncode == 0
    assert not left.exists()


# ---- The store.


def test_a_lost_store_is_rebuilt_and_a_second_call_adds_nothing(project):
    expected = json.loads((project.root / "artifacts/tracked.json").read_text())
    for path in project.root.glob("mlflow.db*"):
        path.unlink()
    for _ in range(2):
        assert project.call("python", "stages/track.py").returncode == 0
        assert sorted(tracked(project)) == sorted(expected.values())

"""DVC, really run on a project of toy science with the project's own doors."""

import copy
import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from descent.lab.results import load_report
from descent.lab.scratch import prefix
from faults import environments, kills
from toy import EXPERIMENTS, Project

STAGES = {f"{family}@{name}" for family, names in EXPERIMENTS.items() for name in names}
DRAWN = {f"draw@{family}" for family in EXPERIMENTS}
LAST = {"curves", "report", "track"}

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """One project, in a folder with a space; every test leaves it reproduced, committed and tracked."""
    project = Project(tmp_path_factory.mktemp("pipe line") / "toy project")
    ran, done = project.repro()
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran == {"code", "download@mnist", *STAGES, *DRAWN, *LAST}
    assert "dvc push" not in done.stdout  # there is no remote
    *_, stages, claims = done.stdout.splitlines()  # and no commit that has metrics
    assert re.fullmatch(rf"{len(ran)} stages run in \d+ (s|min)", stages)
    assert claims == f"{len(STAGES)} claims: {len(STAGES)} hold"
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
        spent = json.loads(
            (project.root / f"artifacts/cost/{family}/{name}.json").read_text(encoding="utf-8")
        )
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
    assert "stage 1 of 7, about " in done.stdout
    assert "stage 7 of 7, about " in done.stdout
    assert re.search(
        r"^gate: \d+ failures? against HEAD: `make gate` shows them$", done.stdout, re.M
    )
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


@pytest.mark.parametrize("environment", [{}, {"PYTHONSAFEPATH": "1", "PYTHONOPTIMIZE": "2"}])
def test_the_tree_s_own_code_runs_whatever_is_installed(project, elsewhere, environment):
    """Also in the processes of joblib, which alpha/swept has."""
    before = project.files("metrics", "artifacts/alpha")
    done = project.run("alpha/swept", PYTHONPATH=str(elsewhere), **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert project.files("metrics", "artifacts/alpha") == before


WITHOUT_DASK = """
from importlib.machinery import PathFinder
usual = PathFinder.find_spec
def find_spec(name, path=None, target=None):
    lacks = name.partition(".")[0] in ("dask", "distributed")
    return None if lacks else usual(name, path, target)
PathFinder.find_spec = find_spec
"""


def test_replicates_run_the_same_where_dask_is_not_installed(project, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_DASK, encoding="utf-8")
    lacks = {"PYTHONPATH": str(tmp_path)}
    assert project.call("python", "-c", "import dask", **lacks).returncode == 1
    before = project.files("metrics", "artifacts/alpha")
    done = project.run("alpha/swept", **lacks)
    assert done.returncode == 0, done.stderr
    assert project.files("metrics", "artifacts/alpha") == before
    refused = project.run("alpha/swept", **lacks, DESCENT_SCHEDULER="local:1")
    assert refused.returncode == 2
    assert "pip install -e '.[dist]'" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_foreign_package_that_is_there_already_is_refused(project, elsewhere, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys; sys.path.insert(0, {str(elsewhere)!r}); import descent\n", encoding="utf-8"
    )
    doors = sorted((project.root / "stages").glob("*.py"))
    assert len(doors) > 10
    for door in doors:
        done = project.call("python", str(door), PYTHONPATH=str(tmp_path))
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


# ---- What is refused.


BAD_BLOCKS = [
    ("photos", "count", "batch", 0, "greater than or equal to 1 (got 0)"),
    ("photos", "count", "batch", 10_000, "batch 10000 > 256 training images"),
    ("alpha", "swept", "qs", [], "one or more strictly increasing"),
    ("alpha", "swept", "qs", [0.1, 0.10000001], "are one value in six digits"),
    ("alpha", "swept", "replicates", 2, "too few to tell a mean from chance"),
    ("alpha", "quick", "q", "0.1", "valid number (got '0.1')"),
    ("alpha", "quick", "q", float("nan"), "finite number"),
    ("alpha", "quick", "typo", 1, "Unexpected keyword argument"),
]
BAD_FILES = (
    *("", "[1, 2]", "3", "alpha: 3", "alpha: {quick: [1]}", "[" * 5000, "a: [", "\x00"),
    *("a: &a [*a]", 'alpha: {quick: {"typo\\nof two lines": 1}}'),
)
REFUSALS = """
import io, json, sys
from contextlib import redirect_stderr
from pathlib import Path

sys.path.insert(0, "src")
from descent.lab.running import run

answers = []
for text, *arguments in json.load(sys.stdin):
    Path("params.yaml").write_text(text, encoding="utf-8")
    code, said = 0, io.StringIO()
    with redirect_stderr(said):
        try:
            run(*arguments)
        except SystemExit as end:
            code = end.code
    answers.append((code, said.getvalue()))
print(json.dumps(answers))
"""


def refusals(project, cases):
    """What `stages/run.py` answers to each (text of params.yaml, its arguments), all in one process."""
    before, good = written(project), (project.root / "params.yaml").read_bytes()
    done = subprocess.run(
        ["python", "-c", REFUSALS],
        cwd=project.root,
        env=project.environment,
        input=json.dumps(cases),
        capture_output=True,
        encoding="utf-8",
    )
    (project.root / "params.yaml").write_bytes(good)
    assert done.returncode == 0, done.stderr
    assert written(project) == before
    return json.loads(done.stdout)


def test_bad_parameters_are_one_line_and_exit_code_2(project):
    cases = []
    for family, name, key, value, _ in BAD_BLOCKS:
        text, params = io.StringIO(), json.loads(json.dumps(project.params))
        params[family][name][key] = value
        YAML().dump(params, text)
        inputs = ["data/mnist"] if family == "photos" else []
        cases.append((text.getvalue(), f"descent.{family}.{name}", f"{family}/{name}", *inputs))
    for (family, name, *_, rule), (code, said) in zip(
        BAD_BLOCKS, refusals(project, cases), strict=True
    ):
        assert (code, said.count("\n")) == (2, 1), said
        assert said.startswith(f"params.yaml: {family}.{name}")
        assert rule in said


def test_a_params_file_that_is_none_is_one_line(project):
    cases = [(text, "descent.alpha.quick", "alpha/quick") for text in BAD_FILES]
    for code, said in refusals(project, cases):
        assert (code, said.count("\n")) == (2, 1), said
        assert said.startswith("params.yaml: ")


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
    good = json.dumps(project.params)  # JSON is YAML
    for damaged in (whole[: len(whole) // 2], b"", bytes(len(whole)), whole[:8] + whole[9:]):
        artifact.write_bytes(damaged)
        arguments = ("descent.beta.ends", "beta/swept", "artifacts/alpha/swept.nc")
        ((code, said),) = refusals(project, [(good, *arguments)])
        assert (code, said.count("\n")) == (2, 1)
        assert "artifacts/alpha/swept.nc" in said
    artifact.write_bytes(whole)


def test_a_full_disk_leaves_the_earlier_artifact(project):
    before = project.files("metrics", "artifacts")
    limited = "ulimit -f 2; exec python stages/run.py descent.alpha.swept alpha/swept"
    done = project.call("bash", "-c", limited)
    assert done.returncode != 0
    assert done.stderr.count("\n") <= 1
    assert project.files("metrics", "artifacts") == before


def test_many_odd_settings_at_once_change_nothing(project):
    """The doors one environment at a time: tests/faults/environments.py."""
    # The page shows what runs took, which is no dependency of it: others than `make repro` may have run since.
    anew = ("python", "stages/repro.py", "--force", "--single-item", "report")
    assert project.call(*anew).returncode == 0
    counts = environments.main(project, ["many at once"])
    assert counts == {"calls": len(environments.DOORS)}


# ---- What is left behind.


def test_a_deleted_block_leaves_nothing_and_the_gate_says_so(kept):
    kept.commit("as it is")
    del kept.params["beta"]["swept"]
    kept.save()
    kept.repro("--dry")
    assert "metrics/beta/swept.json" in kept.files("metrics")
    ran, done = kept.repro()
    assert (done.returncode, ran) == (0, {"draw@beta", *LAST})
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("removed, since")]
    assert "metrics/beta/swept.json, plots/beta/swept.json, plots/beta/swept.svg" in line
    paths = kept.files("metrics", "plots", "curves", "artifacts")
    assert not [path for path in paths if re.search("beta.swept", path)]
    assert "beta@swept" not in (kept.root / "dvc.lock").read_text(encoding="utf-8")
    done = kept.call("python", "stages/gate.py")
    assert done.returncode == 0, done.stdout
    assert "- beta/swept: removed\n" in done.stdout
    assert kept.call("python", "stages/verify.py").stdout.endswith(" outputs, 0 faults\n")
    assert kept.repro()[0] == set()


def test_a_slip_of_the_pen_removes_nothing(project):
    path, before = project.root / "params.yaml", written(project)
    good = path.read_bytes()
    path.write_bytes(good.replace(b"\nphotos:", b"\nfotos:"))
    done = project.repro()[1]
    path.write_bytes(good.replace(b"\n  quick:", b"\n  quik:"))
    again = project.repro()[1]
    path.write_bytes(good)
    assert done.returncode
    assert again.returncode
    assert written(project) == before


def test_the_gate_fails_where_metrics_are_lost_or_not_the_pipeline_s(project):
    metrics = project.root / "metrics/alpha/swept.json"
    whole = metrics.read_bytes()
    for text, says in (
        (None, "alpha/swept: its metrics are lost: `make repro` makes them"),
        (
            whole + b"\n",
            "alpha/swept: metrics/alpha/swept.json is not the file that dvc.lock names",
        ),
    ):
        metrics.write_bytes(text) if text else metrics.unlink()
        done = project.call("python", "stages/gate.py")
        metrics.write_bytes(whole)
        assert done.returncode == 1
        assert says in done.stdout
    stray = metrics.with_name("stray.json")
    stray.write_bytes(whole)
    done = project.call("python", "stages/gate.py")
    stray.unlink()
    assert done.returncode == 1
    assert "alpha/stray: belongs to no block of params.yaml" in done.stdout


def test_verify_finds_a_swapped_artifact_and_a_damaged_cache_and_repro_mends_them(project):
    artifact = project.root / "artifacts/alpha/quick.nc"
    state = artifact.stat()
    whole = artifact.read_bytes()
    artifact.chmod(0o644)
    artifact.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    os.utime(artifact, ns=(state.st_atime_ns, state.st_mtime_ns))
    digest = hashlib.md5((project.root / "artifacts/alpha/swept.nc").read_bytes()).hexdigest()
    cached = project.root / f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}"
    cached.chmod(0o644)
    cached.write_bytes(b"half")
    code = project.root / "artifacts/code/alpha/quick.txt"
    code.write_text("other", encoding="utf-8")
    done = project.call("python", "stages/verify.py")
    assert done.returncode == 1
    assert "outputs, 3 faults\n" in done.stdout
    assert "artifacts/alpha/quick.nc: differs from dvc.lock\n" in done.stdout
    assert "artifacts/code/alpha/quick.txt: differs from dvc.lock\n" in done.stdout
    assert "the cached artifacts/alpha/swept.nc: damaged\n" in done.stdout
    for path in (artifact, cached, code):  # what verify says
        path.unlink()
    assert project.call("dvc", "checkout").returncode in (
        0,
        255,
    )  # what the cache lacks, repro makes
    assert project.repro()[1].returncode == 0
    assert project.call("python", "stages/verify.py").returncode == 0
    assert project.repro()[0] == set()


# ---- Interrupts.


def test_a_repro_killed_at_its_writes_is_finished_by_the_next(kept):
    """All writes, and more signals: tests/faults/kills.py."""
    counts = kills.main(kept, "beta@quick", only=kills.SHORT, step=2)
    assert counts["kills"] >= 3
    assert {name for name in counts if name[0].islower()} <= {"kills", "lost"}
    assert not counts["lost"]


def test_a_torn_lock_file_is_restored_from_the_last_good_copy(project):
    lock = project.root / "dvc.lock"
    whole = lock.read_bytes()
    after_a_stage = whole.rindex(b"\n  ", 0, whole.rindex(b"    cmd:")) + 1  # YAML that DVC takes
    for length in (len(whole) // 2, after_a_stage):
        lock.write_bytes(whole[:length])
        ran, done = project.repro()
        assert (done.returncode, ran) == (0, set())
        assert "dvc.lock was torn by an interrupt: restored from the last good copy" in done.stdout
        assert lock.read_bytes() == whole


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
    expected = json.loads((project.root / "artifacts/tracked.json").read_text(encoding="utf-8"))
    for path in project.root.glob("mlflow.db*"):
        path.unlink()
    for _ in range(2):
        assert project.call("python", "stages/track.py").returncode == 0
        assert sorted(tracked(project)) == sorted(expected.values())


# ---- Another clone, and the same results.


def test_a_pulled_clone_runs_no_experiment_and_tracks_the_same_runs(project, tmp_path):
    """What a run took is of the machine that ran it, and does not travel: artifacts/cost."""
    shared, clone = str(tmp_path / "shared cache"), copy.copy(project)
    clone.root = tmp_path / "another clone"
    dvc(project, "remote", "add", "--local", "lab", shared)
    dvc(project, "push", "-r", "lab")
    dvc(project, "remote", "remove", "--local", "lab")
    project.git("clone", "-q", ".", str(clone.root))
    dvc(clone, "remote", "add", "--local", "-d", "lab", shared)
    dvc(clone, "pull")
    brought = {path: data for path, data in written(project).items() if tied(path)}
    assert {path: data for path, data in written(clone).items() if tied(path)} == brought
    ran, done = clone.repro()
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran == {"track"}
    assert "dvc.lock" not in clone.git("status", "--porcelain")
    assert sorted(tracked(clone)) == sorted(tracked(project))
    assert clone.repro()[0] == set()


def dvc(project, *command: str) -> None:
    done = project.call("dvc", *command)
    assert done.returncode == 0, done.stdout + done.stderr


def tied(path: str) -> bool:
    """Whether it is an output of a stage that others need."""
    return not path.startswith(("artifacts/drawn/", "artifacts/tracked.json"))

"""The tracking of results against real stores: one run a result, whatever happened before."""

import shutil
import sqlite3
import subprocess
import sys
import time
from base64 import b64encode
from contextlib import closing, nullcontext
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

import mlflow
import numpy as np
import pytest
import xarray as xr
from mlflow.tracking.client import MlflowClient
from ruamel.yaml import YAML

from descent.lab import curves, draw, running
from descent.lab.page import report
from descent.lab.results import as_report
from descent.lab.tracking import local, patience, schema
from descent.lab.tracking import mirror as track
from descent.lab.tracking import store as stores
from descent.lab.tracking.address import hidden, shown
from descent.lab.tracking.series import CURVE, series
from descent.lab.tracking.views import sweep_views
from descent.result import Result, replicates, sweep
from faults import track as faults
from store import free_port, lay_out, result, save, serving
from toy import ROOT, toy_params


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A store with its schema and nothing else; making one takes seconds."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def brief(workspace):
    """The same with a result of short curves, for those who track it many times."""
    save(faults.toy())


@pytest.fixture
def workspace(tmp_path, monkeypatch, empty_store):
    """A folder with one block and its result, as the stages leave it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(track, "ROOT", tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    lay_out()
    return tmp_path


def runs(uri):
    """(top-level, nested) runs of the store."""
    client = MlflowClient(uri)
    found = client.search_runs([e.experiment_id for e in client.search_experiments()])
    nested = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    return [run for run in found if run not in nested], nested


@pytest.mark.long
def test_a_sweep_is_one_run_a_point_with_the_same_metric_names(workspace):
    track.main()
    client = MlflowClient(f"sqlite:///{workspace}/mlflow.db")
    (top,), nested = runs(f"sqlite:///{workspace}/mlflow.db")
    assert top.data.params == {"seed": "0", "alphas": "[1e-05, 0.1]"}
    assert {run.data.params["alpha"] for run in nested} == {"1e-05", "0.1"}
    assert {run.data.tags["mlflow.parentRunId"] for run in nested} == {top.info.run_id}
    by_alpha = {run.data.params["alpha"]: run for run in nested}
    assert by_alpha["1e-05"].data.metrics["error"] == 0.5
    assert by_alpha["1e-05"].data.metrics["distance/mean"] == 3.0
    assert top.data.metrics["slope"] == 1.5
    assert top.data.metrics["checks.held"] == top.data.metrics["checks.failed"] == 1.0
    assert top.data.metrics["check/bad"] == 0.0
    assert top.data.metrics["erratum/wrong"] == 1.0
    assert "norm/layer_2" in top.data.metrics
    assert top.inputs.dataset_inputs[0].dataset.digest
    assert top.data.tags["dvc.stage"] == "toy@one"
    history = client.get_metric_history(by_alpha["1e-05"].info.run_id, "distance/mean")
    assert len(history) == CURVE
    assert (history[0].step, history[-1].step) == (0, 1999)
    assert len({point.step for point in history}) == CURVE
    reached = client.get_metric_history(by_alpha["0.1"].info.run_id, "reached")
    assert [(point.step, point.value) for point in reached] == [(0, 8.0), (1999, 2.0)]


def test_a_run_has_its_cost_and_what_differs_from_the_last_commit_in_its_name(
    workspace, monkeypatch
):
    cost = Path("artifacts/cost/toy/one.json")
    cost.parent.mkdir(parents=True)
    cost.write_text('{"seconds": 2.5, "peak_mib": 99}', encoding="utf-8")
    for command in (["init", "-q"], ["add", "params.yaml"], ["commit", "-qm", "x"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *command], check=True)
    text = Path("params.yaml").read_text(encoding="utf-8")
    assert "seed: 0" in text
    Path("params.yaml").write_text(text.replace("seed: 0", "seed: 7"), encoding="utf-8")
    track.main()
    (top,), nested = runs(f"sqlite:///{workspace}/mlflow.db")
    assert top.info.run_name == "one seed=7"
    assert {run.info.run_name for run in nested} == {
        "one seed=7 alpha=1e-05",
        "one seed=7 alpha=0.1",
    }
    assert (top.data.metrics["seconds"], top.data.metrics["peak_mib"]) == (2.5, 99.0)
    assert top.data.tags["git.dirty"] == "true"


def test_names_tags_and_description_tell_runs_apart(workspace):
    track.main()
    client = MlflowClient(f"sqlite:///{workspace}/mlflow.db")
    (top,), nested = runs(f"sqlite:///{workspace}/mlflow.db")
    assert top.info.run_name == "one"
    # The UI lists the latest first, so the points stand in their order.
    points = sorted(nested, key=lambda run: -run.info.start_time)
    assert [run.info.run_name for run in points] == ["one alpha=1e-05", "one alpha=0.1"]
    own = {"seed": "0", "alpha": "1e-05", "log10_alpha": "-5"}  # no list is about a point
    assert points[0].data.params == own
    assert [run.data.metrics["sweep/alpha"] for run in points] == [1e-5, 1e-1]
    assert {run.data.tags["level"] for run in points} == {"point"}
    tags = top.data.tags
    assert (tags["family"], tags["block"], tags["level"]) == ("toy", "one", "result")
    assert (tags["verdict"], tags["checks.failed.names"]) == ("does not hold", "bad")
    assert tags["verdict.why"] == "bad nan ≤ 1"
    note = tags["mlflow.note.content"].splitlines()
    assert note[0] == "A toy is a toy."
    assert note[2] == "**does not hold**: bad nan ≤ 1"
    assert note[6] == "| bad | nan | ≤ 1 |  | a bound | **fails** |"
    assert note[7] == "| good, (yes) | 1 | = 1 |  | exact | holds |"
    assert "- far: no run goes there" in note
    assert note[-1] == "| wrong | somewhere | 1 | 2 | 2 | stands |"
    asked = client.get_experiment_by_name("toy").tags["mlflow.note.content"]
    assert asked.splitlines() == ["What does a toy do?", "", "- **one**: A toy is a toy."]


def test_the_whole_shows_every_final_value_over_the_sweep(workspace):
    track.main()
    client = MlflowClient(f"sqlite:///{workspace}/mlflow.db")
    (top,), _ = runs(f"sqlite:///{workspace}/mlflow.db")
    for key, expected in (("alpha", [1e-5, 1e-1]), ("reached", [4.0, 2.0])):
        history = client.get_metric_history(top.info.run_id, f"over_alpha/{key}")
        assert [(point.step, point.value) for point in history] == list(enumerate(expected))
    # In one of the points they end in no number.
    assert not {"over_alpha/error", "over_alpha/distance/mean"} & top.data.metrics.keys()


def test_two_sweeps_are_one_run_for_every_pair():
    both = ("width", "batch")
    cube = np.arange(12.0).reshape(2, 2, 3)
    made = Result(
        xr.Dataset(
            {"error": (("replicate", *both), cube), "bound": (both[:1], [7.0, 9.0])},
            coords={
                "replicate": replicates(2),
                "width": sweep((2, 40), "width", "R"),
                "batch": sweep((8, 16, 32), "batch", "B"),
            },
        ),
        {"gap": xr.DataArray([1.0, 2.0, 3.0], dims="batch", coords={"batch": [8, 16, 32]})},
        (),
    )
    logged = series(made.data, as_report(made))
    assert list(logged.points) == [(w, b) for w in ("2", "40") for b in ("8", "16", "32")]
    point = {key: curve[0] for key, curve in logged.points["40", "16"].curves.items()}
    assert point["error/mean"] == cube[:, 1, 1].mean()
    assert (point["bound"], point["gap"]) == (9.0, 2.0)
    assert (point["sweep/width"], point["sweep/batch"]) == (40.0, 16.0)


def test_a_sweep_over_integers_is_drawn_over_them():
    data = xr.Dataset(
        {"norm": (("batch",), [4.0, 2.0, 0.1])}, coords={"batch": sweep((8, 16, 64), "batch", "B")}
    )
    made = Result(data, {}, ())
    logged = series(made.data, as_report(made))
    assert logged.whole.curves["over_batch/norm"] == {8: 4.0, 16: 2.0, 64: 0.1}
    _, over = sweep_views("one", logged, "parent")
    (chart,) = over.state["compareRunCharts"]
    assert (chart["xAxisScaleType"], chart["scaleType"]) == ("linear", "log")


def test_what_is_not_finite_is_a_tag_and_never_a_metric(workspace):
    track.main()
    _, nested = runs(f"sqlite:///{workspace}/mlflow.db")
    run = next(run for run in nested if run.data.params["alpha"] == "0.1")
    assert run.data.tags["nonfinite.error"] == "inf"
    assert run.data.tags["nonfinite.distance/mean"] == "inf from step 1999"
    assert "error" not in run.data.metrics
    assert all(abs(value) < 1e300 for value in run.data.metrics.values())


def test_replicates_are_summarised_by_their_own_statistics():
    logged = series(result(bad=1.0).data, as_report(result(bad=1.0)))
    values = {key: curve[max(curve)] for key, curve in logged.points["0.1",].curves.items()}
    sample = np.array([1.0, 2.0, 6.0])
    assert values["distance/mean"] == sample.mean()
    assert values["distance/sd"] == pytest.approx(sample.std(ddof=1), rel=1e-15)
    assert values["distance/p05"] == pytest.approx(np.quantile(sample, 0.05), rel=1e-15)
    assert values["distance/p95"] == pytest.approx(np.quantile(sample, 0.95), rel=1e-15)
    assert not any(key.startswith("weights") for key in logged.whole.curves)


def test_a_call_with_nothing_to_add_does_without_mlflow(workspace, monkeypatch, capsys):
    track.main()
    monkeypatch.setattr(stores, "Store", None)
    track.main()
    assert not capsys.readouterr().err


def test_runs_of_an_older_naming_are_not_added_again(workspace):
    uri = f"sqlite:///{workspace}/mlflow.db"
    track.main()
    client = MlflowClient(uri)
    for run in (*runs(uri)[0], *runs(uri)[1]):
        client.update_run(run.info.run_id, name="as it was called")
    client.delete_tag(runs(uri)[0][0].info.run_id, "level")
    track.main()
    assert [len(found) for found in runs(uri)] == [1, 2]


def test_a_second_call_adds_nothing_and_a_changed_result_one_run(workspace):
    uri = f"sqlite:///{workspace}/mlflow.db"
    track.main()
    track.main()
    assert [len(found) for found in runs(uri)] == [1, 2]
    save(result(bad=3.0))
    track.main()
    track.main()
    assert [len(found) for found in runs(uri)] == [2, 4]


OLDER, NEWER = "bda7b8c39065", "ffffffffffff"  # that of MLflow 3.1.4, and none that there is


def age(path, revision):
    """Give a database another schema, and a run of somebody else."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = ?", [revision])
        database.execute("INSERT INTO runs (run_uuid, name) VALUES (?, 'mine')", [revision])


def names(path):
    with closing(sqlite3.connect(path)) as database:
        return [name for (name,) in database.execute("SELECT name FROM runs")]


@pytest.mark.long
def test_a_database_of_an_older_mlflow_is_set_aside_and_made_anew(workspace, monkeypatch, capsys):
    monkeypatch.setattr(schema, "STEADY", 0.01)
    age(workspace / "mlflow.db", OLDER)
    assert track.main("--if-old") == 0
    (line,) = capsys.readouterr().err.splitlines()
    (old,) = workspace.glob("mlflow.db.*.old")
    assert line.startswith(f"track: mlflow.db has the schema {OLDER} of another MLflow than ")
    assert (
        f"set aside as {old.name}, which keeps all its runs, also those that are not ours" in line
    )
    assert names(old) == ["mine"]
    assert [len(found) for found in runs(f"sqlite:///{workspace}/mlflow.db")] == [1, 2]
    monkeypatch.setattr(local, "alone", None)
    save(result(bad=3.0))
    assert track.main("--if-old") == 0  # it is not old, so nothing is done
    assert capsys.readouterr().err == ""


def test_the_schema_of_the_installed_mlflow_is_known_and_no_other_is_let_pass(
    workspace, monkeypatch, empty_store
):
    path = workspace / "mlflow.db"
    monkeypatch.setattr(schema, "STEADY", 0.01)
    assert schema.installed() == schema.of(path)
    assert schema.set_aside(path) == ""
    for count, revision in enumerate((OLDER, NEWER, NEWER), 1):
        shutil.copy(empty_store, path)
        age(path, revision)
        Path("mlflow.db-journal").write_bytes(b"")
        assert revision in schema.set_aside(path)
        assert not path.exists()
        assert not Path("mlflow.db-journal").exists()
        old = list(workspace.glob("mlflow.db.*.old"))
        assert len(old) == len(list(workspace.glob("mlflow.db.*.old-journal"))) == count
    assert all(names(one) == ["mine"] for one in old)


@pytest.mark.parametrize("content", [None, b"", b"nonsense", "other"])
def test_what_is_no_database_of_mlflow_is_not_set_aside(tmp_path, content):
    path = tmp_path / "mlflow.db"
    if content == "other":
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TABLE alembic_version (version_num TEXT)")
    elif content is not None:
        path.write_bytes(content)
    assert schema.set_aside(path) == ""
    assert path.exists() is (content is not None)


def test_a_database_that_is_being_made_is_waited_for(workspace, monkeypatch):
    """Another process is on its way from schema to schema."""
    path = workspace / "mlflow.db"
    steps = iter([NEWER, OLDER, schema.installed()])

    def sleep(seconds):
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE alembic_version SET version_num = ?", [next(steps)])

    age(path, OLDER)
    monkeypatch.setattr(schema.time, "sleep", sleep)
    assert schema.set_aside(path) == ""
    assert path.exists()


def test_a_database_that_somebody_names_stays_whatever_its_schema(workspace, monkeypatch, capsys):
    theirs = workspace / "theirs.db"
    (workspace / "mlflow.db").rename(theirs)
    age(theirs, NEWER)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{theirs}")
    monkeypatch.setattr(schema, "STEADY", 0.01)
    assert track.main() == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "1 of 1 results not tracked (" in line
    assert names(theirs) == ["mine"]
    assert not list(workspace.glob("*.old"))


@pytest.mark.parametrize("lost", ["folder", "files"])
def test_a_run_whose_files_are_lost_is_made_again(workspace, lost):
    uri = f"sqlite:///{workspace}/mlflow.db"
    track.main()
    (before,), _ = runs(uri)
    files = Path(workspace, "mlartifacts")
    if lost == "folder":
        shutil.rmtree(files)
    else:
        for file in [path for path in files.rglob("*") if path.is_file()]:
            file.unlink()
    track.main()
    (after,), nested = runs(uri)
    assert (after.info.run_id != before.info.run_id, len(nested)) == (True, 2)
    assert [path.name for path in files.rglob("*") if path.is_file()] == ["one.json"]
    track.main()
    assert runs(uri)[0][0].info.run_id == after.info.run_id


@pytest.mark.long
@pytest.mark.parametrize("way", [nullcontext, faults.as_server], ids=["file", "server"])
def test_what_is_killed_at_any_call_is_made_good_by_the_next(brief, empty_store, way):
    tally = faults.Tally("killed")
    with way():
        faults.at_every_call(tally, empty_store, faults.Killed(), 12)
    assert tally.counts["attempts"] >= 4
    assert tally.bad == []


@pytest.mark.long
def test_an_answer_that_is_lost_costs_a_line_and_no_run(brief, empty_store):
    tally = faults.Tally("lost")
    with faults.as_server():
        faults.at_every_call(tally, empty_store, OSError("the connection is lost"), 14)
    assert tally.bad == []


@pytest.mark.long
def test_two_at_once_leave_one_run_a_result_whoever_comes_first(brief, empty_store):
    tally = faults.Tally("overtaken")
    faults.overtake(tally, empty_store, 12)
    assert tally.bad == []


@pytest.mark.long
def test_what_is_deleted_lost_or_restored_ends_with_one_run_a_result(brief, empty_store):
    tally = faults.Tally("restored")
    faults.restored(tally, empty_store, short=True)
    assert tally.bad == []


def test_a_result_that_cannot_be_described_is_named_and_the_others_are_tracked(workspace, capsys):
    toys = {"broken": {"seed": 0}, "cut": {"seed": 1}, "one": {"seed": 2}}
    YAML().dump({"toy": toys}, Path("params.yaml"))
    for name in ("broken", "cut"):
        save(result(points=3), name)
        shutil.copy("src/descent/toy/one.py", f"src/descent/toy/{name}.py")
    Path("src/descent/toy/broken.py").write_text("def (", encoding="utf-8")
    Path("metrics/toy/cut.json").write_text("{", encoding="utf-8")
    assert track.main() == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "2 of 3 results not tracked (the first, toy/broken: src/descent/toy/broken.py" in line
    assert [run.info.run_name for run in runs(f"sqlite:///{workspace}/mlflow.db")[0]] == ["one"]


def test_a_deleted_experiment_is_brought_back(workspace):
    uri = f"sqlite:///{workspace}/mlflow.db"
    track.main()
    client = MlflowClient(uri)
    client.delete_experiment(client.get_experiment_by_name("toy").experiment_id)
    save(result(bad=3.0))
    track.main()
    assert "toy" in {experiment.name for experiment in client.search_experiments()}
    assert len(runs(uri)[0]) >= 1


def test_parameters_that_dvc_takes_for_equal_have_one_fingerprint(workspace):
    track.main()
    YAML().dump({"toy": {"one": {"seed": 0.0, "alphas": [1e-5, 0.1]}}}, Path("params.yaml"))
    track.main()
    assert len(runs(f"sqlite:///{workspace}/mlflow.db")[0]) == 1


@pytest.mark.parametrize("uri", ["http://127.0.0.1:{port}", "sqlite:///params.yaml/mlflow.db"])
def test_a_store_that_cannot_be_reached_is_one_warning(workspace, monkeypatch, capsys, uri):
    uri = uri.format(port=free_port())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    start = time.perf_counter()
    track.main()
    assert time.perf_counter() - start < 60  # once it was 101 s of silence
    (line,) = capsys.readouterr().err.splitlines()
    shown = uri.replace("sqlite:///", f"sqlite:///{workspace}/")  # a relative path, from the root
    assert line.startswith(f"track: {shown}: 1 of 1 results not tracked")
    assert line.endswith("repeat with `make track`")
    assert Path("artifacts/tracked.json").exists()


@pytest.mark.parametrize("how", ["drips", "nonsense"])
def test_a_server_that_never_ends_its_answer_is_left(workspace, monkeypatch, capsys, how):
    monkeypatch.setattr(patience, "SILENCE", 1.0)
    with faults.answering(how) as place:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@{place}")
        start = time.perf_counter()
        assert track.main() == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"track: http://***@{place}: 1 of 1 results not tracked")
    assert "secret" not in line
    assert time.perf_counter() - start < 30


def test_work_that_ends_nowhere_is_left_and_a_stop_of_this_process_does_not_count(monkeypatch):
    monkeypatch.setattr(patience, "WHOLE", 1.0)
    waits = patience.Patience()
    assert waits.until(lambda: time.sleep(3)) == "not done in 1 s"
    with pytest.raises(patience.Left):
        waits.answered()


@pytest.mark.parametrize("way", ["nonsense", "cut", "folder", "null", "nowhere", "locks"])
def test_a_database_that_cannot_be_used_is_a_line(workspace, monkeypatch, capsys, way):
    monkeypatch.setattr(local, "BUSY", 0.1)
    with faults.tempered(way, workspace / "mlflow.db") as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert track.main() == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "1 of 1 results not tracked (" in line


def test_a_locked_database_and_a_stopped_process_with_the_lock_are_lines(
    workspace, monkeypatch, capsys
):
    monkeypatch.setattr(local, "BUSY", 0.1)
    monkeypatch.setattr(local, "STOPPED", 1)
    with closing(sqlite3.connect(workspace / "mlflow.db", isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        track.main()
    assert "results not tracked (database is locked)" in capsys.readouterr().err
    with faults.holding(workspace / ".mlflow.lock") as other:
        track.main()
    said = capsys.readouterr().err
    assert f".mlflow.lock is held by process {other}, which is stopped)" in said


def test_the_door_on_a_full_disk_says_a_line_and_ends_well(workspace):
    Path("mlflow.db").unlink()
    limit = "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
    code = limit + f"runpy.run_path({str(faults.DOOR)!r}, run_name='__main__')"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=faults.environment(), capture_output=True, encoding="utf-8", check=True
    )
    (line,) = done.stderr.splitlines()
    assert "1 of 1 results not tracked" in line
    assert "File too large" in line  # of the file that DVC sees, too
    assert Path("artifacts/tracked.json").exists()  # so that the stage has not failed


@pytest.mark.long
def test_a_result_without_a_number_goes_through_every_door(workspace, capsys):
    """Five steps, in which no singular value emerges: all times are NaN, and the panel of them is empty."""
    for path in list(workspace.iterdir()):
        if path.is_dir():
            shutil.rmtree(path)
    for name in ("src", "stages", "dvc.yaml"):
        Path(name).unlink(missing_ok=True)
        Path(name).symlink_to(ROOT / name)
    block = toy_params()["sensing"]["emergence"] | {"steps": 5}
    YAML(typ="safe").dump({"sensing": {"emergence": block}}, Path("params.yaml"))
    running.run("descent.sensing.emergence", "sensing/emergence")
    draw.draw("sensing")
    curves.curves()
    report.main()
    assert track.main() == 0
    assert capsys.readouterr().err == ""
    assert [run.info.run_name for run in runs(f"sqlite:///{workspace}/mlflow.db")[0]] == [
        "emergence"
    ]
    assert "had not emerged after 5 steps" in Path("report/index.html").read_text(encoding="utf-8")
    assert Path("plots/sensing/emergence.svg").exists()


PASSWORD, TOKEN = "p@ss/w:rd?#", "a-t0ken/of=mine"


@pytest.mark.parametrize(
    ("uri", "secret"),
    [
        (f"http://me:{quote(PASSWORD, safe='')}@host:1/path", PASSWORD),
        (f"postgresql://me:{PASSWORD}@host/db", PASSWORD),
        (f"me:{PASSWORD}@host", PASSWORD),
        (f"https://{'t0ken' * 4}:x-oauth-basic@host", "t0ken" * 4),
        (f"https://{TOKEN}@host/path", TOKEN),
        (f"http://host/path?code={quote(TOKEN, safe='')}&more=1", TOKEN),
        (f"http://host/?more=1@2&other={quote(TOKEN)}", TOKEN),
        (f"http://host/#{quote(TOKEN)}", TOKEN),
    ],
)
def test_no_form_of_a_password_is_printed(uri, secret, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "header-of-mine")
    forms = [secret, quote(secret), quote(secret, safe=""), quote_plus(secret), "header-of-mine"]
    forms += [b64encode(secret.encode()).decode(), b64encode(f"me:{PASSWORD}".encode()).decode()]
    forms = forms if f"me:{secret}" in unquote(uri) else forms[:-1]
    said = hidden(f"no {uri!r}, {' and '.join(forms)}; Basic abcdefgh1", uri) + shown(uri)
    assert [form for form in [*forms, "abcdefgh1"] if form in said] == []
    assert "@" in uri.partition("?")[2] + uri.partition("#")[2] or "host" in shown(uri)


def test_passwords_of_an_address_are_not_printed(workspace, monkeypatch, capsys):
    uri = f"http://me:secret%2Fword@127.0.0.1:{free_port()}/?token=of-mine"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    track.main()
    said = capsys.readouterr().err
    assert not [part for part in ("secret", "of-mine") if part in said]
    assert said.startswith("track: http://***@127.0.0.1")


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("", "sqlite:///{root}/mlflow.db"),
        ("sqlite:///mine.db", "sqlite:///{root}/mine.db"),
        ("sqlite:////elsewhere/mine.db", "sqlite:////elsewhere/mine.db"),
        ("sqlite:///./mine.db", "sqlite:///{root}/mine.db"),
        ("sqlite+pysqlite:///mine.db?timeout=1", "sqlite+pysqlite:///{root}/mine.db?timeout=1"),
        ("mine", "{root}/mine"),
        ("./mine", "{root}/mine"),
        ("file:mine", "file://{root}/mine"),
        ("file://./mine", "file://{root}/mine"),
        ("file:///elsewhere/mine", "file:///elsewhere/mine"),
        ("databricks", "databricks"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_a_relative_address_counts_from_the_root(workspace, monkeypatch, uri, address):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert track.address(workspace) == address.format(root=workspace)


def test_a_database_in_memory_is_refused_in_a_line(workspace, monkeypatch, capsys):
    for uri in ("sqlite://", "sqlite:///:memory:"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        track.main()
        assert "1 of 1 results not tracked (a database in memory" in capsys.readouterr().err


@pytest.mark.long
def test_a_real_server_takes_the_results_once(workspace, monkeypatch):
    with serving(workspace, "server.db") as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        track.main()
        track.main()
        assert [len(found) for found in runs(uri)] == [1, 2]
        save(result(bad=3.0))
        doors = [faults.start(uri), faults.start(uri, ahead=-3600)]
        assert [door.communicate()[0] for door in doors] == ["", ""]
        assert not sum(faults.ailing(workspace / "server.db").values())
        save(result())
        artifacts = mlflow.MlflowClient(uri).list_artifacts(runs(uri)[0][0].info.run_id)
        assert [artifact.path for artifact in artifacts] == ["one.json"]
        assert runs(f"sqlite:///{workspace}/mlflow.db") == ([], [])

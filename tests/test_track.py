"""The tracking of results against real stores: one run a result, whatever happened before."""

import shutil
import time
from pathlib import Path

import mlflow
import numpy as np
import pytest
import xarray as xr
from filelock import FileLock
from mlflow.tracking.client import MlflowClient
from ruamel.yaml import YAML

from descent.lab.results import as_report
from descent.lab.tracking import local
from descent.lab.tracking import mirror as track
from descent.lab.tracking import store as stores
from descent.lab.tracking.series import CURVE, series
from descent.lab.tracking.views import sweep_views
from descent.result import Result, replicates, sweep
from store import free_port, lay_out, result, save, serving


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A store with its schema and nothing else; making one takes seconds."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


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


def test_names_tags_and_description_tell_runs_apart(workspace):
    track.main()
    client = MlflowClient(f"sqlite:///{workspace}/mlflow.db")
    (top,), nested = runs(f"sqlite:///{workspace}/mlflow.db")
    assert top.info.run_name == "one"
    # The UI lists the latest first, so the points stand in their order.
    points = sorted(nested, key=lambda run: -run.info.start_time)
    assert [run.info.run_name for run in points] == ["one alpha=1e-05", "one alpha=0.1"]
    assert points[0].data.params == {"seed": "0", "alpha": "1e-05"}  # no list is about a point
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


@pytest.mark.parametrize(
    ("method", "calls"),
    [("log_batch", 1), ("log_batch", 2), ("log_batch", 3), ("set_terminated", 3)],
)
def test_a_killed_call_is_replaced_by_the_next(workspace, monkeypatch, method, calls):
    """Killed in the middle: at that call of that method, with no chance to clean up."""

    class Killed(BaseException):
        pass

    real, count = getattr(MlflowClient, method), []

    def dying(self, *args, **kwargs):
        count.append(1)
        if len(count) == calls:
            raise Killed
        return real(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, method, dying)
        with pytest.raises(Killed):
            track.main()
    track.main()
    top, nested = runs(f"sqlite:///{workspace}/mlflow.db")
    assert (len(top), len(nested)) == (1, 2)
    assert {run.info.status for run in top + nested} == {"FINISHED"}


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
    assert time.perf_counter() - start < 15
    (line,) = capsys.readouterr().err.splitlines()
    shown = uri.replace("sqlite:///", f"sqlite:///{workspace}/")  # a relative path, from the root
    assert line.startswith(f"track: {shown}: 1 of 1 results not tracked")
    assert line.endswith("repeat with `make track`")
    assert Path("artifacts/tracked.json").exists()


def test_passwords_of_an_address_are_not_printed(workspace, monkeypatch, capsys):
    uri = f"http://me:secret@127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    track.main()
    said = capsys.readouterr().err
    assert "secret" not in said
    assert said.startswith("track: http://***@127.0.0.1")


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("", "sqlite:///{root}/mlflow.db"),
        ("sqlite:///mine.db", "sqlite:///{root}/mine.db"),
        ("sqlite:////elsewhere/mine.db", "sqlite:////elsewhere/mine.db"),
        ("mine", "{root}/mine"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_a_relative_address_counts_from_the_root(workspace, monkeypatch, uri, address):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert track.address(workspace) == address.format(root=workspace)


def test_two_calls_at_once_on_a_server_wait_for_each_other(workspace, monkeypatch, capsys):
    monkeypatch.setattr(local, "PATIENCE", 1)
    with FileLock(workspace / ".mlflow.lock"):
        track.main()
    assert "1 of 1 results not tracked" in capsys.readouterr().err
    assert runs(f"sqlite:///{workspace}/mlflow.db") == ([], [])


def test_a_real_server_takes_the_results_once(workspace, monkeypatch):
    with serving(workspace, "server.db") as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        track.main()
        track.main()
        assert [len(found) for found in runs(uri)] == [1, 2]
        artifacts = mlflow.MlflowClient(uri).list_artifacts(runs(uri)[0][0].info.run_id)
        assert [artifact.path for artifact in artifacts] == ["one.json"]
        assert runs(f"sqlite:///{workspace}/mlflow.db") == ([], [])

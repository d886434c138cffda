"""stages/track.py against real stores: one run a result, whatever happened before."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import mlflow
import numpy as np
import pytest
import xarray as xr
from mlflow.tracking.client import MlflowClient
from ruamel.yaml import YAML

import track
from descent.result import Check, Erratum, Result, replicates, steps, sweep
from run import as_report
from series import CURVE, series


def result(points=2000, bad=np.inf):
    """A sweep over α with replicates and a long curve that ends in something that is no number."""
    t, alphas = np.arange(points), (1e-5, 1e-1)
    curve = np.ones((3, 2, points)) * np.array([1, 2, 6])[:, None, None]
    curve[0, 1, -1] = bad
    error = xr.DataArray([0.5, bad], dims="alpha", coords={"alpha": list(alphas)})
    return Result(
        data=xr.Dataset(
            {
                "distance": (("replicate", "alpha", "t"), curve),
                "norm": (("t", "layer"), np.ones((points, 2))),
                "weights": (("replicate", "parameter"), np.ones((3, 50))),
            },
            coords={
                "alpha": sweep(alphas, "alpha", "α"),
                "t": steps(t, "t", "step t"),
                "replicate": replicates(3),
                "layer": ("layer", [1, 2]),
            },
        ),
        metrics={"error": error, "slope": 1.5},
        checks=(Check("good, (yes)", 1.0, "==", 1.0, 0.0), Check("bad", np.nan, "<=", 1.0, 0.0)),
        errata=(Erratum("wrong", "somewhere", 1.0, 2.0, 2.0, 0.1),),
    )


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
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setattr(track, "ROOT", tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    command = "python stages/run.py descent.toy.${key} toy/${key}"
    YAML().dump({"toy": {"one": {"seed": 0, "alphas": [1e-5, 1e-1]}}}, Path("params.yaml"))
    YAML().dump({"stages": {"toy": {"do": {"cmd": command}}}}, Path("dvc.yaml"))
    save(result())
    return tmp_path


def save(made):
    for folder in ("artifacts/toy", "metrics/toy"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    made.data.to_netcdf("artifacts/toy/one.nc", engine="scipy")
    Path("metrics/toy/one.json").write_text(json.dumps(as_report(made)))


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
    values = {key: value for key, step, value in logged.points["0.1"].points if step == 0}
    sample = np.array([1.0, 2.0, 6.0])
    assert values["distance/mean"] == sample.mean()
    assert values["distance/sd"] == pytest.approx(sample.std(ddof=1), rel=1e-15)
    assert values["distance/p05"] == pytest.approx(np.quantile(sample, 0.05), rel=1e-15)
    assert values["distance/p95"] == pytest.approx(np.quantile(sample, 0.95), rel=1e-15)
    assert not any(key.startswith("weights") for key, _, _ in logged.whole.points)


def test_a_second_call_adds_nothing_and_a_changed_result_one_run(workspace):
    uri = f"sqlite:///{workspace}/mlflow.db"
    track.main()
    track.main()
    assert [len(found) for found in runs(uri)] == [1, 2]
    save(result(bad=3.0))
    track.main()
    track.main()
    assert [len(found) for found in runs(uri)] == [2, 4]


@pytest.mark.parametrize("calls", [1, 2, 4, 6])
def test_a_killed_call_is_replaced_by_the_next(workspace, monkeypatch, calls):
    """Killed in the middle: after `calls` batches, with no chance to clean up."""

    class Killed(BaseException):
        pass

    real, count = MlflowClient.log_batch, []

    def dying(self, *args, **kwargs):
        count.append(1)
        if len(count) == calls:
            raise Killed
        return real(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", dying)
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


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize("uri", ["http://127.0.0.1:{port}", "sqlite:///params.yaml/mlflow.db"])
def test_a_store_that_cannot_be_reached_is_one_warning(workspace, monkeypatch, capsys, uri):
    uri = uri.format(port=free_port())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    start = time.perf_counter()
    track.main()
    assert time.perf_counter() - start < 15
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"track: {uri}: 1 of 1 results not tracked")
    assert line.endswith("repeat with `make track`")
    assert Path("artifacts/tracked.json").exists()


def test_a_real_server_takes_the_results_once(workspace, monkeypatch):
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", f"{port}", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--backend-store-uri", f"sqlite:///{workspace}/server.db"]
    command += ["--artifacts-destination", f"{workspace}/served"]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (workspace / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, env=os.environ | quiet, stdout=log, stderr=log, start_new_session=True
        )
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"{uri}/health", timeout=1):
                    break
            except OSError:
                time.sleep(0.25)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        track.main()
        track.main()
        assert [len(found) for found in runs(uri)] == [1, 2]
        artifacts = mlflow.MlflowClient(uri).list_artifacts(runs(uri)[0][0].info.run_id)
        assert [artifact.path for artifact in artifacts] == ["one.json"]
        assert runs(f"sqlite:///{workspace}/mlflow.db") == ([], [])
    finally:
        os.killpg(server.pid, 9)
        server.wait()

"""Results at toy size as the stages leave them, and an MLflow server on what is tracked of them."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xarray as xr
from ruamel.yaml import YAML

from descent.lab.results import as_report, dumps
from descent.result import Check, Erratum, Result, replicates, steps, sweep

ALPHAS = (1e-5, 1e-1)


def result(points=2000, bad=np.inf):
    """A sweep over α with replicates and a long curve that ends in something that is no number."""
    t = np.arange(points)
    curve = np.ones((3, 2, points)) * np.array([1, 2, 6])[:, None, None]
    curve[0, 1, -1] = bad
    error = xr.DataArray([0.5, bad], dims="alpha", coords={"alpha": list(ALPHAS)})
    reached = xr.DataArray(
        [[8.0, 4.0], [8.0, 2.0]],
        dims=("alpha", "t"),
        coords={"alpha": list(ALPHAS), "t": [0, points - 1]},
    )
    return Result(
        data=xr.Dataset(
            {
                "distance": (("replicate", "alpha", "t"), curve),
                "norm": (("t", "layer"), np.ones((points, 2))),
                "weights": (("replicate", "parameter"), np.ones((3, 50))),
            },
            coords={
                "alpha": sweep(ALPHAS, "alpha", "α"),
                "t": steps(t, "t", "step t"),
                "replicate": replicates(3),
                "layer": ("layer", [1, 2]),
            },
        ),
        metrics={"error": error, "reached": reached, "slope": 1.5},
        checks=(
            Check("good, (yes)", 1.0, "==", 1.0, 0.0, "exact"),
            Check("bad", np.nan, "<=", 1.0, 0.0, "a bound"),
        ),
        errata=(Erratum("wrong", "somewhere", 1.0, 2.0, 2.0, 0.1),),
        unchecked={"far": "no run goes there"},
    )


def save(made: Result, name: str = "one") -> None:
    for folder in ("artifacts/toy", "metrics/toy"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    made.data.to_netcdf(f"artifacts/toy/{name}.nc", engine="scipy")
    Path(f"metrics/toy/{name}.json").write_text(dumps(as_report(made)), encoding="utf-8")


def lay_out() -> None:
    """A project of one experiment in the current folder, tracked nowhere."""
    command = "python stages/run.py descent.toy.${key} toy/${key}"
    YAML().dump({"toy": {"one": {"seed": 0, "alphas": list(ALPHAS)}}}, Path("params.yaml"))
    stage = {"do": {"cmd": command, "desc": "What does a toy do?"}}
    YAML().dump({"stages": {"toy": stage}}, Path("dvc.yaml"))
    Path("src/descent/toy").mkdir(parents=True)
    Path("src/descent/toy/one.py").write_text(
        '"""A toy is a toy.\n\nAnd no more.\n"""\n\n\ndef run(config): ...\n', encoding="utf-8"
    )
    save(result())


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def serving(root: Path, database: str):
    """The address of an MLflow server, as `make ui` starts it."""
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", f"{port}", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--backend-store-uri", f"sqlite:///{root / database}"]
    command += ["--artifacts-destination", f"{root}/served"]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (root / "server.log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            command, env=os.environ | quiet, stdout=log, stderr=log, start_new_session=True
        )
    try:
        for _ in range(960):  # a busy machine takes minutes
            try:
                with urllib.request.urlopen(f"{uri}/health", timeout=1):
                    break
            except OSError:
                time.sleep(0.25)
        yield uri
    finally:
        os.killpg(server.pid, 9)
        server.wait()

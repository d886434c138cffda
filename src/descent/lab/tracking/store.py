"""The MLflow store: one experiment a family, one run a result, one nested run a point of its sweep.

A run is named after its block, a nested run after its point too (`overparam alpha=1e-05`); tags tell results from
points (`level`) and claims that hold from those that do not, or that say nothing (`verdict`, `verdict.why`,
`checks.failed.names`), and the description has the table of checks.
"""

import hashlib
import json
import os
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from descent.lab.environment import without_git
from descent.lab.files import read
from descent.lab.project import Block
from descent.lab.tracking.describe import NOTE, description
from descent.lab.tracking.mirror import FINGERPRINT, Tracked, canonical, digest
from descent.lab.tracking.series import Series, series
from descent.lab.tracking.views import checks_view, colour, sweep_views
from descent.lab.words import outcome
from descent.maths import device

BATCH = 1000  # MLflow's limit of metrics a call
PARAMETER = 6000  # its limit of characters a parameter


def provenance() -> dict[str, str]:
    """Tags that say where a result comes from."""

    def git(*arguments: str) -> str:
        command = ("git", *arguments)
        try:
            done = subprocess.run(command, capture_output=True, env=without_git())
        except OSError:  # there is no git
            return ""
        return done.stdout.decode("utf-8", "replace").strip()

    packages = ("numpy", "scipy", "numba", "torch")
    experiment = os.environ.get("DVC_EXP_NAME")
    return {
        "mlflow.source.git.commit": git("rev-parse", "HEAD"),
        "git.dirty": str(bool(git("status", "--porcelain"))).lower(),
        "device": device.name(),
        **({"dvc.experiment": experiment} if experiment else {}),
        **{f"version.{package}": version(package) for package in packages},
    }


class Store:
    """The MLflow store: a thin layer over its client, for whole results."""

    def __init__(self, uri: str, root: Path):
        from mlflow import MlflowClient  # 1.6 s

        self.artifacts = root / "mlartifacts" if uri.startswith("sqlite:") else None
        self.client = MlflowClient(uri)
        self.tags = provenance()

    def experiment(self, family: str, note: str) -> str:
        """The id of the experiment of this name, made or brought back if need be."""
        found = self.client.get_experiment_by_name(family)
        if found is None:
            place = (self.artifacts / family).as_uri() if self.artifacts else None
            identity, tags = self.client.create_experiment(family, artifact_location=place), {}
        else:
            identity, tags = found.experiment_id, found.tags
            if found.lifecycle_stage == "deleted":
                self.client.restore_experiment(identity)
        shown = dict([("mlflow.note.content", note), checks_view().tag])
        shown["mlflow.experimentKind"] = "custom_model_development"  # not a chat, says the UI
        for key, value in shown.items():
            if tags.get(key) != value:
                self.client.set_experiment_tag(identity, key, value)
        return identity

    def forget_unfinished(self, experiment: str, fingerprint: str) -> bool:
        """Delete what a killed call left of this result; true if the result is there whole."""
        runs = self.client.search_runs([experiment], f"tags.`{FINGERPRINT}` = '{fingerprint}'")
        tops = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
        if any(run.info.status == "FINISHED" for run in tops):
            return True
        for run in runs:
            self.client.delete_run(run.info.run_id)
        return False

    def add(self, experiment: str, result: Tracked) -> None:
        """Log a result unless it is there; its own run is finished last, so that a kill shows."""
        if self.forget_unfinished(experiment, result.fingerprint):
            return
        block, now = result.block, int(time.time() * 1000)
        logged = series(read(f"artifacts/{block.path}.nc"), result.report)
        tags = self.tags | {
            **{FINGERPRINT: result.fingerprint, "dvc.stage": block.stage},
            **{"family": block.family, "block": block.name},
        }
        parent = self.client.create_run(
            experiment, start_time=now, run_name=block.name, tags=tags | told(result)
        ).info.run_id
        self.log(parent, logged.whole, {k: str(v) for k, v in block.parameters.items()})
        self.add_points(experiment, parent, now, tags, block, logged)
        self.client.log_inputs(parent, [dataset(block)])
        self.client.log_artifact(parent, f"metrics/{block.path}.json")
        if (figure := Path(f"plots/{block.path}.svg")).exists():
            self.client.log_artifact(parent, str(figure))
        if logged.points:
            for view in sweep_views(block.name, logged, parent):
                self.client.set_experiment_tag(experiment, *view.tag)
        self.client.set_terminated(parent)

    def add_points(self, experiment: str, parent: str, now: int, tags: dict, block: Block, logged):
        """A nested run a point of the sweep."""
        # Of the parameters, what a point shares with other results; a list is not about a point.
        shared = {k: str(v) for k, v in block.parameters.items() if not isinstance(v, list | dict)}
        for index, (labels, values) in enumerate(logged.points.items(), 1):
            point = dict(zip(logged.sweep, labels, strict=True))
            shade = colour((index - 1) / max(1, len(logged.points) - 1))
            own = {"level": "point", "mlflow.parentRunId": parent, "mlflow.runColor": shade}
            child = self.client.create_run(
                experiment,
                start_time=now - index,  # the UI lists the latest first
                run_name=" ".join([block.name, *(f"{dim}={at}" for dim, at in point.items())]),
                tags=tags | own,
            ).info.run_id
            self.log(child, values, shared | point)
            self.client.set_terminated(child)

    def log(self, run: str, values: Series, parameters: dict[str, str]) -> None:
        """Parameters, metrics in batches, and what is not finite as tags."""
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, step) for key, step, value in values.points]
        rest = {
            "params": [Param(key, value[:PARAMETER]) for key, value in parameters.items()],
            "tags": [RunTag(f"nonfinite.{key}", text) for key, text in values.nonfinite.items()],
        }
        size = BATCH - sum(map(len, rest.values()))
        self.client.log_batch(run, metrics=metrics[:size], **rest)
        for first in range(size, len(metrics), BATCH):
            self.client.log_batch(run, metrics=metrics[first : first + BATCH])


def told(result: Tracked) -> dict[str, str]:
    """The tags that say what a result is and what became of its claim."""
    report = result.report
    failed = [check["name"] for check in report["checks"].values() if not check["holds"]]
    why = outcome(report)[len(report["verdict"]) + 2 :]
    return {
        "level": "result",
        "verdict": report["verdict"],
        **({"verdict.why": why[:NOTE]} if why else {}),
        **({"checks.failed.names": ", ".join(failed)[:NOTE]} if failed else {}),
        "mlflow.note.content": description(result.block, report),
    }


def dataset(block: Block):
    """What the experiment reads, or for a synthetic problem the parameters that draw it."""
    from mlflow.entities import Dataset, DatasetInput

    inputs = block.inputs()
    if inputs:
        name, kind = inputs[0], "local"
        content = digest(Path(name))
    else:
        name, kind = f"{block.path} (synthetic)", "code"
        text = json.dumps(canonical(block.parameters), sort_keys=True)
        content = hashlib.sha256(text.encode()).hexdigest()
    source = json.dumps({"uri": inputs[0] if inputs else str(block.source)})
    return DatasetInput(Dataset(name, content[:16], kind, source))

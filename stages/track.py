"""Mirror every result into MLflow, once: `python stages/track.py`.

One MLflow experiment a family, one run a result, one nested run a point of its sweep. A result is
known by a fingerprint of its parameters and outputs, so a cached stage, a fresh clone, a second call
or a lost store end with exactly one run each. A run is named after its block, a nested run after its
point too (`overparam alpha=1e-05`); tags tell results from points (`level`) and claims that hold from
those that fail (`verdict`, `checks.failed.names`), and the description has the table of checks. The
saved views of stages/views.py open on them. The store is $MLFLOW_TRACKING_URI, else mlflow.db at
the root of the repository, also from the temporary workspaces of `dvc exp run`. A store that cannot
be used is one warning, never a failure: the science does not depend on it.
"""

import hashlib
import json
import logging
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from blocks import Block, blocks
from descent.maths import device
from describe import NOTE, description, question
from files import read, write
from series import Series, series
from views import checks_view, colour, sweep_views

ROOT = Path(os.environ.get("DVC_ROOT") or Path(__file__).parents[1])
MARKER = Path("artifacts/tracked.json")  # what DVC sees of this stage
FINGERPRINT = "descent.fingerprint"
BATCH = 1000  # MLflow's limit of metrics a call


class Tracked(NamedTuple):
    """A block with its results."""

    block: Block
    report: dict  # metrics/….json
    fingerprint: str


def canonical(value):
    """Parameters as DVC compares them: 1, 1.0 and true are one value."""
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    return float(value) if isinstance(value, int | float) else value


def digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents in a folder."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        parts = "".join(f"{file.relative_to(path)} {digest(file)}\n" for file in files)
        return hashlib.sha256(parts.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def results() -> list[Tracked]:
    """Every block that has been run."""
    found = []
    for block in blocks():
        artifact, metrics = Path(f"artifacts/{block.path}.nc"), Path(f"metrics/{block.path}.json")
        if artifact.exists() and metrics.exists():
            parts = [block.path, json.dumps(canonical(block.parameters), sort_keys=True)]
            parts += [digest(artifact), digest(metrics)]
            fingerprint = hashlib.sha256("\n".join(parts).encode()).hexdigest()
            found.append(Tracked(block, json.loads(metrics.read_text()), fingerprint))
    return found


def known(uri: str) -> set[str]:
    """Fingerprints of whole results in a local store, read without MLflow, whose import costs 2 s.

    An answer too small costs only that time, so whatever is wrong here is left to MLflow.
    """
    query = """
        SELECT tags.value FROM tags JOIN runs USING (run_uuid) JOIN experiments USING (experiment_id)
        WHERE tags.key = ? AND runs.status = 'FINISHED' AND runs.lifecycle_stage = 'active'
        AND experiments.lifecycle_stage = 'active' AND NOT EXISTS (
            SELECT 1 FROM tags AS parent
            WHERE parent.run_uuid = runs.run_uuid AND parent.key = 'mlflow.parentRunId')
    """
    path = uri.removeprefix("sqlite:///")
    if path == uri:
        return set()
    try:
        with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as db:
            return {value for (value,) in db.execute(query, (FINGERPRINT,))}
    except sqlite3.Error:
        return set()


def provenance() -> dict[str, str]:
    """Tags that say where a result comes from."""

    def git(*arguments: str) -> str:
        return subprocess.run(("git", *arguments), capture_output=True, text=True).stdout.strip()

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

    def __init__(self, uri: str):
        from mlflow import MlflowClient  # 1.6 s

        self.local = uri.startswith("sqlite:")
        self.client = MlflowClient(uri)
        self.tags = provenance()

    def experiment(self, family: str, note: str) -> str:
        """The id of the experiment of this name, made or brought back if need be."""
        found = self.client.get_experiment_by_name(family)
        if found is None:
            place = (ROOT / "mlartifacts" / family).as_uri() if self.local else None
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
        block = result.block
        logged = series(read(f"artifacts/{block.path}.nc"), result.report)
        tags = self.tags | {
            **{FINGERPRINT: result.fingerprint, "dvc.stage": block.stage},
            **{"family": block.family, "block": block.name},
        }
        failed = [c["name"] for c in result.report["checks"].values() if not c["holds"]]
        now = int(time.time() * 1000)
        parent = self.client.create_run(
            experiment,
            start_time=now,
            run_name=block.name,
            tags=tags
            | {"level": "result", "verdict": "fails" if failed else "holds"}
            | ({"checks.failed.names": ", ".join(failed)[:NOTE]} if failed else {})
            | {"mlflow.note.content": description(result.block, result.report)},
        ).info.run_id
        parameters = {key: str(value) for key, value in block.parameters.items()}
        self.log(parent, logged.whole, parameters)
        # Of the parameters, what a point shares with other results; a list is not about a point.
        shared = {k: str(v) for k, v in block.parameters.items() if not isinstance(v, list | dict)}
        for index, (labels, values) in enumerate(logged.points.items(), 1):
            point = dict(zip(logged.sweep, labels, strict=True))
            shade = colour((index - 1) / max(1, len(logged.points) - 1))
            child = self.client.create_run(
                experiment,
                start_time=now - index,  # the UI lists the latest first
                run_name=" ".join([block.name, *(f"{dim}={at}" for dim, at in point.items())]),
                tags=tags
                | {"level": "point", "mlflow.parentRunId": parent, "mlflow.runColor": shade},
            ).info.run_id
            self.log(child, values, shared | point)
            self.client.set_terminated(child)
        self.client.log_inputs(parent, [dataset(block)])
        self.client.log_artifact(parent, f"metrics/{block.path}.json")
        if (figure := Path(f"plots/{block.path}.svg")).exists():
            self.client.log_artifact(parent, str(figure))
        if logged.points:
            for view in sweep_views(block.name, logged, parent):
                self.client.set_experiment_tag(experiment, *view.tag)
        self.client.set_terminated(parent)

    def log(self, run: str, values: Series, parameters: dict[str, str]) -> None:
        """Parameters, metrics in batches, and what is not finite as tags."""
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, step) for key, step, value in values.points]
        rest = {
            "params": [Param(key, value) for key, value in parameters.items()],
            "tags": [RunTag(f"nonfinite.{key}", text) for key, text in values.nonfinite.items()],
        }
        size = BATCH - sum(map(len, rest.values()))
        self.client.log_batch(run, metrics=metrics[:size], **rest)
        for first in range(size, len(metrics), BATCH):
            self.client.log_batch(run, metrics=metrics[first : first + BATCH])


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


def main() -> None:
    found = results()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT / 'mlflow.db'}"
    os.environ |= {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    logging.disable(logging.WARNING)  # the first use of a store logs its schema's history
    # Two processes that make the store at once collide.
    lock = FileLock(ROOT / ".mlflow.lock") if uri.startswith("sqlite:") else nullcontext()
    left = found
    try:
        there = known(uri)
        left = [result for result in found if result.fingerprint not in there]
        with lock if left else nullcontext():
            store = Store(uri) if left else None
            for family in dict.fromkeys(result.block.family for result in left):
                ours = [result.block for result in found if result.block.family == family]
                experiment = store.experiment(family, question(ours))
                for result in [result for result in left if result.block.family == family]:
                    store.add(experiment, result)
                    left = [other for other in left if other is not result]
    except Exception as error:  # whatever is wrong with the store, the results stand
        reason = " ".join(str(error).split())[:200]
        print(
            f"track: {uri}: {len(left)} of {len(found)} results not tracked ({reason}); "
            "repeat with `make track`",
            file=sys.stderr,
        )
    marker = {result.block.path: result.fingerprint for result in found}
    write(MARKER, lambda p: p.write_text(json.dumps(marker, indent=2) + "\n"))


if __name__ == "__main__":
    main()

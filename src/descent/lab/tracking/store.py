"""The MLflow store: one experiment a family, one run a result, one nested run a point of its sweep.

A run is named after its block and the parameters that are others than in the last commit (`overparam rank=3`), a nested
run after its point too (`overparam alpha=1e-05`).
"""

import time
from collections.abc import Callable
from pathlib import Path

from descent.lab.tracking import local
from descent.lab.tracking.address import artifacts, database
from descent.lab.tracking.census import (
    FINGERPRINT,
    PARENT,
    POINTS,
    TAGS,
    Census,
    Seen,
    alive,
    census,
)
from descent.lab.tracking.content import PARAMETER, Content, provenance
from descent.lab.tracking.patience import Patience, Watched
from descent.lab.tracking.series import Series, logarithms
from descent.lab.tracking.views import checks_view, colour, sweep_views

BATCH = 1000  # MLflow's limit of metrics a call
PAGE = 1000  # runs an answer
OURS = f"tags.`{checks_view().tag[0]}` LIKE '%'"  # an experiment of a family, also if renamed


class Store:
    """The MLflow store: a thin layer over its client, for whole results."""

    def __init__(self, uri: str, root: Path, patience: Patience):
        from mlflow import MlflowClient  # 1.6 s

        self.artifacts, self.database = artifacts(uri, root), database(uri)
        if self.database:
            local.unhurried()
        patience.answered()
        self.client = Watched(MlflowClient(uri), patience.answered)
        self.tags = provenance()

    def experiment(self, family: str, note: str) -> tuple[str, bool]:
        """The id of the experiment of this name, made if need be; and whether runs in it were out of sight."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(family)
        if new := found is None:
            place = (self.artifacts / family).as_uri() if self.artifacts else None
            try:
                self.client.create_experiment(family, artifact_location=place)
            except MlflowException:  # another process was faster, or an answer was lost
                if self.client.get_experiment_by_name(family) is None:
                    raise
            found = self.client.get_experiment_by_name(family)
        identity, deleted = found.experiment_id, found.lifecycle_stage == "deleted"
        if deleted:  # and all that was ever deleted in it comes back
            self.client.restore_experiment(identity)
        shown = dict([checks_view().tag, ("mlflow.note.content", note)])
        unseen = deleted or not (new or checks_view().tag[0] in found.tags)
        shown["mlflow.experimentKind"] = "custom_model_development"  # not a chat, says the UI
        for key, value in shown.items():
            if found.tags.get(key) != value:
                self.client.set_experiment_tag(identity, key, value)
        return identity, unseen

    def census(self, fingerprint: str | None = None, living: bool = True) -> Census:
        """Of all results, or of one: what is there, and what is to go; `living` false: of all who are at work."""
        seen = local.look(self.database, fingerprint) if self.database else self.look(fingerprint)
        # Who writes to a file of sqlite holds its lock, unless it goes by a server on this machine.
        other = self.database is None
        return census(seen, lambda mark: living and alive(mark, elsewhere=other))

    def look(self, fingerprint: str | None) -> list[Seen]:
        """The runs of all results, or of one, by the client."""
        wanted = f"= '{fingerprint}'" if fingerprint else "LIKE '%'"
        ours = self.pages(self.client.search_experiments, filter_string=OURS)
        if not ours:
            return []
        search = {
            "experiment_ids": [experiment.experiment_id for experiment in ours],
            "filter_string": f"tags.`{FINGERPRINT}` {wanted}",
        }
        return [
            Seen(
                run.info.run_id, run.info.status, run.info.start_time, *map(run.data.tags.get, TAGS)
            )
            for run in self.pages(self.client.search_runs, **search)
        ]

    def pages(self, search: Callable, **named) -> list:
        """Every page of a search."""
        found, token = [], None
        while True:
            page = search(**named, max_results=PAGE, page_token=token)
            found, token = found + list(page), page.token
            if not token:
                return found

    def discard(self, runs: list[str]) -> None:
        """Delete runs, so that they count for nothing if somebody restores them."""
        from mlflow.exceptions import MlflowException

        for run in runs:
            try:
                self.client.set_terminated(run, "KILLED")
                self.client.delete_run(run)
            except MlflowException:
                if self.client.get_run(run).info.lifecycle_stage != "deleted":
                    raise

    def add(self, experiment: str, content: Content) -> bool:
        """Log a result unless it is there; false if somebody else may be at work on it.

        Its own run is finished last, so that a kill shows, and all look again after that, so that of two who did
        it at once one is left.
        """
        before = self.census(content.fingerprint)
        self.discard(before.junk)
        if content.fingerprint in {**before.there, **before.busy}:
            return content.fingerprint in before.there
        run = self.write(experiment, content)
        after = self.census(content.fingerprint)
        self.discard(after.junk)
        kept = after.there.get(content.fingerprint)
        if kept not in (None, run):
            self.show(experiment, content, kept)
        return kept is not None

    def write(self, experiment: str, content: Content) -> str:
        """The finished run of a result, with its points."""
        from mlflow.entities import Dataset, DatasetInput

        block, now = content.block, int(time.time() * 1000)
        own = content.told | {POINTS: str(len(content.logged.points))}
        parent = self.client.create_run(
            experiment, start_time=now, run_name=content.name, tags=content.tags | own
        ).info.run_id
        self.log(parent, content.logged.whole, {k: str(v) for k, v in block.parameters.items()})
        self.add_points(experiment, parent, now, content)
        self.client.log_inputs(parent, [DatasetInput(Dataset(*content.dataset))])
        for file in content.files:
            self.client.log_artifact(parent, file)
        self.show(experiment, content, parent)
        self.client.set_terminated(parent)
        return parent

    def show(self, experiment: str, content: Content, run: str) -> None:
        """The saved views of a block, on this run of it."""
        if content.logged.points:
            for view in sweep_views(content.block.name, content.logged, run):
                self.client.set_experiment_tag(experiment, *view.tag)

    def add_points(self, experiment: str, parent: str, now: int, content: Content) -> None:
        """A nested run a point of the sweep."""
        block, logged = content.block, content.logged
        # Of the parameters, what a point shares with other results; a list is not about a point.
        shared = {k: str(v) for k, v in block.parameters.items() if not isinstance(v, list | dict)}
        for index, (labels, values) in enumerate(logged.points.items(), 1):
            point = dict(zip(logged.sweep, labels, strict=True))
            shade = colour((index - 1) / max(1, len(logged.points) - 1))
            own = {"level": "point", PARENT: parent, "mlflow.runColor": shade}
            child = self.client.create_run(
                experiment,
                start_time=now - index,  # the UI lists the latest first
                run_name=" ".join([content.name, *(f"{dim}={at}" for dim, at in point.items())]),
                tags=content.tags | own,
            ).info.run_id
            self.log(child, values, shared | point | logarithms(logged, point))
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

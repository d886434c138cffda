"""What is logged of a result, made without the store: a value that cannot be described is that result's own fault.

Tags tell results from points (`level`) and claims that hold from those that do not, or that say nothing (`verdict`,
`verdict.why`, `checks.failed.names`), and the description has the table of checks.
"""

import hashlib
import json
import os
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from descent.lab.environment import without_git
from descent.lab.gate.parameters import others, shown
from descent.lab.messages import Refused, refusals
from descent.lab.params import PARAMS
from descent.lab.project import Block
from descent.lab.results import load_report
from descent.lab.tracking.census import ATTEMPT, FINGERPRINT, attempt
from descent.lab.tracking.describe import NOTE, description
from descent.lab.tracking.results import Tracked, canonical, digest, outputs
from descent.lab.tracking.series import Logged, series
from descent.lab.words import outcome
from descent.maths import device

SOURCES = ("src", "stages", "examples", "params.yaml", "dvc.yaml")  # results change with a run
NAMED = 3  # parameters in the name of a run
PARAMETER = 6000  # MLflow's limit of characters a parameter


class Dataset(NamedTuple):
    name: str
    digest: str
    kind: str
    source: str


class Content(NamedTuple):
    """A result as MLflow takes it."""

    result: Tracked
    logged: Logged
    tags: dict[str, str]  # of all its runs
    told: dict[str, str]  # tags of the result's own
    dataset: Dataset

    @property
    def block(self) -> Block:
        return self.result.block

    @property
    def fingerprint(self) -> str:
        return self.result.fingerprint

    @property
    def name(self) -> str:
        return name(self.block)

    @property
    def files(self) -> list[str]:
        """The report, and the figure if there is one."""
        figure = f"plots/{self.block.path}.svg"
        return [f"metrics/{self.block.path}.json", *([figure] if Path(figure).exists() else [])]


def content(result: Tracked, tags: dict[str, str]) -> Content:
    """All that is logged of a result.

    Raises:
        Exception: whatever its files, its parameters or its module hold.
    """
    block = result.block
    artifact, metrics = outputs(block)
    report = load_report(metrics)
    logged = series(xr.load_dataset(artifact, engine="scipy"), report)
    for cost, amount in spent(block).items():
        logged.whole.put(cost, [0], np.array([amount], float))
    own = {FINGERPRINT: result.fingerprint, ATTEMPT: attempt(), "dvc.stage": block.stage}
    own |= {"family": block.family, "block": block.name}
    return Content(result, logged, tags | own, told(block, report), dataset(block))


def spent(block: Block) -> dict[str, float]:
    """`seconds` and `peak_mib` of the run that this machine made; nothing of one that it took from a cache."""
    try:
        cost = json.loads(Path(f"artifacts/cost/{block.path}.json").read_text(encoding="utf-8"))
        return {key: float(cost[key]) for key in ("seconds", "peak_mib")}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


@cache
def differences(root: Path, params: bytes) -> dict[str, object]:
    """The parameters in a project that are others than in its last commit; none where there is no commit."""
    try:
        with refusals():
            return others("HEAD")
    except Refused:
        return {}


def name(block: Block) -> str:
    """`overparam`, or `overparam rank=3` where that is no parameter of the last commit."""
    prefix = f"{block.family}.{block.name}."
    now = differences(Path.cwd(), PARAMS.read_bytes())
    own = {k.removeprefix(prefix): v for k, v in now.items() if k.startswith(prefix)}
    said = [f"{key}={shown(value)}" for key, value in own.items()]
    return " ".join([block.name, *said[:NAMED], *["…"] * (len(said) > NAMED)])


def provenance() -> dict[str, str]:
    """Tags that say where a result comes from."""

    def git(*arguments: str) -> str:
        command = ("git", *arguments)
        try:
            done = subprocess.run(command, capture_output=True, env=without_git(), timeout=10)
        except (OSError, subprocess.TimeoutExpired):  # there is no git, or it waits
            return ""
        return done.stdout.decode("utf-8", "replace").strip()

    packages = ("numpy", "scipy", "numba", "torch")
    experiment = os.environ.get("DVC_EXP_NAME")
    return {
        "mlflow.source.git.commit": git("rev-parse", "HEAD"),
        "git.dirty": str(bool(git("status", "--porcelain", "--", *SOURCES))).lower(),
        "device": device.name(),
        **({"dvc.experiment": experiment} if experiment else {}),
        **{f"version.{package}": version(package) for package in packages},
    }


def told(block: Block, report: dict) -> dict[str, str]:
    """The tags that say what a result is and what became of its claim."""
    failed = [check["name"] for check in report["checks"].values() if not check["holds"]]
    why = outcome(report)[len(report["verdict"]) + 2 :]
    return {
        "level": "result",
        "verdict": report["verdict"],
        **({"verdict.why": why[:NOTE]} if why else {}),
        **({"checks.failed.names": ", ".join(failed)[:NOTE]} if failed else {}),
        "mlflow.note.content": description(block, report),
    }


def dataset(block: Block) -> Dataset:
    """What the experiment reads, or for a synthetic problem the parameters that draw it."""
    inputs = block.inputs()
    if inputs:
        name, kind = inputs[0], "local"
        sha = digest(Path(name))
    else:
        name, kind = f"{block.path} (synthetic)", "code"
        text = json.dumps(canonical(block.parameters), sort_keys=True)
        sha = hashlib.sha256(text.encode()).hexdigest()
    source = json.dumps({"uri": inputs[0] if inputs else str(block.source)})
    return Dataset(name, sha[:16], kind, source)

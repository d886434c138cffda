"""The project at toy size: its blocks with small numbers, and a copy that DVC can really run."""

import hashlib
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from fake_mnist import fake_mnist

ROOT = Path(__file__).parents[1]
COPIED = (
    *("src", "stages", "dvc.yaml", "params.yaml", ".dvc/config", ".dvc/.gitignore"),
    *(".dvc/plots", ".dvc/plots.html", ".dvcignore", ".gitignore"),
)


def toy_params() -> dict:
    """params.yaml with the numbers of toy.yaml."""
    yaml = YAML(typ="safe")
    params = yaml.load(ROOT / "params.yaml")
    for family, blocks in yaml.load(ROOT / "tests/toy.yaml").items():
        for name, numbers in blocks.items():
            assert numbers.keys() <= params[family][name].keys()
            params[family][name] |= numbers
    return params


def write_idx(folder: Path, mnist) -> dict[str, str]:
    """The four idx files of a dataset, and their SHA-256."""
    folder.mkdir(parents=True)
    digests = {}
    for part, name in (("train", "train"), ("test", "t10k")):
        for kind, rank in (("images", 3), ("labels", 1)):
            array = mnist[f"{part}_{kind}"].values.astype(np.uint8)
            header = struct.pack(f">{rank + 1}I", 0x800 + rank, *array.shape)
            path = folder / f"{name}-{kind}-idx{rank}-ubyte"
            path.write_bytes(header + array.tobytes())
            digests[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digests


# What the copy runs: every stage and every kind of dependency, not every experiment.
EXPERIMENTS = {
    "train": ("mnist",),
    "gradnorms": ("mnist",),
    "sensing": ("exact", "overparam", "scarce"),
    "spectra": ("overparam", "scarce"),
}


class Project:
    """A copy of the project at toy size, with git, DVC and a data folder of its own."""

    def __init__(self, root: Path):
        self.root = root
        for name in COPIED:
            source, target = ROOT / name, root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        data = root.with_name(f"{root.name}-data")
        params = toy_params()
        others = params.keys() - EXPERIMENTS.keys() - {"download"}
        for family in others:
            del params[family]
        for family, names in EXPERIMENTS.items():
            params[family] = {name: params[family][name] for name in names}
        self.forget(others)
        images = fake_mnist(np.random.default_rng(0), 256, 72)
        params["download"]["mnist"] |= {
            "sha256": write_idx(data, images),
            "sources": [{"folder": "$DESCENT_DATA"}],
        }
        self.params = params
        self.save()
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW", "DVC"))
        } | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(root / "src"),
            "DESCENT_DATA": str(data),
        }
        self.git("init", "-q")
        self.commit("toy")

    def forget(self, families: set[str]) -> None:
        """Take whole families out of dvc.yaml."""
        path, yaml = self.root / "dvc.yaml", YAML()
        pipeline = yaml.load(path)
        stages = pipeline["stages"]
        for family in families:
            del stages[family]
            stages["draw"]["foreach"].remove(family)
            for reader in (stages["report"], stages["track"]):
                reader["params"].remove(family)
                reader["deps"].remove(f"artifacts/{family}")
        yaml.dump(pipeline, path)

    def save(self) -> None:
        YAML().dump(self.params, self.root / "params.yaml")

    def call(self, *command: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=toy", "-c", "user.email=toy@example.org")
        done = self.call("git", *identity, "-c", "commit.gpgsign=false", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def repro(self, *arguments: str) -> tuple[set[str], subprocess.CompletedProcess]:
        """The stages that DVC ran, and the finished process."""
        done = self.call("dvc", "repro", *arguments)
        lines = done.stdout.splitlines()
        return {line.split("'")[1] for line in lines if line.startswith("Running stage")}, done

    def files(self, *folders: str) -> dict[str, bytes]:
        """Everything in these folders, by path."""
        paths = [p for folder in folders for p in sorted((self.root / folder).rglob("*"))]
        return {str(p.relative_to(self.root)): p.read_bytes() for p in paths if p.is_file()}

"""The project at toy size: its blocks with small numbers, and a project of toy science that DVC can really run."""

import copy
import hashlib
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from descent.lab.params import mapping
from fake_mnist import fake_mnist

ROOT = Path(__file__).parents[1]
SCIENCE = Path(__file__).with_name("toy_science")
COPIED = (
    *("stages", "src/descent/lab", ".dvc/config", ".dvc/.gitignore"),
    *(".dvc/plots", ".dvc/plots.html", ".dvcignore", ".gitignore"),
)

# The toy science: every kind of stage and of dependency, and no experiment of the project.
EXPERIMENTS = {"alpha": ("quick", "swept"), "beta": ("quick", "swept"), "photos": ("count",)}
MODULES = {"beta": "ends"}  # keyed by its source: one module for all blocks
INPUTS = {"beta": ["artifacts/alpha/${key}.nc"], "photos": ["data/mnist"]}
PARAMS = {
    "alpha": {
        "quick": {"seed": 0, "q": 0.5, "steps": 40, "claimed": [1e-6, 0.1]},
        "swept": {"seed": 0, "replicates": 12, "qs": [0.25, 0.5], "steps": 30},
    },
    "beta": {"quick": {"last": 3}, "swept": {"last": 4}},
    "photos": {"count": {"batch": 32}},
}


def toy_params() -> dict:
    """params.yaml with the numbers of toy.yaml."""
    params = mapping(ROOT / "params.yaml")
    for family, blocks in mapping(ROOT / "tests/toy.yaml").items():
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


def pipeline() -> dict:
    """dvc.yaml with the toy families in place of the project's, each made from one of those."""
    tree = YAML(typ="safe").load(ROOT / "dvc.yaml")
    stages, runs = tree["stages"], "stages/run.py"
    ours = [n for n, s in stages.items() if runs in (s.get("do") or {}).get("cmd", "")]
    model = next(stages[n] for n in ours if n == "sensing")
    for family in (*ours, "own"):
        del stages[family]
    for family in EXPERIMENTS:
        stages[family] = family_stage(model, "sensing", family)
    stages["draw"]["foreach"] = list(EXPERIMENTS)
    return tree


def family_stage(model: dict, was: str, family: str) -> dict:
    """The stage of one family, for another."""

    def renamed(value):
        if isinstance(value, dict):
            return {renamed(key): renamed(one) for key, one in value.items()}
        if isinstance(value, list):
            return [renamed(one) for one in value]
        return value.replace(was, family) if isinstance(value, str) else value

    stage, inputs = renamed(copy.deepcopy(model)), INPUTS.get(family, [])
    body, module = stage["do"], MODULES.get(family)
    if module:
        body["cmd"] = body["cmd"].replace(
            f"descent.{family}.${{key}}", f"descent.{family}.{module}"
        )
        body["deps"] = [f"artifacts/code/{family}/{module}.txt"]
    body["cmd"] = " ".join([body["cmd"], *inputs])
    body["deps"] += inputs
    return stage


def copy_code(root: Path) -> None:
    """The project's own doors and lab, what every experiment stands on, and the toy science."""
    for name in COPIED:
        source, target = ROOT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    package = root / "src/descent"
    for source in (ROOT / "src/descent").glob("*.py"):
        shutil.copy(source, package)
    (package / "maths").mkdir()
    for name in ("__init__", "device", "elsewhere", "limits", "replicates", "sampling"):
        shutil.copy(ROOT / f"src/descent/maths/{name}.py", package / "maths")
    shutil.copy(SCIENCE / "ladder.py", package / "maths")
    for family in EXPERIMENTS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(SCIENCE / family, package / family, ignore=ignored)


def clean_environment() -> dict[str, str]:
    """Without what would point git, DVC, MLflow or Python elsewhere: a hook sets GIT_DIR, say."""
    foreign = ("GIT_", "DVC", "MLFLOW", "PYTHON")
    return {key: value for key, value in os.environ.items() if not key.startswith(foreign)}


class Project:
    """A project of toy science, with git, DVC and a data folder of its own."""

    def __init__(self, root: Path):
        self.root = root
        root.mkdir(parents=True)
        copy_code(root)
        data = root.with_name(f"{root.name}-data")
        images = fake_mnist(np.random.default_rng(0), 256, 72)
        download = YAML(typ="safe").load(ROOT / "params.yaml")["download"]["mnist"]
        download |= {"sha256": write_idx(data, images), "sources": [{"folder": "$DESCENT_DATA"}]}
        self.params = {"download": {"mnist": download}, **copy.deepcopy(PARAMS)}
        self.save()
        YAML().dump(pipeline(), root / "dvc.yaml")
        self.environment = clean_environment() | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DESCENT_DATA": str(data),
            "GIT_CEILING_DIRECTORIES": str(root.parent),
        }
        self.git("init", "-q")
        self.commit("toy")

    def save(self) -> None:
        YAML().dump(self.params, self.root / "params.yaml")

    def call(self, *command: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.environment | environment,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=toy", "-c", "user.email=toy@example.org")
        done = self.call("git", *identity, "-c", "commit.gpgsign=false", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message, "--allow-empty")

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text that is there in a file of the project."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert old in text, (path, old)
        file.write_text(text.replace(old, new), encoding="utf-8")

    def repro(self, *arguments: str) -> tuple[set[str], subprocess.CompletedProcess]:
        """The stages that DVC ran, and the finished process."""
        done = self.call("python", "stages/repro.py", *arguments)
        lines = done.stdout.splitlines()
        return {line.split("'")[1] for line in lines if line.startswith("Running stage")}, done

    def run(self, block: str, **environment: str) -> subprocess.CompletedProcess:
        """The door `run` for one block, as its stage calls it."""
        family, name = block.split("/")
        module = f"descent.{family}.{MODULES.get(family, name)}"
        inputs = [path.replace("${key}", name) for path in INPUTS.get(family, [])]
        return self.call("python", "stages/run.py", module, block, *inputs, **environment)

    def files(self, *folders: str) -> dict[str, bytes]:
        """Everything in these folders, by path."""
        paths = [p for folder in folders for p in sorted((self.root / folder).rglob("*"))]
        return {str(p.relative_to(self.root)): p.read_bytes() for p in paths if p.is_file()}

"""Every door called without its arguments, with too many, or with unknown ones: one line, exit code 2, nothing written."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from descent.lab.takes import taken
from toy import ROOT, clean_environment

CALLS = {  # of each door, and what its line says
    "attempt": {"": "EXP=family@name", "x": "no such experiment", "a@b c": "usage: python"},
    "claims": {"x": "only --check", "--check x": "only --check"},
    "curves": {"x": "usage: python stages/curves.py"},
    "digests": {"x": "usage: python stages/digests.py"},
    "download": {
        "": "stages/download.py NAME",
        "x": "download.x: there is no such",
        "a b": "usage",
    },
    "draw": {
        "": "usage: python stages/draw.py FAMILY",
        "x": "x: there is no such family",
        "../x": "../x: there is no such family",
        "lab": "lab: is no family",
        "autodiff x": "usage",
    },
    "gate": {"x": "unrecognized arguments: x", "--base": "expected one argument"},
    "own": {"x": "usage: python stages/own.py"},
    "params": {"x": "only --check", "--check x": "only --check"},
    "quick": {"x": "usage: python stages/quick.py"},
    "report": {"x": "usage: python stages/report.py"},
    "repro": {
        "--nonsense": "not known; `dvc repro --help`",
        "nonsense": "neither a stage of dvc.yaml nor a file",
        "autodiff nonsense": "nonsense: neither",
        "autodiff@nonsense": "autodiff@nonsense: neither",
    },
    "run": {
        "": "usage: python stages/run.py MODULE BLOCK [INPUT …]",
        "descent.autodiff.vjp": "usage",
        "descent.autodiff.vjp autodiff": "a block is called FAMILY/NAME",
        "descent.autodiff.vjp a/b/c": "a block is called FAMILY/NAME",
        "descent.autodiff.vjp autodiff/x": "autodiff.x: there is no such block",
        "descent.autodiff.x autodiff/vjp": "No module named",
        ".vjp autodiff/vjp": "relative",
        "json autodiff/vjp": "so it is no experiment",
        "descent.train.mnist train/mnist": "takes 1 inputs, 0 are given",
    },
    "track": {"x": "usage: python stages/track.py"},
    "verify": {"x": "unknown: x"},
}


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A project without results."""
    for name in ("src", "stages", "params.yaml", "dvc.yaml", "README.md"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".dvc").mkdir()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True, env=clean_environment())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def test_every_door_is_tried():
    assert sorted(CALLS) == sorted(door.stem for door in (ROOT / "stages").glob("*.py"))


@pytest.mark.parametrize(
    ("door", "arguments"), [(door, call) for door, calls in CALLS.items() for call in calls]
)
def test_what_a_door_cannot_use_is_one_line(door, arguments, clone, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", [f"stages/{door}.py", *arguments.split()])
    before = sorted(path.name for path in clone.iterdir())
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(f"stages/{door}.py", run_name="__main__")
    (line,) = capfd.readouterr().err.splitlines()
    assert (stop.value.code, CALLS[door][arguments] in line) == (2, True), line
    assert sorted(path.name for path in clone.iterdir()) == before


@pytest.mark.parametrize("door", ["gate", "params"])
def test_a_door_whose_streams_are_closed_does_what_it_does(door, clone):
    command = ["sh", "-c", 'exec "$0" "$@" >&- 2>&-', sys.executable, f"stages/{door}.py"]
    usual = subprocess.run(command[3:], capture_output=True)
    done = subprocess.run(command, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (usual.returncode, b"", b"")
    assert usual.stdout + usual.stderr


def test_no_door_for_people_forgets_closed_streams():
    """Those that DVC calls have its streams."""
    pipeline = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    doors = [
        door for door in (ROOT / "stages").glob("*.py") if f"stages/{door.name}" not in pipeline
    ]
    assert doors
    assert all("\nopened()\n" in door.read_text(encoding="utf-8") for door in doors)


def test_a_relative_path_is_another_module_in_another_folder(tmp_path, monkeypatch):
    for name, inputs in (("one", "config"), ("two", "config, data")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.py").write_text(f"def run({inputs}): ...\n", encoding="utf-8")
        monkeypatch.chdir(tmp_path / name)
        assert taken(Path("x.py")) == inputs.count(",")

"""The doors that draw: what is drawn, what is left as it was, and what cannot be drawn."""

import importlib
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray as xr

import descent
from descent.lab import draw, drawn
from descent.lab.draw import instead, see
from toy import ROOT

FIGURES = """
from descent.figure import Axis, Figure, line, panel

def good(data):
    y = data["y"].values
    return Figure((panel("t", Axis("x"), Axis("y", "log"), line(range(1, len(y) + 1), y, "y")),))

def lost(data):
    raise ValueError("no\\n  such $thing_ <!--")

def broken(data):
    return 3
"""
SCIENCE = '"""A claim.\n\nWhy.\n\nSee: the curve\nfalls.\n\nSource: x.\n"""\n'


@pytest.fixture
def project(tmp_path):
    """A family of three figures, two of which cannot be drawn, in a project that uses this source."""
    family = tmp_path / "src/descent/some"
    family.mkdir(parents=True)
    for name, text in {"__init__": "", "figures": FIGURES, "good": SCIENCE}.items():
        (family / f"{name}.py").write_text(text, encoding="utf-8")
    (tmp_path / "artifacts/some").mkdir(parents=True)
    for name in ("good", "lost", "broken"):
        data = xr.Dataset({"y": ("t", [1.0, 2.0, 4.0])})
        data.to_netcdf(tmp_path / f"artifacts/some/{name}.nc", engine="scipy")
    (tmp_path / "artifacts/some/damaged.nc").write_bytes(b"nothing")
    (tmp_path / "plots/some").mkdir(parents=True)
    (tmp_path / "plots/some/stale.svg").write_text("", encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(project, monkeypatch, capfd):
    """run(door, …): a door of the project in this process, with its family beside ours: what it said in error."""
    monkeypatch.chdir(project)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    family = str(project / "src/descent")
    monkeypatch.setattr(descent, "__path__", [*descent.__path__, family])
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(door: str, *words: str) -> list[str]:
        for name in [name for name in sys.modules if name.startswith("descent.some")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        monkeypatch.setattr(sys, "argv", [door, *words])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(ROOT / "stages" / door), run_name="__main__")
        assert not stop.value.code
        return capfd.readouterr().err.splitlines()

    return run


def test_a_figure_that_cannot_be_drawn_says_so_and_the_rest_goes_on(project, run):
    said = run("draw.py", "some")
    assert len(said) == 3
    assert "plots/some/lost: cannot be drawn: ValueError: no such $thing_ <!--" in said
    plots = project / "plots/some"
    assert {p.name for p in plots.iterdir()} == {
        f"{name}.{kind}"
        for name in ("good", "lost", "broken", "damaged")
        for kind in ("svg", "json")
    }
    assert "$thing_" in (plots / "lost.svg").read_text(encoding="utf-8")
    good, lost = (
        json.loads((plots / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("good", "lost")
    )
    assert (good["main"], good["caption"], good["panels"][0]["whole"]) == (
        0,
        "the curve falls.",
        True,
    )
    assert (lost["main"], lost["panels"][0]["whole"]) == (None, False)
    records = {p.stem: p.read_text("utf-8") for p in (project / "artifacts/drawn/some").iterdir()}
    assert {name for name, text in records.items() if text} == {"good"}  # the rest is tried again
    run("curves.py")
    assert [p.relative_to(project).as_posix() for p in (project / "curves").rglob("*.csv")] == [
        "curves/linear-log/some-good.csv"
    ]


@pytest.mark.long
def test_a_figure_is_drawn_again_only_if_something_of_it_changed(project, run):
    run("draw.py", "some")
    files = [project / f"plots/some/good.{kind}" for kind in ("svg", "json")]

    def times():
        return [file.stat().st_mtime_ns for file in files]

    first = times()
    run("draw.py", "some")
    assert times() == first
    module = project / "src/descent/some/good.py"
    module.write_text(SCIENCE.replace("falls", "rises"), encoding="utf-8")
    run("draw.py", "some")
    second = times()
    assert second != first
    assert "the curve rises." in files[0].read_text(encoding="utf-8")
    (project / "src/descent/some/figures.py").write_text(FIGURES + "# more\n", encoding="utf-8")
    run("draw.py", "some")
    third = times()
    assert third != second
    files[1].write_text("{}", encoding="utf-8")  # from another branch, say
    run("draw.py", "some")
    assert times()[0] != third[0]
    assert "panels" in files[1].read_text(encoding="utf-8")


@pytest.mark.long
def test_a_variable_of_the_environment_that_matplotlib_refuses_stops_no_figure(project):
    """In a process of its own: Matplotlib reads it when it is imported."""
    script = f"""
import runpy, sys, descent
descent.__path__.append({str(project / "src/descent")!r})
sys.argv = ["draw.py", "some"]
runpy.run_path({str(ROOT / "stages/draw.py")!r}, run_name="__main__")
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "MPLBACKEND": "nonsense"}
    command = [sys.executable, "-c", script]
    subprocess.run(command, cwd=project, env=environment, capture_output=True, check=True)


def test_curves_of_figures_that_are_gone_go_too(project, run):
    (project / "curves/log-log").mkdir(parents=True)
    (project / "curves/log-log/old.csv").write_text("", encoding="utf-8")
    run("draw.py", "some")
    run("curves.py")
    assert not (project / "curves/log-log").exists()


@pytest.mark.parametrize(
    ("docstring", "said"),
    [("A claim.\n\nSee: a\nb.\n\nSource: c", "a b."), ("A claim.", ""), ("", "")],
)
def test_the_caption_is_what_the_docstring_says_to_see(docstring, said):
    assert see(docstring) == said


def test_a_long_reason_is_broken_in_lines():
    (panel,) = instead("word " * 200, "").panels
    assert max(map(len, panel.marks[0].label.splitlines())) <= 56


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (lambda data: data.isel(t=slice(0, 0)), "t is empty"),
        (lambda data: data * np.nan, "y has no number"),
        (lambda data: data / 0, "y has no number"),
    ],
)
def test_the_figure_says_what_is_empty_or_no_number(tmp_path, changed, why):
    """Also where the family's function fails with an error that means nothing to who reads the page."""
    artifact = tmp_path / "one.nc"
    changed(xr.Dataset({"y": ("t", [1.0, 2.0])})).to_netcdf(artifact, engine="scipy")
    figures = ModuleType("figures")
    figures.one = lambda data: next(v for v in data.y.values if np.isfinite(v))
    figure, said = draw.made(figures, artifact, "a caption")
    assert said == f"plots/{tmp_path.name}/one: cannot be drawn: {why} (StopIteration:)"
    assert why.split()[-1] in str(figure)


def test_figures_are_drawn_again_if_a_module_changed_that_they_import(tmp_path):
    family = tmp_path / "descent/alpha"
    family.mkdir(parents=True)
    for folder in (family, family.parent):
        (folder / "__init__.py").touch()
    figures = ModuleType("descent.alpha.figures")
    figures.__file__ = str(family / "figures.py")
    Path(figures.__file__).write_text("from descent.alpha._more import one\n", encoding="utf-8")
    found = set()
    for text in ("one = 1\n", "one = 2\n"):
        (family / "_more.py").write_text(text, encoding="utf-8")
        found.add(drawn.code_of(figures, drawn))
    (family / "_other.py").write_text("two = 2\n", encoding="utf-8")
    found.add(drawn.code_of(figures, drawn))
    assert len(found) == 2

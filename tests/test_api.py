"""`from descent import lab`: what it runs is what the pipeline runs, and what it refuses is one line."""

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from descent import lab
from descent.config import Refusal
from descent.lab import deadline, painted, running
from descent.lab.digits import of_report
from descent.lab.gate.rules import tolerances
from descent.lab.project import blocks
from descent.lab.ran import Run
from descent.lab.roots import CODE
from descent.lab.settings import changed, command, merged, plain, spelled
from toy import ROOT

TIES = "margin.ties"


@cache
def parameters() -> str:
    """params.yaml with few families, so that reading them takes no time."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    families = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    return "".join(one for one in families if one.startswith(("margin:", "spectra:", "train:")))


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A project of few families without artifacts, and no other one around."""
    for name in ("src", "dvc.yaml", "dvc.lock", "metrics"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "params.yaml").write_text(parameters(), encoding="utf-8")
    (tmp_path / "deep/down").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep/down")
    return tmp_path


def refused(function, *arguments, **named) -> str:
    with pytest.raises(lab.Refused) as error:
        function(*arguments, **named)
    assert isinstance(error.value, Refusal)
    return str(error.value)


@pytest.fixture(scope="module")
def ties():
    return lab.run(TIES, root=ROOT)


# ---- What it runs.


def test_it_finds_what_the_pipeline_writes(ties, tmp_path, monkeypatch):
    for name in ("src", "params.yaml", "dvc.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    running.run("descent.margin.ties", "margin/ties")
    written = json.loads(Path("metrics/margin/ties.json").read_text(encoding="utf-8"))
    to_digits = of_report(ties.report, "margin/ties", tolerances())
    assert json.loads(running.dumps(to_digits)) == written
    xr.testing.assert_identical(lab.load(TIES), xr.load_dataset("artifacts/margin/ties.nc"))
    assert {path.name for path in tmp_path.iterdir()} - {"metrics", "artifacts"} == {
        "src",
        "params.yaml",
        "dvc.yaml",
    }


def test_both_call_one_function(clone, monkeypatch, capsys):
    def no(*_):
        raise MemoryError("9 GiB are too many")

    experiment = running.found("descent.margin.ties")
    monkeypatch.setattr(experiment, "run", no)
    line = refused(lab.run, TIES)
    assert line == "params.yaml: margin.ties: 9 GiB are too many"
    monkeypatch.chdir(clone)
    with pytest.raises(SystemExit) as stop:
        running.run("descent.margin.ties", "margin/ties")
    assert (stop.value.code, capsys.readouterr().err) == (2, f"{line}\n")


def test_the_parts_of_a_result(ties):
    assert ties.experiment == TIES
    assert ties.verdict == "holds"
    assert ties.no_claim == ()
    assert ties.changed == {}
    assert ties.config.steps == 100
    assert ties.checks["end"].holds
    assert ties.errata["one_solution"].stands
    assert ties.data.sizes == ties.result.data.sizes
    assert ties.metrics == ties.result.metrics
    assert ties.keep == "dvc repro margin@ties"


def test_nothing_is_written_and_no_folder_or_variable_is_left(clone, monkeypatch):
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", "/of/the/notebook")
    before = set(clone.rglob("*"))
    lab.run(TIES, steps=10)
    assert set(clone.rglob("*")) == before
    assert Path.cwd() == clone / "deep/down"
    assert os.environ["JOBLIB_TEMP_FOLDER"] == "/of/the/notebook"


@pytest.mark.long
def test_a_run_without_end_is_a_line_and_the_process_goes_on(monkeypatch):
    monkeypatch.setattr(deadline, "POLL", 0.01)
    monkeypatch.setattr(deadline, "MOST", 0.02)
    experiment = running.found("descent.margin.ties")

    def endless(config):
        while True:
            sum(range(1000))

    monkeypatch.setattr(experiment, "run", endless)
    line = refused(lab.run, TIES, root=ROOT)
    assert line.startswith("params.yaml: margin.ties: ")
    assert line.endswith("a count is too large")


def test_an_interrupt_stays_one(monkeypatch):
    def stopped(config):
        raise KeyboardInterrupt

    monkeypatch.setattr(running.found("descent.margin.ties"), "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        lab.run(TIES, root=ROOT)


# ---- What it shows.


def test_a_result_shows_its_checks_and_its_figure(ties):
    html, text = ties._repr_html_(), repr(ties)
    for words in ("margin.ties", "✓ holds", "<td", "1.8e-13", "refuted: one solution"):
        assert words in html
    assert 'src="data:image/svg+xml,' in html
    assert "<script" not in html
    assert ties.svg.count("<svg") == 1
    assert "three directions" in ties.svg
    assert text.splitlines()[0].startswith("margin.ties: With several directions")
    assert sum(line.startswith("  ✓ ") for line in text.splitlines()) == len(ties.checks)
    assert "printed 0, correct 2.0" in text


def test_a_notebook_gets_words_and_a_png(ties, monkeypatch):
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: shown.append(data))
    ties._ipython_display_()
    words, picture = shown
    assert words["text/plain"] == repr(ties)
    assert "<img" not in words["text/html"]
    assert picture["image/png"].startswith("iVBOR")


def test_what_changes_is_shown_escaped_and_kept_by_dvc():
    found = lab.run("dynamics.momentum_oscillation", {"step": 1e-3}, root=ROOT, labels=[1, 0])
    assert found.verdict == "no claim"
    assert "plain descent diverges" in " ".join(found.no_claim)
    assert found.changed == {"step": (1e-4, 1e-3), "labels": ([0, 1], [1, 0])}
    assert "changed: step: 0.0001 → 0.001" in repr(found)
    name = "dynamics.momentum_oscillation"
    expected = f"dvc exp run -S '{name}.labels=[1,0]' -S {name}.step=0.001"
    assert found.keep == expected
    assert "– no claim: " in found._repr_html_()


def test_a_figure_that_fails_says_so_and_the_numbers_stay(ties, monkeypatch):
    def broken(data):
        raise IndexError("no such mode")

    from descent.margin import figures

    monkeypatch.setattr(figures, "ties", broken)
    again = Run(ties.block, ties.claim, ties.config, {}, ties.result, ties.report, ROOT)
    assert "IndexError: no such mode" in " ".join(re.findall(r">([^<>]*)</text>", again.svg))

    def painter(figure):
        return broken(figure) if figure is ties.figure else figure.panels[0].title

    assert painted.drawn(ties.block, ties.figure, painter) == "This figure cannot be drawn"


@pytest.mark.parametrize(
    ("ending", "start"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".nc", b"CDF")]
)
def test_a_result_can_be_saved(ties, tmp_path, ending, start):
    ties.save(tmp_path / f"a{ending}")
    assert (tmp_path / f"a{ending}").read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{ending}"]


def test_a_file_of_another_kind_is_refused(ties, tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.svg, \.png, \.nc"):
        ties.save(tmp_path / "a.pdf")


# ---- What it lists and explains.


@pytest.mark.long
def test_the_list_has_every_experiment_with_the_stored_verdict():
    every = lab.experiments(root=ROOT)
    assert len(every) == sum(1 for _ in (ROOT / "metrics").rglob("*.json"))
    assert {one.verdict for one in every} <= {"holds", "does not hold", "no claim"}
    some = lab.experiments("Margin. TIES", root=ROOT)
    assert [one.name for one in some] == [TIES]
    assert repr(some).startswith("✓ margin.ties  holds  With several")
    assert "<td" in some._repr_html_()
    none = lab.experiments("zebra", root=ROOT)
    assert (len(none), repr(none)) == (0, "")


def test_a_verdict_that_is_not_there_or_damaged_is_said(clone):
    (clone / "metrics").unlink()
    assert {one.verdict for one in lab.experiments(TIES)} == {"not run"}
    assert "not run yet: `dvc repro margin@ties`" in repr(lab.explain(TIES))
    (clone / "metrics/margin").mkdir(parents=True)
    (clone / "metrics/margin/ties.json").write_text("{", encoding="utf-8")
    assert {one.verdict for one in lab.experiments(TIES)} == {"damaged"}
    assert "missing or damaged" in refused(lab.explain, TIES)


def test_an_explanation_has_words_parameters_and_what_was_found(clone):
    found = lab.explain(TIES)
    for words in ("|z_j|", "See: ", "Source: ", "sample: [1, 1] # z", "✓ end", "plots/margin/ties"):
        assert words in repr(found)
    assert found.current
    html = found._repr_html_()
    assert "<pre>" in html
    assert "✓ holds" in html


def test_a_result_of_other_parameters_is_said_to_be_one(clone):
    head, tail = parameters().split("\n  ties:", 1)
    changed_text = head + "\n  ties:" + tail.replace("steps: 100", "steps: 101", 1)
    (clone / "params.yaml").write_text(changed_text, encoding="utf-8")
    assert not lab.explain(TIES).current
    assert "of other parameters than these: `dvc repro margin@ties` renews it" in repr(
        lab.explain(TIES)
    )
    assert lab.run(TIES).config.steps == 101


# ---- What it refuses.


@pytest.mark.parametrize(
    ("name", "changes", "line"),
    [
        (
            "margin.ties",
            {"stpes": 3},
            "margin.ties: there is no parameter 'stpes': did you mean steps?",
        ),
        ("margin.ties", {"q": 3}, "there is no parameter 'q': there are sample, steps"),
        ("margin.ties", {"steps": -3}, "params.yaml: margin.ties.steps: Input should be greater"),
        (
            "margin.ties",
            {"steps": "3"},
            "params.yaml: margin.ties.steps: Input should be a valid int",
        ),
        ("margin.ties", {"steps": None}, "margin.ties.steps"),
        ("margin.ties", {"steps": object()}, "margin.ties.steps"),
        ("margin.ties", {"steps": float("nan")}, "margin.ties.steps"),
        ("margin.ties", {"steps": 10**12}, "margin.ties: steps 1000000000000"),
        ("margin.ties", {"sample": [1, 2]}, "params.yaml: margin.ties: sample: |z_2| alone"),
        ("margin.ties", {"steps.a": 3}, "margin.ties.steps: a: the parameter has no parts"),
        ("margin.ties", {3: 3}, "there is no parameter '3'"),
        ("margin.ties", {"a\nb": 3}, "there is no parameter"),
        ("margin.tise", {}, "margin.tise: no such experiment; did you mean margin.ties or "),
        ("ties", {}, "ties: no such experiment; did you mean margin.ties?"),
        ("margin", {}, "margin: is a family; name one of its experiments: margin.max_margin, "),
        ("", {}, "'': no such experiment; `descent list` or lab.experiments() names them"),
        ("../x", {}, "no such experiment"),
        (
            "spectra.overparam",
            {},
            "artifacts/sensing/overparam.nc: not there: `dvc repro sensing@overparam` makes it",
        ),
        ("train.mnist", {}, "data/mnist: not there: `dvc repro download@mnist` makes it"),
    ],
)
def test_what_cannot_be_run_is_one_line(clone, name, changes, line):
    said = refused(lab.run, name, changes)
    assert line in said
    assert len(said.splitlines()) == 1
    assert Path.cwd() == clone / "deep/down"


def test_two_wrong_parameters_are_two_lines(clone):
    said = refused(lab.run, TIES, steps=-1, sample="x")
    assert len(said.splitlines()) == 2
    error = lab.Refused(said)
    assert error._render_traceback_() == [f"Refused: {line}" for line in said.splitlines()]


def test_arrays_that_are_not_there_or_damaged_are_a_line(clone):
    line = "artifacts/margin/ties.nc: not there: `dvc repro margin@ties` makes it"
    assert refused(lab.load, TIES) == line
    (clone / "artifacts/margin").mkdir(parents=True)
    (clone / "artifacts/margin/ties.nc").write_bytes(b"CDF\x01")
    assert "missing or damaged" in refused(lab.load, TIES)


def test_outside_of_a_clone_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f'root="{ROOT}"' in refused(lab.experiments)
    assert lab.run(TIES, root=str(ROOT)).verdict == "holds"
    assert "no project" in refused(lab.run, TIES, root=tmp_path)


def test_the_code_of_another_clone_is_refused(tmp_path):
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "src/descent").mkdir(parents=True)
    line = refused(lab.run, TIES, root=tmp_path)
    assert line.startswith(f"{tmp_path}: not the project whose code was imported, {CODE}")


def test_a_working_folder_that_is_gone_is_a_line(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert "the working folder cannot be used" in refused(lab.experiments)
    monkeypatch.chdir(tmp_path)


# ---- Parameters.


def test_values_of_numpy_are_taken():
    given = {"sample": np.array([3.0, -3.0, 1.0]), "steps": np.int64(50)}
    found = lab.run(TIES, given, root=ROOT)
    assert found.verdict == "holds"
    assert (
        found.keep == "dvc exp run -S 'margin.ties.sample=[3.0,-3.0,1.0]' -S margin.ties.steps=50"
    )
    assert plain(xr.DataArray([1, 2])) == [1, 2]
    assert plain({"a": (np.float64(1), range(2))}) == {"a": [1.0, [0, 1]]}


def test_nested_parameters_are_reached_by_dots_and_by_mappings():
    block = {"lr": {"start": 1, "end": 2}, "steps": 3}
    expected = {"lr": {"start": 1, "end": 5}, "steps": 3}
    assert changed(block, {"lr.end": 5}, "a.b") == expected
    assert changed(block, {"lr": {"end": 5}}, "a.b") == expected
    assert block == {"lr": {"start": 1, "end": 2}, "steps": 3}
    assert changed(block, {"lr": 4, "new": 1}, "a.b", ["new"]) == {"lr": 4, "steps": 3, "new": 1}
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}) == {"a": {"b": 3, "c": 2}}


def test_the_command_has_hydra_s_spelling():
    from hydra.core.override_parser.overrides_parser import OverridesParser

    values = {"a": True, "b": None, "c": [1e-10, "l1.5", "it's"], "d": {"e": [1, 2]}, "f": "3"}
    assert command("f@n", {"a": True, "b": None}, {"a": False}) == (
        "dvc exp run -S f.n.a=true -S +f.n.b=null"
    )
    for key, value in values.items():
        assert OverridesParser.create().parse_override(f"{key}={spelled(value)}").value() == value


def test_no_experiment_has_a_parameter_that_run_takes_for_itself():
    known = blocks(ROOT / "params.yaml", ROOT / "dvc.yaml")
    assert not [block.stage for block in known if "root" in block.parameters]


# ---- How it is found.


PROGRAM = """
import sys
import descent.lab as lab
ours = {name for name in sys.modules if name.startswith("descent")}
assert ours == {"descent", "descent.lab"}, ours
assert "run" in dir(lab)
from descent.lab import run
assert "descent.lab.api" in sys.modules
for arguments, named in (([None], {}), (["margin.ties", [1]], {}), (["margin.ties"], {"root": 3})):
    try:
        run(*arguments, **named)
    except lab.Refused as line:
        print(line)
"""


@pytest.mark.long
def test_the_package_loads_nothing_until_it_is_asked_and_takes_anything():
    """In a process of its own, where no annotation is enforced."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    streams = {"capture_output": True, "encoding": "utf-8", "cwd": ROOT}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, **streams)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "None: no such experiment; `descent list` or lab.experiments() names them",
        "changes must be a mapping of parameters (got a list)",
        "root: 3 is no folder",
    ]


def test_other_names_are_no_attributes():
    with pytest.raises(AttributeError, match="has no attribute 'rum'"):
        _ = lab.rum

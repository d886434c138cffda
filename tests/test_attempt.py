"""`make try`: one experiment at toy size, its contract, its figure and its tests."""

import ast
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from ruamel.yaml import YAML

from descent.lab.attempt import PLANTED, PLANTS, broken
from descent.result import Check, Result
from toy import PARAMS, ROOT, clean_environment, copy_code, pipeline

ORACLE = """
def test_quick_is_quick():
    assert {}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("attempt")
    copy_code(root)
    YAML().dump(pipeline(), root / "dvc.yaml")
    YAML().dump({k: v for k, v in PARAMS.items() if k != "photos"}, root / "params.yaml")
    (root / "tests").mkdir()
    toy = {"alpha": {"quick": {"steps": 5}}, "beta": {"quick": {"last": 2}}}
    YAML().dump(toy, root / "tests/toy.yaml")
    return root


def attempt(folder, *arguments):
    call = [sys.executable, "stages/attempt.py", *arguments]
    streams = {"capture_output": True, "encoding": "utf-8"}
    environment = clean_environment() | {"PYTHONIOENCODING": "utf-8"}
    return subprocess.run(call, cwd=folder, env=environment, **streams)


@pytest.mark.long
@pytest.mark.parametrize(("truth", "code"), [("True", 0), ("False", 1)])
def test_it_says_the_verdict_paints_and_runs_the_oracle(folder, truth, code):
    (folder / "tests/test_alpha.py").write_text(ORACLE.format(truth), encoding="utf-8")
    done = attempt(folder, "alpha@quick")
    assert done.returncode == code, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("alpha@quick: The sum of the powers of q, counted from one")
    assert lines[1] == "  holds"
    assert lines[2].startswith("  ✓ sum 1.")
    assert lines[2].endswith(": rounding")
    assert "  not checked: limit: it is not reached" in lines
    assert (folder / "artifacts/try/alpha-quick.svg").exists()
    assert not (folder / "metrics").exists()
    assert ("1 passed" if truth == "True" else "1 failed") in done.stdout


@pytest.mark.long
def test_what_an_experiment_takes_is_made_at_toy_size(folder):
    done = attempt(folder, "beta@quick")
    assert done.returncode != 2, done.stderr
    assert "✓ largest" in done.stdout
    assert "there is no tests/test_beta.py" in done.stdout


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "said"), [("", "EXP: no such"), ("quick", "did you mean alpha.quick or beta.quick?")]
)
def test_an_unknown_name_is_one_line(folder, name, said):
    done = attempt(folder, name)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr


def test_what_of_the_contract_is_broken_is_named():
    data = xr.Dataset({"x": ("t", [1.0, np.nan])}, coords={"t": ("t", [0, 1], {"long_name": "t"})})
    check = Check("y", 1.0, "==", 1.0, 0.0, "exact")
    faults = broken(Result(data, {"y": 1.0}, (check,)))
    assert faults == [
        "variable x has no long_name",
        "variable x is not finite everywhere",
    ]
    assert not broken(Result(xr.Dataset(), {"y": 1.0}, (check,)))
    assert broken(Result(xr.Dataset(), {}, ())) == [
        "there is neither a check nor a reason to claim nothing"
    ]


def test_the_errors_that_are_planted_are_those_of_the_suite():
    """pytest would say that a test is not there, and nothing of the experiment."""
    every = ast.parse((ROOT / PLANTED).read_text(encoding="utf-8")).body
    assert set(PLANTS) <= {getattr(one, "name", "") for one in every}

"""Every block of params.yaml keeps the contract of an experiment, at toy size."""

from functools import cache
from importlib import import_module
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from chart import chart

from descent.lab.project import blocks
from descent.lab.results import as_report
from fake_mnist import fake_mnist
from toy import ROOT, toy_params


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def names():
    params, pipeline = ROOT / "params.yaml", ROOT / "dvc.yaml"
    return [(block.family, block.name) for block in blocks(params, pipeline)]


def run(family, name):
    block = next(b for b in blocks() if (b.family, b.name) == (family, name))
    experiment = import_module(block.module)
    inputs = [
        run_once(*Path(path).with_suffix("").parts[1:]).data
        if path.startswith("artifacts/")
        else fake_mnist(np.random.default_rng(0), 256, 72)
        for path in block.inputs()
    ]
    return experiment.run(experiment.Config(**toy_params()[family][name]), *inputs)


run_once = cache(run)


@pytest.mark.parametrize(("family", "name"), names())
def test_two_runs_are_finite_labelled_and_equal_to_the_bit(family, name):
    first, second = run_once(family, name), run(family, name)
    assert first.data.identical(second.data)
    assert as_report(first) == as_report(second)
    for variable in first.data.data_vars.values():
        assert np.isfinite(variable).all(), variable.name
        assert "long_name" in variable.attrs, variable.name
    for coordinate in first.data.coords.values():
        assert "long_name" in coordinate.attrs, coordinate.name


@pytest.mark.parametrize(("family", "name"), names())
def test_claims_hold_and_names_are_unique(family, name):
    result = run_once(family, name)
    stated = [*result.metrics, *(c.name for c in result.checks), *(e.name for e in result.errata)]
    assert result.checks
    assert len(set(stated)) == len(stated)
    assert [check for check in result.checks if not check.holds] == []
    assert [erratum for erratum in result.errata if not erratum.stands] == []


@pytest.mark.parametrize(("family", "name"), names())
def test_every_experiment_has_a_figure_with_labelled_axes(family, name):
    drawing = getattr(import_module(f"descent.{family}.figures"), name)(run_once(family, name).data)
    shown = chart(drawing)
    plt.close(drawing)
    for panel in shown:
        assert panel["x"]["label"]
        assert panel["y"]["label"]
        assert panel["title"] or len(shown) == 1
        assert panel["marks"] or not panel["whole"]

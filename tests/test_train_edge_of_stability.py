"""The sharpness along training against autograd, runs that do not come to the edge, and wrong formulas."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import harness
from descent.config import Refusal
from descent.lab.results import as_report, dumps
from descent.maths.initialise import initialise
from descent.maths.network import Shape
from descent.train import _sharpening
from descent.train import edge_of_stability as experiment
from descent.train._pooled_images import Images
from descent.train._sharpening import Settings, trace


def run(**changes):
    return harness.run("train@edge_of_stability", **changes)


def broken(**changes) -> set[str]:
    """The checks that do not hold and the errata that do not stand."""
    result = run(**changes)
    return {c.name for c in result.checks if not c.holds} | {
        e.name for e in result.errata if not e.stands
    }


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"betas": [0.5, 2]}, "betas 2 ≥ 2: no step is stable"),
        ({"every": 500}, "every 500 > steps 400"),
        ({"tail": 0}, "nothing to average"),
        ({"steps": 60}, "2 measurements, fewer than 3"),
        ({"products": 1}, "greater than or equal to 4"),
        ({"betas": [0.5, 0.50000001]}, "one value in six digits"),
    ],
)
def test_bad_numbers_are_refused_by_rule(change, rule):
    with pytest.raises(ValidationError, match=rule):
        harness.config_of("train@edge_of_stability", **change)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"images": 300}, "images 300 > 256"),
        ({"pool": 6}, "pool 6 > 5 pixels"),
    ],
)
def test_what_cannot_be_run_is_refused(change, rule):
    with pytest.raises(Refusal, match=rule):
        run(**change)


def loss(w, x, y, shape):
    h, end = x, 0
    for layer, (fan_in, out) in enumerate(pairwise(shape.widths), 1):
        W = w[end : end + out * fan_in].reshape(out, fan_in)
        end += out * (fan_in + 1)
        h = h @ W.T + w[end - out : end]
        h = torch.tanh(h) if layer < len(shape.widths) - 1 else h
    return (h - y).square().sum() / (2 * len(x))


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
def test_the_sharpness_along_a_run_is_that_of_autograd(hidden):
    """A run of one step: loss, step and sharpness at both ends, with products enough."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((7, 5)), rng.standard_normal((7, 2))
    images, shape = Images(x, y), Shape((5, *hidden, 2), "tanh")
    settings = Settings(hidden, 0.7, 0.5, 0.1, steps=1, every=1, products=60)
    found = trace(np.random.default_rng(2), images, settings)
    w = 0.7 * initialise(np.random.default_rng(2), "lecun", shape)[0]
    of = partial(loss, x=torch.tensor(x), y=torch.tensor(y), shape=shape)
    for t in range(2):
        point = torch.tensor(w, requires_grad=True)
        value = of(point)
        (slope,) = torch.autograd.grad(value, point)
        H = torch.autograd.functional.hessian(of, point.detach()).numpy()
        assert found.loss[t] == pytest.approx(value.item(), rel=1e-13)
        assert found.sharpness[t] == pytest.approx(np.linalg.eigvalsh(H)[-1], rel=1e-12)
        w = w - 0.1 * 0.5 * slope.numpy()


@pytest.mark.long
def test_the_documents_bound_is_caught(monkeypatch):
    """Runs that end at the edge are not at 2/(βη)."""
    monkeypatch.setattr(experiment, "highest", lambda beta: 1 + 0 * beta)
    assert broken(plateau=7) >= {"edge"}


@pytest.mark.long
def test_no_prediction_decides_which_runs_are_checked(monkeypatch):
    """A prediction that is too high is not excused as an edge that is not reached, nor one too low as a start beyond."""
    for factor in (0.3, 4):
        monkeypatch.setattr(experiment, "highest", lambda beta, k=factor: k * (2 - beta))
        assert broken() >= {"edge"}


@pytest.mark.long
def test_a_run_that_ends_before_the_edge_has_no_plateau():
    """The trap: small steps leave the sharpness below, and no step undoes the one before."""
    result = run(betas=[0.5, 1], plateau=60, steps=150)
    assert result.metrics["share_at_the_edge"].values.tolist() == [0, 0]
    assert result.verdict == "no claim"
    assert result.checks == ()
    assert result.errata == ()


def test_a_start_beyond_the_edge_claims_nothing():
    """Unstable from the first step on: it diverges or lands where it is flatter."""
    result = run(plateau=0.2, steps=120)
    assert result.no_claim == ("4 of 4 runs left float64",)
    assert result.checks == ()
    dumps(as_report(result))
    assert result.errata == ()


@pytest.mark.long
def test_a_sharpness_that_is_not_known_is_not_compared(monkeypatch):
    """Few products from a random vector give a fraction of it."""
    right = _sharpening.largest_eigenvalue
    monkeypatch.setattr(
        _sharpening,
        "largest_eigenvalue",
        lambda times, start, products: right(times, np.ones_like(start), 2),
    )
    result = run(every=20)
    assert any("residual" in reason for reason in result.no_claim)
    assert result.checks == ()

"""Recurrent networks: the parts of the gradient against autograd and against powers of the matrix."""

import numpy as np
import pytest
import torch

from descent.initialisation import _recurrent
from harness import config_of, run


def network(rng, N, K):
    W, b, start, c = rng.standard_normal((N, N)) / N, *rng.standard_normal((3, N))
    return W, b, np.tanh(start), c, K


def test_the_parts_add_up_to_the_gradient():
    """Also away from a state of rest; the parts of torch are those of a matrix of its own for every step."""
    W, b, start, c, K = network(np.random.default_rng(0), 5, 6)
    found = _recurrent.backward(W, b, start, c, K)
    own = [torch.tensor(W, requires_grad=True) for _ in range(K + 1)]
    h = torch.tensor(start)
    for one in own:
        h = torch.tanh(one @ h + torch.tensor(b))
    (torch.tensor(c) @ h).backward()
    expected = [float(torch.linalg.norm(one.grad)) for one in reversed(own)]
    np.testing.assert_allclose(found.parts, expected, rtol=1e-13)


def test_the_eigenvalues_give_the_powers_of_the_matrix():
    rng = np.random.default_rng(1)
    J, first = rng.standard_normal((7, 7)) / 3, rng.standard_normal(7)
    found = _recurrent.powers(J, first, 2.0, 12)
    a = [np.linalg.matrix_power(J.T, k) @ first for k in range(13)]
    np.testing.assert_allclose(found.part, 2 * np.linalg.norm(a, axis=1), rtol=1e-11)
    rate = (np.linalg.norm(a[-1]) / np.linalg.norm(a[0])) ** (1 / 12)
    assert abs(rate - found.radius) <= found.reach
    assert rate <= found.fastest


def test_a_network_that_leaves_its_rest_is_no_evidence(monkeypatch):
    """A state that is off by 1e-8 grows to 1e-1 within 100 steps of radius 1.2; no check may fail for it."""
    exact = _recurrent.backward

    def disturbed(W, b, start, c, K):
        found = exact(W, b + 1e-8, start, c, K)
        return found

    monkeypatch.setattr("descent.initialisation.recurrent.backward", disturbed)
    result = run("initialisation@recurrent", radii=(1.2,), lags=60)
    assert result.verdict == "no claim"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"radii": (1.2,), "lags": 100}, "rounding takes"),
        ({"radii": (0.01,), "lags": 100}, "leave float64"),
        ({"spread": 5}, "spread 5"),
        ({"radii": (1, 0.9)}, "increasing"),
        ({"width": 10**6}, "width 1000000"),
    ],
)
def test_what_shows_no_power_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        config_of("initialisation@recurrent", **changes)


def test_one_unit_is_its_own_eigenvector():
    assert run("initialisation@recurrent", width=1, radii=(0.5, 1)).verdict == "holds"


def test_a_few_steps_show_no_rate():
    assert run("initialisation@recurrent", lags=1).verdict == "no claim"


def test_the_answer_about_values_above_1_is_refuted():
    (erratum,) = run("initialisation@recurrent", width=24, lags=100).errata
    assert erratum.stands
    assert erratum.correct > 0

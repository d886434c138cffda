"""Nesterov's method and heavy ball on a quadratic: rules, closed forms, and wrong formulas that must be caught."""

import tracemalloc

import numpy as np
import pytest

from descent.dynamics import nesterov as experiment
from descent.dynamics._methods import heavy_ball_step, nesterov_step
from descent.maths import nesterov, recurrence, rules
from harness import run

PAIRS = [(0.0, 0.3), (0.5, 0.4), (0.9, 1.2), (0.8, 1.0), (0.9, (0.1 / 1.9) ** 2)]


@pytest.mark.parametrize(("beta", "h"), PAIRS)
def test_the_step_is_the_rule_that_networks_are_trained_by(beta, h):
    """The rule's θ is the point that looks ahead: y_t here."""
    rule, x, before = rules.nesterov(beta), 1.0, 1.0
    memories, y = rule.start(np.array(1.0)), np.array(1.0)
    for t in range(12):
        x, before = nesterov_step(x, before, beta, h), x
        memories, update = rule.step(memories, h * y, t + 1, 1.0)
        y = y - update
        assert y == pytest.approx(x + beta * (x - before), abs=1e-12)


@pytest.mark.parametrize(
    ("step", "form"),
    [(nesterov_step, nesterov.coefficients), (heavy_ball_step, nesterov.heavy_ball_coefficients)],
)
@pytest.mark.parametrize(("beta", "h"), PAIRS)
def test_the_closed_form_is_the_recurrence(step, form, beta, h):
    x, before, path = 1.0, 1.0, [1.0]
    for _ in range(40):
        x, before = step(x, before, beta, h), x
        path.append(x)
    found = recurrence.solution(form(beta, h), 1 - h, np.arange(41))
    np.testing.assert_allclose(found, path, rtol=0, atol=1e-10 * max(map(abs, path)))


def test_the_edge_of_stability_is_where_the_radius_passes_1():
    beta = np.linspace(0, 0.99, 50)
    for factor, stable in ((1 - 1e-6, True), (1 + 1e-6, False)):
        found = recurrence.radius(nesterov.coefficients(beta, factor * nesterov.highest(beta)))
        assert ((found < 1) == stable).all()


@pytest.mark.parametrize("kappa", [1.5, 10.0, 500.0, 1e5])
def test_the_best_pair_makes_both_ends_equally_fast_and_no_neighbour_is_better(kappa):
    pair, ends = nesterov.best_pair(kappa, 1.0), np.array([kappa, 1.0])

    def rate(beta, eta):
        return recurrence.radius(nesterov.coefficients(beta, eta * ends)).max()

    assert rate(pair.beta, pair.eta) == pytest.approx(pair.rate, abs=1e-7)
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1)):
        assert rate(pair.beta * (1 + 1e-3 * dx), pair.eta * (1 + 1e-3 * dy)) > pair.rate


def test_reference_values():
    pair = nesterov.best_pair(50.0, 0.1)
    np.testing.assert_allclose(pair, (0.901823003, 0.0266489007, 0.948377427), rtol=1e-8)
    assert nesterov.best_heavy_ball_pair(10.0, 0.1).rate == pytest.approx(9 / 11, rel=1e-14)


def broken(**changes) -> set[str]:
    return {check.name for check in run("dynamics@nesterov", **changes).checks if not check.holds}


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [
        {"curvatures": [1, 0.999]},
        {"curvatures": [3e4, 20, 1], "limit": 5000},
        {"curvatures": [1e-8, 1e-9]},
        {"accuracies": [1e-12, 0.9]},
        {"betas": 2, "levels": 2},
    ],
)
def test_it_holds_at_other_settings(changes):
    assert run("dynamics@nesterov", **changes).verdict == "holds"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"curvatures": [1]}, "at least 2"),
        ({"curvatures": [1, 2]}, "increasing"),
        ({"curvatures": [1e9, 1]}, "rounding"),
        ({"accuracies": [1e-14]}, "1e-13"),
        ({"accuracies": [1.0]}, "the start"),
        ({"limit": 10}, "takes up to"),
        ({"limit": 10**9}, "between"),
    ],
)
def test_what_cannot_be_shown_is_refused(change, rule):
    with pytest.raises(ValueError, match=rule):
        run("dynamics@nesterov", **change)


@pytest.mark.long
@pytest.mark.parametrize(
    ("wrong", "caught"),
    [
        (
            lambda L, mu: nesterov.Pair(*nesterov.best_heavy_ball_pair(L, mu)),
            {"best_eta", "best_rate"},
        ),
        (lambda L, mu: nesterov.best_pair(L, mu)._replace(eta=1 / L), {"best_eta"}),
        (
            lambda L, mu: nesterov.best_pair(L, mu)._replace(rate=1 - 1 / np.sqrt(L / mu)),
            {"best_rate"},
        ),
    ],
    ids=["heavy ball's", "η = 1/L", "the textbook's rate"],
)
def test_a_wrong_best_pair_is_caught(monkeypatch, wrong, caught):
    monkeypatch.setattr(experiment, "best_pair", wrong)
    assert broken() >= caught


@pytest.mark.long
def test_heavy_ball_s_recurrence_in_place_of_nesterov_s_is_caught(monkeypatch):
    monkeypatch.setattr(nesterov, "coefficients", nesterov.heavy_ball_coefficients)
    assert "rate" in broken()


@pytest.mark.long
def test_errors_of_many_modes_are_those_of_each_and_never_all_in_memory():
    curvatures, t = tuple(1 - np.arange(200) / 250), np.arange(5001)
    pairs = nesterov.best_pair(1.0, 0.2), nesterov.best_heavy_ball_pair(1.0, 0.2)
    tracemalloc.start()
    try:
        found = nesterov.worst_errors(pairs, curvatures, t)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 20 * found.nbytes  # all modes are 200 times as many
    every = [nesterov.worst_errors(pairs, (c,), t) for c in curvatures]
    np.testing.assert_array_equal(found, np.max(every, 0))

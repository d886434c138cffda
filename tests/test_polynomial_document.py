"""What the first exercises of a course document ask of the points: twins by other routes, and wrong formulas."""

import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_allclose
from pydantic import ValidationError

import harness
from descent.config import Refusal
from descent.polynomial import (
    _methods,
    _network,
    _printed,
    _rank,
    nearest,
    networks,
    smoothness,
    solutions,
)
from descent.polynomial._kernels import _sample
from descent.polynomial._problem import build


def result(name: str, **changes):
    return harness.run(f"polynomial@{name}", **changes)


def broken(name: str, **changes) -> set[str]:
    return {c.name for c in result(name, **changes).checks if not c.holds}


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("solutions", {"replicates": 7}, "replicates 7 < 8: too few fits to span 3 directions"),
        ("solutions", {"degrees": [9, 3]}, "increasing"),
        ("smoothness", {"degrees": [100_000]}, "GiB|hours"),
        ("nearest", {"skews": [7]}, "less than or equal to 6"),
        ("nearest", {"degree": 6}, "degree 6 ≤ points − 1 = 6"),
        ("networks", {"width": 1}, "width 1: 3 weights < points 4"),
        ("networks", {"holds": [1]}, "the first must be 0"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        harness.config_of(f"polynomial@{name}", **change)


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("solutions", {"points": 30, "degrees": [25]}, "cannot be told from rounding"),
        ("nearest", {"points": 20, "degree": 24, "skews": [6]}, "leaves no digits"),
        ("networks", {"width": 2}, "no weights that meet the points"),
    ],
)
def test_problems_without_an_answer_are_refused(name, change, rule):
    with pytest.raises(Refusal, match=rule):
        result(name, **change)


# --- solutions ---


def test_ranks_modulo_a_prime_are_those_of_rational_rows():
    rng = np.random.default_rng(0)
    A = rng.integers(-9, 10, (5, 3)) @ rng.integers(-9, 10, (3, 6))
    assert _rank.rank((A % _rank.P).tolist()) == np.linalg.matrix_rank(A) == 3
    assert _rank.rank([[0, 0], [0, 0]]) == 0
    assert _rank.residue(0.1) * 2**55 % _rank.P == int(0.1 * 2**55)
    rows = _rank.features(np.array([-1.0, 0.5, 0.5, 2.0]), 4)
    assert _rank.rank(rows) == 3  # a point that stands twice adds nothing


def test_the_printed_solution_is_none():
    (erratum,) = result("solutions").errata
    assert erratum.stands
    assert erratum.measured == pytest.approx(2.58e-8, rel=1e-3)
    assert result("solutions", growth=2.1).errata == ()
    assert result("solutions", degrees=[3, 8]).errata == ()


def test_an_inverse_that_is_none_is_caught(monkeypatch):
    """All but one of the free directions."""
    right = solutions.resolved
    monkeypatch.setattr(solutions, "resolved", lambda *given: 1e3 * right(*given))
    assert broken("solutions") == set()  # far above rounding
    monkeypatch.setattr(solutions, "resolved", lambda *given: 1.0)
    assert "free" in broken("solutions")


# --- smoothness ---


def test_the_frobenius_norm_is_no_tight_constant(monkeypatch):
    right = smoothness.predict

    def wrong(config, problems, given):
        found = right(config, problems, given)
        return found.assign(beta=found["beta"].copy(data=[p.frobenius for p in problems]))

    monkeypatch.setattr(smoothness, "predict", wrong)
    assert broken("smoothness") == {"tight"}


def test_complex_steps_are_differences_of_values():
    rng = np.random.default_rng(0)
    x, y, theta, h = rng.normal(size=4), rng.normal(size=4), rng.normal(size=(1, 3)), 1e-6
    ends = [
        (np.vander(x, 3, increasing=True) @ (theta + s * h * np.eye(3)).T - y[:, None]) ** 2
        for s in (1, -1)
    ]
    slow = (ends[0] - ends[1]) / (2 * h)
    assert_allclose(smoothness.complex_step(x, y, theta)[0], slow, rtol=1e-7, atol=1e-8)


# --- nearest ---


def test_h_for_its_inverse_is_caught(monkeypatch):
    right = nearest.predict

    def wrong(config, problem, given):
        turned = [one._replace(root=np.linalg.inv(one.root).T) for one in given]
        return right(config, problem, turned)

    monkeypatch.setattr(nearest, "predict", wrong)
    assert {"solution", "multiplier", "normal", "others_are_further"} <= broken("nearest")


# --- networks, and what is printed of averages ---


def test_the_jacobian_of_the_network_is_that_of_complex_steps():
    x, w = np.linspace(-1, 1, 5), np.random.default_rng(0).standard_normal(12)
    a, b, c = (w + 1e-30j * np.eye(12)).reshape(12, 3, 1, 4).transpose(1, 0, 2, 3)
    slow = (np.tanh(x[:, None] * b + c) * a).sum(-1).imag / 1e-30
    assert_allclose(_network.jacobian(w, x), slow.T, rtol=1e-13, atol=1e-15)


def test_the_compiled_training_is_the_plain_loop():
    x, w = np.linspace(-1, 1, 5), np.random.default_rng(0).standard_normal(12)
    y, record = np.sin(x), np.array([0, 3, 20])
    found = _network.train(np.random.default_rng(1), x, y, w, 0.05, 7, record)
    rng, slow = np.random.default_rng(1), []
    for k in range(21):
        short = _network.model(w, x) - y
        slow.append(np.mean(short**2))
        i = int(rng.random() * 5)
        w = w - 0.05 / (k // 7 + 1) * 2 * short[i] * _network.jacobian(w, x)[i]
    assert_allclose(found, np.array(slow)[record], rtol=1e-12)


def test_second_derivatives_of_the_network_are_within_their_bound():
    rng, h = np.random.default_rng(0), 1e-5
    for _ in range(20):
        x, w = rng.uniform(-2, 2, 3), 2 * rng.standard_normal(9)
        ways = h * np.eye(9)
        ends = [np.array([_network.jacobian(w + s * one, x) for one in ways]) for s in (1, -1)]
        hessians = ((ends[0] - ends[1]) / (2 * h)).transpose(1, 0, 2)
        assert np.linalg.norm(hessians, 2, axis=(1, 2)).max() <= _network.bend(w, x) * (1 + 1e-6)


def test_features_of_other_weights_are_caught(monkeypatch):
    right = networks.tangent

    def wrong(config, given):
        problem, w0 = right(config, given)
        return problem._replace(sigma=2 * problem.sigma), w0

    monkeypatch.setattr(networks, "tangent", wrong)
    assert broken("networks") == {"near"}


def test_a_run_far_from_a_fit_claims_nothing():
    found = result("networks", offset=1e-2)
    assert found.verdict == "no claim"
    assert "what is not linear may be" in found.no_claim[0]


def test_printed_averages_are_those_of_their_own_rows():
    config = harness.config_of("polynomial@sgd", printed=[[3, 0, 0.1, 0.2, 0.3, 0.4]])
    problems = [build(config, n) for n in config.degrees]
    assert _printed.published(config, problems, []) == []  # the toy has other iterations


# --- the printed averages ---


@njit
def averaged(X, y, step, hold, order):
    """The mean of θ₁ … θ_K of a run from 0 that takes the samples in this order."""
    theta, total = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for k in range(len(order)):
        _sample(X, y, theta, step if hold == 0 else step / (k // hold + 1), order[k])
        total += theta
    return total / len(order)


@pytest.mark.long
def test_all_printed_averages_are_those_of_numpys_generator_after_exercise_5():
    """No run is seeded, but all go on from what exercise 5 has left of seed 0: 2000 phases, 2000 samples."""
    block = harness.experiments()["polynomial@sgd"].parameters
    config = harness.module_of("polynomial@sgd").Config(**block)
    assert len(config.printed) == 6
    rng = np.random.RandomState(0)
    rng.rand(2000)
    rng.randint(2000, size=2000)
    by_run = {(int(n), int(hold)): printed for n, hold, *printed in config.printed}
    for n in (3, 9):
        problem = build(config, n)
        for hold in (0, 1, 1000):
            order = rng.randint(7, size=config.iterations)
            found = averaged(problem.X, problem.y, 0.1 / problem.frobenius, hold, order)
            assert_allclose(found, by_run[n, hold], rtol=0, atol=6e-9)


def stands(name: str, **changes) -> dict[str, bool]:
    return {e.name: e.stands for e in result(name, **changes).errata}


def test_what_1b_and_4d_print_is_judged_on_their_data_only(monkeypatch):
    found = stands("smoothness")
    assert found == dict.fromkeys(
        ("norm_of_nabla_f_prime_at_a_minimiser", "rows_of_the_gradient_of_a_term"), True
    )
    own = {"points": 7, "degree": 9, "steps": 100, "snapshots": 2}
    assert stands("smoothness", growth=1) == stands("adam", **own, growth=1) == {}
    assert stands("adam", **own) == {"squared_distance_at_the_start": True}
    monkeypatch.setattr(_methods, "length", lambda theta: np.linalg.norm(theta, axis=-1) ** 2)
    assert stands("adam", **own) == {"squared_distance_at_the_start": False}
    right = smoothness.differences
    monkeypatch.setattr(smoothness, "differences", lambda *given: 0.9 * right(*given))
    assert not stands("smoothness")["norm_of_nabla_f_prime_at_a_minimiser"]


def test_complex_steps_of_many_coefficients_are_refused_before_they_are_made():
    with pytest.raises(ValueError, match="GiB at once"):
        result("smoothness", degrees=[3, 2214])

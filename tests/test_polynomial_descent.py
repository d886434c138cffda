"""Descent on polynomial least squares against loops and enumeration; reference values; wrong formulas, and traps."""

from itertools import permutations, product

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from pydantic import ValidationError

import oracles
from descent.config import Refusal
from descent.maths import quadratic
from descent.maths.quadratic import Quadratic
from descent.polynomial import _kernels, _moments, _reshuffling, averaging, figures, gd, sgd, stability
from descent.polynomial._problem import (
    Points,
    build,
    gradient,
    grid_rmse,
    loss,
    modes,
    null_projector,
)
from toy import toy_params

BLOCKS = toy_params()["polynomial"]
MODULES = {"gd": gd, "sgd": sgd, "stability": stability, "averaging": averaging}
DATA = Points(points=7, interval=(-1, 1), frequency=5, growth=2, amplitude=0.1)
SMALL = Points(points=4, interval=(-0.5, 1), frequency=5, growth=2, amplitude=0.1)


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setattr("descent.maths.replicates.cpu_count", lambda: 1)


def broken(name: str, **changes) -> set[str]:
    """The checks that do not hold and the errata that do not stand."""
    module = MODULES[name]
    result = module.run(module.Config(**BLOCKS[name] | changes))
    return {c.name for c in result.checks if not c.holds} | {
        e.name for e in result.errata if not e.stands
    }


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("gd", {"interval": [1, -1]}, r"interval \[1, -1\]: the lower end must come first"),
        ("gd", {"degrees": [9, 3]}, "increasing"),
        ("gd", {"milestones": [4000]}, "milestone 4000 > iterations 3000"),
        ("gd", {"printed": [1]}, "an interval has two"),
        ("sgd", {"points": 1}, "nothing to draw from"),
        ("sgd", {"replicates": 1}, "standard error"),
        ("sgd", {"printed": [[7, 0.1]]}, "hold 7 is none of holds"),
        ("stability", {"fractions": [0.5, 0.9]}, "limit 1 must lie strictly between"),
        ("stability", {"epochs": 1}, "epochs 1"),
        ("averaging", {"iterations": 3}, "four at least"),
        ("stability", {"enumerated": 5}, "not one draw"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        MODULES[name].Config(**BLOCKS[name] | change)


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("gd", {"frequency": 0}, "every y is 0"),
        ("gd", {"growth": 1000}, "leaves float64"),
        ("gd", {"interval": [1, 1.001], "degrees": [6]}, "cond X"),
        ("gd", {"converged": 1e-30}, "rounding of float64"),
        ("sgd", {"step": 0.5}, "0.3950669, the mean-square limit at degree 9"),
        ("averaging", {"step": 1, "steps": [0.1, 2]}, "no finite law"),
        ("stability", {"points": 24, "degrees": [3]}, "orders of an epoch"),
        ("stability", {"step": 1.5}, "there is no floor"),
    ],
)
def test_problems_without_an_answer_are_refused(name, change, rule):
    change = {key: value for key, value in change.items() if key in BLOCKS[name]}
    config = MODULES[name].Config(**BLOCKS[name] | change)
    with pytest.raises(Refusal, match=rule):
        MODULES[name].run(config)


# --- the closed form on a quadratic ---

SPECTRUM = np.array([2.0, 1.999, 1.3, 1.0, 0.2, 1e-9, 0.0])


@pytest.mark.parametrize("step", [0.3, 1.0, 1.1])
def test_iterates_and_averages_are_those_of_a_loop(step):
    """ρ from 1 through 0 to −1.2; the last step of 1.1 grows by 1.2 a step."""
    c = np.array([1.0, -2.0, 0.5, 3.0, 0.0, 1.0, 2.0])
    q, e, path = Quadratic(SPECTRUM, c), c.copy(), []
    for _ in range(60):
        path.append(e)
        e = e - step * SPECTRUM * e
    path, k = np.array(path), np.arange(60.0)
    means = np.cumsum(path, 0) / (k + 1)[:, None]
    np.testing.assert_allclose(quadratic.iterate(q, step, k), path, rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(quadratic.average(q, step, k), means, rtol=1e-12, atol=1e-15)
    assert quadratic.gap(q, path)[7] == pytest.approx(SPECTRUM @ path[7] ** 2 / 2, rel=1e-14)


def test_the_first_iteration_within_a_distance_is_that_of_a_search():
    rng = np.random.default_rng(0)
    for step in (0.4, 1.0, 1.05):  # the last one grows in the end
        for squared in (1e-1, 1e-3, 1e-8):
            q = Quadratic(np.array([2.0, 1.0, 0.3]), rng.standard_normal(3) * [1e-3, 1, 1])
            distance = quadratic.squared_distance(quadratic.iterate(q, step, np.arange(900.0)))
            (inside,) = np.nonzero(distance <= squared)
            expected = int(inside[0]) if len(inside) else None
            assert quadratic.first_within(q, step, squared) == expected
    stuck = Quadratic(np.array([1.0, 0.0]), np.array([1.0, 0.5]))
    assert quadratic.first_within(stuck, 0.5, 0.2) is None
    assert quadratic.first_within(stuck, 0.5, 0.26) == 4


# --- the problem ---


def test_gradient_and_hessian_are_those_of_autograd():
    problem, theta = build(SMALL, 5), np.random.default_rng(1).standard_normal(6)

    def by_powers(theta, y):
        x = torch.tensor(problem.x)
        return (sum(theta[j] * x**j for j in range(6)) - y).square().mean()

    auto = oracles.autograd(by_powers, theta, problem.y)
    np.testing.assert_allclose(gradient(problem, theta), auto, rtol=1e-12)
    hessian = oracles.autograd_hessian(by_powers, theta, problem.y)
    spectrum = np.linalg.eigvalsh(hessian)[::-1][:4]
    np.testing.assert_allclose(problem.eigenvalues, spectrum, rtol=1e-9, atol=1e-13)
    assert float(loss(problem, theta)) == pytest.approx(
        float(by_powers(torch.tensor(theta), torch.tensor(problem.y))), rel=1e-13
    )
    null = null_projector(problem)
    np.testing.assert_allclose(problem.X @ null, 0, atol=1e-14)
    assert np.trace(null) == pytest.approx(2)


REFERENCES = {  # 60 to 80 digits, and exact recursions
    3: {
        "theta": {1: 0.5235572832114, 3: -1.245207549247},
        "beta": 2.4494269055147, "frobenius": 2.86210652071188, "lowest": 0.00205798088140447,
        "rmse": 0.0824282122, "norm": 1.350797567922,
        "gap": {1: 0.059371706158, 10: 0.0281849776236, 100: 6.12657158883e-4, 1000: 1.44283e-20},
        "average": {1000: 9.7486707e-5, 100_000: 9.76798243e-9},
        "C": 97.6817779, "first": (446, 879), "frobenius_first": 1028,
    },
    9: {
        "theta": {1: 0.7994155953580, 3: -1.899536365297, 5: -0.5839575070586, 9: 0.6953225362752},
        "beta": 3.60870905406241, "frobenius": 4.79180956352371, "lowest": 0,
        "rmse": 0.0122415363, "norm": 2.269426407138,
        "gap": {1: 0.0228576143067, 100: 0.00700151373113, 10_000: 4.52881126e-11},
        "average": {1000: 0.00352788783, 100_000: 9.35261866e-7},
        "C": 9352.80572, "first": (10510, 20181), "frobenius_first": 26800,
    },
}  # fmt: skip


@pytest.mark.parametrize("n", REFERENCES)
def test_gradient_descent_has_the_reference_values(n):
    problem, expected = build(DATA, n), REFERENCES[n]
    q, step = modes(problem, np.zeros(n + 1)), 1 / problem.beta
    for power, value in expected["theta"].items():
        assert problem.theta[power] == pytest.approx(value, rel=1e-11)
    assert problem.beta == pytest.approx(expected["beta"], rel=1e-13)
    assert problem.frobenius == pytest.approx(expected["frobenius"], rel=1e-13)
    assert problem.lowest == pytest.approx(expected["lowest"], rel=1e-12)
    assert np.linalg.norm(problem.theta) == pytest.approx(expected["norm"], rel=1e-12)
    assert grid_rmse(DATA, problem.theta, (-1.0, 1.0), 2001) == pytest.approx(
        expected["rmse"], rel=1e-8
    )
    for name, of in (("gap", quadratic.iterate), ("average", quadratic.average)):
        for k, value in expected[name].items():
            found = quadratic.gap(q, of(q, step, np.array([float(k)])))[0]
            assert found == pytest.approx(value, rel=1e-5 if value < 1e-19 else 1e-8)
    assert quadratic.average_law(q, step) == pytest.approx(expected["C"], rel=1e-8)
    found = tuple(quadratic.first_within(q, step, squared) for squared in (1e-8, 1e-16))
    assert found == expected["first"]
    frobenius = quadratic.first_within(q, 1 / problem.frobenius, 1e-16)
    assert frobenius == expected["frobenius_first"]


SAMPLED = {  # E f gap of the last iterate and of the average, E d², after 7·10⁵ steps
    (3, 0): (1.3307362825e-4, 3.0212035e-8, 2.970601910e-4),
    (3, 1): (0.061920995607, 0.064898699827, 1.6064653),
    (3, 1000): (1.7352210596e-7, 4.17292609e-8, 4.45450292e-7),
    (9, 0): (2.13468748e-12, 1.909316281e-6, 2.465076804e-8),
    (9, 1): (0.032528962891, 0.035238484090, 5.0395375557),
    (9, 1000): (0.0021802106564, 0.0026592422781, 1.2693169626),
}


@pytest.mark.parametrize(("n", "hold"), SAMPLED)
def test_stochastic_descent_has_the_reference_expectations(n, hold):
    problem = build(DATA, n)
    found = _moments.moments(problem, 0.1 / problem.beta, hold, np.array([700_000]))
    values = (
        _moments.expected_gap(problem, found.second)[0],
        _moments.expected_gap(problem, found.average_second)[0],
        np.trace(found.second[0]),
    )
    np.testing.assert_allclose(values, SAMPLED[n, hold], rtol=2e-8)


def test_limits_floors_and_laws_have_the_reference_values():
    for n, limit in ((3, 0.7926509), (9, 0.3950669)):
        problem = build(DATA, n)
        assert _moments.limit(problem) * problem.beta == pytest.approx(limit, abs=5e-8)
    problem = build(DATA, 3)
    step = 0.1 / problem.beta
    floor = _moments.stationary(problem, step)
    assert _moments.expected_gap(problem, floor) == pytest.approx(1.330736282547e-4, rel=1e-11)
    assert np.trace(floor) == pytest.approx(2.970601910542e-4, rel=1e-11)
    reshuffled = _moments.expected_gap(problem, _reshuffling.stationary(problem, step))
    assert reshuffled == pytest.approx(6.95e-6, rel=0.01)  # a simulation
    a, b = averaging.coefficients(problem, step)
    assert b == pytest.approx(0.0071431986, rel=1e-8)
    # a is 0.4 % above the 9768.178 of gradient descent alone, with which the sum misses E f(θ̄) − f*.
    total = a / 700_001**2 + b / 700_001
    assert total == pytest.approx(SAMPLED[3, 0][1], rel=2e-8)
    without = 9768.178 / 700_001**2 + b / 700_001
    assert abs(without / SAMPLED[3, 0][1] - 1) > 2e-3


# --- the kernels and the moments ---


def test_the_compiled_descent_is_the_plain_loop():
    problem, start = build(SMALL, 2), np.array([1.0, -2.0, 0.5])
    record = np.array([0, 3, 40])
    iterates, averages, first = _kernels.descend(
        problem.X, problem.y, start, problem.theta, 0.3, record, 2.0
    )
    theta, path = start, []
    for _ in range(41):
        path.append(theta)
        theta = theta - 0.3 * gradient(problem, theta)
    path = np.array(path)
    means = np.cumsum(path, 0) / np.arange(1, 42)[:, None]
    np.testing.assert_allclose(iterates, path[record], rtol=1e-12)
    np.testing.assert_allclose(averages, means[record], rtol=1e-12)
    distance = np.sum((path - problem.theta) ** 2, 1)
    assert first == np.argmax(distance <= 2.0) > 0


def enumerated(problem, orders, steps):
    """E e, E eeᵀ, E ē, E ēēᵀ over these equally likely orders of samples, one step each."""
    X, y, V = problem.X, problem.y, problem.V
    ends, averages = [], []
    for order in orders:
        theta, path = np.zeros(X.shape[1]), [np.zeros(X.shape[1])]
        for i, step in zip(order, steps, strict=True):
            theta = theta - step * 2 * X[i] * (X[i] @ theta - y[i])
            path.append(theta)
        ends.append((theta - problem.theta) @ V)
        averages.append((np.mean(path, 0) - problem.theta) @ V)
    outer = [np.mean([np.outer(e, e) for e in one], 0) for one in (ends, averages)]
    return np.mean(ends, 0), outer[0], np.mean(averages, 0), outer[1]


@pytest.mark.parametrize("degree", [1, 2, 6])
@pytest.mark.parametrize("hold", [0, 1, 2])
def test_moments_are_those_of_all_draws(degree, hold):
    problem = build(SMALL, degree)
    steps = [0.2 / (k // hold + 1) if hold else 0.2 for k in range(5)]
    expected = enumerated(problem, product(range(4), repeat=5), steps)
    found = _moments.moments(problem, 0.2, hold, np.array([5]))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one[0], other, rtol=1e-11, atol=1e-13)
    factor = _moments.mean_factor(problem, 0.2, hold, np.array([5]))[0]
    mean = -(problem.V.T @ problem.theta) * factor
    np.testing.assert_allclose(mean, expected[0], rtol=1e-11, atol=1e-13)


def test_a_step_of_1_over_the_curvature_ends_the_mean():
    """The trap: 1 − a/(k + 1) is 0 at k = 0 for a = 1, where Γ(1 − a) has a pole."""
    problem = build(SMALL, 2)
    factor = _moments.mean_factor(problem, 1 / problem.beta, 1, np.array([0, 1, 1000]))
    np.testing.assert_allclose(factor[:, 0], [1, 0, 0], atol=1e-15)
    steps = 1 - problem.eigenvalues[1] / problem.beta / np.arange(1, 1001)
    assert factor[2, 1] == pytest.approx(np.prod(steps), rel=1e-11)


@pytest.mark.parametrize("degree", [1, 2, 6])
def test_reshuffled_moments_are_those_of_all_orders(degree):
    problem = build(SMALL, degree)
    mean, second, _, _ = enumerated(problem, permutations(range(4)), [0.2] * 4)
    m = -(problem.V.T @ problem.theta)
    z = np.concatenate([_moments.vectors(np.outer(m, m)), m, [1.0]])
    z = _reshuffling.epoch_map(problem, 0.2) @ z
    d = len(z) - len(m) - 1
    np.testing.assert_allclose(_moments.matrices(z[:d]), second, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(z[d:-1], mean, rtol=1e-11, atol=1e-13)
    # And drawn with replacement, the mean of the maps is the other operator.
    operator = _moments.operator(problem)
    mean_map = _reshuffling.sample_maps(problem, 0.2).mean(0)
    np.testing.assert_allclose(mean_map[:d, :d], operator.second(0.2), atol=1e-13)
    np.testing.assert_allclose(mean_map[:d, d:-1], 0.04 * operator.B, atol=1e-13)
    np.testing.assert_allclose(mean_map[:d, -1], 0.04 * operator.q, atol=1e-13)


def test_shuffled_epochs_take_every_sample_once():
    """With one column, an epoch multiplies θ − θ* by the same product in any order."""
    line = Points(points=3, interval=(0.5, 1), frequency=1, growth=0, amplitude=1)
    problem = build(line, 1)
    X, y = problem.X[:, 1:].copy(), problem.X[:, 1].copy()  # y = x, so θ* = 1
    floor = _kernels.descend_reshuffled(np.random.default_rng(0), X, y, np.ones(1), 0.1, 5, 4)
    left = np.prod(1 - 0.2 * X[:, 0] ** 2) ** 5
    assert floor == pytest.approx(np.mean((X[:, 0] * left) ** 2), rel=1e-12)


# --- gd ---


def test_a_step_of_half_the_size_is_caught(monkeypatch):
    """f with a ½ that it does not have."""
    right = quadratic.iterate
    monkeypatch.setattr(quadratic, "iterate", lambda q, step, k: right(q, step / 2, k))
    failed = broken("gd", degrees=[3])
    assert {"iterate_error_in_roundings/n_3", "gap_error_in_roundings/n_3"} <= failed
    assert "iterations_to_converge/n_3" in failed


def test_an_average_of_k_iterates_is_caught(monkeypatch):
    right = quadratic.average
    monkeypatch.setattr(quadratic, "average", lambda q, step, k: right(q, step, k - 1))
    assert broken("gd", degrees=[3]) == {"average_error_in_roundings/n_3"}


def test_a_law_of_another_constant_is_caught(monkeypatch):
    right = quadratic.average_law
    monkeypatch.setattr(quadratic, "average_law", lambda q, step: right(q, step) / 2)
    assert broken("gd", degrees=[3]) == {"average_times_k_squared/n_3"}


def test_modes_counted_without_parity_are_caught(monkeypatch):
    monkeypatch.setattr(gd, "excited_modes", lambda config, n: n + 1)
    assert broken("gd", degrees=[3]) == {"excited_modes/n_3"}


@pytest.mark.parametrize("step", [2.05, 2.2, 3.0])
def test_beyond_2_over_beta_it_diverges_at_the_predicted_rate(step):
    """The trap: the fastest mode is even and the data odd, so that only rounding starts it."""
    assert broken("gd", step=step, degrees=[3]) == {"converges/n_3"}
    config = gd.Config(**BLOCKS["gd"] | {"step": step, "degrees": [3]})
    names = {check.name for check in gd.run(config).checks}
    assert "rate/n_3" in names
    assert "average_times_k_squared/n_3" not in names


def test_a_short_run_has_not_converged():
    failed = broken("gd", degrees=[9], iterations=1000)
    assert failed == {"converges/n_9", "average_times_k_squared/n_9"}


@pytest.mark.parametrize(
    "change",
    [
        {"interval": [0, 1], "degrees": [1, 2], "iterations": 8000},
        {"points": 1, "degrees": [2]},
        {"points": 4, "degrees": [3]},
        {"points": 20, "degrees": [1, 4]},
        {"growth": -1, "frequency": 3, "interval": [-2, 2], "degrees": [3]},
        {"step": 2, "degrees": [3]},
    ],
)
def test_other_data_keep_the_claims(change):
    assert broken("gd", **change) == set()


def test_a_published_count_that_is_right_is_no_erratum():
    long = {"degrees": [9], "iterations": 25_000, "longest": 30_000}
    failed = broken("gd", printed=[20_000, 20_500], **long)
    assert {"frobenius_explains_the_printed", "iterations_printed"} <= failed


@pytest.mark.parametrize("change", [{"points": 9}, {"degrees": [8]}, {"step": 0.9}])
def test_what_is_printed_about_other_data_is_not_compared(change):
    block = BLOCKS["gd"] | {"degrees": [9], "printed": [25_000, 30_000], "longest": 10} | change
    result = gd.run(gd.Config(**block))
    assert result.errata == ()
    assert "frobenius_explains_the_printed" not in {check.name for check in result.checks}


@pytest.mark.parametrize("step", [2.2, 5, 100, 1e6])
def test_a_run_that_leaves_float64_diverges_as_predicted(step):
    """Several modes grow at once, and a step rounds what it overshoots to."""
    change = {"step": step, "points": 9, "interval": [-1, 2], "degrees": [4]}
    assert broken("gd", **change) == {"converges/n_4"}
    result = gd.run(gd.Config(**BLOCKS["gd"] | change))
    assert not any(np.isnan(v).any() for v in result.data.data_vars.values())
    plt.close(figures.gd(result.data))


def test_modes_of_one_eigenvalue_are_one():
    """Two points ±1: even and odd powers have the same eigenvalue, and any mixture is a mode."""
    assert broken("gd", points=2, degrees=[3]) == set()


# --- sgd, stability, averaging ---


def test_expectations_without_the_noise_are_caught(monkeypatch):
    """E f(θ) taken for f(E θ)."""

    def wrong(*arguments):
        right = moments_of(*arguments)
        second = right.mean[:, :, None] * right.mean[:, None, :]
        average = right.average_mean[:, :, None] * right.average_mean[:, None, :]
        return right._replace(second=second, average_second=average)

    moments_of = _moments.moments
    monkeypatch.setattr(_moments, "moments", wrong)
    failed = broken("sgd", degrees=[3])
    assert "gap_in_standard_errors/n_3/hold_0" in failed


def test_a_floor_of_small_steps_is_caught(monkeypatch):
    """(γ/4) tr C₀, which leaves out what the steps multiply."""
    monkeypatch.setattr(
        moments,
        "stationary",
        lambda problem, step: np.diag(
            np.diag(_moments.matrices(_moments.operator(problem).q)) * step / 2 / problem.eigenvalues
        ),
    )
    assert broken("sgd", degrees=[3], holds=[0], iterations=20_000) == {"floor/n_3"}


def test_a_mean_without_the_schedule_is_caught(monkeypatch):
    right = _moments.mean_factor
    monkeypatch.setattr(_moments, "mean_factor", lambda p, step, hold, k: right(p, step, 0, k))
    failed = broken("sgd", degrees=[3])
    assert failed == {"mean_in_standard_errors/n_3/hold_1", "mean_in_standard_errors/n_3/hold_50"}


def test_data_fitted_by_parity_have_no_floor():
    """Five points, of which two are free, and two odd powers: n + 1 < N and still every y is met."""
    config = sgd.Config(**BLOCKS["sgd"] | {"points": 5, "degrees": [3], "iterations": 20_000})
    names = {check.name for check in sgd.run(config).checks if check.holds}
    assert "gap_is_rounding/n_3/hold_0" in names
    assert "floor/n_3" not in names


def test_a_floor_that_is_not_met_yet_is_not_compared():
    """Twelve points keep degree 9 from meeting every y, and its slowest mode from the floor."""
    result = sgd.run(sgd.Config(**BLOCKS["sgd"] | {"points": 12, "degrees": [9], "holds": [0]}))
    assert [c.name for c in result.checks if not c.holds] == []
    assert "floor_predicted_n_9" in result.metrics


def test_a_wrong_limit_is_caught(monkeypatch):
    """Twice the limit, from half of Q."""
    right = _moments.operator

    def wrong(problem):
        operator = right(problem)
        return operator._replace(Q=operator.Q / 2)

    monkeypatch.setattr(_moments, "operator", wrong)
    failed = broken("stability", degrees=[9])
    assert {"mean_does_not_grow/n_9/fraction_0.8", "mean_grows/n_9/fraction_1.2"} <= failed


def test_a_floor_of_another_sampling_is_caught(monkeypatch):
    monkeypatch.setattr(_reshuffling, "stationary", _moments.stationary)
    assert broken("stability", degrees=[2]) == {"floor_reshuffled/n_2"}


def test_laws_of_other_coefficients_are_caught(monkeypatch):
    """Gradient descent's C for a; and b without its second term."""
    right = averaging.coefficients

    def wrong(problem, step):
        _, b = right(problem, step)
        return quadratic.average_law(modes(problem, np.zeros_like(problem.theta)), step), b

    monkeypatch.setattr(averaging, "coefficients", wrong)
    assert broken("averaging", degrees=[1]) >= {"law/n_1/step_0.2", "law/n_1/step_0.3"}

    def wrong(problem, step):
        a, b = right(problem, step)
        return a, b + float(_moments.expected_gap(problem, _moments.stationary(problem, step)))

    monkeypatch.setattr(averaging, "coefficients", wrong)
    assert broken("averaging", degrees=[1]) >= {"law/n_1/step_0.2", "law/n_1/step_0.3"}


def test_a_run_too_short_for_the_law_does_not_follow_it():
    failed = broken("averaging", points=7, degrees=[9], iterations=300)
    assert {"law/n_9/step_0.2", "law/n_9/step_0.3"} <= failed

"""The linear_networks family: reference solutions, gradients, the flow's clock, and runs that are not at rest."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from descent.linear_networks import _architectures, _group_norm, _references, _separated, _vertices
from descent.linear_networks._flow import flow
from harness import config_of, run

NORMS = {
    "euclidean": _references.euclidean,
    "absolute": _references.absolute,
    "spectral": _references.spectral,
}
# of sep_data(seed, 16, 8): the least norm with margin 1
LEAST = {
    (200, "euclidean"): 1 / 0.828693328,
    (200, "absolute"): 1.747216585,
    (200, "spectral"): 3.03655573,
    (201, "absolute"): 3.118242124,
    (205, "spectral"): 3.484509275,
}


def data(seed: int = 200, **changes) -> np.ndarray:
    config = config_of("linear_networks@fully_connected", examples=16, features=8, **changes)
    return _separated.separated(config, seed)


@pytest.mark.parametrize(("seed", "name"), LEAST)
def test_the_least_norms_are_those_of_the_reference(seed, name):
    best = _references.largest_margin(data(seed), NORMS[name](8))
    assert best.norm == pytest.approx(LEAST[seed, name], rel=1e-8)
    assert abs(best.gap) < 1e-12


@pytest.mark.parametrize("unit", [1e-6, 1e6])
@pytest.mark.parametrize("name", NORMS)
def test_a_solution_is_proved_at_every_scale(name, unit):
    best = _references.largest_margin(data(unit=unit), NORMS[name](8))
    one = _references.largest_margin(data(), NORMS[name](8))
    assert abs(best.gap) < 1e-12
    np.testing.assert_allclose(best.beta * unit, one.beta, rtol=1e-7, atol=1e-9)


def test_the_barrier_agrees_with_least_squares_and_with_the_linear_programme():
    Z = data()
    for name in ("euclidean", "absolute"):
        groups, expected = NORMS[name](8), _references.largest_margin(Z, NORMS[name](8))
        start = _references.shortest(Z)
        found = _references.certified(Z, groups, *_group_norm.least_norm(Z, groups, start))
        assert found.norm == pytest.approx(expected.norm, rel=1e-8)
        np.testing.assert_allclose(found.weights, expected.weights, atol=1e-7)


def test_the_barrier_agrees_with_a_conic_solver():
    cvxpy = pytest.importorskip("cvxpy")
    Z, F = data(), np.fft.fft(np.eye(8), norm="ortho")
    beta = cvxpy.Variable(8)
    parts = [cvxpy.norm(np.stack([row.real, row.imag]) @ beta) for row in F]
    problem = cvxpy.Problem(cvxpy.Minimize(sum(parts)), [Z @ beta >= 1])
    problem.solve()
    best = _references.largest_margin(Z, _references.spectral(8))
    assert best.norm == pytest.approx(problem.value, rel=1e-5)


@pytest.mark.parametrize(
    "net",
    [
        _architectures.full(5, 4, 1),
        _architectures.full(5, 4, 4),
        _architectures.diagonal(5, 3),
        _architectures.circular(5, 3),
        _architectures.circular(6, 2),
    ],
)
def test_gradients_are_those_of_differences(net):
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(net.size)
    c = rng.standard_normal(net.predictor(theta).size)
    slow = approx_fprime(theta, lambda x: c @ net.predictor(x), 1e-7)
    np.testing.assert_allclose(net.gradient(theta, c), slow, atol=1e-5)
    two = net.gradient(np.stack([theta, 2 * theta]), np.stack([c, c]))
    np.testing.assert_allclose(two[0], net.gradient(theta, c))


def test_layers_multiply_in_frequency():
    net = _architectures.circular(6, 3)
    theta = np.random.default_rng(1).standard_normal(net.size)
    spectra = np.fft.fft(theta.reshape(3, 6), norm="ortho")
    slow = np.fft.ifft(spectra.prod(0), norm="ortho")
    np.testing.assert_allclose(net.predictor(theta), slow.real, atol=1e-12)


def test_the_flow_is_gradient_flow_with_another_clock():
    """Small steps of gradient descent on log ℒ pass through the same predictor."""
    Z, net = data(), _architectures.diagonal(8, 2)
    start = 0.5 * np.random.default_rng(2).standard_normal(net.size)
    found = flow(net, Z, start, np.array([0.0, 2.0]), 10_000)
    theta, step = start.copy(), 1e-3
    height = _separated.minus_log_loss(Z @ net.predictor(theta))
    while _separated.minus_log_loss(Z @ net.predictor(theta)) < height + 2:
        theta += step * net.gradient(theta, _separated.weights(Z @ net.predictor(theta)) @ Z)
    np.testing.assert_allclose(net.predictor(found.theta[-1]), net.predictor(theta), atol=1e-2)


def test_a_run_with_too_few_calls_claims_nothing():
    result = run("linear_networks@fully_connected", calls=20)
    assert result.verdict == "no claim"


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": [3]},
        {"seeds": [7], "start": 0.5, "depths": [1, 4]},
        {"unit": 1e-6, "depths": [2]},
        {"examples": 1, "depths": [1, 2]},
        {"examples": 5, "features": 9, "depths": [1, 3]},
    ],
)
def test_other_settings_raise_no_false_alarm(changes):
    assert run("linear_networks@fully_connected", **changes).verdict != "does not hold"


def test_a_wrong_depth_in_the_exponent_is_noticed():
    result = run("linear_networks@fully_connected")
    exponent = {check.name: check for check in result.checks}["exponent"]
    assert exponent.holds
    assert abs(exponent.worst.predicted) > 5 * exponent.worst.tol


def test_the_quasinorms_of_the_vertices():
    """2.8626 is where one start ends; the least ℓ₁ norm has the quasinorm 2.7264, and the least is 2.1991."""
    config = config_of("linear_networks@deep_quasinorm", examples=12, features=6)
    Z = _separated.separated(config, 200)
    listed = _vertices.stationary(Z, 2 / 3)
    assert listed.least == pytest.approx(listed.norm.min())
    assert listed.least == pytest.approx(6.545302140182028)
    for beta, p in zip(listed.beta, listed.weights, strict=True):
        on, force = beta != 0, p @ Z
        push = np.sign(beta[on]) * np.abs(beta[on]) ** (2 / 3 - 1)
        np.testing.assert_allclose(force[on] / push, (force[on] / push)[0], rtol=1e-6)

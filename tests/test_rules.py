"""The rules against torch's optimisers and the compiled loops, and the conventions against each other."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from descent.dynamics._kernels import grows, iterations_to_stay
from descent.maths import optimisers, rules
from descent.maths.rules import Momentum, Rule, as_averaged, as_heavy_ball

RULES = {
    "descent": rules.descent(),
    "sign": rules.sign(),
    "heavy_ball": rules.heavy_ball(0.9),
    "heavy_ball_inner": rules.heavy_ball_inner(0.9),
    "averaged": rules.averaged(0.3),
    "nesterov": rules.nesterov(0.9),
    "adagrad": rules.adagrad(1e-8),
    "rmsprop": rules.rmsprop(0.99, 1e-8),
    "rmsprop_inner": rules.rmsprop_inner(0.99, 1e-8),
    "adam": rules.adam(0.9, 0.999, 1e-8),
}
TORCH = {
    "descent": lambda p, eta: torch.optim.SGD(p, eta),
    "heavy_ball": lambda p, eta: torch.optim.SGD(p, eta, momentum=0.9),
    "nesterov": lambda p, eta: torch.optim.SGD(p, eta, momentum=0.9, nesterov=True),
    "adagrad": lambda p, eta: torch.optim.Adagrad(p, eta, eps=1e-8),
    "rmsprop": lambda p, eta: torch.optim.RMSprop(p, eta, alpha=0.99, eps=1e-8),
    "adam": lambda p, eta: torch.optim.Adam(p, eta, betas=(0.9, 0.999), eps=1e-8),
}


def follow(rule: Rule, gradient_at, start, eta, steps: int) -> np.ndarray:
    """θ_0 … θ_steps."""
    path, memories = [np.array(start, float)], rule.start(np.array(start, float))
    for t in range(1, steps + 1):
        memories, update = rule.step(memories, gradient_at(path[-1]), t, eta)
        path.append(path[-1] - update)
    return np.array(path)


CURVATURES = np.array([3.0, 1.0, 0.2, 0.01])


def quadratic(theta: np.ndarray) -> np.ndarray:
    return CURVATURES * theta


@pytest.mark.parametrize("name", TORCH)
def test_rules_are_those_of_torch(name):
    start = [1.0, -2.0, 0.5, 3.0]
    theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimiser, path = TORCH[name]([theta], 0.05), []
    for _ in range(30):
        path.append(theta.detach().numpy().copy())
        optimiser.zero_grad()
        (torch.tensor(CURVATURES) * theta.square()).sum().div(2).backward()
        optimiser.step()
    found = follow(RULES[name], quadratic, start, 0.05, 29)
    np.testing.assert_allclose(found, path, rtol=1e-12, atol=1e-14)


betas = st.floats(0.05, 0.95)
etas = st.floats(1e-3, 0.3)


@pytest.mark.long
@given(beta=betas, eta=etas)
def test_the_conventions_of_momentum_are_one_method(beta, eta):
    start, steps = [1.0, -1.0, 2.0, 0.5], 25
    one = follow(rules.heavy_ball(beta), quadratic, start, eta, steps)
    inner = follow(rules.heavy_ball_inner(beta), quadratic, start, eta, steps)
    other = as_averaged(Momentum(beta, eta))
    mean = follow(rules.averaged(other.beta), quadratic, start, other.eta, steps)
    size = np.abs(one).max()
    for path in (inner, mean):
        np.testing.assert_allclose(path, one, rtol=1e-9, atol=1e-11 * size)
    np.testing.assert_allclose(as_heavy_ball(other), (beta, eta), rtol=1e-12)


def test_without_memory_all_momentum_is_descent():
    start = [1.0, -1.0, 2.0, 0.5]
    plain = follow(rules.descent(), quadratic, start, 0.1, 10)
    for rule in (
        rules.heavy_ball(0.0),
        rules.heavy_ball_inner(0.0),
        rules.averaged(1.0),
        rules.nesterov(0.0),
    ):
        np.testing.assert_array_equal(follow(rule, quadratic, start, 0.1, 10), plain)


def test_the_conventions_part_when_the_rate_changes():
    """The trap: inside, η belongs to the gradient of its own step."""
    found = []
    for rule in (rules.heavy_ball(0.9), rules.heavy_ball_inner(0.9)):
        theta, memories = 0.0, rule.start(0.0)
        for t, eta in enumerate((1.0, 0.1), start=1):
            memories, update = rule.step(memories, 1.0, t, eta)
            theta -= update
        found.append(theta)
    np.testing.assert_allclose(found, [-(1 + 0.19), -(1 + 1.0)])


@pytest.mark.parametrize("name", ["adam", "rmsprop", "adagrad", "sign"])
def test_the_first_step_does_not_see_the_size_of_the_gradient(name):
    first = {"adam": 1, "sign": 1, "adagrad": 1, "rmsprop": 1 / np.sqrt(0.01)}[name]
    for g in (1e-2, 1.0, 100.0):
        rule = RULES[name]
        _, update = rule.step(rule.start(g), g, 1, 0.5)
        assert update == pytest.approx(0.5 * first, rel=1e-5)


def test_the_place_of_epsilon_shows_where_it_is_large():
    outside, inside = rules.rmsprop(0.0, 1.0), rules.rmsprop_inner(0.0, 1.0)
    assert outside.step((0.0,), 1.0, 1, 1.0)[1] == 0.5
    assert inside.step((0.0,), 1.0, 1, 1.0)[1] == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize("name", RULES)
def test_arrays_are_their_numbers_and_float32_stays(name):
    rule, rng = RULES[name], np.random.default_rng(0)
    g = rng.standard_normal((6, 2, 3))
    memories, single = rule.start(g[0]), rule.start(g[0, 1, 2])
    small = rule.start(g[0].astype(np.float32))
    eta = np.array([[0.1], [0.2]])
    for t in range(1, 7):
        memories, update = rule.step(memories, g[t - 1].copy(), t, eta)
        single, one = rule.step(single, float(g[t - 1, 1, 2]), t, 0.2)
        assert update[1, 2] == one
        small, low = rule.step(small, g[t - 1].astype(np.float32), t, eta.astype(np.float32))
        assert {low.dtype, *(m.dtype for m in small)} == {np.dtype(np.float32)}


# --- the compiled loops spell the same rules out ---

X = np.array([[1.0, 0.5, -0.3], [0.2, 1.5, 0.7]])
y = np.array([1.0, -2.0])


def least_squares(theta: np.ndarray) -> np.ndarray:
    return 2 * X.T @ (X @ theta - y) / len(X)


@pytest.mark.parametrize(
    ("rule", "memory"),
    [
        (rules.adam(0.9, 0.99, 1e-3), optimisers.adam(0.9, 0.99)),
        (rules.rmsprop(0.9, 1e-3), optimisers.rmsprop(0.9)),
        (rules.adagrad(1e-3), optimisers.adagrad()),
    ],
    ids=["adam", "rmsprop", "adagrad"],
)
def test_the_compiled_adaptive_loop_follows_the_rules(rule, memory):
    kept, start = np.arange(41), np.zeros(3)
    full = optimisers.full_batch(len(X))
    found = optimisers.adapt(X, y, start, 0.05, 1e-3, memory, full, kept)
    np.testing.assert_allclose(found, follow(rule, least_squares, start, 0.05, 40), atol=1e-12)


def test_the_compiled_descent_follows_the_rule():
    kept, start, full = np.arange(41), np.zeros(3), optimisers.full_batch(len(X))
    found = optimisers.descend(X, y, start, np.full(3, 0.05), full, kept, start, np.zeros(0)).theta
    np.testing.assert_allclose(
        found, follow(rules.descent(), least_squares, start, 0.05, 40), atol=1e-13
    )


def test_the_compiled_averages_follow_the_rule():
    """Of `dynamics._kernels`: one mode, gradient 2σ²x."""
    beta, eta, square = 0.3, 0.4, 0.8
    path = follow(rules.averaged(beta), lambda x: 2 * square * x, [1.0], eta, 200)[:, 0]
    accuracies = np.array([1e-6, 1e-2])
    last = [np.flatnonzero(np.abs(path) > a)[-1] + 1 for a in accuracies]
    args = (np.array([beta]), np.array([eta]), np.array([square]), accuracies, 10_000)
    assert iterations_to_stay(*args)[0].tolist() == last
    for h, growing in ((0.9 * (2 - beta), False), (1.1 * (2 - beta), True)):
        path = follow(
            rules.averaged(beta), lambda x, h=h: 2 * h / (eta * beta) * x, [1.0], eta, 400
        )
        assert (np.abs(path[-2:]).max() > 1) == growing
        assert grows(np.array([beta]), np.array([h]), 400)[0, 0] == growing

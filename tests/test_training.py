"""The training loop against torch, its policy for lost networks, and what it records."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from descent.maths import rules
from descent.maths.initialise import initialise
from descent.maths.network import Shape, value_and_gradient
from descent.maths.training import HIGHEST, NEVER, train

SHAPE = Shape((1, 6, 1), "tanh")
x = np.linspace(-1, 1, 9)[:, None]
y = np.sin(3 * x)


def starts(count: int, dtype=np.float64) -> np.ndarray:
    return initialise(np.random.default_rng(0), "uniform", SHAPE, count).astype(dtype)


def full(theta, active, t):
    return value_and_gradient(theta, x.astype(theta.dtype), y.astype(theta.dtype), SHAPE, "square")


def test_minibatch_momentum_is_that_of_torch():
    start = starts(2)
    order = np.random.default_rng(1).integers(0, 9, (2, 20, 4))

    def slope(theta, active, t):
        batch = order[active, t]
        return value_and_gradient(theta, x[batch], y[batch], SHAPE, "square")

    run = train(start, slope, rules.heavy_ball(0.8), 0.05, 20, evaluate_end=False)
    for r in range(2):
        model = torch.nn.Sequential(
            torch.nn.Linear(1, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1)
        ).double()
        torch.nn.utils.vector_to_parameters(torch.tensor(start[r]), model.parameters())
        optimiser = torch.optim.SGD(model.parameters(), 0.05, momentum=0.8)
        for t in range(20):
            optimiser.zero_grad()
            xb, yb = (torch.tensor(a[order[r, t]]) for a in (x, y))
            loss = torch.nn.functional.mse_loss(model(xb), yb)
            assert run.losses[t, r] == pytest.approx(loss.item(), rel=1e-11)
            loss.backward()
            optimiser.step()
        end = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
        np.testing.assert_allclose(run.theta[r], end, rtol=1e-10, atol=1e-13)


RULES = [rules.descent(), rules.averaged(0.3), rules.adam(0.9, 0.99, 1e-8)]


@pytest.mark.long
@settings(max_examples=30, deadline=None)
@given(
    rates=st.lists(st.sampled_from([1e-3, 0.1, 30.0, 1e8, 1e200]), min_size=1, max_size=5),
    rule=st.sampled_from(RULES),
    stop=st.sampled_from([-np.inf, 0.3]),
    end=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_networks_go_on_to_the_same_bits_whatever_becomes_of_others(rates, rule, stop, end, dtype):
    rates = np.minimum(rates, 1e30 if dtype == np.float32 else 1e200)
    start, keep = starts(len(rates), dtype), (0, 3, 25)

    def trained(theta, rate):
        return train(theta, full, rule, rate, 25, evaluate_end=end, stop=stop, keep=keep)

    together = trained(start, rates)
    assert np.isfinite(together.theta).all()
    assert np.isfinite(together.losses).all()
    for r, rate in enumerate(rates):
        alone = trained(start[r : r + 1], rate)
        np.testing.assert_array_equal(alone.theta[0], together.theta[r])
        np.testing.assert_array_equal(alone.losses[:, 0], together.losses[:, r])
        np.testing.assert_array_equal(alone.kept[:, 0], together.kept[:, r])
        assert alone.lost[0] == together.lost[r]
        assert alone.stopped[0] == together.stopped[r]


def scripted(losses_by_step):
    """Losses as given, and a gradient of 1 everywhere."""

    def slope(theta, active, t):
        return np.array(losses_by_step)[t, active], np.ones_like(theta)

    return slope


def test_a_lost_network_goes_back_and_is_reported():
    losses = [
        [5.0, 5.0, 5.0],
        [4.0, 4.0, np.nan],
        [np.inf, 3.0, 1.0],
        [1.0, 0.1, 1.0],
        [1.0, 9.0, 1.0],
    ]
    run = train(np.zeros((3, 2)), scripted(losses), rules.descent(), 1.0, 4, stop=0.5, keep=(2, 4))
    assert run.lost.tolist() == [2, NEVER, 1]
    assert run.stopped.tolist() == [NEVER, 3, NEVER]
    assert run.ended(4).tolist() == [2, 3, 1]
    assert run.is_lost.tolist() == [True, False, True]
    assert run.has_stopped.tolist() == [False, True, False]
    np.testing.assert_array_equal(run.theta[:, 0], [-1, -3, 0])
    np.testing.assert_array_equal(run.kept[:, :, 0], [[-1, -2, 0], [-1, -3, 0]])
    np.testing.assert_array_equal(
        run.losses, [[5, 5, 5], [4, 4, 5], [4, 3, 5], [4, 0.1, 5], [4, 0.1, 5]]
    )


def test_a_network_lost_at_once_stays_at_its_start():
    run = train(np.ones((1, 2)), scripted([[np.nan]] * 3), rules.descent(), 1.0, 2)
    assert run.lost.tolist() == [0]
    np.testing.assert_array_equal(run.theta, 1)
    np.testing.assert_array_equal(run.losses, HIGHEST)


@pytest.mark.parametrize("end", [True, False])
def test_parameters_that_leave_float_range_are_noticed_though_no_loss_shows_it(end):
    """The trap: a ReLU unit at −∞ is off, and its loss finite."""

    def slope(theta, active, t):
        return np.zeros(len(theta)), np.full_like(theta, np.inf if t == 2 else 1.0)

    run = train(np.zeros((1, 1)), slope, rules.descent(), 1.0, 3, evaluate_end=end)
    assert run.lost.tolist() == [3]
    np.testing.assert_array_equal(run.theta, -2)


def test_large_finite_parameters_are_not_lost():
    """Their squares overflow."""
    run = train(np.full((1, 2), 1e200), scripted([[1.0]] * 3), rules.descent(), 1.0, 2)
    assert run.lost.tolist() == [NEVER]


@pytest.mark.parametrize("rule", RULES)
def test_observers_see_every_step_and_kept_parameters_are_those_seen(rule):
    seen, start = [], starts(3)

    def observe(step):
        seen.append((step.t, step.theta.copy(), step.losses.copy()))
        assert step.active.tolist() == [0, 1, 2]
        np.testing.assert_array_equal(step.gradient, full(step.theta, step.active, step.t)[1])

    run = train(start, full, rule, 0.1, 10, keep=range(11), observe=observe)
    assert [t for t, _, _ in seen] == list(range(11))
    np.testing.assert_array_equal([theta for _, theta, _ in seen], run.kept)
    np.testing.assert_array_equal([losses for _, _, losses in seen], run.losses)
    np.testing.assert_array_equal(run.kept[0], start)
    np.testing.assert_array_equal(run.kept[-1], run.theta)


def test_the_start_is_not_changed():
    start = starts(2)
    before = start.copy()
    train(start, full, rules.descent(), 0.1, 5)
    np.testing.assert_array_equal(start, before)


def test_without_the_end_the_last_step_is_taken_all_the_same():
    with_, without = (
        train(starts(2), full, rules.descent(), 0.1, 5, evaluate_end=end) for end in (True, False)
    )
    np.testing.assert_array_equal(with_.theta, without.theta)
    np.testing.assert_array_equal(with_.losses[:5], without.losses)
    assert len(with_.losses) == 6

"""The networks against autograd, the references of the document's seeds, planted wrong formulas, and traps."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

import oracles
from descent.config import Refusal
from descent.maths import networks
from descent.maths.networks import Shape
from descent.mlp1d import (
    activation,
    document,
    landscape,
    optimizer,
    problem,
    sharpness,
    start,
    training,
    width,
)
from toy import toy_params

BLOCKS = toy_params()["mlp1d"]
MODULES = {
    "width": width,
    "activation": activation,
    "start": start,
    "optimizer": optimizer,
    "sharpness": sharpness,
    "landscape": landscape,
}
PHI = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid4": lambda z: 4 * torch.sigmoid(z)}


def broken(name: str, **changes) -> set[str]:
    """The checks that do not hold and the errata that do not stand."""
    module = MODULES[name]
    result = module.run(module.Config(**BLOCKS[name] | changes))
    return {c.name for c in result.checks if not c.holds} | {
        e.name for e in result.errata if not e.stands
    }


# --- networks ---


def torch_outputs(theta: torch.Tensor, x: torch.Tensor, shape: Shape) -> torch.Tensor:
    h, end, layers = x, 0, list(pairwise(shape.widths))
    for l, (fan_in, out) in enumerate(layers):
        W = theta[end : end + out * fan_in].reshape(out, fan_in)
        b = theta[end + out * fan_in : end + out * (fan_in + 1)]
        end += out * (fan_in + 1)
        h = h @ W.T + b
        if l < len(layers) - 1:
            h = PHI[shape.activation](h)
    return h


@pytest.mark.parametrize("phi", PHI)
def test_networks_are_those_of_autograd(phi):
    rng = np.random.default_rng(0)
    shape = Shape((2, 5, 4, 3, 1), phi)
    theta, x = networks.draw(rng, shape, 3), rng.standard_normal((7, 2))
    y = rng.standard_normal((7, 1))
    loss, gradient = networks.gradients(theta, x, y, shape)
    H, J = networks.hessians(theta, x, y, shape), networks.jacobians(theta, x, shape)
    v = rng.standard_normal(theta.shape)
    Hv = networks.hessian_products(theta, v, x, y, shape)

    def mean_square(theta, x, y):
        return (torch_outputs(theta, x, shape) - y).square().sum() / len(x)

    for r, one in enumerate(theta):
        expected = mean_square(*map(torch.tensor, (one, x, y)))
        assert loss[r] == pytest.approx(float(expected), rel=1e-14)
        auto = oracles.autograd(mean_square, one, x, y)
        np.testing.assert_allclose(gradient[r], auto, rtol=0, atol=1e-14)
        auto = oracles.autograd_hessian(mean_square, one, x, y)
        np.testing.assert_allclose(H[r], auto, rtol=0, atol=1e-13)
        np.testing.assert_allclose(Hv[r], auto @ v[r], rtol=0, atol=1e-12)
        auto = torch.autograd.functional.jacobian(
            lambda t: torch_outputs(t, torch.tensor(x), shape)[:, 0], torch.tensor(one)
        )
        np.testing.assert_allclose(J[r], auto, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(loss, networks.losses(theta, x, y, shape))


def test_several_outputs_and_single_precision():
    rng = np.random.default_rng(0)
    shape = Shape((1, 4, 2), "tanh")
    theta = networks.draw(rng, shape, 2).astype(np.float32)
    x, y = np.float32(rng.standard_normal((5, 1))), np.float32(rng.standard_normal((5, 2)))
    loss, gradient = networks.gradients(theta, x, y, shape)
    assert gradient.dtype == np.float32
    m = torch_outputs(torch.tensor(theta[0]), torch.tensor(x), shape).numpy()
    assert loss[0] == pytest.approx(float(((m - y) ** 2).sum() / 5), rel=1e-6)


def test_parameter_counts_and_the_default_start():
    counts = {(1,): 4, (2,): 7, (10,): 31, (10, 10): 141, (100,): 301}
    for hidden, count in counts.items():
        assert Shape((1, *hidden, 1), "relu").parameters == count
    theta = networks.draw(np.random.default_rng(0), Shape((1, 4, 9, 1), "relu"), 4000)
    for (W, b), fan_in in zip(Shape((1, 4, 9, 1), "relu").layers(theta), (1, 4, 9), strict=True):
        for part in (W, b):
            assert np.abs(part).max() <= 1 / np.sqrt(fan_in)
            assert part.var() == pytest.approx(1 / (3 * fan_in), rel=0.05)


@pytest.mark.parametrize("widths", [(1, 10, 10, 1), (1, 1, 1), (3, 30, 2)])
def test_the_start_is_torchs_bit_by_bit(widths):
    with torch.random.fork_rng():
        torch.manual_seed(42)
        layers = [nn.Linear(*pair) for pair in pairwise(widths)]
    expected = [p.detach().numpy().ravel() for layer in layers for p in layer.parameters()]
    found = document.torch_start(42, Shape(widths, "relu"))[0]
    # A processor without fused multiply-add rounds twice: one unit in the last place.
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=0, atol=6e-8)


# --- training ---


def test_training_is_torchs():
    """Ten steps of either rule, and the freezing of networks that are done."""
    x, y = problem.points(7)
    shape = Shape((1, 6, 5, 1), "relu")
    theta = networks.draw(np.random.default_rng(1), shape, 3)
    for adam, rate in ((None, 0.1), (training.Adam(0.9, 0.999, 1e-8), 0.01)):
        found = training.train(theta, x, y, shape, rate, 10, adam)
        for r in range(3):
            leaf = torch.tensor(theta[r], requires_grad=True)
            rule = torch.optim.Adam([leaf], rate) if adam else torch.optim.SGD([leaf], rate)
            for t in range(10):
                rule.zero_grad()
                loss = (
                    (torch_outputs(leaf, torch.tensor(x), shape) - torch.tensor(y)).square().mean()
                )
                assert found.losses[t, r] == pytest.approx(loss.item(), rel=1e-11)
                loss.backward()
                rule.step()
            np.testing.assert_allclose(found.theta[r], leaf.detach(), rtol=0, atol=1e-12)


def test_networks_end_one_by_one():
    """What is stopped or lost stays as it is, and the others are as if alone."""
    x, y = problem.points(7)
    shape = Shape((1, 8, 8, 1), "relu")
    theta = networks.draw(np.random.default_rng(0), shape, 6)
    rates = np.array([0.1, 30.0, 0.1, 0.05, 30.0, 0.2])
    run = training.train(theta, x, y, shape, rates, 200, stop=0.06, snapshots=(0, 150))
    assert run.diverged.tolist() == [False, True, False, False, True, False]
    assert np.isfinite(run.losses).all()
    assert run.stopped.any()
    for r in range(6):
        alone = training.train(
            theta[r : r + 1], x, y, shape, rates[r], 200, stop=0.06, snapshots=(150,)
        )
        np.testing.assert_allclose(run.losses[:, r], alone.losses[:, 0], rtol=1e-9)
        np.testing.assert_allclose(run.theta[r], alone.theta[0], rtol=1e-9)
        np.testing.assert_allclose(run.snapshots[1, r], alone.snapshots[0, 0], rtol=1e-9)
        assert run.ended[r] == alone.ended[0]
    done = run.stopped
    assert (run.losses[-1, done] < 0.06).all()
    assert (run.losses[run.ended[done] - 1, done] >= 0.06).all()


# --- references of the document's data and seeds ---


def test_floors():
    x, y = problem.points(7)
    assert problem.constant_floor(y) == pytest.approx(0.1556757631987, rel=1e-12)
    assert problem.linear_floor(x, y) == pytest.approx(0.0676893815, rel=1e-9)
    assert problem.hinge_floor(x, y) == pytest.approx(0.0657869987, rel=1e-9)


@pytest.mark.parametrize("N", [4, 7, 12])
def test_no_hinge_on_a_grid_is_below_the_floor(N):
    x, y = problem.points(N)
    y = y + np.random.default_rng(N).standard_normal(y.shape)
    floor, best = problem.hinge_floor(x, y), np.inf
    for knot in np.linspace(-1, 1, 2001):
        for sign in (1, -1):
            hinge = np.maximum(sign * (x - knot), 0)
            if np.any(hinge):
                best = min(best, problem.residual(np.hstack([np.ones_like(x), hinge]), y))
    assert floor <= best + 1e-14
    assert floor == pytest.approx(best, rel=1e-3)


SEEDS = {(1,): (0.065826, 0.155676, 0.155676), (2,): (0.0492, 0.0677, 0.1557), (10, 10): (9.7e-7, 1.80e-5, 3.6e-3)}  # fmt: skip


@pytest.mark.parametrize("hidden", SEEDS)
def test_the_table_of_torch_seeds_0_to_39(hidden):
    """5 %, median and 95 % of the loss after 2000 epochs; chaotic, so to a hundredth."""
    x, y = problem.points(7)
    shape = Shape((1, *hidden, 1), "relu")
    theta = np.concatenate([document.torch_start(seed, shape) for seed in range(40)])
    final = training.train(theta.astype(float), x, y, shape, 0.05, 2000).losses[-1]
    np.testing.assert_allclose(np.quantile(final, [0.05, 0.5, 0.95]), SEEDS[hidden], rtol=0.02)
    if hidden == (1,):
        assert (final > 0.15).mean() == 0.525  # dead


def test_the_hessians_of_seed_42():
    """In float32 in the reference, whose end of training is within a hundredth of ours."""
    x, y = problem.points(7)
    for name, top, trace in (("relu", 30.875, 43.782), ("sigmoid4", 8.511, 15.507)):
        shape = Shape((1, 10, 10, 1), name)
        run = training.train(document.torch_start(42, shape).astype(float), x, y, shape, 0.05, 2000)
        values = np.linalg.eigvalsh(networks.hessians(run.theta, x, y, shape)[0])
        assert values[-1] == pytest.approx(top, rel=0.015)
        assert values.sum() == pytest.approx(trace, rel=0.015)
    assert values[0] == pytest.approx(-0.066, abs=5e-4)


def test_the_printed_means_are_reproduced():
    printed = [0.17018873989582062, 0.06601393967866898, 0.0426185242831707, 0.02921168878674507]
    losses = document.losses_from(42, Shape((1, 10, 10, 1), "relu"), 7, 0.05, 1500, np.float32)
    means = document.running_means(losses)[[0, 500, 1000, 1500]]
    np.testing.assert_allclose(means, printed, rtol=2e-6)
    np.testing.assert_allclose(
        losses[[500, 1000, 1500]], [0.0425488, 0.00565095, 5.39232e-4], rtol=1e-4
    )


# --- bad numbers ---


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("width", {"points": 2}, "points 2: one hinge"),
        ("width", {"hidden": [[10, 10], [1]]}, "strictly increasing"),
        ("width", {"hidden": [[]]}, "at least 1 item"),
        ("width", {"epochs": 1}, "epochs 1"),
        ("width", {"printed_wide": [0.1]}, "two values each"),
        ("activation", {"rates": [0.1, 0.1]}, "strictly increasing"),
        ("activation", {"printed_relu": [0.1]}, "as many as printed_epochs"),
        ("activation", {"printed_chained": [0.1]}, "must be 2 or none"),
        ("start", {"replicates": 3}, "needs at least 4"),
        ("start", {"test_points": 7}, "must be more than the points 7"),
        ("optimizer", {"compared": 0.7}, "among the rates"),
        ("optimizer", {"stop": 0.5}, "must be below stuck"),
        ("optimizer", {"beta1": 1.0}, "less than 1"),
        ("sharpness", {"times": 2000}, "times 2000 > epochs 1000"),
        ("sharpness", {"near": 1.0}, "must be below 1"),
        ("start", {"draws": 2}, "draws 2: a standard error to go by"),
        ("landscape", {"difference": 0.2}, "no longer a second derivative"),
        ("landscape", {"printed_grid": 101}, "an odd number of points"),
        ("landscape", {"rescale": 1}, "leaves everything"),
        ("landscape", {"replicates": 9}, "at least 10"),
        ("landscape", {"torch_seeds": []}, "at least 1 item"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        MODULES[name].Config(**BLOCKS[name] | change)


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("width", {"hidden": [[5000, 5000]]}, "25,?0*.* parameters|more than"),
        ("start", {"hidden": [100, 100]}, "parameters > 1000 for a Hessian"),
        ("sharpness", {"hidden": [100, 100]}, "parameters > 1000 for a Hessian"),
        ("landscape", {"rate": 30}, "rate 30: relu diverges"),
    ],
)
def test_what_cannot_be_run_is_refused(name, change, rule):
    with pytest.raises(Refusal, match=rule):
        broken(name, **change)


# --- wrong formulas are caught, and claims fail where they are false ---


def test_a_floor_of_lines_is_too_high(monkeypatch):
    monkeypatch.setattr(width, "hinge_floor", problem.linear_floor)
    assert broken("width", epochs=1000, replicates=40, hidden=[[1]]) == {"width_1_above_hinge"}


def test_a_wrong_share_of_dead_units_is_caught(monkeypatch):
    """Weights and biases of half the width: the share stays; biases alone: it does not."""

    def draw(rng, shape, count):
        theta = networks.draw(rng, shape, count)
        shape.layers(theta)[0][1][:] *= 0.5
        return theta

    monkeypatch.setattr(width, "draw", draw)
    assert "dead_at_start/1" in broken("width", hidden=[[1]], draws=5000)


def test_a_rate_too_large_diverges_and_is_recorded():
    result = width.run(width.Config(**BLOCKS["width"] | {"rate": 30.0}))
    assert result.data["diverged"].values.max() == 1
    assert all(np.isfinite(v).all() for v in result.data.data_vars.values())
    assert {c.name for c in result.checks if not c.holds} == {"median_below_hinge/6-6"}


def test_at_a_larger_rate_the_sigmoid_has_bent():
    """Not a trap of the formula: there the claim of a line is false."""
    assert "plateau_bend" in broken("activation", rates=[0.1], hidden=[10, 10])


def test_rates_that_lose_every_network_claim_nothing():
    assert "relu_below_sigmoid/rate_50" in broken("activation", rates=[0.02, 50.0], epochs=100)


def test_a_wrong_plateau_is_caught(monkeypatch):
    monkeypatch.setattr(activation, "linear_floor", lambda x, y: problem.constant_floor(y) / 2)
    assert "plateau_is_a_line/rate_0.02" in broken("activation", rates=[0.02])


def test_a_wrong_moment_of_the_start_is_caught(monkeypatch):
    """Without the ½ of ReLU."""

    def wrong(x, y, widths):
        q = x**2
        for fan_in in widths[:-1]:
            q = (fan_in * q + 1) / (3 * fan_in)
        return float(np.mean(y**2) + np.mean(q))

    monkeypatch.setattr(start, "expected_start", wrong)
    assert broken("start") == {"mean_start_loss"}


def test_a_rate_that_loses_every_start_claims_nothing():
    assert broken("start", rate=30.0) >= {"sharpness_at_most_critical", "losses_ranked_alike"}


def test_adam_without_its_bias_correction_is_caught(monkeypatch):
    def uncorrected(theta, x, y, shape, rate, steps, adam=None, *rest):
        if adam and steps == 1:
            _, g = networks.gradients(theta, x, y, shape)
            m, v = (1 - adam.beta1) * g, (1 - adam.beta2) * g * g
            run = training.train(theta, x, y, shape, rate, 1, adam)
            return run._replace(theta=theta - rate * m / (np.sqrt(v) + adam.epsilon))
        return training.train(theta, x, y, shape, rate, steps, adam, *rest)

    monkeypatch.setattr(optimizer, "train", uncorrected)
    assert broken("optimizer") == {"adam_first_step"}


def test_a_step_of_few_digits_of_the_weights_is_still_adams():
    """The trap: of a step of 10⁻⁶ the rounding of θ takes 10⁻¹⁰."""
    assert "adam_first_step" not in broken("optimizer", rates=[1e-6], compared=1e-6, trained=1e-6)


def test_where_nothing_is_reached_adam_is_not_ahead():
    assert "adam_stops_more_often_in_standard_errors" in broken("optimizer", epochs=5)


def test_a_hessian_without_its_second_term_is_caught(monkeypatch):
    """Gauss–Newton: JᵀJ without the residuals' part."""

    def gauss_newton(theta, v, x, y, shape):
        J = networks.jacobians(theta, x, shape)
        return 2 / len(x) * np.einsum("rnp,rnq,rq->rp", J, J, v)

    monkeypatch.setattr(sharpness, "hessian_products", gauss_newton)
    failed = broken("sharpness", rates=[0.1], times=8, epochs=100)
    assert "taylor_within_a_piece" in failed


def test_a_small_rate_never_reaches_the_edge():
    assert broken("sharpness", rates=[0.01], times=2, epochs=100, replicates=2) == {
        "largest_rate_at_the_edge"
    }


def test_a_rate_beyond_every_edge_loses_the_networks():
    failed = broken("sharpness", rates=[30.0], times=2)
    assert failed == {"median_at_most_critical/rate_30", "largest_rate_at_the_edge"}


def test_a_wrong_degree_is_caught(monkeypatch):
    """The number of hidden layers in place of the depth."""
    monkeypatch.setattr(landscape, "exponent", lambda shape: 2 * (len(shape.widths) - 2))
    failed = broken("landscape")
    assert {"growth_exponent/relu", "leading_coefficient/relu", "growth_exponent/sigmoid"} <= failed


def test_later_biases_do_not_lead(monkeypatch):
    """With the biases of every layer the coefficient is that of another power."""

    def with_biases(delta, x, shape):
        return np.mean(networks.outputs(delta, x, shape)[..., 0] ** 2, 1)

    monkeypatch.setattr(landscape, "leading", with_biases)
    assert {"leading_coefficient/relu", "leading_coefficient/sigmoid"} <= broken("landscape")


def test_filter_normalisation_of_whole_layers_is_not_invariant(monkeypatch):
    """Nor is no normalisation; scales of layers are undone by norms of layers, those of single units are not."""
    monkeypatch.setattr(landscape, "filtered", lambda delta, theta, shape: delta)
    assert "filtered_landscape_rescaled" in broken("landscape")


def test_half_the_trace_is_caught(monkeypatch):
    monkeypatch.setattr(landscape, "hessians", lambda *given: networks.hessians(*given) / 2)
    assert "trace_in_standard_errors/relu" in broken("landscape", replicates=100)

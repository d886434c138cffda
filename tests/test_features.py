"""The features family against torch, the document's seeds, planted wrong formulas, and traps."""

from importlib import import_module

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from descent.config import Refusal
from descent.features import (
    halves,
    jacobian,
    kernel,
    mismatch,
    norms,
    problem,
    spectrum,
    stability,
    training,
)
from descent.maths import networks
from descent.maths.networks import Shape
from descent.maths.torch_stream import Stream, torch_start
from toy import toy_params

BLOCKS = toy_params()["features"]
MODULES = {
    "norms": norms,
    "spectrum": spectrum,
    "mismatch": mismatch,
    "stability": stability,
    "kernel": kernel,
}
DATA = problem.Data(function_seed=0, sample_seed=10, components=5, samples=1500, noise=0.1)
DEEP, SHALLOW = Shape((1, 20, 20, 20, 20, 1), "relu"), Shape((1, 20, 1), "relu")
TEST = np.linspace(-1, 1, 500)[:, None]


def broken(name: str, **changes) -> set[str]:
    """The checks that do not hold and the errata that do not stand."""
    module = MODULES[name]
    result = module.run(module.Config(**BLOCKS[name] | changes))
    return {c.name for c in result.checks if not c.holds} | {
        e.name for e in result.errata if not e.stands
    }


# --- oracles ---


def torch_output(theta: torch.Tensor, x: torch.Tensor, widths: tuple[int, ...]) -> torch.Tensor:
    h, end = x, 0
    for l in range(1, len(widths)):
        fan_in, out = widths[l - 1], widths[l]
        W = theta[end : end + out * fan_in].reshape(out, fan_in)
        end += out * (fan_in + 1)
        h = h @ W.T + theta[end - out : end]
        if l < len(widths) - 1:
            h = torch.relu(h)
    return h


def test_jacobians_and_kernels_are_those_of_torch():
    rng = np.random.default_rng(0)
    shape = Shape((1, 6, 5, 1), "relu")
    theta, x = networks.draw(rng, shape, 2), rng.standard_normal((7, 1))
    J, K = networks.jacobians(theta, x, shape), networks.kernels(theta, x, shape)
    for r in range(2):
        auto = torch.func.jacrev(lambda t: torch_output(t, torch.tensor(x), shape.widths)[:, 0])(
            torch.tensor(theta[r])
        ).numpy()
        np.testing.assert_allclose(J[r], auto, rtol=0, atol=1e-14)
        np.testing.assert_allclose(K[r], auto @ auto.T, rtol=0, atol=1e-13)


def test_points_of_its_own_for_each_network():
    rng = np.random.default_rng(1)
    shape = Shape((1, 4, 3, 1), "relu")
    theta, x, y = networks.draw(rng, shape, 3), *rng.standard_normal((2, 3, 6, 1))
    loss, gradient = networks.gradients(theta, x, y, shape)
    for r in range(3):
        one = networks.gradients(theta[r : r + 1], x[r], y[r], shape)
        np.testing.assert_allclose(loss[r], one[0][0], rtol=1e-14)
        np.testing.assert_allclose(gradient[r], one[1][0], rtol=0, atol=1e-14)
    np.testing.assert_array_equal(loss, networks.losses(theta, x, y, shape))


def test_the_stream_is_torchs():
    """Odd counts below 16 leave a spare; uniform numbers in between do not touch it."""
    generator, stream = torch.Generator().manual_seed(7), Stream(7)
    for count in (3, 20, 1, 16, 5, 37, 400):
        normal = torch.empty(count).normal_(generator=generator).numpy()
        np.testing.assert_allclose(stream.normal(count), normal, rtol=0, atol=2e-6)
        uniform = torch.empty(count).uniform_(-0.3, 0.7, generator=generator).numpy()
        np.testing.assert_allclose(stream.uniform(count, -0.3, 0.7), uniform, rtol=0, atol=6e-8)


def test_training_is_torchs_and_the_lost_stay():
    rng = np.random.default_rng(2)
    shape = Shape((1, 6, 5, 1), "relu")
    x, y = DATA.sample()
    theta = problem.starts(rng, "he_normal", shape, 3)
    theta[1] *= 1e70  # overflows at once
    order = training.orders(rng, 3, len(x), 12, 8)
    run = training.train(theta, x, y, shape, order, 0.05, 0.9)
    assert run.diverged.tolist() == [12, 0, 12]
    np.testing.assert_array_equal(run.theta[1], theta[1])
    for r in (0, 2):
        leaf = torch.tensor(theta[r], requires_grad=True)
        rule = torch.optim.SGD([leaf], 0.05, momentum=0.9)
        for t in range(12):
            rule.zero_grad()
            batch = order[r, t]
            out = torch_output(leaf, torch.tensor(x[batch]), shape.widths)
            loss = (out - torch.tensor(y[batch])).square().mean()
            assert run.losses[t, r] == pytest.approx(loss.item(), rel=1e-11)
            loss.backward()
            rule.step()
        np.testing.assert_allclose(run.theta[r], leaf.detach(), rtol=0, atol=1e-12)


def test_a_lost_network_is_kept_at_its_last_finite_loss():
    theta = problem.starts(np.random.default_rng(0), 3.0, DEEP, 40).astype(np.float32)
    x, y = DATA.sample()
    order = training.orders(np.random.default_rng(1), 40, len(x), 5, 32)
    run = training.train(theta, x, y, DEEP, order, 0.1, 0.9)
    assert (run.diverged <= 4).all()
    for r, when in enumerate(run.diverged[:4]):
        points = order[r, when - 1]
        loss = networks.losses(
            run.theta[r : r + 1], *(v[points].astype(np.float32) for v in (x, y)), DEEP
        )
        assert run.losses[-1, r] == pytest.approx(loss[0], rel=1e-3)


def test_orders_are_permutations_cut_into_batches():
    order = training.orders(np.random.default_rng(0), 2, 10, 7, 3)
    assert order.shape == (2, 7, 3)
    flat = order.reshape(2, -1)
    for row in flat:
        assert sorted(row[:10]) == sorted(row[10:20]) == list(range(10))


@pytest.mark.parametrize("widths", [(1, 8, 1), (1, 7, 6, 5, 1)])
def test_kinks_are_those_of_a_fine_grid(widths):
    shape = Shape(widths, "relu")
    theta = networks.draw(np.random.default_rng(3), shape, 5)
    grid = np.linspace(-1, 1, 400_001)[:, None]
    for one, count in zip(theta, jacobian.kinks(theta, shape, -1.0, 1.0), strict=True):
        second = np.abs(np.diff(networks.outputs(one[None], grid, shape)[0, :, 0], 2))
        bends = second > 1e-6 * (grid[1] - grid[0])
        assert count == np.sum(bends[1:] & ~bends[:-1]) + bends[0]


def test_an_effective_rank_of_equal_values_is_their_number():
    sigma = np.array([[2.0, 2.0, 2.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    np.testing.assert_allclose(jacobian.effective_rank(sigma), [3, 1])


def test_features_are_the_columns_of_u_sigma():
    theta = networks.draw(np.random.default_rng(0), SHALLOW, 1)
    x = np.linspace(-1, 1, 30)[:, None]
    U, sigma, _ = np.linalg.svd(networks.jacobians(theta, x, SHALLOW)[0], full_matrices=False)
    found = jacobian.features(theta, x, SHALLOW, 3)
    np.testing.assert_allclose(np.abs(found), np.abs((U * sigma)[:, :3].T), rtol=0, atol=1e-9)
    one = jacobian.singular_values(theta, x, SHALLOW, 30)[0, :3]
    np.testing.assert_allclose(one, sigma[:3], rtol=1e-9)


# --- the document's seeds ---

GRADIENTS = {  # of the full batch, layer by layer
    (0.03, 200): [9.3569e-7, 1.05914e-6, 8.29614e-7, 1.33236e-6, 8.71597e-7],
    (3.0, 300): [65412, 50393, 48513, 139719, 177877],
    ("student", 600): [0.0150250, 0.0549880, 0.0532533, 0.0482513, 0.0381344],
    ("he_uniform", 600): [0.0849771, 0.310949, 0.336475, 0.402389, 0.421496],
    ("he_normal", 600): [1.83673, 6.71520, 4.59722, 5.04950, 7.20432],
    ("xavier_uniform", 600): [0.0461547, 0.0521359, 0.0505113, 0.0457520, 0.0263189],
}
FOUR = {  # singular values of the start
    (0.03, 200): [38.7924, 0.393415, 1.3705e-4, 7.7673e-5],
    (3.0, 300): [21012.1, 14268.2, 4129.06, 3044.04],
    ("student", 600): [46.5199, 14.4934, 6.04122, 3.69203],
    ("he_uniform", 600): [130.262, 92.6570, 29.0560, 17.8252],
    ("he_normal", 600): [174.129, 110.021, 34.8037, 18.9149],
}


@pytest.mark.parametrize("start", GRADIENTS)
def test_gradients_and_singular_values_of_the_documents_starts(start):
    kind, seed = start
    x, y = DATA.sample()
    theta = problem.torch_starts(seed, kind, DEEP).astype(float)
    found = halves.gradient_norms(theta, x, y, DEEP)[0]
    np.testing.assert_allclose(found, GRADIENTS[start], rtol=1e-4)
    if start in FOUR:
        np.testing.assert_allclose(
            halves.singular_values(theta, x, DEEP)[0], FOUR[start], rtol=5e-5
        )


def test_what_the_document_trains():
    """Float32 training differs with the kernel of BLAS, by up to a twentieth."""
    x, y = DATA.sample()
    for theta, seed, shape, error, sigma in (
        (problem.torch_starts(600, "student", DEEP), 650, DEEP, 0.005512, (64.14, 42.71)),
        (torch_start(100, SHALLOW), 150, SHALLOW, 0.011182, (73.34, 56.48)),
        (problem.torch_starts(200, 0.03, DEEP), 250, DEEP, 0.129756, (38.7298,)),
    ):
        order = training.orders(np.random.RandomState(seed), 1, 1500, 468, 32)
        end = training.train(theta, x, y, shape, order, 0.1, 0.9).theta.astype(float)
        found = networks.losses(end, TEST, DATA.function(TEST), shape)[0]
        assert found == pytest.approx(error, rel=0.05)
        values = jacobian.singular_values(end, np.sort(x, 0)[2::5], shape, 1500)[0]
        np.testing.assert_allclose(values[: len(sigma)], sigma, rtol=0.05)


def test_the_documents_large_start_is_lost_at_step_2():
    x, y = DATA.sample()
    order = training.orders(np.random.RandomState(350), 1, 1500, 5, 32)
    run = training.train(problem.torch_starts(300, 3.0, DEEP), x, y, DEEP, order, 0.1, 0.9)
    np.testing.assert_allclose(run.losses[:2, 0], [5.19e4, 4.72e33], rtol=1e-2)
    assert run.diverged[0] == 2


def test_the_second_moments_of_the_document():
    config = norms.Config(
        **BLOCKS["norms"] | {"samples": 1500, "hidden": [20] * 4, "replicates": 4000}
    )
    result = norms.run(config)
    assert result.metrics["a_plus"] == pytest.approx(-0.11965449, rel=1e-7)
    assert result.metrics["a_minus"] == pytest.approx(0.12797453, rel=1e-7)
    predicted = result.metrics["small_gradient_rms_predicted"].values * 1e6
    np.testing.assert_allclose(predicted, [1.577, 1.577, 1.473, 1.293, 0.993], atol=5e-4)
    found = result.metrics["small_gradient_rms"].values * 1e6
    np.testing.assert_allclose(found[:4], predicted[:4], rtol=0.05)
    assert found[4] == pytest.approx(predicted[4], rel=0.15)


# --- wrong formulas are caught, and claims fail where they are false ---


def test_sides_that_share_nothing_are_caught(monkeypatch):
    monkeypatch.setattr(norms, "shared", np.zeros)
    changes = {"samples": 1500, "hidden": [20] * 4}
    assert broken("norms", **changes) == {
        f"small_mean_square_over_theory/layer_{l}" for l in (3, 4, 5)
    }


def test_a_printed_gradient_is_no_weight():
    """Only norms of weights at the document's seed are taken for what is printed."""
    printed = [0.08, 0.3, 0.3]
    assert broken("norms", printed_small=printed) == {"small_printed_are_weights"}
    assert broken("norms", printed_small=printed, small_seed=1) == set()


def test_a_start_with_large_outputs_is_outside_the_theory():
    assert "small_mean_square_over_theory/layer_1" in broken("norms", small=1.0)


def test_a_jacobian_of_one_line_is_caught(monkeypatch):
    monkeypatch.setattr(halves, "split", lambda x: np.hstack([x, -x, x > 0, x <= 0]))
    assert "sigma_from_two_points" in broken("spectrum")


def test_a_bound_of_one_function_a_kink_is_caught(monkeypatch):
    monkeypatch.setattr(spectrum, "elbows", lambda theta, shape, x: 1 + np.zeros(len(theta), int))
    assert broken("spectrum") == {"shallow_rank_over_bound"}


def test_a_start_that_is_not_small_learns():
    assert {"small_sigma1_over_root_N", "small_effective_rank"} <= broken("spectrum", small=1.0)


def test_a_network_of_one_unit_has_fewer_than_four_features():
    assert "rank_without_biases_at_least" in broken("spectrum", width=1)


def test_a_floor_of_constants_is_caught(monkeypatch):
    monkeypatch.setattr(mismatch, "line_floor", lambda x, f: float(np.mean(f**2)))
    assert broken("mismatch") == {"without_kinks_at_least_the_line"}


def test_only_what_bends_outside_is_missed_there(monkeypatch):
    """Up to 0.9 what is left is a line; so is most of f for other coefficients."""
    few = {"replicates": 10, "epochs": 4}
    for change in ({"high": 0.9}, {"function_seed": 15}):
        assert broken("mismatch", **few | change) == set()
    monkeypatch.setattr(mismatch, "BENDS", 0)
    assert "deep_outside_over_inside" in broken("mismatch", **few, high=0.9)


def test_an_edge_without_momentum_is_caught(monkeypatch):
    monkeypatch.setattr(stability, "edge", lambda N, rate, momentum: float(np.sqrt(N / rate)))
    assert "radius_above_the_edge" in broken("stability")


def test_an_edge_with_a_factor_2_is_caught(monkeypatch):
    monkeypatch.setattr(
        stability, "edge", lambda N, rate, momentum: float(np.sqrt(2 * (1 + momentum) * N / rate))
    )
    assert "radius_below_the_edge" in broken("stability")


def test_a_rate_that_loses_nothing_or_everything_is_no_contrast():
    for rate in (1e-3, 50.0):
        assert "chance_of_the_contrast" in broken("stability", rates=[rate], rate=rate)


def test_a_growth_of_the_wrong_degree_is_caught(monkeypatch):
    """Growth by the step in place of the power of the step."""
    right = stability.steps_to_overflow

    def one_layer(theta, x, y, shape, rate, T):
        return 20 + right(theta, x, y, shape, rate, T)

    monkeypatch.setattr(stability, "steps_to_overflow", one_layer)
    assert broken("stability") == {"large_median_step"}


@pytest.mark.parametrize("change", [{"large": 0.3}, {"rates": [3e-3], "rate": 3e-3}], ids=str)
def test_only_starts_whose_first_step_is_longer_than_the_weights_must_diverge(change):
    """The first, one by one: none of the small start, some at the small rate."""
    module = MODULES["stability"]
    config = module.Config(
        **BLOCKS["stability"] | {"replicates": 16, "large_replicates": 40} | change
    )
    found = module.run(config)
    check = {c.name: c for c in found.checks}["large_starts_diverge"]
    assert check.holds
    assert check.predicted == 0 if config.large < 1 else 0 < check.predicted < 1


def test_divergence_of_every_large_start_is_caught(monkeypatch):
    monkeypatch.setattr(stability, "overshoot", lambda theta, *_: np.ones(len(theta)))
    monkeypatch.setattr(stability, "steps_to_overflow", lambda theta, *_: np.ones(len(theta)))
    assert "large_starts_diverge" in broken("stability", large=0.3)


def test_modes_without_the_2_are_caught(monkeypatch):
    right = kernel.modes
    monkeypatch.setattr(kernel, "modes", lambda sigma, rate, N, t: right(sigma, rate / 2, N, t))
    assert broken("kernel") == {"modes"}


def test_a_floor_of_one_line_is_caught(monkeypatch):
    monkeypatch.setattr(kernel, "floor", mismatch.line_floor)
    assert "floor_is_that_of_two_lines" in broken("kernel")


def test_networks_that_diverge_are_recorded():
    result = kernel.run(kernel.Config(**BLOCKS["kernel"] | {"rate": 60.0}))
    assert {c.name for c in result.checks if not c.holds} == {"trained_below_the_floor"}
    assert all(np.isfinite(v).all() for v in result.data.data_vars.values())


# --- bad numbers ---


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("norms", {"replicates": 10}, "needs at least 100"),
        ("norms", {"small": 5}, "must be below large"),
        ("norms", {"large": 1e60}, "overflow"),
        ("norms", {"small": 1e-50}, "vanish"),
        ("norms", {"printed_small": [0.1]}, "must be one a layer or none"),
        ("norms", {"components": 1}, "greater than or equal to 2"),
        ("spectrum", {"every": 100}, "leaves 2 of 200 points"),
        ("spectrum", {"threshold": 1e-9}, "rounding"),
        ("spectrum", {"batch": 100000}, "no step"),
        ("spectrum", {"momentum": 1}, "less than 1"),
        ("mismatch", {"high": 0.95}, "low < high ≤ 0.9"),
        ("mismatch", {"low": 0.101, "high": 0.11}, "none in"),
        ("stability", {"rate": 0.3}, "must be among the rates"),
        ("stability", {"momenta": [0.9, 0.5]}, "strictly increasing"),
        ("stability", {"starts": ["kaiming"]}, "student"),
        ("kernel", {"aside": 0.9, "steps": 1000}, "overflow"),
        ("kernel", {"share": 1.0}, "less than 1"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        MODULES[name].Config(**BLOCKS[name] | change)


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("norms", {"hidden": [4000, 4000]}, "numbers, more than"),
        ("spectrum", {"samples": 5000, "every": 2}, "2500 points > 1000"),
        ("kernel", {"samples": 2000}, "samples 2000 > 1500"),
    ],
)
def test_what_cannot_be_run_is_refused(name, change, rule):
    with pytest.raises(Refusal, match=rule):
        broken(name, **change)


@pytest.mark.parametrize(
    ("name", "change", "of"),
    [
        ("kernel", {"steps": 1000}, "_the_bound"),
        ("kernel", {"hidden": [1]}, "floor_is_that"),
    ],
    ids=str,
)
def test_dead_sides_and_long_runs_raise_no_false_alarm(name, change, of):
    module = import_module(f"descent.features.{name}")
    found = module.run(module.Config(**BLOCKS[name] | change))
    assert [check for check in found.checks if of in check.name and not check.holds] == []

"""Moments of random ReLU networks against autograd, enumeration and integrals; wrong formulas, and traps."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats

from descent.initialisation import depth, moments, relu
from toy import toy_params

BLOCKS = toy_params()["initialisation"]
MODULES = {"moments": moments, "depth": depth}


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setattr("descent.maths.replicates.cpu_count", lambda: 1)


def broken(name: str, **changes) -> set[str]:
    module = MODULES[name]
    result = module.run(module.Config(**BLOCKS[name] | changes))
    return {c.name for c in result.checks if not c.holds}


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("moments", {"variances": [2, 1]}, "2 variances, 4 layers"),
        ("moments", {"networks": 1}, "standard error needs at least 2"),
        ("moments", {"widths": [4, 1, 1, 1, 3], "networks": 40}, "on to the end"),
        ("moments", {"networks": 20}, r"networks 20: .* = 0.35 of itself; at most 0.1"),
        ("moments", {"scale": 1e9}, "its power 8"),
        ("moments", {"scale": 1e80}, "its power 8"),
        ("moments", {"variances": [1e40, 1e40, 1, 1]}, "leaves 1e-60"),
        ("depth", {"width": 4}, "width 4 < 8"),
        ("depth", {"width": 10}, "no logarithm"),
        ("depth", {"depths": [4, 2]}, "increasing"),
        ("depth", {"gains": [1e80]}, "leaves e"),
        ("depth", {"gains": [0.05]}, "two agree"),
        ("depth", {"networks": 5}, "too few for quantiles"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        MODULES[name].Config(**BLOCKS[name] | change)


def networks(widths, count, rng):
    return [
        rng.standard_normal((count, out, fan_in)) / np.sqrt(fan_in)
        for fan_in, out in pairwise(widths)
    ]


def test_gradients_are_those_of_autograd():
    rng = np.random.default_rng(0)
    weights, x, u = networks([3, 5, 4, 2], 6, rng), rng.standard_normal(3), rng.standard_normal(2)
    h = relu.forward(weights, x)
    delta = relu.backward(weights, h, u)
    for k in range(6):
        leaves = [torch.tensor(W[k], requires_grad=True) for W in weights]
        out = torch.tensor(x)
        for W in leaves[:-1]:
            out = torch.relu(W @ out)
        (torch.tensor(u) @ (leaves[-1] @ out)).backward()
        for leaf, d, a in zip(leaves, delta, h, strict=True):
            np.testing.assert_allclose(np.outer(d[k], a[k]), leaf.grad.numpy(), atol=1e-14)


def test_the_second_moment_needs_no_more_than_symmetry():
    """Any weights, averaged over turning around every hidden neuron and every output weight."""
    rng = np.random.default_rng(1)
    W1, W2, W3 = (W[0] for W in networks((2, 3, 2, 1), 1, rng))
    signs = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 7), -1).reshape(-1, 7)  # of 3 + 2 rows, 2 entries
    weights = [signs[:, :3, None] * W1, signs[:, 3:5, None] * W2, signs[:, None, 5:] * W3]
    x, u = rng.standard_normal(2), np.ones(1)
    h = relu.forward(weights, x)
    delta = relu.backward(weights, h, u)
    found = [np.mean(np.vecdot(d, d) * np.vecdot(a, a)) for d, a in zip(delta, h, strict=True)]
    first, second = (W1 @ x) ** 2, W2**2
    expected = [
        (W3**2 @ second).sum() / 4 * (x @ x),
        (W3**2).sum() / 2 * first.sum() / 2,
    ]
    np.testing.assert_allclose(found[:2], expected, rtol=1e-12)


def test_second_moments_by_hand():
    """784–50×10–10 of He: 1 for l = 1, n_{l−1}/D behind it."""
    widths = (784, *[50] * 10, 10)
    found = moments.second_moments(widths, (2.0,) * 11)
    np.testing.assert_allclose(found, [1.0] + [50 / 784] * 10, rtol=1e-13)
    n, s2 = np.array((3, 4, 5, 6, 2)), np.array((1.5, 2.0, 0.5, 3.0))
    v = s2 / n[:-1]
    expected = [
        np.prod([n[k] * v[k - 1] / 2 for k in range(1, l)])
        * np.prod([n[k - 1] * v[k - 1] / 2 for k in range(l + 1, 5)])
        for l in range(1, 5)
    ]
    found = moments.second_moments(tuple(n.tolist()), tuple(s2.tolist()))
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_fourth_moment_reference():
    assert relu.kurtosis(50) ** 10 == pytest.approx(2.5937, abs=1e-4)
    g = np.maximum(np.random.default_rng(2).standard_normal((200_000, 4)), 0)
    Q = np.square(g).sum(1)
    assert (Q**2).mean() / Q.mean() ** 2 == pytest.approx(relu.kurtosis(4), rel=0.02)


@pytest.mark.parametrize("n", [8, 64])
def test_log_moments_are_those_of_the_integral(n):
    values = []
    for B in range(1, n + 1):
        law = stats.chi2(B)
        values.append([law.expect(np.log), law.expect(lambda q: np.log(q) ** 2)])
    p = stats.binom(n, 0.5).pmf(np.arange(1, n + 1))
    first, second = p @ np.array(values) / p.sum()
    found = relu.log_moments(n)
    assert found.mean == pytest.approx(first, rel=1e-6)
    assert found.variance == pytest.approx(second - first**2, rel=1e-4)


def test_sd_reference_of_ten_layers_of_fifty():
    assert np.sqrt(10 * relu.log_moments(50).variance) == pytest.approx(1.05, abs=0.03)


def shifted(widths, variances):
    """The indices of the other reading: n_{k−1} v_k/2 before l, n_k v_k/2 behind."""
    n, s2 = np.array(widths), np.array(variances)
    behind = s2[1:] * n[2:] / n[1:-1] / 2
    return np.append(1.0, np.cumprod(s2[:-1] / 2)) * np.append(np.cumprod(behind[::-1])[::-1], 1.0)


def test_wrong_indices_are_caught(monkeypatch):
    monkeypatch.setattr(moments, "second_moments", shifted)
    assert broken("moments") >= {
        "normal_gradient_in_standard_errors",
        "uniform_gradient_in_standard_errors",
    }


@pytest.mark.parametrize("excess", [2.0, 6.0])
def test_a_wrong_kurtosis_is_caught(monkeypatch, excess):
    monkeypatch.setattr(moments, "kurtosis", lambda n: 1 + excess / n)
    assert broken("moments", networks=5000) == {"fourth_moment_in_standard_errors"}


def test_a_gate_on_the_backward_signal_breaks_the_theorem(monkeypatch):
    """1[δ > 0] in place of 1[h > 0], as in guided backpropagation."""
    right = relu.backward

    def wrong(weights, h, u):
        delta = right(weights, h, u)
        return [np.maximum(d, 0) for d in delta[:-1]] + delta[-1:]

    monkeypatch.setattr(moments, "backward", wrong)
    assert "normal_gradient_in_standard_errors" in broken("moments")


def test_heavy_tails_are_not_resolved():
    """The trap: 10 layers of 3 neurons, whose mean needs more than 600 networks."""
    with pytest.raises(ValidationError, match=r"of itself; at most 0.1"):
        broken("moments", widths=[3, *[3] * 10, 3], variances=[2] * 11)


@pytest.mark.parametrize(
    "change",
    [{"widths": [1, 1, 1], "variances": [2, 2]}, {"scale": 1e-3}, {"widths": [300, 5, 40], "variances": [1, 7]}],
)  # fmt: skip
def test_other_networks_hold(change):
    assert broken("moments", **change) == set()


def test_a_rate_of_the_mean_is_not_that_of_the_logarithm(monkeypatch):
    """ln(n v/2) a layer, as if ln E were E ln."""
    right = relu.log_moments
    monkeypatch.setattr(depth, "log_moments", lambda n: right(n)._replace(mean=np.log(n / 2)))
    assert {"mean_logarithm_in_standard_errors", "rate_of_the_logarithm"} <= broken("depth")


def test_a_wrong_spread_is_caught(monkeypatch):
    """2/n a layer, that of a linear network."""
    right = relu.log_moments
    monkeypatch.setattr(depth, "log_moments", lambda n: right(n)._replace(variance=2 / n))
    assert "spread_of_the_logarithm_in_standard_errors" in broken("depth")


def test_deep_and_narrow_no_mean_is_claimed():
    """The trap: at L = 20, n = 20 the mean of 400 networks is far below E‖G‖²."""
    module = depth
    result = module.run(depth.Config(**BLOCKS["depth"] | {"depths": [20]}))
    assert {c.name for c in result.checks} == {
        "mean_logarithm_in_standard_errors",
        "spread_of_the_logarithm_in_standard_errors",
    }
    assert all(c.holds for c in result.checks)


def test_the_depth_rates_of_the_references():
    """n = 64: He 1, LeCun 2^(−L), N(0, .05²) .08^L, twice He's 2^L."""
    config = depth.Config(**BLOCKS["depth"] | {"width": 64})
    np.testing.assert_allclose(np.array(config.all_gains) / 2, [0.5, 1, 2, 0.08], rtol=1e-14)

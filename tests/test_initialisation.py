"""Laws of random ReLU networks against autograd, enumeration and integrals, and four rules; wrong formulas, and traps."""

from itertools import pairwise

import numpy as np
import pytest
import torch
import xarray as xr
from pydantic import ValidationError
from scipy import stats

import harness
from descent.initialisation import _networks, depth, layer_gradients, tails
from descent.maths import four_rules, random_relu, rules
from descent.maths.network import Shape, backward, forward
from harness import config_of


def run(name: str, **changes):
    return harness.run(f"initialisation@{name}", **changes)


def broken(name: str, **changes) -> set[str]:
    return {c.name for c in run(name, **changes).checks if not c.holds}


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("layer_gradients", {"variances": [2, 1]}, "2 variances, 4 layers"),
        ("layer_gradients", {"networks": 1}, "of itself; at most 0.04"),
        ("layer_gradients", {"networks": 200}, r"networks 200: .* = 0.11 of itself; at most 0.04"),
        ("layer_gradients", {"scale": 1e9}, "its power 8"),
        ("layer_gradients", {"scale": 1e80}, "its power 8"),
        ("layer_gradients", {"variances": [1e40, 1e40, 1, 1]}, "leaves 1e-60"),
        ("layer_gradients", {"widths": [4, 10**6, 10**6, 10, 3]}, "GiB at once"),
        ("layer_gradients", {"networks": 10**12}, "GiB at once"),
        ("tails", {"widths": [4, 1, 1, 1, 3]}, "on to the end"),
        ("tails", {"networks": 100}, "networks 100 < 400"),
        ("tails", {"networks": 10**8, "widths": [100, 100, 100]}, "hours"),
        ("depth", {"width": 4}, "width 4 < 8"),
        ("depth", {"width": 10}, "no logarithm"),
        ("depth", {"depths": [4, 2]}, "increasing"),
        ("depth", {"gains": [1e80]}, "leaves e"),
        ("depth", {"gains": [0.05]}, "two agree"),
        ("depth", {"networks": 5}, "too few for a variance"),
        ("depth", {"networks": 10**7, "width": 200}, "hours"),
        ("depth", {"width": 10**6}, "GiB at once"),
        ("step_sizes", {"factors": [1e-9, 1]}, "depend on the size"),
        ("step_sizes", {"factors": [1, 1.0000001]}, "one value in six digits"),
        ("step_sizes", {"steps": 10**12}, "GiB at once"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        config_of(f"initialisation@{name}", **change)


def squares(theta, widths, x, u):
    return layer_gradients.gradient_squares(
        forward(theta, x[None], Shape(widths, "relu", False)), u
    )


def test_squared_norms_of_gradients_are_those_of_autograd():
    rng, widths = np.random.default_rng(0), (3, 5, 4, 2)
    shape = Shape(widths, "relu", False)
    theta = _networks.draw(rng, shape, 1 / np.array(widths[:-1]), "normal", 6)
    x, u = rng.standard_normal(3), rng.standard_normal(2)
    found = squares(theta, widths, x, u)
    for k in range(6):
        leaves = [torch.tensor(W[k], requires_grad=True) for W, _ in shape.layers(theta)]
        out = torch.tensor(x)
        for W in leaves[:-1]:
            out = torch.relu(W @ out)
        (torch.tensor(u) @ (leaves[-1] @ out)).backward()
        np.testing.assert_allclose(found[k], [(leaf.grad**2).sum() for leaf in leaves], rtol=1e-12)


def test_the_second_moment_needs_no_more_than_symmetry():
    """Any weights, averaged over turning around every hidden neuron and every output weight."""
    rng, widths = np.random.default_rng(1), (2, 3, 2, 1)
    W1, W2, W3 = (rng.standard_normal((b, a)) for a, b in pairwise(widths))
    signs = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 7), -1).reshape(-1, 7)  # of 3 + 2 rows, 2 entries
    weights = [signs[:, :3, None] * W1, signs[:, 3:5, None] * W2, signs[:, None, 5:] * W3]
    theta = np.concatenate([W.reshape(len(signs), -1) for W in weights], axis=1)
    x = rng.standard_normal(2)
    found = squares(theta, widths, x, np.ones((1, 1))).mean(0)
    first, second = (W1 @ x) ** 2, W2**2
    expected = [
        (W3**2 @ second).sum() / 4 * (x @ x),
        (W3**2).sum() / 2 * first.sum() / 2,
    ]
    np.testing.assert_allclose(found[:2], expected, rtol=1e-12)


def test_second_moments_by_hand():
    """784–50×10–10 of He: 1 for l = 1, n_{l−1}/D behind it."""
    widths = (784, *[50] * 10, 10)
    found = random_relu.second_moments(widths, 2.0 / np.array(widths[:-1]))
    np.testing.assert_allclose(found, [1.0] + [50 / 784] * 10, rtol=1e-13)
    n, s2 = np.array((3, 4, 5, 6, 2)), np.array((1.5, 2.0, 0.5, 3.0))
    v = s2 / n[:-1]
    expected = [
        np.prod([n[k] * v[k - 1] / 2 for k in range(1, l)])
        * np.prod([n[k - 1] * v[k - 1] / 2 for k in range(l + 1, 5)])
        for l in range(1, 5)
    ]
    found = random_relu.second_moments(tuple(n.tolist()), v)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_fourth_moment_reference():
    assert random_relu.kurtosis(50) ** 10 == pytest.approx(2.5937, abs=1e-4)
    g = np.maximum(np.random.default_rng(2).standard_normal((200_000, 4)), 0)
    Q = np.square(g).sum(1)
    assert (Q**2).mean() / Q.mean() ** 2 == pytest.approx(random_relu.kurtosis(4), rel=0.02)


@pytest.mark.long
@pytest.mark.parametrize("n", [8, 64])
def test_log_moments_are_those_of_the_integral(n):
    values = []
    for B in range(1, n + 1):
        law = stats.chi2(B)
        values.append([law.expect(np.log), law.expect(lambda q: np.log(q) ** 2)])
    p = stats.binom(n, 0.5).pmf(np.arange(1, n + 1))
    first, second = p @ np.array(values) / p.sum()
    found = random_relu.log_moments(n)
    assert found.mean == pytest.approx(first, rel=1e-6)
    assert found.variance == pytest.approx(second - first**2, rel=1e-4)


def test_the_fourth_cumulant_is_that_of_samples():
    rng, n = np.random.default_rng(0), 20
    logs = np.log(rng.chisquare(rng.binomial(n, 0.5, 2_000_000).clip(1)))
    assert random_relu.log_moments(n).fourth == pytest.approx(stats.kstat(logs, 4), rel=0.05)


def test_sd_reference_of_ten_layers_of_fifty():
    assert np.sqrt(10 * random_relu.log_moments(50).variance) == pytest.approx(1.05, abs=0.03)


def shifted(widths, v):
    """The indices of the other reading: n_{k−1} v_k/2 before l, n_k v_k/2 behind."""
    n = np.array(widths)
    before, behind = n[:-2] * v[:-1] / 2, n[2:] * v[1:] / 2
    return np.append(1.0, np.cumprod(before)) * np.append(np.cumprod(behind[::-1])[::-1], 1.0)


def test_wrong_indices_are_caught(monkeypatch):
    right = layer_gradients.predict

    def wrong(config, given):
        theory = right(config, given)
        square = theory["gradient_predicted"]
        return theory.assign(
            gradient_predicted=square.copy(data=shifted(config.widths, config.of_weights))
        )

    monkeypatch.setattr(layer_gradients, "predict", wrong)
    assert broken("layer_gradients") == {"mean_squared_gradient"}


@pytest.mark.parametrize("excess", [2.0, 6.0])
def test_a_wrong_kurtosis_is_caught(monkeypatch, excess):
    monkeypatch.setattr(tails, "kurtosis", lambda n: 1 + excess / n)
    assert broken("tails", networks=20000) == {"kurtosis"}


def test_a_gate_on_the_backward_signal_breaks_the_theorem(monkeypatch):
    """1[δ > 0] in place of 1[h > 0], as in guided backpropagation."""

    def wrong(passed, u):
        deltas = backward(passed, u)
        return [np.maximum(d, 0) for d in deltas[:-1]] + deltas[-1:]

    monkeypatch.setattr(layer_gradients, "backward", wrong)
    assert "mean_squared_gradient" in broken("layer_gradients")


def test_heavy_tails_are_not_resolved():
    """The trap: 10 layers of 3 neurons, whose mean needs more than 2000 networks."""
    with pytest.raises(ValidationError, match=r"of itself; at most 0.04"):
        broken("layer_gradients", widths=[3, *[3] * 10, 3], variances=[2] * 11)


@pytest.mark.parametrize(
    "change",
    [
        {"widths": [1, 1, 1], "variances": [2, 2], "networks": 4000},
        {"scale": 1e-3},
        {"widths": [300, 5, 40], "variances": [1, 7]},
        {"seed": 1},
        {"seed": 2},
    ],
)
def test_other_networks_hold(change):
    assert run("layer_gradients", **change).verdict == "holds"


@pytest.mark.long
@pytest.mark.parametrize(
    "change", [{"widths": [1, 8, 1]}, {"widths": [3, *[40] * 12, 2]}, {"seed": 1}]
)
def test_other_tails_hold(change):
    assert run("tails", **change).verdict == "holds"


def test_dead_networks_count_for_the_layers_they_reach_only():
    """Independent Q_k of which some are 0: the product of kurtoses of the samples, with its delta-method error."""
    rng = np.random.default_rng(0)
    Q = rng.chisquare(3, (4000, 3)) * (rng.uniform(size=(4000, 3)) > 0.2)
    on = np.cumprod(Q > 0, axis=1)
    Q[:, 1:] *= on[:, :-1]
    found = tails.kurtoses(xr.DataArray(Q, dims=("replicate", "hidden")))
    each = [Q[:, 0], Q[on[:, 0] > 0, 1], Q[on[:, 1] > 0, 2]]
    expected = np.cumprod([(q**2).mean() / q.mean() ** 2 for q in each])
    np.testing.assert_allclose(found.value, expected, rtol=1e-12)
    errors = [
        (lambda r: r.std(ddof=1) / r.mean() / np.sqrt(len(q)))(
            (q / q.mean()) ** 2 - 2 * (q**2).mean() / q.mean() ** 2 * (q / q.mean() - 1)
        )
        for q in each
    ]
    np.testing.assert_allclose(
        found.error, expected * np.sqrt(np.cumsum(np.square(errors))), rtol=0.05
    )


def test_a_rate_of_the_mean_is_not_that_of_the_logarithm(monkeypatch):
    """ln(n v/2) a layer, as if ln E were E ln."""
    right = random_relu.log_moments
    monkeypatch.setattr(depth, "log_moments", lambda n: right(n)._replace(mean=np.log(n / 2)))
    assert broken("depth", networks=2000) == {"mean_logarithm"}


def test_a_wrong_spread_is_caught(monkeypatch):
    """2/n a layer, that of a linear network."""
    right = depth.predict

    def wrong(config):
        theory = right(config)
        spread = theory["log_variance_predicted"]
        return theory.assign(
            log_variance_predicted=spread.copy(data=2 / config.width * np.array(config.depths))
        )

    monkeypatch.setattr(depth, "predict", wrong)
    assert broken("depth") == {"log_variance"}


def test_deep_and_narrow_no_mean_is_claimed():
    """The trap: at L = 20, n = 20 the mean of 400 networks is far below E‖G‖²."""
    result = run("depth", depths=[20])
    assert {c.name for c in result.checks} == {"mean_logarithm", "log_variance"}
    assert result.verdict == "holds"
    assert "not known" in result.unchecked["mean_square/depth_20"]


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"seed": 2}, {"depths": [3]}, {"gains": [0.01, 100]}, {"width": 40}]
)
def test_other_depths_hold(change):
    assert run("depth", **change).verdict == "holds"


def test_the_depth_rates_of_the_references():
    """n = 64: He 1, LeCun 2^(−L), N(0, .05²) .08^L, twice He's 2^L."""
    config = config_of("initialisation@depth", width=64)
    np.testing.assert_allclose(np.array(config.all_gains) / 2, [0.5, 1, 2, 0.08], rtol=1e-14)


# --- four rules ---

SETTINGS = four_rules.Rules(
    sgd_rate=1e-2, momentum_rate=1e-3, rmsprop_rate=1e-2, adam_rate=1e-2,
    momentum=0.9, decay=0.99, beta1=0.9, beta2=0.999, epsilon=1e-8,
)  # fmt: skip


def test_one_step_from_the_notebooks_arrays():
    """Ramps of θ, g, m and v, the step worked out number by number from the published formulas."""
    theta, g = np.linspace(-0.4, 0.6, 20), np.linspace(-0.6, 0.4, 20)
    up, down = np.linspace(0.6, 0.9, 20), np.linspace(0.7, 0.5, 20)
    memories = {"momentum": (-up,), "rmsprop": (up,), "adam": (up, down)}  # a ball's v is −m
    first = {"momentum": 0.1406, "rmsprop": -0.39223849, "adam": -0.40094747}
    for name, memory in memories.items():
        _, update = SETTINGS.rules[name].step(memory, g.copy(), 6, SETTINGS.rates[name])
        assert theta[0] - update[0] == pytest.approx(first[name], rel=1e-7)


@pytest.mark.parametrize("name", four_rules.NAMES)
def test_a_whole_run_is_that_of_torch_optim(name):
    """200 steps on a loss with valleys and saddles, with the notebook's settings."""
    config, start = config_of("initialisation@step_sizes"), np.linspace(-2, 3, 7)
    rate = config.rates[name] * (100 if name in four_rules.ADAPTIVE else 3)
    square = {"eps": config.epsilon}
    theta = torch.tensor(start, requires_grad=True)
    optimiser = {
        "sgd": lambda: torch.optim.SGD([theta], rate),
        "momentum": lambda: torch.optim.SGD([theta], rate, momentum=config.momentum),
        "rmsprop": lambda: torch.optim.RMSprop([theta], rate, alpha=config.decay, **square),
        "adam": lambda: torch.optim.Adam([theta], rate, (config.beta1, config.beta2), **square),
    }[name]()
    rule, ours = config.rules[name], start.copy()
    memories = rule.start(ours)
    for t in range(1, 201):
        optimiser.zero_grad()
        (theta.cos().sum() + 0.1 * theta.square().sum() * theta.sin().mean()).backward()
        g = theta.grad.numpy().copy()
        np.testing.assert_allclose(ours, theta.detach().numpy(), rtol=1e-9, atol=1e-11)
        memories, update = rule.step(memories, g, t, rate)
        ours = ours - update
        optimiser.step()
    assert np.abs(ours - start).max() > 0.1


@pytest.mark.parametrize("name", four_rules.NAMES)
def test_first_steps_are_the_closed_forms(name):
    g, rule = np.random.default_rng(0).standard_normal(6), SETTINGS.rules[name]
    _, update = rule.step(rule.start(g), g.copy(), 1, SETTINGS.rates[name])
    closed = four_rules.first_step(SETTINGS, xr.DataArray(np.abs(g), dims="k"))
    found = closed[four_rules.NAMES.index(name)]
    np.testing.assert_allclose(np.abs(update), found, rtol=1e-12)


def test_a_step_without_the_root_of_v_is_caught(monkeypatch):
    monkeypatch.setattr(rules, "rmsprop", lambda rho, eps: rules.descent())
    assert broken("step_sizes") == {"moved", "first_step"}


@pytest.mark.parametrize("change", [{"steps": 1}, {"factors": [0.5], "decay": 0.5}])
def test_other_step_sizes_hold(change):
    result = run("step_sizes", **change)
    assert result.verdict == "holds"
    assert all(np.isfinite(values).all() for values in result.data.data_vars.values())

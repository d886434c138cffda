"""Gradients in depth, against autograd, quadrature and planted errors."""

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import quad

import oracles
from descent.config import Refusal
from descent.first_steps import _deep, depth, vanishing
from descent.maths.images import Images, standardised
from descent.maths.mean_field import moments
from descent.maths.network import Shape, forward
from fake_mnist import fake_mnist

DEPTH = {
    "seed": 0,
    "data": "mnist",
    "replicates": 4,
    "depth": 8,
    "width": 48,
    "batch": 16,
    "first": 0,
    "images": 192,
    "variances": [1 / 3, 1, 2, 9],
}


@pytest.fixture(scope="module")
def mnist() -> xr.Dataset:
    return fake_mnist(np.random.default_rng(0), 192, 20, side=4)


def broken(result) -> set[str]:
    return {check.name.split("/")[0] for check in result.checks if not check.holds}


def in_depth(mnist, **changes):
    return depth.run(depth.Config(**DEPTH | changes), mnist)


@pytest.mark.parametrize("q", [1e-6, 0.3, 2.0, 50.0, 1e4])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_gaussian_moments_are_those_of_quadrature(activation, q):
    functions = {
        "relu": (lambda z: max(z, 0), lambda z: float(z > 0)),
        "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
        "sigmoid": (
            lambda z: 0.5 + 0.5 * np.tanh(z / 2),
            lambda z: 0.25 * (1 - np.tanh(z / 2) ** 2),
        ),
    }
    value, slope = functions[activation]
    ends = np.sqrt(q) * np.array([-12, 12])
    edges = sorted({*ends, *(x for x in (-8.0, -1.0, 0.0, 1.0, 8.0) if ends[0] < x < ends[1])})

    def mean(f):
        def weighted(z):
            return f(z) * np.exp(-z * z / (2 * q)) / np.sqrt(2 * np.pi * q)

        return sum(quad(weighted, *part, epsabs=1e-13)[0] for part in pairwise(edges))

    expected = mean(lambda z: value(z) ** 2), mean(lambda z: slope(z) ** 2)
    found = moments(np.array([q]), activation)
    np.testing.assert_allclose([found.value[0], found.slope[0]], expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.slope4[0], mean(lambda z: slope(z) ** 4), rtol=1e-9)


def test_norms_are_those_of_autograd():
    rng = np.random.default_rng(1)
    images = Images(rng.standard_normal((20, 6)), np.arange(20) % 3)
    config = depth.Config(
        **DEPTH | {"replicates": 1, "depth": 3, "width": 12, "batch": 4, "variances": (0.5, 2.0)}
    )
    phis = ("relu", "tanh", "sigmoid")
    found = _deep.measure_one(np.random.default_rng(7), images, config, phis)
    rng = np.random.default_rng(7)  # the same draws once more
    chosen = rng.choice(20, 4, replace=False)
    Z = [rng.standard_normal((out, fan_in)) for fan_in, out in pairwise([6, 12, 12, 12, 3])]
    x, labels = images.x[chosen], images.labels[chosen]
    for activation in phis:
        shape = Shape((6, 12, 12, 12, 3), activation, biases=False)
        for variance in (0.5, 2.0):
            theta = np.concatenate([np.sqrt(variance / z.shape[1]) * z.ravel() for z in Z])
            model = oracles.torch_mlp(theta, shape)
            whole = oracles.weight_gradients(model, x, labels)
            samples = oracles.per_sample_gradients(model, x, labels)
            single = np.array([[np.linalg.norm(w) for w in one] for one in samples])
            inputs = forward(theta, x, shape).inputs
            lengths = np.array([np.linalg.norm(h, axis=1) for h in inputs]).T
            deltas = np.sqrt(np.mean((single / lengths) ** 2, axis=0))  # ‖δhᵀ‖ = ‖δ‖ ‖h‖
            rms = np.sqrt(np.mean(single**2, axis=0))
            at = found.sel(activation=activation, variance=variance)
            norms = [np.linalg.norm(w) for w in whole[:-1]]
            np.testing.assert_allclose(at["gradient_norm"], norms, rtol=1e-10)
            np.testing.assert_allclose(at["sample_norm"], rms[:-1], rtol=1e-10)
            np.testing.assert_allclose(at["factor"], deltas[:-1] / deltas[1:], rtol=1e-10)


def test_the_prediction_is_the_recursion_image_by_image():
    squares, phis = np.array([0.4, 1.0, 2.1]), ["relu", "tanh", "sigmoid"]
    given = xr.Dataset(
        {
            "square": ("image", squares),
            "outgoing": (("activation", "variance"), np.full((3, 1), 0.9)),
        },
        coords={"activation": phis, "variance": [0.7], "layer": [1, 2, 3]},
    )
    found = _deep.mean_field(given, 16, 48).isel(variance=0)
    for activation in phis:
        h, chi = [squares], []
        for _ in range(3):
            at = moments(0.7 * h[-1], activation)
            h.append(at.value)
            chi.append(0.7 * at.slope)
        for layer in range(3):
            back = np.prod(chi[layer:], axis=0)
            above = np.prod(chi[layer + 1 :], axis=0)
            one = found.sel(activation=activation).isel(layer=layer)
            expected = np.sqrt(np.mean(back) / np.mean(above))
            np.testing.assert_allclose(one["factor_predicted"], expected, rtol=1e-13)
            norm = 0.9 * np.sqrt(np.mean(back * h[layer]) * (16 if layer == 0 else 48))
            np.testing.assert_allclose(one["sample_norm_predicted"], norm, rtol=1e-13)


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"depth": 2},
        {"depth": 3, "width": 8, "replicates": 30},
        {"depth": 40, "replicates": 1},
        {"width": 150, "batch": 2, "seed": 3},
        {"variances": [0.01, 100]},
    ],
)
def test_every_check_holds_at_other_sizes(mnist, changes):
    for experiment in (depth, vanishing):
        result = experiment.run(experiment.Config(**DEPTH | changes), mnist)
        assert result.verdict == "holds"
        assert all(np.isfinite(values).all() for values in result.data.data_vars.values())


def test_relu_gradients_vanish_together_and_sigmoid_gradients_one_by_one(mnist):
    data = in_depth(mnist, depth=20).data.sel(variance=1 / 3)
    relu, sigmoid = (data["gradient_norm"].sel(activation=phi) for phi in ("relu", "sigmoid"))
    assert relu.max() < 1e-4
    assert (relu.max("layer") / relu.min("layer")).max() < 100
    assert (sigmoid.isel(layer=0) / sigmoid.isel(layer=-1)).max() < 1e-12


@pytest.mark.parametrize(
    "wrong",
    [
        lambda right: right._replace(slope=np.sqrt(right.slope4)),
        lambda right: right._replace(slope=np.sqrt(right.slope), slope4=right.slope),
        lambda right: right._replace(value=0.1 * right.value),
    ],
    ids=["fourth moment", "without the square", "forward"],
)
def test_a_wrong_mean_field_is_caught(mnist, monkeypatch, wrong):
    monkeypatch.setattr(_deep, "moments", lambda *given: wrong(moments(*given)))
    assert "factor" in broken(in_depth(mnist, width=128, replicates=8))


def test_a_network_that_loses_on_one_way_only_is_caught(mnist, monkeypatch):
    """Where ReLU should stand there is the sigmoid."""
    right = _deep.measure_one
    monkeypatch.setattr(_deep, "measure_one", lambda *given: right(*given[:3], ("sigmoid",)))
    result = vanishing.run(vanishing.Config(**DEPTH | {"replicates": 8}), mnist)
    assert broken(result) == {"log_first_over_last"}


def test_networks_beyond_float64_are_refused_by_name(mnist):
    with pytest.raises(Refusal, match=r"depth 400: with relu and s² = 0\.333333"):
        in_depth(mnist, depth=400)


def test_batches_larger_than_the_set_are_refused(mnist):
    with pytest.raises(ValueError, match="batch 193 > images 192"):
        in_depth(mnist, batch=193)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"depth": 1}, "two hidden layers"),
        ({"variances": []}, "variances"),
        ({"variances": [1, 1 + 1e-9]}, "six digits"),
        ({"width": 1}, "wide layers"),
        ({"width": 100_000}, "GB"),
        ({"variances": [1e5]}, "10000"),
    ],
)
def test_bad_numbers_are_refused_by_rule(change, rule):
    with pytest.raises(ValueError, match=rule):
        depth.Config(**DEPTH | change)


def test_batches_are_of_the_images_that_are_named(mnist):
    """Their pixels stay scaled as all training images are."""
    one = in_depth(mnist, first=40, images=100)
    part = _deep.chosen(mnist, depth.Config(**DEPTH | {"first": 40, "images": 100}))
    whole = standardised(mnist, "train")
    np.testing.assert_array_equal(part.x, whole.x[40:140])
    assert not broken(one)
    assert not np.array_equal(one.data["square"], in_depth(mnist).data["square"])
    with pytest.raises(Refusal, match="first 100 \\+ images 100 = 200 > 192 images"):
        in_depth(mnist, first=100, images=100)
    with pytest.raises(ValueError, match="batch 16 > images 15"):
        in_depth(mnist, images=15)

"""The network by hand against torch: the same layers as modules, gradients by autograd."""

import numpy as np
import pytest
import torch

import oracles
from descent.maths import mlp

WIDTHS = {1: [6, 4], 2: [6, 5, 4], 3: [6, 7, 5, 4], 4: [6, 5, 7, 5, 4]}
ACTIVATIONS = ["relu", "tanh", "sigmoid"]
# Sums of at most 7 products a layer, four layers, forward and backward.
ROUNDING = {"rtol": 1e-12, "atol": 1e-14}


def example(depth: int, bias: bool, batch: int = 8) -> tuple[mlp.Network, np.ndarray, np.ndarray]:
    """A float64 network with biases that matter, images and labels."""
    rng = np.random.default_rng(depth)
    network = mlp.initialise(rng, WIDTHS[depth], "uniform", bias, np.float64)
    x, labels = rng.standard_normal((batch, 6)), rng.integers(0, 4, batch)
    return mlp.Network([3 * W for W in network.weights], network.biases), x, labels


def log_p(model: torch.nn.Sequential, x: np.ndarray) -> np.ndarray:
    return torch.log_softmax(model(torch.tensor(x)), 1).detach().numpy()


cases = [
    pytest.mark.parametrize("activation", ACTIVATIONS),
    pytest.mark.parametrize("bias", [False, True], ids=["bare", "bias"]),
    pytest.mark.parametrize("depth", WIDTHS),
]


def everywhere(test):
    for case in cases:
        test = case(test)
    return test


@everywhere
def test_forward_is_that_of_torch(depth, bias, activation):
    network, x, _ = example(depth, bias)
    model = oracles.torch_mlp(network, activation)
    inputs, outputs = mlp.forward(network, x, activation)
    np.testing.assert_allclose(outputs, log_p(model, x), **ROUNDING)
    for layer, h in enumerate(inputs):
        expected = model[: 2 * layer](torch.tensor(x)).detach().numpy()
        np.testing.assert_allclose(h, expected, **ROUNDING)


@everywhere
def test_losses_and_gradients_are_those_of_autograd(depth, bias, activation):
    network, x, labels = example(depth, bias)
    model = oracles.torch_mlp(network, activation)
    passed = mlp.differentiate(network, x, labels, activation)
    np.testing.assert_allclose(passed.losses, -log_p(model, x)[range(8), labels], **ROUNDING)
    gradient = mlp.gradients(network, passed)
    expected = oracles.mlp_gradient(model, x, labels)
    for g, e in zip(gradient.parameters(), expected.parameters(), strict=True):
        np.testing.assert_allclose(g, e, **ROUNDING)


@everywhere
def test_per_sample_norms_are_those_of_one_pass_a_sample(depth, bias, activation):
    network, x, labels = example(depth, bias)
    passed = mlp.differentiate(network, x, labels, activation)
    samples = oracles.per_sample_gradients(oracles.torch_mlp(network, activation), x, labels)
    expected = np.array([[np.sum(W**2) for W in sample.weights] for sample in samples]).T
    np.testing.assert_allclose(mlp.per_sample_squared_norms(passed), expected, **ROUNDING)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_float32_stays_float32(activation):
    network, x, labels = example(3, bias=True)
    small = mlp.Network(*([p.astype(np.float32) for p in part] for part in network))
    passed = mlp.differentiate(small, x.astype(np.float32), labels, activation)
    gradient = mlp.gradients(small, passed)
    arrays = [passed.losses, *passed.inputs, *passed.deltas, *gradient.parameters()]
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    exact = mlp.gradients(network, mlp.differentiate(network, x, labels, activation))
    for g, e in zip(gradient.parameters(), exact.parameters(), strict=True):
        # Some 10 roundings of 6e-8 in a row on terms that cancel to a tenth.
        np.testing.assert_allclose(g, e, rtol=0, atol=1e-5 * np.abs(e).max())


def test_differentiating_changes_neither_images_nor_network():
    network, x, labels = example(3, bias=True)
    before = x.copy(), mlp.flattened(network)
    mlp.gradients(network, mlp.differentiate(network, x, labels, "relu"))
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(mlp.flattened(network), before[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_give_finite_losses(dtype):
    network = mlp.Network([np.array([[1e4], [0], [-1e4]], dtype)], [])
    x, labels = np.ones((3, 1), dtype), np.arange(3)
    passed = mlp.differentiate(network, x, labels, "relu")
    np.testing.assert_array_equal(passed.losses, [0, 1e4, 2e4])
    np.testing.assert_array_equal(passed.deltas[0], [[0, 0, 0], [1, -1, 0], [1, 0, -1]])


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_saturated_units_are_silent_and_finite(activation):
    network = mlp.Network([np.array([[1e4], [-1e4]]), np.ones((2, 2))], [])
    x = np.ones((1, 1))
    (_, h), _ = mlp.forward(network, x, activation)
    np.testing.assert_array_equal(h, [[1, -1 if activation == "tanh" else 0]])
    gradient = mlp.gradients(network, mlp.differentiate(network, x, np.array([0]), activation))
    np.testing.assert_array_equal(gradient.weights[0], 0)


# --- parameters as a vector ---


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("depth", WIDTHS)
def test_unflattening_undoes_flattening(depth, bias):
    network, _, _ = example(depth, bias)
    again = mlp.unflattened(mlp.flattened(network), WIDTHS[depth], bias)
    assert (len(again.weights), len(again.biases)) == (depth, depth * bias)
    for p, q in zip(network.parameters(), again.parameters(), strict=True):
        np.testing.assert_array_equal(p, q)


def test_flattened_puts_weights_first():
    network = mlp.Network(
        [np.array([[1.0, 2.0]]), np.array([[3.0]])], [np.array([4.0]), np.array([5.0])]
    )
    np.testing.assert_array_equal(mlp.flattened(network), [1, 2, 3, 4, 5])


def test_the_notebook_has_134400_parameters():
    network = mlp.initialise(np.random.default_rng(0), [784, 128, 128, 128, 10], "uniform", False)
    assert mlp.flattened(network).size == 134_400


# --- initialisation ---

VARIANCES = {
    "uniform": lambda fan_in, fan_out: 1 / (3 * fan_in),
    "lecun": lambda fan_in, fan_out: 1 / fan_in,
    "xavier": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "he": lambda fan_in, fan_out: 2 / fan_in,
    "zero": lambda fan_in, fan_out: 0,
}


@pytest.mark.parametrize("scheme", VARIANCES)
def test_weights_have_the_variance_of_their_scheme(scheme):
    widths = [200, 300, 100]
    network = mlp.initialise(np.random.default_rng(1), widths, scheme, True)
    kurtosis = 9 / 5 if scheme == "uniform" else 3
    for W, fan_in, fan_out in zip(network.weights, widths, widths[1:], strict=False):
        assert (W.shape, W.dtype) == ((fan_out, fan_in), np.float32)
        variance = VARIANCES[scheme](fan_in, fan_out)
        assert abs(W.mean(dtype=float)) <= 5 * np.sqrt(variance / W.size)
        error = 5 * variance * np.sqrt((kurtosis - 1) / W.size)
        assert abs(np.mean(W.astype(float) ** 2) - variance) <= error


@pytest.mark.parametrize("scheme", ["lecun", "xavier", "he", "zero"])
def test_gaussian_schemes_have_zero_biases(scheme):
    network = mlp.initialise(np.random.default_rng(1), [4, 3, 2], scheme, True)
    assert [b.tolist() for b in network.biases] == [[0, 0, 0], [0, 0]]


@pytest.mark.parametrize("fan_in", [1, 30, 784])
def test_uniform_has_the_bound_and_the_variance_of_torch(fan_in):
    torch.manual_seed(0)
    theirs = torch.nn.Linear(fan_in, 20_000)
    ours = mlp.initialise(np.random.default_rng(0), [fan_in, 20_000], "uniform", True)
    bound = 1 / np.sqrt(fan_in)
    pairs = [(theirs.weight, ours.weights[0]), (theirs.bias, ours.biases[0])]
    for tensor, array in pairs:
        for sample in (tensor.detach().numpy(), array):
            # Both fill ±bound: the largest of n ≥ 20,000 falls short by 1/1000 once in 10⁴ (e⁻¹⁰).
            assert 0.999 * bound < np.abs(sample).max() <= bound * (1 + 2.0**-23)
            error = 5 * bound**2 / 3 * np.sqrt(0.8 / sample.size)
            assert abs(np.mean(sample.astype(float) ** 2) - bound**2 / 3) <= error


def test_without_biases_the_weights_are_the_same():
    bare, full = (
        mlp.initialise(np.random.default_rng(2), [4, 3, 2], "he", bias) for bias in (False, True)
    )
    assert bare.biases == []
    np.testing.assert_array_equal(bare.weights[0], full.weights[0])


# --- norms and homogeneity ---


def test_squared_norms_are_frobenius():
    arrays = [np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([5.0])]
    np.testing.assert_array_equal(mlp.squared_norms(arrays), [30, 25])


def test_squared_layer_norms_count_the_biases_from_the_layer_on():
    weights = [np.full((1, 1), 1.0), np.full((1, 1), 2.0), np.full((1, 1), 3.0)]
    biases = [np.array([10.0]), np.array([20.0]), np.array([30.0])]
    np.testing.assert_array_equal(mlp.squared_layer_norms(mlp.Network(weights, [])), [1, 4, 9])
    np.testing.assert_array_equal(
        mlp.squared_layer_norms(mlp.Network(weights, biases)), [1401, 1304, 909]
    )


def spread(depth: int, bias: bool, activation: str) -> float:
    """Of ⟨W_l, ∂W_l⟩ over the layers, relative to the largest term that goes into it."""
    network, x, labels = example(depth, bias)
    gradient = mlp.gradients(network, mlp.differentiate(network, x, labels, activation))
    sizes = mlp.squared_layer_norms(network) * mlp.squared_layer_norms(gradient)
    return np.ptp(mlp.homogeneity(network, gradient)) / np.sqrt(sizes).max()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_relu_layers_pull_equally_along_the_output(depth, bias):
    assert spread(depth, bias, "relu") < 1e-14


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_other_layers_do_not(depth, bias, activation):
    assert spread(depth, bias, activation) > 1e-3


def test_homogeneity_is_the_derivative_along_a_growing_output():
    network, x, labels = example(3, bias=True)
    gradient = mlp.gradients(network, mlp.differentiate(network, x, labels, "relu"))
    _, outputs = mlp.forward(network, x, "relu")
    logits = torch.tensor(outputs)
    # log p and the logits differ by a number a row, which does not change the derivative.
    c = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    torch.nn.functional.cross_entropy(c * logits, torch.tensor(labels)).backward()
    np.testing.assert_allclose(mlp.homogeneity(network, gradient), c.grad.item(), rtol=1e-12)

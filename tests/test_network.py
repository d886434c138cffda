"""Networks by hand against torch: autograd for every derivative, network by network and sample by sample."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from descent.maths import losses as forms
from descent.maths.activations import activate, curvature, slope, turn
from descent.maths.curvature import hessian_products, hessians, largest_eigenvalue
from descent.maths.homogeneity import (
    along_the_output,
    inner_products,
    products_along_the_output,
    squared_layer_norms,
    squared_norms,
)
from descent.maths.initialise import from_torch, initialise, law, rescaled, variances
from descent.maths.network import (
    Shape,
    backward,
    differentiate,
    forward,
    gradient,
    losses,
    mean_loss,
    outputs,
    sample_losses,
    sample_squared_norms,
    value_and_gradient,
)
from descent.maths.tangent import jacobian, kernel

PHI = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "sigmoid4": lambda z: 4 * torch.sigmoid(z),
    "linear": lambda z: z,
}
LOSSES = ("square", "half_square", "softmax")
# Sums of at most 7 products a layer, four layers, forward and backward, of numbers up to 10.
ROUNDING = {"rtol": 1e-10, "atol": 1e-11}


# --- the slow twin ---


def model(theta: torch.Tensor, x: torch.Tensor, shape: Shape, scale: float = 1.0) -> torch.Tensor:
    """m(x; θ) of one network, from its vector."""
    h, end = scale * x, 0
    for l in range(len(shape.widths) - 1):
        fan_in, out = shape.widths[l : l + 2]
        W = theta[end : end + out * fan_in].reshape(out, fan_in)
        end += out * fan_in
        h = h @ W.T
        if shape.biases:
            h = h + theta[end : end + out]
            end += out
        if l < len(shape.widths) - 2:
            h = PHI[shape.activation](h)
    return h


def loss_of(z: torch.Tensor, target: torch.Tensor, loss: str) -> torch.Tensor:
    """The mean over the samples."""
    if loss == "softmax":
        return torch.nn.functional.cross_entropy(z, target)
    return (z - target).square().sum() / len(z) / (1 if loss == "square" else 2)


class Case:
    """R networks with weights of order 1, N samples shared or not, and a target of either kind."""

    def __init__(self, seed, widths, activation, biases, loss, R=3, N=5, own=False, scaled=False):
        rng = np.random.default_rng(seed)
        self.shape, self.loss = Shape(tuple(widths), activation, biases), loss
        self.theta = rng.standard_normal((R, self.shape.parameters))
        lead = (R,) if own else ()
        self.x = rng.standard_normal((*lead, N, widths[0]))
        k = widths[-1]
        self.y = (
            rng.integers(0, k, (*lead, N))
            if loss == "softmax"
            else rng.standard_normal((*lead, N, k))
        )
        self.scale = rng.uniform(0.5, 2, R) if scaled else None
        self.R, self.N, self.own = R, N, own
        self.passed = forward(self.theta, self.x, self.shape, self.scale)
        self.back = differentiate(self.passed, self.y, loss)

    def one(self, r):
        """θ, x, y of network r as tensors, and its loss as a function of θ."""
        x, y = (torch.tensor(a[r] if self.own else a) for a in (self.x, self.y))
        scale = 1.0 if self.scale is None else self.scale[r]
        theta = torch.tensor(self.theta[r])
        return theta, x, lambda v: loss_of(model(v, x, self.shape, scale), y, self.loss), scale


cases = st.builds(
    dict,
    seed=st.integers(0, 2**32 - 1),
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    activation=st.sampled_from(sorted(PHI)),
    biases=st.booleans(),
    loss=st.sampled_from(LOSSES),
    R=st.integers(1, 3),
    N=st.integers(1, 6),
    own=st.booleans(),
    scaled=st.booleans(),
)

few = settings(max_examples=25, deadline=None)


@few
@given(made=cases)
def test_outputs_losses_and_gradients_are_those_of_autograd(made):
    case = Case(**made)
    found = gradient(case.back)
    for r in range(case.R):
        theta, x, f, scale = case.one(r)
        z = model(theta, x, case.shape, scale)
        np.testing.assert_allclose(case.passed.outputs[r], z, **ROUNDING)
        point = theta.clone().requires_grad_()
        value = f(point)
        (expected,) = torch.autograd.grad(value, point)
        np.testing.assert_allclose(mean_loss(case.back)[r], value.item(), **ROUNDING)
        np.testing.assert_allclose(found[r], expected, **ROUNDING)


@few
@given(made=cases)
def test_sample_by_sample_the_same_is_read_off(made):
    case = Case(**made)
    each = differentiate(case.passed, case.y, case.loss, each=True)
    np.testing.assert_allclose(gradient(each), gradient(case.back), **ROUNDING)
    np.testing.assert_allclose(sample_losses(each).mean(-1), mean_loss(each), **ROUNDING)
    for back in (each, case.back):
        for r in range(case.R):
            lead = case.x[r] if case.own else case.x
            y = case.y[r] if case.own else case.y
            scale = None if case.scale is None else case.scale[r : r + 1]
            for i in range(case.N):
                one = forward(case.theta[r : r + 1], lead[i : i + 1], case.shape, scale)
                alone = differentiate(one, y[i : i + 1], case.loss)
                expected = squared_norms(gradient(alone), case.shape).weights[0]
                np.testing.assert_allclose(
                    sample_squared_norms(back)[:, r, i], expected, rtol=1e-9, atol=1e-20
                )
                np.testing.assert_allclose(sample_losses(back)[r, i], mean_loss(alone), **ROUNDING)


@few
@given(made=cases, output=st.integers(0, 5))
def test_jacobian_and_kernel_are_those_of_autograd(made, output):
    case = Case(**made)
    output %= case.shape.widths[-1]
    J, K = jacobian(case.passed, output), kernel(case.passed, output)
    for r in range(case.R):
        theta, x, _, scale = case.one(r)
        expected = torch.autograd.functional.jacobian(
            lambda v, x=x, scale=scale: model(v, x, case.shape, scale)[:, output], theta
        )
        np.testing.assert_allclose(J[r], expected, **ROUNDING)
    np.testing.assert_allclose(K, J @ J.mT, rtol=1e-9, atol=1e-9)


@pytest.mark.long
@few
@given(made=cases)
def test_hessian_products_are_those_of_autograd(made):
    case = Case(**made)
    rng = np.random.default_rng(0)
    v = rng.standard_normal(case.theta.shape)
    found = hessian_products(case.back, v)
    each = differentiate(case.passed, case.y, case.loss, each=True)
    np.testing.assert_allclose(hessian_products(each, v), found, rtol=1e-9, atol=1e-9)
    for r in range(case.R):
        theta, _, f, _ = case.one(r)
        H = torch.autograd.functional.hessian(f, theta).numpy()
        size = 1 + np.abs(H).max()
        np.testing.assert_allclose(found[r], H @ v[r], rtol=1e-9, atol=1e-10 * size)
        if case.R == 1 and case.scale is None and not case.own:
            whole = hessians(case.theta, case.x, case.y, case.shape, case.loss)[0]
            np.testing.assert_allclose(whole, H, rtol=1e-9, atol=1e-10 * size)


@pytest.mark.parametrize("loss", LOSSES)
def test_one_vector_for_one_network_and_many(loss):
    """θ: (P,), (1, P) with many v, and (R, P) with one v."""
    case = Case(0, [3, 4, 2], "tanh", True, loss)
    single = differentiate(forward(case.theta[0], case.x, case.shape), case.y, loss)
    assert mean_loss(single) == mean_loss(case.back)[0]
    np.testing.assert_array_equal(gradient(single), gradient(case.back)[0])
    v = np.random.default_rng(1).standard_normal((4, case.shape.parameters))
    lone = differentiate(forward(case.theta[:1], case.x, case.shape), case.y, loss)
    for k in range(4):
        np.testing.assert_allclose(
            hessian_products(lone, v)[k], hessian_products(single, v[k]), rtol=1e-13
        )
        np.testing.assert_allclose(
            hessian_products(case.back, v[k : k + 1])[0], hessian_products(single, v[k]), rtol=1e-13
        )


@few
@given(made=cases)
def test_networks_do_not_see_each_other(made):
    """Every network alone gives the same bits as among the others."""
    case = Case(**made)
    together = gradient(case.back)
    for r in range(case.R):
        x, y = (a[r : r + 1] if case.own else a for a in (case.x, case.y))
        scale = None if case.scale is None else case.scale[r : r + 1]
        alone = differentiate(forward(case.theta[r : r + 1], x, case.shape, scale), y, case.loss)
        np.testing.assert_array_equal(gradient(alone)[0], together[r])


@few
@given(made=cases)
def test_the_short_ways_give_the_same_bits(made):
    case = Case(**made)
    if case.scale is not None:
        return
    value, slopes = value_and_gradient(case.theta, case.x, case.y, case.shape, case.loss)
    np.testing.assert_array_equal(value, mean_loss(case.back))
    np.testing.assert_array_equal(slopes, gradient(case.back))
    np.testing.assert_array_equal(losses(case.theta, case.x, case.y, case.shape, case.loss), value)
    np.testing.assert_array_equal(outputs(case.theta, case.x, case.shape), case.passed.outputs)


@pytest.mark.parametrize("activation", sorted(PHI))
@pytest.mark.parametrize("loss", LOSSES)
def test_float32_stays_float32_and_nothing_given_is_changed(activation, loss):
    case = Case(0, [6, 7, 5, 4], activation, True, loss)
    theta, x = case.theta.astype(np.float32), case.x.astype(np.float32)
    y = case.y if loss == "softmax" else case.y.astype(np.float32)
    before = theta.copy(), x.copy(), y.copy()
    passed = forward(theta, x, case.shape)
    back = differentiate(passed, y, loss)
    arrays = [*passed.inputs, passed.outputs, back.fit, *back.deltas, gradient(back)]
    arrays += [jacobian(passed), kernel(passed), hessian_products(back, theta)]
    arrays += [sample_losses(back), sample_squared_norms(back)]
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    for now, then in zip((theta, x, y), before, strict=True):
        np.testing.assert_array_equal(now, then)
    exact = gradient(case.back)
    # Some 10 roundings of 6e-8 in a row on terms that cancel to a tenth.
    np.testing.assert_allclose(gradient(back), exact, rtol=0, atol=1e-5 * np.abs(exact).max())


# --- activations and losses ---


@pytest.mark.parametrize("activation", sorted(PHI))
def test_slope_and_curvature_are_those_of_autograd(activation):
    z = np.linspace(-4, 4, 50)
    point = torch.tensor(z, requires_grad=True)
    (first,) = torch.autograd.grad(PHI[activation](point).sum(), point, create_graph=True)
    h = activate(z, activation)
    np.testing.assert_allclose(h, PHI[activation](point).detach(), atol=1e-15)
    np.testing.assert_allclose(slope(h, activation) * np.ones(50), first.detach(), atol=1e-15)
    if activation in ("relu", "linear"):
        assert curvature(h, activation) == turn(h, activation) == 0
        return
    (second,) = torch.autograd.grad(first.sum(), point)
    np.testing.assert_allclose(curvature(h, activation), second, atol=1e-14)
    np.testing.assert_allclose(turn(h, activation) * first.detach().numpy(), second, atol=1e-14)


@pytest.mark.parametrize("activation", sorted(PHI))
def test_huge_inputs_are_finite_and_in_place_is_the_same(activation):
    z = np.array([-1e4, -1.0, 0.0, 1.0, 1e4])
    h = activate(z, activation)
    assert np.isfinite(h).all()
    assert np.isfinite(slope(h, activation)).all()
    again = z.copy()
    assert activate(again, activation, out=again) is again
    np.testing.assert_array_equal(again, h)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_give_finite_losses(dtype):
    theta, shape = np.array([1e4, 0, -1e4], dtype), Shape((1, 3), "relu", False)
    x, labels = np.ones((3, 1), dtype), np.arange(3)
    back = differentiate(forward(theta, x, shape), labels, "softmax", each=True)
    np.testing.assert_array_equal(sample_losses(back), [0, 1e4, 2e4])
    np.testing.assert_array_equal(back.deltas[0], [[0, 0, 0], [1, -1, 0], [1, 0, -1]])


def test_accuracy_counts_the_largest_output():
    z = np.array([[[3.0, 1.0], [0.0, 1.0]], [[1.0, 3.0], [0.0, 1.0]]])
    np.testing.assert_array_equal(forms.accuracy(z, np.array([0, 1])), [1, 0.5])


# --- homogeneity ---


@few
@given(made=cases)
def test_products_along_the_output_are_equal_for_homogeneous_networks(made):
    case = Case(**made)
    if case.shape.activation not in ("relu", "linear"):
        return
    slopes = gradient(case.back)
    products = products_along_the_output(case.theta, slopes, case.shape)
    terms = squared_layer_norms(case.theta, case.shape) * squared_layer_norms(slopes, case.shape)
    assert (np.ptp(products, axis=-1) <= 1e-12 * (1 + np.sqrt(terms).max(-1))).all()


def test_products_are_those_of_the_arrays():
    shape = Shape((2, 3, 1), "relu")
    a, b = np.random.default_rng(0).standard_normal((2, 4, shape.parameters))
    found = inner_products(a, b, shape)
    for l, ((W, c), (V, d)) in enumerate(zip(shape.layers(a), shape.layers(b), strict=True)):
        np.testing.assert_allclose(found.weights[:, l], np.sum(W * V, (1, 2)), rtol=1e-12)
        np.testing.assert_allclose(found.biases[:, l], np.sum(c * d, (1, 2)), rtol=1e-12)
    np.testing.assert_array_equal(found.together()[:, ::2], found.weights)
    along = along_the_output(found)
    np.testing.assert_allclose(along[:, 0], found.weights[:, 0] + found.biases.sum(1), rtol=1e-12)
    np.testing.assert_allclose(along[:, 1], found.weights[:, 1] + found.biases[:, 1], rtol=1e-12)


# --- the largest eigenvalue ---


def test_lanczos_finds_the_top_from_below():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((30, 30))
    A, start = A + A.T, rng.standard_normal(30)
    values = np.linalg.eigvalsh(A)
    top = largest_eigenvalue(lambda v: A @ v, start, 30)
    assert top.value == pytest.approx(values[-1], rel=1e-12)
    few = largest_eigenvalue(lambda v: A @ v, start, 4)
    assert few.value <= values[-1]
    assert np.abs(values - few.value).min() <= few.residual
    assert np.isnan(largest_eigenvalue(lambda v: v * np.nan, start, 4).value)


# --- starts ---

SCHEMES = ("lecun", "xavier", "he", "he_normal", "he_uniform", "xavier_uniform", "student", 0.3)


@pytest.mark.parametrize("scheme", ["uniform", *SCHEMES])
def test_variances_are_those_drawn(scheme):
    shape = Shape((30, 20, 10), "relu")
    theta = initialise(np.random.default_rng(0), scheme, shape, 2000)
    for l, (W, b) in enumerate(shape.layers(theta)):
        n = W.size
        found, expected = np.mean(W**2), variances(scheme, shape.widths)[l]
        # Kurtosis at most 3: five standard errors.
        assert found == pytest.approx(expected, rel=5 * np.sqrt(2 / n))
        if not law(scheme, *shape.widths[l : l + 2]).normal:
            assert np.abs(W).max() <= law(scheme, *shape.widths[l : l + 2]).size
        assert (b != 0).all() if scheme == "uniform" else (b == 0).all()


def test_without_biases_the_weights_are_the_same():
    for scheme in ("uniform", *SCHEMES, "zero"):
        with_, without = (Shape((3, 4, 2), "relu", biases) for biases in (True, False))
        one, other = (initialise(np.random.default_rng(1), scheme, s, 1) for s in (with_, without))
        for (W, _), (V, none) in zip(with_.layers(one), without.layers(other), strict=True):
            np.testing.assert_array_equal(W, V)
            assert none is None


def test_rescaled_starts_share_their_draws():
    shape, v = Shape((3, 4, 2), "relu"), np.array([[1.0, 4.0], [9.0, 0.0]])
    theta = rescaled(np.random.default_rng(0), shape, v)
    (W1, b1), (W2, _) = shape.layers(theta)
    np.testing.assert_allclose(3 * W1[0], W1[1], rtol=1e-15)
    np.testing.assert_array_equal(W2[1], 0 * W2[1])
    np.testing.assert_array_equal(b1, 0 * b1)


def test_the_default_start_is_that_of_torch():
    shape, parts = Shape((5, 7, 3), "relu"), []
    torch.manual_seed(11)
    for fan_in, out in ((5, 7), (7, 3)):
        layer = torch.nn.Linear(fan_in, out)
        parts += [layer.weight.detach().numpy().ravel(), layer.bias.detach().numpy()]
    np.testing.assert_array_equal(from_torch(11, "uniform", shape)[0], np.concatenate(parts))
    with pytest.raises(ValueError, match="biases"):
        from_torch(11, "uniform", shape._replace(biases=False))


def test_backward_is_linear_in_what_is_put_in():
    case = Case(3, [3, 4, 2], "sigmoid", True, "square")
    seed = np.random.default_rng(0).standard_normal(case.passed.outputs.shape)
    for one, two in zip(backward(case.passed, seed), backward(case.passed, 2 * seed), strict=True):
        np.testing.assert_array_equal(2 * one, two)

"""The one network, its starts and its training give the bits of the modules that they replace; goes with those."""

import numpy as np
import pytest

from descent.initialisation import classifiers, starts
from descent.initialisation import rules as old_rules
from descent.maths import curvature, homogeneity, initialise, mlp, network, networks, rules, tangent
from descent.maths.images import Images
from descent.maths.network import Shape
from descent.maths.training import train
from descent.mlp1d import training as mlp1d_training
from descent.train.sgd import Settings
from descent.train.sgd import train as sgd

same = np.testing.assert_array_equal
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def interleaved(arrays: mlp.Network) -> np.ndarray:
    """θ of weights and biases apart."""
    pairs = zip(*(part for part in arrays if part), strict=True)
    return np.concatenate([a.ravel() for pair in pairs for a in pair])


@dtypes
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid4"])
@pytest.mark.parametrize(("R", "N", "widths"), [(40, 7, (1, 10, 10, 1)), (3, 5, (4, 6, 3))])
def test_networks(R, N, widths, activation, dtype):
    rng, shape = np.random.default_rng(0), Shape(widths, activation)
    theta = networks.draw(rng, shape, R).astype(dtype)
    for lead in ((), (R,)):
        x, y = (rng.standard_normal((*lead, N, k)).astype(dtype) for k in (widths[0], widths[-1]))
        old, new = (
            networks.gradients(theta, x, y, shape),
            network.value_and_gradient(theta, x, y, shape, "square"),
        )
        for a, b in zip(old, new, strict=True):
            same(a, b)
    x, y = (rng.standard_normal((N, k)).astype(dtype) for k in (widths[0], widths[-1]))
    passed = network.forward(theta, x, shape)
    for a, b in zip(
        networks.forward(theta, x, shape), [*passed.inputs, passed.outputs], strict=True
    ):
        same(a, b)
    if widths[-1] == 1:
        same(networks.jacobians(theta, x, shape), tangent.jacobian(passed))
        same(networks.kernels(theta, x, shape), tangent.kernel(passed))
    old, new = (
        networks.hessians(theta[:3], x, y, shape),
        curvature.hessians(theta[:3], x, y, shape, "square"),
    )
    tol = 0 if activation == "relu" else 100 * np.finfo(dtype).eps * np.abs(old).max()
    np.testing.assert_allclose(new, old, rtol=0, atol=tol)


@dtypes
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_perceptron(activation, bias, dtype):
    rng, widths = np.random.default_rng(0), [20, 9, 8, 4]
    old, shape = (
        mlp.initialise(rng, widths, "uniform", bias, dtype),
        Shape(tuple(widths), activation, bias),
    )
    x, labels = rng.standard_normal((12, 20)).astype(dtype), rng.integers(0, 4, 12)
    passed = mlp.differentiate(old, x, labels, activation)
    theta = interleaved(old)
    back = network.differentiate(
        network.forward(theta[None], x, shape), labels, "softmax", each=True
    )
    g, slopes = mlp.gradients(old, passed), network.gradient(back)
    same(passed.losses, network.sample_losses(back)[0])
    same(interleaved(g), slopes[0])
    same(mlp.per_sample_squared_norms(passed), network.sample_squared_norms(back)[:, 0])
    squares = homogeneity.squared_norms(slopes, shape)
    same(mlp.squared_norms(g.weights), squares.weights[0])
    same(mlp.squared_layer_norms(old), homogeneity.squared_layer_norms(theta, shape))
    same(mlp.homogeneity(old, g), homogeneity.products_along_the_output(theta, slopes[0], shape))


@dtypes
def test_classifiers(dtype):
    rng, shape = np.random.default_rng(0), Shape((30, 20, 10, 4), "relu")
    theta, x = (
        networks.draw(rng, shape, 6).astype(dtype),
        rng.standard_normal((50, 30)).astype(dtype),
    )
    scale, labels = rng.uniform(0.1, 3, 6).astype(dtype), rng.integers(0, 4, 50)
    old = classifiers.differentiate(theta, x, scale, labels, shape)
    back = network.differentiate(network.forward(theta, x, shape, scale), labels, "softmax")
    np.testing.assert_allclose(network.mean_loss(back), old.losses, rtol=1e-15)
    g = classifiers.gradients(old, scale, shape)
    same(g, network.gradient(back))
    for a, b in zip(old.deltas, back.deltas, strict=True):
        same(a, b)
    squares = homogeneity.squared_norms(g.astype(float), shape).together()
    np.testing.assert_allclose(np.sqrt(squares), classifiers.array_norms(g, shape), rtol=1e-7)


def test_starts():
    shape = Shape((4, 20, 7, 1), "relu")
    same(
        networks.draw(np.random.default_rng(1), shape, 4),
        initialise.initialise(np.random.default_rng(1), "uniform", shape, 4),
    )
    for scheme in ("uniform", "lecun", "xavier", "he", "zero"):
        for bias in (True, False):
            old = mlp.initialise(
                np.random.default_rng(7), list(shape.widths), scheme, bias, np.float32
            )
            sized = shape._replace(biases=bias)
            new = initialise.initialise(np.random.default_rng(7), scheme, sized).astype(np.float32)
            same(interleaved(old), new[0])
    v = np.array([starts.variances(name, shape.widths, 0.1) for name in starts.NAMES])
    same(
        starts.draw(np.random.default_rng(2), shape, v),
        initialise.rescaled(np.random.default_rng(2), shape, v),
    )


@dtypes
@pytest.mark.parametrize("adam", [None, mlp1d_training.Adam(0.9, 0.999, 1e-8)])
@pytest.mark.parametrize("stop", [0.0, 1e-2])
def test_training_of_mlp1d(dtype, adam, stop):
    shape, rates, keep = Shape((1, 10, 10, 1), "relu"), np.linspace(0.01, 3.0, 20), [0, 5, 100, 150]
    theta = networks.draw(np.random.default_rng(0), shape, 20).astype(dtype)
    x = np.linspace(-1, 1, 7)[:, None].astype(dtype)
    y = np.sin(5 * x)
    old = mlp1d_training.train(theta, x, y, shape, rates, 150, adam, stop, keep)

    def slope(theta, active, t):
        return network.value_and_gradient(theta, x, y, shape, "square")

    rule = rules.descent() if adam is None else rules.adam(*adam)
    new = train(theta, slope, rule, rates, 150, stop=stop, keep=keep)
    for a, b in zip(
        (old.losses, old.theta, old.ended, old.stopped, old.diverged, old.snapshots),
        (new.losses, new.theta, new.ended(150), new.has_stopped, new.is_lost, new.kept),
        strict=True,
    ):
        same(a, b)


def test_training_of_mnist():
    rng, widths, n, batch = np.random.default_rng(0), [30, 16, 16, 4], 200, 32
    images = Images(rng.standard_normal((n, 30)).astype(np.float32), rng.integers(0, 4, n))
    old = sgd(
        np.random.default_rng(5),
        images,
        images,
        widths,
        Settings("relu", "uniform", False, batch, 0.1, 2, [0, 1, 2]),
    )

    rng, shape = np.random.default_rng(5), Shape(tuple(widths), "relu", False)
    start = initialise.initialise(rng, "uniform", shape).astype(np.float32)
    chunks = []
    for _ in range(2):
        order = rng.permutation(n)
        chunks += [order[k : k + batch] for k in range(0, n, batch)]
    norms, loss, per_epoch = np.zeros((2, 3)), np.zeros(2), len(chunks) // 2

    def slope(theta, active, t):
        passed = network.forward(theta, images.x[chunks[t]], shape)
        back = network.differentiate(passed, images.labels[chunks[t]], "softmax", each=True)
        samples = network.sample_losses(back)
        loss[t // per_epoch] += float(samples.sum()) / n
        return samples.mean(-1), network.gradient(back)

    def observe(step):
        squares = homogeneity.squared_norms(step.gradient, shape).weights[0]
        norms[step.t // per_epoch] += np.sqrt(squares) * (len(chunks[step.t]) / n)

    keep = [0, per_epoch, 2 * per_epoch]
    new = train(
        start,
        slope,
        rules.descent(),
        0.1,
        len(chunks),
        evaluate_end=False,
        keep=keep,
        observe=observe,
    )
    same(old.parameters, new.kept[:, 0])
    same(old.gradient_norm, norms)
    same(old.train_loss, loss)


def test_rules_of_initialisation():
    settings = old_rules.Settings(dict.fromkeys(old_rules.NAMES, 0.01), 0.9, 0.99, 0.9, 0.999, 1e-8)
    new = {
        "sgd": rules.descent(),
        "momentum": rules.heavy_ball_inner(0.9),
        "rmsprop": rules.rmsprop(0.99, 1e-8),
        "adam": rules.adam(0.9, 0.999, 1e-8),
    }
    for name, rule in new.items():
        theta = other = np.ones((2, 9), np.float32)
        m = v = np.zeros((2, 9), np.float32)
        memories = rule.start(theta)
        for t in range(1, 20):
            g = np.random.default_rng(t).standard_normal((2, 9)).astype(np.float32)
            change, m, v = old_rules.step(name, m, v, g, t, settings)
            theta = theta + change
            memories, update = rule.step(memories, g.copy(), t, 0.01)
            other = other - update
        same(theta, other)

"""Full-batch gradient, noise and the law of minibatches, against explicit per-sample gradients."""

from itertools import combinations

import numpy as np
import pytest
import xarray as xr

import oracles
from descent.config import Refusal
from descent.gradnorms import mnist as experiment
from descent.gradnorms import noise
from descent.maths import mlp
from descent.maths.images import Images
from descent.train import mnist as training
from fake_mnist import fake_mnist

TRAINING = {
    "seed": 0,
    "replicates": 2,
    "hidden": [6, 5],
    "activation": "relu",
    "initialisation": "uniform",
    "bias": False,
    "batch": 8,
    "rate": 0.1,
    "epochs": 2,
    "checkpoints": [0],
    "milestones": [],
}
CONFIG = experiment.Config(seed=0, batches=(1, 4, 24), draws=200, law_steps=30)


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setattr("descent.maths.replicates.cpu_count", lambda: 1)


@pytest.fixture
def mnist() -> xr.Dataset:
    return fake_mnist(np.random.default_rng(0), 48, 20, side=4)


def run(mnist, config=CONFIG, **changes):
    trained = training.run(training.Config(**TRAINING | changes), mnist).data
    return experiment.run(config, mnist, trained)


def broken(result) -> set[str]:
    return {check.name for check in result.checks if not check.holds}


def example(activation: str, bias: bool, n: int = 6):
    """A float64 network, n images, and the weights' gradient of every image, one row an image."""
    rng = np.random.default_rng(n)
    network = mlp.initialise(rng, [5, 4, 4, 3], "he", bias, np.float64)
    images = Images(rng.standard_normal((n, 5)), rng.integers(0, 3, n))
    samples = oracles.per_sample_gradients(oracles.torch_mlp(network, activation), *images)
    rows = [np.array([s.weights[k].ravel() for s in samples]) for k in range(3)]
    return network, images, rows


cases = pytest.mark.parametrize(
    ("activation", "bias"), [("relu", False), ("relu", True), ("tanh", False), ("sigmoid", True)]
)


@cases
def test_full_batch_norm_and_noise_are_those_of_explicit_gradients(activation, bias):
    network, images, rows = example(activation, bias)
    squared, trace = experiment.full_batch(network, images, activation)
    # Both are differences of sums of some 10² products of order 1.
    expected = [np.sum(g.mean(0) ** 2) for g in rows]
    np.testing.assert_allclose(squared, expected, rtol=1e-12)
    np.testing.assert_allclose(trace, [np.trace(np.cov(g.T, ddof=0)) for g in rows], rtol=1e-12)


@pytest.mark.parametrize("chunk", [1, 5, 6, 100])
def test_full_batch_does_not_depend_on_the_chunks(monkeypatch, chunk):
    network, images, _ = example("relu", True, n=12)
    whole = experiment.full_batch(network, images, "relu")
    monkeypatch.setattr(noise, "CHUNK", chunk)
    np.testing.assert_allclose(experiment.full_batch(network, images, "relu"), whole, rtol=1e-12)


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 6])
@cases
def test_the_mean_over_all_minibatches_is_the_predicted_one(activation, bias, batch):
    """‖g‖² + (tr Σ/B)(n − B)/(n − 1), tr Σ with 1/n: exact for B different images of n = 6."""
    network, images, _ = example(activation, bias)
    norms = []
    for chosen in map(list, combinations(range(6), batch)):
        passed = mlp.differentiate(network, images.x[chosen], images.labels[chosen], activation)
        norms.append(mlp.squared_norms(mlp.gradients(network, passed).weights))
    squared, trace = experiment.full_batch(network, images, activation)
    predicted = squared + trace / batch * (6 - batch) / 5
    np.testing.assert_allclose(np.mean(norms, axis=0), predicted, rtol=1e-12)


def test_minibatches_are_of_different_images_and_their_spread_is_that_of_the_mean():
    """n = 6, B = 2: there are 15 minibatches, so all moments are known."""
    network, images, rows = example("relu", False)
    norms = np.array(
        [[np.sum(g[list(pair)].mean(0) ** 2) for g in rows] for pair in combinations(range(6), 2)]
    )
    config = experiment.Config(seed=0, batches=(2,), draws=3000, law_steps=1)
    mean, variance = experiment.minibatches(
        np.random.default_rng(0), network, images, "relu", config
    )
    error = norms.std(0) / np.sqrt(3000)
    assert (np.abs(mean[0] - norms.mean(0)) < 5 * error).all()
    # The variance of 3000 draws is known to √((kurtosis − 1)/3000), 5 % for a kurtosis of 8.
    np.testing.assert_allclose(variance[0], error**2, rtol=0.25)


def test_the_experiment_predicts_by_the_law(mnist):
    data = run(mnist).data
    B = data["batch"]
    law = data["full_norm"] ** 2 + data["trace"] / B * (48 - B) / 47
    xr.testing.assert_allclose(
        data["predicted_square"], law.transpose(*data["predicted_square"].dims), rtol=1e-14
    )
    rms = data["per_sample_rms"] ** 2  # that of minibatches of one
    xr.testing.assert_allclose(rms, data["predicted_square"].sel(batch=1, drop=True), rtol=1e-12)
    scale = data["trace"] / data["full_norm"] ** 2
    xr.testing.assert_allclose(data["noise_scale"], scale, rtol=1e-12)


@pytest.mark.parametrize("bias", [False, True])
def test_every_check_holds_at_toy_size(mnist, bias):
    result = run(mnist, bias=bias)
    assert [check.name for check in result.checks] == [
        "minibatch_law_in_standard_errors",
        "inner_products_equal_over_layers",
        "balancedness_law",
    ]
    assert broken(result) == set()


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_other_activations_claim_no_identities(mnist, activation):
    result = run(mnist, activation=activation)
    assert [check.name for check in result.checks] == ["minibatch_law_in_standard_errors"]
    assert broken(result) == set()


@pytest.mark.parametrize(
    "wrong",
    [lambda squared, trace: (squared, 1.2 * trace), lambda squared, trace: (1.5 * squared, trace)],
    ids=["noise", "gradient"],
)
def test_a_wrong_full_batch_is_caught(mnist, monkeypatch, wrong):
    right = experiment.full_batch
    monkeypatch.setattr(experiment, "full_batch", lambda *given: wrong(*right(*given)))
    assert broken(run(mnist)) == {"minibatch_law_in_standard_errors"}


def test_a_law_without_its_finite_population_is_caught(mnist, monkeypatch):
    """With B = n/2 the factor (n − B)/(n − 1) is a half."""
    right = experiment.full_batch

    def infinite(*given):
        squared, trace = right(*given)
        return squared, trace * 47 / 24

    monkeypatch.setattr(experiment, "full_batch", infinite)
    config = experiment.Config(seed=0, batches=(24,), draws=50, law_steps=1)
    assert broken(run(mnist, config)) == {"minibatch_law_in_standard_errors"}


def test_the_identities_see_a_layer_out_of_step(monkeypatch):
    """A gradient of one layer that is wrong in the seventh digit."""
    network, images, _ = example("relu", True)
    given = (images, "relu", 4, 0.1, 20)
    assert max(experiment.identities(np.random.default_rng(0), network, *given)) < 1e-13
    right = mlp.gradients

    def skewed(network, passed):
        gradient = right(network, passed)
        return gradient._replace(weights=[gradient.weights[0] * (1 + 1e-7), *gradient.weights[1:]])

    monkeypatch.setattr(mlp, "gradients", skewed)
    spread, drift = experiment.identities(np.random.default_rng(0), network, *given)
    assert spread > 1e-11
    assert drift > 1e-11


def test_the_identities_fail_for_tanh():
    network, images, _ = example("tanh", False)
    given = (network, images, "tanh", 4, 0.1, 20)
    assert min(experiment.identities(np.random.default_rng(0), *given)) > 1e-4


def test_the_identities_leave_the_network_alone():
    network, images, _ = example("relu", True)
    before = mlp.flattened(network)
    experiment.identities(np.random.default_rng(0), network, images, "relu", 4, 0.1, 5)
    np.testing.assert_array_equal(mlp.flattened(network), before)


@pytest.mark.parametrize("infinite", [np.inf, 1e200])
def test_the_identities_of_what_is_not_finite_are_unknown(infinite):
    network, images, _ = example("relu", False)
    network.weights[1][0] = infinite
    given = (network, images, "relu", 4, 0.1, 3)
    with np.errstate(over="ignore", invalid="ignore"):
        assert np.isnan(experiment.identities(np.random.default_rng(0), *given)).all()


def test_standard_errors_are_those_of_the_mean_over_replicates():
    cells = ("replicate", "cell")
    measured = xr.DataArray([[1.0, 2.0], [3.0, 2.0]], dims=cells)
    predicted = xr.DataArray([[1.0, 2.0], [2.0, 1.0]], dims=cells)
    variance = xr.DataArray([[0.01, 0.04], [0.03, 0.05]], dims=cells)
    check = experiment.largest_z(measured, predicted, variance, draws=100)
    assert check.measured == pytest.approx(0.5 / (np.sqrt(0.01 + 0.03) / 2), rel=1e-14)
    assert 4 < check.tol < 4.5  # two cells, 198 degrees of freedom


def test_a_silent_network_is_predicted_exactly(mnist):
    """Zero weights without biases have zero gradients: nothing to deviate by."""
    result = run(mnist, initialisation="zero")
    assert broken(result) == set()


def test_divergence_breaks_every_check_and_nothing_else(mnist):
    result = run(mnist, rate=1e6, checkpoints=[])
    assert broken(result) == {check.name for check in result.checks}


def test_minibatches_of_everything_are_refused_with_both_numbers(mnist):
    config = experiment.Config(seed=0, batches=(4, 48), draws=2, law_steps=1)
    with pytest.raises(Refusal, match="48 ≥ 48 training images"):
        run(mnist, config)


@pytest.mark.parametrize(
    ("change", "rule"),
    [({"batches": []}, "batches"), ({"batches": [4, 4]}, "increasing"), ({"draws": 1}, "draws 1")],
)
def test_bad_numbers_are_refused_by_rule(change, rule):
    good = {"seed": 0, "batches": [4], "draws": 2, "law_steps": 1}
    experiment.Config(**good)
    with pytest.raises(ValueError, match=rule):
        experiment.Config(**good | change)

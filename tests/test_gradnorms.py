"""Full-batch gradient, noise and the law of minibatches, against explicit per-sample gradients."""

from itertools import combinations

import numpy as np
import pytest
import xarray as xr

import oracles
from descent.config import Refusal
from descent.gradnorms import _noise, homogeneity
from descent.gradnorms import mnist as experiment
from descent.maths import network
from descent.maths.homogeneity import squared_norms
from descent.maths.images import Images
from descent.maths.initialise import initialise
from descent.maths.network import Shape
from descent.train import mnist as training
from fake_mnist import fake_mnist

TRAINING = {
    "seed": 0,
    "data": "mnist",
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
CONFIG = experiment.Config(seed=0, batches=(1, 4, 24), draws=200)
EXACT = homogeneity.Config(seed=0, law_steps=30)


@pytest.fixture
def mnist() -> xr.Dataset:
    return fake_mnist(np.random.default_rng(0), 48, 20, side=4)


def trained(mnist, **changes) -> xr.Dataset:
    return training.run(training.Config(**TRAINING | changes), mnist).data


def run(mnist, config=CONFIG, **changes):
    return experiment.run(config, mnist, trained(mnist, **changes))


def broken(result) -> set[str]:
    return {check.name for check in result.checks if not check.holds}


def example(activation: str, bias: bool, n: int = 6):
    """A float64 network, n images, and the weights' gradient of every image, one row an image."""
    rng, shape = np.random.default_rng(n), Shape((5, 4, 4, 3), activation, bias)
    theta = initialise(rng, "he", shape)[0]
    images = Images(rng.standard_normal((n, 5)), rng.integers(0, 3, n))
    samples = oracles.per_sample_gradients(oracles.torch_mlp(theta, shape), *images)
    rows = [np.array([s[k].ravel() for s in samples]) for k in range(3)]
    return (theta, shape, images), rows


cases = pytest.mark.parametrize(
    ("activation", "bias"), [("relu", False), ("relu", True), ("tanh", False), ("sigmoid", True)]
)


@cases
def test_full_batch_norm_and_noise_are_those_of_explicit_gradients(activation, bias):
    given, rows = example(activation, bias)
    squared, trace = _noise.measure_full_batch(*given)
    # Both are differences of sums of some 10² products of order 1.
    expected = [np.sum(g.mean(0) ** 2) for g in rows]
    np.testing.assert_allclose(squared, expected, rtol=1e-12)
    np.testing.assert_allclose(trace, [np.trace(np.cov(g.T, ddof=0)) for g in rows], rtol=1e-12)


@pytest.mark.parametrize("chunk", [1, 5, 6, 100])
def test_full_batch_does_not_depend_on_the_chunks(monkeypatch, chunk):
    given, _ = example("relu", True, n=12)
    whole = _noise.measure_full_batch(*given)
    monkeypatch.setattr(_noise, "CHUNK", chunk)
    np.testing.assert_allclose(_noise.measure_full_batch(*given), whole, rtol=1e-12)


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 6])
@cases
def test_the_mean_over_all_minibatches_is_the_predicted_one(activation, bias, batch):
    """‖g‖² + (tr Σ/B)(n − B)/(n − 1), tr Σ with 1/n: exact for B different images of n = 6."""
    (theta, shape, images), _ = example(activation, bias)
    norms = []
    for chosen in map(list, combinations(range(6), batch)):
        passed = network.forward(theta, images.x[chosen], shape)
        back = network.differentiate(passed, images.labels[chosen], "softmax")
        norms.append(squared_norms(network.gradient(back), shape).weights)
    squared, trace = _noise.measure_full_batch(theta, shape, images)
    predicted = squared + trace / batch * (6 - batch) / 5
    np.testing.assert_allclose(np.mean(norms, axis=0), predicted, rtol=1e-12)


@pytest.mark.long
def test_minibatches_are_of_different_images_and_their_spread_is_that_of_the_mean():
    """n = 6, B = 2: there are 15 minibatches, so all moments are known."""
    given, rows = example("relu", False)
    norms = np.array(
        [[np.sum(g[list(pair)].mean(0) ** 2) for g in rows] for pair in combinations(range(6), 2)]
    )
    config = experiment.Config(seed=0, batches=(2,), draws=3000)
    mean, variance = _noise.measure_minibatches(np.random.default_rng(0), *given, config)
    error = norms.std(0) / np.sqrt(3000)
    assert (np.abs(mean[0] - norms.mean(0)) < 5 * error).all()
    # The variance of 3000 draws is known to √((kurtosis − 1)/3000), 5 % for a kurtosis of 8.
    np.testing.assert_allclose(variance[0], error**2, rtol=0.25)


@pytest.mark.long
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


@pytest.mark.long
@pytest.mark.parametrize("bias", [False, True])
def test_the_law_and_the_identities_hold_at_toy_size(mnist, bias):
    assert run(mnist, bias=bias).verdict == "holds"
    assert homogeneity.run(EXACT, mnist, trained(mnist, bias=bias)).verdict == "holds"


@pytest.mark.long
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_networks_that_do_not_scale_obey_the_law_and_claim_no_identities(mnist, activation):
    assert run(mnist, activation=activation).verdict == "holds"
    result = homogeneity.run(EXACT, mnist, trained(mnist, activation=activation))
    assert (result.verdict, result.checks) == ("no claim", ())
    spread = result.metrics["largest_spread"]  # and there is a reason not to
    assert float(spread) > 1e-4


@pytest.mark.long
@pytest.mark.parametrize(
    "wrong",
    [lambda squared, trace: (squared, 1.2 * trace), lambda squared, trace: (1.5 * squared, trace)],
    ids=["noise", "gradient"],
)
def test_a_wrong_full_batch_is_caught(mnist, monkeypatch, wrong):
    right = _noise.measure_full_batch
    monkeypatch.setattr(_noise, "measure_full_batch", lambda *given: wrong(*right(*given)))
    assert broken(run(mnist)) == {"minibatch_law"}


def test_a_law_without_its_finite_population_is_caught(mnist, monkeypatch):
    """With B = n/2 the factor (n − B)/(n − 1) is a half."""
    right = _noise.measure_full_batch

    def infinite(*given):
        squared, trace = right(*given)
        return squared, trace * 47 / 24

    monkeypatch.setattr(_noise, "measure_full_batch", infinite)
    config = experiment.Config(seed=0, batches=(24,), draws=100)
    assert broken(run(mnist, config)) == {"minibatch_law"}


def test_the_identities_see_a_layer_out_of_step(mnist, monkeypatch):
    """A gradient of one layer that is wrong in the seventh digit."""
    start, right = trained(mnist), network.gradient

    def skewed(back):
        g = right(back)
        W, _ = back.passed.shape.layers(g)[0]
        W *= 1 + 1e-7
        return g

    monkeypatch.setattr(network, "gradient", skewed)
    assert broken(homogeneity.run(EXACT, mnist, start)) == {"inner_products", "growth"}


def test_what_is_not_finite_claims_nothing(mnist):
    start = trained(mnist)
    start["parameters"][0, 0, 5] = np.inf
    with np.errstate(over="ignore", invalid="ignore"):
        assert homogeneity.run(EXACT, mnist, start).verdict == "no claim"


def test_steps_are_held_against_an_hour_by_the_networks_that_training_kept(mnist):
    """As many steps as small networks take in minutes, of large ones."""
    many = homogeneity.Config(seed=0, law_steps=100_000)
    homogeneity.require_hour(many, trained(mnist))
    large = trained(mnist, hidden=[2000, 1000], epochs=1, checkpoints=[])
    said = r"law_steps 100000, 4070000 parameters, batch 8 of train.mnist: about 1.48 hours"
    with pytest.raises(Refusal, match=said):
        homogeneity.run(many, mnist, large)


@pytest.mark.long
def test_a_silent_network_is_predicted_exactly(mnist):
    """Zero weights without biases have zero gradients: nothing to deviate by."""
    result = run(mnist, initialisation="zero")
    assert broken(result) == set()


@pytest.mark.long
def test_networks_that_were_lost_claim_nothing(mnist):
    result = run(mnist, rate=1e6, checkpoints=[])
    assert (result.verdict, result.checks) == ("no claim", ())


def test_two_draws_of_few_networks_are_refused(mnist):
    config = experiment.Config(seed=0, batches=(4,), draws=2)
    with pytest.raises(Refusal, match="degrees of freedom"):
        run(mnist, config)


def test_minibatches_of_everything_are_refused_with_both_numbers(mnist):
    config = experiment.Config(seed=0, batches=(4, 48), draws=2)
    with pytest.raises(Refusal, match="48 ≥ 48 training images"):
        run(mnist, config)


@pytest.mark.parametrize(
    ("change", "rule"),
    [({"batches": []}, "batches"), ({"batches": [4, 4]}, "increasing"), ({"draws": 1}, "draws 1")],
)
def test_bad_numbers_are_refused_by_rule(change, rule):
    good = {"seed": 0, "batches": [4], "draws": 2}
    experiment.Config(**good)
    with pytest.raises(ValueError, match=rule):
        experiment.Config(**good | change)

"""Training: one replicate against plain torch SGD, and what the experiment claims of it."""

import numpy as np
import pytest
import xarray as xr

import oracles
from descent.config import Refusal
from descent.maths import mlp
from descent.maths.images import pixel_statistics, standardised
from descent.train import mnist as experiment
from descent.train.sgd import Settings, evaluate, train
from fake_mnist import fake_mnist

TINY = {
    "seed": 0,
    "replicates": 2,
    "hidden": [8, 6],
    "activation": "relu",
    "initialisation": "uniform",
    "bias": False,
    "batch": 16,
    "rate": 0.1,
    "epochs": 3,
    "checkpoints": [0, 1, 100],
    "milestones": [1, 2, 100],
}


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setattr("descent.maths.replicates.cpu_count", lambda: 1)


@pytest.fixture
def mnist() -> xr.Dataset:
    return fake_mnist(np.random.default_rng(0), 90, 40)


def run(mnist, **changes):
    return experiment.run(experiment.Config(**TINY | changes), mnist)


def verdicts(result) -> dict[str, bool]:
    return {check.name: check.holds for check in result.checks}


def errata(result) -> dict[str, bool]:
    return {erratum.name: erratum.stands for erratum in result.errata}


def settings(**changes) -> Settings:
    given = {"activation": "relu", "initialisation": "uniform", "bias": True, "batch": 16}
    return Settings(**given | {"rate": 0.1, "epochs": 2, "kept": [0, 1, 2]} | changes)


# --- images ---


def test_pixel_statistics_are_those_of_the_scaled_pixels(mnist):
    pixels = mnist["train_images"].values / 255
    found = pixel_statistics(mnist)
    assert found.mean == pytest.approx(pixels.mean(), rel=1e-13)
    assert found.std == pytest.approx(pixels.std(ddof=1), rel=1e-13)
    assert found.largest == pixels.max()


def test_both_parts_are_standardised_by_the_training_pixels(mnist):
    pixels = mnist["train_images"].values / 255
    for part, n in (("train", 90), ("test", 40)):
        images = standardised(mnist, part)
        raw = mnist[f"{part}_images"].values.reshape(n, -1) / 255
        # Three float32 roundings of numbers up to 3.
        expected = (raw - pixels.mean()) / pixels.std(ddof=1)
        np.testing.assert_allclose(images.x, expected, rtol=0, atol=1e-6)
        assert images.x.dtype == np.float32
        np.testing.assert_array_equal(images.labels, mnist[f"{part}_labels"])


# --- one replicate ---


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_training_is_plain_sgd(mnist, activation, bias):
    images, test = standardised(mnist, "train"), standardised(mnist, "test")
    widths, given = [25, 8, 6, 3], settings(activation=activation, bias=bias)
    fast = train(np.random.default_rng(7), images, test, widths, given)

    rng = np.random.default_rng(7)
    network = mlp.initialise(rng, widths, "uniform", bias)
    np.testing.assert_array_equal(fast.parameters[0], mlp.flattened(network))
    orders = [rng.permutation(90) for _ in range(2)]
    exact = mlp.Network(*([p.astype(float) for p in part] for part in network))
    model = oracles.torch_mlp(exact, activation)
    sizes, losses, norms = oracles.sgd(
        model, images.x.astype(float), images.labels, orders, 16, 0.1
    )

    # float32 against float64: 12 steps of roundings of some 6e-8·√25 of numbers of order 1.
    close = {"rtol": 1e-5, "atol": 1e-5}
    end = mlp.unflattened(fast.parameters[-1], widths, bias)
    for k, layer in enumerate(oracles.linears(model)):
        np.testing.assert_allclose(end.weights[k], layer.weight.detach(), **close)
        if bias:
            np.testing.assert_allclose(end.biases[k], layer.bias.detach(), **close)
    for epoch in range(2):
        weights = {"weights": sizes[epoch]}
        mean = np.average(norms[epoch], axis=0, **weights)
        np.testing.assert_allclose(fast.gradient_norm[epoch], mean, rtol=1e-5)
        assert fast.train_loss[epoch] == pytest.approx(
            np.average(losses[epoch], **weights), rel=1e-5
        )
    last = oracles.nll(model, test.x.astype(float), test.labels).item()
    assert fast.test_loss[-1] == pytest.approx(last, rel=1e-5)
    expected = [np.sum(np.square([n[k] for e in norms for n in e])) * 0.01 for k in range(3)]
    if not bias:
        np.testing.assert_allclose(fast.kicks, expected, rtol=1e-5)


def test_gradient_norm_is_weighted_by_the_sizes_of_the_minibatches(mnist):
    images = standardised(mnist, "train")
    images = images._replace(x=images.x[:10], labels=images.labels[:10])
    given = settings(batch=4, epochs=1, kept=[1], bias=False)
    fast = train(np.random.default_rng(0), images, images, [25, 3], given)

    rng = np.random.default_rng(0)
    model = oracles.torch_mlp(mlp.initialise(rng, [25, 3], "uniform", False), "relu")
    _, _, (norms,) = oracles.sgd(model, images.x, images.labels, [rng.permutation(10)], 4, 0.1)
    first, second, rest = np.ravel(norms)
    assert fast.gradient_norm[0, 0] == pytest.approx(
        (4 * first + 4 * second + 2 * rest) / 10, rel=1e-5
    )
    assert fast.gradient_norm[0, 0] != pytest.approx(np.mean(norms), rel=1e-3)


def test_growth_is_that_of_the_kept_parameters(mnist):
    images = standardised(mnist, "train")
    fast = train(np.random.default_rng(1), images, images, [25, 6, 3], settings())
    start, end = (
        mlp.squared_layer_norms(mlp.unflattened(fast.parameters[k], [25, 6, 3], True))
        for k in (0, -1)
    )
    np.testing.assert_array_equal(fast.growth, end - start)


def test_evaluation_weighs_every_image_or_every_minibatch(mnist):
    test = standardised(mnist, "test")
    network = mlp.initialise(np.random.default_rng(0), [25, 5, 3], "he", True)
    _, log_p = mlp.forward(network, test.x, "relu")
    losses = -log_p[np.arange(40), test.labels].astype(float)
    weighted, unweighted, accuracy = evaluate(network, test, settings(batch=16))
    assert weighted == pytest.approx(losses.mean(), rel=1e-14)
    thirds = [losses[:16].mean(), losses[16:32].mean(), losses[32:].mean()]
    assert unweighted == pytest.approx(np.mean(thirds), rel=1e-14)
    assert accuracy == np.mean(
        [np.argmax(row) == k for row, k in zip(log_p, test.labels, strict=True)]
    )


# --- the experiment ---


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("initialisation", ["uniform", "lecun", "xavier", "he", "zero"])
def test_every_check_holds_at_toy_size(mnist, initialisation, bias):
    result = run(mnist, initialisation=initialisation, bias=bias)
    assert verdicts(result) == {"diverged_replicates": True, "balancedness_law": True}


def test_there_is_something_to_learn(mnist):
    result = run(mnist, epochs=10)
    assert result.metrics["accuracy"].sel(epoch=10) > 0.9
    assert result.metrics["train_loss"].sel(epoch=10) < 0.5 * result.metrics["train_loss"].sel(
        epoch=1
    )


def test_what_is_kept_and_reported_is_what_the_run_reaches(mnist):
    result = run(mnist)
    assert result.data["checkpoint"].values.tolist() == [0, 1, 3]
    assert result.metrics["accuracy"]["epoch"].values.tolist() == [1, 2, 3]
    assert result.data.attrs["widths"] == [25, 8, 6, 3]
    assert result.metrics["parameters"] == 25 * 8 + 8 * 6 + 6 * 3


def test_other_activations_claim_no_balance(mnist):
    assert verdicts(run(mnist, activation="tanh")) == {"diverged_replicates": True}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("factor", [0.5, 0.99, 2])
def test_kicks_of_the_wrong_size_are_caught(mnist, factor, bias):
    result = run(mnist, bias=bias)
    data = result.data
    assert result.checks[1] == experiment.balancedness(
        data, 18
    )  # 3 epochs of 5 minibatches and a rest
    assert result.checks[1].holds
    data["kicks"] *= factor
    assert not experiment.balancedness(data, 18).holds


def test_forgotten_biases_are_caught(mnist, monkeypatch):
    monkeypatch.setattr(mlp, "along_the_output", lambda weights, biases: weights)
    assert not verdicts(run(mnist, bias=True))["balancedness_law"]


def test_divergence_breaks_checks_and_nothing_else(mnist):
    held = verdicts(run(mnist, rate=1e6))
    assert held == {"diverged_replicates": False, "balancedness_law": False}


def test_a_batch_larger_than_the_data_is_refused_with_both_numbers(mnist):
    with pytest.raises(Refusal, match="batch 91 > 90 training images"):
        run(mnist, batch=91)
    run(mnist, batch=90, epochs=1)


def test_unequal_minibatches_give_an_erratum(mnist):
    name = "test NLL from minibatches of unequal size"
    assert errata(run(mnist, batch=16))[name]  # 16 + 16 + 8
    assert name not in errata(run(mnist, batch=20))  # 20 + 20
    assert name not in errata(run(mnist, batch=41))  # 40


def test_an_unweighted_mean_that_is_not_one_is_caught(mnist, monkeypatch):
    def confused(*arguments):
        weighted, unweighted, accuracy = evaluate(*arguments)
        return unweighted, weighted, accuracy

    monkeypatch.setattr("descent.train.sgd.evaluate", confused)
    assert not errata(run(mnist))["test NLL from minibatches of unequal size"]


def test_the_largest_pixel_is_an_erratum(mnist):
    found = {erratum.name: erratum for erratum in run(mnist).errata}["largest standardised pixel"]
    pixels = mnist["train_images"].values / 255
    assert found.stands
    assert found.correct == pytest.approx((pixels.max() - pixels.mean()) / pixels.std(ddof=1))


def test_only_the_notebook_s_settings_speak_about_its_epochs(mnist):
    name = "epoch whose layer-1 norm the notebook prints as that of epoch 1"
    notebook = experiment.NOTEBOOK | {"batch": 90, "epochs": 6, "replicates": 1}
    assert name not in errata(run(mnist, **notebook))


def test_results_are_the_same_again_and_differ_between_replicates(mnist):
    first, second = run(mnist).data, run(mnist).data
    assert first.identical(second)
    one, other = first["parameters"].isel(checkpoint=0).values
    assert (one != other).mean() > 0.99

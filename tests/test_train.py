"""Training: one replicate against plain torch SGD, and what the experiment claims of it."""

import numpy as np
import pytest
import xarray as xr

import oracles
from descent.config import Refusal
from descent.maths import homogeneity, losses, network
from descent.maths.homogeneity import squared_layer_norms
from descent.maths.images import Pixels, pixel_statistics, standardised
from descent.maths.initialise import initialise
from descent.maths.network import Shape
from descent.train import _errata, _sgd, figures
from descent.train import mnist as experiment
from descent.train._sgd import Settings, evaluate, train
from fake_mnist import fake_mnist
from test_reference import metrics as reference

TINY = {
    "seed": 0,
    "data": "mnist",
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
    return Settings(**{"batch": 16, "rate": 0.1, "epochs": 2, "kept": [0, 1, 2]} | changes)


def start(rng, shape, scheme="uniform") -> np.ndarray:
    return initialise(rng, scheme, shape).astype(np.float32)


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
    shape = Shape((25, 8, 6, 3), activation, bias)
    rng = np.random.default_rng(7)
    fast = train(rng, start(rng, shape), shape, images, test, settings())

    rng = np.random.default_rng(7)
    theta = start(rng, shape)[0]
    np.testing.assert_array_equal(fast["parameters"][0], theta)
    orders = [rng.permutation(90) for _ in range(2)]
    model = oracles.torch_mlp(theta.astype(float), shape)
    sizes, nll, norms = oracles.sgd(model, images.x.astype(float), images.labels, orders, 16, 0.1)

    # float32 against float64: 12 steps of roundings of some 6e-8·√25 of numbers of order 1.
    close = {"rtol": 1e-5, "atol": 1e-5}
    end = shape.layers(fast["parameters"].values[-1])
    for (W, b), layer in zip(end, oracles.linears(model), strict=True):
        np.testing.assert_allclose(W, layer.weight.detach(), **close)
        if bias:
            np.testing.assert_allclose(b[0], layer.bias.detach(), **close)
    for epoch in range(2):
        weights = {"weights": sizes[epoch]}
        mean = np.average(norms[epoch], axis=0, **weights)
        np.testing.assert_allclose(fast["gradient_norm"][epoch], mean, rtol=1e-5)
        expected = np.average(nll[epoch], **weights)
        assert float(fast["train_loss"][epoch]) == pytest.approx(expected, rel=1e-5)
    last = oracles.nll(model, test.x.astype(float), test.labels).item()
    assert float(fast["test_loss"][-1]) == pytest.approx(last, rel=1e-5)
    kicks = [np.sum(np.square([n[k] for e in norms for n in e])) * 0.01 for k in range(3)]
    if not bias:
        np.testing.assert_allclose(fast["kicks"], kicks, rtol=1e-5)


def test_gradient_norm_is_weighted_by_the_sizes_of_the_minibatches(mnist):
    images = standardised(mnist, "train")
    images = images._replace(x=images.x[:10], labels=images.labels[:10])
    shape, rng = Shape((25, 3), "relu", False), np.random.default_rng(0)
    fast = train(
        rng, start(rng, shape), shape, images, images, settings(batch=4, epochs=1, kept=[1])
    )

    rng = np.random.default_rng(0)
    model = oracles.torch_mlp(start(rng, shape)[0], shape)
    _, _, (norms,) = oracles.sgd(model, images.x, images.labels, [rng.permutation(10)], 4, 0.1)
    first, second, rest = np.ravel(norms)
    found = float(fast["gradient_norm"][0, 0])
    assert found == pytest.approx((4 * first + 4 * second + 2 * rest) / 10, rel=1e-5)
    assert found != pytest.approx(np.mean(norms), rel=1e-3)


def test_growth_is_that_of_the_kept_parameters(mnist):
    images, shape = standardised(mnist, "train"), Shape((25, 6, 3), "relu")
    rng = np.random.default_rng(1)
    fast = train(rng, start(rng, shape), shape, images, images, settings())
    before, after = (squared_layer_norms(fast["parameters"].values[k], shape) for k in (0, -1))
    np.testing.assert_array_equal(fast["growth"], after - before)


def test_evaluation_weighs_every_image_or_every_minibatch(mnist):
    test, shape = standardised(mnist, "test"), Shape((25, 5, 3), "relu")
    theta = start(np.random.default_rng(0), shape, "he")
    log_p = losses.log_softmax(network.outputs(theta, test.x, shape))[0]
    nll = -log_p[np.arange(40), test.labels].astype(float)
    found = evaluate(theta, shape, test, 16)
    assert found.loss == pytest.approx(nll.mean(), rel=1e-14)
    thirds = [nll[:16].mean(), nll[16:32].mean(), nll[32:].mean()]
    assert found.unweighted == pytest.approx(np.mean(thirds), rel=1e-14)
    right = [np.argmax(row) == k for row, k in zip(log_p, test.labels, strict=True)]
    assert found.accuracy == np.mean(right)


# --- the experiment ---


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("initialisation", ["uniform", "lecun", "xavier", "he", "zero"])
def test_every_check_holds_at_toy_size(mnist, initialisation, bias):
    result = run(mnist, initialisation=initialisation, bias=bias)
    assert verdicts(result) == {"balancedness_law": True}
    assert result.verdict == "holds"


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


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_networks_that_do_not_scale_claim_nothing(mnist, activation):
    result = run(mnist, activation=activation)
    assert (result.verdict, result.checks) == ("no claim", ())
    assert activation in result.no_claim[0]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("factor", [0.5, 0.99, 2])
def test_kicks_of_the_wrong_size_are_caught(mnist, monkeypatch, factor, bias):
    right = experiment.predict

    def wrong(data):
        return right(data.assign(kicks=factor * data["kicks"]))

    monkeypatch.setattr(experiment, "predict", wrong)
    assert verdicts(run(mnist, bias=bias)) == {"balancedness_law": False}


def test_forgotten_biases_are_caught(mnist, monkeypatch):
    monkeypatch.setattr(_sgd, "along_the_output", lambda numbers: numbers.weights)
    monkeypatch.setattr(homogeneity, "along_the_output", lambda numbers: numbers.weights)
    assert verdicts(run(mnist, bias=True)) == {"balancedness_law": False}


def test_runs_that_are_lost_are_counted_and_nothing_is_claimed(mnist):
    result = run(mnist, rate=1e6)
    assert result.verdict == "no claim"
    assert result.metrics["lost_replicates"] == 2
    assert "2 of 2 runs" in result.no_claim[0]
    assert result.errata == ()


def test_one_layer_and_one_class_are_refused(mnist):
    with pytest.raises(Refusal, match="no other"):
        run(mnist, hidden=[])
    one = mnist.assign({name: 0 * mnist[name] for name in ("train_labels", "test_labels")})
    with pytest.raises(Refusal, match="one class"):
        run(one)


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
        found = evaluate(*arguments)
        return found._replace(loss=found.unweighted, unweighted=found.loss)

    monkeypatch.setattr(_sgd, "evaluate", confused)
    assert not errata(run(mnist))["test NLL from minibatches of unequal size"]


def test_the_largest_pixel_is_an_erratum(mnist):
    found = {erratum.name: erratum for erratum in run(mnist).errata}["largest standardised pixel"]
    pixels = mnist["train_images"].values / 255
    assert found.stands
    assert found.correct == pytest.approx((pixels.max() - pixels.mean()) / pixels.std(ddof=1))


def test_what_the_notebook_prints_is_compared_on_mnist_at_its_settings_only(mnist):
    name = "epoch whose layer-1 norm the notebook prints as that of epoch 1"
    settings = {key: value for key, value in _errata.NOTEBOOK.items() if key != "batch"}
    other_batch = run(mnist, **settings, epochs=6, replicates=1)
    assert name not in errata(other_batch)
    other_data = run(fake_mnist(np.random.default_rng(0), 130, 40), **_errata.NOTEBOOK, epochs=6)
    assert name not in errata(other_data)


def test_the_printed_deviation_is_an_erratum_of_mnist_alone(mnist):
    name = "standard deviation of a pixel, tenth digit"
    pixels = Pixels(*_errata.MNIST[1:], 1.0)
    assert _errata.deviation(pixels).stands
    assert name not in errata(run(mnist))


PRINTED = {  # (layer, epoch of the run): printed norm, and the standard deviation of one run's
    (1, 2): (0.792060, 0.016), (1, 3): (0.875295, 0.009), (1, 5): (0.898508, 0.008),
    (4, 36): (0.270867, 0.009), (4, 40): (0.247954, 0.009),
}  # fmt: skip


@pytest.mark.parametrize(("layer", "epoch"), PRINTED)
def test_the_printed_norms_are_those_of_one_more_run(layer, epoch):
    """Of layer 1 an epoch later than printed; of layer 4, which falls by half of its spread an epoch, as printed."""
    found = reference("train/mnist")["gradient_norm"][f"epoch={epoch}"][f"layer={layer}"]
    printed, sd = PRINTED[layer, epoch]
    assert abs(found - printed) <= 4 * sd * np.sqrt(1 + 1 / 5)


def test_the_printed_layers_have_the_printed_parameters():
    widths = (784, 128, 128, 128, 10)
    shape = Shape(widths, "relu", biases=False)
    layers = [W.size for W, _ in shape.layers(np.zeros(shape.parameters))]
    assert layers == [100_352, 16_384, 16_384, 1_280]
    assert shape.parameters == 134_400


def test_the_printed_norms_are_drawn_where_the_run_is_the_notebooks():
    shown = figures.printed(_errata.printed_norms())
    assert [mark.values["y"].tolist() for mark in shown] == [
        list(_errata.PRINTED),
        list(_errata.PRINTED_LATE),
    ]
    assert figures.printed(xr.Dataset()) == []


def test_results_are_the_same_again_and_differ_between_replicates(mnist):
    first, second = run(mnist).data, run(mnist).data
    assert first.identical(second)
    one, other = first["parameters"].isel(checkpoint=0).values
    assert (one != other).mean() > 0.99

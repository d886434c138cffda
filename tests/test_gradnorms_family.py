"""Noise against batch size, against autograd and planted errors."""

import numpy as np
import pytest
import xarray as xr

import oracles
from descent.config import Refusal
from descent.gradnorms import _noise, batch
from descent.maths.images import standardised
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
    "epochs": 4,
    "checkpoints": [0, 2],
    "milestones": [],
}
BATCH = {"seed": 0, "batches": [1, 2, 4, 8, 16, 32, 64], "draws": 50, "epoch": 4, "small": 1.0}


@pytest.fixture(scope="module")
def mnist() -> xr.Dataset:
    return fake_mnist(np.random.default_rng(0), 192, 20, side=4)


def broken(result) -> set[str]:
    return {check.name.split("/")[0] for check in result.checks if not check.holds}


# --- batch ---


def against_batch(mnist, changes=None, **trained):
    train = training.run(training.Config(**TRAINING | trained), mnist).data
    return batch.run(batch.Config(**BATCH | (changes or {})), mnist, train)


@pytest.mark.long
def test_fall_and_level_are_seen_at_every_kept_epoch(mnist):
    for epoch in (2, 4):
        result = against_batch(mnist, {"epoch": epoch})
        assert broken(result) == set()
        assert 1 in result.metrics["slope"]["layer"]


@pytest.mark.long
def test_the_epoch_looked_at_is_the_one_asked_for(mnist):
    """Its ‖g‖ against autograd's over all images."""
    train = training.run(training.Config(**TRAINING), mnist).data
    result = batch.run(batch.Config(**BATCH | {"epoch": 2}), mnist, train)
    vector = train["parameters"].sel(checkpoint=2, replicate=1).values
    shape = Shape((16, 6, 5, 3), "relu", biases=False)
    model = oracles.torch_mlp(vector, shape)
    gradients = oracles.weight_gradients(model, *standardised(mnist, "train"))
    found = result.data["full_norm"].sel(replicate=1)
    expected = [np.linalg.norm(g) for g in gradients]
    np.testing.assert_allclose(found, expected, rtol=1e-5)  # float32


def test_the_slope_is_that_of_a_least_squares_line():
    B = np.array([1.0, 2.0, 8.0, 32.0])
    square = np.array([7.0, 4.0, 1.5, 0.9])
    fitted, _ = batch.slope(B, square, 0.1 * square)
    assert fitted == pytest.approx(np.polyfit(np.log(B), np.log(np.sqrt(square)), 1)[0], rel=1e-12)


def test_a_curve_that_obeys_the_law_crosses_exactly_where_the_formula_says():
    n, g2, trace = 1000, 0.3, 21.0
    B = np.array([4.0, 32.0, 256.0])
    square = g2 + trace / B * (n - B) / (n - 1)
    scale = trace / g2
    star, _ = batch.crossing(B, square, 0.01 * square, 2 * g2)
    assert star == pytest.approx(n * scale / (n - 1 + scale), rel=1e-12)


def test_standard_errors_are_those_of_noisy_curves():
    rng = np.random.default_rng(0)
    B, square = np.array([8.0, 16.0, 32.0, 64.0]), 1 + 30 / np.array([8.0, 16.0, 32.0, 64.0])
    error = 0.01 * square
    noisy = square + error * rng.standard_normal((4000, 4))
    for function in (batch.slope, lambda *given: batch.crossing(*given, 2.0)):
        _, stated = function(B, square, error)
        values = [function(B, curve, error)[0] for curve in noisy]
        # 4000 draws know a standard deviation to 1.1 %; the rest is curvature at 1 % noise.
        assert np.std(values) == pytest.approx(stated, rel=0.06)


@pytest.mark.parametrize("square", [[3.0, 2.5, 2.1], [1.0, 0.5, 0.4]])
def test_a_curve_that_does_not_cross_says_so(square):
    B = np.array([1.0, 2.0, 4.0])
    assert np.isnan(batch.crossing(B, np.array(square), np.ones(3), 2.0)).all()


@pytest.mark.long
def test_noise_that_falls_like_one_over_b_squared_is_caught(mnist, monkeypatch):
    right = _noise.predict_law

    def wrong(found, n):
        theory = right(found, n)
        law = found["full_norm"] ** 2 + found["trace"] / found["batch"] ** 2
        law = law.transpose(*theory["predicted_square"].dims)
        return theory.assign(predicted_square=law)

    monkeypatch.setattr(_noise, "predict_law", wrong)
    assert {"minibatch_law", "slope"} <= broken(against_batch(mnist))


@pytest.mark.long
def test_a_wrong_noise_scale_is_caught(mnist, monkeypatch):
    right = _noise.measure_full_batch

    def wrong(*given):
        squared, trace = right(*given)
        return squared, 1.5 * trace

    monkeypatch.setattr(_noise, "measure_full_batch", wrong)
    assert {"minibatch_law", "crossover"} <= broken(against_batch(mnist))


@pytest.mark.parametrize("batches", [[1, 2], [32, 64, 128], [64]])
def test_a_sweep_on_one_side_of_the_noise_scale_claims_nothing(mnist, batches):
    result = against_batch(mnist, {"batches": batches, "small": 0.5})
    assert (result.verdict, result.checks) == ("no claim", ())
    assert "noise scale" in result.no_claim[0]


def test_smaller_minibatches_are_drawn_more_often():
    config = batch.Config(**BATCH | {"batches": [1, 4, 16], "draws": 3})
    assert config.counts == [12, 6, 3]


def test_epochs_that_were_not_kept_are_refused_with_those_that_were(mnist):
    with pytest.raises(Refusal, match="epoch 3: training kept the networks of epochs 0, 2, 4 only"):
        against_batch(mnist, {"epoch": 3})


def test_minibatches_of_everything_are_refused(mnist):
    with pytest.raises(Refusal, match="192 ≥ 192 training images"):
        against_batch(mnist, {"batches": [4, 192]})


@pytest.mark.long
def test_networks_without_a_gradient_or_that_were_lost_claim_nothing(mnist):
    for change in ({"initialisation": "zero"}, {"rate": 1e6}):
        assert against_batch(mnist, **change).verdict == "no claim"

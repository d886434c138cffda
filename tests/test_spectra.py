"""Singular values along sensing runs: closed forms where there is one direction, and wrong formulas."""

import numpy as np
import pytest
import xarray as xr

from descent.maths.emergence import emergence_times, predicted_times
from descent.sensing._kernels import tiled
from descent.sensing._problem import Problem, pack
from descent.sensing._trajectories import SweepConfig, descend, labelled, overparameterised
from descent.spectra import singular_values
from descent.spectra.singular_values import Config, spectrum

SENSING = {
    "seed": 0,
    "replicates": 3,
    "size": 20,
    "rank": 2,
    "oversampling": 10,
    "held_out": 10,
    "alphas": [1e-5, 1e-1],
    "step": 0.1,
    "steps": 200,
    "milestones": [0, 50],
    "snapshots": 60,
    "target": [],
}
CONFIG = Config(top=5, claim_share=0.1, milestones=(50, 200))


def verdicts(result) -> dict[str, bool]:
    return {check.name: check.holds for check in result.checks}


def sensing(**changes) -> xr.Dataset:
    return overparameterised(SweepConfig(**SENSING | changes))


def one_direction(step: float, steps: int, alpha: float = 1e-5) -> xr.Dataset:
    """Infinitely many measurements of a rank-1 X*, and a start of s₁ = α√d along it: exactly

    s ← s(1 + 2η(λ − s²)).
    """
    u = np.array([[3.0], [0.0], [4.0]]) / 5 * 1.2
    target = pack(u @ u.T)
    given = Problem(u, target, tiled(np.eye(6)), np.eye(6))
    W = np.sqrt(3) * (u / 1.2) @ np.array([[0.6, 0.8, 0.0]])
    config = SweepConfig(
        **SENSING
        | {"replicates": 1, "size": 3, "rank": 1, "alphas": [alpha], "step": step}
        | {"steps": steps, "milestones": range(0, steps, 1 + steps // 200)}
    )
    eta = step / 1.2**2
    run = descend(given, alpha * W[None], eta, steps, config.snapshot_steps)
    return labelled([run], config, (alpha,))


def test_the_spectrum_is_the_root_of_that_of_the_product():
    data = sensing()
    sigma = spectrum(data["U"], 20)
    products = np.linalg.eigvalsh(data["U"].values @ data["U"].values.mT)[..., ::-1]
    # The square root of an eigenvalue is known to √ε of the largest.
    largest = float(sigma.max())
    np.testing.assert_allclose(sigma, np.sqrt(np.abs(products)), rtol=0, atol=1e-7 * largest)
    norms = np.linalg.norm(data["U"].values, axis=(-2, -1))
    np.testing.assert_allclose((sigma**2).sum("index"), norms**2, rtol=1e-13)


def test_an_escaped_factor_has_no_singular_values():
    data = sensing(steps=2)
    data["U"][0, 1, 2] = np.inf
    sigma = spectrum(data["U"], 3)
    assert np.isnan(sigma[0, 1, 2]).all()
    assert int(np.isnan(sigma).sum()) == 3


def test_emergence_of_an_exponential_is_found_between_any_snapshots():
    t = np.array([0.0, 1, 4, 9, 20, 50])
    growth, level = np.array([1.1, 1.3]), np.array([2.0, 5.0])
    s = 0.01 * growth ** t[:, None]
    expected = np.log(level / 0.01) / np.log(growth)
    assert (expected < 50).sum() == 1
    expected[expected > 50] = np.nan
    np.testing.assert_allclose(emergence_times(t, s, level), expected, rtol=1e-13)


def test_what_starts_above_emerges_at_once_and_what_stays_below_never():
    t, s = np.array([3.0, 4.0]), np.array([[2.0, 0.1], [1.0, 0.2]])
    np.testing.assert_array_equal(emergence_times(t, s, np.ones(2)), [3.0, np.nan])


def test_the_first_crossing_counts():
    t, s = np.arange(5.0), np.array([[0.5], [2.0], [0.5], [2.0], [2.0]])
    np.testing.assert_allclose(emergence_times(t, s, np.ones(1)), [0.5], rtol=1e-15)


def test_one_direction_grows_as_predicted_while_it_is_small():
    data = one_direction(step=0.1, steps=40)
    sigma = singular_values.run(CONFIG, data).data["sigma"].squeeze().sel(index=1)
    expected = 1e-5 * np.sqrt(3) * 1.2 ** data["snapshot"].values  # 1 + 2ηλ
    # The saturation −s²/λ of the growth adds up to at most s²/λ.
    assert (np.abs(sigma / expected - 1) <= expected**2 / 1.44 + 1e-12).all()
    assert float(expected[-1]) < 0.1


@pytest.mark.parametrize("step", [0.01, 0.005])
def test_one_direction_emerges_half_a_doubling_late(step):
    """Along the flow s²/(λ − s²) grows like e^{4ηλt}, so s² = λ/2 comes ½ ln 2 e-folds late."""
    data = singular_values.run(CONFIG, one_direction(step, steps=round(13 / (2 * step)))).data
    delay = float((data["emergence"] - data["emergence_predicted"]).squeeze()) * np.log1p(2 * step)
    assert delay == pytest.approx(np.log(2) / 2, abs=1.5 * step)  # first order in ηλ


def test_predicted_times_are_where_the_exponential_reaches_the_level():
    lam = xr.DataArray([[2.0, 0.5], [1.0, 0.3]], dims=("replicate", "i"))
    eta = xr.DataArray([0.05, 0.1], dims="replicate")
    alpha = xr.DataArray([1e-6, 1e-3, 1e-1], dims="alpha")
    times = predicted_times(lam, eta, alpha, 9)
    assert times.dims == ("replicate", "alpha", "i")
    reached = alpha * 3 * (1 + 2 * eta * lam) ** times
    np.testing.assert_allclose(
        reached.transpose(*times.dims),
        np.sqrt(lam / 2).broadcast_like(times).transpose(*times.dims),
        rtol=1e-13,
    )


def test_every_check_holds_at_toy_size():
    result = singular_values.run(CONFIG, sensing())
    assert verdicts(result) == {"emergence": True, "count": True}
    assert result.verdict == "holds"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda eigenvalue, eta, alpha, d: predicted_times(eigenvalue, eta / 2, alpha, d),
        lambda eigenvalue, eta, alpha, d: predicted_times(eigenvalue, eta, alpha**2, d),
    ],
    ids=["1 + ηλ", "α²d"],
)
def test_a_wrong_time_is_caught(monkeypatch, wrong):
    monkeypatch.setattr(singular_values, "predicted_times", wrong)
    assert verdicts(singular_values.run(CONFIG, sensing())) == {"emergence": False, "count": True}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"alphas": [0.3]}, "e-folds from the smallest start"),
        ({"steps": 5}, "did not emerge from the smallest start"),
        ({"alphas": [1e3]}, "e-folds from the smallest start"),
        ({"alphas": [1e-2], "oversampling": 2}, "not found closely enough"),
        ({"oversampling": 0.5}, "hides the smallest direction"),
    ],
)
def test_a_start_too_large_or_a_run_too_short_claims_nothing(change, reason):
    result = singular_values.run(CONFIG, sensing(**change))
    assert result.verdict == "no claim"
    assert any(reason in one for one in result.no_claim), result.no_claim


def test_a_large_start_shows_more_than_the_rank():
    """So the count says something about the start."""
    data = singular_values.run(CONFIG, sensing()).data
    last = data["count"].isel(snapshot=-1)
    assert (last.sel(alpha=1e-5) == 2).all()
    assert (last.sel(alpha=1e-1) > 2).all()


def test_one_value_too_many_is_caught(monkeypatch):
    right = singular_values.spectrum

    def louder(U, top):
        sigma = right(U, top)
        return sigma.where(sigma["index"] < 3, 0.2)

    monkeypatch.setattr(singular_values, "spectrum", louder)
    assert not verdicts(singular_values.run(CONFIG, sensing()))["count"]


@pytest.mark.parametrize(("top", "followed"), [(1, 1), (2, 2), (3, 3), (20, 20), (50, 20)])
def test_no_more_values_are_followed_than_there_are(top, followed):
    config = Config(top=top, claim_share=0.1, milestones=())
    result = singular_values.run(config, sensing(steps=10))
    assert result.data.sizes["index"] == followed
    assert result.data.sizes["i"] == min(2, top)
    assert ("gap_ratio" in result.metrics) == (followed > 2)


def test_metrics_are_reported_where_a_snapshot_was_kept():
    config = Config(top=3, claim_share=0.1, milestones=(0, 50, 51, 10_000))
    result = singular_values.run(config, sensing(snapshots=1))
    for metric in result.metrics.values():
        assert metric["t"].values.tolist() == [0, 50, 200]

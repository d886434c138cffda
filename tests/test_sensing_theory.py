"""The closed forms of matrix sensing against autograd, integrators and loops; wrong formulas, and traps."""

import numpy as np
import pytest
import torch
import xarray as xr
from pydantic import ValidationError
from scipy.integrate import solve_ivp

import oracles
from descent.config import Refusal
from descent.maths.emergence import due
from descent.sensing import (
    _one_factor,
    _population,
    _problem,
    _saddles,
    emergence,
    gradient_flow,
    hessian,
    population,
    published_distances,
    published_length,
    published_update,
    sampled_saddle,
    symmetry,
)
from descent.sensing._kernels import tiled
from descent.sensing._problem import Problem, pack
from descent.sensing._trajectories import distances
from harness import config_of, remembering, run, toy


def broken(name: str, **changes) -> set[str]:
    """The checks that do not hold and the errata that do not stand."""
    result = run(f"sensing@{name}", **changes)
    return {c.name for c in result.checks if not c.holds} | {
        e.name for e in result.errata if not e.stands
    }


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("critical_points", {"size": 1}, "nothing is orthogonal"),
        ("critical_points", {"flat_gradient": 0.1}, "flat_gradient 0.1: from 1e-14"),
        ("sampled_saddle", {"measurements": [100, 100]}, "increasing"),
        ("sampled_saddle", {"size": 9}, "size 9 < 10"),
        ("sampled_saddle", {"measurements": [1, 100]}, "measurements 1 < 20"),
        ("hessian", {"rank": 13}, "rank 13 > size 12"),
        ("hessian", {"step": 0.5}, "step 0.5 ≥ 0.5"),
        ("hessian", {"margin": 0.5}, "margin 0.5 ≥ 0.5"),
        ("hessian", {"margin": 1e-5}, "leaving takes .* > 20000 steps"),
        ("hessian", {"perturbation": 0.1}, "perturbation 0.1 ≥ left 0.01"),
        ("hessian", {"perturbation": 1e-15}, "perturbation 1e-15: rates are read off to"),
        ("population", {"rank": 30}, "rank 30 ≥ size 30"),
        ("gradient_flow", {"steps": 10}, "step 0.5 ≥ 0.5"),
        ("gradient_flow", {"time": 151, "steps": 1000}, "leaves float64"),
        ("gradient_flow", {"halvings": 1}, "halvings 1 < 2"),
        ("symmetry", {"scale": 1}, "compared with itself"),
        ("symmetry", {"scale": 1e40}, "leaves float64"),
        ("published_length", {"rank": 1}, "rank 1: must be from 2 to size 40"),
        ("published_length", {"horizon": 10}, "horizon 10 < steps 1000"),
        (
            "published_distances",
            {"printed_distances": [1, 2, 3, 4]},
            "4 printed_distances, steps 3",
        ),
        ("published_distances", {"size": 4}, "nothing is beside"),
        ("published_update", {"draws": 99}, "draws 99 < 100"),
        ("emergence", {"alphas": [1e-3]}, "a shift needs at least 2"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        config_of(f"sensing@{name}", **change)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("critical_points", {"size": 10**6}),
        ("sampled_saddle", {"measurements": [10**7], "size": 1000}),
        ("population", {"steps": 10**7, "size": 300}),
        ("gradient_flow", {"steps": 10**7, "size": 300}),
        ("symmetry", {"steps": 10**7, "size": 100}),
        ("published_update", {"draws": 10**7, "size": 1000}),
        ("published_distances", {"measurements": 10**7}),
        ("published_length", {"horizon": 10**7, "replicates": 1000}),
        ("emergence", {"steps": 10**7}),
    ],
)
def test_what_no_machine_holds_is_refused_before_it_is_allocated(name, change):
    with pytest.raises(Refusal, match=r"GiB at once|hours of arithmetic"):
        run(f"sensing@{name}", **change)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("critical_points", {"newton_steps": 2}, "had not ended after 2 steps"),
        ("sampled_saddle", {"measurements": [20, 60]}, "is above 2d = 80"),
        ("population", {"steps": 50}, "X* was not found in full"),
        ("population", {"alphas": [1e-5, 1e3], "steps": 300}, "left float64"),
        ("gradient_flow", {"alpha": 1e3}, "diverges"),
        ("gradient_flow", {"steps": 11, "alpha": 1e-6}, "two extrapolations"),
        ("symmetry", {"alphas": [1e-5, 1e3]}, "2 of 4 runs diverge"),
        ("published_distances", {"measurements": 10}, "chance may by"),
        ("published_length", {"horizon": 1000}, "directions were not found in horizon 1000"),
        ("published_length", {"steps": 7000}, "exactly one direction in 7000 steps"),
        ("published_length", {"start": 1e3}, "3 of 3 runs diverge"),
        ("emergence", {"steps": 20}, "had not emerged after 20 steps"),
        ("emergence", {"step": 0.005}, "had not emerged after 400 steps"),
        ("emergence", {"alphas": [0.03, 0.3]}, "the largest start has"),
        ("emergence", {"oversampling": 0.5}, "hides the smallest direction"),
    ],
)
def test_what_a_claim_presupposes_is_a_reason_and_no_failing_check(name, change, reason):
    result = run(f"sensing@{name}", **change)
    assert result.verdict == "no claim"
    assert any(reason in one for one in result.no_claim), result.no_claim


# --- one factor ---


def population_loss(u: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (torch.outer(u, u) - torch.outer(target, target)).square().sum() / 2


def test_gradient_and_hessian_are_those_of_autograd():
    u, target = np.random.default_rng(0).standard_normal((2, 5))
    auto = oracles.autograd(population_loss, u, target)
    np.testing.assert_allclose(_one_factor.gradient(u, target), auto, rtol=1e-13)
    auto = oracles.autograd_hessian(population_loss, u, target)
    np.testing.assert_allclose(_one_factor.hessian(u, target), auto, rtol=0, atol=1e-13)
    loss = population_loss(torch.tensor(u), torch.tensor(target))
    assert _one_factor.loss(u[None], target)[0] == pytest.approx(float(loss), rel=1e-14)


def test_sampled_curvature_at_0_is_that_of_dense_measurements(monkeypatch):
    """And the first m measurements are the same however they are cut into blocks."""
    target = np.random.default_rng(1).standard_normal(4)
    S = np.random.default_rng(2).standard_normal((30, 10))
    y = S @ pack(np.outer(target, target))
    expected = []
    for m in (7, 30):
        H = -2 / m * sum(y[i] * unpacked(S[i]) for i in range(m))
        expected.append(np.linalg.eigvalsh(H))
    monkeypatch.setattr(sampled_saddle, "ROWS", 4)
    spectra = sampled_saddle.sampled_spectra(np.random.default_rng(2), target, (7, 30))
    np.testing.assert_allclose(spectra, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


def unpacked(x: np.ndarray) -> np.ndarray:
    X = np.zeros((4, 4))
    for value, i, j in zip(x, *np.triu_indices(4), strict=True):
        X[i, j] = X[j, i] = value if i == j else value / np.sqrt(2)
    return X


def test_a_wrong_curvature_at_the_target_is_caught(monkeypatch):
    """Without the 4uuᵀ, ∇²f(±u*) has the eigenvalue 0 along u*, and Newton's method goes elsewhere."""

    def wrong(u, target):
        return right(u, target) - 4 * u[..., :, None] * u[..., None, :]

    right = _one_factor.hessian
    monkeypatch.setattr("descent.sensing.critical_points.hessian", wrong)
    assert "spectra_at_critical_points" in broken("critical_points", newton_steps=5)


@pytest.mark.parametrize("factor", [0.5, 2**0.5])
def test_a_wrong_edge_is_caught(monkeypatch, factor):
    """Variances of the packed coordinates in place of those of the entries, and the like."""
    right = sampled_saddle.predict

    def wrong(config):
        theory = right(config)
        return theory.assign(edge_predicted=factor * theory["edge_predicted"])

    monkeypatch.setattr(sampled_saddle, "predict", wrong)
    assert broken("sampled_saddle") == {"edge_of_the_noise"}


def test_a_wrong_outlier_is_caught(monkeypatch):
    """The population's −2‖u*‖²."""
    right = sampled_saddle.predict

    def wrong(config):
        theory = right(config)
        return theory.assign(lowest_predicted=-2 + 0 * theory["lowest_predicted"])

    monkeypatch.setattr(sampled_saddle, "predict", wrong)
    assert broken("sampled_saddle", replicates=40, measurements=[100]) == {"saddle"}


def test_in_two_dimensions_all_holds():
    assert broken("critical_points", size=2) == set()


def test_one_start_is_enough_for_newton_to_end_at_a_critical_point():
    assert broken("critical_points", replicates=1, starts=1) == set()


# --- hessian ---


@pytest.mark.parametrize("wrong", ["2λ_j", "4λ₁"])
def test_a_wrong_population_spectrum_is_caught(monkeypatch, wrong):
    def spectrum(eigenvalues, d):
        right = population_spectrum(eigenvalues, d)
        return right / 2 if wrong == "2λ_j" else np.append(right[:-1], 2 * right[-1])

    population_spectrum = hessian.population_spectrum
    monkeypatch.setattr(hessian, "population_spectrum", spectrum)
    assert broken("hessian") == {"population_spectrum"}


def test_a_wrong_curvature_moves_the_rates(monkeypatch):
    """The residual of 1/2m taken for 1/m."""
    right = _problem.hessian
    monkeypatch.setattr(_problem, "hessian", lambda problem: 2 * right(problem))
    assert "rate" in broken("hessian")


@pytest.mark.parametrize("change", [{"oversampling": 0.5}, {"rank": 1, "size": 1}, {"rank": 12}])
def test_modes_are_counted_at_every_size(change):
    """With m < p, the measurements leave p − m more directions flat."""
    assert broken("hessian", **change) == set()


def test_distances_follow_the_naive_loop_with_a_step_each():
    rng = np.random.default_rng(3)
    A, factor, U = (
        rng.standard_normal((30, 4, 4)),
        rng.standard_normal((4, 2)),
        rng.random((2, 4, 3)),
    )
    S, X = oracles.rows_of(A), factor @ factor.T
    given = Problem(factor, pack(X), tiled(S.T @ S / 30), np.empty((0, 10)))
    eta = np.array([0.01, 0.002])
    fast = distances(given, U, eta, 20)
    for one, step, distance in zip(U, eta, fast, strict=True):
        path = oracles.sensing_descent(one, A, X, step, 20)
        expected = [np.linalg.norm(V @ V.T - X) for V in path]
        np.testing.assert_allclose(distance, expected, rtol=1e-11)


# --- population and gradient flow ---


@pytest.mark.parametrize("time", [0.3, 2.0])
def test_the_flow_is_that_of_an_integrator(time):
    rng = np.random.default_rng(4)
    spectrum, U = np.array([1.3, 0.7, 0.0, 0.0]), 0.3 * rng.standard_normal((4, 4))

    def slope(t, flat):
        V = flat.reshape(4, 4)
        return (-2 * (V @ V.T - np.diag(spectrum)) @ V).ravel()

    end = solve_ivp(slope, (0, time), U.ravel(), rtol=1e-12, atol=1e-14).y[:, -1].reshape(4, 4)
    np.testing.assert_allclose(
        gradient_flow.flow(spectrum, U, time), end @ end.T, rtol=0, atol=1e-10
    )


def test_the_flow_ends_at_the_target_without_overflow():
    """At e^{4λt} = 10^260 the rows inside X* are there, and the others are what the law leaves."""
    spectrum, W = np.array([1.0, 0.9, 0.0, 0.0]), np.random.default_rng(5).standard_normal((4, 4))
    P = gradient_flow.flow(spectrum, 1e-3 * W, 150.0)
    np.testing.assert_allclose(P[:2, :2], np.diag(spectrum[:2]), rtol=0, atol=1e-5)
    left = np.linalg.norm(P[2:, 2:])
    assert left == pytest.approx(np.linalg.norm(1e-6 * _population.unabsorbed(W, 2)), rel=0.01)


def test_the_law_solves_its_equation():
    """μ' = −4ημ² to first order in η."""
    mu, t = np.array([0.5, 0.0, 2.0]), np.array([0.0, 40.0])
    step = mu.copy()
    for _ in range(40_000):
        step = step - 4e-3 * 1e-3 * step**2
    predicted = _population.law(mu, 1e-3, t)
    np.testing.assert_allclose(predicted, [np.linalg.norm(mu), np.linalg.norm(step)], rtol=1e-5)


def test_a_plateau_of_the_whole_start_is_caught(monkeypatch):
    """α²‖W_pW_pᵀ‖: nothing absorbed."""
    monkeypatch.setattr(
        population, "unabsorbed", lambda W, r: np.linalg.svd(W[r:], compute_uv=False) ** 2
    )
    assert broken("population", steps=800) == {"distance", "plateau"}


def test_a_tail_of_another_rate_is_caught(monkeypatch):
    """1/2ηt, as if the gradient were half of what it is."""
    right = population.law
    monkeypatch.setattr(population, "law", lambda mu, eta, t: right(mu, eta / 2, t))
    assert broken("population") == {"distance"}


@pytest.mark.parametrize("change", [{"alphas": [0.1]}, {"alphas": [1e-3]}, {"size": 4, "rank": 1}])
def test_the_law_of_the_population_holds_of_any_start(change):
    """One large start has neither plateau nor slope."""
    result = run("sensing@population", **change)
    assert result.verdict == "holds"
    assert ("plateau" in result.unchecked) == (change.get("alphas") is not None)


@pytest.mark.parametrize("size", [2, 3])
def test_a_small_population_holds_or_says_what_is_missing(size):
    for seed in range(5):
        assert broken("population", size=size, rank=1, seed=seed, steps=500) == set()


def test_a_wrong_flow_is_caught(monkeypatch):
    """The flow of half the gradient."""
    right = gradient_flow.flow
    monkeypatch.setattr(gradient_flow, "flow", lambda s, U, t: right(s, U, t / 2))
    assert broken("gradient_flow") == {"closed_form"}


@pytest.mark.parametrize(
    "change", [{"alpha": 1e-4}, {"size": 2, "rank": 1}, {"time": 20, "steps": 600}]
)
def test_gradient_descent_tends_to_the_flow_from_any_start(change):
    assert run("sensing@gradient_flow", **change).verdict == "holds"


# --- symmetry ---


def test_a_law_of_another_power_is_caught(monkeypatch):
    """A step η/s in place of η/s²."""
    right = symmetry.distances

    def wrong(problem, U, eta, count):
        return right(problem, U, eta * min(1, 1 / problem.eigenvalues[0]) ** 0.5, count)

    monkeypatch.setattr(symmetry, "distances", wrong)
    assert broken("symmetry") == {"distance"}


@pytest.mark.parametrize("change", [{"size": 25}, {"scale": 7.3}, {"scale": 1e-20}])
def test_the_scale_law_holds_at_any_size_and_scale(change):
    """At d = 100 and s = 10 it makes 10E-5, which is 1e-4 in Python, of 1e-5."""
    assert run("sensing@symmetry", **change).verdict == "holds"
    assert [float(f"10E-{k}") for k in (5, 1)] == [1e-4, 1.0]


# --- published ---


def test_the_operator_is_the_printed_loop():
    rng = np.random.default_rng(6)
    A, U, X = rng.standard_normal((600, 3, 3)), rng.random((3, 3)), rng.random((3, 3))
    X = X @ X.T
    res = np.zeros((3, 3))
    for a in A:
        res += 2 * np.dot(np.dot(np.inner(a, np.dot(U, U.T)) - np.inner(a, X), a + a.T), U)
    fast = 2 * published_distances.printed_operator(A, U @ U.T - X) @ U
    np.testing.assert_allclose(fast, res / 600, rtol=0, atol=1e-12 * np.abs(res).max())


@pytest.mark.parametrize(
    "wrong", [lambda E: 2 * E, lambda E: E, lambda E: np.trace(E) * np.eye(len(E))]
)
def test_a_wrong_mean_is_caught(monkeypatch, wrong):
    monkeypatch.setattr(published_update, "printed_mean", wrong)
    assert broken("published_update", draws=40_000) == {"published_update"}


def test_the_notebook_descends_a_loss_of_its_own():
    """½‖E‖² + ½tr(E)², whose gradient is 2(E + tr(E)1)U."""
    rng = np.random.default_rng(7)
    U, X = rng.random((2, 4, 4))
    X = X @ X.T

    def loss(U, X):
        E = U @ U.T - X
        return E.square().sum() / 2 + torch.trace(E) ** 2 / 2

    expected = oracles.autograd(loss, U, X)
    np.testing.assert_allclose(
        2 * published_update.printed_mean(U @ U.T - X) @ U, expected, rtol=1e-12
    )


def test_the_correct_operator_is_not_the_published_one(monkeypatch):
    """Distances alone would not tell: they are of the size of X* with both."""

    def correct(A, E):
        numbers = np.einsum("mij,ij->m", A, E)
        return np.einsum("m,mij->ij", numbers, A + A.transpose(0, 2, 1)) / len(A)

    monkeypatch.setattr(published_distances, "printed_operator", correct)
    assert broken("published_distances") == {"first_factor"}


def test_the_published_length_is_refuted_at_its_own_numbers_only():
    assert toy("sensing@published_length").errata == ()


@pytest.mark.long
@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_times_a_hundredth_off_are_caught(monkeypatch, factor):
    right = published_length.predict

    def wrong(config, given):
        theory = right(config, given)
        return theory.assign(emergence_predicted=factor * theory["emergence_predicted"])

    monkeypatch.setattr(published_length, "predict", wrong)
    assert broken("published_length") == {"emergence"}


# --- emergence ---


@pytest.mark.parametrize("factor", [0.8, 0.9, 1.1, 1.3])
@pytest.mark.parametrize("direction", [1, 2, 3])
def test_times_of_any_direction_a_tenth_off_are_caught(monkeypatch, direction, factor):
    right = emergence.predict

    def wrong(config, given):
        theory = right(config, given)
        off = np.where(given["i"] == direction, factor, 1.0)
        return theory.assign(emergence_predicted=theory["emergence_predicted"] * off)

    monkeypatch.setattr(emergence, "predict", wrong)
    monkeypatch.setattr(emergence, "measure", remembering(emergence.measure))
    assert broken("emergence", size=30, rank=3, oversampling=20) == {"emergence"}


def test_a_rate_of_half_the_curvature_is_caught(monkeypatch):
    right = emergence.predict
    monkeypatch.setattr(emergence, "predict", lambda c, g: right(c, g.assign(rate=g["rate"] / 2)))
    assert broken("emergence") == {"emergence", "steps_per_decade"}


@pytest.mark.long
@pytest.mark.parametrize("change", [{"step": 0.005, "steps": 6000}, {"step": 0.4}])
def test_times_are_those_of_the_step(change):
    assert run("sensing@emergence", **change).verdict == "holds"


def test_one_direction_after_another_has_the_growth_of_its_phases():
    """The second has 1 of its 6 e-folds when the first is there, at t = 5, and grows by ½ a step from then on."""
    growth = np.array([[1.0, 0.2], [0.0, 0.5]])
    np.testing.assert_allclose(_saddles.chain(growth, np.array([5.0, 6.0])), [5.0, 15.0])


def test_the_first_time_is_where_the_saturating_growth_is_halfway():
    """Along the flow s² = λ/(1 + (λ/s₀² − 1)e^{−4ηλt})."""
    lam, eta, alpha, overlap = 2.0, 1e-6, 1e-5, 3.0
    folds = np.array([np.log(np.sqrt(lam) / (alpha * overlap))])
    t = _saddles.chain(np.array([[np.log1p(2 * eta * lam)]]), folds)[0]
    square = lam / (1 + (lam / (alpha * overlap) ** 2 - 1) * np.exp(-4 * eta * lam * t))
    assert square == pytest.approx(lam / 2, rel=1e-4)


def test_a_saddle_is_flat_and_a_target_of_rank_1_has_only_0():
    rng = np.random.default_rng(8)
    factor, S = rng.standard_normal((6, 2)), rng.standard_normal((400, 21))
    given = Problem(factor, pack(factor @ factor.T), tiled(S.T @ S / 400), np.empty((0, 21)))
    U = _saddles.saddle(given, 1)
    slope = _saddles.pull(given, U) @ U
    assert np.linalg.norm(slope) < 1e-3 * given.eigenvalues[0] * np.linalg.norm(U)
    assert _saddles.saddle(given, 0).shape == (6, 0)


def test_what_should_have_emerged_and_did_not_is_compared():
    names = {"i": [1, 2, 3]}
    measured = xr.DataArray([5.0, np.nan, np.nan], dims="i", coords=names)
    predicted = xr.DataArray([5.0, 7.0, 20.0], dims="i", coords=names)
    there = due(measured, predicted, xr.ones_like(predicted), 10)
    assert there.values.tolist() == [True, True, False]

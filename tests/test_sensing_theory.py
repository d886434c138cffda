"""The closed forms of matrix sensing against autograd, integrators and loops; wrong formulas, and traps."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.integrate import solve_ivp

import oracles
from descent.sensing import hessian, landscape, population, published, symmetry
from descent.sensing._kernels import tiled
from descent.sensing._problem import Problem, pack
from descent.sensing._trajectories import distances
from toy import toy_params

BLOCKS = toy_params()["sensing"]
MODULES = {
    "landscape": landscape,
    "hessian": hessian,
    "population": population,
    "symmetry": symmetry,
    "published": published,
}


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setattr("descent.maths.replicates.cpu_count", lambda: 1)


def broken(name: str, **changes) -> set[str]:
    """The checks that do not hold and the errata that do not stand."""
    module = MODULES[name]
    result = module.run(module.Config(**BLOCKS[name] | changes))
    return {c.name for c in result.checks if not c.holds} | {
        e.name for e in result.errata if not e.stands
    }


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("landscape", {"size": 1}, "nothing is orthogonal"),
        ("landscape", {"measurements": [10, 10]}, "increasing"),
        ("hessian", {"rank": 13}, "rank 13 > size 12"),
        ("hessian", {"step": 0.5}, "step 0.5 ≥ 0.5"),
        ("hessian", {"margin": 0.5}, "margin 0.5 ≥ 0.5"),
        ("hessian", {"margin": 1e-5}, "leaving takes .* > 20000 steps"),
        ("hessian", {"perturbation": 0.1}, "perturbation 0.1 ≥ left 0.01"),
        ("population", {"rank": 30}, "rank 30 ≥ size 30"),
        ("population", {"flow_steps": 10}, "step 0.5 ≥ 0.5"),
        ("population", {"flow_time": 151, "flow_steps": 1000}, "leaves float64"),
        ("symmetry", {"literals": [1e-3]}, "2 alphas, 1 literals"),
        ("published", {"rank": 1}, "rank 1: must be from 2 to size 40"),
        ("published", {"horizon": 10}, "horizon 10 < steps 1000"),
        ("published", {"printed": [1, 2, 3, 4]}, "4 printed distances, 3 emulated"),
        ("published", {"draws": 1}, "a spread needs at least 2"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        MODULES[name].Config(**BLOCKS[name] | change)


# --- landscape ---


def population_loss(u: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (torch.outer(u, u) - torch.outer(target, target)).square().sum() / 2


def test_gradient_and_hessian_are_those_of_autograd():
    u, target = np.random.default_rng(0).standard_normal((2, 5))
    auto = oracles.autograd(population_loss, u, target)
    np.testing.assert_allclose(landscape.gradient(u, target), auto, rtol=1e-13)
    auto = oracles.autograd_hessian(population_loss, u, target)
    np.testing.assert_allclose(landscape.hessian(u, target), auto, rtol=0, atol=1e-13)
    loss = population_loss(torch.tensor(u), torch.tensor(target))
    assert landscape.loss(u[None], target)[0] == pytest.approx(float(loss), rel=1e-14)


def test_sampled_curvature_at_0_is_that_of_dense_measurements(monkeypatch):
    """And the first m measurements are the same however they are cut into blocks."""
    target = np.random.default_rng(1).standard_normal(4)
    S = np.random.default_rng(2).standard_normal((30, 10))
    y = S @ pack(np.outer(target, target))
    expected = []
    for m in (7, 30):
        H = -2 / m * sum(y[i] * unpacked(S[i]) for i in range(m))
        expected.append(np.linalg.eigvalsh(H))
    monkeypatch.setattr(landscape, "ROWS", 4)
    spectra = landscape.sampled_spectra(np.random.default_rng(2), target, (7, 30))
    np.testing.assert_allclose(spectra, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


def unpacked(x: np.ndarray) -> np.ndarray:
    X = np.zeros((4, 4))
    for value, i, j in zip(x, *np.triu_indices(4), strict=True):
        X[i, j] = X[j, i] = value if i == j else value / np.sqrt(2)
    return X


def test_a_wrong_curvature_at_the_target_is_caught(monkeypatch):
    """Without the 4uuᵀ, ∇²f(±u*) has the eigenvalue 0 along u*, and Newton's method goes elsewhere."""

    def wrong(u, target):
        return landscape_hessian(u, target) - 4 * u[..., :, None] * u[..., None, :]

    landscape_hessian = landscape.hessian
    monkeypatch.setattr(landscape, "hessian", wrong)
    assert "spectra_at_critical_points" in broken("landscape", newton_steps=5)


@pytest.mark.parametrize("factor", [0.5, 2**0.5])
def test_a_wrong_edge_is_caught(monkeypatch, factor):
    """Variances of the packed coordinates in place of those of the entries, and the like."""
    edge = landscape.edge
    monkeypatch.setattr(landscape, "edge", lambda d, m: factor * edge(d, m))
    failed = broken("landscape", size=40, replicates=10)
    assert failed == {"bulk_edge_over_predicted/m_100", "bulk_edge_over_predicted/m_1000"}


def test_a_wrong_outlier_is_caught(monkeypatch):
    """The population's −2‖u*‖²."""
    monkeypatch.setattr(landscape, "outlier", lambda d, m: -2 + 0 * m)
    failed = broken("landscape", size=40, replicates=20, measurements=[100])
    assert failed == {"saddle_over_predicted/m_100"}


def test_a_single_start_cannot_reach_three_points():
    assert broken("landscape", replicates=1, starts=1) == {"critical_points_reached"}


def test_newton_cut_short_ends_nowhere():
    assert "newton_ends_at_critical_points" in broken("landscape", newton_steps=2)


def test_in_two_dimensions_all_holds():
    assert broken("landscape", size=2) == set()


# --- hessian ---


@pytest.mark.parametrize("wrong", ["2λ_j", "4λ₁"])
def test_a_wrong_population_spectrum_is_caught(monkeypatch, wrong):
    def spectrum(eigenvalues, d):
        right = population_spectrum(eigenvalues, d)
        return right / 2 if wrong == "2λ_j" else np.append(right[:-1], 2 * right[-1])

    population_spectrum = hessian.population_spectrum
    monkeypatch.setattr(hessian, "population_spectrum", spectrum)
    assert broken("hessian") == {"population_spectrum"}


def test_a_wrong_curvature_moves_rate_and_critical_step(monkeypatch):
    """The residual of 1/2m taken for 1/m."""
    right = hessian.hessian
    monkeypatch.setattr(hessian, "hessian", lambda problem: 2 * right(problem))
    assert broken("hessian") == {
        "rate_along_the_slowest_direction",
        "shrinks_below_the_critical_step",
        "grows_above_the_critical_step",
        "leaves_above_the_critical_step",
    }


def test_a_wrong_bracket_is_caught(monkeypatch):
    """p/m in place of its root."""
    right = hessian.bracket
    monkeypatch.setattr(hessian, "bracket", lambda p, m, slack=0.0: right(p * p, m * m, slack))
    assert "sample_above_bracket" in broken("hessian", size=40, rank=2, oversampling=20)


@pytest.mark.parametrize("change", [{"oversampling": 0.5}, {"rank": 1, "size": 1}, {"rank": 12}])
def test_modes_are_counted_at_every_size(change):
    """With m < p, the measurements leave p − m more directions flat."""
    assert broken("hessian", **change) == set()


def test_a_perturbation_near_rounding_shows_no_rate():
    assert "rate_along_the_slowest_direction" in broken("hessian", perturbation=1e-15)


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


# --- population ---


@pytest.mark.parametrize("time", [0.3, 2.0])
def test_the_flow_is_that_of_an_integrator(time):
    rng = np.random.default_rng(4)
    spectrum, U = np.array([1.3, 0.7, 0.0, 0.0]), 0.3 * rng.standard_normal((4, 4))

    def slope(t, flat):
        V = flat.reshape(4, 4)
        return (-2 * (V @ V.T - np.diag(spectrum)) @ V).ravel()

    end = solve_ivp(slope, (0, time), U.ravel(), rtol=1e-12, atol=1e-14).y[:, -1].reshape(4, 4)
    np.testing.assert_allclose(population.flow(spectrum, U, time), end @ end.T, rtol=0, atol=1e-10)


def test_the_flow_ends_at_the_target_without_overflow():
    """At e^{4λt} = 10^260 the rows inside X* are there, and the others are what the law leaves."""
    spectrum, W = np.array([1.0, 0.9, 0.0, 0.0]), np.random.default_rng(5).standard_normal((4, 4))
    P = population.flow(spectrum, 1e-3 * W, 150.0)
    np.testing.assert_allclose(P[:2, :2], np.diag(spectrum[:2]), rtol=0, atol=1e-5)
    left = np.linalg.norm(P[2:, 2:])
    assert left == pytest.approx(np.linalg.norm(1e-6 * population.unabsorbed(W, 2)), rel=0.01)


def test_the_law_solves_its_equation():
    """μ' = −4ημ² to first order in η."""
    mu, t = np.array([0.5, 0.0, 2.0]), np.array([0.0, 40.0])
    step = mu.copy()
    for _ in range(40_000):
        step = step - 4e-3 * 1e-3 * step**2
    predicted = population.law(mu, 1e-3, t)
    np.testing.assert_allclose(predicted, [np.linalg.norm(mu), np.linalg.norm(step)], rtol=1e-5)


def test_a_plateau_of_the_whole_start_is_caught(monkeypatch):
    """α²‖W_pW_pᵀ‖: nothing absorbed."""
    monkeypatch.setattr(
        population, "unabsorbed", lambda W, r: np.linalg.svd(W[r:], compute_uv=False) ** 2
    )
    failed = broken("population", steps=500)
    assert failed == {"plateau_over_predicted", "tail_over_limit", "error_over_law_in_tolerances"}


def test_a_wrong_flow_is_caught(monkeypatch):
    """The flow of half the gradient."""
    right = population.flow
    monkeypatch.setattr(population, "flow", lambda s, U, t: right(s, U, t / 2))
    assert broken("population") == {"flow_error_halves/0.02", "flow_error_halves/0.01"}


def test_a_short_run_has_neither_plateau_nor_tail():
    assert broken("population", steps=50) == {
        "plateau_over_predicted",
        "slope_in_alpha_is_2",
        "error_over_law_in_tolerances",
    }


def test_a_tail_of_another_rate_is_caught(monkeypatch):
    """1/2ηt, as if the gradient were half of what it is."""
    right = population.law
    monkeypatch.setattr(population, "law", lambda mu, eta, t: right(mu, eta / 2, t))
    assert broken("population") == {"tail_over_limit", "error_over_law_in_tolerances"}


def test_one_start_has_no_slope():
    assert broken("population", alphas=[0.1], steps=3000) == {"plateau_over_predicted"}


# --- symmetry ---


def test_a_law_of_another_power_is_caught(monkeypatch):
    """A step η/s in place of η/s²."""
    right = symmetry.distances

    def wrong(problem, U, eta, count):
        return right(problem, U, eta * min(1, 1 / problem.eigenvalues[0]) ** 0.5, count)

    monkeypatch.setattr(symmetry, "distances", wrong)
    assert broken("symmetry") == {"distances_scale_by_d"}


def test_at_another_size_the_literals_are_another_experiment():
    """The trap: 10E-5 in Python is 10 times 1e-5, and √d = 10 only at d = 100."""
    assert broken("symmetry", size=16) == {"literals_are_root_d_alphas", "distances_scale_by_d"}
    assert [float(f"10E-{k}") for k in (5, 1)] == [1e-4, 1.0]


# --- published ---


def test_the_operator_is_the_printed_loop():
    rng = np.random.default_rng(6)
    A, U, X = rng.standard_normal((600, 3, 3)), rng.random((3, 3)), rng.random((3, 3))
    X = X @ X.T
    res = np.zeros((3, 3))
    for a in A:
        res += 2 * np.dot(np.dot(np.inner(a, np.dot(U, U.T)) - np.inner(a, X), a + a.T), U)
    fast = 2 * published.notebook_operator(A, U @ U.T - X) @ U
    np.testing.assert_allclose(fast, res / 600, rtol=0, atol=1e-12 * np.abs(res).max())


@pytest.mark.parametrize(
    "wrong", [lambda E: 2 * E, lambda E: E, lambda E: np.trace(E) * np.eye(len(E))]
)
def test_a_wrong_mean_is_caught(monkeypatch, wrong):
    monkeypatch.setattr(published, "notebook_mean", wrong)
    assert broken("published") == {"notebook_mean_in_standard_errors"}


def test_the_notebook_descends_a_loss_of_its_own():
    """½‖E‖² + ½tr(E)², whose gradient is 2(E + tr(E)1)U."""
    rng = np.random.default_rng(7)
    U, X = rng.random((2, 4, 4))
    X = X @ X.T

    def loss(U, X):
        E = U @ U.T - X
        return E.square().sum() / 2 + torch.trace(E) ** 2 / 2

    expected = oracles.autograd(loss, U, X)
    np.testing.assert_allclose(2 * published.notebook_mean(U @ U.T - X) @ U, expected, rtol=1e-12)


def test_numbers_of_another_run_are_caught():
    assert broken("published", printed=[1e5]) == {"printed_distance/t_1"}


def test_a_long_run_parks_nowhere_and_refutes_less():
    """The trap: after the last direction, nothing is wrong with the length of the run."""
    failed = broken("published", steps=6000, horizon=6000)
    assert failed == {"parks_at_the_rank_1_saddle", "directions_in_the_singular_values"}


def test_what_never_emerges_is_no_emergence():
    failed = broken("published", steps=1000, horizon=1000)
    assert failed >= {"second_direction_over_predicted", "last_direction_over_predicted"}

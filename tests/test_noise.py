"""Noise and ridge: the closed forms against integrals, loops and dense algebra; wrong formulas, and traps."""

from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.integrate import quad

from descent.config import Refusal
from descent.maths import second_moment
from descent.noise import (
    _forms,
    _noisy,
    _thresholds,
    critical_steps,
    examples,
    figures,
    instance_noise,
    posterior,
    ridge,
    tails,
)
from descent.noise._chain import Chain, evolved, log_excess, stationary
from harness import config_of
from harness import run as harness_run

OWN = [[1, 2], [0, -3], [5, 0.5]]


def result(name: str, **changes):
    return harness_run(f"noise@{name}", **changes)


def broken(name: str, **changes) -> set[str]:
    """The checks that do not hold and the errata that do not stand."""
    found = result(name, **changes)
    return {c.name for c in found.checks if not c.holds} | {
        e.name for e in found.errata if not e.stands
    }


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("instance_noise", {"etas": [0.2, 0.1]}, "increasing"),
        ("instance_noise", {"etas": [1e-12, 0.1]}, "the start fades in"),
        ("instance_noise", {"etas": [0.1, 0.8]}, "etas 0.8 ≥ 0.6481: E w⁴ is infinite"),
        ("instance_noise", {"steps": 10}, "steps 10: at η = 0.1 the start fades in"),
        ("instance_noise", {"replicates": 1}, "too few to tell a mean from chance"),
        ("instance_noise", {"chains": 1}, "chains 1 < 100"),
        ("instance_noise", {"y": 1e60}, "squares of w leave float64"),
        ("instance_noise", {"y": 0}, "y 0: w stays at w₀ = 0"),
        ("instance_noise", {"sigma": 1e-6}, "agree to 10⁻⁶"),
        ("instance_noise", {"x": -1}, "greater than or equal to 0"),
        (
            "instance_noise",
            {"chains": 10**9},
            "chains 1000000000, .* GiB at once, 4 GiB are for one",
        ),
        ("critical_steps", {"draws": 10}, "draws 10 < 5000"),
        ("critical_steps", {"sigma": 0.7}, "must be one of noises"),
        ("critical_steps", {"draws": 10**9}, "draws 1000000000, .* GiB at once"),
        ("tails", {"tail": 1e-3}, "1 of 1024 chains < 5"),
        ("tails", {"tail": 0.2}, "less than or equal to 0.02"),
        ("tails", {"etas": [0.5]}, "the largest weights show the bulk"),
        ("tails", {"etas": [2.2]}, "there is no limiting law"),
        ("tails", {"etas": [1.9]}, "at η = 1.9 the tail fills in"),
        ("tails", {"replicates": 8}, "160 of all runs < 500"),
        ("examples", {"replicates": 2}, "too few to tell a mean"),
        ("examples", {"inputs": [[1, 2]]}, "inputs: must be 4 rows of 2 numbers"),
        ("examples", {"targets": [0, 0, 0, 0]}, "targets: all are 0"),
        ("mean_square", {"inputs": [[1e5, 2]] * 4}, r"inputs: 100000 > 10⁴ sigma"),
        ("examples", {"draws": 10**9}, "draws 1000000000, .* GiB at once"),
        ("mean_square", {"fractions": [0.5, 1]}, "1 ≥ 1: the variance diverges"),
        ("mean_square", {"weights": 20}, "weights 20 > 12"),
        ("mean_square", {"draws": 10**9}, "draws 1000000000, .* GiB at once"),
        ("ridge", {"shapes": []}, "at least one pair"),
        ("ridge", {"shapes": [[1, 10**6]]}, "solving takes minutes"),
        (
            "ridge",
            {"shapes": [[2000, 2000]] * 20, "lambdas": [*map(float, range(1, 21))]},
            r"lambdas \[1 … 20\]: about .* hours",
        ),
        ("ridge", {"shapes": [[2000, 2000]] * 100, "lambdas": [1.0]}, "GiB at once"),
        ("posterior", {"samples": 50}, "too few to regress"),
        ("posterior", {"samples": 10**10}, "samples 10000000000, .* GiB at once"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        config_of(f"noise@{name}", **change)


# --- the critical steps of one example ---

REFERENCES = {  # (x, σ): η_4, η_ms, η_1, η_mean, η_as, nan where no reference was taken
    (1, 0.5): (0.648130203, 0.930232558, 1.230939273, 1.6, 1.981852921),
    (2, 1): (np.nan, 0.232558, np.nan, 0.4, 0.495463),
    (1, 1): (np.nan, 0.4, np.nan, 1.0, 1.176570),
    (0.3, 1): (np.nan, 0.614413, np.nan, 1.834862, 2.218723),
    (1, 0.1): (np.nan, 1.905121, np.nan, 1.980198, 2.072341),
}


@pytest.mark.parametrize("case", REFERENCES)
def test_thresholds_are_the_references(case):
    tol = 1e-9 if case == (1, 0.5) else 1e-6
    for found, reference in zip(
        _thresholds.thresholds(*map(float, case)), REFERENCES[case], strict=True
    ):
        assert np.isnan(reference) or abs(found - reference) <= tol


@pytest.mark.parametrize(
    ("x", "sigma", "eta", "p"), [(1.0, 0.5, 0.8, 1.0), (0.0, 1.0, 0.5, 0.3), (2.0, 0.1, 0.4, 7.5)]
)
def test_log_moment_is_the_integral(x, sigma, eta, p):
    def density(noisy):
        return np.exp(-(((noisy - x) / sigma) ** 2) / 2) / np.sqrt(2 * np.pi) / sigma

    ends = [x - 12 * sigma, x + 12 * sigma]
    zeros = [z for z in (-(eta**-0.5), eta**-0.5) if ends[0] < z < ends[1]]
    for found, function in (
        (
            np.exp(_thresholds.log_moment(eta, p, float(x), sigma)),
            lambda v: np.abs(1 - eta * v * v) ** p,
        ),
        (_thresholds.lyapunov(eta, float(x), sigma), lambda v: np.log(np.abs(1 - eta * v * v))),
    ):
        edges = [ends[0], *zeros, ends[1]]
        expected = sum(
            quad(
                lambda v, f=function: f(v) * density(v), a, b, epsabs=1e-12, limit=200, points=None
            )[0]
            for a, b in pairwise(edges)
        )
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("scale", [1e-3, 7.0])
def test_thresholds_scale_as_one_over_the_square_of_the_input(scale):
    one = np.array(_thresholds.thresholds(1.0, 0.5))
    other = np.array(_thresholds.thresholds(scale, 0.5 * scale))
    np.testing.assert_allclose(other * scale**2, one, rtol=1e-12)


def test_without_signal_the_mean_square_threshold_is_a_third():
    found = _thresholds.thresholds(0.0, 2.0)
    assert found.mean_square / found.mean == pytest.approx(1 / 3, rel=1e-14)


def test_the_tail_index_is_p_at_the_threshold_of_p():
    for p in (1.0, 2.0, 4.0, 6.5):
        eta = _thresholds.critical_step(p, 1.0, 0.5)
        assert _thresholds.tail_index(eta, 1.0, 0.5) == pytest.approx(p, rel=1e-9)
    assert _thresholds.tail_index(2.0, 1.0, 0.5) == 0.0


def test_raw_moments_are_those_of_gauss_hermite():
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    expected = [weights @ (0.7 + 0.3 * nodes) ** n / weights.sum() for n in range(9)]
    np.testing.assert_allclose(_thresholds.raw_moments(0.7, 0.3, 8), expected, rtol=1e-13)


def test_evolved_moments_are_those_of_gauss_hermite_paths():
    """Three steps on a product grid of the noise, exact for polynomials of degree 15."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    x, sigma, y, eta = 1.2, 0.4, 0.7, 0.3
    w, mass = np.zeros(1), np.ones(1)
    for _ in range(3):
        noisy = x + sigma * nodes
        w = np.add.outer(w, 0 * noisy) * (1 - eta * noisy**2) + eta * noisy * y
        w, mass = w.ravel(), np.multiply.outer(mass, weights / weights.sum()).ravel()
    found = evolved(Chain(x, sigma, y), np.array([eta]), 3)
    assert found.mean[0] == pytest.approx(mass @ w, rel=1e-12)
    assert found.variance[0] == pytest.approx(mass @ w**2 - (mass @ w) ** 2, rel=1e-10)


def test_the_stationary_variance_is_the_reference():
    eta = np.array([0.05, 0.2, 0.5, 0.8])
    found = stationary(Chain(1.0, 0.5, 2.0), eta)
    np.testing.assert_allclose(found.mean, 1.6, rtol=1e-15)
    np.testing.assert_allclose(
        found.variance, [0.014372523, 0.069299363, 0.294054054, 1.554285714], atol=5e-10
    )
    late = evolved(Chain(1.0, 0.5, 2.0), eta, 2000)
    np.testing.assert_allclose(late.variance, found.variance, rtol=1e-10)


def test_hill_reads_the_index_of_a_pareto_law():
    s = np.random.default_rng(0).random((1, 200_000)) ** (-1 / 2.5)
    assert 1 / log_excess(s, 2000)[0] == pytest.approx(2.5, rel=0.1)


# --- one example ---


def test_a_mean_that_is_not_shrunk_is_caught(monkeypatch):
    """The trap: y/x, as if the noise shrank nothing."""
    monkeypatch.setattr(Chain, "limit", property(lambda chain: chain.y / chain.x))
    assert "mean" in broken("instance_noise")


def test_a_way_of_the_mean_without_the_noise_is_caught(monkeypatch):
    """(1 − ηx²)ᵗ, with the right limit."""
    monkeypatch.setattr(
        instance_noise, "raw_moments", lambda x, sigma, k: [1, x, x * x + (k < 2) * sigma**2]
    )
    assert "mean_at" in broken("instance_noise")


def test_the_printed_limit_is_refuted_at_its_worst_step():
    (erratum,) = result("instance_noise").errata
    assert erratum.stands
    assert erratum.printed == pytest.approx(0.1 * 2 / (0.25 + 0.01))
    assert erratum.correct == pytest.approx(1.6)


def test_twice_the_stationary_variance_is_caught(monkeypatch):
    def twice(chain, eta):
        found = stationary(chain, eta)
        return found._replace(variance=2 * found.variance)

    monkeypatch.setattr(instance_noise, "stationary", twice)
    assert broken("instance_noise") == {"variance"}


def test_a_variance_without_the_fourth_moment_is_caught(monkeypatch):
    """σ²y²η²/(1 − ρ²), as if the noise came to the gradient and not to the input."""

    def wrong(chain, eta):
        m2 = chain.x**2 + chain.sigma**2
        variance = (eta * chain.y * chain.sigma) ** 2 / (1 - (1 - eta * m2) ** 2)
        return stationary(chain, eta)._replace(variance=variance)

    monkeypatch.setattr(instance_noise, "stationary", wrong)
    assert broken("instance_noise") == {"variance"}


@pytest.mark.parametrize("name", _thresholds.Thresholds._fields)
@pytest.mark.parametrize("factor", [0.5, 1.3])
def test_a_wrong_threshold_is_caught(monkeypatch, name, factor):
    right = _thresholds.thresholds

    def wrong(x, sigma):
        found = right(x, sigma)
        return found._replace(**{name: factor * getattr(found, name)})

    monkeypatch.setattr(critical_steps, "thresholds", wrong)
    assert broken("critical_steps") == {"critical_step"}


def test_a_wrong_tail_index_is_caught(monkeypatch):
    right = _thresholds.tail_index

    def twice(eta, x, sigma):
        return 2 * right(eta, x, sigma)

    config = config_of("noise@tails")
    monkeypatch.setattr(tails, "tail_index", twice)
    assert "log_excess" in {c.name for c in tails.run(config).checks if not c.holds}


def test_no_variance_is_tested_where_its_standard_error_has_none():
    """At 0.5, α = 6.1: the mean can be told from a sample, the variance cannot."""
    found = result("instance_noise", etas=[0.5])
    assert {check.name for check in found.checks} == {"mean", "mean_at", "short"}
    assert "E w⁸ is infinite" in found.unchecked["variance/eta_0.5"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("instance_noise", {"x": 0, "etas": [0.5, 0.8]}),
        ("instance_noise", {"x": 3, "sigma": 0.1, "etas": [0.05, 0.1]}),
        ("instance_noise", {"y": 100}),
        ("instance_noise", {"y": -0.3}),
        ("tails", {"y": -2}),
        ("critical_steps", {"x": 0}),
        ("critical_steps", {"x": 5, "noises": [0.01, 0.5, 50]}),
        ("tails", {"x": 0, "etas": [4.0]}),
    ],
)
def test_other_problems_hold_as_well(name, change):
    assert broken(name, **change) == set()


# --- examples ---


def operators(mode):
    """Draws of Ĥ for one fixed set of rows."""
    rng = np.random.default_rng(1)
    mu, sigma = rng.standard_normal((3, 2)), 0.6
    a = mu + sigma * rng.standard_normal((400_000, 3, 2))
    if mode == "single":
        a = a[np.arange(len(a)), rng.integers(3, size=len(a))][:, None]
    return mu, sigma, np.einsum("rmi,rmj->rij", a, a)


@pytest.mark.parametrize("mode", ["full", "single"])
def test_the_map_of_second_moments_is_that_of_draws(mode):
    mu, sigma, H = operators(mode)
    S = np.array([[1.0, 0.3], [0.3, 0.5]])
    drawn = H @ S @ H
    found = _noisy.of_rows(mu, sigma**2 * np.eye(2), mode)
    expected = second_moment.matrices(found.M @ second_moment.vectors(S))
    error = drawn.std(0) / np.sqrt(len(H))
    assert (np.abs(drawn.mean(0) - expected) < 5 * error).all()
    assert (np.abs(H.mean(0) - found.H) < 5 * H.std(0) / np.sqrt(len(H))).all()
    np.testing.assert_allclose(
        second_moment.matrices(_noisy.of_draws(H).M @ second_moment.vectors(S)),
        drawn.mean(0),
        rtol=1e-10,
    )


def by_kronecker(mu, C, mode):
    """H and S ↦ E ĤSĤ on all matrices S: (k, k), as vectors of k² row by row: the same law, written out."""
    k = mu.shape[1]
    swap = np.eye(k * k).reshape(k, k, k, k).swapaxes(0, 1).reshape(k * k, k * k)
    H, M, pairs = np.zeros((k, k)), np.zeros((k * k, k * k)), np.zeros((k * k, k * k))
    for row in mu:
        outer = np.outer(row, row)
        one = outer + C
        square = np.kron(one, one)
        H += one
        pairs += square
        M += square + square @ swap + np.outer(one, one) - 2 * np.outer(outer, outer)
    if mode == "single":
        return H / len(mu), M / len(mu)
    return H, M + np.kron(H, H) - pairs


@pytest.mark.parametrize("mode", ["full", "single"])
@pytest.mark.parametrize(("m", "n", "sigma"), [(8, 3, 0.7), (3, 5, 0.1), (1, 1, 2.0)])
def test_on_symmetric_matrices_the_law_is_that_on_all(mode, m, n, sigma):
    rng = np.random.default_rng(m)
    problem = _noisy.Problem(rng.standard_normal((m, n)), rng.standard_normal(m))
    found = _noisy.gradients(problem, sigma, mode)
    rows, noise = np.column_stack([problem.X, -problem.y]), np.diag([sigma**2] * n + [0.0])
    H, M = by_kronecker(rows, noise, mode)
    np.testing.assert_allclose(found.H, H, rtol=1e-13)
    A = rng.standard_normal((n + 1, n + 1))
    np.testing.assert_allclose(
        second_moment.matrices(found.M @ second_moment.vectors(A + A.T)).ravel(),
        M @ (A + A.T).ravel(),
        rtol=1e-11,
        atol=1e-12 * np.abs(M).max(),
    )

    h, small = by_kronecker(problem.X, sigma**2 * np.eye(n), mode)
    K = np.kron(h, np.eye(n)) + np.kron(np.eye(n), h)
    critical = 1 / np.abs(np.linalg.eigvals(np.linalg.solve(K, small))).max()
    assert second_moment.limit(second_moment.homogeneous(found)) == pytest.approx(critical, 1e-10)

    P, one = np.diag([1.0] * n + [0.0]), np.eye(n + 1)
    PH, eta = P @ H, 0.4 * critical
    L = np.eye((n + 1) ** 2) - eta * (np.kron(PH, one) + np.kron(one, PH))
    L += eta**2 * np.kron(P, P) @ M
    S = np.linalg.matrix_power(L, 40)[:, -1].reshape(n + 1, n + 1)
    np.testing.assert_allclose(_noisy.after(found, eta, 40), S, rtol=1e-10, atol=1e-13)


def test_one_weight_and_one_example_are_the_scalar_chain():
    found = _noisy.of_rows(np.array([[1.0]]), np.array([[0.25]]), "single")
    assert second_moment.limit(found) == pytest.approx(0.930232558, abs=1e-9)
    lifted = _noisy.of_rows(np.array([[1.0, -2.0]]), np.diag([0.25, 0.0]), "full")
    S = second_moment.stationary(lifted, 0.2)
    assert S[0, 1] == pytest.approx(1.6, rel=1e-12)
    assert second_moment.covariance(S)[0, 0] == pytest.approx(0.069299363, abs=5e-10)


def test_the_vector_references():
    rng = np.random.default_rng(3)
    X, y, noise = rng.standard_normal((8, 3)), rng.standard_normal(8), 0.49
    w = _forms.primal(X, y, 8 * noise)
    np.testing.assert_allclose(w, [-0.25862774, -0.04544134, -0.20911320], atol=5e-9)
    laws = {mode: _noisy.gradients(_noisy.Problem(X, y), 0.7, mode) for mode in _noisy.MODES}
    steps = {
        mode: second_moment.limit(second_moment.homogeneous(law)) for mode, law in laws.items()
    }
    assert steps["single"] == pytest.approx(0.183014070, abs=1e-9)
    assert steps["full"] == pytest.approx(0.0673768740, abs=1e-9)
    S = second_moment.stationary(laws["single"], 0.05)
    assert np.trace(second_moment.covariance(S)) == pytest.approx(0.043256618, abs=5e-10)
    np.testing.assert_allclose(S[:3, 3], w, rtol=1e-10)


def test_the_drawn_map_has_the_critical_step_of_its_average():
    rng = np.random.default_rng(0)
    H = rng.standard_normal((50, 400, 3, 3))
    H = np.eye(3) + 0.2 * (H + H.mT)
    each = [_noisy.of_draws(one) for one in H]
    found = _noisy.drawn_limits(each)
    pooled = _noisy.of_draws(H.reshape(-1, 3, 3))
    assert found.mean() == pytest.approx(second_moment.limit(pooled), rel=1e-10)
    assert found[0] == pytest.approx(second_moment.limit(each[0]), rel=0.02)


@pytest.mark.long
def test_a_map_without_the_kurtosis_of_the_noise_is_caught(monkeypatch):
    """E ĤSĤ = HSH, as if Ĥ were its mean."""
    right = _noisy.gradients

    def wrong(*given):
        found = right(*given)
        return found._replace(M=second_moment.congruence(found.H))

    monkeypatch.setattr(_noisy, "gradients", wrong)
    assert {"map", "critical_step"} <= broken("mean_square")


def test_a_shrinkage_of_sigma2_is_caught(monkeypatch):
    monkeypatch.setattr(examples, "primal", lambda X, y, lam: _forms.primal(X, y, lam / len(X)))
    assert "solution" in broken("examples")


def test_of_one_example_nothing_is_refuted():
    """The trap: at m = 1 σ²/m is right."""
    found = result("examples", examples=1)
    assert found.errata == ()
    assert found.verdict == "holds"


@pytest.mark.long
@pytest.mark.parametrize("name", ["examples", "mean_square"])
@pytest.mark.parametrize(
    "change",
    [
        {"weights": 5, "examples": 3},
        {"sigma": 0.01},
        {"sigma": 5},
        {"inputs": [[1, 2], [2, 4], [0, 0], [-3, -6]], "targets": [1, 0, -1, 2]},
    ],
    ids=str,
)
def test_other_sizes_and_noises_hold(name, change):
    assert broken(name, **change) == set()


def test_errata_are_stated_where_the_draws_tell_them():
    assert all(erratum.stands for erratum in result("examples", draws=100).errata)


# --- ridge ---


def test_two_problems_of_equal_shape_have_names_of_their_own():
    data = result("ridge", shapes=[[3, 2], [3, 2], [4, 2], [3, 2]]).data
    labels = [mark.label for mark in figures.ridge(data).panels[0].marks if mark.kind == "points"]
    assert labels == ["3 × 2", "3 × 2, number 2", "4 × 2", "3 × 2, number 3"]


def test_ridge_references():
    for (n, d, lam), first, size in (
        ((5, 5, 0.3), 0.743363495, 0.866224385),
        ((20, 5, 1.0), 0.096691564, 0.679862479),
        ((5, 20, 0.1), -0.117034001, 0.314446391),
    ):
        if (n, d) == (5, 5):
            rng = np.random.default_rng(0)
        X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
        for form in (_forms.primal, _forms.dual, _forms.spectral, _forms.stacked):
            w = form(X, y, lam)
            assert w[0] == pytest.approx(first, abs=1e-9)
            assert np.linalg.norm(w) == pytest.approx(size, abs=1e-9)


def test_the_printed_covariance_multiplies_no_y_and_is_another_matrix():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((5, 5)), rng.standard_normal(5)
    printed = X.T @ np.linalg.solve(X.T @ X + 0.3 * np.eye(5), y)
    w = _forms.dual(X, y, 0.3)
    assert np.linalg.norm(printed - w) / np.linalg.norm(w) == pytest.approx(2.021191, abs=1e-6)
    with pytest.raises(ValueError, match="mismatch"):
        np.linalg.solve(X[:3].T @ X[:3] + 0.3 * np.eye(5), y[:3])


def test_the_two_forms_of_the_posterior_covariance_are_one():
    rng = np.random.default_rng(1)
    for shape in ((6, 4), (4, 6), (5, 5)):
        X = rng.standard_normal(shape)
        for lam in (0.01, 1.0, 30.0):
            one, other = _forms.posterior(X, lam), _forms.posterior_by_gain(X, lam)
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("module", "name", "wrong", "caught"),
    [
        (ridge, "spectral", lambda X, y, lam: _forms.spectral(X, y, lam**2), "primal"),
        (posterior, "gain", lambda X, lam: _forms.gain(X, 2 * lam), "gain"),
        (posterior, "posterior", lambda X, lam: _forms.posterior(X, lam) / lam, "posterior"),
    ],
)
def test_a_wrong_form_is_caught(monkeypatch, module, name, wrong, caught):
    monkeypatch.setattr(module, name, wrong)
    assert caught in broken(module.__name__.rpartition(".")[2])


def test_a_wrong_dual_is_caught(monkeypatch):
    wrong = ridge.FORMS | {"dual": lambda X, y, lam: _forms.dual(X, y, 2 * lam)}
    monkeypatch.setattr(ridge, "FORMS", wrong)
    assert broken("ridge") == {"dual"}


def test_a_lambda_without_digits_is_refused():
    with pytest.raises(Refusal, match=r"lambdas 1e-15: .* no digit"):
        result("ridge", lambdas=[1e-15, 1.0])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ridge", {"shapes": [[1, 1], [1, 9], [9, 1]]}),
        ("posterior", {"shapes": [[3, 3]], "variance": 9}),
        ("posterior", {"shapes": [[1, 1], [2, 5]]}),
        ("ridge", {"shapes": [], "inputs": OWN, "targets": [1, -2, 0]}),
        ("ridge", {"shapes": [[3, 2]], "inputs": OWN, "lambdas": [1e-3, 1e4]}),
        ("ridge", {"inputs": [[1, 1], [1, 1]], "targets": [1, 0], "lambdas": [0.1]}),
        ("posterior", {"shapes": [], "inputs": OWN}),
        ("posterior", {"shapes": [[3, 2], [3, 2], [2, 2], [2, 2]]}),
        ("posterior", {"shapes": [[3, 2]], "inputs": OWN, "samples": 3000}),
        ("posterior", {"shapes": [], "inputs": [[0, 1e-9], [0, 0]]}),
    ],
)
def test_other_shapes_hold(name, change):
    assert broken(name, **change) == set()


def test_your_own_inputs_are_the_last_problem():
    config = ridge.Config(
        seed=0, shapes=((2, 2),), inputs=OWN, targets=(1.0, -2.0, 0.0), lambdas=(0.5,)
    )
    X, y = ridge.draw(config)[-1]
    assert (X.tolist(), y.tolist()) == (np.array(OWN, float).tolist(), [1, -2, 0])
    found = result("ridge", shapes=[[2, 2]], inputs=OWN, targets=[1, -2, 0], lambdas=[0.5]).data
    own = np.linalg.solve(X.T @ X + 0.5 * np.eye(2), X.T @ y)
    np.testing.assert_allclose(found["stacked"][0, 2:], own, rtol=1e-12)
    theory = result("posterior", shapes=[], inputs=OWN, samples=1000).data
    gain = X.T @ np.linalg.inv(X @ X.T + 0.5 * np.eye(3))
    np.testing.assert_allclose(theory["gain_predicted"], gain.ravel(), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("ridge", {"targets": [1, 2]}, "without inputs"),
        ("ridge", {"inputs": [[1], [1, 2]]}, "must be 2 rows of 1 numbers"),
        ("ridge", {"inputs": [[]]}, "rows without a number"),
        ("ridge", {"inputs": [[0, 0]]}, "all are 0"),
        ("ridge", {"inputs": OWN, "targets": [1]}, "must be 3 or none"),
        ("ridge", {"inputs": [[1], [1]], "targets": [1, -1]}, "w = 0 is the solution"),
        ("posterior", {"inputs": [[1, 2], [3]]}, "must be 2 rows of 2 numbers"),
        ("posterior", {"shapes": []}, "at least one pair"),
        ("posterior", {"inputs": [[1e9]]}, "condition"),
    ],
)
def test_inputs_of_your_own_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValueError, match=rule):
        result(name, **change)

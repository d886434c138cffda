"""Noise and ridge: the closed forms against integrals, loops and dense algebra; wrong formulas, and traps."""

from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.integrate import quad

from descent.config import Refusal
from descent.noise import examples, forms, instance_noise, ridge, second_moment, thresholds
from descent.noise.chain import Chain, evolved, hill, stationary
from toy import toy_params

BLOCKS = toy_params()["noise"]
MODULES = {"instance_noise": instance_noise, "ridge": ridge, "examples": examples}


def result(name: str, **changes):
    module = MODULES[name]
    return module.run(module.Config(**BLOCKS[name] | changes))


def broken(name: str, **changes) -> set[str]:
    """The checks that do not hold and the errata that do not stand."""
    found = result(name, **changes)
    return {c.name for c in found.checks if not c.holds} | {
        e.name for e in found.errata if not e.stands
    }


def names(name: str, **changes) -> set[str]:
    return {check.name for check in result(name, **changes).checks}


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("instance_noise", {"etas": [0.2, 0.1]}, "increasing"),
        ("instance_noise", {"etas": [1e-12, 0.1]}, "no step, to rounding"),
        ("instance_noise", {"replicates": 1}, "standard error needs at least 2"),
        ("instance_noise", {"tail": 1e-3}, "Hill's estimate needs at least 10"),
        ("instance_noise", {"tail": 0.9999}, "one must be left below it"),
        ("instance_noise", {"y": 1e200}, "for the spread of squares of w"),
        ("instance_noise", {"sigma": 1e-6}, "agree to rounding"),
        ("instance_noise", {"x": -1}, "greater than or equal to 0"),
        ("instance_noise", {"chains": 10**8}, "> 1e8 weights"),
        ("examples", {"fractions": [0.5, 1]}, "1 ≥ 1: the variance diverges"),
        ("examples", {"weights": 20}, "weights 20 > 12"),
        ("examples", {"draws": 10**9}, "noisy inputs at once"),
        ("ridge", {"shapes": []}, "at least one pair"),
        ("ridge", {"samples": 50}, "too few to regress"),
        ("ridge", {"samples": 10**9}, "numbers > 1e8"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        MODULES[name].Config(**BLOCKS[name] | change)


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
        thresholds.thresholds(*map(float, case)), REFERENCES[case], strict=True
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
            np.exp(thresholds.log_moment(eta, p, float(x), sigma)),
            lambda v: np.abs(1 - eta * v * v) ** p,
        ),
        (thresholds.lyapunov(eta, float(x), sigma), lambda v: np.log(np.abs(1 - eta * v * v))),
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
    one = np.array(thresholds.thresholds(1.0, 0.5))
    other = np.array(thresholds.thresholds(scale, 0.5 * scale))
    np.testing.assert_allclose(other * scale**2, one, rtol=1e-12)


def test_without_signal_the_mean_square_threshold_is_a_third():
    found = thresholds.thresholds(0.0, 2.0)
    assert found.mean_square / found.mean == pytest.approx(1 / 3, rel=1e-14)


def test_the_tail_index_is_p_at_the_threshold_of_p():
    for p in (1.0, 2.0, 4.0, 6.5):
        eta = thresholds.critical_step(p, 1.0, 0.5)
        assert thresholds.tail_index(eta, 1.0, 0.5) == pytest.approx(p, rel=1e-9)
    assert thresholds.tail_index(2.0, 1.0, 0.5) == 0.0


def test_raw_moments_are_those_of_gauss_hermite():
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    expected = [weights @ (0.7 + 0.3 * nodes) ** n / weights.sum() for n in range(9)]
    np.testing.assert_allclose(thresholds.raw_moments(0.7, 0.3, 8), expected, rtol=1e-13)


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
    assert hill(s, 2000)[0] == pytest.approx(2.5, rel=0.1)


# --- instance_noise ---


@pytest.mark.parametrize(
    ("name", "wrong", "caught"),
    [
        ("thresholds", lambda t: t._replace(mean_square=1.3 * t.mean_square), "moment_at_mean_square_in_standard_errors"),
        ("thresholds", lambda t: t._replace(almost_sure=t.mean), "moment_at_almost_sure_in_standard_errors"),
        ("thresholds", lambda t: t._replace(first=1.5 * t.mean), "order_of_the_thresholds"),
    ],
)  # fmt: skip
def test_a_wrong_threshold_is_caught(monkeypatch, name, wrong, caught):
    right = thresholds.thresholds
    monkeypatch.setattr(instance_noise, name, lambda x, sigma: wrong(right(x, sigma)))
    assert caught in broken("instance_noise")


def test_a_variance_without_the_fourth_moment_is_caught(monkeypatch):
    """σ²y²η²/(1 − ρ²), as if the noise came to the gradient and not to the input."""

    def wrong(chain, eta, steps):
        m2 = chain.x**2 + chain.sigma**2
        right = evolved(chain, eta, steps)
        return right._replace(
            variance=(eta * chain.y * chain.sigma) ** 2 / (1 - (1 - eta * m2) ** 2)
        )

    monkeypatch.setattr(instance_noise, "evolved", wrong)
    assert broken("instance_noise", etas=[0.1, 0.2]) == {"variance_in_standard_errors"}


@pytest.mark.parametrize("tail", [0.2, 0.5])
def test_a_share_that_reaches_into_the_bulk_is_no_tail(tail):
    found = result("instance_noise", tail=tail)
    assert all(check.holds for check in found.checks)
    assert "hill_over_tail_index" not in {check.name for check in found.checks}


@pytest.mark.parametrize("change", [{"replicates": 2}, {"draws": 1}], ids=str)
def test_an_erratum_is_stated_where_the_draws_tell_it(change):
    assert all(erratum.stands for erratum in result("examples", **change).errata)


def test_a_wrong_tail_index_is_caught(monkeypatch):
    right = thresholds.tail_index
    monkeypatch.setattr(
        instance_noise, "tail_index", lambda eta, x, sigma: 2 * right(eta, x, sigma)
    )
    assert "hill_over_tail_index" in broken("instance_noise", chains=4096, etas=[1.1])


def test_beyond_every_threshold_the_runs_diverge_and_nothing_else_is_claimed():
    found = result("instance_noise", etas=[50.0], steps=300)
    assert broken("instance_noise", etas=[50.0], steps=300) == set()
    assert not {"mean_in_standard_errors", "hill_over_tail_index"} & {c.name for c in found.checks}
    assert float(found.data["exponent"].min()) > 0
    assert not np.isfinite(found.data["variance"]).all()


def test_no_variance_is_tested_where_its_standard_error_has_none():
    """At 0.5, α = 6.1: the mean can be told from a sample, the variance cannot."""
    found = names("instance_noise", etas=[0.5])
    assert "mean_in_standard_errors" in found
    assert "variance_in_standard_errors" not in found


@pytest.mark.parametrize(
    "change", [{"x": 0}, {"x": 3, "sigma": 0.1, "etas": [0.05, 0.21]}, {"y": 100}]
)
def test_other_problems_hold_as_well(change):
    assert broken("instance_noise", **change) == set()


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
    found = second_moment.moments(mu, sigma**2 * np.eye(2), mode)
    error = drawn.std(0) / np.sqrt(len(H))
    assert (np.abs(drawn.mean(0) - (found.M @ S.ravel()).reshape(2, 2)) < 5 * error).all()
    assert (np.abs(H.mean(0) - found.H) < 5 * H.std(0) / np.sqrt(len(H))).all()


def test_one_weight_and_one_example_are_the_scalar_chain():
    found = second_moment.moments(np.array([[1.0]]), np.array([[0.25]]), "single")
    assert second_moment.critical_step(found) == pytest.approx(0.930232558, abs=1e-9)
    lifted = second_moment.moments(np.array([[1.0, -2.0]]), np.diag([0.25, 0.0]), "full")
    S = second_moment.stationary(second_moment.evolution(lifted, 0.2, 1))
    assert S[0, 1] == pytest.approx(1.6, rel=1e-12)
    assert second_moment.covariance(S)[0, 0] == pytest.approx(0.069299363, abs=5e-10)


def test_the_vector_references():
    rng = np.random.default_rng(3)
    X, y, noise = rng.standard_normal((8, 3)), rng.standard_normal(8), 0.49
    w = forms.primal(X, y, 8 * noise)
    np.testing.assert_allclose(w, [-0.25862774, -0.04544134, -0.20911320], atol=5e-9)
    steps = {}
    for mode in ("full", "single"):
        plain = second_moment.moments(X, noise * np.eye(3), mode)
        steps[mode] = second_moment.critical_step(plain)
    assert steps["single"] == pytest.approx(0.183014070, abs=1e-9)
    assert steps["full"] == pytest.approx(0.0673768740, abs=1e-9)
    lifted = second_moment.moments(np.column_stack([X, -y]), np.diag([noise] * 3 + [0.0]), "single")
    S = second_moment.stationary(second_moment.evolution(lifted, 0.05, 3))
    assert np.trace(second_moment.covariance(S)) == pytest.approx(0.043256618, abs=5e-10)
    np.testing.assert_allclose(S[:3, 3], w, rtol=1e-10)


def test_a_map_without_the_kurtosis_of_the_noise_is_caught(monkeypatch):
    """E ĤSĤ = HSH, as if Ĥ were its mean."""

    def wrong(mu, C, mode):
        found = second_moment.moments(mu, C, mode)
        return found._replace(M=np.kron(found.H, found.H))

    monkeypatch.setattr(examples, "moments", wrong)
    assert "one_step_in_standard_errors" in broken("examples")


def test_a_shrinkage_of_sigma2_is_caught(monkeypatch):
    monkeypatch.setattr(examples, "primal", lambda X, y, lam: forms.primal(X, y, lam / len(X)))
    assert "limit_is_ridge" in broken("examples")


def test_of_one_example_nothing_is_refuted():
    """The trap: at m = 1 σ²/m is right."""
    found = result("examples", examples=1)
    assert found.errata == ()
    assert broken("examples", examples=1) == set()


@pytest.mark.parametrize("change", [{"weights": 5, "examples": 3}, {"sigma": 0.01}, {"sigma": 5}])
def test_other_sizes_and_noises_hold(change):
    assert broken("examples", **change) == set()


# --- ridge ---


def test_ridge_references():
    for (n, d, lam), first, size in (
        ((5, 5, 0.3), 0.743363495, 0.866224385),
        ((20, 5, 1.0), 0.096691564, 0.679862479),
        ((5, 20, 0.1), -0.117034001, 0.314446391),
    ):
        if (n, d) == (5, 5):
            rng = np.random.default_rng(0)
        X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
        for form in (forms.primal, forms.dual, forms.spectral, forms.stacked):
            w = form(X, y, lam)
            assert w[0] == pytest.approx(first, abs=1e-9)
            assert np.linalg.norm(w) == pytest.approx(size, abs=1e-9)


def test_the_printed_covariance_multiplies_no_y_and_is_another_matrix():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((5, 5)), rng.standard_normal(5)
    printed = X.T @ np.linalg.solve(X.T @ X + 0.3 * np.eye(5), y)
    w = forms.dual(X, y, 0.3)
    assert np.linalg.norm(printed - w) / np.linalg.norm(w) == pytest.approx(2.021191, abs=1e-6)
    with pytest.raises(ValueError, match="mismatch"):
        np.linalg.solve(X[:3].T @ X[:3] + 0.3 * np.eye(5), y[:3])


@pytest.mark.parametrize(
    ("name", "wrong", "caught"),
    [
        ("spectral", lambda X, y, lam: forms.spectral(X, y, lam**2), "primal_in_tolerances"),
        ("dual", lambda X, y, lam: forms.dual(X, y, 2 * lam), "dual_in_tolerances"),
        ("gain", lambda X, lam: forms.gain(X, 2 * lam), "gain_in_standard_errors"),
        ("posterior", lambda X, lam: forms.posterior(X, lam) / lam, "covariance_in_tolerances"),
    ],
)  # fmt: skip
def test_a_wrong_form_is_caught(monkeypatch, name, wrong, caught):
    monkeypatch.setattr(ridge, name, wrong)
    assert caught in broken("ridge")


def test_a_lambda_without_digits_is_refused():
    with pytest.raises(Refusal, match=r"lambda 1e-15: .* no digit"):
        result("ridge", lambdas=[1e-15, 1.0])


@pytest.mark.parametrize(
    "change", [{"shapes": [[1, 1], [1, 9], [9, 1]]}, {"sampled": [[3, 3]], "sampled_lambda": 9}]
)
def test_other_shapes_hold(change):
    assert broken("ridge", **change) == set()

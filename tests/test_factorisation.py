"""Products of matrices: reference values, slow twins, certificates, wrong formulas, and traps."""

import numpy as np
import pytest
from pydantic import ValidationError

import harness
from descent.factorisation import (
    _entries,
    _factors,
    _least_norm,
    _nearby,
    _products,
    _trace,
    _two_by_two,
    balanced_start,
)
from descent.factorisation import completion as completion_module

CROSS = np.array([[0.0, 1], [1, 0]])


def result(name: str, **changes):
    return harness.run(f"factorisation@{name}", **changes)


def untold(name: str, **changes) -> str:
    """Why nothing is claimed; no check fails."""
    found = result(name, **changes)
    assert found.verdict == "no claim"
    return " ".join(found.no_claim)


def refusal(name: str, **changes) -> str:
    with pytest.raises(ValidationError) as caught:
        harness.config_of(f"factorisation@{name}", **changes)
    return str(caught.value)


def descend_plainly(factors, mask, target, eta, count):
    """Gradient descent with every product written out."""
    factors = list(factors)

    def product(some):
        W = np.eye(len(target))
        for factor in some:
            W = factor @ W
        return W

    for _ in range(count):
        G = mask * (product(factors) - target)
        slopes = [
            product(factors[j + 1 :]).T @ G @ product(factors[:j]).T for j in range(len(factors))
        ]
        factors = [W - eta * slope for W, slope in zip(factors, slopes, strict=True)]
    return product(factors)


@pytest.mark.parametrize(("depth", "size"), [(1, 3), (2, 3), (4, 3), (3, 9)])
def test_the_compiled_descent_is_the_plain_one(depth, size):
    rng = np.random.default_rng(0)
    M, mask = _products.completion(rng, size, 2, 0.6)
    factors = rng.standard_normal((depth, size, size)) / 2
    found = _products.descend(factors, mask, M, 0.01, np.array([0, 7, 7, 20]))
    assert found.products.shape == (4, size, size)
    np.testing.assert_allclose(
        found.products[-1], descend_plainly(factors, mask, M, 0.01, 20), rtol=1e-12
    )
    np.testing.assert_array_equal(found.products[1], found.products[2])


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_the_flow_of_the_product_is_a_small_step_of_its_balanced_factors(depth):
    rng = np.random.default_rng(1)
    M, mask = _products.completion(rng, 4, 2, 0.6)
    W = rng.standard_normal((4, 4))
    factors = _products.balanced(W, depth)
    assert _products.imbalance(factors) < 1e-13
    after = _products.descend(factors, mask, M, 1e-7, np.array([1])).products[0]
    expected = _products.velocity(W, mask, M, depth)
    np.testing.assert_allclose((after - W) / 1e-7, expected, atol=1e-4)


def test_a_wrong_power_of_the_singular_value_is_caught(monkeypatch):
    module = harness.module_of("factorisation@singular_growth")
    right = _products.speeds
    monkeypatch.setattr(_products, "speeds", lambda sigma, depth: right(sigma, depth + 1))
    failed = {
        c.name
        for c in module.run(harness.config_of("factorisation@singular_growth")).checks
        if not c.holds
    }
    assert {"sigma", "order"} <= failed


def test_least_nuclear_norm_of_the_reference_problem():
    """Science file: 7.4927, error 0.189, effective rank 2.78; the matrix itself 7.6269."""
    block = harness.experiments()["factorisation@completion"].parameters
    config = completion_module.Config(**block)
    least = _entries.certified(config)
    M, mask, _ = _entries.problem(config)
    assert least.value == pytest.approx(7.4927, abs=1e-4)
    assert 0 <= least.gap <= 1e-6
    assert np.linalg.norm(least.X - M) / np.linalg.norm(M) == pytest.approx(0.189, abs=1e-3)
    assert _products.effective_rank(_products.singular_values(least.X)) == pytest.approx(
        2.78, abs=0.01
    )
    assert _products.singular_values(M).sum() == pytest.approx(7.6269, abs=1e-4)
    np.testing.assert_allclose(mask * least.X, mask * M, atol=1e-12)
    assert np.linalg.norm(least.Y, 2) <= 1 + 1e-12
    assert not np.any(least.Y[mask == 0])


def test_least_norms_are_those_of_a_solver_of_cones():
    cvxpy = pytest.importorskip("cvxpy")
    rng = np.random.default_rng(2)
    M, mask = _products.completion(rng, 6, 1, 0.5)
    seen = np.flatnonzero(mask.ravel())
    ours = _least_norm.least(_least_norm.NUCLEAR, np.eye(36)[seen], M.ravel()[seen], 1e-7, 20_000)
    X = cvxpy.Variable((6, 6))
    least = cvxpy.Problem(
        cvxpy.Minimize(cvxpy.normNuc(X)), [cvxpy.multiply(mask, X) == mask * M]
    ).solve(solver="CLARABEL")
    assert ours.value == pytest.approx(least, rel=1e-5)
    given = _trace.drawn(0, 5, 4, 2)
    target = (given.Q * given.x) @ given.Q.T
    b = np.einsum("kij,ij->k", given.generic, target)
    ours = _least_norm.least(_least_norm.TRACE, given.generic.reshape(4, -1), b, 1e-6, 20_000)
    X = cvxpy.Variable((5, 5), PSD=True)
    met = [cvxpy.trace(A @ X) == value for A, value in zip(given.generic, b, strict=True)]
    least = cvxpy.Problem(cvxpy.Minimize(cvxpy.trace(X)), met).solve(solver="CLARABEL")
    assert ours.bound == pytest.approx(least, rel=1e-4)


def test_errors_fall_with_depth_below_that_of_the_least_nuclear_norm():
    """C23 and C24."""
    found = result("completion", size=12, seed=2, share=0.35, depths=[1, 2, 3], steps=6000)
    error = found.data["error"].values
    assert error[0] > error[1] > error[2] / 0.6
    assert error[2] < float(found.data["least_error"])
    assert float(found.data["nuclear"][2]) > float(found.data["least"])


def test_what_completion_presupposes():
    assert "leave M open" in untold("completion", share=0.15)
    assert "leads to M as well" in untold("completion", share=1)
    assert "no product came near" in untold("completion", start=0.5, steps=500)
    assert "several" in refusal("completion", depths=[1])
    assert "rank 11 > 10" in refusal("completion", rank=11)


def test_a_matrix_of_rank_r_is_known_from_its_entries_to_second_order():
    rng = np.random.default_rng(3)
    M, mask = _products.completion(rng, 8, 1, 0.7)
    at = _nearby.tangent(M, 1, mask)
    U, sigma, Vt = np.linalg.svd(M + 1e-4 * rng.standard_normal(M.shape))
    W = sigma[0] * np.outer(U[:, 0], Vt[0])
    seen = _nearby.seen_from(W, M, mask, at)
    assert np.linalg.norm(W - M) == pytest.approx(seen.error, abs=seen.error_tol)
    assert _products.singular_values(W).sum() == pytest.approx(seen.nuclear, abs=seen.nuclear_tol)
    assert seen.error_tol < 0.1 * seen.error


@pytest.mark.parametrize(("depth", "missing"), [(3, 387.82), (4, 630.96)])
def test_the_missing_entry_after_a_million(depth, missing):
    """Science file, section 6: N = 3 and 4 at t = 10⁶."""
    rng = np.random.default_rng(0)
    found = _two_by_two.pair(rng, 0.1, CROSS, (depth,), np.geomspace(1e-2, 1e6, 9))
    assert abs(found.W[0, 0, -1, 0, 0]) == pytest.approx(missing, abs=0.02)


@pytest.mark.parametrize("sign", [1, -1])
def test_singular_coordinates_follow_the_flow_of_the_product(sign):
    rng = np.random.default_rng(4)
    W = rng.standard_normal((2, 2)) / 3
    if np.linalg.det(W) * sign < 0:
        W = W[::-1]
    mask, t = np.array([[0.0, 1], [1, 1]]), np.array([0.5, 2.0])
    from scipy.integrate import solve_ivp

    path = solve_ivp(
        lambda _, w: _products.velocity(w.reshape(2, 2), mask, CROSS, 3).ravel(),
        (0, 2),
        W.ravel(),
        t_eval=t,
        rtol=1e-10,
        atol=1e-12,
    ).y.T.reshape(2, 2, 2)
    np.testing.assert_allclose(_two_by_two.flow(W, CROSS, 3, t).W, path, atol=1e-6)


def test_what_norms_presupposes():
    assert "the power changes" in untold("norms", decades=3)
    assert "rounding" in refusal("norms", decades=12)
    assert "targets" in refusal("norms", targets=[0, 1])


def test_unbalanced_factors_have_the_product_they_were_made_from():
    rng = np.random.default_rng(5)
    W = rng.standard_normal((2, 2))
    factors = _factors.stretched(rng, W, 4, 3.0)[None]
    np.testing.assert_allclose(_factors.product(factors)[0], W, atol=1e-12)
    assert np.linalg.norm(_factors.imbalances(factors)) > 0.1
    after = _products.descend(factors[0], balanced_start.MASK, CROSS, 1e-6, np.array([1])).factors
    slope = _factors.slopes(factors, balanced_start.MASK, CROSS)[0]
    np.testing.assert_allclose((factors[0] - after) / 1e-6, slope, atol=1e-8)


@pytest.mark.long
def test_signs_of_balanced_and_unbalanced_starts():
    """C26: all balanced starts keep the sign of the determinant, all stretched ones lose it by t = 50."""
    found = result("balanced_start", replicates=6)
    assert found.verdict == "holds"
    assert list(found.metrics["kept"].sel(depth=3)) == [1, 0]


@pytest.mark.long
def test_a_wrong_sign_of_the_flow_of_the_imbalance_is_caught(monkeypatch):
    right = _factors.flow
    monkeypatch.setattr(
        _factors, "flow", lambda *given: right(*given)._replace(added=2 * right(*given).added)
    )
    failed = {c.name for c in result("balanced_start").checks if not c.holds}
    assert failed == {"imbalance_of_balanced", "imbalance_of_unbalanced"}


def test_what_balanced_start_presupposes():
    assert "too large" in untold("balanced_start", depths=[2])
    assert "came to the entries" in untold("balanced_start", steps=100)
    assert "no small step" in refusal("balanced_start", eta=0.1)
    assert "stretch" in refusal("balanced_start", stretch=1)


def test_the_power_of_the_start_for_several_problems():
    for seed in (1, 2, 3):
        given = _trace.drawn(seed, 8, 3, 8)
        x = np.array([_trace.entropic(given, alpha) for alpha in (1e-50, 1e-40)])
        above = _trace.above(given, x)
        slope = np.log(above[1] / above[0]) / np.log(1e10)
        assert slope == pytest.approx(_trace.programme(given).gap, abs=0.03)


def test_what_least_trace_presupposes():
    assert "at the end" in untold("least_trace", steps=20)
    assert "measurements 6 > 5" in refusal("least_trace", measurements=6)

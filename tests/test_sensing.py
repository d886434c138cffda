"""Matrix sensing against dense measurements, autograd and closed forms."""

import re
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

import oracles
from descent.config import Refusal
from descent.sensing import _linearised, _problem, _trajectories, exact, overparam, scarce
from descent.sensing._kernels import TILE, apply, tiled
from descent.sensing._problem import Problem, pack, unpack

TINY = {
    "seed": 2,
    "replicates": 2,
    "size": 10,
    "rank": 2,
    "oversampling": 10,
    "held_out": 500,
    "step": 0.1,
    "steps": 1000,
    "milestones": [0, 10],
    "snapshots": 10,
    "target": [],
}
EXACT = TINY | {"start": 0.01, "fit": [1e-12, 1e-5], "matrices": []}
SWEEP = TINY | {"alphas": [1e-4, 1e-3, 1e-2]}
SCARCE = TINY | {
    "size": 16,
    "rank": 1,
    "oversampling": 3,
    "steps": 800,
    "alphas": [1e-5, 0.2],
    "claim_found": 0.05,
}


def outcome(module, block: dict):
    return module.run(module.Config(**block))


def broken(result) -> set[str]:
    """The names of the checks that do not hold."""
    return {check.name for check in result.checks if not check.holds}


def dense(rng, d: int, r: int, m: int) -> SimpleNamespace:
    """A random problem with the A_i that it was made of, y and X*."""
    A, factor = rng.standard_normal((m, d, d)), rng.standard_normal((d, r))
    S = oracles.rows_of(A)
    X = factor @ factor.T
    fast = Problem(factor, pack(X), tiled(S.T @ S / m), rng.standard_normal((9, S.shape[1])))
    return SimpleNamespace(fast=fast, A=A, X=X, y=np.einsum("mij,ij->m", A, X))


def population(factor: np.ndarray) -> Problem:
    """Infinitely many measurements: G = 1."""
    target = pack(factor @ factor.T)
    p = len(target)
    return Problem(factor, target, tiled(np.eye(p)), np.eye(p))


# --- packed coordinates ---


@st.composite
def symmetric_pairs(draw):
    d = draw(st.integers(1, 12))
    entries = arrays(float, (2, d, d), elements=st.floats(-1e3, 1e3, width=32))
    M = draw(entries)
    return M + M.mT


@settings(deadline=None, database=None, derandomize=True)
@given(symmetric_pairs())
def test_packing_keeps_inner_products(pair):
    X, Y = pair
    scale = np.linalg.norm(X) * np.linalg.norm(Y)
    assert abs(pack(X) @ pack(Y) - np.sum(X * Y)) <= 1e-13 * scale
    np.testing.assert_allclose(pack(X), oracles.packed(X), rtol=1e-15)


@settings(deadline=None, database=None, derandomize=True)
@given(symmetric_pairs())
def test_unpacking_undoes_packing(pair):
    # x·√2/√2 may be off by one unit in the last place, 2.2e-16, at either of the two roundings.
    np.testing.assert_allclose(unpack(pack(pair)), pair, rtol=5e-16, atol=0)


def test_packed_rows_measure_what_the_dense_matrices_measure():
    rng = np.random.default_rng(0)
    A, U = rng.standard_normal((50, 6, 6)), rng.standard_normal((6, 6))
    S = pack((A + A.mT) / 2)
    measured = np.einsum("mij,ij->m", A, U @ U.T)
    np.testing.assert_allclose(S @ pack(U @ U.T), measured, rtol=0, atol=1e-12)
    np.testing.assert_allclose(S, oracles.rows_of(A), rtol=1e-15)


def test_packed_rows_of_white_noise_are_white_noise():
    """pack(sym(A)) = L vec(A) with LLᵀ = 1: independent N(0, 1) entries stay so."""
    E = np.eye(16).reshape(16, 4, 4)
    L = pack((E + E.mT) / 2).T
    np.testing.assert_allclose(L @ L.T, np.eye(10), rtol=0, atol=1e-15)


# --- the Gram operator ---


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("count", [*range(1, 8), 600])
@pytest.mark.parametrize("p", [1, 5, TILE - 1, TILE, TILE + 1, 300])
def test_the_tiled_operator_is_the_matrix(p, count, dtype):
    rng = np.random.default_rng(p)
    S, x = rng.standard_normal((p + 2, p)), rng.standard_normal((count, p))
    G = (S.T @ S).astype(dtype)
    y = apply(tiled(G), x)
    assert y.shape == x.shape
    assert y.dtype == float
    # Sums of p float64 products in two orders. A stored float32 is a float64 as well: only
    # storing G in it loses something, nothing that is done with it.
    bound = np.abs(x) @ np.abs(G.astype(float))
    assert (np.abs(y - x @ G.astype(float)) <= 2 * p * 2.0**-53 * bound).all()
    if dtype == np.float32:
        assert (np.abs(y - x @ (S.T @ S)) <= (2.0**-24 + 2 * p * 2.0**-53) * 1.01 * bound).all()


@pytest.mark.parametrize("p", [5, 300])
def test_bands_of_several_threads_add_up_to_the_matrix(p):
    rng = np.random.default_rng(p)
    S, x = rng.standard_normal((p, p)), rng.standard_normal((2, p))
    G = S + S.T
    bound = 2 * p * 2.0**-53 * (np.abs(x) @ np.abs(G))
    for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        assert (np.abs(apply(tiled(G), x, threads) - x @ G) <= bound).all()


@pytest.mark.parametrize("p", [1, TILE - 1, TILE + 1])
def test_tiles_are_padded_with_zeros(p):
    tiles = tiled(np.ones((p, p)))
    blocks = -(-p // TILE)
    assert tiles.shape == (blocks * (blocks + 1) // 2, TILE, TILE)
    assert tiles.sum() == p * p / 2  # half of the matrix, halves of the diagonal


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("p", [1, TILE, 300])
def test_tiles_begin_with_a_cache_line(p, dtype):
    """Nothing would be wrong otherwise, only slower."""
    for _ in range(5):
        assert tiled(np.eye(p, dtype=dtype)).ctypes.data % 64 == 0


def test_a_vector_does_not_see_its_neighbours():
    """Neither in its last bit, nor when a neighbour is infinite."""
    rng = np.random.default_rng(0)
    S, x = rng.standard_normal((130, 130)), rng.standard_normal((3, 130))
    tiles = tiled(S + S.T)
    alone = apply(tiles, x[:1])
    x[1] = np.inf
    with np.errstate(invalid="ignore"):
        together = apply(tiles, x)
    np.testing.assert_array_equal(together[:1], alone)
    assert not np.isfinite(together[1]).any()
    assert np.isfinite(together[2]).all()


@pytest.mark.long
def test_float32_storage_of_the_operator_keeps_the_float64_floor():
    """X* stays an exact fixed point: only G, not U or the residual, is rounded."""
    config = exact.Config(**EXACT)
    rng = np.random.default_rng(0)
    given = _problem.draw(rng, config)
    U = 0.01 * rng.standard_normal((1, config.size, config.rank))
    eta = config.step / given.eigenvalues[0]
    narrow = given._replace(gram=given.gram.astype(np.float32))
    ends = [
        _trajectories.descend(one, U, eta, 3000, np.array([3000])).distance[0, -1]
        for one in (given, narrow)
    ]
    assert max(ends) < 1e-14


# --- gradient and Hessian ---


@pytest.mark.parametrize(("d", "r", "m", "k"), [(5, 2, 7, 3), (6, 1, 40, 6), (1, 1, 1, 1)])
def test_gradient_is_that_of_the_loss_over_dense_measurements(d, r, m, k):
    rng = np.random.default_rng(d)
    given = dense(rng, d, r, m)
    U = rng.standard_normal((2, d, k))
    fast = oracles.step_of(given.fast, U)
    for one, g in zip(U, fast, strict=True):
        # Sums of d² m terms in different orders, which cancel to a tenth at worst.
        tolerance = 1e-13 * np.abs(fast).max()
        auto = oracles.autograd(oracles.sensing_loss, one, given.A, given.y)
        np.testing.assert_allclose(g, auto, rtol=0, atol=tolerance)
        loop = oracles.sensing_gradient(one, given.A, given.y)
        np.testing.assert_allclose(g, loop, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("d", "r", "m"), [(4, 2, 30), (5, 3, 60), (3, 3, 20), (4, 1, 9)])
def test_hessian_spectrum_is_that_of_autograd(d, r, m):
    given = dense(np.random.default_rng(m), d, r, m)
    H = oracles.autograd_hessian(oracles.sensing_loss, given.fast.factor, given.A, given.y)
    expected = np.linalg.eigvalsh(H)
    spectrum = _problem.hessian_spectrum(given.fast)
    # An eigenvalue is known to the rounding of the largest.
    np.testing.assert_allclose(spectrum, expected, rtol=0, atol=1e-13 * expected[-1])
    assert (np.abs(spectrum) < 1e-12 * expected[-1]).sum() == r * (r - 1) // 2


@pytest.mark.parametrize(("d", "r"), [(6, 1), (6, 3), (4, 4)])
def test_population_hessian_has_the_closed_spectrum(d, r):
    """2λ_j for the d − r directions outside, 2(λ_i + λ_j) inside, 0 for every rotation."""
    factor = np.random.default_rng(r).standard_normal((d, r))
    lam = population(factor).eigenvalues
    pairs = 2 * np.add.outer(lam, lam)[np.triu_indices(r)]
    expected = np.sort([*np.repeat(2 * lam, d - r), *pairs, *np.zeros(r * (r - 1) // 2)])
    spectrum = _problem.hessian_spectrum(population(factor))
    np.testing.assert_allclose(spectrum, expected, rtol=0, atol=1e-13 * expected[-1])
    assert expected[-1] == pytest.approx(4 * lam[0], rel=1e-15)


def test_hessian_spectrum_approaches_the_population_with_many_measurements():
    config = _problem.Config(**TINY | {"size": 4, "oversampling": 10_000})
    drawn = _problem.draw(np.random.default_rng(0), config)
    p, m, lam = 10, config.measurements, drawn.eigenvalues
    spectrum = _problem.hessian_spectrum(drawn)
    # Singular values of S/√m lie within √(p/m) + 5/√m of 1 but once in 10⁵ (Davidson, Szarek).
    spread = (np.sqrt(p) + 5) / np.sqrt(m)
    low, high = (1 - spread) ** 2, (1 + spread) ** 2
    assert 2 * lam[-1] * low <= spectrum[1] <= 2 * lam[-1] * high
    assert 4 * lam[0] * low <= spectrum[-1] <= 4 * lam[0] * high


@pytest.mark.parametrize(("step", "returns"), [(0.49, True), (0.51, False)])
def test_the_refused_steps_are_those_that_leave_the_minimum(step, returns):
    given = population(np.array([[2.0], [0.0]]))
    eta = step / given.eigenvalues[0]
    start = given.factor[None] * (1 + 1e-6)
    path = _trajectories.descend(given, start, eta, 200, np.array([0]))
    # The slowest factor is |1 − η 4λ₁| = 0.96 or 1.04: 200 steps change the distance 3000-fold.
    assert (path.distance[0, -1] < path.distance[0, 0] / 1000) == returns
    assert (path.distance[0, -1] > path.distance[0, 0] * 1000) != returns


# --- trajectories ---


def test_descent_follows_the_naive_loop():
    rng = np.random.default_rng(1)
    given = dense(rng, 5, 2, 40)
    eta = 0.1 / given.fast.eigenvalues[0]
    starts = np.multiply.outer([0.01, 0.5], rng.standard_normal((5, 3)))
    kept = np.array([0, 3, 30])
    fast = _trajectories.descend(given.fast, starts, eta, 30, kept)
    for k, start in enumerate(starts):
        path = oracles.sensing_descent(start, given.A, given.X, eta, 30)
        errors = [U @ U.T - given.X for U in path]
        distance = [np.linalg.norm(e) for e in errors]
        loss = [np.mean(np.einsum("mij,ij->m", given.A, e) ** 2) / 2 for e in errors]
        fresh = [np.mean((given.fast.held_out @ oracles.packed(errors[t])) ** 2) / 2 for t in kept]
        # Rounding of 1e-15 grows like the signal, (1 + 2ηλ)ᵗ, so it stays relative to it.
        np.testing.assert_allclose(fast.distance[k], distance, rtol=1e-12)
        np.testing.assert_allclose(fast.training_loss[k], loss, rtol=1e-12)
        np.testing.assert_allclose(fast.held_out_loss[k], fresh, rtol=1e-12)
        np.testing.assert_allclose(fast.factors[k], [path[t] for t in kept], rtol=0, atol=1e-12)
    np.testing.assert_allclose(fast.eigenvalues, np.linalg.eigvalsh(given.X)[:-3:-1], rtol=1e-13)


def test_scaling_the_target_scales_every_distance():
    """(U*, U₀, η) → (sU*, sU₀, η/s²): distances × s², losses × s⁴."""
    rng, s = np.random.default_rng(2), 3.0
    given = dense(rng, 6, 2, 60).fast
    scaled = given._replace(factor=s * given.factor, target=s**2 * given.target)
    U = 0.1 * rng.standard_normal((2, 6, 6))
    eta = 0.1 / given.eigenvalues[0]
    one, other = (
        _trajectories.descend(*run, 100, np.array([0, 100]))
        for run in ((given, U, eta), (scaled, s * U, eta / s**2))
    )
    np.testing.assert_allclose(other.distance, s**2 * one.distance, rtol=1e-12)
    np.testing.assert_allclose(other.training_loss, s**4 * one.training_loss, rtol=1e-12)
    np.testing.assert_allclose(other.held_out_loss, s**4 * one.held_out_loss, rtol=1e-12)


def test_an_escaping_start_leaves_the_others_alone():
    rng = np.random.default_rng(3)
    given = dense(rng, 4, 1, 30).fast
    U = np.multiply.outer([0.1, 100.0], rng.standard_normal((4, 4)))
    eta = 0.1 / given.eigenvalues[0]
    both = _trajectories.descend(given, U, eta, 30, np.array([30]))
    alone = _trajectories.descend(given, U[:1], eta, 30, np.array([30]))
    assert not np.isfinite(both.distance[1, -1])
    np.testing.assert_allclose(both.distance[0], alone.distance[0], rtol=1e-13)


def test_the_target_does_not_depend_on_the_number_of_measurements():
    few, many = (
        _problem.draw(np.random.default_rng(0), _problem.Config(**TINY | {"oversampling": m}))
        for m in (1, 10)
    )
    np.testing.assert_array_equal(few.factor, many.factor)
    np.testing.assert_array_equal(few.target, many.target)


# --- configuration ---


@pytest.mark.parametrize(
    ("config", "change", "rule"),
    [
        (_problem.Config, {"rank": 11}, "rank 11 > size 10"),
        (_problem.Config, {"step": 0.5}, "step 0.5 ≥ 0.5"),
        (_problem.Config, {"step": 2}, "step 2 ≥ 0.5"),
        (exact.Config, {"fit": [1e-5, 1e-12]}, "fit .* lower end first"),
        (exact.Config, {"fit": [1e-5, 1e-5]}, "fit .* lower end first"),
        (exact.Config, {"fit": [1e-5]}, "fit"),
        (exact.Config, {"rank": 11}, "rank 11 > size 10"),
        (exact.Config, {"fit": [1e-15, 1e-5]}, "1e-13 .below is rounding"),
        (exact.Config, {"fit": [1e-12, 0.1]}, "1e-3 .above nothing is linear"),
        (
            exact.Config,
            {"oversampling": 0.5},
            "m = 10 < 34, .* no two matrices of rank 2 fit alike",
        ),
        (
            exact.Config,
            {"step": 0.4},
            "step 0.4 ≥ 0.29.* the largest curvature of a sample may repel",
        ),
        (overparam.Config, {"alphas": [0.1]}, "alphas: .* 0.1, .* not a small start"),
        (overparam.Config, {"steps": 1}, "steps 1"),
        (scarce.Config, {"alphas": [1e-2, 1e-1]}, "alphas: .* 0.01, .* not a small start"),
        (scarce.Config, {"alphas": [1e-5]}, "two at least"),
        (scarce.Config, {"oversampling": 10}, "X[*] may be the only fit"),
        (scarce.Config, {"oversampling": 2}, "oversampling 2 < 3"),
        (scarce.Config, {"claim_found": 1}, "claim_found 1 ≥ 1"),
        (overparam.Config, {"alphas": []}, r"alphas \[\]"),
        (overparam.Config, {"alphas": [1e-2, 1e-3]}, "increasing"),
        (scarce.Config, {"alphas": [1e-3, 1e-3]}, "increasing"),
        (scarce.Config, {"step": 0.7}, "step 0.7 ≥ 0.5"),
    ],
)
def test_bad_numbers_are_refused_by_rule(config, change, rule):
    base = {_problem: TINY, exact: EXACT, overparam: SWEEP, scarce: SCARCE}
    good = next(block for module, block in base.items() if module.Config is config)
    config(**good)
    with pytest.raises(ValidationError, match=rule):
        config(**good | change)


def test_the_reported_steps_are_the_milestones_reached_and_the_end():
    config = _problem.Config(**TINY | {"milestones": [0, 50, 999, 1000, 1001, 10], "snapshots": 4})
    assert config.reported == [0, 10, 50, 999, 1000]
    kept = config.snapshot_steps
    assert set(config.reported) <= set(kept)
    assert (np.diff(kept) > 0).all()


@pytest.mark.parametrize(("d", "r", "threshold"), [(100, 5, 2770), (40, 2, 449.5), (30, 3, 276)])
def test_uniqueness_threshold_is_the_statistical_dimension(d, r, threshold):
    """dim of the tangent space plus half of that of the (d − r) × (d − r) symmetric matrices."""
    assert _problem.uniqueness_threshold(d, r) == threshold
    tangent = d * (d + 1) / 2 - (d - r) * (d - r + 1) / 2
    assert threshold == tangent + (d - r) * (d - r + 1) / 4


# --- experiments ---

BLOCKS = [(exact, EXACT), (overparam, SWEEP), (scarce, SCARCE)]


@pytest.mark.long
@pytest.mark.parametrize(("module", "block"), BLOCKS)
def test_the_claim_holds_at_toy_size(module, block):
    result = outcome(module, block)
    assert result.verdict == "holds", (result.no_claim, broken(result))


def test_the_smallest_problem_there_is_runs():
    smallest = {"size": 1, "rank": 1, "replicates": 1, "snapshots": 1, "milestones": []}
    assert outcome(exact, EXACT | smallest).verdict != "does not hold"


def test_rate_of_an_exponential_is_its_base():
    curve = 3 * 0.93 ** np.arange(500)
    within = _linearised.within_fit(curve, (1e-12, 1e-5))
    assert _linearised.rate_over(curve, within) == pytest.approx(0.93, rel=1e-12)


def test_rate_of_too_few_points_is_unknown():
    curve = np.array([1, 1e-6, 1e-7, 1e-13])
    assert np.isnan(_linearised.rate_over(curve, _linearised.within_fit(curve, (1e-12, 1e-5))))


@pytest.mark.long
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"steps": 5}, "steps 5: at R = r 1 of X[*] may be left"),
        ({"rank": 10, "oversampling": 5}, "of X[*] may be left"),
        ({"start": 1e3, "steps": 50}, "2 of 2 runs left float64"),
        ({"start": 0.5}, "‖U₀U₀ᵀ‖ is about"),
        ({"fit": [1e-6, 1.02e-6]}, "fewer than 3 steps of 2 runs"),
    ],
)
def test_exact_claims_nothing_where_it_presupposes_more(change, reason):
    result = outcome(exact, EXACT | change)
    assert result.verdict == "no claim"
    assert any(re.search(reason, one) for one in result.no_claim), result.no_claim


@pytest.mark.long
@pytest.mark.parametrize(
    ("module", "block", "change", "reason"),
    [
        (overparam, SWEEP, {"steps": 60}, "still falls faster than 1/t"),
        (overparam, SWEEP, {"oversampling": 2}, "m = 40 < max.δ [+] 3 of its spread"),
        (overparam, SWEEP, {"rank": 10}, "the last direction emerges"),
        (scarce, SCARCE, {"steps": 60}, "of the largest α is .* still falls"),
        (scarce, SCARCE, {"alphas": [1e-5, 1e3], "steps": 600}, "2 of 4 runs left float64"),
        (scarce, SCARCE, {"alphas": [1e-5, 1e-3]}, "no further than U = 0"),
    ],
)
def test_a_sweep_claims_nothing_where_it_presupposes_more(module, block, change, reason):
    result = outcome(module, block | change)
    assert result.verdict == "no claim", broken(result)
    assert any(re.search(reason, one) for one in result.no_claim), result.no_claim


@pytest.mark.long
def test_a_start_that_leaves_float64_does_not_disturb_the_small_ones():
    result = outcome(overparam, SWEEP | {"alphas": [1e-4, 1e3]})
    assert result.verdict == "holds", (result.no_claim, broken(result))
    assert "slope" in result.unchecked


@pytest.mark.long
def test_a_sweep_of_one_scale_has_no_slope_to_check():
    result = outcome(overparam, SWEEP | {"alphas": [1e-3]})
    assert [check.name for check in result.checks] == ["held_out_loss", "relative_distance"]


@pytest.mark.long
def test_recovery_is_claimed_of_every_replicate_and_every_start(monkeypatch):
    descended = overparam.overparameterised

    def one_elsewhere(config):
        data = descended(config)
        data["relative_distance"][1, 0] += 0.4
        return data

    monkeypatch.setattr(overparam, "overparameterised", one_elsewhere)
    assert "relative_distance" in broken(outcome(overparam, SWEEP))


@pytest.mark.long
def test_growth_of_the_error_is_claimed_of_every_replicate(monkeypatch):
    descended = overparam.overparameterised

    def one_upside_down(config):
        data = descended(config)
        data["relative_distance"][0] = data["relative_distance"][0].values[::-1]
        return data

    monkeypatch.setattr(overparam, "overparameterised", one_upside_down)
    assert "slope_above_zero" in broken(outcome(overparam, SWEEP))


@pytest.mark.long
@pytest.mark.parametrize("factor", [0.5, 2])
def test_a_wrong_hessian_is_caught(monkeypatch, factor):
    right = _problem.hessian
    monkeypatch.setattr(_problem, "hessian", lambda problem: factor * right(problem))
    assert "rate" in broken(outcome(exact, EXACT))


@pytest.mark.long
def test_a_gradient_of_the_wrong_size_is_caught(monkeypatch):
    """A longer step, still stable: it recovers X*, at another rate."""
    monkeypatch.setattr(_trajectories, "unpack", lambda x: 2 * unpack(x))
    assert "rate" in broken(outcome(exact, EXACT))


@pytest.mark.long
def test_held_out_measurements_of_another_size_are_caught(monkeypatch):
    drawn = _problem.draw

    def louder(rng, config):
        given = drawn(rng, config)
        return given._replace(held_out=np.sqrt(2) * given.held_out)

    monkeypatch.setattr(_trajectories, "draw", louder)
    assert broken(outcome(overparam, SWEEP)) == {"held_out_loss"}


@pytest.mark.long
def test_the_linearised_run_is_the_run_close_to_the_target():
    """ρ of the last e-folds agrees with that of Δ ← (1 − ηH)Δ to the nonlinear part, and H matters."""
    result = outcome(exact, EXACT)
    rate, expected = result.data["rate"], result.data["rate_predicted"]
    assert float(abs(rate - expected).max()) < 1e-5
    assert float(abs(rate - result.data["rate_bound"]).max()) < 0.02


@pytest.mark.long
def test_results_do_not_depend_on_the_number_of_processes(monkeypatch):
    config = exact.Config(**EXACT)
    alone = exact.run(config)
    monkeypatch.setattr("descent.maths.replicates.cpu_count", lambda: 2)
    together = exact.run(config)
    assert together.data.identical(alone.data)
    assert [one.worst for one in together.checks] == [one.worst for one in alone.checks]


@pytest.mark.long
def test_a_replicate_does_not_depend_on_how_many_there_are():
    two, three = (outcome(exact, EXACT | {"replicates": n}) for n in (2, 3))
    assert three.data.isel(replicate=slice(2)).identical(two.data)


# --- counts that no machine has room or time for ---


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"replicates": 10**6, "steps": 10**4}, "replicates 1000000, .* GiB at once"),
        ({"steps": 10**7, "replicates": 10**5}, "(steps|iterations) 10000000: .* GiB at once"),
        ({"size": 10**5}, "size 100000: making G needs .* GiB"),
        ({"size": 60, "steps": 10**7, "replicates": 1}, "GiB|about .* hours"),
    ],
)
@pytest.mark.parametrize(("module", "block"), BLOCKS)
def test_what_does_not_fit_is_refused_before_it_is_drawn(monkeypatch, module, block, change, rule):
    monkeypatch.setattr("descent.sensing._trajectories.replicate", None)
    monkeypatch.setattr(module, "replicate", None, raising=False)
    block = block | change | {"snapshots": 5, "milestones": []}
    if module is not exact:
        block |= {"alphas": [1e-9, 1]}
    with pytest.raises(Refusal, match=rule):
        outcome(module, block)

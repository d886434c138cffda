"""Matrix sensing against dense measurements, autograd and closed forms."""

from types import SimpleNamespace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

import oracles
from descent.sensing import _problem, _trajectories, exact, overparam, scarce
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
}
EXACT = TINY | {"start": 0.01, "recovered": 1e-6, "fit": [1e-12, 1e-5]}
SWEEP = TINY | {"alphas": [1e-4, 1e-3, 1e-2]}
SCARCE = TINY | {
    "size": 16,
    "rank": 1,
    "oversampling": 3.5,
    "steps": 800,
    "alphas": [1e-5, 0.3],
    "recovered": 0.05,
    "interpolated": 1e-9,
}


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setattr("descent.maths.replicates.cpu_count", lambda: 1)


def broken(module, block: dict) -> set[str]:
    """The names of the checks that do not hold."""
    result = module.run(module.Config(**block))
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
    spectrum = exact.hessian_spectrum(given.fast)
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
    spectrum = exact.hessian_spectrum(population(factor))
    np.testing.assert_allclose(spectrum, expected, rtol=0, atol=1e-13 * expected[-1])
    assert expected[-1] == pytest.approx(4 * lam[0], rel=1e-15)


def test_hessian_spectrum_approaches_the_population_with_many_measurements():
    config = _problem.Config(**TINY | {"size": 4, "oversampling": 10_000})
    drawn = _problem.draw(np.random.default_rng(0), config)
    p, m, lam = 10, config.measurements, drawn.eigenvalues
    spectrum = exact.hessian_spectrum(drawn)
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

RATE = {"rate_at_most_slowest_mode", "rate_at_least_slow_bundle"}
HELD_OUT = "held_out_loss_over_half_squared_distance"


@pytest.mark.parametrize(
    ("module", "block"), [(exact, EXACT), (overparam, SWEEP), (scarce, SCARCE)]
)
def test_every_check_holds_at_toy_size(module, block):
    assert broken(module, block) == set()


def test_the_smallest_problem_there_is_runs():
    smallest = {"size": 1, "rank": 1, "replicates": 1, "snapshots": 1, "milestones": []}
    assert not broken(exact, EXACT | smallest) & {"recovered", "zero_modes"}


def test_rate_of_an_exponential_is_its_base():
    curve = 3 * 0.93 ** np.arange(500)
    assert exact.observed_rate(curve, (1e-12, 1e-5)) == pytest.approx(0.93, rel=1e-12)


def test_rate_of_too_few_points_is_unknown():
    assert np.isnan(exact.observed_rate(np.array([1, 1e-6, 1e-7, 1e-13]), (1e-12, 1e-5)))


def test_a_run_too_short_claims_no_recovery():
    assert broken(exact, EXACT | {"steps": 5}) == {"recovered", *RATE}


def test_too_few_measurements_claim_no_recovery():
    assert broken(exact, EXACT | {"oversampling": 0.5}) >= {"recovered", "zero_modes"}


def test_divergence_with_few_factors_breaks_every_check_of_the_run():
    change = {"start": 1e3, "steps": 50}
    assert broken(exact, EXACT | change) == {"recovered", HELD_OUT, *RATE}


@pytest.mark.parametrize("alphas", [[1e-3, 1e3], [1e3, 1e4]])
def test_divergence_of_a_sweep_breaks_checks_and_nothing_else(alphas):
    change = {"alphas": alphas, "steps": 50}
    slope = f"error_grows/alpha_{alphas[0]:g}_to_{alphas[1]:g}"
    assert broken(overparam, SWEEP | change) >= {slope, HELD_OUT}
    largest = {"largest_alpha_interpolates", "largest_alpha_is_worse_than_zero"}
    assert broken(scarce, SCARCE | change) >= {HELD_OUT, *largest}


def test_a_sweep_of_one_scale_has_no_slope_to_check():
    result = overparam.run(overparam.Config(**SWEEP | {"alphas": [1e-3], "steps": 20}))
    assert [check.name for check in result.checks] == [HELD_OUT]


def test_recovery_is_claimed_of_every_replicate():
    one, other = sorted(exact.run(exact.Config(**EXACT)).data["relative_distance"].values[:, -1])
    assert "recovered" in broken(exact, EXACT | {"recovered": np.sqrt(one * other)})
    assert broken(exact, EXACT | {"recovered": 1.01 * other}) == set()


def test_growth_of_the_error_is_claimed_of_every_replicate(monkeypatch):
    descended = overparam.overparameterised

    def one_upside_down(config):
        data = descended(config)
        data["relative_distance"][0] = data["relative_distance"][0].values[::-1]
        return data

    monkeypatch.setattr(overparam, "overparameterised", one_upside_down)
    assert len([name for name in broken(overparam, SWEEP) if "error_grows" in name]) == 2


@pytest.mark.parametrize("factor", [0.5, 2])
def test_a_wrong_hessian_is_caught(monkeypatch, factor):
    spectrum = exact.hessian_spectrum
    monkeypatch.setattr(exact, "hessian_spectrum", lambda problem: factor * spectrum(problem))
    assert len(broken(exact, EXACT) & RATE) == 1


def test_a_gradient_of_the_wrong_size_is_caught(monkeypatch):
    """A longer step, still stable: it recovers X*, at another rate."""
    monkeypatch.setattr(_trajectories, "unpack", lambda x: 2 * unpack(x))
    assert broken(exact, EXACT) == {"rate_at_least_slow_bundle"}


def test_held_out_measurements_of_another_size_are_caught(monkeypatch):
    drawn = _problem.draw

    def louder(rng, config):
        given = drawn(rng, config)
        return given._replace(held_out=np.sqrt(2) * given.held_out)

    monkeypatch.setattr(_trajectories, "draw", louder)
    assert broken(overparam, SWEEP) == {HELD_OUT}


def test_a_wrong_threshold_is_caught(monkeypatch):
    """The count of unknowns of a linear problem in place of the cone's."""
    monkeypatch.setattr(scarce, "uniqueness_threshold", lambda d, r: d * r - r * (r - 1) / 2)
    assert broken(scarce, SCARCE) == {"fewer_measurements_than_threshold"}


def test_above_the_threshold_a_large_start_ends_nowhere_else():
    failed = broken(scarce, SCARCE | {"oversampling": 10})
    assert failed >= {"fewer_measurements_than_threshold", "largest_alpha_is_worse_than_zero"}


def test_results_do_not_depend_on_the_number_of_processes(monkeypatch):
    config = exact.Config(**EXACT)
    alone = exact.run(config)
    monkeypatch.setattr("descent.maths.replicates.cpu_count", lambda: 2)
    together = exact.run(config)
    assert together.data.identical(alone.data)
    assert together.checks == alone.checks


def test_a_replicate_does_not_depend_on_how_many_there_are():
    two, three = (exact.run(exact.Config(**EXACT | {"steps": 20, "replicates": n})) for n in (2, 3))
    assert three.data.isel(replicate=slice(2)).identical(two.data)

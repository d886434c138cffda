"""What measurements, noise, width and start decide in matrix sensing, against closed forms and planted errors."""

import re

import numpy as np
import pytest
from pydantic import ValidationError

import oracles
from descent.sensing import (
    _noisy,
    _phases,
    _psd,
    _saddles,
    _sample,
    _surplus,
    noise,
    plateau,
    recovery,
    uniqueness,
    width,
)
from descent.sensing._problem import hessian_spectrum, pack, sense, unpack
from descent.sensing._trajectories import descend, narrowed
from harness import remembering
from toy import toy_params

MODULES = {m.__name__.rpartition(".")[2]: m for m in (uniqueness, recovery, plateau, width, noise)}
TOY = toy_params()["sensing"]


def outcome(name: str, **changes):
    return MODULES[name].run(MODULES[name].Config(**TOY[name] | changes))


def broken(name: str, **changes) -> set[str]:
    """The names of the checks that do not hold."""
    return {check.name for check in outcome(name, **changes).checks if not check.holds}


def noisy(rng, d: int, r: int, m: int, sigma: float):
    """A problem with the dense A_i it was made of, and y."""
    A, factor = rng.standard_normal((m, d, d)), rng.standard_normal((d, r))
    xi = sigma * rng.standard_normal(m)
    y = np.einsum("mij,ij->m", A, factor @ factor.T) + xi
    return sense(factor, oracles.rows_of(A), xi), A, y


# --- noise in the gradient ---


def test_the_gradient_with_noise_is_that_of_the_loss_over_dense_measurements():
    rng = np.random.default_rng(0)
    given, A, y = noisy(rng, 5, 2, 12, sigma=3.0)
    U = rng.standard_normal((2, 5, 4))
    fast = oracles.step_of(given, U)
    for one, g in zip(U, fast, strict=True):
        auto = oracles.autograd(oracles.sensing_loss, one, A, y)
        np.testing.assert_allclose(g, auto, rtol=0, atol=1e-13 * np.abs(fast).max())


def test_descent_with_noise_follows_the_naive_loop():
    rng = np.random.default_rng(1)
    given, A, y = noisy(rng, 4, 1, 30, sigma=0.5)
    start = 0.3 * rng.standard_normal((4, 4))
    eta = 0.1 / given.eigenvalues[0]
    run = descend(given, start[None], eta, 20, np.array([20]))
    U = start
    for _ in range(20):
        U = U - eta * oracles.sensing_gradient(U, A, y)
    np.testing.assert_allclose(run.factors[0, 0], U, rtol=0, atol=1e-12)


def test_starts_of_two_widths_do_not_see_each_other():
    rng = np.random.default_rng(2)
    given, *_ = noisy(rng, 5, 2, 30, sigma=0.0)
    W = 0.1 * rng.standard_normal((5, 5))
    eta = 0.1 / given.eigenvalues[0]
    both = descend(given, np.stack([narrowed(W, 2), W]), eta, 50, np.array([50]))
    alone = descend(given, W[None, :, :2], eta, 50, np.array([50]))
    assert (both.factors[0, 0, :, 2:] == 0).all()
    np.testing.assert_allclose(both.factors[0, 0, :, :2], alone.factors[0, 0], rtol=1e-11)


# --- least squares over X ⪰ 0 ---


def test_least_squares_inside_the_cone_is_the_normal_equation():
    rng = np.random.default_rng(3)
    factor, S = 3 * np.eye(4), rng.standard_normal((40, 10))
    given = sense(factor, S, 0.1 * rng.standard_normal(40))
    end = _psd.least_squares(given, np.zeros((4, 4)), 10_000, 1e-13)
    x = given.target + np.linalg.solve(S.T @ S / 40, given.offset)
    assert np.linalg.eigvalsh(unpack(x))[0] > 0
    # The error is the residual over the smallest eigenvalue of G, about (1 − √(10/40))².
    np.testing.assert_allclose(pack(end.X), x, rtol=0, atol=1e-11)


def test_least_squares_on_the_boundary_meets_the_kkt_conditions():
    """X ⪰ 0, ∇f ⪰ 0, ⟨X, ∇f⟩ = 0."""
    rng = np.random.default_rng(4)
    given, *_ = noisy(rng, 6, 1, 40, sigma=1.0)
    end = _psd.least_squares(given, np.eye(6), 10_000, 1e-12)
    slope = oracles.step_of(given, np.eye(6)[None])[0]  # that of U = 1 is 2∇f(1), so shift it to X
    slope = slope / 2 + unpack(_psd.apply(given.gram, pack(end.X - np.eye(6))[None])[0])
    values = np.linalg.eigvalsh(end.X)
    assert values[0] >= -1e-12 * values[-1]
    assert (values < 1e-10 * values[-1]).sum() >= 1
    assert np.linalg.eigvalsh(slope)[0] >= -1e-9
    assert abs(np.vdot(slope, end.X)) < 1e-9


@pytest.mark.parametrize("p", [1, 3, 55])
def test_the_largest_eigenvalue_is_bounded_closely(p):
    d = int((np.sqrt(8 * p + 1) - 1) / 2)
    S = np.random.default_rng(p).standard_normal((2 * p + 1, p))
    top = np.linalg.eigvalsh(S.T @ S / len(S))[-1]
    bound = _psd.largest_eigenvalue(sense(np.ones((d, 1)), S))
    assert top * (1 - 1e-12) <= bound <= 1.03 * top


def test_projection_is_the_nearest_positive_semidefinite_matrix():
    M = np.diag([2.0, -3.0, 0.5])
    np.testing.assert_allclose(_psd.projected(M), np.diag([2.0, 0, 0.5]), atol=1e-15)


# --- every experiment: a wrong formula, a setting where the claim does not hold, a refusal ---


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "function", "wrong", "caught"),
    [
        ("plateau", "unabsorbed", lambda factor, W: np.linalg.svd(W, compute_uv=False) ** 2, {"error_at_infinity"}),
        (
            "width",
            "found_at",
            lambda pulls, eta, U: np.array([100 / U.shape[1]]),
            {"gain"},
        ),
        ("noise", "least_squares_error", lambda m, p: np.sqrt(8 * p / m), {"exact"}),
        ("noise", "cone_error", lambda m, delta: np.sqrt(delta / m / 4), {"limit_at_most"}),
    ],
)  # fmt: skip
def test_a_wrong_formula_is_caught(monkeypatch, name, function, wrong, caught):
    monkeypatch.setattr(MODULES[name], function, wrong)
    monkeypatch.setattr(MODULES[name], "measure", remembering(MODULES[name].measure))
    assert broken(name) >= caught


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("uniqueness", {"iterations": 3}, "iterations 3: in 4 of 4 problems"),
        ("recovery", {"steps": 200}, "of X[*] may be left at the end"),
        ("recovery", {"large": 1e3, "steps": 50}, "runs left float64"),
        ("plateau", {"steps": 60}, "not settled"),
        ("plateau", {"alphas": [1e-5, 1e3], "steps": 60}, "runs left float64"),
        (
            "plateau",
            {"replicates": 6, "oversampling": [4, 10]},
            "replicates 6: slopes are known to",
        ),
        ("plateau", {"alphas": [0.01, 0.1], "replicates": 6}, "do not depend on the starts"),
        ("width", {"steps": 5}, "1 of X[*] may be left"),
        ("width", {"alphas": [0.1, 10]}, "runs left float64"),
        ("noise", {"steps": 300}, "R = d has come to its end at no σ"),
        ("noise", {"iterations": 2}, "iterations 2: least squares ends"),
        ("noise", {"sigmas": [2]}, "even the smallest drowns X[*]|left float64"),
    ],
)
def test_nothing_is_claimed_where_more_is_presupposed(name, change, reason):
    result = outcome(name, **change)
    assert result.verdict == "no claim", broken(name, **change)
    assert any(re.search(reason, one) for one in result.no_claim), result.no_claim


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "change", "unchecked"),
    [
        ("width", {"alphas": [0.1]}, "gain"),
        ("width", {"oversampling": 3}, "gain"),
        ("width", {"alphas": [1e-7]}, None),
        ("width", {"size": 3, "rank": 2, "widths": [2, 3], "oversampling": 20}, None),
        ("noise", {"alpha": 1e-2, "sigmas": [0.1, 1]}, "best"),
        ("plateau", {"oversampling": [1, 10]}, "slope"),
        ("uniqueness", {"replicates": 1}, None),
    ],
)
def test_no_false_alarm_where_little_can_be_checked(name, change, unchecked):
    result = outcome(name, **change)
    assert not broken(name, **change)
    assert result.checks
    assert unchecked is None or unchecked in result.unchecked


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("uniqueness", {"rank": 13}, "rank 13 > size 12"),
        ("uniqueness", {"rank": 12, "ratios": [0.9, 0.95, 1, 1.05]}, "rank 12 = size"),
        ("uniqueness", {"ratios": [1, 1.0001]}, "m of ratios"),
        ("uniqueness", {"claim_found": 0.1}, "claim_found, claim_elsewhere"),
        ("uniqueness", {"ratios": [1]}, "must reach from"),
        ("uniqueness", {"ratios": [0.3, 2]}, "too wide to place it"),
        ("recovery", {"oversampling": [10]}, "must reach from below dof"),
        ("recovery", {"oversampling": [0.5, 1]}, "must reach from below dof"),
        ("recovery", {"oversampling": [0.5, 2, 10]}, "no m from 4dr = 64 to below δ = 76"),
        ("recovery", {"small": 0.01}, "small 0.01 may leave"),
        ("noise", {"rank": 8}, "R = r and R = d are one"),
        ("width", {"rank": 16, "widths": [16, 20]}, "no direction is left"),
        ("plateau", {"replicates": 3}, "replicates 3 < 6"),
        ("recovery", {"small": 0.1, "large": 0.01}, "small, large"),
        ("recovery", {"oversampling": []}, "oversampling"),
        ("recovery", {"step": 0.5}, "step 0.5 ≥ 0.5"),
        ("width", {"step": 0.45}, "largest curvature of a sample"),
        ("plateau", {"alphas": [1e-3]}, "a slope needs at least 2"),
        ("width", {"widths": [3, 16]}, r"widths \[3, 16\] must go on from the rank 2"),
        ("plateau", {"size": 3, "rank": 3}, "rank 3 = size"),
        ("width", {"widths": [2]}, r"widths \[2\]"),
        ("noise", {"oversampling": 2}, "least squares has no finite error"),
        ("noise", {"size": 2, "rank": 1, "oversampling": 1}, "least squares has no finite error"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        MODULES[name].Config(**TOY[name] | change)


# --- single formulas ---


def test_a_run_that_has_not_converged_is_counted_neither_way():
    data = outcome("uniqueness", iterations=3).data
    assert (data["undecided"] == 1).all()
    assert (data["found"] + data["missed"] == 0).all()
    assert data["place"].isnull().all()


def test_the_transition_is_halfway_between_the_last_miss_and_the_next_find():
    m = np.array([10, 20, 30, 40])
    found = np.array([[0, 0, 1, 1], [0, 0, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 0, 1]], bool)
    missed = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 1, 0]], bool)
    expected = [(25, 5), (30, 10), (5, 5), (np.nan, np.nan), (35, 5)]
    for one, other, place in zip(found, missed, expected, strict=True):
        np.testing.assert_array_equal(uniqueness.transition(m, one, other), place)


def test_uniqueness_in_one_dimension_is_one_measurement():
    """X ≥ 0 a number: every m ≥ 1 determines it."""
    data = outcome("uniqueness", size=1, rank=1, ratios=[1, 2, 3]).data
    assert (data["found"] == 1).all()


@pytest.mark.parametrize(
    ("median", "expected"),
    [([1, 1e-3, 1e-3], 20), ([1e-3] * 3, 10), ([1] * 3, 31), ([1e-3, 1, 1e-3], 30), ([1, np.nan, 0], 30)],
)  # fmt: skip
def test_what_is_needed_is_enough_from_there_on(median, expected):
    assert recovery.needed(np.array([10, 20, 30]), np.array(median), 0.1) == expected


def test_what_a_start_leaves_at_infinity_is_its_part_outside_signal_and_rows():
    """With X* along e₁, W = diag(w): the rows of VᵀW are along e₁, and W_⊥ is the rest of W."""
    factor, W = np.array([[2.0], [0], [0]]), np.diag([5.0, 3, 4])
    np.testing.assert_allclose(_surplus.unabsorbed(factor, W), [16, 9, 0], rtol=1e-14, atol=1e-14)
    assert _surplus.norm_after(np.array([16.0, 9]), 0.1, 0) == pytest.approx(np.hypot(9, 16))
    shared = np.array([[1.0, 1], [1, 1]])  # what lies in the rows of the signal goes with it
    assert _surplus.unabsorbed(np.array([[1.0], [0]]), shared) == pytest.approx(0, abs=1e-14)


def test_surplus_decays_as_its_own_gradient_descent():
    """s ← s(1 − 2ηs²), which 1/s² + 4ηt solves to first order in η."""
    mu, eta, s = np.array([0.5, 0.2]), 1e-4, np.sqrt([0.5, 0.2])
    for _ in range(20_000):
        s = s * (1 - 2 * eta * s**2)
    assert _surplus.norm_after(mu, eta, 20_000) == pytest.approx(np.linalg.norm(s**2), rel=1e-4)


def test_the_spread_of_the_transition_is_that_of_the_intrinsic_volumes():
    """Var V = Var ‖ΠG‖² − 2δ of a Gaussian matrix G and its positive part; O(1) is left out at n = 30."""
    rng, n = np.random.default_rng(8), 30
    A = rng.standard_normal((4000, n, n))
    values = np.linalg.eigvalsh((A + A.mT) / 2)
    square = np.sum(np.maximum(values, 0) ** 2, -1)
    spread = np.sqrt(square.var() - 2 * square.mean())
    assert spread == pytest.approx(_sample.transition_spread(n, 0), rel=0.12)


@pytest.mark.long
def test_what_may_remain_bounds_what_does():
    rng = np.random.default_rng(9)
    for _ in range(10):
        factor, start = rng.standard_normal((8, 2)) / np.sqrt(8), 0.01 * rng.standard_normal((8, 2))
        given = sense(factor, rng.standard_normal((300, 36)))
        eta = 0.1 / given.eigenvalues[0]
        path = descend(given, start[None], eta, 400, np.array([0]))
        spectrum = hessian_spectrum(given)
        for T in (50, 100, 200, 400):
            relative = path.distance[0, T] / np.linalg.norm(given.target)
            assert relative <= _phases.remaining(factor, start, eta, T, 300, spectrum) + 1e-14


def test_the_population_problem_measures_everything():
    factor = np.random.default_rng(5).standard_normal((4, 2))
    given = _surplus.population(factor)
    U = np.random.default_rng(6).standard_normal((1, 4, 3))
    expected = 2 * (U @ U.mT - factor @ factor.T) @ U
    np.testing.assert_allclose(oracles.step_of(given, U), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("columns", "left"), [(2, 2.0), (3, np.sqrt(8))])
def test_a_direction_grows_from_what_the_earlier_leave_it(columns, left):
    W = np.array([[1.0, 0, 0], [1, 2, 2], [9, 9, 9]])[:, :columns]
    pulls, eta = np.array([np.diag([3.0, 2, 0]), np.diag([0.0, 2, 0])]), 0.01
    times = _saddles.found_at(pulls, eta, 1e-6 * W)
    expected = np.log(np.sqrt([3, 2]) / np.array([1e-6, left * 1e-6])) / np.log1p([0.06, 0.04])
    np.testing.assert_allclose(times, expected, rtol=1e-12)


def test_least_squares_error_is_that_of_monte_carlo():
    rng = np.random.default_rng(7)
    S, xi = rng.standard_normal((4000, 40, 6)), rng.standard_normal((4000, 40))
    x = np.linalg.solve(S.mT @ S, np.einsum("kmp,km->kp", S, xi)[..., None])[..., 0]
    measured = np.sqrt(np.mean(np.sum(x**2, 1)))
    # Relative standard error √(2/6)/(2√4000), times 4.
    assert measured == pytest.approx(_noisy.least_squares_error(40, 6), rel=0.02)


@pytest.mark.parametrize("name", MODULES)
def test_results_do_not_depend_on_the_number_of_processes(monkeypatch, name):
    quick = {"steps": 30} if name != "uniqueness" else {"iterations": 30}
    alone = outcome(name, **quick)
    monkeypatch.setattr("descent.maths.replicates.cpu_count", lambda: 2)
    assert outcome(name, **quick).data.identical(alone.data)

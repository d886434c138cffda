"""What measurements, noise, width and start decide in matrix sensing, against closed forms and planted errors."""

import numpy as np
import pytest
from pydantic import ValidationError

import oracles
from descent.sensing import _psd, noise, plateau, recovery, uniqueness, width
from descent.sensing._problem import pack, sense, unpack
from descent.sensing._trajectories import descend, narrowed
from toy import toy_params

MODULES = {m.__name__.rpartition(".")[2]: m for m in (uniqueness, recovery, plateau, width, noise)}
TOY = {name: toy_params()["sensing"][name] for name in MODULES}


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setattr("descent.maths.replicates.cpu_count", lambda: 1)


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


@pytest.mark.parametrize(
    ("name", "function", "wrong", "caught"),
    [
        (
            "uniqueness",
            "uniqueness_threshold",
            lambda d, r: d * (d + 1) / 2,
            {"mean_transition"},
        ),
        (
            "recovery",
            "uniqueness_threshold",
            lambda d, r: d * (d + 1),
            {"large_alpha_needs_the_threshold"},
        ),
        ("recovery", "degrees_of_freedom", lambda d, r: 4 * d * r, {"exact_needs_its_degrees_of_freedom"}),
        ("plateau", "left_over", lambda factor, W: np.linalg.norm(W @ W.T), {"error_at_infinity"}),
        (
            "width",
            "head_start",
            lambda M, r, W, widths: (np.log(np.array(widths) / widths[0]) ** 2, np.linalg.eigvalsh(M)[-r] / 4),
            {"gain_over_the_rank"},
        ),
        ("noise", "least_squares_error", lambda m, p: np.sqrt(2 * p / m), {"exact_over_predicted/sigma_0.1"}),
        ("noise", "cone_error", lambda m, delta: np.sqrt(delta / m), {"limit_over_predicted/sigma_0.5"}),
    ],
)  # fmt: skip
def test_a_wrong_formula_is_caught(monkeypatch, name, function, wrong, caught):
    monkeypatch.setattr(MODULES[name], function, wrong)
    more = {"replicates": 24, "steps": 300} if name == "noise" else {}  # its toy spread is wide
    assert broken(name, **more) >= caught


@pytest.mark.parametrize(
    ("name", "change", "failed"),
    [
        ("uniqueness", {"iterations": 3}, {"mean_transition", "decided"}),
        ("recovery", {"oversampling": [0.5, 0.75]}, {"exact_to_rounding", "large_alpha_recovers"}),
        ("recovery", {"steps": 5}, {"exact_to_rounding"}),
        ("recovery", {"large": 1e3, "steps": 50}, {"large_alpha_recovers"}),
        ("plateau", {"steps": 60}, {"exponential_fall_is_over"}),
        ("plateau", {"alphas": [1e-5, 1e3], "steps": 60}, {"slope_at_infinity"}),
        ("width", {"steps": 5}, {"exact_at_the_rank", "gain_over_the_rank"}),
        ("width", {"oversampling": 0.5}, {"exact_at_the_rank"}),
        ("noise", {"steps": 100}, {"late_over_exact", "late_over_limit"}),
        ("noise", {"iterations": 2, "steps": 50}, {"least_squares_is_solved"}),
    ],
)
def test_a_claim_that_does_not_hold_says_so(name, change, failed):
    assert broken(name, **change) >= failed


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("uniqueness", {"rank": 13}, "rank 13 > size 12"),
        ("uniqueness", {"ratios": [1, 1.0001]}, "m of ratios"),
        ("uniqueness", {"recovered": 0.1}, "recovered, elsewhere"),
        ("recovery", {"small": 0.1, "large": 0.01}, "small, large"),
        ("recovery", {"oversampling": []}, "oversampling"),
        ("recovery", {"step": 0.5}, "step 0.5 ≥ 0.5"),
        ("plateau", {"alphas": [1e-3]}, "a slope needs at least 2"),
        ("width", {"widths": [3, 16]}, r"widths \[3, 16\] must begin with the rank 2"),
        ("plateau", {"size": 3, "rank": 3}, "rank 3 = size"),
        ("width", {"steps": 1}, "a tail needs at least 2"),
        ("width", {"widths": [2]}, r"widths \[2\]"),
        ("noise", {"oversampling": 2}, "least squares has no finite error"),
        ("noise", {"size": 2, "rank": 2, "oversampling": 1}, "least squares has no finite error"),
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


def test_the_transition_is_halfway_between_the_last_miss_and_the_next_find():
    m = np.array([10, 20, 30, 40])
    found = np.array([[0, 0, 1, 1], [0, 0, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 0, 1]], bool)
    missed = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 1, 0]], bool)
    expected = [25, 30, np.nan, np.nan, 35]  # between two, one undecided, never, never, the last
    np.testing.assert_array_equal(uniqueness.transitions(m, found, missed), expected)


def test_uniqueness_in_one_dimension_is_one_measurement():
    """X ≥ 0 a number: every m ≥ 1 determines it."""
    data = outcome("uniqueness", size=1, rank=1, ratios=[1, 2, 3]).data
    assert (data["found"] == 1).all()


@pytest.mark.parametrize(
    ("median", "expected"),
    [([1, 1e-3, 1e-3], 20), ([1e-3] * 3, 10), ([1] * 3, np.inf), ([1e-3, 1, 1e-3], 30), ([1, np.nan, 0], 30)],
)  # fmt: skip
def test_what_is_needed_is_enough_from_there_on(median, expected):
    assert recovery.needed(np.array([10, 20, 30]), np.array(median), 0.1) == expected


def test_what_a_start_leaves_at_infinity_is_its_part_outside_signal_and_rows():
    """With X* along e₁, W = diag(w): the rows of VᵀW are along e₁, and W_⊥ is the rest of W."""
    factor, W = np.array([[2.0], [0], [0]]), np.diag([5.0, 3, 4])
    assert plateau.left_over(factor, W) == pytest.approx(np.hypot(9, 16), rel=1e-14)
    shared = np.array([[1.0, 1], [1, 1]])  # what lies in the rows of the signal goes with it
    assert plateau.left_over(np.array([[1.0], [0]]), shared) == pytest.approx(0, abs=1e-14)


def test_the_population_problem_measures_everything():
    factor = np.random.default_rng(5).standard_normal((4, 2))
    given = plateau.population(factor)
    U = np.random.default_rng(6).standard_normal((1, 4, 3))
    expected = 2 * (U @ U.mT - factor @ factor.T) @ U
    np.testing.assert_allclose(oracles.step_of(given, U), expected, rtol=0, atol=1e-12)


def test_the_head_start_of_the_last_direction_is_what_the_earlier_leave_it():
    W = np.array([[1.0, 0, 0], [1, 2, 2], [9, 9, 9]])
    folds, growth = width.head_start(np.diag([3.0, 2, 0]), 2, W, (2, 3))
    assert growth == pytest.approx(2, rel=1e-14)
    np.testing.assert_allclose(folds, [0, np.log(np.sqrt(8) / 2)], rtol=1e-13, atol=1e-14)


def test_least_squares_error_is_that_of_monte_carlo():
    rng = np.random.default_rng(7)
    S, xi = rng.standard_normal((4000, 40, 6)), rng.standard_normal((4000, 40))
    x = np.linalg.solve(S.mT @ S, np.einsum("kmp,km->kp", S, xi)[..., None])[..., 0]
    measured = np.sqrt(np.mean(np.sum(x**2, 1)))
    # Relative standard error √(2/6)/(2√4000), times 4.
    assert measured == pytest.approx(noise.least_squares_error(40, 6), rel=0.02)


@pytest.mark.parametrize("name", MODULES)
def test_results_do_not_depend_on_the_number_of_processes(monkeypatch, name):
    quick = {"steps": 30} if name != "uniqueness" else {"iterations": 30}
    alone = outcome(name, **quick)
    monkeypatch.setattr("descent.maths.replicates.cpu_count", lambda: 2)
    assert outcome(name, **quick).data.identical(alone.data)

"""Linear regression: reference numbers, slow twins of the compiled runs, wrong formulas, and traps."""

import numpy as np
import pytest
from pydantic import ValidationError

from descent.linear import adagrad, overparameterised, plane, problem, row_space, underparameterised
from descent.maths import optimisers, quadratic
from toy import toy_params

BLOCKS = toy_params()["linear"]
MODULES = {
    "underparameterised": underparameterised,
    "overparameterised": overparameterised,
    "plane": plane,
    "row_space": row_space,
    "adagrad": adagrad,
}


def failed(name: str, **changes) -> set[str]:
    module = MODULES[name]
    result = module.run(module.Config(**BLOCKS[name] | changes))
    return {c.name for c in result.checks if not c.holds}


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("underparameterised", {"samples": 2}, "samples 2 < features 3: many w fit"),
        ("underparameterised", {"step": 2}, "step 2 ≥ 2 .in 1/β.: gradient descent diverges"),
        ("overparameterised", {"samples": 12}, "samples 12 ≥ features 12"),
        ("overparameterised", {"fewer": [2, 12]}, "samples 12 ≥ features 12"),
        ("overparameterised", {"step": 2.5}, "diverges"),
        ("plane", {"step": 0.2}, "step 0.2 ≥ 1/‖x‖² = 0.2"),
        ("plane", {"x": [0, 0]}, "every w fits or none"),
        ("plane", {"x": [1, 2, 3]}, "at most 2"),
        ("row_space", {"samples": 12}, "the rows span everything"),
        ("row_space", {"step": 1}, "less than 1"),
        ("row_space", {"batches": [3, 1]}, "increasing"),
        ("adagrad", {"x": [1, 0]}, "a zero among them"),
        ("adagrad", {"t": 0}, "a zero among them"),
        ("adagrad", {"etas": [1]}, "two at least"),
        ("adagrad", {"targets": [1]}, "1 targets"),
        ("adagrad", {"samples": [[1, 2], [3, 4]]}, "d > 2"),
        ("adagrad", {"samples": [[1, 2, 3], [2, 4, 6]]}, "depend on each other"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        MODULES[name].Config(**BLOCKS[name] | change)


def test_reference_of_the_gaussian_problem():
    """X, then w*, of default_rng(0), 20 × 50; measured independently."""
    p = problem.draw(np.random.default_rng(0), 20, 50)
    fit = np.linalg.lstsq(p.X, p.t)[0]
    assert np.linalg.norm(fit) == pytest.approx(4.306285938929, abs=5e-13)
    assert p.eigenvalues[[0, -1]] == pytest.approx([13.222715907656, 0.719972559854], abs=5e-12)
    assert np.square(p.across(p.truth)).sum() == pytest.approx(19.4880324757, abs=5e-10)
    q = problem.modes(p, np.zeros(50), fit)
    gamma = 1 / float(p.eigenvalues[0])
    assert quadratic.first_within(q, gamma, 1e-16) == 296
    path = problem.descend(p.X, p.t, np.zeros(50), gamma, np.array([400]), fit, 1e-16)
    assert path.first[0] == 296


def test_descent_is_the_naive_loop():
    p = problem.draw(np.random.default_rng(1), 4, 7)
    w0 = np.random.default_rng(2).standard_normal(7)
    w, path = w0.copy(), [w0.copy()]
    for _ in range(30):
        w = w - 0.05 * 2 / 4 * p.X.T @ (p.X @ w - p.t)
        path.append(w)
    fast = problem.descend(p.X, p.t, w0, 0.05, np.arange(31), w0, -1.0).theta
    np.testing.assert_allclose(fast, path, rtol=0, atol=1e-13)
    np.testing.assert_allclose(p.X @ p.across(w0), 0, atol=1e-14)
    np.testing.assert_allclose(p.across(p.X.T @ p.t), 0, atol=1e-13)


# --- underparameterised, overparameterised ---


@pytest.mark.parametrize(
    "change", [{"step": 1.9, "steps": 3000}, {"start": 1e3, "steps": 3000}, {"features": 1}]
)
def test_other_numbers_hold(change):
    assert failed("underparameterised", **change) == set()
    assert (
        failed("overparameterised", **change | ({"features": 8} if "features" in change else {}))
        == set()
    )


def test_a_run_cut_short_has_not_arrived():
    """The trap: the claim is about the limit."""
    short = {"every_start_ends_at_the_fit", "run_is_long_enough"}
    assert failed("underparameterised", steps=10) == short
    caught = failed("overparameterised", steps=10)
    assert {"ends_at_the_nearest_solution", "run_is_long_enough"} <= caught
    assert "null_component_of_w_k_less_w_0" not in caught


def test_as_many_samples_as_features_still_fit():
    """XᵀX is invertible at n = d too, but so nearly singular that no run of this length arrives."""
    caught = failed("underparameterised", samples=10, features=10)
    assert "noiseless_fit_is_the_truth" not in caught
    assert "run_is_long_enough" in caught


def test_a_wrong_rate_is_caught(monkeypatch):
    """Eigenvalues σ²/n, without the 2 of the square."""
    monkeypatch.setattr(
        problem.Regression, "eigenvalues", property(lambda p: p.sigma**2 / len(p.X))
    )
    assert "distance_mode_by_mode" in failed("underparameterised", step=0.4)
    assert "distance_mode_by_mode" in failed("overparameterised", step=0.4)


def test_a_wrong_limit_is_caught(monkeypatch):
    """The shortest solution, wherever the run starts."""
    right = overparameterised.project
    monkeypatch.setattr(overparameterised, "project", lambda X, t, a, h: right(X, t, 0 * a, h))
    assert "ends_at_the_nearest_solution" in failed("overparameterised")


def test_a_wrong_mean_risk_is_caught(monkeypatch):
    """‖w*‖² n/d, the part that is seen."""
    right = overparameterised.missed
    monkeypatch.setattr(overparameterised, "missed", lambda *given: 1 - right(*given))
    assert "mean_risk_in_standard_errors" in failed("overparameterised", replicates=200, steps=1)


def test_a_wrong_noise_is_caught(monkeypatch):
    """σ² tr (XᵀX)⁻¹ from the singular values themselves, not their squares."""
    right = problem.regression

    def wrong(X, truth):
        p = right(X, truth)
        return p._replace(sigma=np.sqrt(p.sigma))

    monkeypatch.setattr(problem, "regression", wrong)
    assert "noisy_risk_over_predicted" in failed("underparameterised", replicates=20, steps=1)


# --- plane ---


def test_hand_values_of_the_plane():
    result = plane.run(plane.Config(**BLOCKS["plane"] | {"step": 0.05, "steps": 60}))
    found = result.metrics
    assert (found["gradient_1"], found["gradient_2"]) == (-8, -4)
    assert (found["limit_1"], found["limit_2"]) == pytest.approx((0.8, 0.4), abs=1e-15)
    assert found["limit_norm"] == pytest.approx(2 / 5**0.5, abs=1e-15)
    assert found["factor"] == pytest.approx(0.5, abs=1e-15)
    assert all(check.holds for check in result.checks)


@pytest.mark.parametrize(
    "change",
    [
        {"x": [0, -3], "t": -1},
        {"step": 0.18},
        {"t": 0},
        {"x": [1e-3, 2e-3], "step": 1e5, "steps": 150},
    ],
)
def test_other_lines_hold(change):
    assert failed("plane", **change) == set()


def test_a_wrong_projection_is_caught(monkeypatch):
    """Along x, but not scaled by ‖x‖²."""
    monkeypatch.setattr(plane, "nearest", lambda x, t, w: w + (t - w @ x)[..., None] * x / 4)
    assert {"path_as_predicted", "ends_at_the_nearest_solution"} <= failed("plane")


def test_ten_steps_do_not_arrive():
    assert failed("plane", steps=10) == {"ends_at_the_nearest_solution", "ends_on_the_line"}


# --- row_space ---


def test_every_batch_size_holds_near_the_largest_step():
    assert failed("row_space", step=0.9, steps=20000, start=0) == set()


def test_a_run_that_leaves_the_rows_is_caught(monkeypatch):
    """Adam on the same batches."""
    right = problem.descend

    def leaving(X, t, start, gamma, kept, limit, level, batches=None):
        path = optimisers.adapt(X, t, start, 0.01, 1e-8, optimisers.adam(0.9, 0.999), batches, kept)
        return right(X, t, start, gamma, kept, limit, level, batches)._replace(theta=path)

    monkeypatch.setattr(problem, "descend", leaving)
    assert {"stays_in_the_row_space", "ends_at_the_nearest_solution"} <= failed("row_space")


def test_a_run_slower_than_the_bound_is_caught(monkeypatch):
    """Steps of a fortieth, as if the mean were a sum over forty samples."""
    right = problem.descend
    monkeypatch.setattr(
        problem, "descend", lambda X, t, w, gamma, *rest: right(X, t, w, gamma / 40, *rest)
    )
    assert "mean_square_over_bound" in failed("row_space")


def test_a_hundred_steps_do_not_arrive():
    assert failed("row_space", steps=100) == {"ends_at_the_nearest_solution"}


# --- adagrad ---

TABLE = {
    0.01: [0.5468847354, 0.7120382729, 0.3883845125],
    0.1: [0.5401658804, 0.7225964736, 0.3941435311],
    0.5: [0.5272365734, 0.7429139561, 0.4052257942],
    1: [0.4294937858, 0.8965097650, 0.4890053264],
    2: [0.3708978089, 0.9885891574, 0.5392304495],
}
SAMPLES, TARGETS = np.array([[2, 1, 0.5], [1, -1, 3]]), np.array([2.0, 1.0])


def run_adagrad(X, t, eta, epsilon, steps) -> np.ndarray:
    start, full = np.zeros(X.shape[1]), optimisers.full_batch(len(X))
    return optimisers.adapt(
        X, t, start, float(eta), float(epsilon), optimisers.adagrad(), full, np.array([steps])
    )[0]


@pytest.mark.parametrize("eta", TABLE)
def test_reference_limits(eta):
    limit = run_adagrad(SAMPLES, TARGETS, eta, adagrad.NONE, 100_000)
    assert limit == pytest.approx(TABLE[eta], abs=1e-10)


@pytest.mark.parametrize(
    ("epsilon", "limit"),
    [
        (1e-2, [0.66683385, 0.66633230]),
        (1.0, [0.68059646, 0.63880708]),
        (10.0, [0.72560018, 0.54879963]),
    ],
)
def test_reference_of_epsilon(epsilon, limit):
    end = run_adagrad(np.array([[2.0, 1.0]]), np.array([2.0]), 0.1, epsilon, 50_000)
    assert end == pytest.approx(limit, abs=6e-9)


def test_adagrad_is_the_naive_loop():
    w, G = np.zeros(3), np.zeros(3)
    for _ in range(50):
        g = SAMPLES.T @ (SAMPLES @ w - TARGETS)  # 2/n = 1
        G += g * g
        w -= 0.1 * g / (np.sqrt(G) + 1e-3)
    np.testing.assert_allclose(run_adagrad(SAMPLES, TARGETS, 0.1, 1e-3, 50), w, rtol=1e-13)


@pytest.mark.parametrize(
    "change", [{"x": [3, -1, 0.5], "t": -2}, {"x": [5.0], "t": 1.234567}, {"epsilon_rate": 1.0}]
)
def test_other_samples_hold(change):
    caught = failed("adagrad", **change)
    # In one dimension there is one solution, which every ε leads to.
    assert caught == set()


def test_the_shortest_solution_as_the_limit_is_caught(monkeypatch):
    """The plausible wrong claim: every method in the span of x ends at t x/‖x‖²."""
    right = optimisers.adapt

    def descend(X, t, start, rate, epsilon, memory, batches, kept):
        if len(X) > 1:
            return right(X, t, start, rate, epsilon, memory, batches, kept)
        return problem.descend(X, t, start, 0.05, kept, start, -1.0).theta

    monkeypatch.setattr(optimisers, "adapt", descend)
    assert {"adagrad_ends_at_the_corner", "all_three_stay_on_the_ray"} <= failed("adagrad")


def test_a_wrong_first_order_is_caught(monkeypatch):
    right = adagrad.first_order
    monkeypatch.setattr(adagrad, "first_order", lambda *given: 2 * right(*given))
    assert failed("adagrad") == {"first_order_in_epsilon"}


@pytest.mark.parametrize(
    "change",
    [
        {
            "rms_decay": 0,
            "x": [3, -1, 0.5],
            "t": -2,
        },  # sign descent: a lattice, no cycle of its own
        {"rms_decay": 0.1},
        {"rms_decay": 0.999},
        {"rms_decay": 0.9999},
        {"momentum": 0.5, "decay": 0},  # no bound: m by a g that is next to 0
        {"momentum": 0.5},
        {"momentum": 0.5, "decay": 0.3},
        {"momentum": 0, "decay": 0},
    ],
)
def test_other_memories_end_where_they_may(change):
    assert failed("adagrad", **change) == set()


@pytest.mark.parametrize("decay", [0.3, 0.9])
def test_the_overshoot_bounds_every_run_past_the_point(decay):
    x, k = np.array([[1.0]]), np.arange(3000)
    for momentum in (0.0, 0.3, 0.5):
        memory = optimisers.adam(momentum, decay)
        path = optimisers.adapt(
            x, np.ones(1), np.zeros(1), 0.01, adagrad.NONE, memory, optimisers.full_batch(1), k
        )[:, 0]
        past = np.argmax(path > 1)
        bound = adagrad.overshoot(momentum, decay, len(k), True)
        assert 0 < np.abs(path[past:] - 1).max() / 0.01 <= bound < 40


def test_a_limit_that_is_wrong_is_no_overshoot(monkeypatch):
    """The trap: a run that never came to the point."""
    monkeypatch.setattr(adagrad, "overshoot", lambda *given: 0.1)
    caught = failed("adagrad")
    assert {"rmsprop_ends_within_its_overshoot", "adam_ends_within_its_overshoot"} <= caught


def test_a_rate_too_small_has_not_arrived():
    """The trap: AdaGrad's steps add up to 2η√K at most, less than the way."""
    caught = failed("adagrad", etas=[1e-5, 1], steps=2000)
    assert {"adagrad_ends_at_the_corner", "limits_are_solutions"} <= caught


@pytest.mark.parametrize("name", ["underparameterised", "overparameterised"])
def test_near_the_limit_of_stability_rounding_stays_that_much_longer(name):
    assert "distance_mode_by_mode" not in failed(name, step=1.999)


@pytest.mark.parametrize("name", ["underparameterised", "overparameterised"])
def test_no_crossing_is_predicted_where_rounding_decides(name):
    assert failed(name, near=1e-30) == set()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("features", [2, 5])
def test_a_single_sample_is_met_in_one_step(features):
    assert failed("row_space", samples=1, features=features, batches=[1], step=0.5) == set()

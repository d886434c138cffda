"""Linear regression: reference numbers, slow twins of the compiled runs, wrong formulas, and traps."""

import numpy as np
import pytest
from pydantic import ValidationError

import harness
from descent.linear import (
    _adaptive,
    _problem,
    overparameterised,
    plane,
)
from descent.maths import coordinatewise, optimisers, quadratic


def result(name: str, **changes):
    return harness.run(f"linear@{name}", **changes)


def failed(name: str, **changes) -> set[str]:
    return {c.name for c in result(name, **changes).checks if not c.holds}


def untold(name: str, **changes) -> str:
    """Why nothing is claimed; no check fails."""
    found = result(name, **changes)
    assert found.verdict == "no claim"
    return " ".join(found.no_claim)


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("underparameterised", {"samples": 2}, "samples 2 < features 3: many w fit"),
        ("underparameterised", {"step": 2}, "step 2 ≥ 2 .in 1/β.: gradient descent diverges"),
        ("underparameterised", {"replicates": 10**9}, "GiB"),
        ("underparameterised", {"steps": 10**12}, "steps 1000000000000: about .* hours"),
        ("overparameterised", {"samples": 12}, "samples 12 ≥ features 12"),
        ("overparameterised", {"step": 2.5}, "diverges"),
        ("risk", {"samples": [2, 12]}, "samples 12 ≥ features 12"),
        ("risk", {"replicates": 2**31}, "GiB"),
        ("plane", {"step": 0.2}, "step 0.2 ≥ 1/‖x‖² = 0.2"),
        ("plane", {"x": [0, 0]}, "every w fits or none"),
        ("plane", {"x": [1, 2, 3]}, "at most 2"),
        ("plane", {"x": [1e200, 0]}, "of a size from 1e-100 to 1e.100"),
        ("plane", {"steps": 10}, "steps 10 < 93"),
        ("plane", {"step": 1e-30}, "steps 150 < inf"),
        ("plane", {"margin": 1e-9}, "more than 10⁷ steps"),
        ("row_space", {"samples": 12}, "the rows span everything"),
        ("row_space", {"step": 1}, "less than 1"),
        ("row_space", {"batches": [3, 1]}, "increasing"),
        ("row_space", {"steps": 10**10}, "GiB"),
        ("adagrad", {"etas": [1]}, "two at least"),
        ("adagrad", {"etas": [1e-5, 1]}, "2η√K"),
        ("adagrad", {"etas": [1, 1e300]}, "increasing|float64|etas"),
        ("adagrad", {"targets": [1]}, "1 targets"),
        ("adagrad", {"targets": [0, 0]}, "all are 0"),
        ("adagrad", {"samples": [[1, 2], [3, 4]]}, "d > 2"),
        ("adagrad", {"samples": [[1, 2, 3], [2, 4, 6]]}, "depend on each other"),
        ("one_sample", {"x": [1, 0]}, "a zero among them"),
        ("one_sample", {"t": 0}, "a zero among them"),
        ("one_sample", {"etas": [1e-6]}, "2η√K"),
        ("epsilon", {"epsilons": [1e-6, 1]}, "on both sides"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        harness.config_of(f"linear@{name}", **change)


def test_reference_of_the_gaussian_problem():
    """X, then w*, of default_rng(0), 20 × 50; measured independently."""
    p = _problem.draw(np.random.default_rng(0), 20, 50)
    fit = np.linalg.lstsq(p.X, p.t)[0]
    assert np.linalg.norm(fit) == pytest.approx(4.306285938929, abs=5e-13)
    assert p.eigenvalues[[0, -1]] == pytest.approx([13.222715907656, 0.719972559854], abs=5e-12)
    assert np.square(p.across(p.truth)).sum() == pytest.approx(19.4880324757, abs=5e-10)
    q = _problem.modes(p, np.zeros(50), fit)
    gamma = 1 / float(p.eigenvalues[0])
    assert quadratic.first_within(q, gamma, 1e-16) == 296
    path = _problem.descend(p.X, p.t, np.zeros(50), gamma, np.array([400]), fit, 1e-16)
    assert path.first[0] == 296


def test_descent_is_the_naive_loop():
    p = _problem.draw(np.random.default_rng(1), 4, 7)
    w0 = np.random.default_rng(2).standard_normal(7)
    w, path = w0.copy(), [w0.copy()]
    for _ in range(30):
        w = w - 0.05 * 2 / 4 * p.X.T @ (p.X @ w - p.t)
        path.append(w)
    fast = _problem.descend(p.X, p.t, w0, 0.05, np.arange(31), w0, -1.0).theta
    np.testing.assert_allclose(fast, path, rtol=0, atol=1e-13)
    np.testing.assert_allclose(p.X @ p.across(w0), 0, atol=1e-14)
    np.testing.assert_allclose(p.across(p.X.T @ p.t), 0, atol=1e-13)


# --- underparameterised, overparameterised, risk ---


@pytest.mark.long
@pytest.mark.parametrize(
    "change", [{"step": 1.9, "steps": 3000}, {"start": 1e3, "steps": 3000}, {"features": 1}]
)
def test_other_numbers_hold(change):
    assert result("underparameterised", **change).verdict == "holds"
    other = {"features": 8} if "features" in change else {}
    assert result("overparameterised", **change | other).verdict == "holds"


@pytest.mark.long
@pytest.mark.parametrize("name", ["underparameterised", "overparameterised"])
def test_a_run_cut_short_claims_nothing(name):
    """The trap: the claim is about the limit."""
    assert "steps 10: the slowest mode of" in untold(name, steps=10)


@pytest.mark.long
def test_as_many_samples_as_features_are_too_near_to_singular_for_these_steps():
    assert "needs more" in untold("underparameterised", samples=10, features=10)


@pytest.mark.long
def test_a_wrong_rate_is_caught(monkeypatch):
    """Eigenvalues σ²/n, without the 2 of the square."""
    monkeypatch.setattr(
        _problem.Regression, "eigenvalues", property(lambda p: p.sigma**2 / len(p.X))
    )
    assert "distance" in failed("underparameterised", step=0.4)
    assert "distance" in failed("overparameterised", step=0.4)


def test_a_wrong_limit_is_caught(monkeypatch):
    """The shortest solution, wherever the run starts."""
    right = overparameterised.project
    monkeypatch.setattr(overparameterised, "project", lambda X, t, a, h: right(X, t, 0 * a, h))
    assert "end" in failed("overparameterised")


@pytest.mark.long
def test_a_wrong_noise_is_caught(monkeypatch):
    """σ² tr (XᵀX)⁻¹ from the singular values themselves, not their squares."""
    right = _problem.regression

    def wrong(X, truth):
        p = right(X, truth)
        return p._replace(sigma=np.sqrt(p.sigma))

    monkeypatch.setattr(_problem, "regression", wrong)
    assert "noisy_risk" in failed("underparameterised", steps=1)


@pytest.mark.long
@pytest.mark.parametrize(("replicates", "features"), [(1, 1), (2, 3), (10, 14)])
def test_the_noisy_risk_is_within_its_bound_whatever_the_seed(replicates, features):
    """The trap: a normal quantile for a sum of a few χ²."""
    for seed in range(8):
        given = {"seed": seed, "replicates": replicates, "features": features, "steps": 1}
        assert "noisy_risk" not in failed("underparameterised", **given)


@pytest.mark.parametrize("replicates", [1, 3, 200])
def test_the_missed_share_is_within_its_bound_whatever_the_seed(replicates):
    for seed in range(20):
        assert failed("risk", seed=seed, replicates=replicates) == set()


# --- plane ---


def test_hand_values_of_the_plane():
    found = result("plane", step=0.05, steps=60)
    assert found.metrics["gradient_1"] == -8
    assert found.metrics["gradient_2"] == -4
    limit = [float(found.metrics[f"limit_{i}"]) for i in (1, 2)]
    assert limit == pytest.approx([0.8, 0.4], abs=1e-15)
    assert found.metrics["limit_norm"] == pytest.approx(2 / 5**0.5, abs=1e-15)
    assert found.metrics["factor"] == pytest.approx(0.5, abs=1e-15)
    assert found.verdict == "holds"


@pytest.mark.parametrize(
    "change",
    [
        {"x": [0, -3], "t": -1},
        {"step": 0.18},
        {"t": 0},
        {"x": [1e-3, 2e-3], "step": 1e5, "steps": 150},
        {"margin": 1e-6},
        {"margin": 0.4999},
        {"starts": [[0, 0]], "t": 0},
        {"starts": [[1e6, -1e6]]},
    ],
)
def test_other_lines_hold(change):
    assert result("plane", **change).verdict == "holds"


def test_a_wrong_projection_is_caught(monkeypatch):
    """Along x, but not scaled by ‖x‖²."""
    right = plane.predict

    def wrong(config, along):
        theory = right(config, along)
        x = np.array(config.x)
        w = config.origins
        return theory.assign(
            limit=theory["limit"].copy(data=w + (config.t - w @ x)[:, None] * x / 4)
        )

    monkeypatch.setattr(plane, "predict", wrong)
    assert "end" in failed("plane")


# --- row_space ---


def test_every_batch_size_holds_near_the_largest_step():
    assert result("row_space", step=0.9, steps=20000, start=0).verdict == "holds"


def test_a_run_that_leaves_the_rows_is_caught(monkeypatch):
    """Adam on the same batches."""
    right = _problem.descend

    def leaving(X, t, start, gamma, kept, limit, level, batches=None):
        path = optimisers.adapt(X, t, start, 0.01, 1e-8, optimisers.adam(0.9, 0.999), batches, kept)
        return right(X, t, start, gamma, kept, limit, level, batches)._replace(theta=path)

    monkeypatch.setattr(_problem, "descend", leaving)
    assert {"unseen_part", "end"} <= failed("row_space")


def test_a_run_slower_than_the_bound_is_caught(monkeypatch):
    """Steps of a fortieth, as if the mean were a sum over forty samples."""
    right = _problem.descend
    monkeypatch.setattr(
        _problem, "descend", lambda X, t, w, gamma, *rest: right(X, t, w, gamma / 40, *rest)
    )
    assert "mean_square" in failed("row_space")


@pytest.mark.parametrize("steps", [1, 100])
def test_too_few_steps_claim_nothing(steps):
    assert f"steps {steps}: the bound lets an end be" in untold("row_space", steps=steps)


def test_three_problems_are_too_few_for_a_mean():
    assert "mean_square" in result("row_space", replicates=3).unchecked


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
    limit = run_adagrad(SAMPLES, TARGETS, eta, _adaptive.NONE, 100_000)
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


@pytest.mark.parametrize("change", [{"x": [3, -1, 0.5], "t": -2}, {"x": [5.0], "t": 1.234567}])
def test_other_samples_hold(change):
    assert result("one_sample", **change).verdict == "holds"
    assert result("epsilon", eta=0.2, **change).verdict == "holds"


def test_the_ray_is_the_run():
    x, t = np.array([3.0, -1.0, 0.5]), -2.0
    run = _adaptive.ends(x[None], np.array([t]), [0.1], optimisers.adagrad(), np.arange(301))[0]
    way = _adaptive.ray(4.5, t, 0.1, 300)
    np.testing.assert_allclose(run, np.outer(way, np.sign(x)), rtol=0, atol=1e-13)


def test_the_shortest_solution_as_the_limit_is_caught(monkeypatch):
    """The plausible wrong claim: every method in the span of x ends at t x/‖x‖²."""

    def descend(X, t, start, rate, epsilon, memory, batches, kept):
        return _problem.descend(X, t, start, 0.05, kept, start, -1.0).theta

    monkeypatch.setattr(optimisers, "adapt", descend)
    assert {"adagrad_ends_at_the_corner", "direction_of_the_end"} <= failed("one_sample")
    assert "spread_of_limits" in failed("adagrad")


@pytest.mark.parametrize("wrong", [-1, 2, 0])
def test_a_wrong_first_order_is_caught(monkeypatch, wrong):
    """A sign, a factor, and the term itself."""
    right = _adaptive.first_order
    monkeypatch.setattr(_adaptive, "first_order", lambda *given: wrong * right(*given))
    assert failed("epsilon") == {"small"}


def test_the_other_end_of_epsilon_is_first_order_too():
    """The error of the first order falls as μ², so by 16 when ε grows 16-fold and μ falls by 4."""
    x, t, kept = np.array([2.0, 1.0]), 2.0, np.array([400_000])
    off = []
    for epsilon in (100.0, 1600.0):
        end = _adaptive.ends(x[None], np.array([t]), [1.0], optimisers.adagrad(), kept, epsilon)
        off.append(np.abs(end[0, 0] - _adaptive.large_epsilon(x, t, 1.0, [epsilon])[0]).max())
    assert off[0] / off[1] == pytest.approx(16, rel=0.2)


@pytest.mark.parametrize(
    "change",
    [
        {"rms_decay": 0, "x": [3, -1, 0.5], "t": -2},  # sign descent: a lattice, no cycle
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
    assert failed("one_sample", **change) == set()


@pytest.mark.parametrize("decay", [0.3, 0.9])
def test_the_overshoot_bounds_every_run_past_the_point(decay):
    x, k = np.array([[1.0]]), np.arange(3000)
    for momentum in (0.0, 0.3, 0.5):
        memory = optimisers.adam(momentum, decay)
        path = optimisers.adapt(
            x, np.ones(1), np.zeros(1), 0.01, _adaptive.NONE, memory, optimisers.full_batch(1), k
        )[:, 0]
        past = np.argmax(path > 1)
        bound = _adaptive.overshoot(momentum, decay, len(k), True)
        assert 0 < np.abs(path[past:] - 1).max() / 0.01 <= bound < 40


def test_a_limit_that_is_wrong_is_no_overshoot(monkeypatch):
    """The trap: a run that never came to the point."""
    monkeypatch.setattr(_adaptive, "overshoot", lambda *given: 0.1)
    assert {"rmsprop_highest", "rmsprop_lowest", "adam_highest"} <= failed("one_sample")


@pytest.mark.parametrize(
    ("name", "steps"), [("one_sample", 150), ("epsilon", 100), ("adagrad", 100)]
)
def test_runs_that_still_approach_the_targets_claim_nothing(name, steps):
    assert "still approaches t" in untold(name, steps=steps)


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        # Rows along the axes: every sample is a problem of its own.
        ({"samples": [[1, 0, 0], [0, 2, 0]], "targets": [1, 1]}, [1, 0.5, 0]),
        ({"samples": [[1, 2, 0], [0, 0, 4]], "targets": [3, 1]}, [1, 1, 0.25]),
        # Coordinates 1 and 3 move alike.
        ({"samples": [[1, 1, 1], [1, -1, 1]], "targets": [3, 1]}, [1, 1, 1]),
        # The second sample is met wherever the first one leads.
        ({"samples": [[1, 1, 1], [1, -1, 0]], "targets": [2, 0]}, [2 / 3, 2 / 3, 2 / 3]),
    ],
)
def test_where_coordinates_move_alike_no_rate_changes_the_limit(change, limit):
    assert "coordinates move alike" in untold("adagrad", **change)
    found = coordinatewise.only_limit(
        np.array(change["samples"], float), np.array(change["targets"], float)
    )
    np.testing.assert_allclose(found, limit, atol=1e-12)
    assert "the_only_limit" in {c.name for c in result("adagrad", **change).checks}


def test_samples_in_general_have_many_limits():
    assert coordinatewise.only_limit(SAMPLES, TARGETS) is None


@pytest.mark.long
@pytest.mark.parametrize("name", ["underparameterised", "overparameterised"])
def test_near_the_limit_of_stability_rounding_stays_that_much_longer(name):
    assert "distance" not in failed(name, step=1.999)


@pytest.mark.long
@pytest.mark.parametrize("name", ["underparameterised", "overparameterised"])
def test_no_crossing_is_predicted_where_rounding_decides(name):
    found = result(name, level=1e-30)
    assert found.verdict == "holds"
    assert "crossing" in found.unchecked


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("features", [2, 5])
def test_a_single_sample_is_met_in_one_step(features):
    changes = {"samples": 1, "features": features, "batches": [1], "step": 0.5}
    assert result("row_space", **changes).verdict == "holds"


# --- forgetting ---


def test_reference_of_adam_with_two_samples():
    mean = result("forgetting", etas=[1e-3], steps=8000).metrics["mean"].sel(rule="Adam")
    np.testing.assert_allclose(mean[0], [0.5383341, 0.7254750, 0.3957136], rtol=0, atol=2e-7)


def test_adam_is_the_naive_loop():
    X, t = np.array([[2, 1, 0.5], [1, -1, 3]]), np.array([2.0, 1])
    w, m, v, tail = np.zeros(3), np.zeros(3), np.zeros(3), []
    for k in range(1, 2001):
        g = 2 / 2 * X.T @ (X @ w - t)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - 0.01 * (m / (1 - 0.9**k)) / np.sqrt(v / (1 - 0.999**k))
        tail.append(w)
    found = result("forgetting", etas=[0.01], steps=2000).metrics["mean"].sel(rule="Adam")[0]
    np.testing.assert_allclose(found, np.mean(tail[-1000:], 0), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"samples": [[1, -1, 1], [1, 1, 1]]}, "move alike"),
        ({"rms_decay": 0}, "too far from the targets"),
        ({"targets": [1e8, 3]}, "too far from the targets"),
    ],
)
def test_where_nothing_can_be_told_of_rules_that_forget(change, reason):
    assert reason in untold("forgetting", **change)


def test_the_shortest_solution_as_an_end_is_caught(monkeypatch):
    """Of gradient descent in place of the two rules."""
    plain = np.linalg.lstsq(np.array([[2, 1, 0.5], [1, -1, 3]]), np.array([2.0, 1]))[0]

    def ends(X, t, etas, memory, kept):
        return np.broadcast_to(plain, (len(etas), len(kept), 3))

    monkeypatch.setattr(_adaptive, "ends", ends)
    assert failed("forgetting") == {"distance_from_the_shortest"}

"""The closed forms of steps and averaged gradients against eigenvalue solvers, symbols, autograd; wrong formulas, and traps."""

import numpy as np
import pytest
import sympy
from pydantic import ValidationError
from scipy.optimize import minimize

from descent.config import Refusal
from descent.dynamics import (
    _landscape,
    _least_squares,
    _modes,
    _notebook,
    critical_step,
    learning_rate,
    momentum_modes,
    momentum_plane,
    momentum_regression,
    momentum_stability,
    momentum_step,
    momentum_trajectories,
    rank_deficient,
)
from descent.dynamics._iterations import iterations, simulated, undecided
from descent.dynamics._kernels import iterations_to_stay
from descent.lab.results import as_report, dumps
from descent.maths import momentum as forms
from harness import config_of, experiments
from harness import run as harness_run

EXAMPLE = np.array([5.0, 0.05])  # σ² of question 2g


def run(name: str, **changes):
    return harness_run(f"dynamics@{name}", **changes)


def full(name: str) -> dict:
    return experiments()[f"dynamics@{name}"].parameters


def broken(name: str, **changes) -> set[str]:
    """The checks that do not hold and the errata that do not stand."""
    result = run(name, **changes)
    return {c.name for c in result.checks if not c.holds} | {
        e.name for e in result.errata if not e.stands
    }


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("learning_rate", {"accuracies": [0.1, 1]}, "accuracies 1 ≥ 1"),
        ("learning_rate", {"squares": [1, 2]}, r"squares \[1, 2\] must be strictly decreasing"),
        ("learning_rate", {"squares": [2]}, "at least 2"),
        ("learning_rate", {"squares": [1e8, 1e-8]}, "squares: the slowest run takes"),
        ("learning_rate", {"squares": [1, 1e-6]}, "squares: the slowest run takes"),
        ("learning_rate", {"sigma": 1e55}, "sigma 1e.55 must lie in"),
        ("learning_rate", {"accuracies": [1e-16]}, "rounding hides it from fractions"),
        ("learning_rate", {"limit": 10}, "fractions: the slowest run takes 166 > limit 10"),
        ("learning_rate", {"limit": 10**9}, "limit 1000000000 > 1000000"),
        (
            "learning_rate",
            {"limit": 10**6, "points": 10_000, "squares": [1 / k for k in range(1, 201)]},
            "limit 1000000: about .* hours",
        ),
        ("learning_rate", {"target": 0}, "target 0: w₀ = 0 is the solution"),
        ("momentum_regression", {"labels": [0, 0]}, "labels .*: all are 0"),
        ("momentum_oscillation", {"normal": [0, 0]}, "no point is on its positive side"),
        ("critical_step", {"margin": 0.1}, "margin · steps = 50 > 9"),
        ("critical_step", {"margin": 0.5, "steps": 1}, "margin 0.5 ≥ 0.5"),
        ("critical_step", {"rows": 10**6}, "rows 1000000 > 5000"),
        ("critical_step", {"inputs": [[1, 2]]}, "inputs: must be 8 rows of 4 numbers"),
        ("momentum_modes", {"targets": [0] * 8}, "targets: all are 0, so w = 0 is the solution"),
        ("momentum_modes", {"targets": [1e30] * 8}, "targets 1e.30 must lie in"),
        ("momentum_modes", {"height": 3}, "the first mode grows by"),
        ("rank_deficient", {"rank": 4}, "rank 4 must be < columns 4"),
        ("momentum_stability", {"beta": 2}, "beta 2 ≥ 2: .* no step is stable"),
        ("momentum_plane", {"squares": [5]}, "a largest and a smallest are at least 2"),
        ("momentum_plane", {"squares": [1e9, 1]}, "squares: κ = 1e.09 must lie between"),
        ("momentum_plane", {"squares": [5, 5]}, "strictly decreasing"),
        ("momentum_plane", {"smallest_beta": 2}, "smallest_beta 2 must lie in 1e-06 … 1.9"),
        ("momentum_plane", {"smallest_step": 200}, "smallest_step < largest_step: 200 < 200"),
        ("momentum_plane", {"largest_step": 1e7}, "largest_step 1e.07 must lie"),
        ("momentum_plane", {"betas": 2001}, "betas 2001 > 2000"),
        ("momentum_stability", {"betas": 1}, "betas 1: a range needs at least 2"),
        ("momentum_stability", {"samples": 10**12}, "samples 1000000000000 > 1000000"),
        ("momentum_trajectories", {"length": 10**9}, "would hide the shape"),
        ("momentum_step", {"squares": [1, 1]}, "strictly decreasing"),
        ("momentum_step", {"accuracy": 1}, "accuracy 1 ≥ 1"),
        ("momentum_step", {"limit": 100}, "limit 100: gradient descent takes 345 iterations"),
        ("polyak", {"grid": 1}, "grid 1: a range needs at least 2"),
        ("polyak", {"limit": 50}, "limit 50: Polyak's point takes 95 iterations"),
        ("polyak", {"squares": [1 + 1e-8, 1]}, "one step solves it"),
        ("momentum_regression", {"points": 2}, "at least 3"),
        ("momentum_regression", {"beta": 2.5}, "no step is stable"),
        ("momentum_oscillation", {"points": 10**9}, "fill the memory"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        config_of(f"dynamics@{name}", **change)


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        (
            "critical_step",
            {"rows": 2, "columns": 2, "inputs": [[1, 0], [0, 2]], "targets": [1, 0]},
            "y has no part in the direction of the largest",
        ),
        (
            "momentum_modes",
            {"rows": 2, "columns": 2, "inputs": [[1, 1], [1, 1.0000001]], "targets": [1, 0]},
            "κ = .* > 1e12",
        ),
        (
            "rank_deficient",
            {"rows": 2, "columns": 2, "rank": 1, "inputs": [[1, 0], [0, 2]]},
            "their rank is 2, not 1",
        ),
        (
            "rank_deficient",
            {"rows": 2, "columns": 2, "rank": 1, "inputs": [[1, 1], [0, 0]], "targets": [0, 1]},
            "no part along",
        ),
        ("rank_deficient", {"rows": 9, "columns": 9, "rank": 8, "seed": 7}, "more than 200000"),
        ("momentum_regression", {"centre": [-3, -100]}, "all labels are 0"),
    ],
)
def test_what_cannot_be_run_is_refused(name, change, rule):
    with pytest.raises(Refusal, match=rule):
        run(name, **change)


# --- learning_rate ---


@pytest.mark.parametrize(
    ("sigma", "eta", "accuracy", "expected"),
    [
        (2, 0.05, 1e-3, 14),
        (2, 0.125, 1e-3, 1),
        (2, 0.24, 1e-3, 83),
        (2, 0.249, 1e-6, 1721),
        (0.5, 3.9, 1e-2, 90),
    ],
)
def test_iterations_of_one_mode(sigma, eta, accuracy, expected):
    rho, epsilon = np.array(1 - 2 * eta * sigma**2), np.array(accuracy)
    found = simulated(np.array(float(sigma)), 3.0, np.array(eta), epsilon, 2000)
    assert iterations(rho, epsilon, 2000) == found == expected
    assert undecided(rho, epsilon, 2000) == 0


def test_an_integer_ratio_leaves_the_decision_to_rounding():
    """ε = ρ³: three iterations or four, and never two or five."""
    rho, epsilon = np.array(0.1), np.array(1e-3)
    assert undecided(rho, epsilon, 100) == 1
    assert iterations(rho, epsilon, 100) in (3, 4)


@pytest.mark.parametrize(
    ("squares", "step", "rate"),
    [((5, 0.05), 0.198019802, 0.980198020), ((9, 1), 0.1, 0.8), ((100, 0.01), 1 / 100.01, None)],
)
def test_best_steps_of_two_modes(squares, step, rate):
    squares = np.array(squares, float)
    assert _least_squares.best_step(squares) == pytest.approx(step, rel=1e-9)
    if rate:
        assert _least_squares.best_rate(squares) == pytest.approx(rate, rel=1e-9)
    count = iterations(np.array(_least_squares.best_rate(squares)), np.array(1e-3), 10**6)
    assert count == {5: 346, 9: 31, 100: 34_539}[int(squares[0])]


def test_the_reference_least_squares():
    config = critical_step.Config(**full("critical_step"))
    given = config.draw()
    found = critical_step.run(config)
    assert found.metrics["condition"] == pytest.approx(7.571797, rel=1e-7)
    assert found.metrics["critical_step"].item() == pytest.approx(0.0261862196, rel=2e-6)
    assert found.metrics["largest_step"] == pytest.approx(0.0261862196, rel=1e-9)
    assert _least_squares.best_step(given.squares) == pytest.approx(0.0231312920, rel=2e-9)
    assert _least_squares.best_rate(given.squares) == pytest.approx(0.7666766970, rel=1e-9)
    ends = found.metrics["error_at_the_end"].values
    assert ends == pytest.approx([3.07e-4, 0.12465, 49.99], rel=2e-3)


@pytest.mark.parametrize("seed", [44, 53, 61, 74, 78, 104])
def test_the_modes_are_known_to_a_rounding_a_step(seed):
    """The trap: seeds at which a bound without ‖y‖/σ₁ was broken."""
    result = critical_step.run(critical_step.Config(**full("critical_step") | {"seed": seed}))
    assert all(check.holds for check in result.checks)


def test_a_threshold_of_half_the_gradient_is_caught(monkeypatch):
    """1 − ησ², as with the loss ½(σw − y)²."""

    def half(rho, epsilon, limit):
        return iterations((1 + rho) / 2, epsilon, limit)

    monkeypatch.setattr(learning_rate, "iterations", half)
    failed = broken("learning_rate", fractions=[0.2, 0.4])
    assert failed >= {"iterations_of_one_mode", "iterations_of_each_mode"}


def test_a_wrong_best_step_is_caught(monkeypatch):
    for module in (learning_rate, rank_deficient):
        monkeypatch.setattr(module, "best_step", lambda s: 0.9 * _least_squares.best_step(s))
    assert "best_step" in broken("learning_rate")
    assert "rate" in broken("rank_deficient")


def test_beyond_the_threshold_nothing_is_reached():
    """The trap: at η_max a cycle of two, above it divergence; predicted, so the claim holds."""
    result = run("learning_rate", fractions=[0.5, 1, 1.5, 40], limit=9000)
    assert all(check.holds for check in result.checks)
    assert (result.data["reached"].values[1:] == 9001).all()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("critical_step", {"rows": 3, "columns": 6}),
        ("critical_step", {"rows": 1, "columns": 1}),
        (
            "critical_step",
            {"rows": 2, "columns": 2, "inputs": [[1, 0], [0, 1]], "targets": [1, -9]},
        ),
        (
            "momentum_modes",
            {"rows": 2, "columns": 2, "inputs": [[1, 2], [2, 4]], "targets": [1, 0]},
        ),
        ("momentum_modes", {"rows": 2, "columns": 5}),
        ("momentum_modes", {"beta": 1}),
        ("momentum_modes", {"beta": 1.7, "height": 0.2}),
        ("momentum_modes", {"height": 1.8, "steps": 30}),
        ("learning_rate", {"squares": [4, 3, 2, 1]}),
        ("learning_rate", {"target": -0.5}),
        ("momentum_regression", {"labels": [-1, 1]}),
        ("momentum_oscillation", {"labels": [2, -3], "normal": [1, 1]}),
        ("rank_deficient", {"rank": 1}),
        (
            "rank_deficient",
            {
                "rows": 2,
                "columns": 3,
                "rank": 2,
                "inputs": [[1, 2, 0], [3, 1, 0]],
                "targets": [1, -1],
            },
        ),
    ],
)
def test_other_shapes_hold_too(name, change):
    assert broken(name, **change) == set()


def test_a_gradient_of_half_the_size_is_caught(monkeypatch):
    """As with the loss ½‖Xw − y‖²."""
    right = momentum_modes.update

    def half(config, given, w, z):
        _, averaged = right(config, given, w, z)
        averaged = ((1 - config.beta) * z + averaged) / 2
        return w - momentum_modes.eta_of(config, given) * averaged, averaged

    monkeypatch.setattr(momentum_modes, "update", half)
    assert broken("momentum_modes") >= {"error", "averaged_gradient", "update"}


# --- maths/momentum ---


def test_the_characteristic_polynomial():
    b, eta, s = sympy.symbols("beta eta s", positive=True)
    R = sympy.Matrix([[1 - b, 2 * b * s], [-eta * (1 - b), 1 - 2 * eta * b * s]])
    lam, h = sympy.symbols("lambda"), eta * b * s
    tau = 2 - b - 2 * h
    p = sympy.expand(R.charpoly(lam).as_expr())
    assert sympy.expand(p - (lam**2 - tau * lam + 1 - b)) == 0
    assert sympy.expand(p.subs(lam, 1) - 2 * h) == 0
    assert sympy.expand(p.subs(lam, -1) - 2 * (2 - b - h)) == 0
    r = sympy.sqrt(1 - b)
    product = ((1 + r) ** 2 - 2 * h) * ((1 - r) ** 2 - 2 * h)
    assert sympy.expand(tau**2 - 4 * (1 - b) - product) == 0


def test_symbolic_eigenvalues_are_the_numeric_ones():
    """Question 2c: the symbols' eigenvalues, at random β < 2, η and σ²; real and complex ones."""
    b, eta, s = sympy.symbols("beta eta s", positive=True)
    R = sympy.Matrix([[1 - b, 2 * b * s], [-eta * (1 - b), 1 - 2 * eta * b * s]])
    roots = sympy.lambdify((b, eta, s), list(R.eigenvals()), "numpy")
    beta, height, square = np.random.default_rng(0).uniform(0.05, 2, (3, 500))
    found = np.array(roots(beta + 0j, height / (beta * square), square))
    seen = np.linalg.eigvals(_modes.system(beta, height / (beta * square), square))
    np.testing.assert_allclose(found.sum(0), seen.sum(1), atol=1e-12)
    np.testing.assert_allclose(found.prod(0), seen.prod(1), atol=1e-11)
    gap = np.square(found[0] - found[1])
    np.testing.assert_allclose(gap, np.square(seen[:, 0] - seen[:, 1]), atol=1e-11)
    assert 100 < np.sum(gap.real < 0) < 400
    np.testing.assert_allclose(gap.real, forms.discriminant(beta, height), atol=1e-11)


@pytest.mark.parametrize(
    ("beta", "eta", "rate"),
    [
        (0.4, 0.792079, 0.90624208),
        (0.6, 0.462046, 0.95219537),
        (0.8, 0.297030, 0.97006611),
        (1.3, 0.106626, 0.98936378),
    ],
)
def test_best_steps_at_a_fixed_beta(beta, eta, rate):
    best = forms.best_steps(beta, 5.0, 0.05)
    assert best.low == best.high == pytest.approx(eta, rel=2e-6)
    assert best.rate == pytest.approx(rate, rel=1e-8)


def test_the_interval_of_best_steps():
    best = forms.best_steps(0.1, 5.0, 0.05)
    assert best == pytest.approx((0.26334039, 3.79736660, 0.9486832981), rel=1e-8)


def test_a_search_ends_at_polyak():
    def rate(point):
        beta, eta = point
        if not (0 < beta < 2 and eta > 0):
            return 9.0
        return float(forms.radius(beta, eta * beta * EXAMPLE).max())

    options = {"xatol": 1e-12, "fatol": 1e-15, "maxiter": 4000}
    found = minimize(rate, [0.4, 0.8], method="Nelder-Mead", options=options)
    joint = forms.polyak(5.0, 0.05)
    assert joint == pytest.approx((0.330578512, 1.0, 0.818181818), rel=2e-9)
    assert found.x == pytest.approx([joint.beta, joint.eta], rel=1e-6)
    assert found.fun >= joint.rate - 1e-12


def test_the_transient_of_a_repeated_root():
    """β = 0.1: |x₁₈| = 13.9767 before the decay."""
    x = forms.trajectory(0.1, forms.repeated(0.1)[1], 1 - 2 * forms.repeated(0.1)[1], np.arange(99))
    assert np.abs(x).argmax() == 18
    assert np.abs(x).max() == pytest.approx(13.9767, rel=1e-5)


@pytest.mark.parametrize(("eta", "expected"), [(2.5, 7.9e-31), (2.95, 1.08e-10), (3.01, 139.94)])
def test_beta_one_half_is_stable_up_to_3(eta, expected):
    h = 0.5 * eta
    x = forms.trajectory(0.5, h, 1 - 2 * h, np.array([200]))
    assert abs(x[0]) == pytest.approx(expected, rel=0.01)


# --- averaged gradients on parallel modes ---


def naive_iterations(beta, eta, accuracy, count):
    """The update as it is written, on w itself."""
    w, z, last = np.zeros(2), np.zeros(2), 0
    for t in range(1, count):
        z = (1 - beta) * z + beta * 2 * (EXAMPLE * w - EXAMPLE)  # w* = (1, 1)
        w = w - eta * z
        if np.abs(w - 1).max() > accuracy:
            last = t
    return last + 1


@pytest.mark.long
def test_iterations_of_the_example():
    eta = [0.26334039, 0.5, 1, 2, 3.762376, 3.79736660, 0.3010, 0.4671, 0.002633404]
    found = iterations_to_stay(np.full(9, 0.1), np.array(eta), EXAMPLE, np.array([1e-3]), 100_000)[
        :, 0
    ]
    assert found.tolist() == [175, 138, 132, 138, 174, 249, 128, 128, 26_175]
    for k in (1, 3, 5):
        assert naive_iterations(0.1, eta[k], 1e-3, 600) == found[k]


def test_a_run_that_leaves_again_has_not_stayed():
    """x₁ is within ε by chance, and the limit is soon after."""
    eta = np.array([0.999 / (2 * 0.1)])
    found = iterations_to_stay(np.array([0.1]), eta, np.array([1.0]), np.array([1e-2]), 2)
    assert found.item() == 2


@pytest.mark.long
def test_the_landscape_of_the_reference():
    found = run("polyak", grid=40)
    assert found.metrics["at_polyak"].values.tolist() == [95, 58, 45]
    assert (np.abs(found.metrics["least"].values - [76, 41, 29]) <= 2).all()


@pytest.mark.long
def test_the_limit_of_the_landscape_is_a_parameter():
    result = run("polyak", squares=[1, 1e-5], limit=20_000, accuracies=[1e-3])
    assert result.verdict == "holds"
    assert result.metrics["at_polyak"].item() > 2000


def test_the_envelope_bounds_a_complex_mode():
    joint = forms.polyak(5.0, 0.05)
    for beta in (0.2, 0.3, 0.33):
        h = joint.eta * beta * EXAMPLE
        r, tau = np.sqrt(1 - beta), forms.trace(beta, h)
        sine = np.sqrt(-forms.discriminant(beta, h)) / (2 * r)
        size = np.hypot(1, (tau / (2 * r) - r) / sine)
        t = np.arange(200)
        x = np.array([forms.trajectory(beta, one, 1 - 2 * one, t) for one in h])
        assert (np.abs(x) <= size[:, None] * r**t * (1 + 1e-9)).all()
        assert (np.abs(x).max(1) > 0).all()
    least = _landscape.envelope(EXAMPLE, np.array([1e-6, 1e-3, 1e-2]))
    assert (least < [95, 58, 45]).all()


def test_the_bound_of_an_entry_is_caught(monkeypatch):
    """|1 − 2ηβσ²| < 1, the document's."""
    monkeypatch.setattr(momentum_stability, "highest", lambda beta: 1 + 0 * beta)
    assert broken("momentum_stability") >= {"edge", "simulated_edge"}


@pytest.mark.parametrize(
    ("name", "wrong", "caught"),
    [
        ("radius", lambda b, h: np.sqrt(np.abs(1 - b)) + 0 * h, {"rate"}),
        ("highest", lambda beta: 1 + 0 * beta, {"edge"}),  # the document's
        ("polyak", lambda top, low: forms.polyak(top, low)._replace(rate=0.95), {"best_rate"}),
    ],
)
def test_a_wrong_plane_of_momentum_is_caught(monkeypatch, name, wrong, caught):
    monkeypatch.setattr(momentum_plane, name, wrong)
    assert broken("momentum_plane") >= caught


def test_the_plane_of_momentum_is_that_of_eigenvalues():
    result = run("momentum_plane", squares=[5, 1, 0.05])
    beta, eta = (result.data[name].values for name in ("beta", "eta"))
    slow = [[_modes.computed_rate(b, [e], np.array([5, 1, 0.05]))[0] for e in eta] for b in beta]
    np.testing.assert_allclose(result.data["rate"], slow, rtol=1e-6)


@pytest.mark.parametrize("grid", [{"betas": 1, "etas": 1}, {"betas": 1}, {"etas": 1}])
def test_a_plane_of_momentum_of_one_row_says_what_it_leaves_out(grid):
    result = run("momentum_plane", **grid)
    assert result.verdict == "holds"
    assert "best_cell" in result.unchecked
    assert ("edge" in result.unchecked) == (grid.get("etas") == 1)


def test_a_wrong_radius_is_caught(monkeypatch):
    """The rate r of complex roots taken for all roots."""
    wrong = lambda b, h: np.sqrt(np.abs(1 - b)) + 0 * h  # noqa: E731
    monkeypatch.setattr(momentum_stability, "radius", wrong)
    assert broken("momentum_stability") == {"radius"}


@pytest.mark.parametrize(
    ("beta", "wrong"), [(0.1, "def"), (0.5, "def"), (0.83, "e"), (0.9, "e"), (0.98, "e")]
)
def test_which_printed_bounds_are_wrong(beta, wrong):
    """Beyond 2√2 − 2 the document has the repeated and the complex roots right, and the real ones wrong."""
    found = run("momentum_stability", beta=0.3, large_beta=beta).errata
    named = [one for one in found if one.name.endswith(f" at β = {beta:g}")]
    assert sorted(one.where[-1] for one in named) == list(wrong)
    assert all(one.stands for one in found)


@pytest.mark.parametrize("beta", [0.1, 0.9])
def test_exchanged_ends_of_the_complex_regime_are_caught(monkeypatch, beta):
    monkeypatch.setattr(momentum_stability, "repeated", lambda b: forms.repeated(b)[::-1])
    assert broken("momentum_stability", beta=beta) >= {"complex_from", "complex_to"}


def test_half_the_best_interval_is_caught(monkeypatch):
    def half(*given):
        best = forms.best_steps(*given)
        return best._replace(high=(best.low + best.high) / 2)

    monkeypatch.setattr(momentum_step, "best_steps", half)
    assert broken("momentum_step") == {"best_step_high"}


def test_a_wrong_trajectory_is_caught(monkeypatch):
    monkeypatch.setattr(
        momentum_trajectories,
        "trajectory",
        lambda b, h, first, t: forms.trajectory(b, h, 1 - h, t),
    )
    assert broken("momentum_trajectories") == {"error"}


@pytest.mark.parametrize("beta", [0.02, 0.5, 0.9, 1, 1.4])
@pytest.mark.parametrize("name", ["momentum_stability", "momentum_trajectories", "momentum_step"])
def test_every_beta_holds(name, beta):
    """Also those that the document has right, and 1 ≤ β < 2, where no root is complex."""
    assert broken(name, beta=beta) == set()


def test_where_two_printed_bounds_are_one_there_is_no_erratum():
    assert broken("momentum_stability", beta=2 * np.sqrt(2) - 2) == set()


def test_what_is_said_of_the_documents_example_is_said_of_no_other():
    assert len(run("momentum_step").errata) == 1
    assert run("momentum_step", beta=0.2).errata == ()


@pytest.mark.long
@pytest.mark.parametrize("squares", [[1.001, 1], [5, 4.9]], ids=str)
def test_polyak_is_beaten_only_where_the_factor_t_costs(squares):
    result = run("polyak", squares=squares)
    assert result.verdict == "no claim"
    assert "the factor t costs no whole iteration" in result.no_claim[0]


@pytest.mark.long
@pytest.mark.parametrize("change", [{"squares": [2, 1]}, {"grid": 3}], ids=str)
def test_polyak_is_beaten_on_other_problems_and_grids(change):
    assert run("polyak", **change).verdict == "holds"


# --- the notebook's regression ---


def test_the_notebooks_problem():
    result = momentum_regression.run(momentum_regression.Config(**full("momentum_regression")))
    found = result.metrics
    assert found["largest_square"] == pytest.approx(9372.652501, rel=1e-9)
    assert found["smallest_square"] == pytest.approx(500.180506, rel=1e-8)
    assert found["least_loss"].item() == pytest.approx(102.75171087273, rel=1e-12)
    assert found["largest_step_averaged"] == pytest.approx(2.4895123e-4, rel=1e-7)
    assert found["excess_gradient_descent"].item() == pytest.approx(5.22243e-8, rel=1e-5)
    assert found["excess_averaged"].item() == pytest.approx(7.466e-9, rel=1e-3)
    assert result.data["iterations"].values.tolist() == [66, 60, 24, 20, 65, 22]
    assert result.verdict == "holds"
    assert len(result.errata) == 2
    assert all(e.stands for e in result.errata)


def test_the_rates_of_the_notebook():
    squares = np.array([9372.652501, 500.180506])
    for beta, eta, rates in (
        (1.0, 1e-4, (0.874531, 0.899964)),
        (0.6, 1e-4, (0.632456, 0.891090)),
        (0.6, 2e-4, (0.632456, 0.737816)),
    ):
        assert forms.radius(beta, beta * eta * squares) == pytest.approx(rates, rel=2e-6)


def test_a_start_from_no_average_is_caught(monkeypatch):
    """z₀ = 0: then x₁ = 1 − 2ηβσ²."""
    monkeypatch.setattr(
        _notebook, "trajectory", lambda b, h, first, t: forms.trajectory(b, h, 1 - 2 * h, t)
    )
    assert broken("momentum_oscillation") >= {"error", "gradient"}
    assert "excess" in broken("momentum_regression")


def test_a_step_too_large_for_descent_alone():
    """The trap: descent diverges at twice the notebook's step, averaging does not."""
    result = run("momentum_regression", points=500, step=2e-4)
    assert result.verdict == "holds"
    assert result.data["iterations"].values[0] == full("momentum_regression")["steps"] + 1


def stated(result) -> set[str]:
    dumps(as_report(result))
    return {check.name for check in result.checks}


@pytest.mark.parametrize("name", ["momentum_oscillation", "momentum_regression"])
@pytest.mark.parametrize(
    "changes",
    [
        {"step": 1},
        {"points": 100_000, "steps": 20},
        {"centre": [100, 0]},
        {"spread": [100, 1]},
        {"points": 500, "step": 1e-4, "beta": 1},
        {"points": 500, "step": 1e-4, "beta": 1.5},
        {"points": 500, "step": 1e-6},
    ],
    ids=str,
)
def test_other_steps_and_weights_claim_nothing_and_break_nothing(name, changes):
    """Overflow among them: what diverges is compared while it is a number."""
    result = run(name, **changes)
    assert result.verdict == "no claim"
    assert all(len(reason) > 20 for reason in result.no_claim)


@pytest.mark.parametrize("name", ["momentum_oscillation", "momentum_regression"])
@pytest.mark.parametrize("changes", [{"seed": 77}, {"centre": [3, 3]}, {"points": 5}], ids=str)
def test_repeated_roots_at_minus_r_do_not_cancel(name, changes):
    """At Polyak's point the roots of one direction meet at −r, where Δ is a rounding of either sign."""
    assert broken(name, **changes) == set()


def test_a_closed_form_just_before_roots_meet_at_minus_r():
    h = forms.repeated(0.6)[1] * (1 - 1e-15)
    near, at = (
        forms.trajectory(0.6, x, 1 - 2 * h, np.arange(20)) for x in (h, forms.repeated(0.6)[1])
    )
    np.testing.assert_allclose(near, at, rtol=1e-12, atol=1e-14)

"""Which solution an optimiser chooses: reference values, slow twins, other settings, and wrong formulas."""

import numpy as np
import pytest

from descent.geometry import _data, _flat, _loops, _potentials, _powers, _sparse, _stagewise
from descent.geometry import mirror_momentum as momentum_experiment
from descent.geometry import reparametrisation as reparametrisation_experiment
from descent.geometry._potentials import Potential, nearest, spread, start_of
from harness import config_of, run

FAMILY = (
    *("losses", "optimisers", "adaptive", "mirror_descent", "mirror_momentum"),
    *("reparametrisation", "sparsity", "signed", "depth", "flat_loss", "coordinate_descent"),
)


def result(name: str, **changes):
    return run(f"geometry@{name}", **changes)


def broken(name: str, **changes) -> set[str]:
    return {check.name for check in result(name, **changes).checks if not check.holds}


@pytest.mark.parametrize(("n", "d", "seed"), [(10, 30, 0), (20, 40, 1), (5, 100, 2)])
@pytest.mark.parametrize("loss", _loops.LOSSES)
def test_every_loss_ends_at_the_projection_of_the_start(n, d, seed, loss):
    X, y, w0 = _data.regression(seed, n, d)
    ran = _loops.mirror(X, y, w0, np.array([0, 20_000]), loss, close=1e-13)
    limit = w0 + np.linalg.lstsq(X, y - X @ w0)[0]
    np.testing.assert_allclose(ran.weights[-1], limit, rtol=0, atol=1e-12 * np.linalg.norm(limit))


def test_reference_steps_for_the_fourth_power():
    """Science file: η = 2e-3 never comes to a solution, 1e-4 does; 2/λ₁ at the limit lies between the two."""
    X, y, _ = _data.regression(3, 10, 30)
    potential, kept = Potential("power", 4), np.array([0, 200_000])
    best = nearest(potential, X, y, np.zeros(30), start_of(potential, X, y))
    most = 2 / spread(potential, X, best.dual)[0]
    for eta in (2e-3, 1e-4):
        named = "square", "power", 4, _loops.NONE, eta, False, 1e-12
        end = _loops.mirror(X, y, np.zeros(30), kept, *named)
        assert (end.steps < kept[-1]) == (eta < most)


def test_the_compiled_loop_is_mirror_descent():
    X, y, _ = _data.nonnegative(0, 4, 9, 5)
    potential, eta = Potential("hypentropy", 0.3), 0.01
    z = np.zeros(9)
    ran = _loops.mirror(X, y, z, np.arange(8), "huber", "hypentropy", 0.3, eta=eta, search=False)
    for k in range(8):
        w = potential.weights(z)
        np.testing.assert_allclose(ran.weights[k], w, rtol=1e-13, atol=1e-15)
        z = z - eta * X.T @ np.clip(X @ w - y, -1, 1)


@pytest.mark.parametrize(
    ("alpha", "eta", "rate"), [(0.1, 0.02, 0.9912371), (1e-4, 0.02, 0.9992296)]
)
def test_reference_rates_of_the_entropy(alpha, eta, rate):
    X, y, _ = _data.nonnegative(0, 10, 30, 4)
    found = nearest(Potential("entropy"), X, y, np.full(30, np.log(alpha)))
    assert 1 - eta * spread(Potential("entropy"), X, found.dual)[-1] == pytest.approx(
        rate, abs=2e-7
    )


def test_reference_rate_of_the_hypentropy():
    X, y, _ = _data.regression(3, 10, 30)
    potential = Potential("hypentropy", 0.1)
    found = nearest(potential, X, y, np.zeros(30))
    assert 1 - 0.008 * spread(potential, X, found.dual)[-1] == pytest.approx(0.9889206, abs=1e-7)


@pytest.mark.parametrize("p", [4, 3, 1.5, 1.2, 1.1])
def test_newton_finds_the_least_power(p):
    """No step along the solutions makes Σ|w|^p smaller."""
    X, y, _ = _data.regression(3, 10, 30)
    potential = Potential("power", p)
    found = nearest(potential, X, y, np.zeros(30), start_of(potential, X, y))
    assert found.residual < 1e-13
    gradient = _data.unseen(X, potential.gradient(found.weights))
    assert np.abs(gradient).max() < 1e-12 * np.abs(potential.gradient(found.weights)).max() + 1e-15


def test_the_gradient_of_every_divergence_is_the_mirror_map():
    rng = np.random.default_rng(0)
    start, w, h = rng.uniform(0.5, 2, 5), rng.uniform(0.5, 2, 5), 1e-6
    A = rng.standard_normal((5, 5))
    for potential in (
        *(Potential("entropy"), Potential("hypentropy", 0.3), Potential("power", 1.5)),
        Potential("quadratic", 2, A @ A.T + np.eye(5)),
    ):
        slope = [
            (potential.divergence(w + e, start) - potential.divergence(w - e, start)) / (2 * h)
            for e in h * np.eye(5)
        ]
        expected = potential.gradient(w) - potential.gradient(start)
        np.testing.assert_allclose(slope, expected, atol=1e-8)
        np.testing.assert_allclose(potential.weights(potential.gradient(w)), w, rtol=1e-12)


@pytest.mark.parametrize(
    ("seed", "n", "d", "k", "gap"),
    [
        (1, 10, 30, 3, 0.408208),
        (2, 20, 50, 5, 0.741438),
        (3, 15, 40, 6, 0.224765),
        (4, 20, 40, 3, 0.964787),
        (5, 40, 100, 5, 0.755338),
        (0, 10, 30, 4, 0.072213),
    ],
)
def test_reference_gaps(seed, n, d, k, gap):
    X, y, u = _data.nonnegative(seed, n, d, k)
    found = _sparse.least_l1(X, y, False)
    assert found.gap == pytest.approx(gap, abs=2e-6)
    np.testing.assert_allclose(found.weights, u, atol=1e-12)


@pytest.mark.parametrize("seed", [11, 12, 21])
def test_slopes_of_several_powers_near_each_other_are_no_false_alarm(seed):
    """They pass their limit and come back to it like α^0.1, which Aitken's rule does not see."""
    changes = {"samples": 20, "features": 50, "sparsity": 4}
    assert result("signed", seed=seed, **changes).verdict == "holds"


def test_reference_exponent_of_both_signs():
    X, y, _ = _data.signed(10, 20, 50, 4)
    assert 2 * _sparse.least_l1(X, y, True).gap == pytest.approx(0.75069, abs=1e-5)


def test_reference_distances_of_gradient_descent_from_its_flow():
    X, y, _ = _data.nonnegative(0, 10, 30, 4)
    best = nearest(Potential("entropy"), X, y, np.full(30, np.log(0.1))).weights
    for eta, distance in ((8e-3, 2.58e-2), (4e-3, 1.24e-2), (2e-3, 6.10e-3)):
        kept = np.array([0, round(24 / eta)])
        end = _powers.descend(X, y, 0.1**0.5, 2, False, eta, kept).u[-1]
        assert np.linalg.norm(end - best) == pytest.approx(distance, rel=5e-3)


def test_a_limit_of_small_steps_is_that_of_a_polynomial():
    etas = np.array([0.4, 0.2, 0.1])
    found = _powers.as_the_step_vanishes(etas, 3 - 2 * etas + 5 * etas**2)
    assert found.value == pytest.approx(3, abs=1e-12)
    assert found.error > 1e-3


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", FAMILY)
def test_no_false_alarm_at_other_seeds(name, seed):
    assert result(name, seed=seed).verdict in ("holds", "no claim")


OTHER = [
    ("losses", {"samples": 1, "features": 2}),
    ("losses", {"samples": 8}),
    ("losses", {"start": 1e6}),
    ("losses", {"start": 1e-6, "losses": ["quartic"]}),
    ("losses", {"limit": 3}),
    ("optimisers", {"samples": 1, "features": 2, "batch": 1}),
    ("optimisers", {"momentum": 0, "step": 1.9}),
    ("optimisers", {"limit": 5}),
    ("adaptive", {"samples": 1, "features": 2}),
    ("adaptive", {"limit": 1, "step": 100}),
    ("mirror_descent", {"potentials": [["power", 1.05], ["entropy", 1e-12], ["quadratic", 1]]}),
    ("mirror_descent", {"samples": 1, "features": 2, "sparsity": 2}),
    ("mirror_descent", {"limit": 10}),
    ("mirror_descent", {"potentials": [["power", 4], ["power", 3.5]]}),
    ("mirror_momentum", {"potential": "hypentropy", "scale": 1e-3, "momentum": 0.9}),
    ("mirror_momentum", {"samples": 1, "features": 2, "sparsity": 2}),
    ("reparametrisation", {"alpha": 10}),
    ("reparametrisation", {"samples": 1, "features": 2, "sparsity": 2, "halvings": 2}),
    ("sparsity", {"alphas": [0.01, 0.1, 1, 10]}),
    ("sparsity", {"limit": 2}),
    ("signed", {"alphas": [1, 10, 100, 1000]}),
    ("signed", {"alphas": [1e-6, 1e-5, 1e-4, 1e-3]}),
    ("signed", {"samples": 1, "features": 2, "sparsity": 1}),
    ("depth", {"depths": [3, 5, 8]}),
    ("depth", {"limit": 2}),
    ("flat_loss", {"samples": 1, "features": 2}),
    ("flat_loss", {"start": 1e6, "share": 0.6}),
    ("flat_loss", {"limit": 10}),
    ("coordinate_descent", {"samples": 1, "features": 2}),
    ("coordinate_descent", {"shares": [0.5, 1, 1.5]}),
    ("coordinate_descent", {"limit": 10}),
    ("flat_loss", {"steps": 1000, "share": 0.01}),
]


@pytest.mark.parametrize(("name", "changes"), OTHER)
def test_other_settings_hold_or_say_why_not(name, changes):
    found = result(name, **changes)
    assert found.verdict in ("holds", "no claim"), [c.worst for c in found.checks if not c.holds]
    assert all(erratum.stands for erratum in found.errata)


@pytest.mark.parametrize(
    ("name", "changes", "rule"),
    [
        ("losses", {"samples": 9}, "nothing is chosen"),
        ("losses", {"step": 2}, "diverges"),
        ("losses", {"losses": ["square", "square"]}, "twice"),
        ("losses", {"limit": 10**12}, "hours"),
        ("optimisers", {"step": 1.4}, "Nesterov"),
        ("optimisers", {"batch": 5}, "samples"),
        ("adaptive", {"step": 1e-9}, "lost"),
        ("mirror_descent", {"potentials": [["power", 5]]}, "too small"),
        ("mirror_descent", {"sparsity": 10}, "features"),
        ("mirror_momentum", {"halvings": 1}, "halvings"),
        ("reparametrisation", {"step": 1}, "small steps"),
        ("sparsity", {"alphas": [0.1, 0.2, 1, 2]}, "even steps"),
        ("signed", {"alphas": [1, 10]}, "four or more"),
        ("depth", {"depths": [2, 3]}, "geometry.signed"),
        ("flat_loss", {"share": 0.7}, "stable"),
        ("coordinate_descent", {"shares": [0.1, 1]}, "three"),
        ("coordinate_descent", {"shares": [0.1, 1, 2]}, "stable"),
        ("flat_loss", {"steps": 10}, "no power"),
    ],
)
def test_what_cannot_be_shown_is_refused(name, changes, rule):
    with pytest.raises(ValueError, match=rule):
        config_of(f"geometry@{name}", **changes)


def test_a_flat_loss_at_the_reference_step_rule():
    """Science file: 1351 steps to 3e-15 by η = 1/(3 max r² σ₁²), and k^(−½) by a constant step."""
    X, y, w0 = _data.regression(0, 10, 30)
    rho = _flat.rest(X @ X.T, X @ w0 - y).rho
    np.testing.assert_allclose(rho / 2, X @ X.T @ rho**3, atol=1e-10)
    factor = 1 - 1 / (6 * np.linalg.norm(X, 2) ** 2 * np.abs(rho).max() ** 2)
    assert factor == pytest.approx(0.976392, abs=1e-6)
    near = _flat.near(X @ X.T, np.linalg.pinv(X), 1.001 * rho)
    assert near.of_itself == pytest.approx(1e-3, rel=0.01)
    assert near.minimum
    assert not _flat.near(X @ X.T, np.linalg.pinv(X), 0.1 * rho).minimum


def test_reference_lengths_of_coordinate_descent():
    """Science file: 8.79, 8.69, 8.66, 8.656 against at least 8.590; the twin recomputes its gradient."""
    X, y, w0 = _data.regression(0, 10, 30)
    lengths = [
        np.abs(_stagewise.descend(X, y, w0, f, 1e-11, 10**6).weights - w0).sum()
        for f in (1.0, 0.3, 0.1, 0.01)
    ]
    np.testing.assert_allclose(lengths, [8.7911, 8.6858, 8.6584, 8.6558], atol=2e-4)
    w = w0.copy()
    for _ in range(50):
        g = X.T @ (X @ w - y)
        j = np.abs(g).argmax()
        w[j] -= 0.3 * g[j] / np.square(X).sum(0).max()
    np.testing.assert_allclose(_stagewise.descend(X, y, w0, 0.3, 0.0, 50).weights, w, atol=1e-13)


def test_small_steps_of_one_sample_take_its_largest_weight():
    X, y = np.array([[1.0, -3, 2]]), np.array([6.0])
    np.testing.assert_allclose(_stagewise.limit_of_small_steps(X, y, np.zeros(3)), [0, -2, 0])


@pytest.mark.parametrize("share", [0.2, 0.5, 0.66])
def test_what_a_shape_is_off_is_multiplied_as_the_derivative_of_a_step_says(share):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((3, 6))
    A = X @ X.T
    rho = _flat.rest(A, rng.standard_normal(3)).rho
    pull = share / np.linalg.norm(A, 2)

    def off(r):
        return np.linalg.norm(r / np.abs(r).max() - rho / np.abs(rho).max())

    r, sizes = rho * (1 + 1e-6 * rng.standard_normal(3)), []
    for _ in range(12):
        r = r - pull / np.abs(r).max() ** 2 * (A @ r**3)
        sizes.append(off(r))
    assert sizes[-1] / sizes[-2] == pytest.approx(_flat.wavers(A, rho, pull), rel=0.05)


def test_a_wrong_power_of_the_flat_loss_is_caught(monkeypatch):
    rest = _flat.rest
    wrong = lambda A, r: rest(A, r)._replace(rho=rest(A, r).rho * 2**0.5)  # noqa: E731
    monkeypatch.setattr(_flat, "rest", wrong)
    assert broken("flat_loss") == {"constant", "factor"}


def test_the_printed_factor_of_the_flow_is_caught(monkeypatch):
    flow = reparametrisation_experiment.flow
    monkeypatch.setattr(
        reparametrisation_experiment, "flow", lambda X, y, z, t: flow(X, y, z, t / 2)
    )
    assert broken("reparametrisation") >= {"lead", "lag"}


def test_momentum_s_first_order_without_its_square_is_caught(monkeypatch):
    curved = momentum_experiment.curved
    wrong = lambda *given: curved(*given) * 0.5  # noqa: E731
    monkeypatch.setattr(momentum_experiment, "curved", wrong)
    assert broken("mirror_momentum") == {"primal_shift"}


def test_the_gap_of_one_sign_in_place_of_both_is_caught(monkeypatch):
    from descent.geometry import signed

    two = signed.least_l1
    wrong = lambda X, y, both: two(X, y, both)._replace(gap=two(X, y, both).gap / 2)  # noqa: E731
    monkeypatch.setattr(signed, "least_l1", wrong)
    assert "exponent" in broken("signed")


def test_no_positive_solution_is_found_out():
    X = np.array([[1.0, 1.0]])
    assert _data.positive_solution(X, np.array([-1.0])) < 1e-9
    assert _data.positive_solution(X, np.array([1.0])) > 0.1
    assert (
        _potentials.nearest(Potential("entropy"), X, np.array([1.0]), np.zeros(2)).residual < 1e-15
    )


def test_least_divergences_are_those_of_a_solver_of_cones():
    cvxpy = pytest.importorskip("cvxpy")
    X, y, _ = _data.nonnegative(0, 5, 12, 6)
    w, start = cvxpy.Variable(12), np.full(12, 0.1)
    entropy = cvxpy.sum(cvxpy.kl_div(w, start))
    cube = cvxpy.sum(cvxpy.power(cvxpy.abs(w), 3))
    for potential, z0, height, accuracy in (
        (Potential("entropy"), np.log(start), entropy, 1e-4),
        (Potential("power", 3), np.zeros(12), cube, 1e-4),
    ):
        cvxpy.Problem(cvxpy.Minimize(height), [X @ w == y]).solve("CLARABEL")
        ours = nearest(potential, X, y, z0, start_of(potential, X, y)).weights
        np.testing.assert_allclose(w.value, ours, atol=accuracy)
    length = cvxpy.Problem(cvxpy.Minimize(cvxpy.norm1(w)), [X @ w == y]).solve("CLARABEL")
    least = np.abs(_sparse.least_l1(X, y, True).weights).sum()
    assert least == pytest.approx(length, rel=1e-6)

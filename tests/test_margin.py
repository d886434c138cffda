"""The largest margins against certificates and known values, the flow and the steps against slow twins, and traps."""

import warnings

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.optimize import linprog
from scipy.special import softmax

from descent.config import Refusal
from descent.margin import (
    _machine,
    _norms,
    _problem,
    _steepest,
    _unique,
    constant_step,
    frozen,
    steepest_descent,
)
from descent.margin._flow import flow, log_losses
from descent.margin._norms import best, norm
from descent.margin._problem import draw
from harness import config_of
from harness import run as harness_run

LN10 = np.log(10)
KNOWN = {  # (seed, n, d): γ, number of support vectors, c*
    (0, 20, 2): (0.4236545923, 2, 0.185696),
    (1, 40, 2): (0.3617516961, 2, 0.172070),
    (2, 40, 5): (0.5456833913, 5, 0.332295),
    (3, 30, 50): (1.5846958164, 22, 0.750388),
    (4, 100, 10): (0.3643767022, 10, 0.521982),
}
MARGINS = {  # of (101, 40, 10)
    "l2": 0.60984203, "l1": 0.23117673, "linf": 1.28049468, "K": 0.58958875,
    "l1.5": 0.44703882, "l3": 0.81294153, "l8": 1.09027006,
}  # fmt: skip


def samples(problem=(0, 20, 2), gap=0.3, scale=1.0):
    return draw(problem, gap, scale)


def run(name: str, **changes):
    return harness_run(f"margin@{name}", **changes)


def failing(result) -> set[str]:
    return {check.name for check in result.checks if not check.holds}


# --- the support vector machine ---


@pytest.mark.parametrize(("problem", "known"), KNOWN.items())
def test_margin_support_and_offset_are_the_known_ones(problem, known):
    Z = samples(problem).Z
    found = _machine.machine(Z)
    a = _machine.weights(Z, found)
    assert found.gamma == pytest.approx(known[0], rel=1e-9)
    assert found.support.sum() == known[1]
    assert _machine.constant(a) == pytest.approx(known[2], abs=1e-6)
    np.testing.assert_allclose(Z[found.support].T @ a, found.w, atol=1e-9 * np.abs(found.w).max())
    assert a.sum() == pytest.approx(1 / found.gamma**2, rel=1e-9)


def test_the_offset_is_that_of_its_definition():
    """γ²ŵᵀw̃ − min z_nᵀw̃ with e^{−z_nᵀw̃} = a_n."""
    Z = samples().Z
    found = _machine.machine(Z)
    a, S = _machine.weights(Z, found), Z[found.support]
    tilde = np.linalg.lstsq(S, -np.log(a), rcond=None)[0]
    offset = found.gamma**2 * found.w @ tilde - (S @ tilde).min()
    assert _machine.constant(a) == pytest.approx(offset, abs=1e-9)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_offset_is_free_of_the_scale(scale):
    Z = samples(scale=scale).Z
    found = _machine.machine(Z)
    assert _machine.constant(_machine.weights(Z, found)) == pytest.approx(0.185696, abs=1e-6)
    assert found.gamma == pytest.approx(0.4236545923 * scale, rel=1e-9)


def test_classes_that_nothing_separates_are_refused():
    with pytest.raises(Refusal, match="no line separates"):
        _machine.machine(samples(gap=-0.3).Z)
    with pytest.raises(Refusal, match="all samples are 0"):
        _machine.machine(np.zeros((3, 2)))
    with pytest.raises(Refusal, match="no line separates"):
        _machine.machine(np.array([[1.0, 0.0], [-1.0, 0.0]]))


def test_a_support_vector_twice_counts_once():
    """Two equal samples share the weight of one, so each has half of it."""
    Z = samples().Z
    twice = np.vstack([Z, Z])
    one, two = _machine.machine(Z), _machine.machine(twice)
    assert two.gamma == pytest.approx(one.gamma, rel=1e-10)
    a, b = _machine.weights(Z, one), _machine.weights(twice, two)
    np.testing.assert_allclose(np.tile(a / 2, 2), b, rtol=1e-7)


def test_a_support_vector_without_weight_has_no_part_in_the_offset():
    """ŵ = (1, 0) needs (1, 0) only; (1, 1) lies on the margin with weight 0."""
    Z = np.array([[1.0, 0.0], [1.0, 1.0]])
    found = _machine.machine(Z)
    assert found.support.all()
    a = _machine.weights(Z, found)
    np.testing.assert_allclose(a, [1, 0], atol=1e-9)
    assert _machine.constant(a) == pytest.approx(0, abs=1e-8)


# --- the flow ---


def test_angles_of_the_flow_are_the_known_ones():
    given = samples()
    at = np.array([0, 2, 4, 6, 8, 10, 20, 50, 100]) * LN10
    w = flow(given.Z, "exponential", np.zeros(2), at).w
    to = _machine.machine(given.Z).direction
    angle = np.degrees(np.arccos(w @ to / np.linalg.norm(w, axis=1)))
    known = [4.11, 2.12, 1.32, 1.02, 0.835, 0.685, 0.289, 0.103, 0.051]
    np.testing.assert_allclose(angle, known, atol=6e-3)


@pytest.mark.parametrize("problem", [(0, 20, 2), (2, 40, 5), (3, 30, 50)])
def test_the_gap_times_log_t_is_near_its_limit_at_1e100(problem):
    given = samples(problem)
    found = flow(given.Z, "exponential", np.zeros(problem[2]), np.array([100 * LN10]))
    gamma, _, offset = KNOWN[problem]
    gap = gamma - found.margins.min() / np.linalg.norm(found.w)
    assert gap * 100 * LN10 == pytest.approx(offset * gamma, rel=0.03)


@pytest.mark.parametrize("loss", ["exponential", "logistic"])
def test_the_flow_follows_small_steps(loss):
    """Euler's steps on L(w), written out."""
    Z, start, h = samples().Z, np.array([0.1, -0.2]), 1e-4
    w = start.copy()
    for _ in range(10_000):
        m = Z @ w
        w = w + h * Z.T @ (np.exp(-m) if loss == "exponential" else 1 / (1 + np.exp(m)))
    np.testing.assert_allclose(flow(Z, loss, start, np.zeros(1)).w[0], w, rtol=2e-3)


def test_the_flow_is_a_hundred_thousand_steps():
    given, which = samples(), norm("l2", 2, 0)
    steps = np.array([0, 100_000])
    w = _steepest.run(given.Z, which, "plain", 1 / 20, steps).w[-1]
    t = 1e5 / 20 / given.longest**2
    at = flow(given.Z, "exponential", np.zeros(2), np.array([np.log(t)])).w[0]
    assert np.linalg.norm(w - at) <= 1e-5 * np.linalg.norm(w)


def test_the_logarithm_of_a_loss_does_not_underflow():
    m = np.array([-5.0, 0.0, 29.0, 31.0, 1e4])
    with np.errstate(over="ignore"):
        known = np.append(np.log(np.log1p(np.exp(-m[:4]))), -1e4)
    np.testing.assert_allclose(log_losses(m, "logistic"), known, rtol=1e-12)


# --- norms ---


@pytest.mark.parametrize(("name", "known"), MARGINS.items())
def test_largest_margins_are_the_known_ones(name, known):
    found = best(samples((101, 40, 10)).Z, norm(name, 10, 51))
    assert found.low == pytest.approx(known, abs=1e-8)
    assert found.high - found.low <= 1e-10


@pytest.mark.parametrize("name", ["l1", "linf", "K", "l1.5", "l3"])
def test_largest_margins_are_those_of_cvxpy(name):
    cp = pytest.importorskip("cvxpy")
    Z, which = samples((7, 15, 6)).Z, norm(name, 6, 3)
    w, height = cp.Variable(6), cp.Variable()
    length = cp.norm(which.root @ w, which.p)
    cp.Problem(cp.Maximize(height), [Z @ w >= height, length <= 1]).solve(solver="CLARABEL")
    assert best(Z, which).gamma == pytest.approx(height.value, rel=1e-5)


@pytest.mark.parametrize("name", MARGINS)
def test_the_direction_attains_the_dual_norm_and_the_steps_are_those_of_a_slow_twin(name):
    given, which = samples((101, 12, 4)), norm(name, 4, 51)
    kept = np.arange(41)
    B = which.dual(given.Z).max()
    for rule in _steepest.RULES:
        w, path = np.zeros(4), []
        for k in kept:
            path.append(w)
            p = softmax(-given.Z @ w)
            g, loss = given.Z.T @ p, np.exp(-given.Z @ w).sum()
            v, size = steepest(g, which)
            eta = 0.05
            length = {
                "plain": eta * loss * size / B**2,
                "bounded": min(eta * loss, 1) * size / B**2,
                "normalised": eta * size / B**2,
                "unit": eta / B,
                "root": eta / (B * np.sqrt(k + 1)),
            }[rule]
            w = w + length * v
        found = _steepest.run(given.Z, which, rule, 0.05, kept).w
        np.testing.assert_allclose(found, path, atol=1e-11)


def steepest(g, which):
    """v and ‖g‖_* by the definitions."""
    size = float(which.dual(g))
    if which.name == "K":
        v = np.linalg.solve(which.root.T @ which.root, g) / size
    elif which.p == 1:
        v = np.zeros(len(g))
        v[np.abs(g).argmax()] = np.sign(g[np.abs(g).argmax()])
    elif which.p == np.inf:
        v = np.sign(g)
    else:
        q = which.p / (which.p - 1)
        v = np.sign(g) * (np.abs(g) / size) ** (q - 1)
    assert which.of(v) == pytest.approx(1)
    assert g @ v == pytest.approx(size)
    return v, size


@pytest.mark.parametrize("p", [1.3, 2.0, 3.0, 8.0])
def test_two_vectors_with_a_long_mean_are_no_further_apart_than_the_radius(p):
    rng = np.random.default_rng(0)
    which = norm(f"l{p:g}", 3, 0)
    x = rng.standard_normal((2000, 3))
    y = x + rng.standard_normal((2000, 3)) * rng.uniform(0, 1, (2000, 1))
    x, y = x / which.of(x)[:, None], y / which.of(y)[:, None]
    short = 2 * (1 - which.of((x + y) / 2))
    assert (which.of(x - y) <= which.radius(short) + 1e-9).all()


# --- the experiments ---


def test_slopes_and_offsets_of_the_step_rules():
    metrics = run("rates", problems=[[0, 20, 2]], steps=30_000).metrics
    slope = metrics["slope"]
    assert float(slope.sel(rule="normalised")) == pytest.approx(-1, abs=0.1)
    assert float(slope.sel(rule="unit")) == pytest.approx(-1, abs=0.1)
    assert float(slope.sel(rule="root")) == pytest.approx(-0.5, abs=0.1)
    np.testing.assert_allclose(metrics["offset"], 0.185696, rtol=2e-2)


def test_a_constant_sign_step_stalls_and_a_shorter_one_does_not():
    """η = 1.39 in units of 1/B is a rate of 0.1."""
    metrics = run("constant_step", norms=["linf"], etas=[0.139, 1.39], steps=100_000).metrics
    gap, slope = metrics["gap"].sel(norm="linf"), metrics["slope"].sel(norm="linf")
    assert float(gap[1]) > 5e-3
    assert abs(float(slope[1])) < 0.1
    assert float(gap[0]) < 2e-3
    assert float(slope[0]) == pytest.approx(-1, abs=0.1)


def test_another_norm_for_the_one_claimed_is_noticed(monkeypatch):
    swapped = {"l1": "linf", "linf": "l1"}
    right = steepest_descent.measured_runs

    def wrong(config, given, rules):
        found = right(config, given, rules)
        names = [swapped[name] for name in found["norm"].values]
        return found.assign_coords(norm=names).sel(norm=list(config.norms))

    monkeypatch.setattr(steepest_descent, "measured_runs", wrong)
    assert "margin" in failing(run("steepest_descent", norms=["l1", "linf"], steps=5000))


def test_norms_that_share_their_direction_are_no_claim():
    """In one dimension every norm is |w|."""
    result = run("cross_norm", dimension=1, norms=["l1", "l2"], steps=2000)
    assert result.verdict == "no claim"
    assert "another norm comes within" in " ".join(result.no_claim)


def test_steps_too_few_for_the_margin_are_no_claim():
    result = run("steepest_descent", steps=1000)
    assert result.verdict == "no claim"
    assert "not converged" in result.no_claim[0]


def test_the_perceptron_stops_where_it_separates():
    Z = samples().Z
    v = frozen.perceptron(Z, 1000)
    assert (Z @ v > 0).all()
    assert frozen.perceptron(np.array([[1.0, 0.0], [-1.0, 0.0]]), 50) is None


def test_no_huge_step_is_no_claim():
    assert run("frozen", factors=[0.3, 0.5], steps=1000).verdict == "no claim"


def test_the_bound_of_unit_steps_is_kept_by_every_norm():
    result = run(
        "constant_step", norms=["l2", "l1", "linf", "K", "l3"], etas=[0.01, 0.5], steps=2000
    )
    assert failing(result) == set()
    assert constant_step.__doc__


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("max_margin", {"problems": []}, "at least 1"),
        ("max_margin", {"problems": [[0, 20, 2], [0, 20, 2]]}, "stands there twice"),
        ("max_margin", {"problems": [[0, 10**6, 2]]}, "> 20000"),
        ("max_margin", {"horizon": 10**9}, "horizon 1e.09 must lie in"),
        ("max_margin", {"decades": 10**5}, "decades 100000 ≥ horizon"),
        ("max_margin", {"scale": 1e200}, "1e.200 must be 0 or of a size"),
        ("rates", {"eta": 100}, "eta 100 must lie in"),
        ("rates", {"steps": 10}, "steps 10 < 1000"),
        ("rates", {"steps": 10**9}, "steps 1000000000 > 10000000"),
        ("steepest_descent", {"norms": ["l0.5"]}, "'l0.5' is not K, l1, linf or lp"),
        ("steepest_descent", {"norms": ["l2", "l2"]}, "each once"),
        ("steepest_descent", {"norms": ["lp"]}, "'lp' is not"),
        ("cross_norm", {"norms": ["l2"]}, "a table needs at least 2"),
        ("constant_step", {"etas": [1, 1.0000001]}, "one value in six digits"),
        ("constant_step", {"etas": []}, "one or more strictly increasing"),
        ("ties", {"sample": [1, 2]}, "is the largest, so the direction is unique"),
        ("ties", {"sample": [0, 0]}, "no direction has a margin"),
        ("frozen", {"factors": [1e20]}, "factors 1e.20 must lie in"),
        ("log_time", {"eta": 5}, "eta 5 must lie in"),
        ("log_time", {"steps": 2}, "steps 2 < 8"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        config_of(f"margin@{name}", **change)


@pytest.mark.parametrize(
    "name",
    [
        "max_margin",
        "rates",
        "steepest_descent",
        "cross_norm",
        "constant_step",
        "frozen",
        "log_time",
    ],
)
def test_mixed_classes_are_refused(name):
    with pytest.raises(Refusal, match="no line separates"):
        run(name, gap=-0.8)


def test_the_ball_of_a_flat_norm_tells_no_direction():
    assert np.isinf(_norms.norm("l1", 2, 0).radius(1e-6))


def test_a_flat_ball_is_told_from_one_with_a_single_best_direction():
    """One sample (1, 1) has many directions of its ℓ₁ margin; (2, 1) has one."""
    weights = np.ones(1)
    assert _unique.stiffness(np.array([[1.0, 1.0]]), weights, 1) == np.inf
    assert _unique.stiffness(np.array([[2.0, 1.0]]), weights, 1) < 10
    assert _unique.stiffness(np.array([[2.0, 0.0]]), weights, np.inf) == np.inf
    assert _unique.stiffness(np.array([[2.0, 1.0]]), weights, np.inf) == 1


@pytest.mark.parametrize("name", ["l1", "linf"])
@pytest.mark.parametrize("seed", range(4))
def test_directions_of_nearly_the_largest_margin_are_within_their_reach(name, seed):
    """The vertices of the set of all directions that lose a share of the margin, by linear programmes."""
    Z, which = _problem.draw((seed, 12, 3), 0.3, 1.0).Z, _norms.norm(name, 3, 0)
    best = _norms.best(Z, which)
    for short in (1e-4, 1e-2):
        for cost in np.random.default_rng(seed).standard_normal((20, 3)):
            w = furthest(Z, name, best.gamma * (1 - short), cost)
            # A w of length less than 1 is no nearer than one of length 1 by more than it lacks.
            assert which.of(w - best.w) <= 2 * best.reach(which, short) + 1e-9


def furthest(Z, name, margin, cost):
    """argmax costᵀw over Zw ≥ margin, ‖w‖ ≤ 1."""
    n, d = Z.shape
    if name == "linf":
        return linprog(-cost, -Z, np.full(n, -margin), bounds=(-1, 1)).x
    A = np.vstack([np.hstack([-Z, Z]), np.ones(2 * d)])
    x = linprog(np.append(-cost, cost), A, np.append(np.full(n, -margin), 1)).x
    return x[:d] - x[d:]


def test_largest_margins_are_those_of_a_solver_of_cones():
    """Linear programmes, least squares and sequential least squares against one formulation in cvxpy."""
    cvxpy = pytest.importorskip("cvxpy")
    Z = _problem.draw((5, 15, 4), 0.3, 1.0).Z
    for name in ("l1", "l2", "linf", "K", "l3"):
        which, w = _norms.norm(name, 4, 0), cvxpy.Variable(4)
        ball = cvxpy.pnorm(which.root @ w, float(which.p)) <= 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            largest = cvxpy.Problem(cvxpy.Maximize(cvxpy.min(Z @ w)), [ball]).solve("CLARABEL")
        assert _norms.best(Z, which).gamma == pytest.approx(largest, rel=1e-6)

"""Which solution of polynomial least squares is found: slow twins, reference values, wrong formulas, traps."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from pydantic import ValidationError
from ruamel.yaml import YAML

import harness
from descent.config import Refusal
from descent.maths import optimisers
from descent.maths.projection import by_inverse, exact, project, relative_error
from descent.polynomial import (
    _bases,
    _scaled,
    adam,
    projection,
    scaled_gd,
    scaled_projection,
)
from descent.polynomial._problem import build, loss, null_projector

PARAMS = YAML(typ="safe").load(Path(__file__).parents[1] / "params.yaml")["polynomial"]
NO_LEVELS = np.empty(0)


def result(name: str, **changes):
    return harness.run(f"polynomial@{name}", **changes)


def broken(name: str, **changes) -> set[str]:
    """The checks that do not hold and the errata that do not stand."""
    found = result(name, **changes)
    return {c.name for c in found.checks if not c.holds} | {
        e.name for e in found.errata if not e.stands
    }


def untold(name: str, **changes) -> str:
    """Why nothing is claimed; no check fails."""
    found = result(name, **changes)
    assert found.verdict == "no claim"
    return " ".join(found.no_claim)


@pytest.fixture(scope="module")
def course():
    """Seven points and degree 9, as in the course."""
    config = projection.Config(**PARAMS["projection"])
    return build(config, config.degree)


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("projection", {"degree": 6}, "degree 6 ≤ points − 1 = 6"),
        ("projection", {"scales": [1, 2]}, "scales 1 … 2: 0, the shortest"),
        ("projection", {"scales": [0, 1e200]}, "of a size from 1e-100 to 1e.100"),
        ("projection", {"direction": "ones"}, "replicates 3 must be 1"),
        ("projection", {"direction": "up"}, "'normal', 'ones', 'row_space' or 'null_space'"),
        ("projection", {"outside": [1, -1]}, "lower end must come first"),
        ("scaled_projection", {"spans": [3, 0]}, "increasing"),
        ("scaled_projection", {"spans": [0, 400]}, "less than or equal to 250"),
        ("scaled_projection", {"degree": 31}, "degree 31 > 30: .* QR keeps to no known bound"),
        (
            "scaled_projection",
            {"points": 2, "data": [[1e-6, 1], [1, 1]]},
            "x 1e-06 is so near to 0",
        ),
        ("scaled_gd", {"levels": [1e-16, 1e-8]}, "decreasing"),
        ("scaled_gd", {"low": -300}, "greater than or equal to -125"),
        ("scaled_gd", {"rate": 2}, "rate 2 ≥ 2"),
        ("scaled_gd", {"rate": 2.1}, "rate 2.1 ≥ 2"),
        ("adam", {"gd_rates": [2.5]}, "gd_rates 2.5 ≥ 2"),
        ("projection", {"replicates": 10**9}, "GiB"),
        ("projection", {"grid": 10**10}, "GiB"),
        ("scaled_projection", {"degree": 10**6}, "products of fractions"),
        ("double_descent", {"replicates": 2**31}, "GiB"),
        ("double_descent", {"grid": 2**31}, "GiB"),
        ("adam", {"momentum": 1}, "less than 1"),
        ("adam", {"rates": []}, "at least 1 item"),
        ("double_descent", {"interval": [0, 2]}, r"must lie in \[−1, 1\]"),
        ("double_descent", {"grid": 14}, "grid 14 ≤ points 14"),
        ("projection", {"grid": 7}, "grid 7 ≤ points 7: it must see what is between"),
        ("scaled_projection", {"grid": 2}, "grid 2 ≤ points 7"),
        ("double_descent", {"degrees": [2, 4]}, "not both sides of points − 1 = 13"),
        ("double_descent", {"degrees": [2, 9000]}, "9000 > 5000"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        harness.config_of(f"polynomial@{name}", **change)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("adam", {"steps": 10**10}),
        ("adam", {"replicates": 10**7}),
        ("scaled_gd", {"steps": 10**12}),
    ],
)
def test_runs_that_no_one_waits_for_are_refused(name, change):
    with pytest.raises(ValueError, match=r"GiB at once|hours of arithmetic"):
        harness.config_of(f"polynomial@{name}", **change)


# --- optimisers ---


def torch_path(problem, optimiser, batches, count: int, **options) -> np.ndarray:
    theta = torch.zeros(len(problem.theta), dtype=torch.float64, requires_grad=True)
    X, y = torch.tensor(problem.X), torch.tensor(problem.y)
    steps = optimiser([theta], **options)
    for k in range(count):
        rows = torch.tensor(batches[k % len(batches)].astype(int))
        steps.zero_grad()
        (X[rows] @ theta - y[rows]).square().mean().backward()
        steps.step()
    return theta.detach().numpy()


def test_optimisers_are_those_of_torch(course):
    """Adam's ε and bias correction, RMSProp, AdaGrad; single samples, batches and the whole."""
    rng, start = np.random.default_rng(0), np.zeros_like(course.theta)
    for batches in (
        optimisers.drawn(rng, 7, 50, 1),
        optimisers.drawn(rng, 7, 50, 3),
        optimisers.full_batch(7),
    ):
        for memory, method, options in (
            (optimisers.adam(0.9, 0.999), torch.optim.Adam, {"betas": (0.9, 0.999)}),
            (optimisers.rmsprop(0.99), torch.optim.RMSprop, {"alpha": 0.99}),
            (optimisers.adagrad(), torch.optim.Adagrad, {}),
        ):
            path = optimisers.adapt(
                course.X, course.y, start, 0.01, 1e-6, memory, batches, np.array([0, 50])
            )
            slow = torch_path(course, method, batches, 50, lr=0.01, eps=1e-6, **options)
            # Even powers have gradients of rounding's size under the full batch.
            assert_allclose(path[1], slow, rtol=0, atol=1e-10)
        path = optimisers.descend(
            course.X, course.y, start, np.full_like(start, 0.1), batches, np.array([50]), start, NO_LEVELS
        )  # fmt: skip
        slow = torch_path(course, torch.optim.SGD, batches, 50, lr=0.1)
        assert_allclose(path.theta[0], slow, rtol=0, atol=1e-14)


def test_first_crossings_are_those_of_every_step(course):
    start, every = np.zeros_like(course.theta), np.arange(3001)
    path = optimisers.descend(
        course.X, course.y, start, np.full_like(start, 1 / course.beta), optimisers.full_batch(7), every,
        course.theta, np.array([1.0, 1e-1, 1e-9]),
    )  # fmt: skip
    distance = ((path.theta - course.theta) ** 2).sum(1)
    expected = [int(np.argmax(distance <= 1.0)), int(np.argmax(distance <= 1e-1)), optimisers.NEVER]
    assert path.first.tolist() == expected


# --- projections ---


def test_projection_is_the_pseudo_inverse_and_the_rational_solution(course):
    rng = np.random.default_rng(0)
    a, h = rng.standard_normal(10), 10 ** rng.uniform(-1, 1, 10)
    root = np.sqrt(h)
    slow = a + root * (np.linalg.pinv(course.X * root) @ (course.y - course.X @ a))
    assert_allclose(project(course.X, course.y, a, h), slow, rtol=1e-12, atol=1e-13)
    truth = exact(course.X, course.y, a, h)
    for row, y in zip(course.X.tolist(), course.y.tolist(), strict=True):
        assert sum(Fraction(v) * t for v, t in zip(row, truth, strict=True)) == Fraction(y)
    assert relative_error(slow, truth) < 1e-13
    assert relative_error(np.full(10, np.nan), truth) == np.inf


@pytest.mark.parametrize("span", [-40, 20, 40, 100, 200])
def test_a_point_at_0_keeps_its_digits_in_every_norm(span):
    """Every θ_j to its own size; without a point at 0 QR alone does that."""
    x, start = np.array([-1, -0.6, 0, 0.2, 0.9]), np.linspace(1, 2, 8)
    X, y, h = (
        np.vander(x, 8, increasing=True),
        np.sin(3 * x) + 1,
        np.logspace(-span / 2, span / 2, 8),
    )
    truth = np.array([float(v) for v in exact(X, y, start, h)])
    assert_allclose(project(X, y, start, h), truth, rtol=1e-12)


def test_equations_in_one_coefficient_each_leave_the_others_where_they_are():
    X, start, h = np.diag([2.0, 0, 4, 0])[[0, 2]], np.array([5.0, 6, 7, 8]), np.ones(4)
    assert project(X, np.array([2.0, 8]), start, h).tolist() == [1, 6, 2, 8]


def test_published_norms_of_the_projections(course):
    found = projection.run(projection.Config(**PARAMS["projection"] | {"replicates": 1})).data
    first = found.isel(replicate=0)
    assert_allclose(
        first["norm"],
        [2.26942640714, 3.17320718649, 22.29450738, 221.798617232, 2217.87122739],
        rtol=1e-9,
    )
    assert_allclose(
        first["rmse_inside"], [0.0122415, 0.0275406, 0.270311, 2.72259, 27.2478], rtol=5e-6
    )
    assert_allclose(
        first["rmse_outside"], [0.0349997, 0.0423928, 0.622858, 6.47835, 65.0364], rtol=5e-6
    )
    a = np.random.RandomState(0).randn(10)
    assert np.linalg.norm(null_projector(course) @ a) == pytest.approx(1.8573973444, rel=1e-10)


def test_a_projection_on_the_wrong_space_is_caught(monkeypatch):
    """a projected on the row space."""
    right = projection.predict

    def wrong(config, problem, a, truth):
        return right(
            config, problem, a @ problem.V @ problem.V.T + null_projector(problem)[0], truth
        )

    monkeypatch.setattr(projection, "predict", wrong)
    assert {"norm", "solution", "rmse_inside"} <= broken("projection")


def test_a_projection_that_loses_digits_is_caught(monkeypatch):
    def sloppy(X, y, a, h):
        return project(X, y, a, h) * (1 + 1e-11)

    monkeypatch.setattr(projection, "project", sloppy)
    assert {"rational", "solution"} <= broken("projection")


@pytest.mark.parametrize("direction", ["ones", "row_space"])
def test_a_start_in_the_row_space_goes_nowhere(direction):
    assert "one solution for all" in untold("projection", direction=direction, replicates=1)
    found = result("projection", direction=direction, replicates=1)
    assert found.metrics["null_share"] < 1e-14
    assert np.ptp(found.metrics["rmse_inside"].values) < 1e-10


def test_without_a_point_at_1_ones_leave_the_row_space():
    found = result("projection", direction="ones", replicates=1, interval=[-0.9, 0.9])
    assert found.verdict == "holds"
    assert found.metrics["null_share"] > 0.01


# --- scaled projection ---


@pytest.mark.parametrize(
    ("low", "high", "theta"),
    [
        (-10, 10, [1.08065239161e-5, 0.0310665483752, 70.5455870766, -231.188182922, 159.902963965]),
        (-3, 0, [0.686532715681, -0.684651230249, -2.08262398968, -2.72371991322, 4.09590789146]),
        (-20, 20, [None, None, 70.927419796, -232.170694983, 160.534719538]),
    ],
)  # fmt: skip
def test_published_scaled_projections(course, low, high, theta):
    h = np.logspace(low, high, 10)
    found = project(course.X, course.y, np.zeros(10), h)[1::2]
    for value, expected in zip(found, theta, strict=True):
        assert expected is None or value == pytest.approx(expected, rel=2e-11)
    if high == 10:
        assert np.linalg.cond(course.X * np.sqrt(h)) ** 2 == pytest.approx(2.001461488e20, rel=1e-4)


def test_the_inverse_in_place_of_qr_is_caught(monkeypatch):
    monkeypatch.setattr(scaled_projection, "project", by_inverse)
    assert {"solution", "meets_the_points"} <= broken("scaled_projection")


def test_h_for_its_inverse_is_caught(monkeypatch):
    def wrong(X, y, a, h):
        return project(X, y, a, 1 / h)

    monkeypatch.setattr(scaled_projection, "project", wrong)
    assert {"solution", "rmse_inside", "rmse_outside"} <= broken("scaled_projection")


OWN = {"data": [[-0.9, 0.3], [-0.5, -1.2], [0.1, 0.4], [0.8, 2]], "points": 4}
AT_0 = {"data": [[-1, 2], [0, 1], [1, 2], [0.5, 1.25]], "points": 4}


@pytest.mark.parametrize("name", ["projection", "scaled_projection"])
@pytest.mark.parametrize("data", [OWN, AT_0])
def test_points_of_your_own_keep_the_claims(name, data):
    """Out of order, neither odd nor at equal distances; and with y ≠ 0 at x = 0, which hides in a graded norm."""
    assert broken(name, **data) == set()
    assert result(name, **data, degree=7).errata == ()


def test_extreme_and_other_gradings_stay_right():
    assert broken("scaled_projection", spans=[-250, -100, 100, 250]) == set()
    assert broken("scaled_projection", points=12, degree=16, frequency=3) == set()
    assert broken("scaled_projection", spans=[0], interval=[0, 1], outside=[0, 1.2]) == set()


def test_the_inverse_is_said_to_lose_digits_only_where_rescaled_equations_are_ill_conditioned():
    """At degree 12 and a span of 20 its matrix has a condition of 10²⁰, and elimination keeps 9 digits of it."""
    assert broken("scaled_projection", degree=12) == set()
    assert broken("scaled_projection", degree=30) == set()


def test_points_too_many_for_float64_are_refused():
    with pytest.raises(Refusal, match="cond X"):
        result("scaled_gd", points=60, degree=80)


# --- scaled descent ---


def test_published_crossings_of_scaled_descent(course):
    form = _scaled.scaled(course, np.logspace(-3, 0, 10))
    beta = form.modes.eigenvalues[0]
    assert beta == pytest.approx(0.7290934415278, rel=1e-12)
    assert np.linalg.norm(form.modes.eigenvalues) == pytest.approx(0.80407602441512, rel=1e-12)
    crossings = {level: form.first_within(1 / beta, level) for level in (1e-8, 1e-16, 1e-20)}
    assert crossings == {1e-8: 144031, 1e-16: 264895, 1e-20: 325327}
    assert_allclose(
        form.squared_distance(1 / beta, [1e4, 1e5]), [7.43848109608, 8.21050591762e-6], rtol=1e-9
    )


def test_scaled_descent_without_the_scaling_is_caught(monkeypatch):
    full = scaled_gd.descend

    def plain(X, y, start, rates, *rest):
        return full(X, y, start, np.full_like(rates, rates.max()), *rest)

    monkeypatch.setattr(scaled_gd, "descend", plain)
    assert "distance" in broken("scaled_gd")


def test_the_frobenius_norm_for_beta_is_caught(monkeypatch):
    """The published β_H: the steps that it predicts are not those of 1/β_H."""
    right = scaled_gd.predict

    def wrong(config, problem, form):
        eigenvalues = form.modes.eigenvalues.copy()
        eigenvalues[0] = form.frobenius
        return right(
            config, problem, form._replace(modes=form.modes._replace(eigenvalues=eigenvalues))
        )

    monkeypatch.setattr(scaled_gd, "predict", wrong)
    assert {"beta_h", "distance"} <= broken("scaled_gd")


@pytest.mark.parametrize("change", [{"low": -8, "high": 8}, {"steps": 10}])
def test_steps_too_few_for_the_slowest_mode_claim_nothing(change):
    assert "may be left" in untold("scaled_gd", **change)


@pytest.mark.parametrize(
    "change",
    [
        {"points": 1, "degree": 1},
        {"rate": 1.999, "steps": 60_000},
        {"rate": 0.1, "steps": 60_000},
        {"levels": [1e-8, 1e-40]},
        {"low": 0, "high": 0},
    ],
)
def test_scaled_descent_at_other_numbers(change):
    assert result("scaled_gd", **change).verdict == "holds"


# --- adaptive methods ---


def test_published_distances_of_the_adaptive_methods(course):
    last = np.array([100_000])
    ends = {
        0.01557: (optimisers.adagrad(), 0.03),
        0.01826: (optimisers.adagrad(), 0.1),
        0.04395: (optimisers.adagrad(), 0.3),
        0.04658: (optimisers.adam(0.9, 0.999), 1e-3),
        0.93539: (optimisers.adam(0.9, 0.999), 1e-4),
    }
    for distance, (memory, rate) in ends.items():
        theta = optimisers.adapt(
            course.X, course.y, np.zeros(10), rate, 1e-8, memory, optimisers.full_batch(7), last
        )[0]
        assert np.linalg.norm(theta - course.theta) == pytest.approx(distance, abs=6e-6)
        assert loss(course, theta[None])[0] < 1e-6


def test_the_notebooks_epsilon_moves_adam_little(course):
    """ε = 1e-5 for 1e-8 on the same samples; and the norm that its figure shows is not the square of its label."""
    batches, memory = (
        optimisers.drawn(np.random.default_rng(0), 7, 60_000, 1),
        optimisers.adam(0.9, 0.999),
    )
    away = [
        optimisers.adapt(
            course.X, course.y, np.zeros(10), 1e-3, epsilon, memory, batches, np.array([60_000])
        )[0]
        - course.theta
        for epsilon in (1e-8, 1e-5)
    ]
    first, second = (np.linalg.norm(one) for one in away)
    assert 0.2 < first < 0.3
    assert abs(second / first - 1) < 0.05
    assert first**2 < 0.1  # where the label says what the curve does not


def test_adagrad_of_two_samples_depends_on_its_rate():
    X, t = np.array([[2, 1, 0.5], [1, -1, 3]]), np.array([2.0, 1.0])
    published = {
        0.1: [0.5401658804, 0.7225964736, 0.3941435311],
        1.0: [0.4294937858, 0.8965097651, 0.4890053264],
    }
    for rate, expected in published.items():
        w = optimisers.adapt(
            X, t, np.zeros(3), rate, 1e-300, optimisers.adagrad(), optimisers.full_batch(2), np.array([200_000])
        )[0]  # fmt: skip
        assert_allclose(w, expected, rtol=0, atol=2e-10)


def test_gradient_descent_in_place_of_adam_is_caught(monkeypatch):
    """A claim that does not fail if no method leaves the row space would be none."""

    def descent(X, y, start, rate, epsilon, memory, batches, kept):
        rates = np.full_like(start, 0.1)
        return optimisers.descend(X, y, start, rates, batches, kept, start, NO_LEVELS).theta

    monkeypatch.setattr("descent.polynomial._methods.adapt", descent)
    caught = broken("adam")
    assert {"another_solution", "adagrad_depends_on_its_rate"} <= caught


def test_sgd_that_leaves_the_row_space_is_caught(monkeypatch):
    right = adam._methods.descent

    def leaving(problem, rate, batches, kept):
        return right(problem, rate, batches, kept) + 1e-9 * np.arange(len(problem.theta))

    monkeypatch.setattr("descent.polynomial._methods.descent", leaving)
    assert "sgd_in_the_row_space" in broken("adam")


def test_with_a_large_epsilon_adam_still_leaves_the_row_space():
    found = result("adam", epsilon=10, rates=[1.0], snapshots=10)
    assert found.verdict == "holds"
    near = float(found.metrics["adam_full_distance"][0])
    assert near < 0.02 * float(result("adam").metrics["adam_full_distance"][0])


def test_equal_features_make_adam_find_the_shortest_solution():
    """At x = ±1 alone all |φ_j| are 1, so sign descent and gradient descent are one."""
    assert "leave one solution" in untold("adam", points=2, degree=5)


def test_sgd_that_leaves_float64_is_reported():
    found = result("adam", sgd_rates=[0.1, 3])
    assert found.verdict == "holds"
    assert list(found.unchecked) == ["sgd_in_the_row_space_at_3"]


def test_runs_that_do_not_fit_claim_nothing():
    assert "above 0.001 f(0)" in untold("adam", steps=100, rates=[1e-4])


# --- double descent ---

PUBLISHED = {  # degree: Chebyshev, Legendre, of one public data set
    2: (0.19386411705, 0.19386411705), 3: (0.19343274884, 0.19343274884), 4: (0.10255222991, 0.10255222991),
    5: (0.10915309154, 0.10915309154), 7: (0.17736084, 0.17736084), 30: (3.176047e5, 4.905057e5),
    50: (0.71200035155, 0.64893964015), 70: (0.13281043238, 0.049269923317), 100: (0.15994302771, 0.050682699677),
    150: (0.18800282053, 0.054624708570), 200: (0.19468029147, 0.055812886453),
}  # fmt: skip


def test_the_published_data_set():
    rng = np.random.RandomState(123)
    x = rng.uniform(0, 1, (1, 14))
    truth = np.sin(10 * x)
    y = truth + 0.1 * rng.normal(size=(1, 14))
    grid = np.linspace(0, 1, 1000)
    data = _bases.Data(x, y, truth, grid, np.sin(10 * grid))
    for column, basis in enumerate(("chebyshev", "legendre")):
        found = _bases.errors(basis, data, tuple(PUBLISHED))
        assert_allclose(found.error[0], [row[column] for row in PUBLISHED.values()], rtol=1e-6)
        assert_allclose(found.met[0, -1], y[0], rtol=0, atol=1e-13)
    monomial = _bases.errors("monomial", data, (13, 200)).error
    assert_allclose(np.log10(monomial[0]), np.log10([1.06786e9, 3.58e15]), atol=0.01)


@pytest.mark.long
def test_the_expected_error_is_the_mean_over_noise():
    """20000 draws of the noise at the same points."""
    rng, grid = np.random.default_rng(0), np.linspace(0, 1, 200)
    x = rng.uniform(0, 1, 5)
    truth = np.sin(4 * x)
    y = truth + 0.3 * rng.standard_normal((20_000, 5))
    data = _bases.Data(
        np.tile(x, (len(y), 1)), y, np.tile(truth, (len(y), 1)), grid, np.sin(4 * grid)
    )
    one = _bases.Data(x[None], y[:1], truth[None], grid, np.sin(4 * grid))
    expected = _bases.expected(one, 9, 0.3).mean[:, 0]
    for basis, mean in zip(_bases.BASES, expected, strict=True):
        error = _bases.errors(basis, data, (9,)).error[:, 0]
        assert error.mean() == pytest.approx(mean, abs=5 * error.std() / len(error) ** 0.5)


def test_a_wrong_basis_is_caught(monkeypatch):
    """T_k that do not start at 1: another space of polynomials."""
    right = _bases.BASES["chebyshev"]
    monkeypatch.setitem(_bases.BASES, "chebyshev", lambda x, d: right(x, d) * x[..., None])
    assert "one_fit_up_to_n" in broken("double_descent")


def test_a_wrong_width_of_the_spikes_is_caught(monkeypatch):
    """π/d in place of π/2d."""
    right = _bases.gain_of_spikes
    monkeypatch.setattr(_bases, "gain_of_spikes", lambda *given: 2 * right(*given))
    assert "chebyshev_ends_in_spikes" in broken("double_descent", degrees=[2, 400])


def test_too_few_degrees_end_before_the_recovery():
    assert "Legendre expects" in untold("double_descent", degrees=[2, 13, 20])


@pytest.mark.long
@pytest.mark.parametrize(
    "change",
    [{"degrees": [2, 13, 20]}, {"points": 100}, {"interval": [0, 0.1]}, {"frequency": 1e5}],
)
def test_spikes_that_are_not_narrow_are_not_predicted(change):
    found = result("double_descent", **change)
    assert "chebyshev_ends_in_spikes" in found.unchecked
    assert all(check.holds for check in found.checks)


@pytest.mark.parametrize(
    "change",
    [
        {"points": 3, "degrees": [1, 2, 5, 200]},
        {"points": 3, "degrees": [1, 2, 5, 200], "noise": 1, "frequency": 0.1},
        {"noise": 1},
        {"noise": 1e-6},
        {"frequency": 0.1},
        {"interval": [-1, 1]},
        {"seed": 3},
    ],
)
def test_other_data_give_no_false_alarm(change):
    assert broken("double_descent", **change) == set()


def test_one_data_set_is_too_few():
    assert "chance lets a mean error be" in untold("double_descent", replicates=1)


def test_data_far_larger_than_the_start_are_fitted_better_further_away():
    """A trap: RMSE² = A + 2sB + s²C falls at first where B < 0, here up to the largest scale."""
    assert "err less until" in untold("projection", amplitude=1e3)


def test_one_point_loses_no_digits_to_the_inverse():
    found = result("scaled_projection", points=1)
    assert found.verdict == "holds"
    assert "digits_of_the_inverse" in found.unchecked

"""Wide networks: the spline, its kernel, the laws of the start and the fits, against slow twins and reference values."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.interpolate import CubicSpline, make_smoothing_spline

from descent.wide_relu import (
    _data,
    _initial,
    _layers,
    _moments,
    _network,
    _paths,
    _spline,
    parametrisation,
    training,
)
from descent.wide_relu._initial import Initial
from harness import config_of, run

D1 = _data.Points(np.array([-2.0, -1, 0, 1, 2]), np.array([1.5, 0.5, 1.5, 0.5, 1.5]))
_x = np.array([-2, -1.5, -0.5, 0, 0.3, 1.3, 1.8, 2.3, 3.3, 3.6])
D2 = _data.Points((_x + 2) / 5.6 * 4 - 2, np.array([3, 1.2, 2.2, 1, 1.3, 3.1, 1.3, 2.5, 1.1, 0.3]))
_x = np.array([-2, -1.7, -1.6, 0.9, 1.1, 1.3, 2])
D3 = _data.Points(_x, np.array([3.5, 0.5, 2.3, 1.5, -0.5, 1.5, 0.5]) + _x)
BINARY, GAUSS = Initial("binary_uniform", 1, 2), Initial("gaussian", 1, 1)
SHARP, UNIFORM = Initial("gaussian", 1, 0.1**0.5), Initial("uniform", 1, 2)
LAWS = (BINARY, GAUSS, SHARP, UNIFORM)
GRID = np.linspace(-2, 2, 401)


def rms(values) -> np.ndarray:
    return np.sqrt((values**2).mean(-1))


@pytest.mark.parametrize("data", [D1, D2, D3])
def test_without_weights_it_is_the_natural_cubic_spline(data):
    g, h = _spline.interpolate(*data, _spline.constant(0.25)), CubicSpline(*data, bc_type="natural")
    np.testing.assert_allclose(g(GRID), h(GRID), atol=1e-12)
    np.testing.assert_allclose(g.slope(GRID), h(GRID, 1), atol=1e-11)
    np.testing.assert_allclose(g.second(GRID), h(GRID, 2), atol=1e-10)
    for lam in (1e-6, 0.1, 10):
        smooth = _spline.smooth(*data, _spline.constant(), lam)
        np.testing.assert_allclose(
            smooth(GRID), make_smoothing_spline(*data, lam=lam)(GRID), atol=1e-9
        )


@pytest.mark.parametrize(
    ("initial", "values", "second", "slope", "energy"),
    [
        (BINARY, [0.7321428571, 1.0535714286, 1.0825892857], -5.14285714, -1.71428571, 109.714286),
        (GAUSS, [0.8878656829, 0.8760470637, 1.1861009160], -9.20329972, -1.26337991, 124.161594),
        (SHARP, [0.9690433658, 0.4516128395, 1.2328659773], -39.05588026, -1.07004555, 412.054248),
    ],
)
def test_reference_values(initial, values, second, slope, energy):
    g = _spline.interpolate(*D1, initial.zeta())
    np.testing.assert_allclose(g(np.array([-1.5, 0.5, 1.75])), values, atol=1e-10)
    assert g.second(np.array([0.0]))[0] == pytest.approx(second, abs=1e-8)
    assert g.slope(np.array([-2.0]))[0] == pytest.approx(slope, abs=1e-8)
    assert g.energy == pytest.approx(energy, abs=1e-6)


@pytest.mark.parametrize("data", [D1, D2, D3])
@pytest.mark.parametrize("initial", [*LAWS, Initial("uniform", 1, 1)])
def test_it_is_the_representer_of_its_kernel(data, initial):
    zeta = initial.zeta()
    twin = _data.represent(data, zeta)(GRID[::4])
    np.testing.assert_allclose(_spline.interpolate(*data, zeta)(GRID[::4]), twin, atol=1e-8)
    twin = _data.represent(data, zeta, lam=0.3)(GRID[::4])
    np.testing.assert_allclose(_spline.smooth(*data, zeta, 0.3)(GRID[::4]), twin, atol=1e-11)


@pytest.mark.parametrize("count", [3, 4])
def test_few_points_are_enough(count):
    few = _data.Points(D2.x[:count], D2.y[:count])
    at = np.linspace(few.x[0], few.x[-1], 20)
    for lam in (0, 0.3):
        twin = _data.represent(few, GAUSS.zeta(), lam=lam)(at)
        np.testing.assert_allclose(_spline.smooth(*few, GAUSS.zeta(), lam)(at), twin, atol=1e-10)


def test_columns_are_functions_of_their_own():
    y = np.stack([D2.y, D2.y**2], 1)
    both = _spline.smooth(D2.x, y, GAUSS.zeta(), 0.1)
    for k in range(2):
        one = _spline.smooth(D2.x, y[:, k], GAUSS.zeta(), 0.1)
        for name in ("__call__", "slope", "second"):
            np.testing.assert_allclose(getattr(both, name)(GRID)[:, k], getattr(one, name)(GRID))
        assert both.energy[k] == pytest.approx(one.energy)


def test_it_is_straight_beyond_the_points_and_scales_with_them():
    g = _spline.interpolate(*D2, GAUSS.zeta())
    ends = g(np.array([-5.0, -2, 2, 5]))
    np.testing.assert_allclose((ends[[0, 3]] - ends[[1, 2]]) / [-3, 3], g.slope(D2.x[[0, -1]]))
    for s in (1e-6, 1e6):
        wide = _spline.interpolate(s * D2.x, D2.y, Initial("gaussian", 1, s).zeta())
        np.testing.assert_allclose(wide(s * GRID), g(GRID), rtol=1e-9)


def test_nothing_bends_where_no_breakpoint_can_be():
    g = _spline.interpolate(*D1, Initial("binary_uniform", 1, 1).zeta())
    assert rms(g(GRID) - CubicSpline(*D1, bc_type="natural")(GRID)) == pytest.approx(
        0.1705, abs=1e-4
    )
    with pytest.raises(ValueError, match="nothing can bend"):
        _spline.interpolate(D1.x + 4, D1.y, BINARY.zeta())


@pytest.mark.parametrize("power", [0, 1, 2, 3])
@pytest.mark.parametrize("x", [0.0, 0.7, -1.9, 3.5])
def test_zeta_is_the_integral_that_defines_it(x, power):
    def gauss(w):
        spread = (w / 1.3) ** 2 + (w * x / 0.6) ** 2
        return w ** (2 * power + 1) * np.exp(-spread / 2) / (2 * np.pi * 1.3 * 0.6)

    closed = Initial("gaussian", 1.3, 0.6).zeta(power).value(np.array([x]))[0]
    assert 2 * quad(gauss, 0, np.inf)[0] == pytest.approx(closed, rel=1e-7)
    end = min(1.5, 2 / abs(x)) if x else 1.5
    uniform = 2 * quad(lambda w: w ** (2 * power + 1) / (4 * 1.5 * 2), 0, end)[0]
    assert Initial("uniform", 1.5, 2).zeta(power).value(np.array([x]))[0] == pytest.approx(uniform)
    binary = 1.5 ** (2 * power + 1) / 4 if abs(1.5 * x) <= 2 else 0
    law = Initial("binary_uniform", 1.5, 2)
    assert law.zeta(power).value(np.array([x]))[0] == pytest.approx(binary)


@pytest.mark.parametrize("initial", LAWS)
def test_all_of_zeta_is_the_second_moment(initial):
    zeta = initial.zeta()
    c, weight = _spline.nodes(_spline.panels(-1e12, 1e12, zeta.edges))
    moment = {"uniform": 1 / 3}.get(initial.law, 1.0)
    assert (weight * zeta.value(c)).sum() == pytest.approx(moment, rel=1e-10)
    neurons = initial.draw(np.random.default_rng(0), 3, 4000)
    assert neurons.w.shape == (3, 4000)
    assert (neurons.w**2).mean() == pytest.approx(moment, rel=0.06)
    low, high = initial.support
    assert (low <= neurons.breakpoints).all()
    assert (neurons.breakpoints <= high).all()
    inside = initial.zeta(0)
    c, weight = _spline.nodes(_spline.panels(-1, 1, inside.edges))
    share = (np.abs(neurons.breakpoints) < 1).mean()
    assert share == pytest.approx((weight * inside.value(c)).sum(), abs=0.04)


@pytest.mark.parametrize("power", [1, 2])
def test_outputs_are_sums_over_neurons(power):
    rng = np.random.default_rng(1)
    w, b = GAUSS.draw(rng, 2, 30)
    a, x = rng.standard_normal((2, 30)), rng.uniform(-3, 3, 17)
    twin = np.einsum("smn,sn->sm", _network.features(x, w, b, power), a)
    np.testing.assert_allclose(_network.outputs(x, w, b, a, power), twin, atol=1e-12)


@pytest.mark.parametrize("degree", [-1, 0, 1])
def test_least_norm_fits_and_no_other_fit_is_shorter(degree):
    rng = np.random.default_rng(2)
    Phi = _network.features(D2.x, *GAUSS.draw(rng, 60))
    P = _network.polynomials(D2.x, degree)
    fit = _network.least_norm(Phi, D2.y, P)
    np.testing.assert_allclose(fit.residual, 0, atol=1e-10)
    null = np.linalg.svd(np.hstack([Phi, P]))[2][len(D2.x) :]
    np.testing.assert_allclose(null[:, :60] @ fit.a, 0, atol=1e-9 * np.linalg.norm(fit.a))


def test_the_eigenbasis_is_gradient_descent():
    rng = np.random.default_rng(3)
    Phi, P, a = (
        _network.features(D1.x, *BINARY.draw(rng, 40)),
        _network.polynomials(D1.x),
        np.zeros(40),
    )
    found, N = _network.modes(Phi, D1.y, P), _network.free(P)
    eta = 0.4 / found.mu[0]
    for t in range(51):
        closed = _network.weights(found, _network.discrete(found, eta, t))
        np.testing.assert_allclose(a, closed, atol=1e-13)
        a = a - 2 * eta * Phi.T @ N @ (N.T @ (Phi @ a - D1.y))


def test_a_fit_that_nothing_is_left_of_or_that_lacks_neurons():
    P = _network.polynomials(D1.x[:2])
    fit = _network.least_norm(np.ones((3, 2, 7)), D1.y[:2], P)
    np.testing.assert_allclose(fit.residual, 0, atol=1e-14)
    assert not fit.a.any()
    Phi = np.repeat(_network.features(D1.x, *GAUSS.draw(np.random.default_rng(4), 1)), 3, 1)
    fit = _network.least_norm(Phi, D1.y, _network.polynomials(D1.x))
    assert np.isfinite(fit.a).all()
    assert np.abs(fit.residual).max() > 0.1


@pytest.mark.parametrize(
    ("initial", "floor"),
    [(BINARY, 0.02442), (UNIFORM, 0.00470), (GAUSS, 0.00406), (SHARP, 0.00302)]
    + [(Initial("binary_uniform", 1, a), f) for a, f in ((4, 2.26e-3), (8, 2.74e-4), (16, 3.4e-5))],
)
def test_reference_floors_without_a_free_line(initial, floor):
    gap = _data.without_line(D1, initial, GRID[::4]) - _spline.interpolate(*D1, initial.zeta())(
        GRID[::4]
    )
    assert rms(gap) == pytest.approx(floor, rel=2e-2)


@pytest.mark.parametrize(
    ("initial", "constant"), [(BINARY, 0.40), (GAUSS, 0.65), (SHARP, 0.76), (UNIFORM, 0.67)]
)
def test_reference_errors_of_wide_networks(initial, constant):
    f, fit = _network.fitted(*D1, GRID, initial.draw(np.random.default_rng(5), 20, 1280))
    error = rms(f - _spline.interpolate(*D1, initial.zeta())(GRID))
    assert np.sqrt(1280 * (error**2).mean()) == pytest.approx(constant, rel=0.3)
    assert np.abs(fit.residual).max() < 1e-12


def test_a_line_at_the_neurons_rate_leaves_a_floor_that_width_does_not_lower():
    """Its kernel is 1/n of theirs: the error is √(floor² + c²/n), which falls with a slope above −0.2."""
    rng, goal, widths = np.random.default_rng(6), _spline.interpolate(*D1, BINARY.zeta())(GRID), []
    lines, none, errors = np.vander(D1.x, 2), np.zeros((5, 0)), []
    for n in (160, 640, 2560, 10240):
        w, b = BINARY.draw(rng, 20, n)
        Phi = _network.features(D1.x, w, b)
        found = _network.least_norm(
            np.concatenate([Phi, np.broadcast_to(lines, (20, 5, 2))], -1), D1.y, none
        ).a
        f = _network.outputs(GRID, w, b, found[:, :-2]) + found[:, -2:] @ np.vander(GRID, 2).T
        errors.append(np.sqrt((rms(f - goal) ** 2).mean()))
        widths.append(n)
    slope = np.polyfit(np.log(widths), np.log(errors), 1)[0]
    twin = np.sqrt(0.0244**2 + (errors[0] ** 2 - 0.0244**2) * 160 / np.array(widths))
    assert -0.2 < slope < -0.05
    assert slope == pytest.approx(np.polyfit(np.log(widths), np.log(twin), 1)[0], abs=0.05)
    assert errors[-1] == pytest.approx(0.0244, abs=0.003)


# ---- The experiments on what a network learns from points on a line.


def broken(name: str, **changes) -> set[str]:
    return {check.name for check in run(f"wide_relu@{name}", **changes).checks if not check.holds}


@pytest.mark.parametrize(
    ("initial", "constant"), [(BINARY, 0.400), (GAUSS, 0.65), (SHARP, 0.76), (UNIFORM, 0.655)]
)
def test_reference_constants_of_the_error(initial, constant):
    found = _moments.constant(D1, initial.zeta(), initial.zeta(2), GRID)
    assert found == pytest.approx(constant, rel=0.04)


def test_reference_gap_between_gradient_descent_and_splines():
    assert _paths.furthest() == pytest.approx(0.203632, abs=1e-6)
    kernel = _paths.Kernel.of(D1, BINARY.zeta(), 0.001)
    t = _paths.steps_of(kernel, 60)
    path = _paths.infinite(kernel, D1, t, D1.x).fitted
    smooth = [_spline.smooth(*D1, BINARY.zeta(), lam).values for lam in kernel.lam(t)]
    gap = np.linalg.norm(path - smooth, axis=1) / np.linalg.norm(kernel.target)
    assert gap.max() == pytest.approx(0.181, abs=2e-3)


def test_reference_distance_of_the_tangent_kernel_scale():
    """With data adjusted by the line of the limit, and no line."""
    K = _data.whole_kernel(D1.x, D1.x, BINARY)
    P = np.vander(D1.x, 2)
    saddle = np.block([[K, P], [P.T, np.zeros((2, 2))]])
    line = np.linalg.solve(saddle, np.r_[D1.y, 0, 0])[5:]

    def tangent(x):
        rest = (1 + x[:, None] * D1.x) * parametrisation.both_on(x, D1.x, BINARY) / 3
        return _data.whole_kernel(x, D1.x, BINARY) + rest

    f = tangent(GRID[::4]) @ np.linalg.solve(tangent(D1.x), D1.y - P @ line)
    f += np.vander(GRID[::4], 2) @ line
    assert rms(f - _spline.interpolate(*D1, BINARY.zeta())(GRID[::4])) == pytest.approx(
        0.0493, abs=3e-4
    )


def test_gates_are_on_together_as_often_as_predicted():
    rng, x = np.random.default_rng(7), np.array([-1.7, 0.3, 1.2])
    for initial in (BINARY, GAUSS, Initial("uniform", 1, 1)):
        w, b = initial.draw(rng, 100_000)
        on = (x[:, None] * w + b > 0).astype(float)
        np.testing.assert_allclose(
            on @ on.T / 1e5, parametrisation.both_on(x, x, initial), atol=0.01
        )


def test_the_gradients_of_all_layers_are_differences():
    rng = np.random.default_rng(8)
    w, b = GAUSS.draw(rng, 6)
    a, h = rng.standard_normal(6), 1e-6
    found = _layers.gradients(D2.x, w, b, a, 0.5)
    flat = np.r_[a, w, b]

    def f(weights):
        a, w, b = weights.reshape(3, 6)
        return 0.5 * _network.features(D2.x, w, b) @ a

    twin = [(f(flat + h * e) - f(flat - h * e)) / (2 * h) for e in np.eye(18)]
    np.testing.assert_allclose(found, np.transpose(twin), atol=1e-8)


def test_training_all_layers_is_gradient_descent_on_them():
    """One step against differences of the loss, the line at its best."""
    rng = np.random.default_rng(9)
    drawn, a, h = BINARY.draw(rng, 1, 5), rng.standard_normal((1, 5)), 1e-6
    ran = _layers.train(D1, drawn, a, D1.x, 1, 1, 1e-12)
    N = _network.free(_network.polynomials(D1.x))

    def loss(weights):
        a, w, b = weights.reshape(3, 2, 1, 5)
        parts = [(_network.features(D1.x, w[k], b[k]) @ a[k][..., None])[0, :, 0] for k in (0, 1)]
        return ((N.T @ (np.sqrt(0.5) * (parts[0] - parts[1]) - D1.y)) ** 2).sum()

    start = np.array([np.repeat(one, 2, 0)[:, None] for one in (a, *drawn)]).ravel()
    slope = [(loss(start + h * e) - loss(start - h * e)) / (2 * h) for e in np.eye(len(start))]
    end = np.array([np.swapaxes(one, 0, 1) for one in (ran.a, ran.w, ran.b)]).ravel()
    moved = start - end
    np.testing.assert_allclose(
        moved / np.linalg.norm(moved), slope / np.linalg.norm(slope), atol=1e-6
    )


def test_a_missing_tail_of_zeta_is_noticed(monkeypatch):
    closed = _initial._closed

    def cut(initial, k, x):
        inside = np.abs(x) <= initial.scale
        return closed(initial, k, x) * (inside if initial.law == "uniform" else 1)

    monkeypatch.setattr(_initial, "_closed", cut)
    law = {"laws": ["uniform"], "weights": [1], "biases": [1]}
    assert {"sampled", "integral"} <= broken("curvature", **law)


def test_the_printed_parameter_of_the_smoothing_spline_is_noticed(monkeypatch):
    right = _paths.Kernel.lam
    monkeypatch.setattr(_paths.Kernel, "lam", lambda kernel, t: 2 * right(kernel, t))
    assert "gap" in broken("trajectory")


def test_a_line_at_the_neurons_rate_is_not_free(monkeypatch):
    free = training.predict_skips
    zero = {"skip_predicted": free(config_of("wide_relu@training"))["skip_predicted"] * 0}
    monkeypatch.setattr(training, "predict_skips", lambda config: free(config).assign(zero))
    assert broken("training") == {"line_at_a_rate"}


@pytest.mark.parametrize(
    ("name", "changes", "rule"),
    [
        ("spline", {"points": [-2, 0, 0, 1, 2]}, "must increase"),
        ("spline", {"values": [0, 1, 2, 3, 4]}, "straight line"),
        ("spline", {"values": [1, 2]}, "2 for 5 points"),
        ("spline", {"biases": [1, 2]}, "one each a law"),
        ("width", {"widths": [10, 20, 40]}, "eight a point"),
        ("width", {"replicates": 2}, "too few"),
        ("curvature", {"draws": 100}, "neurons of"),
        ("trajectory", {"step": 0.5}, "flow is compared"),
        ("design", {"penalties": ["waves", "waves"]}, "each once"),
        ("training", {"skips": [10, 1]}, "increasing"),
        ("parametrisation", {"trained": 1}, "for a trend"),
    ],
)
def test_refusals_name_the_rule(name, changes, rule):
    with pytest.raises(ValueError, match=rule):
        config_of(f"wide_relu@{name}", **changes)


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("training", {"limit": 20, "steps": 20}, "residual is still"),
        ("parametrisation", {"limit": 20}, "residual is still"),
        ("training", {"values": [1.5e6, 5e5, 1.5e6, 5e5, 1.5e6]}, "a residual is still inf"),
    ],
)
def test_what_is_not_reached_is_no_claim(name, changes, reason):
    found = run(f"wide_relu@{name}", **changes)
    assert found.verdict == "no claim"
    assert any(reason in one for one in found.no_claim)

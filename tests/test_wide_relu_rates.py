"""What wide networks learn, how fast, and how well: reference values, slow twins, other settings, wrong formulas."""

from itertools import product

import numpy as np
import pytest

from descent.wide_relu import _beam, _radon, _sphere, _stopped, _targets, _waves, breakpoint_range
from descent.wide_relu._data import Points, kernel
from descent.wide_relu._initial import Initial
from descent.wide_relu._matching import fits, probability
from descent.wide_relu._variation import cubic_variation, least_variation
from harness import config_of, run

D1 = Points(np.arange(-2.0, 3), np.array([1.5, 0.5, 1.5, 0.5, 1.5]))
D2 = Points(
    (np.array([-2, -1.5, -0.5, 0, 0.3, 1.3, 1.8, 2.3, 3.3, 3.6]) + 2) / 5.6 * 4 - 2,
    np.array([3, 1.2, 2.2, 1, 1.3, 3.1, 1.3, 2.5, 1.1, 0.3]),
)
X3 = np.array([-2, -1.7, -1.6, 0.9, 1.1, 1.3, 2])
D3 = Points(X3, np.array([3.5, 0.5, 2.3, 1.5, -0.5, 1.5, 0.5]) + X3)


@pytest.mark.parametrize(
    ("data", "least", "cubic"),
    [(D1, 6, 9.0390), (D2, 40.13333, 57.9698), (D3, 87.428571, 127.0939)],
)
def test_reference_variations(data, least, cubic):
    kinks = np.random.default_rng(0).uniform(data.x[0], data.x[-1], 300)
    assert least_variation(data, np.r_[data.x, kinks]) == pytest.approx(least, abs=1e-4)
    assert least <= least_variation(data, kinks) < 1.1 * least
    assert cubic_variation(data) == pytest.approx(cubic, abs=1e-4)


@pytest.mark.parametrize(("M", "part"), [(50, 3e-4), (200, 1e-6)])
def test_reference_eigenvalues_of_the_beam(M, part):
    x, law = np.linspace(-1, 2, M), Initial("binary_uniform", 1, 3.0)
    mu = _beam.projected(kernel(x, x, law.zeta()), x)[0][:8]
    np.testing.assert_allclose(_beam.eigenvalues(M, 3.0, 1 / 6, 8), mu, rtol=part)
    printed = [4.730041, 7.853205, 10.995608, 14.137165]
    np.testing.assert_allclose(_beam.roots(4), printed, atol=1e-6)


def test_modes_of_the_beam_are_those_of_the_kernel():
    x = np.linspace(-0.5, 0.5, 80)
    u = _beam.projected(kernel(x, x, Initial("binary_uniform", 1, 0.5).zeta()), x)[1]
    overlap = np.abs((_waves.shapes(80, 6) * u[:, :6]).sum(0))
    np.testing.assert_allclose(overlap, 1, atol=1e-4)


def test_reference_integral_of_the_variance():
    assert _stopped.integral() == pytest.approx(0.99356, abs=1e-5)


@pytest.mark.parametrize("name", ["sine", "quartic", "square", "exponential", "cosine"])
def test_derivatives_of_the_targets(name):
    x, h = np.linspace(0.1, 0.9, 5), 1e-2
    f = [_targets.target(name, x + k * h).value for k in (-2, -1, 0, 1, 2)]
    found = _targets.target(name, x)
    second = (f[1] - 2 * f[2] + f[3]) / h**2
    fourth = (f[0] - 4 * f[1] + 6 * f[2] - 4 * f[3] + f[4]) / h**4
    np.testing.assert_allclose(second, found.second, atol=5e-3)
    np.testing.assert_allclose(fourth, found.fourth, atol=0.05 * max(1, found.sixth / 50))


def test_reference_constant_of_the_end():
    error = np.abs(_targets.leading_error("square", 100, 200)).max()
    assert error * 100**2 / 2 == pytest.approx(0.049092, abs=2e-6)


def test_dealing_out_is_a_matching():
    rng = np.random.default_rng(0)
    for counts in rng.integers(0, 3, (60, 5)):
        gaps = np.repeat(np.arange(5), counts)
        hats = [(j, j + 1) for j in range(4)]
        exists = any(
            all(counts[g] >= list(choice).count(g) for g in set(choice))
            for choice in product(*hats)
        )
        assert fits(counts) == exists, gaps


@pytest.mark.parametrize("n", [3, 6, 12])
def test_the_probability_is_a_sum_over_counts(n):
    p = np.array([0.2, 0.1, 0.3, 0.15])
    rng = np.random.default_rng(n)
    share = fits(rng.multinomial(n, [*p, 1 - p.sum()], 200_000)[:, :4]).mean()
    assert probability(n, p) == pytest.approx(share, abs=0.006)


@pytest.mark.parametrize("d", [2, 3])
def test_the_kernel_of_the_sphere_is_its_quadrature(d):
    rng = np.random.default_rng(d)
    x, l = rng.uniform(-1, 1, (9, d)), rng.standard_normal(9)
    P = _sphere.affine(x)
    l -= P @ np.linalg.lstsq(P, l)[0]
    one = _sphere.quadrature(d, 2.0, 64, 128)
    found = one.weight @ (l @ _sphere.features(x, one)) ** 2
    assert l @ _sphere.cubic_kernel(x, x, 2.0) @ l == pytest.approx(found, rel=3e-3)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_neurons_with_the_density_of_the_radon_transform_are_the_function(d):
    x = np.random.default_rng(d).uniform(-1, 1, (9, d))
    exact = np.expm1(-(x**2).sum(1) / 2)
    np.testing.assert_allclose(_radon.superposition(x), exact, atol=7e-5)


@pytest.mark.parametrize("c", [0.0, 0.8, 2.5])
def test_the_filtered_transform_is_its_integral(c):
    for d in (1, 2, 3):
        omega = np.linspace(0, 12, 4001)
        rows = omega ** (d + 1) * np.exp(-(omega**2) / 2) * np.cos(omega * c)
        filtered = np.sqrt(2 / np.pi) * np.trapezoid(rows, omega) * (2 * np.pi) ** ((d - 1) / 2)
        exact = -filtered / (2 * (2 * np.pi) ** (d - 1))
        assert _radon.density(np.array([c]), d)[0] == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize("wrong", ["half", "power", "unfiltered"])
def test_a_wrong_density_of_neurons_is_caught(monkeypatch, wrong):
    right = _radon.density
    instead = {
        "half": lambda c, d: right(c, d) / 2,  # each plane counted for both of its sides
        "power": lambda c, d: right(c, d - 1) * (2 * np.pi) ** -0.5,  # of the Laplacian: d/2
        "unfiltered": lambda c, d: -np.exp(-(c**2) / 2) * (2 * np.pi) ** ((1 - d) / 2) / 2,
    }
    monkeypatch.setattr(_radon, "density", instead[wrong])
    broken = {c.name for c in run("wide_relu@multivariate").checks if not c.holds}
    assert broken == {"radon"}


def test_reference_distances_without_a_free_line():
    found = run("wide_relu@breakpoint_range", nodes=201).data["distance"].sel(tilt=0)
    np.testing.assert_allclose(1.5 * found, [0.02442, 2.26e-3, 2.74e-4, 3.4e-5], rtol=8e-3)
    slope = np.polyfit(np.log(found["range"][1:]), np.log(found[1:]), 1)[0]
    assert slope == pytest.approx(-3.006, abs=0.02)


def test_a_kernel_with_another_height_is_caught(monkeypatch):
    right = breakpoint_range.cubic
    monkeypatch.setattr(breakpoint_range, "cubic", lambda x, y: right(x, y) * 2)  # |x − y|³/6
    assert "limit" in {c.name for c in run("wide_relu@breakpoint_range").checks if not c.holds}


OTHERS = [
    ("breakpoint_range", {"seed": 1, "points": [-1.3, 0.4, 2], "values": [1, -2, 0.5]}),
    ("breakpoint_range", {"seed": 2, "points": [0, 1e6, 3e6, 4e6], "values": [1e6, 0, 3e6, 1e6]}),
    ("breakpoint_range", {"seed": 3, "points": [3, 3.1, 3.3, 3.9, 5], "tilts": [-2, 0.5]}),
    ("breakpoint_range", {"seed": 4, "ranges": [10, 100]}),
    ("norms", {"seed": 1, "law": "uniform", "weight": 2, "bias": 3}),
    ("norms", {"seed": 2, "values": [1e6, 2e6, -1e6, 0, 3e6]}),
    ("noiseless", {"cells": [10, 30], "parts": 5}),
    ("activations", {"seed": 3, "bias": 4}),
    ("spectral_bias", {"seed": 4, "low": 0, "high": 1, "bias": 3}),
    ("early_stopping", {"seed": 5, "noise": 1, "bias": 1}),
    ("early_stopping", {"seed": 5, "noise": 1e-3}),  # networks are too narrow to compare
    ("activations", {"bias": 2e6, "points": [1e6 * x for x in (-2, -1.4, -1, 0, 0.3, 1, 1.5, 2)]}),
    ("spline", {"seed": 22, "neurons": 640}),  # a breakpoint at −32070
    ("multivariate", {"seed": 6, "dimensions": [3], "points": 7}),
    ("interpolation", {"seed": 7, "frequency": 5, "width": 150}),
    ("wide_enough", {"seed": 8, "points": 4, "bias": 2}),
]


@pytest.mark.parametrize(("name", "changes"), OTHERS)
def test_no_false_alarm_at_other_settings(name, changes):
    result = run(f"wide_relu@{name}", **changes)
    assert result.verdict == "holds", (result.no_claim, [c for c in result.checks if not c.holds])
    assert all(erratum.stands for erratum in result.errata)


REFUSED = [
    ("norms", {"points": [0, 0, 1], "values": [1, 2, 3]}, "points"),
    ("norms", {"width": 6}, "width"),
    ("breakpoint_range", {"ranges": [1, 2]}, "ranges"),
    ("breakpoint_range", {"tilts": [1, 0]}, "tilts"),
    ("noiseless", {"cells": [64]}, "cells"),
    ("activations", {"bias": 1}, "bias"),
    ("spectral_bias", {"low": 2, "high": 1}, "high"),
    ("early_stopping", {"time": 1e-3}, "time"),
    ("early_stopping", {"trained": [33]}, "trained"),
    ("multivariate", {"points": 3}, "points"),
    ("multivariate", {"bias": 0.5}, "bias"),
    ("interpolation", {"points": [1]}, "points"),
    ("wide_enough", {"points": 2}, "points"),
]


@pytest.mark.parametrize(("name", "changes", "field"), REFUSED)
def test_what_is_refused(name, changes, field):
    with pytest.raises(ValueError, match=field):
        config_of(f"wide_relu@{name}", **changes)


def test_runs_that_are_too_short_claim_nothing():
    for name in ("norms", "interpolation"):
        result = run(f"wide_relu@{name}", limit=20)
        assert result.verdict == "no claim"
        assert "had not converged" in result.no_claim[-1]


def test_a_wrong_formula_is_caught(monkeypatch):
    right = _beam.eigenvalues
    monkeypatch.setattr(  # the points' own length for that of the beam
        "descent.wide_relu.spectral_bias.eigenvalues",
        lambda M, width, zeta, count: right(M, width * (M - 1) / M, zeta, count),
    )
    broken = {c.name for c in run("wide_relu@spectral_bias").checks if not c.holds}
    assert "eigenvalue" in broken


def test_an_error_without_its_ends_is_caught(monkeypatch):
    def interior(name, N, parts):
        t = np.arange(N * parts + 1) / parts % 1
        x = np.arange(N * parts + 1) / (N * parts)
        return -_targets.target(name, x).fourth * t**2 * (1 - t) ** 2 / 24 / N**4

    monkeypatch.setattr("descent.wide_relu.noiseless.leading_error", interior)
    assert {c.name for c in run("wide_relu@noiseless").checks if not c.holds} == {"error", "middle"}

"""The rippled wells against the course's own sum, the operator against a dense one; wrong formulas, and traps."""

import numpy as np
import pytest
from pydantic import ValidationError

from descent.minima import _chain as chain
from descent.minima import _laws, _operator, flat_sharp, sharp_well
from descent.minima import _wells as wells
from harness import config_of, experiments
from harness import run as harness_run

W = wells.wells(5.0, 100.0, 20.0, 10.0, 2.0)


def phases(N: int = 2000) -> np.ndarray:
    return 2 * np.pi * np.random.RandomState(0).rand(N)


def means(phi: np.ndarray) -> tuple[float, float]:
    return float(np.cos(phi).mean()), float(np.sin(phi).mean())


def result(name: str, **changes):
    return harness_run(f"minima@{name}", **changes)


def failed(name: str, **changes) -> set[str]:
    return {c.name for c in result(name, **changes).checks if not c.holds}


def slow(x: float, phi: np.ndarray) -> tuple[float, float]:
    """f and f' as the sum over all terms."""
    inside = 50 / 11 <= x < 50 / 9
    wave, envelope = np.sin(10 * x + phi), np.cos(2 * (x - 5))
    f = (100 * (x - 5) ** 2 if inside else x**2) + 20 * wave * envelope
    df = 200 * (x - 5) if inside else 2 * x
    df = df + 20 * (10 * np.cos(10 * x + phi) * envelope - 2 * np.sin(2 * (x - 5)) * wave)
    return f.mean(), df.mean()


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("sharp_well", {"start": 4.0}, "start 4 is outside the sharp well"),
        ("sharp_well", {"sharpness": 1}, "sharpness 1 ≤ 1"),
        ("sharp_well", {"step": 1.0}, "step 1 ≥ 1"),
        ("sharp_well", {"margin": 0.5}, "less than 0.5"),
        ("sharp_well", {"frequency": 1e5}, "ripples may hold minima"),
        ("sharp_well", {"terms": 10**10}, "terms 10000000000 > 10000000"),
        ("flat_sharp", {"gammas": [2e-3, 1e-3]}, "increasing"),
        ("flat_sharp", {"gammas": [2.0]}, "from 1 on every run diverges"),
        ("flat_sharp", {"resolution": 3}, "greater than or equal to 4"),
        ("flat_sharp", {"phase_seed": 2**32}, "less than"),
        ("flat_sharp", {"replicates": 10**12}, "replicates 1000000000000, .* hours"),
        ("flat_sharp", {"replicates": 1}, "greater than or equal to 100"),
        ("flat_sharp", {"gammas": [0.5], "resolution": 80}, r"step 0\.5: its operator has"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        config_of(f"minima@{name}", **change)


def test_two_numbers_stand_for_all_terms():
    phi = phases()
    A, B = means(phi)
    assert pytest.approx([0.031808040555168, 0.006929582997148], abs=1e-15) == [A, B]
    for x in (-2.0, 0.0, 1.0, 4.9, 5.0, 5.6):
        f, df = slow(x, phi)
        assert wells.value(x, A, B, W) == pytest.approx(f, abs=1e-12)
        assert wells.slope(x, A, B, W) == pytest.approx(df, abs=1e-11)
        inside = W.left <= x < W.right
        assert chain.term_slope(x, A, B, W, inside) == pytest.approx(df, abs=1e-11)
        h = 1e-5
        bend = (slow(x + h, phi)[1] - slow(x - h, phi)[1]) / (2 * h)
        assert wells.curvature(x, A, B, W) == pytest.approx(bend, rel=1e-6)
    # Reference values, measured independently.
    assert wells.value(np.array([5.0, 0.0, 1.0]), A, B, W) == pytest.approx(
        [-0.033176356068133, -0.116288316025578, 1.067275320187805], abs=1e-14
    )
    assert wells.slope(5.0, A, B, W) == pytest.approx(6.502365378748415, abs=1e-13)


def test_the_wells_meet():
    assert (W.left, W.right) == pytest.approx((50 / 11, 50 / 9), rel=1e-15)
    V = wells.wells(3.0, 7.0, 20.0, 10.0, 2.0)
    for edge in (V.left, V.right):
        assert edge**2 == pytest.approx(7 * (edge - 3) ** 2, rel=1e-13)


def test_reference_of_gradient_descent_and_of_the_minima():
    A, B = means(phases())
    path = chain.descend(5.0, A, B, W, 1e-3, 2000)
    assert path[1:4] == pytest.approx([4.99349763, 4.98833355, 4.98425411], abs=5e-9)
    assert path[-1] == pytest.approx(4.969661701148792, abs=1e-12)
    found = wells.minima(A, B, W)
    assert found == pytest.approx(
        [-2.894216, -1.386042, -0.792606, -0.382167, 0.137405, 0.709307, 1.656552, 2.210621, 4.969662],
        abs=5e-7,
    )  # fmt: skip
    assert wells.curvature(found[[4, 8]], A, B, W) == pytest.approx([66.807, 224.933535], abs=5e-4)


@pytest.mark.parametrize(("gamma", "stays"), [(0.0088, True), (0.009, False), (0.0105, False)])
def test_what_gradient_descent_does_around_the_critical_step(gamma, stays):
    """Below 2/f'' it converges; just above it cycles in the well; further on it lands on another minimum."""
    A, B = means(phases())
    end = chain.descend(5.0, A, B, W, gamma, 5000)[-100:]
    assert (np.ptp(end) < 1e-9) == (gamma != 0.009)
    assert (abs(end[-1] - 4.969661701148792) < 1e-9) == stays
    if gamma == 0.0105:
        assert end[-1] == pytest.approx(2.21062068, abs=2e-7)


def test_a_function_of_other_means_is_caught(monkeypatch):
    """The sine mean for the cosine mean, in the figure of f alone."""
    right = sharp_well.predict_landscape
    monkeypatch.setattr(
        sharp_well, "predict_landscape", lambda config, t: right(config, t._replace(A=t.B))
    )
    assert failed("sharp_well") == {"landscape"}


def test_the_stream_of_the_course():
    legacy = np.random.RandomState(0)
    phi = 2 * np.pi * legacy.rand(2000)
    order = np.array([legacy.randint(2000) for _ in range(2000)])
    path = chain.follow(5.0, order, np.cos(phi), np.sin(phi), W, 1e-3)
    assert path[1:3] == pytest.approx([4.96974595, 5.06367838], abs=5e-9)
    assert np.argmax(path < W.left) == 274
    assert path[-1] == pytest.approx(-0.4723021, abs=5e-7)
    legacy = np.random.RandomState(0)
    legacy.rand(2000)
    assert (legacy.randint(2000, size=2000) == order).all()


def test_the_operator_agrees_with_many_runs():
    """2 · 10⁵ runs: P(outside) = 0.88833 ± 0.0007, survival at 100 and 500 0.74686 and 0.22215 ± 0.001."""
    phi = phases()
    law = _operator.law(5.0, np.cos(phi), np.sin(phi), W, 1e-3, 2000, 40)
    assert law.outside[-1] == pytest.approx(0.88833, abs=0.003)
    assert law.survival[[100, 500]] == pytest.approx([0.74686, 0.22215], abs=0.004)
    assert law.spread == pytest.approx(1.2865, abs=0.01)
    assert law.leaked < 1e-15


def test_the_first_step_of_the_operator_is_the_share_of_the_terms():
    phi = phases()
    law = _operator.law(5.0, np.cos(phi), np.sin(phi), W, 4e-3, 1, 100)
    x = 5 - 4e-3 * 20 * 10 * np.cos(50 + phi)
    out = ((x < W.left) | (x >= W.right)).mean()
    assert law.outside[1] == pytest.approx(out, abs=6 / 2000)
    assert law.survival[1] == pytest.approx(1 - out, abs=6 / 2000)


def test_a_wrong_mean_of_the_terms_is_caught(monkeypatch):
    """Cosine and sine means exchanged."""
    monkeypatch.setattr(sharp_well, "minima", lambda A, B, w: wells.minima(B, A, w))
    assert {"every_minimum_is_reached", "end"} <= failed("sharp_well")


def test_a_wrong_curvature_is_caught(monkeypatch):
    """The parabola's alone: 200 in place of 279."""

    def parabola(x, A, B, w):
        return np.where((w.left <= x) & (x < w.right), 200.0, 2.0)

    monkeypatch.setattr(sharp_well, "curvature", parabola)
    assert {"curvature", "critical_step"} <= failed("sharp_well")


def test_a_wrong_law_is_caught(monkeypatch):
    """The stride of half the ripple."""

    def wrong(start, cosines, sines, w, *rest):
        return _operator.law(start, cosines, sines, w._replace(amplitude=w.amplitude / 2), *rest)

    monkeypatch.setattr(_laws, "law", wrong)
    assert {"outside", "survival", "ever_left"} <= failed("flat_sharp")


def test_a_short_stride_never_leaves():
    """The trap: as many steps of a fifth of the size do not leave the well, and the law says so."""
    found = result("flat_sharp", step=4e-4, gammas=[4e-4])
    assert all(check.holds for check in found.checks)
    assert (found.verdict == "no claim") == (not found.metrics["ever_left"].any())
    assert found.metrics["escaped"].item() < 0.05
    assert "spread" in found.unchecked


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"step": 0.0075}, "may jump over a minimiser"),
        ({"steps": 3}, "of the way is left"),
    ],
)
def test_a_run_that_theory_does_not_hold_claims_nothing(change, reason):
    found = result("sharp_well", **change)
    assert found.verdict == "no claim"
    assert any(reason in one for one in found.no_claim)


def test_beyond_the_critical_step_descent_leaves_as_well():
    found = result("flat_sharp", step=0.02, gammas=[0.02])
    assert found.verdict == "no claim"
    assert "gradient descent leaves" in found.no_claim[-1]


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_term_has_the_law_of_its_path(seed):
    """The trap: a point mass that a grid smears; and f' of 0.01 where gradient descent takes 10⁵ steps past."""
    changes = {"terms": 1, "phase_seed": seed, "step": 1e-3}
    more = {"gammas": [3e-4, 2e-3], "replicates": 100}
    assert failed("flat_sharp", **changes, **more) == set()
    assert failed("sharp_well", **changes) == set()


@pytest.mark.long
def test_what_the_document_says_is_compared_for_its_own_wells():
    def errata(name, **changes):
        block = experiments()[f"minima@{name}"].parameters | changes
        module = {"sharp_well": sharp_well, "flat_sharp": flat_sharp}[name]
        return [e.name for e in module.run(module.Config(**block)).errata if e.stands]

    both = ["curvature_at_the_sharp_minimiser", "curvature_at_the_flat_minimiser"]
    assert errata("sharp_well") == both
    assert errata("sharp_well", centre=4, start=4) == []
    quick = {"gammas": [1e-3], "resolution": 20}
    two = ["sgd_converges_in_the_flat_well", "iterations_until_sgd_leaves"]
    assert errata("flat_sharp", replicates=400, **quick) == two
    assert errata("flat_sharp", replicates=100, **quick) == []  # too few to tell a spread

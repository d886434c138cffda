"""Targets, measurements and starts of the user's own, against autograd, closed forms and refusals."""

import numpy as np
import pytest
import torch

import oracles
from descent.config import Refusal
from descent.sensing import _at_rank, _early, _given, exact
from descent.sensing._saddles import pull
from harness import config_of, run

ONE, TWO = "sensing@power_iteration", "sensing@two_factors"


def two_factor_loss(U, V, A, y):
    fits = torch.einsum("mij,ik,jk->m", A, U, V)
    return ((fits - y) ** 2).mean() / 2


def test_a_stacked_factor_descends_as_two_factors_do():
    rng = np.random.default_rng(0)
    a, b, m = 4, 3, 9
    A, star = rng.standard_normal((m, a, b)), rng.standard_normal((a + b, 2))
    U, V = rng.standard_normal((a, 7)), rng.standard_normal((b, 7))
    y = np.einsum("mij,ij->m", A, star[:a] @ star[a:].T)
    wide = np.zeros((m, a + b, a + b))
    wide[:, :a, a:] = A
    problem = _given.problem_of(star, wide)
    Z, signs = np.concatenate([U, V]), np.repeat([1.0, -1.0], [a, b])
    path = _early.follow(problem, Z, 0.01, 1, np.eye(a + b), signs)
    tensors = [torch.tensor(x, requires_grad=True) for x in (U, V)]
    two_factor_loss(*tensors, torch.tensor(A), torch.tensor(y)).backward()
    stepped = Z - 0.01 * np.concatenate([x.grad.numpy() for x in tensors])
    np.testing.assert_allclose(path.last, stepped, rtol=0, atol=1e-13)
    G = np.einsum("m,mij->ij", np.einsum("mij,ij->m", A, U @ V.T) - y, A) / m
    kicks = 0.01**2 * (V.T @ G.T @ G @ V - U.T @ G @ G.T @ U)
    np.testing.assert_allclose(path.kicks, kicks, rtol=0, atol=1e-12 * abs(kicks).max())


def test_one_factor_on_given_matrices_descends_the_loss():
    rng = np.random.default_rng(1)
    A, star, U = rng.standard_normal((9, 4, 4)), *rng.standard_normal((2, 4, 2))
    path = _early.follow(_given.problem_of(star, A), U, 0.01, 1, np.eye(4), np.ones(4))
    y = np.einsum("mij,ij->m", A, star @ star.T)
    expected = U - 0.01 * oracles.sensing_gradient(U, A, y)
    np.testing.assert_allclose(path.last, expected, rtol=0, atol=1e-13)


def test_what_is_bent_bounds_the_distance_from_the_power():
    rng = np.random.default_rng(2)
    A, star = rng.standard_normal((30, 4, 4)), rng.standard_normal((4, 2))
    problem, U = _given.problem_of(star, A), 1e-3 * rng.standard_normal((4, 4))
    M = pull(problem, np.zeros((4, 1)))
    for T in (5, 20, 40):
        path = _early.follow(problem, U, 0.01, T, np.eye(4), np.ones(4))
        power = np.linalg.matrix_power(np.eye(4) + 0.02 * M, T) @ U
        assert np.linalg.norm(path.last - power) <= path.bent[-1] * (1 + 1e-9)


def basis(d):
    """√p times an orthonormal basis of the symmetric matrices: (1/m) Σ ⟨Aᵢ, X⟩Aᵢ = X."""
    rows = []
    for i in range(d):
        for j in range(i, d):
            E = np.zeros((d, d))
            E[i, j] = E[j, i] = 1.0 if i == j else np.sqrt(0.5)
            rows.append(E * np.sqrt(d * (d + 1) / 2))
    return np.array(rows)


def test_from_the_identity_every_eigenvalue_of_a_given_target_has_a_recurrence_of_its_own():
    lam, Q = np.array([1.0, 0.5, 0, 0]), np.linalg.qr(np.random.default_rng(3).random((4, 4)))[0]
    X = (Q * lam) @ Q.T
    given = {"target": X.tolist(), "matrices": basis(4).tolist(), "size": 4, "measurements": 10}
    result = run(ONE, **given, rank=2, replicates=1, scale=1e-3, steps=120, step=0.1)
    u = np.full(4, 1e-3)
    for _ in range(120):
        u -= 2 * 0.1 * (u**2 - lam) * u
    expected = np.linalg.norm(u**2 - lam) / np.linalg.norm(lam)
    assert result.verdict == "holds"
    assert float(result.metrics["distance"]) == pytest.approx(expected, rel=1e-9)


def test_observed_entries_are_measurements_too():
    """All but one entry of a matrix of rank 1 tell it, and the last one is found."""
    x, y = np.array([1.0, -2.0, 0.5]), np.array([1.0, 1.5])
    cells = np.eye(6).reshape(6, 3, 2)[1:]
    given = {"target": np.outer(x, y).tolist(), "matrices": cells.tolist(), "measurements": 5}
    result = run(TWO, **given, rows=3, columns=2, rank=1, steps=300, scale=1e-3)
    assert result.verdict == "holds"
    assert float(result.metrics["distance"]) < 1e-3


@pytest.mark.parametrize("law", ["gaussian", "uniform", "orthonormal"])
@pytest.mark.parametrize("start", ["gaussian", "identity"])
def test_every_law_and_start_holds(law, start):
    assert run(ONE, law=law, start=start, replicates=1).verdict == "holds"


def test_a_large_start_is_no_power_iteration():
    for name in (ONE, TWO):
        assert run(name, scale=1.0, replicates=1).verdict == "no claim"
        assert run(name, steps=2, replicates=1).verdict == "no claim"


SQUARE = [[1, 0], [0, 2]]


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (ONE, {"target": SQUARE}, "8 rows of 8"),
        (ONE, {"target": SQUARE, "size": 2, "rank": 1}, "target has the rank 2"),
        (ONE, {"target": [[1, 1], [0, 1]], "size": 2}, "symmetric"),
        (ONE, {"target": [[1, 0], [0, -1]], "size": 2}, "no eigenvalue below 0"),
        (ONE, {"target": [[0, 0], [0, 0]], "size": 2}, "rank 0"),
        (ONE, {"target": [[1, 0], [0]], "size": 2}, "2 rows of 2"),
        (ONE, {"matrices": [SQUARE]}, "there are 1 matrices"),
        (ONE, {"matrices": [SQUARE], "measurements": 1}, "A_1 must be 8 rows of 8"),
        (ONE, {"law": "cauchy"}, "law"),
        (ONE, {"step": 0.5}, "step 0.5"),
        (ONE, {"size": 3, "rank": 4}, "rank 4"),
        (TWO, {"target": [[1, 2]], "rows": 2, "columns": 1}, "2 rows of 1"),
        (TWO, {"rows": 2, "columns": 1, "rank": 2}, "rank 2 > 1"),
    ],
)
def test_data_that_do_not_fit_are_refused(name, changes, words):
    with pytest.raises(ValueError, match=words):
        config_of(name, **changes)


def test_measurements_that_see_nothing_are_refused():
    given = {"target": [[1, 0], [0, 0]], "matrices": [[[0, 0], [0, 1]]], "measurements": 1}
    with pytest.raises(Refusal, match="every measurement"):
        run(ONE, **given, size=2, rank=1)


@pytest.mark.parametrize(
    ("name", "changes"), [(ONE, {"size": 2000}), (TWO, {"rows": 10**5}), (ONE, {"steps": 10**7})]
)
def test_what_does_not_fit_is_refused(name, changes):
    with pytest.raises(Refusal):
        run(name, **changes)


# --- a target of the user's own, in the runs from random starts ---

SMALL = {
    "exact": {"size": 12, "replicates": 2},
    "overparam": {"size": 12, "replicates": 2, "oversampling": 6},
    "scarce": {"size": 24, "replicates": 1},
}
STARTS = {
    "exact": {"start": 0.01},
    "overparam": {"alphas": [1e-5, 1e-4]},
    "scarce": {"alphas": [1e-5, 0.2]},
}


def own(name: str, lam: list[float], scale: float = 1.0):
    """The run on a target with these eigenvalues, everything scaled alike."""
    block = SMALL[name] | {"rank": len(lam), "held_out": 100}
    V = np.linalg.qr(np.random.default_rng(5).standard_normal((block["size"], len(lam))))[0]
    starts = {k: np.multiply(v, np.sqrt(scale)).tolist() for k, v in STARTS[name].items()}
    return run(f"sensing@{name}", **block | starts, target=(scale * (V * lam) @ V.T).tolist())


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "lam", "scale"),
    [("exact", [1.0, 1.0], 1e6), ("overparam", [1.0, 0.8], 1e-6), ("scarce", [1.0], 1e6)],
)
def test_a_target_of_your_own_is_found_at_any_size(name, lam, scale):
    result = own(name, lam, scale)
    assert result.verdict == "holds", result.no_claim
    for found in result.data["eigenvalue"].values:
        np.testing.assert_allclose(found, scale * np.array(lam), rtol=1e-12)


@pytest.mark.long
def test_of_a_target_unlike_those_that_are_drawn_nothing_is_claimed():
    reason = own("overparam", [1.0, 0.05]).no_claim[0]
    assert reason.startswith("target: λ₁/λ_r = 20 > 5.66 of drawn ones")


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        ([[1, 0], [0, 0]], "must be 12 rows of 12 numbers"),
        (np.eye(12).tolist(), "the target has the rank 12"),
        (np.diag([1.0, -1] + 10 * [0]).tolist(), "no eigenvalue below 0"),
        (np.eye(12, k=1).tolist(), "rank 11"),
        (np.diag([1e60, 1e60] + 10 * [0]).tolist(), "its powers leave float64"),
    ],
)
def test_what_is_no_target_is_refused(target, rule):
    with pytest.raises(ValueError, match=rule):
        run("sensing@exact", target=target)


# --- measurements of the user's own ---


def with_matrices(A: np.ndarray, **changes):
    own = {"oversampling": len(A) / 6, "start": 0.01, "matrices": A.tolist()} | changes
    return run("sensing@exact", size=6, rank=1, replicates=2, held_out=100, **own)


def entries() -> np.ndarray:
    """Every entry of a symmetric matrix by itself."""
    i, j = np.triu_indices(6)
    A = np.zeros((len(i), 6, 6))
    A[np.arange(len(i)), i, j] = 4.0
    return A


@pytest.mark.long
def test_with_measurements_of_your_own_the_rate_is_that_of_their_hessian(monkeypatch):
    found = with_matrices(entries())
    assert found.verdict == "holds"
    assert set(found.unchecked) == {"relative_distance", "rate_of_slowest_mode"}
    right = _at_rank.measure_one
    monkeypatch.setattr(
        exact, "measure_one", lambda *given: right(*given)._replace(hessian=np.eye(6))
    )
    assert "rate" in {c.name for c in with_matrices(entries()).checks if not c.holds}


@pytest.mark.long
def test_measurements_that_leave_the_claim_nothing_are_told():
    steep = with_matrices(6 * entries()).no_claim
    assert any("η times the largest curvature is" in reason for reason in steep)
    assert with_matrices(entries()[:6]).verdict == "no claim"
    assert with_matrices(0 * entries()[:1]).verdict == "no claim"


@pytest.mark.parametrize(
    ("A", "changes", "rule"),
    [
        (np.eye(6)[None], {"oversampling": 2}, "there are 1, and oversampling 2 makes 12"),
        (np.eye(5)[None], {}, "A_1 must be 6 rows of 6"),
        (1e30 * np.eye(6)[None], {}, "their powers leave float64"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(A, changes, rule):
    with pytest.raises(ValueError, match=rule):
        with_matrices(A, **changes)

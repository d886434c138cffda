"""Implicit bias of linear models: references without simulation against the runs that they stand for."""

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from descent.factorisation import _products
from descent.geometry import _data
from descent.geometry._loops import mirror
from descent.geometry._potentials import Potential, nearest
from descent.margin import _problem, _steepest
from descent.margin._flow import flow
from descent.margin._norms import norm
from machine import timed

STEPS = 1_000_000  # of gradient descent on separated samples
FRACTION = 0.01  # of the steps, for loops in Python
EPOCHS = 1000  # of completion


def separated() -> list[tuple]:
    """A million plain steps on 20 samples in two dimensions, and the flow to the same time and far beyond."""
    given = _problem.draw((0, 20, 2), 0.3, 1.0)
    Z, which = given.Z, norm("l2", 2, 0)
    eta, w0 = 0.5 / given.longest**2 / len(Z), np.zeros(2)

    def plain():
        w = np.zeros(2)
        for _ in range(int(FRACTION * STEPS)):
            w += eta * (Z.T @ np.exp(-Z @ w))

    kept = np.array([0, STEPS])
    last = np.log(eta * STEPS)
    return [
        ("1e6 steps, NumPy loop", timed(plain, 3) / FRACTION),
        ("1e6 steps, compiled", timed(lambda: _steepest.run(Z, which, "plain", 0.025, kept), 3)),
        ("flow to the same time", timed(lambda: flow(Z, "exponential", w0, np.array([last])), 5)),
        ("flow to t = 1e100", timed(lambda: flow(Z, "exponential", w0, np.array([230.0])), 5)),
    ]


def least_divergence() -> list[tuple]:
    """The limit of mirror descent with the entropy from 0.1, 30 samples of 100 features."""
    X, y, _ = _data.nonnegative(1, 30, 100, 10)
    start, close = np.full(100, np.log(0.1)), 1e-12 * float(np.abs(y).max())
    kept = np.array([0, 200_000])

    def cones():
        import cvxpy

        w = cvxpy.Variable(100)
        height = cvxpy.Minimize(cvxpy.sum(cvxpy.kl_div(w, np.exp(start))))
        cvxpy.Problem(height, [X @ w == y]).solve("CLARABEL")

    ran = lambda: mirror(X, y, start, kept, potential="entropy", close=close)  # noqa: E731
    return [
        ("cvxpy with Clarabel, to 1e-5", timed(cones, 3)),
        ("mirror descent to rounding", timed(ran, 3)),
        ("dual Newton to rounding", timed(lambda: nearest(Potential("entropy"), X, y, start), 5)),
    ]


def completion() -> list[tuple]:
    """Three factors of a matrix of size 30, a quarter of its entries observed."""
    rng = np.random.default_rng(0)
    M, mask = _products.completion(rng, 30, 2, 0.25)
    start = 1e-3 * rng.standard_normal((30, 30)) / 30
    factors = _products.balanced(start, 3)
    eta = 0.3 / (3 * np.linalg.norm(M, 2) ** (4 / 3))

    def by_torch():
        target, seen = torch.tensor(M), torch.tensor(mask)
        W = [torch.tensor(one, requires_grad=True) for one in factors]
        for _ in range(EPOCHS):
            loss = (seen * (W[2] @ W[1] @ W[0] - target)).square().sum() / 2
            slopes = torch.autograd.grad(loss, W)
            with torch.no_grad():
                for one, slope in zip(W, slopes, strict=True):
                    one -= eta * slope

    kept = np.array([0, EPOCHS])
    ours = lambda: _products.descend(factors, mask, M, eta, kept)  # noqa: E731
    return [
        ("torch, autograd and a loop", timed(by_torch, 3)),
        ("ours", timed(ours, 3)),
    ]


def ways() -> list[dict]:
    """Seconds on one thread, each group against its first row."""
    torch.set_num_threads(1)
    groups = {
        "separated samples, 20 × 2": separated,
        "least divergence, 30 × 100": least_divergence,
        "completion, 3 factors, 1000 steps": completion,
    }
    with threadpool_limits(1):
        found = {name: rows() for name, rows in groups.items()}
    return [
        {"problem": name, "way": way, "seconds": seconds, "ratio_to_first": rows[0][1] / seconds}
        for name, rows in found.items()
        for way, seconds in rows
    ]

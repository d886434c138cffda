"""The loops of the family, compiled: what 10⁵ to 10⁶ tiny steps of gradient descent leave, thinned out.

One step is about a hundred flops, so that a step in NumPy would be all overhead. Nothing here is
reassociated or contracted: the bits do not depend on the processor.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Int
from numba import njit

from descent.maths.compiled import assign


def log_spaced(last: int, count: int) -> Int[np.ndarray, " s"]:
    """0, 1, …, last: about `count` integers, equally spaced in their logarithms."""
    inner = np.geomspace(1, max(last, 1), count).round().astype(int)
    return np.unique(np.concatenate([[0], inner[inner <= last], [last]]))


def spaced(last: int, count: int) -> Int[np.ndarray, " s"]:
    """0, …, last: about `count` integers, half for a logarithmic axis and half for a linear one."""
    half = count // 2 + 1
    return np.union1d(log_spaced(last, half), np.linspace(0, last, half).round().astype(int))


@no_type_check
@njit(cache=True)
def descend(X, y, start, target, step, record, squared):
    """θ_k and θ̄_k at the iterations `record` (increasing; the last ends the run) of gradient descent,
    and the first k with ‖θ_k − target‖² ≤ squared, or the last k + 1 if there is none.
    """
    N, p = X.shape
    theta, total, slope = start.copy(), np.zeros(p), np.empty(p)
    iterates, averages = np.empty((len(record), p)), np.empty((len(record), p))
    first, s = record[-1] + 1, 0
    for k in range(record[-1] + 1):
        distance = 0.0
        for j in range(p):
            total[j] += theta[j]
            distance += (theta[j] - target[j]) ** 2
        if distance <= squared and first > record[-1]:
            first = k
        if k == record[s]:
            assign(iterates[s], theta)
            assign(averages[s], total / (k + 1))
            s += 1
        for j in range(p):
            slope[j] = 0
        for i in range(N):
            error = -y[i]
            for j in range(p):
                error += X[i, j] * theta[j]
            for j in range(p):
                slope[j] += error * X[i, j]
        for j in range(p):
            theta[j] -= step * 2 / N * slope[j]
    return iterates, averages, first


@no_type_check
@njit(cache=True)
def _draw(rng, N):
    """One of 0 … N − 1, each as likely up to 2⁻⁵³; `rng.integers` takes twenty times as long here."""
    return int(rng.random() * N)


@no_type_check
@njit(cache=True)
def _sample(X, y, theta, step, i):
    """θ ← θ − γ∇f_i(θ)."""
    error = -y[i]
    for j in range(len(theta)):
        error += X[i, j] * theta[j]
    for j in range(len(theta)):
        theta[j] -= step * 2 * error * X[i, j]


@no_type_check
@njit(cache=True)
def every_step(X, y, thetas, step):
    """One step with every sample from every θ: (θs, N, p)."""
    found = np.empty((len(thetas), len(X), X.shape[1]))
    for s in range(len(thetas)):
        for i in range(len(X)):
            theta = thetas[s].copy()
            _sample(X, y, theta, step, i)
            assign(found[s, i], theta)
    return found


@no_type_check
@njit(cache=True)
def _excess(X, target, theta):
    """f(θ) − f*."""
    total = 0.0
    for i in range(len(X)):
        error = 0.0
        for j in range(len(theta)):
            error += X[i, j] * (theta[j] - target[j])
        total += error * error
    return total / len(X)


@no_type_check
@njit(cache=True)
def descend_sampled(rng, X, y, target, step, hold, record, since):
    """θ_k and θ̄_k at `record` of stochastic gradient descent from 0, and the mean of f(θ_k) − f* over
    the iterations from `since` to before the last (every tenth of them).

    One sample a step, drawn with replacement; γ_k = step/(⌊k/hold⌋ + 1), or step if hold is 0.
    """
    N, p = X.shape
    theta, total = np.zeros(p), np.zeros(p)
    iterates, averages = np.empty((len(record), p)), np.empty((len(record), p))
    s, floor, counted = 0, 0.0, 0
    for k in range(record[-1] + 1):
        for j in range(p):
            total[j] += theta[j]
        if k == record[s]:
            assign(iterates[s], theta)
            assign(averages[s], total / (k + 1))
            s += 1
        if k >= since and k % 10 == 0:
            floor += _excess(X, target, theta)
            counted += 1
        gamma = step if hold == 0 else step / (k // hold + 1)
        _sample(X, y, theta, gamma, _draw(rng, N))
    return iterates, averages, floor / max(counted, 1)


@no_type_check
@njit(cache=True)
def descend_reshuffled(rng, X, y, target, step, epochs, since):
    """The mean of f − f* at the ends of the epochs from `since` on: every epoch takes all samples once,
    in an order of its own.
    """
    N, p = X.shape
    theta, order, floor = np.zeros(p), np.arange(N), 0.0
    for epoch in range(epochs):
        for i in range(N - 1, 0, -1):
            j = _draw(rng, i + 1)
            order[i], order[j] = order[j], order[i]
        for i in order:
            _sample(X, y, theta, step, i)
        if epoch >= since:
            floor += _excess(X, target, theta)
    return floor / (epochs - since)


@no_type_check
@njit(cache=True)
def evolve_moments(A, residual, eigenvalues, start, step, hold, record):
    """E e_k, E e_k e_kᵀ, E s_k and E s_k s_kᵀ, s_k = e_0 + … + e_k, at `record`; see moments.py."""
    N, r = A.shape
    m, total, M = start.copy(), start.copy(), start[:, None] * start
    C, S = M.copy(), M.copy()
    means, seconds = np.empty((len(record), r)), np.empty((len(record), r, r))
    totals, sums = np.empty((len(record), r)), np.empty((len(record), r, r))
    weights, s = np.empty(N), 0
    for k in range(record[-1] + 1):
        if k == record[s]:
            assign(means[s], m)
            assign(seconds[s], M)
            assign(totals[s], total)
            assign(sums[s], S)
            s += 1
        gamma = step if hold == 0 else step / (k // hold + 1)
        for i in range(N):
            quadratic, linear = 0.0, 0.0
            for a in range(r):
                row = 0.0
                for b in range(r):
                    row += M[a, b] * A[i, b]
                quadratic += A[i, a] * row
                linear += A[i, a] * m[a]
            weights[i] = quadratic - 2 * residual[i] * linear + residual[i] ** 2
        for a in range(r):
            for b in range(a + 1):
                noise = 0.0
                for i in range(N):
                    noise += weights[i] * A[i, a] * A[i, b]
                drift = gamma * (eigenvalues[a] + eigenvalues[b]) * M[a, b]
                M[a, b] += 4 * gamma * gamma / N * noise - drift
                M[b, a] = M[a, b]
        for a in range(r):
            m[a] *= 1 - gamma * eigenvalues[a]
            total[a] += m[a]
            for b in range(r):
                C[a, b] *= 1 - gamma * eigenvalues[a]
        for a in range(r):
            for b in range(r):
                S[a, b] += C[a, b] + C[b, a] + M[a, b]
        for a in range(r):
            for b in range(r):
                C[a, b] += M[a, b]
    return means, seconds, totals, sums

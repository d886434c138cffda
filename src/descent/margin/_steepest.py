"""Steepest descent on the exponential loss in any norm, step by step.

    p = softmax(−Zw),   g = Zᵀp = −∇ log L,   v = the direction of g in the norm,   B = max_n ‖z_n‖_*
    plain        Δw = η L‖g‖_* v/B²  (gradient descent with step η/B²)
    bounded      Δw = min(η L, 1)‖g‖_* v/B²   (the step of the theorem)
    normalised   Δw = η‖g‖_* v/B²
    unit         Δw = η v/B
    root         Δw = η v/(B √(k + 1))

p̄ is the mean of p over the second half of the run, weighted with ‖Δw‖: it encloses γ from above.
Only differences of margins are exponentiated, so that no loss is too small.

Source: slides on implicit biases, Theorem 4; arXiv 1802.08246.
"""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from descent.margin._norms import Norm
from descent.maths.compiled import assign

RULES = ("plain", "bounded", "normalised", "unit", "root")
PLAIN, BOUNDED, NORMALISED, UNIT, ROOT = range(5)
L1, LINF, L2, LP = range(4)


class Run(NamedTuple):
    w: Float[np.ndarray, "k d"]  # after the steps kept
    log_loss: Float[np.ndarray, " k"]
    mean: Float[np.ndarray, " n"]  # p̄


class Path(NamedTuple):
    """The steps kept but for the start, and what w is there."""

    k: Int[np.ndarray, " k"]
    w: Float[np.ndarray, "k d"]
    length: Float[np.ndarray, " k"]
    least: Float[np.ndarray, " k"]  # margin
    margin: Float[np.ndarray, " k"]  # the least over the length


@no_type_check
@njit(cache=True)
def _direct(g, kind, q, v):
    """The direction v of steepest descent for −g, of length 1, and the dual norm of g."""
    v[:] = 0.0
    top = np.abs(g).max()
    if top == 0:
        return 0.0
    if kind == L1:
        far = np.argmax(np.abs(g))
        v[far] = np.sign(g[far])
        return top
    if kind == LINF:
        assign(v, np.sign(g))
        return np.abs(g).sum()
    if kind == L2:
        size = np.sqrt((g * g).sum())
        assign(v, g / size)
        return size
    size = top * ((np.abs(g) / top) ** q).sum() ** (1 / q)
    assign(v, np.sign(g) * (np.abs(g) / size) ** (q - 1))
    return size


@no_type_check  # numba compiles the function itself, not a checked wrapper of it
@njit(cache=True)
def _run(Z, w, kind, q, rule, eta, kept, half, out, log_loss, mean):
    n, d = Z.shape
    p, g, v = np.zeros(n), np.zeros(d), np.zeros(d)
    place = 0
    for k in range(kept[-1] + 1):
        least = np.inf
        for i in range(n):
            m = 0.0
            for j in range(d):
                m += Z[i, j] * w[j]
            p[i] = m
            least = min(least, m)
        total = 0.0
        for i in range(n):
            p[i] = np.exp(least - p[i])
            total += p[i]
        level = np.log(total) - least
        while place < len(kept) and kept[place] == k:
            assign(out[place], w)
            log_loss[place] = level
            place += 1
        if k == kept[-1]:
            break
        g[:] = 0.0
        for i in range(n):
            p[i] /= total
            for j in range(d):
                g[j] += p[i] * Z[i, j]
        size = _direct(g, kind, q, v)
        if rule == PLAIN:
            length = eta * np.exp(level) * size
        elif rule == BOUNDED:
            length = min(eta * np.exp(min(level, 700.0)), 1.0) * size
        elif rule == NORMALISED:
            length = eta * size
        elif rule == UNIT:
            length = eta
        else:
            length = eta / np.sqrt(k + 1.0)
        for j in range(d):
            w[j] += length * v[j]
        if k >= half:
            for i in range(n):
                mean[i] += length * p[i]


def run(
    Z: Float[np.ndarray, "n d"],
    which: Norm,
    rule: str,
    eta: float,
    kept: Int[np.ndarray, " k"],
    start: Float[np.ndarray, " d"] | None = None,
) -> Run:
    """w at the steps kept, increasing. It runs in units in which B = 1, and in Rw for the norm of K = RᵀR."""
    n, d = Z.shape
    X = np.linalg.solve(which.root.T, Z.T).T
    unit = float(which.dual(Z).max())
    w = np.zeros(d) if start is None else which.root @ start * unit
    kinds = {1.0: L1, np.inf: LINF, 2.0: L2}
    kind = kinds.get(which.p, LP)
    q = which.p / (which.p - 1) if kind == LP else 2.0
    out, log_loss, mean = np.empty((len(kept), d)), np.empty(len(kept)), np.zeros(n)
    X = np.ascontiguousarray(X / unit)
    half = int(kept[-1]) // 2
    _run(X, w, kind, q, RULES.index(rule), float(eta), kept, half, out, log_loss, mean)
    total = mean.sum()
    mean = mean / total if total > 0 else np.full(n, 1 / n)
    return Run(np.linalg.solve(which.root, out.T).T / unit, log_loss, mean)


def halvings(last: int, a_halving: int) -> Int[np.ndarray, " k"]:
    """0 and last·2^(−j/a_halving), …, last: so many steps a halving."""
    count = a_halving * int(np.log2(max(last, 2)))
    found = last / 2.0 ** (np.arange(count + 1) / a_halving)
    return np.unique(np.append(found.round().astype(np.int64), 0))

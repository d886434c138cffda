"""Runs of the rules of maths/rules.py on ½‖Xw − y‖² (a sum, with the ½), by the full gradient or by minibatches."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from descent.maths.rules import Rule


class Run(NamedTuple):
    weights: Float[np.ndarray, "kept d"]
    residual: Float[np.ndarray, " n"]  # at the end


def follow(rule: Rule, X, y, start, eta, kept, batches=None, decay: float = 0.0) -> Run:
    """w_k at the steps kept, with the step η/(1 + decay k); rows `batches[k]` at step k, summed, or all."""
    w, memories, path, place = start.copy(), rule.start(start), np.empty((len(kept), len(start))), 0
    for k in range(kept[-1] + 1):
        if k == kept[place]:
            path[place] = w
            place += 1
            if place == len(kept):
                break
        A, b = (X, y) if batches is None else (X[batches[k]], y[batches[k]])
        memories, u = rule.step(memories, A.T @ (A @ w - b), k + 1, eta / (1 + decay * k))
        w = w - u
    return Run(path, X @ w - y)

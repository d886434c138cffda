"""How far from ŵ a direction with nearly the largest margin can be in ℓ₁ and ℓ_∞, whose balls have flat faces.

p are weights of a linear programme's dual, g = Zᵀp with ‖g‖_* = γ, S = {p_n > 0}. Of a w of length 1 whose margin is at
least γ − δ follows, as gᵀw = Σ p_n z_nᵀw lies between γ − δ and γ,

    |z_nᵀw − γ| ≤ δ/p_n on S
    ℓ₁    Σ_j (γ|w_j| − g_jw_j) ≤ δ:   w is small off the face J = {|g_j| = γ}, and Σ_J sign(g_j) w_j = 1 up to that
    ℓ_∞   Σ_j |g_j|(1 − sign(g_j) w_j) ≤ δ:   w_j = sign g_j where g_j ≠ 0

If these equations have one solution, it is the only direction of the largest margin, and every such w is within a
multiple of δ of it. If they have several, nothing is said.
"""

import numpy as np
from jaxtyping import Float

ZERO = 1e-7  # relative, of p and of what g lacks to the face: below it is the programme's rounding


def stiffness(Z: Float[np.ndarray, "n d"], p: Float[np.ndarray, " n"], kind: float | int) -> float:
    """C of ‖w − ŵ‖ ≤ Cδ in the norm itself, ℓ₁ (kind 1) or ℓ_∞; inf where ŵ is not shown to be the only one."""
    g = Z.T @ p
    on, size = p > ZERO * p.max(), np.abs(g)
    gamma, S = (size.max(), Z[on]) if kind == 1 else (size.sum(), Z[on])
    lack = gamma - size if kind == 1 else size  # what a unit of w off its place costs
    known = lack > ZERO * gamma
    cost = 1 / lack[known].min() if known.any() else 0.0
    if kind == 1:
        cost = max(cost, 1 / gamma)
    through = np.abs(S[:, known] / lack[known]).max(1, initial=0.0)
    rows, errors = S[:, ~known], 1 / p[on] + through
    if kind == 1:
        rows = np.vstack([rows, np.sign(g)[~known]])
        errors = np.append(errors, cost)
    if not rows.shape[1]:
        return float(cost)
    least = np.zeros(1)
    if len(rows) >= rows.shape[1]:
        scaled = rows / errors[:, None]
        least = np.linalg.svd(scaled, compute_uv=False)
    if not least[-1] > 1e-10 * max(least[0], 1e-300):
        return np.inf
    free = np.sqrt(len(rows)) / least[-1]  # ℓ₂ length of the rest of w − ŵ
    return float(cost + free * (np.sqrt(rows.shape[1]) if kind == 1 else 1))

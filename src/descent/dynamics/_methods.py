"""Methods with momentum as they are run, mode by mode on a quadratic: x_{t+1} from x_t and x_{t−1}, h = ηλ."""

import numpy as np

LENGTH = 30  # steps over which a rate is read off


def nesterov_step(x, before, beta, h):
    ahead = x + beta * (x - before)
    return ahead - h * ahead


def heavy_ball_step(x, before, beta, h):
    return x - h * x + beta * (x - before)


STEPS = (nesterov_step, heavy_ball_step)


def rates_of_runs(step, beta, h) -> np.ndarray:
    """Spectral radius of one step, from the map (x₀, x₋₁) → (x_T, x_{T−1}) that T = LENGTH steps make."""
    beta, h = (array[..., None] for array in np.broadcast_arrays(beta, h))
    x, before = np.array([1.0, 0.0]) + 0 * h, np.array([0.0, 1.0]) + 0 * h
    for _ in range(LENGTH):
        x, before = step(x, before, beta, h), x
    return np.abs(np.linalg.eigvals(np.stack([x, before], -2))).max(-1) ** (1 / LENGTH)

"""Methods with momentum as they are run, mode by mode on a quadratic, and the rates of such runs; h = ηλ."""

import numpy as np

LENGTH = 30  # steps over which a rate is read off


def nesterov_step(x, before, beta, h):
    ahead = x + beta * (x - before)
    return ahead - h * ahead


def heavy_ball_step(x, before, beta, h):
    return x - h * x + beta * (x - before)


STEPS = (nesterov_step, heavy_ball_step)


def averaged_step(x, z, beta, h):
    """x and z after one step of averaged gradients, β the weight of the new one; h = ηβσ², z in units of 1/η."""
    z = (1 - beta) * z + 2 * h * x
    return x - z, z


def rates_of_runs(step, beta, h) -> np.ndarray:
    """Spectral radius of one step that takes x_t and x_{t−1} to x_{t+1}."""
    return rates_of_maps(lambda x, before, beta, h: (step(x, before, beta, h), x), beta, h)


def rates_of_maps(update, beta, h) -> np.ndarray:
    """Spectral radius of an update of two numbers, read off the map that T = LENGTH updates make of them."""
    beta, h = (array[..., None] for array in np.broadcast_arrays(beta, h))
    one, other = np.array([1.0, 0.0]) + 0 * h, np.array([0.0, 1.0]) + 0 * h
    for _ in range(LENGTH):
        one, other = update(one, other, beta, h)
    return np.abs(np.linalg.eigvals(np.stack([one, other], -2))).max(-1) ** (1 / LENGTH)

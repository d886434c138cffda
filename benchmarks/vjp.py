"""Jᵀy of f(x) = vvᵀx, through the Jacobian and as v(vᵀy); bytes per second tell how near memory's speed that is."""

import numpy as np
from threadpoolctl import threadpool_limits

from descent.autodiff.vjp import through_jacobian, vjp
from machine import timed

SIZES = (512, 1024, 2048, 4096, 8192)


def ways(sizes: tuple[int, ...] = SIZES) -> list[dict]:
    """Seconds of each on one thread, and products a second as `autodiff.vjp` counts them."""
    rng = np.random.default_rng(0)
    rows = []
    with threadpool_limits(1):
        for n in sizes:
            v, y = rng.standard_normal((2, n))
            dense = timed(lambda v=v, y=y: through_jacobian(v, y), 5)
            free = timed(lambda v=v, y=y: vjp(v, y), 51)
            rows.append(
                {
                    "n": n,
                    "seconds_through_J": dense,
                    "seconds_v_vTy": free,
                    "ratio": dense / free,
                    "products_ratio": float(n),
                    "gigabytes_per_second_of_J": 16 * n**2 / dense / 1e9,
                }
            )
    return rows

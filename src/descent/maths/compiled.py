"""What the compiled loops of several families share."""

from typing import no_type_check

import numpy as np
from numba import njit


@no_type_check  # numba compiles the function itself, not a checked wrapper of it
@njit(cache=True)
def assign(out, values):
    """out ← values, two arrays of one shape, which is not checked.

    For `out[:] = values` Numba would first compile its message for shapes that differ, 3 s.
    """
    for place in np.ndindex(out.shape):
        out[place] = values[place]

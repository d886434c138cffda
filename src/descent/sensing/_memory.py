"""What a matrix-sensing problem needs of the machine's memory, asked before anything is allocated."""

from descent.config import Refusal
from descent.maths import device, limits
from descent.maths.limits import CALL, GIB, PRODUCT, require_cost, require_time
from descent.maths.replicates import BEGIN, beside
from descent.sensing._kernels import TILE

SPEED = 1e10  # bytes of G that a core reads a second, at the most


def peak(size: int, measurements: int, held_out: int = 0) -> int:
    """Bytes at the height of `_problem.draw`: S beside SᵀS and its tiles, or beside the tiles and the held-out rows."""
    p = size * (size + 1) // 2
    blocks = -(-p // TILE)
    tiles = blocks * (blocks + 1) // 2 * TILE**2
    return 8 * (measurements * p + tiles + max(p * p, held_out * p))


def require_memory(size: int, measurements: int, held_out: int = 0, replicates: int = 1) -> None:
    """Refuse a problem, in as many replicates as run side by side, that does not fit.

    Raises:
        Refusal: naming the sizes in GiB and the form of the operator that would fit.
    """
    if device.name() == "cuda":
        return  # `_operators.placed` chooses the form, or refuses
    processes = beside(replicates)
    needed = processes * peak(size, measurements, held_out)
    available = device.free_memory()
    if needed <= available:
        return
    p = size * (size + 1) // 2
    on_S = processes * 8 * (measurements + held_out) * p
    fits = (
        f"the two-pass form on S (_operators.Stored) needs {on_S / GIB:.1f} GiB"
        if on_S <= available
        else f"on S alone it needs {on_S / GIB:.1f} GiB; "
        "the matrix-free form (_operators.Regenerated) fits"
    )
    among = f" in {processes} processes" if processes > 1 else ""
    raise Refusal(
        f"size {size}: making G needs {needed / GIB:.1f} GiB{among}, "
        f"{available / GIB:.1f} GiB are available; {fits}"
    )


def require_run(
    config,
    measurements: int,
    starts: int,
    steps: int,
    kept: int = 0,
    held_out: int = 0,
    columns: int = 0,
) -> None:
    """Refuse runs of several starts whose problem or results do not fit, or that would take more than an hour.

    Args:
        config: with size and replicates.
        steps: of gradient descent, or iterations.
        kept: numbers that a replicate returns.
        columns: R of the starts, if not the size.

    Raises:
        Refusal: naming what is too large.
    """
    d, replicates = config.size, config.replicates
    require_memory(d, measurements, held_out, replicates)
    along = 2 * starts * (steps + 1)
    fields = "replicates, steps" if hasattr(config, "steps") else "replicates, iterations"
    factors = 4 * starts * d * (columns or d) * beside(replicates)
    require_cost(config, fields, replicates * (along + kept) + factors, free=True)
    p = d * (d + 1) // 2
    # A step reads half of G, which no cache holds, and multiplies U by itself and by the gradient.
    # What Python calls beside that, and what a replicate begins with, counts in CALL.
    seconds = steps * 4.0 * p * (p + 8 * starts) / SPEED
    products = 4 * PRODUCT * steps * starts * d**2 * (columns or d)
    drawn = p * (20 * (measurements + held_out) + 2 * PRODUCT * measurements * p)  # S, and SᵀS
    each = limits.SPEED * seconds + drawn + products + CALL * steps + BEGIN
    require_time(f"size {d}, replicates {replicates}, steps {steps}", replicates * each)

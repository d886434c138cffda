"""What a machine can hold and a person can wait for, asked before anything is allocated."""

from descent.config import Refusal
from descent.maths import device

GIB = 2**30
DAY = 1e14  # operations, at 10⁹ a second


def require_room(rule: str, numbers: float | int, operations: float | int = 0) -> None:
    """Refuse so many float64 numbers at once, or so many operations; `rule` names the fields and their values.

    Raises:
        Refusal: more than is free, or more than a day.
    """
    available = device.free_memory()
    if 8 * numbers > available:
        raise Refusal(
            f"{rule}: {8 * numbers / GIB:.3g} GiB are needed, {available / GIB:.1f} GiB "
            "are available"
        )
    if operations > DAY:
        raise Refusal(f"{rule}: about {24 * operations / DAY:.0f} hours of arithmetic; at most 24")

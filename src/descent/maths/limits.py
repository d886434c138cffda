"""What a run may cost, asked before anything is allocated, and where numbers mean something.

A slip of the keyboard ends in one line, and not in hours or a full memory. A Config holds on every machine or on
none, so it is held against `ROOM`; what a run asks for as it starts is held against what is free.
"""

from descent.config import Refusal
from descent.maths import device

GIB = 2**30
ROOM = 4 * GIB  # bytes: the laptops that this is to run on have 8 GiB
SPEED = 1e9  # additions and multiplications a second of one core, in plain loops
CALL = 1e5  # operations that fit into one step of a loop in Python: some ten calls of NumPy
PRODUCT = 0.03  # of an operation, for one within a product of large matrices
HOUR = 3600  # seconds; whoever wants more divides the run


def require_at_most(config, why: str, **most: int) -> None:
    """Refuse a count above its bound.

    Raises:
        Refusal: naming the field, its value and the reason.
    """
    for name, largest in most.items():
        value = getattr(config, name)
        if value > largest:
            raise Refusal(f"{name} {value} > {largest}: {why}")


def require_within(name: str, values, low: float | int, high: float | int, why: str) -> None:
    """Refuse numbers outside of [low, high].

    Raises:
        Refusal: naming the field, the first such number and the reason.
    """
    for value in values if isinstance(values, tuple) else (values,):
        if not low <= value <= high:
            raise Refusal(f"{name} {value:g} must lie in {low:g} … {high:g}: {why}")


def _shown(value) -> str:
    """A number, or the first and the last of a sweep."""
    if isinstance(value, tuple):
        ends = [_shown(one) for one in (value if len(value) < 3 else (value[0], value[-1]))]
        return f"[{(', ' if len(value) < 3 else ' … ').join(ends)}]"
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def require_cost(
    config,
    fields: str,
    numbers: float | int = 0,
    operations: float | int = 0,
    *,
    free: bool = False,
) -> None:
    """Refuse so many float64 numbers at once, or so many operations, which these fields of the Config make.

    Args:
        fields: their names, with ", " between them.
        free: hold the numbers against the memory that is free, not against `ROOM`.

    Raises:
        Refusal: with the fields, their values, and the GiB or the hours.
    """
    room, whose = (device.free_memory(), "are free") if free else (ROOM, "are for one experiment")
    needed, hours = 8 * numbers / GIB, operations / SPEED / HOUR
    if needed <= room / GIB and hours <= 1:
        return
    rule = ", ".join(f"{name} {_shown(getattr(config, name))}" for name in fields.split(", "))
    if needed > room / GIB:
        raise Refusal(f"{rule}: {needed:.3g} GiB at once, {room / GIB:.3g} GiB {whose}")
    require_time(rule, operations)


def require_time(rule: str, operations: float | int) -> None:
    """Refuse so many operations, which these numbers make.

    Raises:
        Refusal: with the numbers and the hours.
    """
    hours = operations / SPEED / HOUR
    if hours > 1:
        raise Refusal(f"{rule}: about {hours:.3g} hours of arithmetic, at most 1")

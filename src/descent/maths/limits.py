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
SMALL = 0.3  # the same of small ones, of ten to thirty rows
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


def hours_of(operations: float | int) -> float:
    """What so many operations take one core, at most."""
    return operations / SPEED / HOUR


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
    rule = ", ".join(f"{name} {_shown(getattr(config, name))}" for name in fields.split(", "))
    if free:
        require_numbers(rule, numbers, device.free_memory(), "are free")
    else:
        require_numbers(rule, numbers)
    require_time(rule, operations)


def require_numbers(
    rule: str, numbers: float | int, room: int = ROOM, whose: str = "are for one experiment"
) -> None:
    """Refuse so many float64 numbers at once, which these counts make.

    Raises:
        Refusal: with the counts and the GiB.
    """
    needed = 8 * numbers / GIB
    if needed > room / GIB:
        raise Refusal(f"{rule}: {needed:.3g} GiB at once, {room / GIB:.3g} GiB {whose}")


def require_time(rule: str, operations: float | int) -> None:
    """Refuse so many operations, which these counts make.

    Raises:
        Refusal: with the counts and the hours.
    """
    hours = hours_of(operations)
    if hours > 1:
        raise Refusal(f"{rule}: about {hours:.3g} hours of arithmetic, at most 1")

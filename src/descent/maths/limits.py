"""Upper bounds on counts, so that a slip of the keyboard ends in one line and not in hours or a full memory."""

from descent.config import Refusal


def require_at_most(config, why: str, **most: int) -> None:
    """Refuse a count above its bound.

    Raises:
        ValueError: naming the field, its value and the reason.
    """
    for name, largest in most.items():
        value = getattr(config, name)
        if value > largest:
            raise ValueError(f"{name} {value} > {largest}: {why}")


def require_within(name: str, values, low: float | int, high: float | int, why: str) -> None:
    """Refuse numbers outside of [low, high].

    Raises:
        ValueError: naming the field, the first such number and the reason.
    """
    for value in values if isinstance(values, tuple) else (values,):
        if not low <= value <= high:
            raise ValueError(f"{name} {value:g} must lie in {low:g} … {high:g}: {why}")


def require_operations(what: str, count: float | int, most: float | int = 1e11) -> None:
    """Refuse what would run for more than minutes.

    Raises:
        Refusal: naming the fields that make the count.
    """
    if count > most:
        raise Refusal(f"{what}: {count:.1e} > {most:.0e} operations, some minutes")

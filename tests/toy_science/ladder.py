"""A helper that two families share; the project puts it into maths."""


def rungs(count: int) -> list[int]:
    """0, 1, …, count."""
    return list(range(count + 1))

"""Counts that no machine can run with, refused before anything is allocated."""

GIB = 2**30
MEMORY = 4 * GIB  # bytes that the arrays of one experiment may take
WORK = 3.6e12  # multiplications of one experiment; a core makes about 10⁹ a second, so an hour


def require_bytes(fields: str, numbers: float) -> None:
    """Refuse arrays of so many float64 numbers.

    Raises:
        ValueError: naming the fields and the size.
    """
    if 8.0 * numbers > MEMORY:
        raise ValueError(f"{fields}: arrays of {8 * numbers / GIB:.3g} GiB > {MEMORY / GIB:g} GiB")


def require_work(fields: str, multiplications: float) -> None:
    """Refuse runs of so many multiplications.

    Raises:
        ValueError: naming the fields and the number.
    """
    if multiplications > WORK:
        raise ValueError(f"{fields}: {multiplications:.1e} multiplications > {WORK:.1e}, an hour")

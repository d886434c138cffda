"""A number to the last digit that says something."""

import math


def rounded(value: float, step: float) -> float:
    """To the largest power of ten that is no larger than `step`; as it is if that is 0, or no number.

    As it is too where the rounded number would be no float any more: 1.797e308 to hundreds of 1e306.
    """
    if isinstance(value, bool | int | str) or not (math.isfinite(value) and 0 < step < math.inf):
        return value
    try:
        return round(value, -math.floor(math.log10(step))) + 0.0  # no −0
    except OverflowError:
        return value

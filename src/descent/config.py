"""The Config of an experiment: frozen, validated, every field required, no field unknown.

DVC takes `1`, `1.0` and `true` in params.yaml for the same value and reruns nothing when one
replaces the other. So they are one value here too. Text is never a number.

Every number has a range, whatever it counts or measures, so that no formula meets one that it cannot take. Within the
range each Config says what its run would cost (maths/limits.py), and in the end no count may be so large that a loop
over it takes hours, whatever is done in it.
"""

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.dataclasses import dataclass as pydantic_dataclass

WHOLE = 2**53  # up to here float64 has every whole number
TINY, HUGE = 1e-100, 1e100  # cubes of the numbers between them are float64's
LONG = 200  # points of a sweep: more have no place in a figure
MANY = 10_000_000  # steps of 10 µs, which is little in Python, in 100 seconds
REPLICATES = 1_000_000  # each is a run of its own


def in_range(value):
    """A validated value whose numbers, also those in lists, have a size that a run can do something with.

    Raises:
        ValueError: with the rule and the number.
    """
    if isinstance(value, tuple | list):
        if len(value) > LONG:
            raise ValueError(f"{len(value)} values > {LONG}: no figure has a place for more")
        for one in value:
            in_range(one)
    elif isinstance(value, int) and abs(value) > WHOLE:
        raise ValueError(f"must be at most {WHOLE}, up to which float64 has every whole number")
    elif isinstance(value, float) and value and not TINY <= abs(value) <= HUGE:
        raise ValueError(
            f"{value:g} must be 0 or of a size from {TINY:g} to {HUGE:g}, for its powers"
        )
    return value


def experiment_config(cls: type) -> type:
    """The decorator of a Config: frozen, by name only, no field unknown, every number in range, no count endless."""
    for name, annotation in vars(cls).get("__annotations__", {}).items():
        cls.__annotations__[name] = Annotated[annotation, AfterValidator(in_range)]
    own = getattr(cls, "__post_init__", None)

    def __post_init__(self):
        if own:
            own(self)
        if type(self) is found:  # the rules of all its classes come first: they say more
            require_few(self)

    cls.__post_init__ = __post_init__
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    found = pydantic_dataclass(frozen=True, kw_only=True, config=config)(cls)
    return found


def require_few(config) -> None:
    """Refuse counts over which no loop ends, whatever is done in it; seeds count nothing.

    Raises:
        Refusal: naming the field, its value and the bound.
    """
    for name, value in vars(config).items():
        most = REPLICATES if name == "replicates" else MANY
        for count in value if isinstance(value, tuple) else (value,):
            if isinstance(count, int) and abs(count) > most and "seed" not in name:
                raise Refusal(f"{name} {count} > {most}: a loop over so many takes hours")


class Refusal(ValueError):
    """Valid numbers that this machine or this problem cannot run with; the message states the rule."""


def _number(value):
    """`true` as 1 and `2.0` as 2; anything else as it stands."""
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    return value


def _flag(value):
    """0 and 1 as false and true; anything else as it stands."""
    return bool(value) if isinstance(value, int | float) and value in (0, 1) else value


Count = Annotated[int, Field(ge=1, strict=True), BeforeValidator(_number)]
Index = Annotated[int, Field(ge=0, strict=True), BeforeValidator(_number)]
# The Mersenne Twister, which torch and some documents use, takes seeds of 32 bits: so one rule for
# all.
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True), BeforeValidator(_number)]
Number = Annotated[float, Field(strict=True), BeforeValidator(_number)]
Positive = Annotated[float, Field(gt=0, strict=True), BeforeValidator(_number)]
# The name of a data set: data/NAME is a folder of IDX files or a FILE.npz.
Data = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*$")]
Flag = Annotated[bool, Field(strict=True), BeforeValidator(_flag)]


def require_increasing(name: str, values: tuple) -> None:
    """Refuse a sweep that is empty, not strictly increasing, or has two values that read the same.

    Results are named after the points of a sweep in six digits (`alpha=1e-05`).

    Raises:
        ValueError: naming the field and the values.
    """
    if not values or any(a >= b for a, b in pairwise(values)):
        listed = ", ".join(f"{value:g}" for value in values)
        raise ValueError(f"{name} [{listed}] must be one or more strictly increasing values")
    for a, b in pairwise(values):
        if f"{a:g}" == f"{b:g}":
            raise ValueError(f"{name}: {a!r} and {b!r} are one value in six digits")

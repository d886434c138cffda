"""How far each metric may move from one machine to another: the rules of tolerances.yaml."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, TypeAdapter, ValidationError

from descent.lab.messages import refuse
from descent.lab.params import load

RULES = Path(__file__).with_name("tolerances.yaml")
WILDCARD = re.compile(r"[*?[]")


class Tolerance(BaseModel):
    """|now − base| ≤ absolute + relative·|base| for the metrics that no earlier pattern matches."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        str_min_length=1,
        str_strip_whitespace=True,
    )
    pattern: str  # of fnmatch, on family/experiment:dotted.path
    relative: NonNegativeFloat
    absolute: NonNegativeFloat
    reason: str

    def allows(self, value: float) -> float:
        """How far a metric of this value may move."""
        return self.absolute + self.relative * abs(value)


def tolerances(path: Path = RULES) -> list[Tolerance]:
    """The rules in order, the last one for every metric; or one line and exit code 2."""
    try:
        rules = TypeAdapter(list[Tolerance]).validate_python(load(path))
    except ValidationError as error:
        first = error.errors()[0]
        refuse(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}")
    if not rules or rules[-1].pattern != "*":
        refuse(f"{path}: the last pattern must be *")
    return rules


def rule_of(metric: str, rules: list[Tolerance]) -> Tolerance:
    """The first rule whose pattern matches `family/experiment:dotted.path`."""
    return next(rule for rule in rules if matches(metric, rule.pattern))


def matches(metric: str, pattern: str) -> bool:
    """Whether it does; a pattern is compiled only where what stands before its first wildcard fits."""
    return metric.startswith(WILDCARD.split(pattern, 1)[0]) and fnmatchcase(metric, pattern)

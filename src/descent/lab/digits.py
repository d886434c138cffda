"""The digits of a number that say something: those that its tolerance allows.

Git keeps reports, curves and pictures. On another machine the last digits of nearly every number are others, which
says nothing; so files that git keeps have fewer, and a file that changes has a number that moved. What DVC keeps
(artifacts/*.nc) has them all.
"""

from collections.abc import Iterator

from descent.lab.gate.rules import Tolerance, rule_of
from descent.lab.rounding import rounded

METRIC, CHECK = 100, 10  # the last digit of either is worth its tolerance by that, or less
LEAST = 1e-4  # of a number without a tolerance: four digits at least


def of_report(report: dict, block: str, rules: list[Tolerance]) -> dict:
    """A report (results.as_report) with the digits that the tolerances of its metrics, checks and errata allow.

    Args:
        block: `family/name`, as the patterns of the rules have it.
    """
    return report | {
        "metrics": _metrics(report["metrics"], f"{block}:", rules),
        "checks": {name: check | dict(_check(check)) for name, check in report["checks"].items()},
        "errata": {name: one | dict(_erratum(one)) for name, one in report["errata"].items()},
    }


def _metrics(tree: dict, path: str, rules: list[Tolerance]) -> dict:
    found = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found[key] = _metrics(value, f"{path}{key}.", rules)
        elif isinstance(value, float):
            found[key] = rounded(value, rule_of(path + key, rules).allows(value) / METRIC)
        else:
            found[key] = value
    return found


def _check(check: dict) -> Iterator[tuple[str, object]]:
    """Without a tolerance the digits that tell the measured number from the predicted one."""
    tol, numbers = check["tol"], {key: check[key] for key in ("measured", "predicted")}
    told = all(isinstance(one, int | float) for one in (tol, *numbers.values()))
    gap = abs(numbers["measured"] - numbers["predicted"]) if told else 0.0
    for key, value in numbers.items():
        if told:
            yield key, rounded(value, tol / CHECK if tol else min(gap / CHECK, LEAST * abs(value)))
    yield "tol", _significant(tol, 2)
    yield "at", {dim: _significant(place, 6) for dim, place in check["at"].items()}


def _erratum(one: dict) -> Iterator[tuple[str, object]]:
    if isinstance(one["tol"], int | float):
        for key in ("printed", "correct", "measured"):
            yield key, rounded(one[key], one["tol"] / CHECK)
        yield "tol", _significant(one["tol"], 2)


def _significant(value, digits: int):
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value

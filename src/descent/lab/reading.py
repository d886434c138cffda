"""A report in lines, for a terminal: the verdict, every check with its numbers, the errata, what was not checked."""

from descent.lab.words import decimals, finding, outcome, sentence

MARKS = {"holds": "✓", "does not hold": "✗", "no claim": "–"}


def lines(report: dict) -> list[str]:
    """One line each; `report` is what metrics/FAMILY/NAME.json has."""
    return [
        outcome(report),
        *(f"{'✓' if one['holds'] else '✗'} {finding(one)}: {one['why']}" for one in checks(report)),
        *(erratum(one) for one in report["errata"].values()),
        *(f"not checked: {sentence(name)}: {why}" for name, why in report["unchecked"].items()),
    ]


def checks(report: dict) -> list[dict]:
    return list(report["checks"].values())


def erratum(one: dict) -> str:
    stands = "refuted" if one["stands"] else "not refuted"
    values = {key: decimals(one[key], one["tol"]) for key in ("printed", "correct", "measured")}
    numbers = ", ".join(f"{key} {value}" for key, value in values.items())
    return f"{stands}: {sentence(one['name'])} ({one['where']}): {numbers}"

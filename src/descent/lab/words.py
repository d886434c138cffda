"""What a module's docstring says, taken apart: the claim, paragraphs and formulas, what to see, the source."""

import math
import re
from typing import NamedTuple


class Paragraph(NamedTuple):
    """Words, or a formula whose columns are aligned."""

    formula: bool
    text: str


class Words(NamedTuple):
    claim: str
    paragraphs: list[Paragraph]
    see: str
    source: str


def words(docstring: str) -> Words:
    """The docstring by paragraphs: the first is the claim, one that is indented as a whole a formula.

    `See:` opens what to look at in the figure, `Source:` the source; each to the end of its paragraph.
    """
    claim, *rest = re.split(r"\n\s*\n", docstring.strip("\n"))
    paragraphs, marked = [], {"See": "", "Source": ""}
    for text in rest:
        mark, colon, said = text.partition(":")
        if colon and mark in marked:
            marked[mark] = " ".join(said.split())
        elif all(line.startswith("    ") for line in text.splitlines()):
            paragraphs.append(Paragraph(True, "\n".join(line[4:] for line in text.splitlines())))
        else:
            paragraphs.append(Paragraph(False, " ".join(text.split())))
    return Words(" ".join(claim.split()), paragraphs, marked["See"], marked["Source"])


def cited(where: str) -> dict[str, str]:
    """The document and the place in it: `FRTN50 assignment 2b` as `FRTN50 assignment` and `2b`."""
    course = re.match(r"([A-Z]+\d+ [a-z ]*[a-z](?: \d+(?!\w))?)[ ,:]*(.*)", where)
    document, place = (
        course.groups() if course else where.split(",", 1) if "," in where else (where, "")
    )
    return {"document": document, "question": place.strip()}


def sentence(name: str) -> str:
    """The name of a check in words: `delay_of_s1_in_e_folds` as `delay of s1 in e folds`."""
    return name.replace("_", " ").strip()


GREEK = dict(
    zip(
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "pi",
            "rho",
            "sigma",
            "tau",
            "phi",
            "chi",
            "psi",
            "omega",
        ],
        "αβγδεζηθκλμνξπρστφχψω",
        strict=True,
    )
)
FEWEST = 4  # digits of a measured number
RELATIONS = {"==": "=", "<=": "≤", ">=": "≥"}


def symbol(name: str) -> str:
    """A dimension as it is written: `beta` as β."""
    return GREEK.get(name, sentence(name))


def number(value: float | int | str, digits: int = 6) -> str:
    """So many digits, as Python prints them."""
    return value if isinstance(value, str) else f"{value:.{digits}g}"


def decimals(value: float, tol: float) -> str:
    """A value with as many digits, zeros too, as tell it from one that is off by a tenth of `tol`."""
    if not (math.isfinite(value) and math.isfinite(tol)) or tol <= 0 or value == 0:
        return number(value)
    needed = math.floor(math.log10(abs(value))) - math.floor(math.log10(tol)) + 2
    return f"{value:#.{min(max(needed, FEWEST), 16)}g}".rstrip(".")


def apart(value: float, erratum: dict) -> str:
    """A number of an erratum with the digits that tell the printed from the right one."""
    gap = abs(float(erratum["printed"]) - float(erratum["correct"]))
    if 1e4 <= abs(value) < 1e7 and gap >= 1:
        return f"{value:.0f}"
    return shortened(decimals(value, gap))


def bound(check: dict) -> str:
    """What theory allows: `= 0.9 ± 1e-07`, `≤ 2 + 0.01`, `≥ 1 − 0.01`; exactly so without a tolerance."""
    sign = {"==": "±", "<=": "+", ">=": "−"}[check["relation"]]
    slack = f" {sign} {number(check['tol'], 2)}" if check["tol"] else ""
    predicted = shortened(decimals(check["predicted"], check["tol"]))
    return f"{RELATIONS[check['relation']]} {predicted}{slack}"


def shortened(digits: str) -> str:
    """Without the zeros that end a decimal fraction: what theory gives is exact."""
    mantissa, e, exponent = digits.partition("e")
    return (mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa) + e + exponent


def place(check: dict) -> str:
    """Where the check is nearest to failing, of how many points: `worst of 21, β = 0.3`; empty for one number."""
    if check["points"] == 1 and not check["at"]:
        return ""
    if not check["points"]:
        return "no points"
    at = "".join(f", {symbol(dim)} = {number(value)}" for dim, value in check["at"].items())
    return f"worst of {check['points']}{at}"


def finding(check: dict) -> str:
    """A check in a line: `rate 0.9372 = 0.9372 ± 1e-06 (worst of 21, β = 0.3)`."""
    where = place(check)
    measured = decimals(check["measured"], check["tol"])
    return f"{sentence(check['name'])} {measured} {bound(check)}" + (f" ({where})" if where else "")


def outcome(report: dict) -> str:
    """The verdict with its reasons: `no claim: 12 of 20 runs had not converged`."""
    failed = [finding(check) for check in report["checks"].values() if not check["holds"]]
    reasons = failed if report["verdict"] == "does not hold" else report["no_claim"]
    if report["verdict"] == "no claim" and not reasons:
        reasons = ["these settings leave nothing to check"]
    return report["verdict"] + (f": {'; '.join(reasons)}" if reasons else "")

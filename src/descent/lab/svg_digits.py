"""Fewer digits in a drawing of Matplotlib, which writes six decimals of a point, and names that stay.

A hundredth of a point is less than any screen or printer shows. Matplotlib names clips and markers by a digest of all
their digits; here they are numbered in the order in which the drawing names them.
"""

import re

TAG = re.compile(r"<[^>]*>")
PLACES = re.compile(r'(\s(?:d|x|y|width|height|transform|viewBox)=")([^"]*)')
LONG = re.compile(r"-?\d+\.\d{3,}")
DIGEST = re.compile(r'(?<=["#])([A-Za-z]\w*?)_?[0-9a-f]{10}(?=[")])')


def with_few_digits(svg: str) -> str:
    """The same picture; its words, and what is neither a place, a size nor a name, stay as they are."""
    names: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        return names.setdefault(found[0], f"{found[1]}{len(names) + 1}")

    def tag(found: re.Match[str]) -> str:
        told = PLACES.sub(lambda one: one[1] + LONG.sub(_short, one[2]), found[0])
        return DIGEST.sub(name, told)

    return TAG.sub(tag, svg)


def _short(number: re.Match[str]) -> str:
    """To two decimals: 12.340001 as 12.34, −0.001 as 0."""
    text = f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text

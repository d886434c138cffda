"""The papers that docstrings cite: numbers of arXiv as links, and which experiments cite them."""

import re

from markupsafe import Markup, escape

CITED = re.compile(r"(?<![\d.])\d{4}\.\d{4,5}(?![\d.]*\d)")  # 1712.09203
ARXIV = "https://arxiv.org/abs/"


def linked(source: str) -> Markup:
    """What a docstring says of its source, with a link at every number of arXiv."""
    if "arXiv" not in source:
        return escape(source)
    found, end = Markup(""), 0
    for number in CITED.finditer(source):
        found += escape(source[end : number.start()])
        found += Markup('<a href="{}{}">{}</a>').format(ARXIV, number[0], number[0])
        end = number.end()
    return found + escape(source[end:])


def papers(experiments: list[dict]) -> list[dict]:
    """Every number of arXiv with the experiments that cite it, the oldest first."""
    by: dict[str, list[dict]] = {}
    for one in experiments:
        if "arXiv" in one["source"]:
            for number in dict.fromkeys(CITED.findall(one["source"])):
                by.setdefault(number, []).append(one)
    return [{"number": number, "by": by[number]} for number in sorted(by)]

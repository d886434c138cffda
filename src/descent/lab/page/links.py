"""What docstrings refer to, as links: papers by their number of arXiv, and other experiments of the page."""

import re
from collections.abc import Mapping

from markupsafe import Markup, escape

PAPER = r"(?<![\d.])\d{4}\.\d{4,5}(?![\d.]*\d)"  # 1712.09203
STAGE = r"(?<![\w@])[a-z0-9_]+@[a-z0-9_]+"
ARXIV = "https://arxiv.org/abs/"


def linked(text: str, anchors: Mapping[str, str]) -> Markup:
    """Words with links at what they refer to; `anchors` are the places of experiments on the page, by family@name."""
    papers, found, end = "arXiv" in text, Markup(""), 0
    for one in re.finditer(rf"{PAPER}|{STAGE}", text):
        said = one[0]
        if "@" in said and said in anchors:
            link = Markup('<a href="#{}"><code>{}</code></a>').format(anchors[said], said)
        elif "@" not in said and papers:
            link = Markup('<a href="{}{}">{}</a>').format(ARXIV, said, said)
        else:
            continue
        found += escape(text[end : one.start()]) + link
        end = one.end()
    return found + escape(text[end:])


def papers(experiments: list[dict]) -> list[dict]:
    """Every number of arXiv with the experiments that cite it, the oldest first."""
    by: dict[str, list[dict]] = {}
    for one in experiments:
        if "arXiv" in one["source"]:
            for number in dict.fromkeys(re.findall(PAPER, one["source"])):
                by.setdefault(number, []).append(one)
    return [{"number": number, "by": by[number]} for number in sorted(by)]

"""What a module's docstring says, taken apart: the claim, paragraphs and formulas, the source."""

import re
from typing import NamedTuple


class Paragraph(NamedTuple):
    """Words, or a formula whose columns are aligned."""

    formula: bool
    text: str


class Words(NamedTuple):
    claim: str
    paragraphs: list[Paragraph]
    source: str


def words(docstring: str) -> Words:
    """The claim is the first paragraph; a paragraph indented as a whole is a formula; `Source:` opens the source."""
    claim, *rest = re.split(r"\n\s*\n", docstring.strip("\n"))
    paragraphs, source = [], ""
    for text in rest:
        if text.startswith("Source:"):
            source = " ".join(text.removeprefix("Source:").split())
        elif all(line.startswith("    ") for line in text.splitlines()):
            paragraphs.append(Paragraph(True, "\n".join(line[4:] for line in text.splitlines())))
        else:
            paragraphs.append(Paragraph(False, " ".join(text.split())))
    return Words(" ".join(claim.split()), paragraphs, source)


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

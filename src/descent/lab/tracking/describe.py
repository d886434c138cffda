"""What MLflow shows in words: of a result its claim and verdict, of a family its question and claims."""

from contextlib import suppress

from descent.lab.messages import Refused, refusals
from descent.lab.project import Block
from descent.lab.words import bound, decimals, outcome, place, sentence, words

NOTE = 8000  # MLflow's limit of characters a tag


def claim(block: Block) -> str:
    """The first sentence of its module."""
    return words(block.docstring()).claim


def cell(text: str) -> str:
    """Words that end no cell of a table."""
    return " ".join(text.split()).replace("|", r"\|")


def checked(checks: list[dict]) -> list[str]:
    """The table of checks, each where it is nearest to failing; what fails comes first."""
    lines = ["| check | measured | predicted | where | why this tolerance | verdict |"]
    lines += ["|---|---|---|---|---|---|"]
    for c in sorted(checks, key=lambda check: check["holds"]):
        measured = decimals(c["measured"], c["tol"])
        verdict = "holds" if c["holds"] else "**fails**"
        parts = (sentence(c["name"]), measured, bound(c), place(c), c["why"], verdict)
        lines.append("| " + " | ".join(map(cell, parts)) + " |")
    return lines


def examined(errata: list[dict]) -> list[str]:
    """The table of errata."""
    lines = [
        "| erratum | where | printed | correct | measured | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for e in errata:
        numbers = (f"{e[key]:.6g}" for key in ("printed", "correct", "measured"))
        verdict = "stands" if e["stands"] else "**falls**"
        lines.append(
            "| " + " | ".join(map(cell, (e["name"], e["where"], *numbers, verdict))) + " |"
        )
    return lines


def description(block: Block, report: dict) -> str:
    """The claim, what became of it and why, and the tables of checks and of errata."""
    lines = [
        claim(block),
        "",
        f"**{report['verdict']}**" + outcome(report)[len(report["verdict"]) :],
    ]
    if report["checks"]:
        lines += ["", *checked(list(report["checks"].values()))]
    if report["unchecked"]:
        lines += ["", "Not checked at these parameters:", ""]
        lines += [f"- {sentence(name)}: {why}" for name, why in report["unchecked"].items()]
    if report["errata"]:
        lines += ["", *examined(list(report["errata"].values()))]
    text = "\n".join(lines)
    return text if len(text) <= NOTE else text[:NOTE].rpartition("\n")[0]


def question(blocks: list[Block]) -> str:
    """What a family asks, and what each of its experiments claims, if its module can be read."""
    claims = []
    for block in blocks:
        with suppress(Refused), refusals():
            claims.append(f"- **{block.name}**: {claim(block)}")
    return "\n".join([blocks[0].question, "", *claims])

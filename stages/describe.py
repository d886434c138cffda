"""What MLflow shows in words: of a result its claim and verdicts, of a family its question and claims."""

from blocks import Block
from words import words

NOTE = 8000  # MLflow's limit of characters a tag


def claim(block: Block) -> str:
    """The first sentence of its module."""
    return words(block.docstring()).claim


def description(block: Block, report: dict) -> str:
    """The claim, and what became of it: a table of checks, what fails first, and of errata."""
    checks = sorted(report["checks"].values(), key=lambda check: check["holds"])
    lines = [claim(block), ""]
    lines += [
        "| check | measured | | predicted | tolerance | verdict |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {c['name']} | {c['measured']:.6g} | {c['relation']} | {c['predicted']:.6g} "
        f"| {c['tol']:.2g} | {'holds' if c['holds'] else '**fails**'} |"
        for c in checks
    ]
    if errata := report["errata"].values():
        lines += ["", "| erratum | where | printed | correct | measured | verdict |"]
        lines += ["|---|---|---|---|---|---|"]
        lines += [
            f"| {e['name']} | {e['where']} | {e['printed']:.6g} | {e['correct']:.6g} "
            f"| {e['measured']:.6g} | {'stands' if e['stands'] else '**falls**'} |"
            for e in errata
        ]
    text = "\n".join(lines)
    return text if len(text) <= NOTE else text[:NOTE].rpartition("\n")[0]


def question(blocks: list[Block]) -> str:
    """What a family asks, and what each of its experiments claims."""
    claims = [f"- **{block.name}**: {claim(block)}" for block in blocks]
    return "\n".join([blocks[0].question, "", *claims])

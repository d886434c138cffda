"""The records of the laboratory as HTML for a notebook: plain tables without style, which every viewer shows."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING

from descent.lab.reading import MARKS, erratum
from descent.lab.words import bound, decimals, outcome, place, sentence

if TYPE_CHECKING:
    from descent.lab.records import Explanation

LEFT = ' style="text-align: left"'


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = "".join(f"<th{LEFT}>{escape(one)}</th>" for one in heads)
    body = "".join(
        "<tr>" + "".join(f"<td{LEFT}>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def items(texts: Iterable[str]) -> str:
    """A list; nothing if it is empty."""
    found = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{found}</ul>" if found else ""


def checks(report: dict) -> str:
    """A row a check: what was measured, what theory allows, where it is nearest to failing, and why so far."""
    rows = [
        (
            "✓" if one["holds"] else "✗",
            sentence(one["name"]),
            decimals(one["measured"], one["tol"]),
            bound(one),
            place(one),
            one["why"],
        )
        for one in report["checks"].values()
    ]
    heads = ("", "check", "measured", "predicted", "at", "tolerance")
    return table(heads, rows) if rows else ""


def found(report: dict) -> str:
    """Verdict, checks, errata, and what was not checked."""
    left = [f"not checked: {sentence(name)}: {why}" for name, why in report["unchecked"].items()]
    verdict = escape(f"{MARKS[report['verdict']]} {outcome(report)}")
    said = [erratum(one) for one in report["errata"].values()]
    return f"<p><b>{verdict}</b></p>" + checks(report) + items([*said, *left])


def run(experiment: str, claim: str, changed: Mapping[str, tuple], report: dict) -> str:
    moved = [f"changed: {key}: {was} → {now}" for key, (was, now) in changed.items()]
    return f"<p><b>{escape(experiment)}</b>: {escape(claim)}</p>" + items(moved) + found(report)


def image(svg: str, caption: str) -> str:
    """The drawing as an image of its own, so that nothing in it touches the page around it."""
    from descent.lab.page.pictures import picture

    url, (width, height) = picture(svg)
    return f'<img src="{escape(url)}" width="{width}" height="{height}" alt="{escape(caption)}">'


def explanation(one: "Explanation") -> str:
    said = [f"<p><b>{escape(one.experiment)}</b>: {escape(one.said.claim)}</p>"]
    for part in one.said.paragraphs:
        tag = "pre" if part.formula else "p"
        said.append(f"<{tag}>{escape(part.text)}</{tag}>")
    said += [f"<p>See: {escape(one.said.see)}</p>", f"<p>Source: {escape(one.said.source)}</p>"]
    said.append("<p>Parameters</p><pre>" + escape("\n".join(one.parameters)) + "</pre>")
    if one.report is None or not one.current:
        said.append(f"<p>{escape(one.found[0])}</p>")
    return "".join(said) + (found(one.report) if one.report is not None else "")

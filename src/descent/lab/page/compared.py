"""Write report/compare.html: what a revision and the working tree differ in, side by side.

Parameters, verdicts and metrics come from the gate; the figures of both times are those in plots/, over each other as
far as their axes are the same (descent/lab/page/over.py), and beside each other as they were drawn.
"""

from pathlib import Path
from typing import NamedTuple

from descent.lab.files import kept, read_text, write_text
from descent.lab.gate.compare import Judged
from descent.lab.gate.parameters import both, one_there, shown
from descent.lab.gate.reports import Note
from descent.lab.gate.shown import plural
from descent.lab.leftovers import registered
from descent.lab.messages import refuse, say
from descent.lab.page.made import made
from descent.lab.page.pictures import bundle
from descent.lab.page.report import HERE, template
from descent.lab.page.two_times import alike, drawings, overlaid, still, stills
from descent.lab.words import words

PAGE = Path("report/compare.html")


class Row(NamedTuple):
    """A parameter at both times, as text; None where there was none."""

    name: str
    was: str | None
    now: str | None


def compared(revision: str, found: Judged) -> int:
    """Write the page, and say in a line what it shows; the exit code."""
    short = found.sha[:7]
    if not found.base:
        refuse(f"{revision} ({short}): has no metrics/FAMILY/NAME.json, so nothing can be compared")
    page = contrast(revision, found)
    live = any(one["panels"] for one in page["experiments"])
    text = template("compare.html.j2").render(
        **page,
        made=made(),
        style=read_text(HERE / "report.css"),
        script=read_text(HERE / "chart.js") if live else "",
        vega=bundle() if live else "",
    )
    with kept():
        write_text(PAGE, text)
    named = short if page["revision"] == short else f"{revision} ({short})"
    say(f"{PAGE}: {named} against the working tree: {page['said']}")
    return 0


def contrast(revision: str, found: Judged) -> dict:
    """All that the template names."""
    claims = {one.path: words(one.docstring()).claim.rstrip(".") for one in registered() or ()}
    there = [*claims, *sorted(found.now.keys() - claims.keys())]  # in the order of params.yaml
    there = [name for name in there if name in found.now]
    rows, remarks = parameters(found.sha), [note for note in found.notes if not note.new]
    told = [told_of(name, found, rows, remarks) for name in there if name in found.base]
    then, now = drawings(found.sha, [one["name"] for one in told])
    for one in told:
        one["same"] = alike(then[one["name"]], now[one["name"]])
    differ = [one for one in told if one["differs"] or not one["same"]]
    differ.sort(key=lambda one: not one["fails"])
    gone = sorted(found.base.keys() - found.now.keys())
    pictures = stills(found.sha, [*(one["name"] for one in differ), *gone])
    for one in differ:
        name = one["name"]
        one |= {"claim": claims.get(name, ""), "before": pictures[name], "after": still(name)}
        one["panels"] = "" if one["same"] else overlaid(then[name], now[name], found.sha[:7])
    page = {
        "revision": found.sha[:7] if found.sha.startswith(revision) else revision,
        "short": found.sha[:7],
        "metrics": found.metrics,
        "compared": len(told),
        "parameters": rows,
        "notes": sorted(remarks, key=lambda note: (not note.fails, note.text)),
        "moves": found.moves,
        "experiments": differ,
        "new": [
            titled(name) | {"claim": claims.get(name, ""), "after": still(name)}
            for name in there
            if name not in found.base
        ],
        "gone": [titled(name) | {"before": pictures[name]} for name in gone],
    }
    return page | {"said": said(page)}


def titled(name: str) -> dict:
    return {"name": name, "stage": name.replace("/", "@"), "anchor": name.replace("/", "-")}


def told_of(name: str, found: Judged, rows: list[Row], remarks: list[Note]) -> dict:
    """What differs in an experiment that is there at both times, but for its figure."""
    now, block = found.now[name], name.replace("/", ".")
    moves = [move for move in found.moves if move.metric.startswith(f"{name}:")]
    about = [note for note in remarks if note.text.startswith(f"{name}:")]
    changed = [row for row in rows if f"{row.name}.".startswith(f"{block}.")]
    beyond = sum(move.fails for move in moves)
    return titled(name) | {
        "was": found.base[name].claim,
        "now": "corrupt" if isinstance(now, Note) else now.claim,
        "parameters": changed,
        "notes": [note.text.removeprefix(f"{name}: ") for note in about],
        "moves": moves,
        "beyond": beyond,
        "fails": bool(beyond) or any(note.fails for note in about),
        "differs": bool(beyond or about or changed),
    }


def parameters(sha: str) -> list[Row]:
    """Every parameter that is another, new or gone; of a block that is new or gone its name alone."""
    base, now = both(sha)
    found = {}
    for name, value in now.items():
        if name not in base:
            part = one_there(name, base)
            found[part] = Row(part, None, shown(value) if part == name else "new")
        elif base[name] != value:
            found[name] = Row(name, shown(base[name]), shown(value))
    for name, value in base.items():
        if name not in now:
            part = one_there(name, now)
            found[part] = Row(part, shown(value) if part == name else "there", None)
    return list(found.values())


def said(page: dict) -> str:
    """How much differs, in a line."""
    beyond = sum(move.fails for move in page["moves"])
    parts = [
        counted(page["parameters"], "parameter", "changed"),
        counted(page["notes"], "remark", "on verdicts and files"),
        counted(page["moves"], "metric", f"moved, {beyond} beyond tolerance"),
        counted(page["experiments"], "experiment", "shown side by side"),
        counted(page["new"], "experiment", "new"),
        counted(page["gone"], "experiment", "gone"),
    ]
    return ", ".join(part for part in parts if part) or "nothing differs"


def counted(what: list, noun: str, how: str) -> str:
    return f"{plural(len(what), noun)} {how}" if what else ""

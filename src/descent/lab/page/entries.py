"""What the page says of one experiment."""

import json
import re
from pathlib import Path
from typing import NamedTuple

from descent.lab.files import read_text, whole
from descent.lab.page import pictures, spread
from descent.lab.page.animations import Animation, playable
from descent.lab.page.documents import erratum_anchor
from descent.lab.page.known import known
from descent.lab.page.sliders import Moved, movable
from descent.lab.project import Block
from descent.lab.results import load_report
from descent.lab.vega import embedded
from descent.lab.words import Words, cited, finding, outcome, sentence, words

KINDS = {
    "holds": "holds",
    "does not hold": "fails",
    "no claim": "none",
}  # of verdicts, in the page's classes


def described(panels: list[dict]) -> str:
    """What the panels of a figure show, in words."""
    parts = [f"{p['title']} ({p['y']['label']} against {p['x']['label']})" for p in panels]
    return "; ".join(parts)


STROKES = {
    "measured": "Solid: measured.",
    "predicted": "Dashed: predicted.",
    "bound": "Dotted: a bound.",
    "printed": "Dotted: as printed in the source.",
}
LINES = {"line", "level", "moment", "segments"}


class Moving(NamedTuple):
    """What moves in the figures of all experiments."""

    sliders: list[Moved]
    animations: list[Animation]


def strokes(panels: list[dict]) -> str:
    """What solid, dashed and dotted lines, and points, stand for, as far as the figure has them."""
    marks = [mark for panel in panels for mark in panel["marks"]]
    roles = {mark["role"] for mark in marks if mark["kind"] in LINES}
    said = [words for role, words in STROKES.items() if role in roles]
    if {"bound", "printed"} <= roles:
        said[-2:] = ["Dotted: a bound, or as printed in the source."]
    if any(mark["kind"] == "band" for mark in marks):
        said.append("Bands: from 5 % to 95 % of the runs, where the legend says nothing else.")
    return " ".join(said)


def cost(block: Block) -> str:
    """What the last run here took; empty where the result came from the cache."""
    try:
        spent = json.loads(read_text(Path(f"artifacts/cost/{block.path}.json")))
        return f"{spent['seconds']:.1f} s, {spent['peak_mib']:d} MiB."
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""


def picture(drawing: Path) -> tuple[str, tuple[int, int]]:
    """The drawing as the page holds it, and its size in pixels."""
    found, (width, height) = known(
        drawing, "picture", lambda: pictures.picture(read_text(drawing)), pictures.__file__
    )
    return found, (width, height)


def numbers(artifact: Path) -> list[spread.Row]:
    """What is measured over replicates, with its spread."""
    found = known(artifact, "spread", lambda: spread.rows(artifact), spread.__file__)
    return [spread.Row(*row) for row in found]


def shown(block: Block, said: Words, result: dict, params: dict, moving: Moving) -> dict:
    """The figure: its drawing, its data where these are all of it, and what it shows in words."""
    data, drawing = (Path(f"plots/{block.path}.{kind}") for kind in ("json", "svg"))
    with whole(data):
        panels = json.loads(read_text(data))["panels"]
        seen, complete = described(panels), all(panel["whole"] for panel in panels)
        drawn, heat = strokes(panels), any(m["kind"] == "heat" for p in panels for m in p["marks"])
    moved = movable(moving.sliders, block.stage, params, len(panels))
    played = playable(moving.animations, block.stage, params, len(panels))
    with whole(drawing):
        figure, size = picture(drawing)
    first = next(iter(result["checks"].values()), None)
    verdict = outcome(result) if first is None else f"{result['verdict']}: {finding(first)}"
    return {
        "figure": figure,
        "size": size,
        "alt": f"{said.claim} Verdict: {verdict}. Shown: {seen}.",
        "panels": embedded(panels) if complete else "",
        "moved": embedded(moved) if complete and moved else "",
        "played": embedded(played) if complete and played else "",
        "strokes": drawn,
        "map": heat,
    }


def entry(block: Block, params: dict, listed: str, moving: Moving) -> dict:
    """Everything of one experiment that the template names.

    Args:
        params: all of params.yaml.
        listed: the block as a person reads it.
        moving: what moves in any figure.
    """
    said = words(block.docstring())
    result = load_report(Path(f"metrics/{block.path}.json"))
    checks, anchor = list(result["checks"].values()), block.path.replace("/", "-")
    unchecked = [{"name": sentence(n), "reason": why} for n, why in result["unchecked"].items()]
    return shown(block, said, result, params, moving) | {
        "family": block.family,
        "name": block.name,
        "path": block.path,
        "stage": block.stage,
        "anchor": anchor,
        "claim": said.claim.rstrip("."),
        "paragraphs": said.paragraphs,
        "see": said.see,
        "source": said.source,
        "document": re.split(r"[.;](?:\s|$)", said.source)[0],
        "module": block.source.as_posix(),
        "parameters": listed,
        "cost": cost(block),
        "numbers": numbers(Path(f"artifacts/{block.path}.nc")),
        "checks": checks,
        "held": sum(check["holds"] for check in checks),
        "verdict": result["verdict"],
        "kind": KINDS[result["verdict"]],
        "outcome": outcome(result),
        "unchecked": unchecked,
        "errata": [
            erratum
            | cited(erratum["where"])
            | {"path": block.path, "anchor": anchor}
            | {"here": erratum_anchor(anchor, erratum["name"])}
            for erratum in result["errata"].values()
        ],
    }

"""The page by document: every question of the sources, and the experiments, errata and tests that answer it.

descent/lab/documents/KEY.yaml is one source: its title as the `Source:` lines of the experiments name it, what it is
about, and its questions in the order in which they are printed.
"""

import re
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints

from descent.lab.page.reading import PART, Form, Stage, Words, read

FOLDER = Path(__file__).parents[1] / "documents"

UNLINKED = r"[^\w.,()+=/-]+"  # what may not stand behind the # of a link, and spaces

Erratum = Annotated[str, StringConstraints(pattern=rf"^{PART}@{PART}/\S.*$")]
Test = Annotated[str, StringConstraints(pattern=r"^tests/\w+\.py::test_\w+$")]


class Question(Form):
    """A question, figure or table as it is numbered in print, and what answers it."""

    number: Words
    asks: Words
    answer: Words
    by: tuple[Stage, ...] = ()  # experiments whose checks and figures answer it
    errata: tuple[Erratum, ...] = ()  # EXPERIMENT/NAME: what the source prints and the lab refutes
    tests: tuple[Test, ...] = ()  # reference tests


class Document(Form):
    """A source with its questions."""

    title: Words
    about: Words
    questions: tuple[Question, ...]


def documents(folder: Path = FOLDER) -> dict[str, Document]:
    """Every source by its key, in alphabetical order.

    Raises:
        Damaged: a file is not of this form; names the file and the place.
    """
    return {path.stem: read(path, Document) for path in sorted(folder.glob("*.yaml"))}


def erratum_anchor(anchor: str, name: str) -> str:
    """Where on the page an erratum of an experiment stands."""
    return f"erratum-{anchor}-{re.sub(UNLINKED, '-', name)}"


def answered(experiments: list[dict]) -> list[dict]:
    """The sources as the page shows them, with links to those experiments and errata that are on it."""
    entries = {e["stage"]: e for e in experiments}
    on_page = {f"{e['stage']}/{r['name']}": r for e in experiments for r in e["errata"]}

    def shown(question: Question) -> dict:
        return question.model_dump() | {
            "by": [entries[stage] for stage in question.by if stage in entries],
            "errata": [on_page[name] for name in question.errata if name in on_page],
        }

    sources = [
        {
            "key": key,
            "title": document.title,
            "about": document.about,
            "questions": [shown(q) for q in document.questions],
        }
        for key, document in documents().items()
    ]
    return [s for s in sources if any(q["by"] or q["errata"] for q in s["questions"])]

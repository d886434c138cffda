"""The page by document: every question of the sources, and the experiments, errata and tests that answer it.

descent/lab/documents/KEY.yaml is one source: its title as the `Source:` lines of the experiments name it, what it is
about, and its questions in the order in which they are printed.
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError
from ruamel.yaml import YAML, YAMLError

from descent.lab.files import Damaged, read_text
from descent.lab.messages import one_line

FOLDER = Path(__file__).parents[1] / "documents"
PART = r"[a-z0-9_]+"

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Stage = Annotated[str, StringConstraints(pattern=rf"^{PART}@{PART}$")]
Erratum = Annotated[str, StringConstraints(pattern=rf"^{PART}@{PART}/\S.*$")]
Test = Annotated[str, StringConstraints(pattern=r"^tests/\w+\.py::test_\w+$")]


class Question(BaseModel):
    """A question, figure or table as it is numbered in print, and what answers it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    number: Words
    asks: Words
    answer: Words
    by: tuple[Stage, ...] = ()  # experiments whose checks and figures answer it
    errata: tuple[Erratum, ...] = ()  # EXPERIMENT/NAME: what the source prints and the lab refutes
    tests: tuple[Test, ...] = ()  # reference tests


class Document(BaseModel):
    """A source with its questions."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: Words
    about: Words
    questions: tuple[Question, ...]


def documents(folder: Path = FOLDER) -> dict[str, Document]:
    """Every source by its key, in alphabetical order.

    Raises:
        Damaged: a file is not of this form; names the file and the place.
    """
    return {path.stem: _read(path) for path in sorted(folder.glob("*.yaml"))}


def _read(path: Path) -> Document:
    try:
        return TypeAdapter(Document).validate_python(YAML(typ="safe").load(read_text(path)))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise Damaged(f"{path.name}: {place}: {first['msg']}") from None
    except (YAMLError, OSError, ValueError) as error:
        raise Damaged(f"{path.name}: cannot be read: {one_line(error)}") from None


def erratum_anchor(anchor: str, name: str) -> str:
    """Where on the page an erratum of an experiment stands."""
    return f"erratum-{anchor}-{name.replace(' ', '-')}"


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

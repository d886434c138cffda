"""What leads a reader through the page: stories, set-ups of the families, sliders, groups of errata.

descent/lab/guide/*.yaml has the words; nothing of them is a result. What names an experiment that is not on the page
is left out.
"""

from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints

from descent.lab.page.reading import PART, Form, Stage, Words, read

FOLDER = Path(__file__).parents[1] / "guide"

Key = Annotated[str, StringConstraints(pattern=rf"^{PART}$")]


class Step(Form):
    """A figure of a story, and what to know before looking at it."""

    experiment: Stage
    says: Words


class Story(Form):
    """A guided reading: six to ten figures for about an hour."""

    key: Key
    title: Words
    door: Words  # what the story is about, for the first screen
    opens: Words
    steps: tuple[Step, ...]
    asks: tuple[Words, ...]  # for a discussion


class Stories(Form):
    """The figure of the first screen, and the stories in their order."""

    hero: Step
    stories: tuple[Story, ...]


class Setup(Form):
    """What a reader of a family's experiments has to know, in five lines under a title."""

    title: Words
    problem: Words
    symbols: Words
    varied: Words
    asked: Words
    document: Words


class Confusion(Form):
    """What several errata have in common; `errata` are patterns of EXPERIMENT/NAME."""

    title: Words
    says: Words
    errata: tuple[Words, ...]


def stories(folder: Path = FOLDER) -> Stories:
    """Raises Damaged where the file is not of this form, as all here do."""
    return read(folder / "stories.yaml", Stories)


def setups(folder: Path = FOLDER) -> dict[str, Setup]:
    return read(folder / "families.yaml", dict[str, Setup])


def confusions(folder: Path = FOLDER) -> list[Confusion]:
    return read(folder / "errata.yaml", list[Confusion])


def told(experiments: list[dict]) -> dict:
    """The hero, or None, and the stories with the entries of those experiments that are on the page."""
    entries = {e["stage"]: e for e in experiments}
    book = stories()

    def step(one: Step) -> dict:
        return {"entry": entries[one.experiment], "says": one.says}

    found = [
        story.model_dump()
        | {"steps": [step(one) for one in story.steps if one.experiment in entries]}
        for story in book.stories
    ]
    return {
        "hero": step(book.hero) if book.hero.experiment in entries else None,
        "stories": [story for story in found if story["steps"]],
    }


def named(erratum: dict) -> str:
    """An erratum of the page as EXPERIMENT/NAME."""
    return f"{erratum['path'].replace('/', '@')}/{erratum['name']}"


def meant(group: Confusion, erratum: dict) -> bool:
    return any(fnmatchcase(named(erratum), pattern) for pattern in group.errata)


def grouped(errata: list[dict]) -> list[dict]:
    """The errata by what was confused; those of no group at the end."""
    left, found = errata, []
    for group in confusions():
        ours = list(filter(partial(meant, group), left))
        left = [erratum for erratum in left if erratum not in ours]
        found.append({"title": group.title, "says": group.says, "errata": ours})
    found.append({"title": "Other statements", "says": "", "errata": left})
    return [group for group in found if group["errata"]]

"""Errata whose names differ in their last number alone: one row of the page instead of as many as there are numbers."""

import re
from itertools import groupby
from typing import NamedTuple

from descent.lab.words import sentence

NUMBERED = re.compile(r"(.*?)(\d+)")


class Alike(NamedTuple):
    """Published numbers of one kind from one place: the norms of five layers, the losses after three epochs."""

    title: str  # small gradient norm 1, 2, 3
    short: tuple[str, ...]  # what a link to each says: small gradient norm 1; 2; 3
    errata: tuple[dict, ...]

    @property
    def stand(self) -> int:
        return sum(erratum["stands"] for erratum in self.errata)


def alike(errata: list[dict]) -> list[Alike]:
    """Neighbours of one experiment and one place whose names differ in their last number, together."""
    return [_together(tuple(group)) for _, group in groupby(errata, _kind)]


def _kind(erratum: dict) -> tuple[str, str, str]:
    found = NUMBERED.fullmatch(erratum["name"])
    return erratum["path"], erratum["where"], found[1] if found else erratum["name"]


def _together(errata: tuple[dict, ...]) -> Alike:
    first, *rest = (erratum["name"] for erratum in errata)
    short = (sentence(first), *(NUMBERED.fullmatch(name)[2] for name in rest))
    return Alike(", ".join(short), short, errata)

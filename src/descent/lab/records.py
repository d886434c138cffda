"""The list of experiments and the explanation of one: records that show themselves in a terminal and in a notebook."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from descent.lab import tables
from descent.lab.project import Block
from descent.lab.reading import MARKS, lines
from descent.lab.words import Words

WIDE = 88  # characters of a line of prose in a terminal


class Experiment(NamedTuple):
    """One experiment in the list."""

    name: str  # family.name
    claim: str
    verdict: str  # of the last `dvc repro`; "not run" or "damaged" where there is none


@dataclass(frozen=True, repr=False)
class Experiments:
    """A list of experiments."""

    rows: tuple[Experiment, ...]

    def __iter__(self) -> Iterator[Experiment]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> Experiment:
        return self.rows[place]

    def __repr__(self) -> str:
        name, verdict = (max((len(one[k]) for one in self.rows), default=0) for k in (0, 2))
        return "\n".join(
            f"{MARKS.get(one.verdict, '?')} {one.name:{name}}  {one.verdict:{verdict}}  {one.claim}"
            for one in self.rows
        )

    def _repr_html_(self) -> str:
        rows = [(one.name, one.claim, one.verdict) for one in self.rows]
        return tables.table(("experiment", "claim", "verdict"), rows)


@dataclass(frozen=True, repr=False)
class Explanation:
    """What an experiment claims, why, and what the last `dvc repro` found.

    Attributes:
        said: the claim, the paragraphs and formulas, what to see and the source, from the docstring.
        parameters: a line each, with its comment.
        report: the stored one; None where it has not run.
        current: whether it ran with these parameters.
    """

    block: Block
    said: Words
    parameters: list[str]
    report: dict | None
    current: bool

    @property
    def experiment(self) -> str:
        return self.block.path.replace("/", ".")

    @property
    def found(self) -> list[str]:
        """What the last run found, a line each."""
        if self.report is None:
            return [f"not run yet: `dvc repro {self.block.stage}`"]
        old = f"of other parameters than these: `dvc repro {self.block.stage}` renews it"
        return [*([] if self.current else [old]), *lines(self.report)]

    @property
    def files(self) -> list[str]:
        """Where to read on."""
        return [str(self.block.source), f"plots/{self.block.path}.svg", "report/index.html"]

    @property
    def text(self) -> str:
        """The claim, why it is so, the formulas, what to see, and the source."""
        parts = [prose(self.said.claim)]
        for one in self.said.paragraphs:
            parts.append(indented(one.text) if one.formula else prose(one.text))
        parts += [prose(f"See: {self.said.see}"), prose(f"Source: {self.said.source}")]
        return "\n\n".join(parts)

    def __repr__(self) -> str:
        parts = [self.experiment, self.text]
        for title, text in (("Parameters", self.parameters), ("Found", self.found)):
            parts.append(f"{title}\n" + indented("\n".join(text)))
        return "\n\n".join([*parts, "Files\n" + indented("\n".join(self.files))])

    def _repr_html_(self) -> str:
        return tables.explanation(self)


def prose(text: str) -> str:
    return textwrap.fill(text, WIDE, break_long_words=False, break_on_hyphens=False)


def indented(text: str) -> str:
    return textwrap.indent(text, "    ")

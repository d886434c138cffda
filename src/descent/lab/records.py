"""What the functions of the laboratory return: records that show themselves in a terminal and in a notebook."""

import textwrap
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import xarray as xr

from descent.figure import Figure
from descent.lab import tables
from descent.lab.files import write
from descent.lab.project import Block
from descent.lab.reading import MARKS, lines
from descent.lab.settings import command
from descent.lab.words import Words
from descent.result import Check, Erratum, Result, Values, Verdict

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
class Run:
    """One run of an experiment, which is written nowhere.

    Attributes:
        config: every parameter that it ran with.
        changed: those that are not as in params.yaml: name → (there, here).
        result: what the experiment returned; its parts are the properties below.
        report: the same as metrics/FAMILY/NAME.json would have it.
    """

    block: Block
    claim: str
    config: object
    changed: Mapping[str, tuple]
    result: Result
    report: dict
    root: Path = field(default_factory=Path)

    @property
    def experiment(self) -> str:
        return self.block.path.replace("/", ".")

    @property
    def data(self) -> xr.Dataset:
        """Labelled arrays; what `role` "prediction" is marked with is theory."""
        return self.result.data

    @property
    def metrics(self) -> Mapping[str, Values]:
        return self.result.metrics

    @property
    def checks(self) -> dict[str, Check]:
        """By name; each has `holds`, `measured`, `predicted`, `tol`, `why`, and `worst`, its worst point."""
        return {check.name: check for check in self.result.checks}

    @property
    def errata(self) -> dict[str, Erratum]:
        """By name; each has `printed`, `correct`, `measured`, `stands`."""
        return {one.name: one for one in self.result.errata}

    @property
    def no_claim(self) -> tuple[str, ...]:
        """Why the claim says nothing at these settings; empty where it does."""
        return self.result.no_claim

    @property
    def verdict(self) -> Verdict:
        return self.result.verdict

    @cached_property
    def figure(self) -> Figure:
        """What it shows, as data: panels with marks."""
        from descent.lab.painted import figure_of  # half a second, for Matplotlib
        from descent.lab.roots import within

        with within(self.root):
            return figure_of(self.block, self.data)

    @cached_property
    def svg(self) -> str:
        """The figure as an SVG."""
        from descent.lab.painted import drawn, svg_of

        return drawn(self.block, self.figure, svg_of)

    def save(self, path: str | Path) -> None:
        """Write the figure (.svg, .png) or the arrays (.nc) to a file of that name, whole or not at all.

        Raises:
            ValueError: another ending.
            OSError: the disk is full, say.
        """
        from descent.lab.painted import drawn, png

        path = Path(path)
        savers = {
            ".svg": lambda partial: partial.write_text(self.svg, encoding="utf-8"),
            ".png": lambda partial: partial.write_bytes(drawn(self.block, self.figure, png)),
            ".nc": lambda partial: self.data.to_netcdf(partial, engine="scipy"),
        }
        if path.suffix.lower() not in savers:
            raise ValueError(f"{path}: must end in {', '.join(savers)}")
        write(path, savers[path.suffix.lower()])

    @property
    def keep(self) -> str:
        """The command that runs it again, writes its results and has them tracked."""
        changes = {key: now for key, (_, now) in self.changed.items()}
        return command(self.block.stage, changes, self.block.parameters)

    def __repr__(self) -> str:
        moved = [f"{key}: {was} → {now}" for key, (was, now) in self.changed.items()]
        head = [f"{self.experiment}: {self.claim}", *(f"  changed: {one}" for one in moved)]
        return "\n".join([*head, *(f"  {line}" for line in lines(self.report))])

    def _repr_html_(self) -> str:
        return self._words() + tables.image(self.svg, self.figure.caption)

    def _words(self) -> str:
        return tables.run(self.experiment, self.claim, self.changed, self.report)

    def _ipython_display_(self) -> None:
        """Words, then the picture as a PNG of its own, which every viewer of notebooks shows."""
        from IPython.display import display

        from descent.lab.painted import drawn, png

        display({"text/html": self._words(), "text/plain": repr(self)}, raw=True)
        picture = b64encode(drawn(self.block, self.figure, png)).decode()
        display({"image/png": picture, "text/plain": self.figure.caption}, raw=True)


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

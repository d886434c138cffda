"""One run of an experiment, as Python and a notebook have it: its parts, its checks, its figure."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import xarray as xr

from descent.figure import Figure
from descent.lab import tables
from descent.lab.files import write
from descent.lab.project import Block
from descent.lab.reading import lines
from descent.lab.settings import command
from descent.result import Check, Erratum, Result, Values, Verdict


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

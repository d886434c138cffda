"""Have the metrics moved? `python stages/gate.py [--base REV] [--all | --page]` compares metrics/ with a git revision.

Prints Markdown. Exit code 1 if a metric moved beyond its tolerance (tolerances.yaml beside this file), vanished or
is not finite, if a check, an erratum or a claim was lost (a claim that held and now says nothing is lost), or if a
file vanished, is corrupt, is not the one that dvc.lock names, or belongs to no block (an experiment whose block is
gone is removed, and no failure); 2 and one line if the input cannot be used. With --page it judges nothing: it writes
report/compare.html, where both times stand side by side.
"""

import math
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from descent.lab.gate.parameters import changed
from descent.lab.gate.reports import (
    Move,
    Note,
    Report,
    commit,
    committed,
    reports,
    workspace,
)
from descent.lab.gate.rules import RULES, rule_of, tolerances
from descent.lab.gate.shown import everything, summary
from descent.lab.gate.standing import names, standing
from descent.lab.messages import refuse, say

NOISE = 1e-12  # relative; less is no move unless it fails
WAS = {True: "held", False: "did not hold", None: "new"}
IS = {True: "holds", False: "does not hold", None: "vanished"}


def finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def differences(name: str, base: Report, now: Report, rules: list) -> Iterator[Move | Note]:
    """What differs between two reports of one experiment."""
    for path in base.metrics | now.metrics:
        metric, was, value = f"{name}:{path}", base.metrics.get(path), now.metrics.get(path)
        if path not in now.metrics:
            yield Note(f"{metric}: vanished")
        elif not finite(value):
            yield Note(f"{metric}: not finite ({value!r})")
        elif not finite(was):
            told = f"{metric}: new" + f", was {was!r}" * (path in base.metrics)
            yield Note(told, fails=False, new="metric")
        elif value != was:
            move = Move(metric, was, value, rule_of(metric, rules).allows(was))
            if move.fails or abs(value - was) > NOISE * abs(was):
                yield move
    yield from lost(name, base, now)


def lost(name: str, base: Report, now: Report) -> Iterator[Note]:
    """Checks, errata and claims whose verdict is another; it fails if they held."""
    for claim in base.verdicts | now.verdicts:
        held, holds = base.verdicts.get(claim), now.verdicts.get(claim)
        if held is not holds:
            new = "verdict" if held is None and holds else ""
            told = f"{name}: {claim}: {WAS[held]}, {IS[holds]}"
            yield Note(told, fails=held is True, new=new)
    if base.claim is not None and base.claim != now.claim:
        why = f" ({'; '.join(now.reasons)})" if now.claim == "no claim" and now.reasons else ""
        said = f"{name}: the claim: was {base.claim!r}, is {now.claim!r}{why}"
        yield Note(said, fails=base.claim == "holds")


def compare(base: dict, now: dict, rules: list, known: set[str] | None) -> Iterator[Move | Note]:
    """What differs between the experiments of two times, and what is corrupt now; `known` are the blocks there are."""
    for name in base.keys() - now.keys():
        if known is None:
            yield Note(f"{name}: vanished")
        elif name not in known:
            yield Note(f"{name}: removed", fails=False)
    for name, report in now.items():
        if isinstance(report, Note):
            yield report
            continue
        if name not in base:
            yield Note(f"{name}: new experiment", fails=False, new="experiment")
        yield from differences(name, base.get(name, Report({}, {})), report, rules)


def options(arguments: tuple[str, ...]):
    parser = ArgumentParser(
        description="Have the metrics moved against a git revision?", allow_abbrev=False
    )
    parser.add_argument("--base", default="HEAD", metavar="REV")
    parser.add_argument("--all", action="store_true", help="show every metric that moved")
    parser.add_argument("--page", action="store_true", help="write report/compare.html instead")
    parser.add_argument("--tolerances", default=RULES)
    parser.error = refuse
    return parser.parse_args(arguments)


class Judged(NamedTuple):
    """The workspace beside a git revision."""

    sha: str
    base: dict[str, Report]  # by family/name
    now: dict[str, Report | Note]  # in place of a corrupt one, what is wrong
    moves: list[Move]  # the largest first
    notes: list[Note]

    @property
    def metrics(self) -> int:
        return sum(len(one.metrics) for one in self.now.values() if isinstance(one, Report))

    @property
    def failures(self) -> int:
        return sum(found.fails for found in (*self.moves, *self.notes))


def judged(revision: str, rules: Path = RULES) -> Judged:
    """Compare the metrics of the workspace with those of a revision, or one line and exit code 2."""
    allowed, now = tolerances(rules), reports(workspace())
    sha = commit(revision)
    base = reports(committed(sha))
    if corrupt := [report.text for report in base.values() if isinstance(report, Note)]:
        refuse(f"{revision} ({sha[:7]}): {corrupt[0]}")
    known = names()
    faults = list(standing(set(now), known))
    if known is not None:
        now = {name: report for name, report in now.items() if name in known}
    found = [*faults, *compare(base, now, allowed, known)]
    moves = sorted((f for f in found if isinstance(f, Move)), key=lambda move: move.rank)
    notes = [f for f in found if isinstance(f, Note)]
    return Judged(sha, base, now, moves, notes)


def main(*arguments: str) -> int:
    chosen = options(arguments)
    found = judged(chosen.base, Path(chosen.tolerances))
    if chosen.page:
        from descent.lab.page.compared import compared  # painters and fonts: a second

        return compared(chosen.base, found)
    say(
        f"gate: {found.metrics} metrics in {len(found.now)} experiments against "
        f"{chosen.base} ({found.sha[:7]}): {len(found.moves)} moved, {found.failures} failures",
        *(everything if chosen.all else summary)(found.moves, found.notes, changed(found.sha)),
    )
    return 1 if found.failures else 0

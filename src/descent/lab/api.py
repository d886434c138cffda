"""The laboratory in Python: `from descent import lab`, then `lab.run("sensing.exact", rank=3)`.

    lab.experiments()          every experiment with its claim and its verdict; lab.experiments("momentum") those on it
    lab.explain("margin.ties") the claim, why it is so, the formulas, the parameters, the stored checks
    lab.run("margin.ties", …)  runs it with params.yaml, or with what you change by keyword
    lab.load("margin.ties")    the stored arrays of the last `dvc repro`

`run` calls what `dvc repro` calls, and writes and tracks nothing. What cannot be run is `lab.Refused`, an error of one
line. Every function works from any folder of the clone, or with `root=` from anywhere.
"""

from _thread import interrupt_main
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import xarray as xr

from descent.lab.asked import Refused, Root, dotted, named, reading, refusing, require_inputs
from descent.lab.deadline import over
from descent.lab.environment import require_system
from descent.lab.files import Damaged, dataset, read
from descent.lab.params import configured, shown
from descent.lab.project import Block, blocks
from descent.lab.ran import Run
from descent.lab.records import Experiment, Experiments, Explanation
from descent.lab.results import load_report
from descent.lab.roots import root_of
from descent.lab.running import found, in_params, result_of
from descent.lab.scratch import shared_memory
from descent.lab.settings import changed
from descent.lab.stored import is_current, listed_parameters
from descent.lab.words import words
from descent.result import Result


def experiments(about: str = "", *, root: Root = None) -> Experiments:
    """Every experiment with its claim and the verdict of the last `dvc repro`, in the order of params.yaml.

    Args:
        about: only those whose name, claim or verdict has these words, in any case.
        root: the project's folder; by default the clone that the working folder is in.

    Raises:
        Refused: there is no project, or it cannot be read.
    """
    with reading(root):
        every = [
            Experiment(dotted(block.path), words(block.docstring()).claim, verdict_of(block))
            for block in blocks()
        ]
    wanted = about.casefold().split()
    return Experiments(
        tuple(one for one in every if all(word in " ".join(one).casefold() for word in wanted))
    )


def verdict_of(block: Block) -> str:
    """The stored verdict; "not run" or "damaged" where there is none."""
    path = Path(f"metrics/{block.path}.json")
    try:
        return load_report(path)["verdict"]
    except Damaged:
        return "damaged" if path.exists() else "not run"


def run(
    experiment: str, changes: Mapping | None = None, /, *, root: Root = None, **parameters
) -> Run:
    """Run an experiment with the numbers of params.yaml and those given here; nothing is written or tracked.

        lab.run("sensing.exact", rank=3)
        lab.run("sensing.exact", {"rank": 3})              the same
        lab.run("probe.lenet", {"arguments.lr": 0.1})      a number within a block of a block

    Args:
        experiment: `family.name`.
        changes: parameters by name, with dots where they are nested; a mapping changes what it names in a mapping.
        root: the project's folder; by default the clone that the working folder is in.
        parameters: the same by keyword.

    Raises:
        Refused: no such experiment or parameter, numbers that it cannot run with, or an input that is not there.
    """
    if not isinstance(changes, Mapping | None):
        raise Refused(f"changes must be a mapping of parameters (got {shown(changes)})")
    given = {**(changes or {}), **parameters}
    with reading(root):
        require_system()
        block = named(experiment)
        name, module = dotted(block.path), found(block.module)
        known = [field.name for field in fields(module.Config)]
        settings = changed(block.parameters, given, name, known)
        config = configured(module.Config, block.path, settings)
        changed_block = block._replace(parameters=settings)
        require_inputs(changed_block)
        upstream = [read(path, config) for path in changed_block.inputs()]
        claim = words(block.docstring()).claim
    result, report = in_time(module, config, upstream, in_params(block.path))
    was = {key: (block.parameters.get(key), settings[key]) for key in settings}
    moved = {key: pair for key, pair in was.items() if pair[0] != pair[1]}
    return Run(block, claim, config, moved, result, report, root_of(root))


def in_time(module: ModuleType, config, upstream: list, where: str) -> tuple[Result, dict]:
    """The result and its report; a run that has had its time is interrupted, and this process goes on.

    Raises:
        Refused: it cannot run with these numbers, or has had its time.
    """
    said: list[str] = []

    def late(what: str) -> None:
        said.append(over(what))
        interrupt_main()

    try:
        with refusing(), shared_memory():
            return result_of(module, config, upstream, where, late)[:2]
    except KeyboardInterrupt:
        if said:
            raise Refused(said[0]) from None
        raise


def load(experiment: str, *, root: Root = None) -> xr.Dataset:
    """The arrays of the last `dvc repro`: artifacts/FAMILY/NAME.nc, with named dimensions.

    Raises:
        Refused: no such experiment, or its arrays are not there.
    """
    with reading(root):
        block = named(experiment)
        path = Path(f"artifacts/{block.path}.nc")
        if not path.exists():
            raise Refused(f"{path}: not there: `dvc repro {block.stage}` makes it")
        return dataset(path)


def explain(experiment: str, *, root: Root = None) -> Explanation:
    """What an experiment claims and why, its formulas, its parameters, and what the last `dvc repro` found.

    Raises:
        Refused: no such experiment, or its report is damaged.
    """
    with reading(root):
        block = named(experiment)
        path = Path(f"metrics/{block.path}.json")
        report = load_report(path) if path.exists() else None
        return Explanation(
            block=block,
            said=words(block.docstring()),
            parameters=listed_parameters(block),
            report=report,
            current=is_current(block),
        )

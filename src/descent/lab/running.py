"""Run one experiment and write what it found: artifacts/BLOCK.nc, metrics/BLOCK.json, artifacts/cost/BLOCK.json.

The inputs are the family's; an experiment takes as many as its `run` has parameters for, in their order, and the
others are not read. Bad parameters, or parameters that this machine cannot run with: one line each, exit code 2,
nothing written.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

from threadpoolctl import threadpool_limits

from descent.config import Refusal
from descent.lab.cluster import where_asked
from descent.lab.counting import counted
from descent.lab.deadline import deadline, end
from descent.lab.digits import of_report
from descent.lab.environment import require_system
from descent.lab.files import read, write, write_text
from descent.lab.gate.rules import tolerances
from descent.lab.messages import refuse
from descent.lab.params import PARAMS, configure
from descent.lab.results import as_report, dumps
from descent.lab.scheduler import Lost
from descent.lab.scratch import shared_memory
from descent.lab.sent import processor
from descent.lab.takes import taken
from descent.result import Result


def peak() -> int:
    """Resident memory of the largest process in MiB; 0 where the system does not tell."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown()  # so that the workers' memory is known
    try:
        from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
    except ImportError:  # Windows
        return 0
    largest = max(getrusage(who).ru_maxrss for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
    return largest // (2**20 if sys.platform == "darwin" else 2**10)


def found(module: str) -> ModuleType:
    """The experiment's module, or one line and exit code 2."""
    try:
        experiment = import_module(module)
    except (ModuleNotFoundError, ValueError, TypeError) as error:  # no such name, or none
        refuse(f"{module or 'MODULE'}: {error}")
    if not (hasattr(experiment, "run") and hasattr(experiment, "Config")):
        refuse(f"{module}: has no Config or no run, so it is no experiment")
    return experiment


def result_of(
    experiment: ModuleType,
    config: object,
    upstream: list,
    named: str,
    late: Callable[[str], None] = end,
) -> tuple[Result, dict, list[str]]:
    """What the experiment finds, its report, and the types of the processors that its replicates, or else all of it,
    ran on: the one function that `dvc repro` and `lab.run` call.

    Args:
        config: of the experiment's own Config.
        upstream: as many inputs as the experiment takes: Datasets, or a function of the user's own.
        named: the block as lines name it: `params.yaml: family.name`.
        late: what is done when the run has had its time (lab/deadline.py).

    Raises:
        Refusal: the numbers are such as this machine or this problem cannot run with; one line that begins with
            `named`.
        Lost: the cluster that its replicates were to run on, or did, cannot be used; a line of the same form.
    """
    try:
        # One thread, so that the bits do not depend on the number of cores. What leaves float64
        # is said by the checks, and not by NumPy beside them.
        with deadline(named, late), threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            with where_asked() as processors:
                result = experiment.run(config, *upstream)
        return result, as_report(result), sorted(processors) or [processor()]
    except Lost as reason:
        raise Lost(f"{named}: {reason}") from None
    except (Refusal, MemoryError) as rule:
        raise Refusal(f"{named}: {str(rule) or 'more memory than this machine has'}") from None
    except ArithmeticError as error:  # Python's own numbers refuse what leaves float64
        reason = f"numbers that cannot be used ({type(error).__name__}: {error})"
        raise Refusal(f"{named}: {reason}") from None


def run(module: str, block: str, *inputs: str) -> None:
    """Run `module` with the parameters of `block` and write its three files."""
    require_system()
    if block.count("/") != 1:
        refuse(f"{block or 'BLOCK'}: a block is called FAMILY/NAME")
    start = time.perf_counter()
    with shared_memory():
        experiment = found(module)
        config, wanted = configure(experiment.Config, block), taken(Path(experiment.__file__))
        if len(inputs) < wanted:
            refuse(f"{module}: takes {wanted} inputs, {len(inputs)} are given")
        upstream = [read(path, config) for path in inputs[:wanted]]
        try:
            with counted(block.replace("/", "@")):
                result, report, ran_on = result_of(experiment, config, upstream, in_params(block))
        except Lost as line:
            refuse(str(line), 1)
        except Refusal as line:
            refuse(str(line))
        keep(block, result, report, start, ran_on)


def in_params(block: str) -> str:
    """`family/name` as lines name it."""
    return f"{PARAMS}: {block.replace('/', '.')}"


def keep(block: str, result: Result, report: dict, start: float, processors: list[str]) -> None:
    """Write the three files of a result.

    Args:
        start: when its run began, by time.perf_counter.
        processors: their types.
    """
    text = dumps(of_report(report, block, tolerances()))
    try:
        write(Path(f"artifacts/{block}.nc"), lambda p: result.data.to_netcdf(p, engine="scipy"))
        write_text(Path(f"metrics/{block}.json"), text)
        # Of this machine and this run, so neither DVC nor git has it.
        spent = {"peak_mib": peak(), "seconds": round(time.perf_counter() - start, 2)}
        spent |= {"processors": processors}
        write_text(Path(f"artifacts/cost/{block}.json"), json.dumps(spent))
    except OSError as error:
        refuse(f"{block}: cannot be written: {error}", 1)

"""Run one experiment and write what it found: artifacts/BLOCK.nc, metrics/BLOCK.json, artifacts/cost/BLOCK.json.

The inputs are the family's; an experiment takes as many as its `run` has parameters for, in their order, and the
others are not read. Bad parameters, or parameters that this machine cannot run with: one line each, exit code 2,
nothing written.
"""

import json
import shutil
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from types import ModuleType

from threadpoolctl import threadpool_limits

from descent.config import Refusal
from descent.lab.deadline import deadline
from descent.lab.environment import require_system
from descent.lab.files import read, write, write_text
from descent.lab.messages import refuse
from descent.lab.params import PARAMS, configure
from descent.lab.results import as_report, dumps
from descent.lab.scratch import shared_memory
from descent.lab.takes import taken


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


def run(module: str, block: str, *inputs: str) -> None:
    """Run `module` with the parameters of `block` and write its three files."""
    require_system()
    if block.count("/") != 1:
        refuse(f"{block or 'BLOCK'}: a block is called FAMILY/NAME")
    named = f"{PARAMS}: {block.replace('/', '.')}"
    start, memory = time.perf_counter(), shared_memory()
    try:
        experiment = found(module)
        config, wanted = configure(experiment.Config, block), taken(Path(experiment.__file__))
        if len(inputs) < wanted:
            refuse(f"{module}: takes {wanted} inputs, {len(inputs)} are given")
        upstream = [read(path, config) for path in inputs[:wanted]]
        try:
            # One thread, so that the bits do not depend on the number of cores. What leaves float64
            # is said by the checks, and not by NumPy beside them.
            with deadline(named), threadpool_limits(1), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                result = experiment.run(config, *upstream)
            report = dumps(as_report(result))
        except (Refusal, MemoryError) as rule:
            reason = str(rule) or "more memory than this machine has"
            refuse(f"{named}: {reason}")
        except ArithmeticError as error:  # Python's own numbers refuse what leaves float64
            reason = f"numbers that cannot be used ({type(error).__name__}: {error})"
            refuse(f"{named}: {reason}")
        try:
            write(Path(f"artifacts/{block}.nc"), lambda p: result.data.to_netcdf(p, engine="scipy"))
            write_text(Path(f"metrics/{block}.json"), report)
            # Of this machine and this run, so neither DVC nor git has it.
            spent = {"peak_mib": peak(), "seconds": round(time.perf_counter() - start, 2)}
            write_text(Path(f"artifacts/cost/{block}.json"), json.dumps(spent))
        except OSError as error:
            refuse(f"{block}: cannot be written: {error}", 1)
    finally:
        shutil.rmtree(memory, ignore_errors=True)

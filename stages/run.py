"""Run one experiment: `python stages/run.py MODULE BLOCK [INPUT …]`.

    python stages/run.py descent.sensing.exact sensing/exact
    python stages/run.py descent.spectra.singular_values spectra/scarce artifacts/sensing/scarce.nc

BLOCK names both the parameters (params.yaml) and the outputs: artifacts/BLOCK.nc, metrics/BLOCK.json. What it
took goes to artifacts/cost/BLOCK.json. The inputs are the family's; an experiment takes as many as its `run` has
parameters for, in their order, and the others are not read.
Bad parameters, or parameters that this machine cannot run with: one line each, exit code 2, nothing
written.
"""

import json
import sys
import time
from importlib import import_module
from inspect import signature
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from types import ModuleType

import xarray as xr
from joblib.externals.loky import get_reusable_executor
from threadpoolctl import threadpool_limits

from blocks import PARAMS, configure, refuse
from descent.config import Refusal
from descent.result import Result
from files import read, write


def tree(value):
    """A number as it is; an array as nested mappings keyed `coordinate=value`."""
    if not isinstance(value, xr.DataArray):
        return float(value) if not isinstance(value, int) else value
    if not value.dims:
        return float(value)
    dim = value.dims[0]
    return {f"{dim}={point:g}": tree(value.sel({dim: point})) for point in value[dim].values}


def as_report(result: Result) -> dict:
    """Every metric, check and erratum by name; verdicts spelled out."""
    return {
        "metrics": {name: tree(value) for name, value in result.metrics.items()},
        "checks": {c.name: c._asdict() | {"holds": c.holds} for c in result.checks},
        "errata": {e.name: e._asdict() | {"stands": e.stands} for e in result.errata},
    }


def taken(experiment: ModuleType) -> int:
    """How many of its family's inputs an experiment takes: `run(config)` none of them."""
    return len(signature(experiment.run).parameters) - 1


def cost(start: float) -> dict:
    """Seconds since `start`, and the resident memory of the largest process in MiB."""
    get_reusable_executor().shutdown()  # so that the workers' memory is known
    kibibytes = max(getrusage(who).ru_maxrss for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
    return {"seconds": round(time.perf_counter() - start, 2), "peak_mib": kibibytes // 1024}


def main(module: str, block: str, *inputs: str) -> None:
    start = time.perf_counter()
    experiment = import_module(module)
    config = configure(experiment.Config, block)
    try:
        with threadpool_limits(1):  # so that the bits do not depend on the number of cores
            result = experiment.run(config, *map(read, inputs[: taken(experiment)]))
    except Refusal as rule:
        refuse(f"{PARAMS}: {block.replace('/', '.')}: {rule}")
    report = json.dumps(as_report(result), indent=2, default=float, ensure_ascii=False) + "\n"
    try:
        write(Path(f"artifacts/{block}.nc"), lambda p: result.data.to_netcdf(p, engine="scipy"))
        write(Path(f"metrics/{block}.json"), lambda p: p.write_text(report))
        # Of this machine and this run, so neither DVC nor git has it.
        spent = json.dumps(cost(start))
        write(Path(f"artifacts/cost/{block}.json"), lambda p: p.write_text(spent))
    except OSError as error:
        sys.exit(f"{block}: cannot be written: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Run experiments at full size without DVC: `python tests/full.py sensing/hessian [key=value …]`.

Prints the verdict, every check, and which metrics differ from those in metrics/. Inputs are read from data/ and
artifacts/.
"""

import json
import sys
import time
from inspect import signature
from pathlib import Path

import numpy as np
import xarray as xr
from ruamel.yaml import YAML
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # not what is installed

from descent.lab.files import read
from harness import experiments, module_of
from toy import ROOT


def flat(tree: dict, prefix: str = "") -> dict[str, float]:
    """Every number by its path."""
    found = {}
    for key, value in tree.items():
        found |= (
            flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
        )
    return found


def tree(value):
    if not isinstance(value, xr.DataArray) or not value.dims:
        return float(value)
    dim = value.dims[0]
    labels = value[dim].values if dim in value.coords else range(value.sizes[dim])
    return {
        f"{dim}={p}" if isinstance(p, str) else f"{dim}={p:g}": tree(value.isel({dim: k}))
        for k, p in enumerate(labels)
    }


def main(path: str, *changes: str) -> None:
    block = experiments()[path.replace("/", "@")]
    parameters = block.parameters | dict(
        YAML(typ="safe").load(c.replace("=", ": ", 1)).popitem() for c in changes
    )
    module = module_of(path.replace("/", "@"))
    taken = block.upstream[: len(signature(module.run).parameters) - 1]
    config = module.Config(**parameters)
    inputs = [read(n if n.startswith("artifacts/own/") else str(ROOT / n), config) for n in taken]
    start = time.perf_counter()
    with threadpool_limits(1):
        result = module.run(config, *inputs)
    seconds = time.perf_counter() - start
    print(f"{path}: {result.verdict}, {seconds:.1f} s", *result.no_claim, sep="\n  ")
    for check in result.checks:
        w = check.worst
        at = ", ".join(f"{k} = {v}" for k, v in w.at.items())
        mark = "ok  " if check.holds else "FAIL"
        print(
            f"  {mark} {check.name}: {w.measured:.9g} {check.relation} {w.predicted:.9g} ± {w.tol:.2g}"
            f" (worst of {w.points}; {at}) [{check.why}]"
        )
    for name, why in result.unchecked.items():
        print(f"  unchecked {name}: {why}")
    for erratum in result.errata:
        print(f"  {'stands' if erratum.stands else 'FALLS '} {erratum}")
    old = ROOT / "metrics" / f"{path}.json"
    before = flat(json.loads(old.read_text(encoding="utf-8"))["metrics"]) if old.exists() else {}
    now = flat({name: tree(value) for name, value in result.metrics.items()})
    for name in before | now:
        was, value = before.get(name), now.get(name)
        if (
            was is None
            or value is None
            or not np.isclose(float(was), value, rtol=1e-9, atol=0, equal_nan=True)
        ):
            print(f"  metric {name}: {was} → {value}")


if __name__ == "__main__":
    main(*sys.argv[1:])

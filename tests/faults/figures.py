"""What data can do to a figure: `python tests/faults/figures.py [--short] [--artifacts FOLDER] [FAMILY@NAME …]`.

Every variable and coordinate of every experiment's result becomes, one at a time, NaN, infinite, zero, negative, huge,
full of holes or constant, and every dimension empty or of one point: at toy size, or of the artifacts in FOLDER. A case
ends well if both painters show it. Where the family's function raises, there must be a picture of the reason.
"""

import argparse
import random
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent / "src"), str(TESTS)]

import numpy as np
import xarray as xr

from descent.lab import draw, vega
from descent.lab.files import dataset
from descent.lab.svg import paint
from harness import experiments, toy

SHORT = ("autodiff@vjp", "linear@risk", "linear@epsilon", "noise@posterior", "mlp1d@growth")
VALUES = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e308)
PAINTED = (
    0.03  # share of the cases that are drawn as still pictures too, each with a legend to place
)


def mutated(data: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
    """One change a time, with its name."""
    rng = np.random.default_rng(0)
    for name in [*data.data_vars, *data.coords]:
        array = data[name]
        if array.dtype.kind not in "fiu":
            continue
        values = array.values.astype(float)
        chosen = VALUES if name in data.data_vars else VALUES[:1]
        changes = {f"{value:g}": np.full_like(values, value) for value in chosen}
        for value in (np.nan, np.inf):
            holes = values.copy()
            holes[rng.random(holes.shape) < 0.3] = value
            changes[f"some {value:g}"] = holes
        changes["negated"] = -values
        for label, change in changes.items():
            yield f"{name}: {label}", data.assign({name: array.copy(data=change)})
    for dim in data.sizes:
        yield f"{dim}: empty", data.isel({dim: slice(0, 0)})
        yield f"{dim}: one point", data.isel({dim: slice(0, 1)})


def outcome(family: str, name: str, data: xr.Dataset, painted: bool) -> tuple[str, str]:
    """drawn, instead (a picture of why the family's function failed) or fault; and what was said."""
    figures, said = import_module(f"descent.{family}.figures"), ""
    try:
        try:
            figure = getattr(figures, name)(data)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            said = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
            figure = draw.instead(said, "")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            vega.embedded(vega.panels(figure))
            if painted:
                paint(figure).canvas.draw()
    except Exception:
        return "fault", traceback.format_exc()[-1200:]
    return ("instead" if said else "drawn"), said


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--artifacts", type=Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = options.names or (SHORT if options.short else list(experiments()))
    counts, chance = Counter(), random.Random(0)
    for stage in names:
        family, name = stage.split("@")
        folder = options.artifacts
        data = dataset(folder / family / f"{name}.nc") if folder else toy(stage).data
        for label, changed in mutated(data):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of arithmetic with what is no number
                kind, said = outcome(family, name, changed, chance.random() < PAINTED)
            counts[kind] += 1
            if kind != "drawn":
                print(f"{kind} {stage} {label}: {said}", flush=True)
    print(f"{counts.total()} cases: {dict(counts)}")
    return int(counts["fault"] > 0)


if __name__ == "__main__":
    sys.exit(main())

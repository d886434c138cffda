"""The last sum is the largest one, whatever run it is read from.

Every term is positive.

    s_k < s_{k+1}

See: the ends.

Source: XYZ100 problem set 1, question 3.
"""

import xarray as xr

from descent.config import Count, experiment_config
from descent.maths.ladder import rungs
from descent.result import Check, Result, measured, sweep


@experiment_config
class Config:
    last: Count


def run(config: Config, source: xr.Dataset) -> Result:
    places = rungs(config.last)
    total = source["sum"].mean([d for d in source["sum"].dims if d != "k"])
    ends = total[-1 - config.last :].values[: config.last + 1]
    data = xr.Dataset(
        {"end": measured("place", ends, "s_k")}, coords={"place": sweep(places, "place", "place")}
    )
    return Result(
        data=data,
        metrics={"end": data["end"][-1]},
        checks=(Check("largest", data["end"], "<=", float(total.max()), 0, "exact"),),
    )

"""The sum of the powers of q, counted from one, ends at 1/(1 − q).

Each term is q times the one before, so what is missing shrinks by q a step.

    s_k = q⁰ + … + qᵏ = (1 − qᵏ⁺¹)/(1 − q)

See: the sums and the formula, one upon the other.

Source: XYZ100 problem set 1, question 1.
"""

import xarray as xr

from descent.alpha import _sums
from descent.config import Count, Positive, Seed, experiment_config
from descent.maths.ladder import rungs
from descent.result import Check, Erratum, Result, measured, predicted, steps


@experiment_config
class Config:
    seed: Seed
    q: Positive
    steps: Count
    claimed: list[float]

    def __post_init__(self):
        if not self.q < 1:
            raise ValueError(f"q {self.q:g} ≥ 1: the sum has no end")


def run(config: Config) -> Result:
    k = rungs(config.steps)
    data = xr.Dataset(
        {
            "sum": measured("k", _sums.partial(config.q, config.steps), "s_k"),
            "sum_predicted": predicted(
                "k", [(1 - config.q ** (n + 1)) / (1 - config.q) for n in k], "formula"
            ),
        },
        coords={"k": steps(k, "k", "step k")},
    )
    short = () if config.steps > 3 else (f"{config.steps} steps are too few",)
    return Result(
        data=data,
        metrics={"end": data["sum"][-1]},
        checks=(Check("sum", data["sum"], "==", data["sum_predicted"], 1e-12, "rounding"),),
        errata=(Erratum("printed_end", "XYZ100 problem set 1, 1b", 9.0, 2.0, 2.0, 0.1),),
        no_claim=short,
        unchecked={"limit": "it is not reached"},
    )

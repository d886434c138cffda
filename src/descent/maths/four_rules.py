"""The four rules that the notebook compares, with their settings.

    first step of a coordinate of gradient g: η|g| (SGD, momentum), η|g|/(√(1 − ρ)|g| + ε) (RMSProp), η|g|/(|g| + ε) (Adam)

Source: CS182 homework 2, question 5 (its notebook's optimizers); arXiv 1412.6980 (Adam).
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Positive, experiment_config
from descent.maths import rules
from descent.maths.rules import Rule

NAMES = ("sgd", "momentum", "rmsprop", "adam")
ADAPTIVE = ("rmsprop", "adam")

Share = Annotated[Positive, Field(lt=1)]


@experiment_config
class Rules:
    sgd_rate: Positive
    momentum_rate: Positive
    rmsprop_rate: Positive
    adam_rate: Positive
    momentum: Share  # μ
    decay: Share  # ρ of RMSProp
    beta1: Share
    beta2: Share
    epsilon: Positive

    @property
    def rates(self) -> dict[str, float]:
        return {name: getattr(self, f"{name}_rate") for name in NAMES}

    @property
    def rules(self) -> dict[str, Rule]:
        return {
            "sgd": rules.descent(),
            "momentum": rules.heavy_ball_inner(self.momentum),
            "rmsprop": rules.rmsprop(self.decay, self.epsilon),
            "adam": rules.adam(self.beta1, self.beta2, self.epsilon),
        }

    def require_unfelt(self, factor: float) -> None:
        """Refuse an ε that is more than 1 % of the root of v for gradients `factor` times as large as 1.

        Raises:
            ValueError: naming both.
        """
        felt = factor * np.sqrt(1 - self.decay) / 200
        if self.epsilon > felt:
            raise ValueError(
                f"epsilon {self.epsilon:g} > {felt:g}, 1 % of the root of v of the smallest gradients: "
                "the steps would depend on the size of the gradient"
            )


def first_step(config: Rules, g: xr.DataArray) -> xr.DataArray:
    """The size of the first change of a coordinate, by rule, in closed form."""
    rule = xr.DataArray(list(NAMES), dims="rule")
    rates = xr.DataArray([config.rates[name] for name in NAMES], dims="rule")
    root = xr.DataArray([0.0, 0.0, np.sqrt(1 - config.decay), 1.0], dims="rule")
    return rates * g / (root * g + config.epsilon).where(rule.isin(ADAPTIVE), 1.0)

"""A diagonal network of two layers tends to the least ℓ₁ norm; saddles keep small coordinates back for long.

Two factors move a coordinate the faster the larger it is, so what is small stays small for a long time even if it
will count in the end. Until then the run is at the best separator without it, where its loss falls as at a solution.

    β = w₁ ∘ w₂,   ℒ = Σ exp(−z_nᵀβ),   s = log ℒ(0) − log ℒ,   ν* = min ‖β‖₁ s.t. Zβ ≥ 1
    at rest:   β/min z_nᵀβ = argmin ‖β‖₁  s.t.  Zβ ≥ 1, β_k = 0 for the k kept back;   p = softmax(−Zβ) → its weights
    |β_k|/‖β‖₁ ~ s^(λ_k − 1),   λ_k = ν*|Zᵀp*|_k:   1 where β* ≠ 0, less elsewhere, more than 1 where it is kept back
    to grow from a share σ takes a coordinate until s ~ σ^(−1/(λ_k − 1)): t = eˢ is beyond any run of gradient descent

See: left, the gap of ‖β‖₁ falls along its bound where no saddle holds the run; right, the coordinates at the end
against the least ℓ₁ and the least ℓ₂ norm.

Source: slides on implicit biases, part on linear networks; arXiv 1806.00468, theorem 2 for diagonal networks; that the
regime of ℓ₁ may need an exceedingly small loss: arXiv 2007.06738.
"""

import numpy as np
import xarray as xr

from descent.config import experiment_config
from descent.linear_networks import (
    _architectures,
    _references,
    _two_layer_limits,
    _two_layers,
)
from descent.linear_networks._paths import not_arrived
from descent.linear_networks._references import Given
from descent.linear_networks._two_layer_checks import arrived, compare
from descent.linear_networks._two_layers import Kind, held
from descent.result import Result, predicted


@experiment_config
class Config(_two_layers.Started):
    @property
    def kind(self) -> Kind:
        d = self.features
        return Kind(_architectures.diagonal(d, 2), _references.absolute(d), "coordinate k", 1)


def predict(config: Config, best: list[list[Given]], loss: np.ndarray) -> xr.Dataset:
    return _two_layer_limits.predict(config.kind, best, loss, config.times)


def measure(config: Config, given: list[Given]) -> xr.Dataset:
    return _two_layers.measure(config, config.kind, given, config.starts)


def run(config: Config) -> Result:
    given = _references.draw(config, config.kind.groups)
    found = measure(config, given)
    back = held(found)
    best = _two_layer_limits.references(config.kind, given, back)
    theory = predict(config, best, found["height"].isel(s=0).values)
    _two_layers.add_gap(found, given)
    short = [_references.shortest(one.Z) for one in given]
    found["short"] = predicted(("seed", "feature"), short, "least ‖β‖₂")
    found["held"] = back.any("part").assign_attrs(long_name="kept back by a saddle")
    close = arrived(config, found)
    least = xr.DataArray([one.best.norm for one in given], {"seed": found["seed"]})
    left = not_arrived(close, "are not at rest at the end, so nothing is said of them")
    lost = left if 2 * close.sum() < close.size else ()
    none = () if (close & ~found["held"]).any() else ("no run came to rest without a saddle",)
    return Result(
        data=found.merge(theory),
        metrics={
            "excess": found["norm"].isel(s=-1) / least - 1,
            "at_rest": close.sum(),
            "held": (close & found["held"]).sum(),
            "calls": found["calls"].sum(),
        },
        checks=compare(config, config.kind, best, found, theory, close),
        no_claim=lost + none,
        unchecked={} if lost or not left else {"norm": left[0]},
    )

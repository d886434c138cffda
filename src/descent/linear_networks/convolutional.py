"""A linear network of two full-width circular convolutions tends to the least ℓ₁ norm of the spectrum of β.

A convolution multiplies spectra. Two layers that multiply every frequency by two factors move a frequency the faster
the larger it is, so frequencies that help little are left behind and the limit is sparse in frequency, not short.

    Fβ = Fw₁ ∘ Fw₂,  w_l: (d,),  F the unitary Fourier transform,   ℒ = Σ exp(−z_nᵀβ),   s = log ℒ(0) − log ℒ
    β/min z_nᵀβ → argmin ‖Fβ‖₁  s.t.  Zβ ≥ 1,   ν* its value,   p* = softmax(−Zβ) in the limit = the dual weights
    |Fβ|_k/‖Fβ‖₁ ~ s^(λ_k − 1),   λ_k = ν*|F Zᵀp*|_k ≤ 1:   the gap of the norm closes like s^(λ − 1) of the largest
                                   λ < 1, at most like 1/s

See: left, the gap of ‖Fβ‖₁ falls along its bound; right, the spectrum of the limit against those of the least ℓ₁
norm of the spectrum and of the least ℓ₂ norm.

Source: slides on implicit biases, part on linear networks; arXiv 1806.00468, theorem 2 with L = 2.
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
        return Kind(_architectures.circular(d, 2), _references.spectral(d), "frequency k", 0)


def predict(config: Config, best: list[list[Given]], loss: np.ndarray) -> xr.Dataset:
    return _two_layer_limits.predict(config.kind, best, loss, config.times)


def measure(config: Config, given: list[Given]) -> xr.Dataset:
    return _two_layers.measure(config, config.kind, given, config.starts)


def run(config: Config) -> Result:
    given = _references.draw(config, config.kind.groups)
    found = measure(config, given)
    best = [[one] * config.starts for one in given]
    theory = predict(config, best, found["height"].isel(s=0).values)
    _two_layers.add_gap(found, given)
    found["short"] = predicted(("seed", "feature"), _short(config, given), "least ‖β‖₂")
    close = arrived(config, found) & ~held(found).any("part")
    return Result(
        data=found.merge(theory),
        metrics={
            "excess": found["norm"].isel(s=-1) / theory["norm_predicted"] - 1,
            "degrees_to_least_l2": _degrees(found["beta"], found["short"]),
            "calls": found["calls"].sum(),
        },
        checks=compare(config, config.kind, best, found, theory, close),
        no_claim=not_arrived(close, "are not at rest at the end, or at a saddle"),
    )


def _short(config: Config, given: list[Given]) -> np.ndarray:
    """For comparison, the solutions of the largest ℓ₂ margin."""
    return np.array([_references.shortest(one.Z) for one in given])


def _degrees(a: xr.DataArray, b: xr.DataArray) -> xr.DataArray:
    size = np.sqrt((a**2).sum("feature") * (b**2).sum("feature"))
    return np.degrees(np.arccos(np.clip((a * b).sum("feature") / size, -1, 1)))

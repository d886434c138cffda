"""What a probe keeps of every look, and the Dataset that it becomes.

Variables have the dimensions `step` and `layer`; a look that did not take a quantity, and a layer that does not have
it, are nan. Which looks take what is said in `probe.py`.
"""

from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from descent.probe._homogeneity import Growing, Homogeneous
from descent.probe._noise import Numbers
from descent.probe._optimisers import Rule
from descent.result import measured, predicted, steps

TOP = 10  # singular values that are kept

SCALARS = {
    "loss": "loss of the minibatch, in evaluation mode",
    "batch_size": "samples of the minibatch",
    "whole_norm": "‖g_B‖ of all layers",
    "mismatch": "‖applied gradient − g_B‖/‖g_B‖",
    "rate": "learning rate η",
    "sharpness": "sharpness λ_max(∇²L)",
    "sharpness_residual": "‖Hv − λv‖",
    "sharpness_products": "Hessian–vector products",
    "sharpness_samples": "samples of the loss whose sharpness it is",
    "full_loss": "loss of the whole set",
    "full_whole_norm": "‖∇L‖ of all layers",
    "law_batch": "samples of the largest minibatch of the law",
}
LAYERS = {
    "minibatch_norm": "‖g_l‖ of the minibatch, in evaluation mode",
    "gradient_norm": "‖g_l‖ as the optimiser applied it",
    "update_ratio": "‖ΔW_l‖/‖W_l‖ of a step",
    "trace": "tr Σ_l from the minibatch",
    "gradient_square": "‖∇L_l‖² from the minibatch, without bias",
    "noise_scale": "noise scale tr Σ/‖∇L‖² from the minibatch",
    "dead": "share of units that no sample sends a gradient through",
    "effective_rank": "effective rank of W_l",
    "stable_rank": "stable rank ‖W_l‖²/σ₁²",
    "full_norm": "‖∇L_l‖ over the whole set",
    "full_trace": "tr Σ_l over the whole set",
    "full_noise_scale": "noise scale tr Σ/‖∇L‖² of the whole set",
    "minibatch_square": "mean of ‖g_B‖² over minibatches that part the set",
    "minibatch_square_error": "standard error of it",
    "product": "⟨W_l, ∂W_l⟩ + Σ ⟨b_k, ∂b_k⟩, k ≥ l",
    "product_size": "‖W_l‖ ‖G_l‖, with the same biases",
    "square": "‖W_l‖² + Σ ‖b_k‖², k ≥ l",
    "growth": "change of ‖W_l‖² + Σ ‖b_k‖² in a step",
    "kick": "η² of the applied ‖G_l‖², with the same biases",
}
PREDICTED = {"minibatch_square_predicted": "‖∇L‖² + (tr Σ/B)(n − B)/(n − 1)"}


@dataclass
class Row:
    """One look: numbers, numbers by layer, and what the verdicts need to know."""

    scalars: Numbers = field(default_factory=dict)
    layers: dict[str, Numbers] = field(default_factory=dict)
    spectra: dict[str, list[float]] = field(default_factory=dict)
    alike: Homogeneous | None = None
    parts: dict[str, Growing] = field(default_factory=dict)  # of the layers that are alike
    rule: Rule | None = None
    applied: int = 0  # optimiser steps that were seen
    freedom: int = 0  # of the law
    is_full_batch: bool = False


def dataset(rows: dict[int, Row], kinds: dict[str, str], attrs: dict[str, str]) -> xr.Dataset:
    """All looks; `kinds` are the layers, in the model's order, and their modules."""
    at, names = sorted(rows), list(kinds)
    nan = float("nan")
    found = {}
    for name, long_name in SCALARS.items():
        values = [rows[k].scalars.get(name, nan) for k in at]
        if not np.isnan(values).all():
            found[name] = measured("step", values, long_name)
    for name, long_name in (LAYERS | PREDICTED).items():
        made = predicted if name in PREDICTED else measured
        values = np.array(
            [[rows[k].layers.get(name, {}).get(layer, nan) for layer in names] for k in at]
        )
        if not np.isnan(values).all():
            found[name] = made(("step", "layer"), values, long_name)
    sigma = np.full((len(at), len(names), TOP), nan)
    for i, k in enumerate(at):
        for j, layer in enumerate(names):
            top = rows[k].spectra.get(layer, [])[:TOP]
            sigma[i, j, : len(top)] = top
    if not np.isnan(sigma).all():
        found["singular_value"] = measured(("step", "layer", "k"), sigma, "singular value σ_k(W_l)")
    return xr.Dataset(
        found,
        coords={
            "step": steps(np.array(at), "step", "step"),
            "layer": ("layer", names, {"long_name": "layer"}),
            "kind": ("layer", list(kinds.values()), {"long_name": "module"}),
            **(
                {"k": ("k", np.arange(TOP) + 1, {"long_name": "k"})}
                if "singular_value" in found
                else {}
            ),
        },
        attrs=attrs,
    )

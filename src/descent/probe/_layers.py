"""What is looked at: every module that has parameters of its own is a layer, named as the model names it.

A parameter that two modules share belongs to the first. Weights are what multiplies the input and biases what is
added, by the names that torch gives them.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from descent.config import Refusal

MODEL = "(model)"  # the layer of the parameters that the outermost module holds itself


class Layer(NamedTuple):
    """One module and the parameters that it holds itself, by their full names."""

    name: str
    kind: str
    weights: tuple[str, ...]
    biases: tuple[str, ...]
    module: nn.Module

    @property
    def parameters(self) -> tuple[str, ...]:
        return self.weights + self.biases


def layers_of(model: nn.Module) -> list[Layer]:
    """In the order in which the model registered them."""
    ours, found = dict(model.named_parameters()), []
    for name, module in model.named_modules():
        own = {part: f"{name}.{part}" if name else part for part in module._parameters}
        held = {part: full for part, full in own.items() if full in ours}
        if held:
            biases = tuple(full for part, full in held.items() if "bias" in part)
            weights = tuple(full for part, full in held.items() if "bias" not in part)
            found.append(Layer(name or MODEL, type(module).__name__, weights, biases, module))
    return found


def aliases(model: nn.Module) -> dict[str, str]:
    """Further names of shared parameters → the name under which each is counted."""
    first = {id(p): name for name, p in model.named_parameters()}
    every = model.named_parameters(remove_duplicate=False)
    return {name: first[id(p)] for name, p in every if first[id(p)] != name}


def unseen(model: nn.Module, used: set[str] | None = None) -> dict[str, str]:
    """What has no gradient: parameter or layer → the reason. `used` are the parameters that the loss reaches."""
    found = {
        name: f"shared with {owner}, where it is counted" for name, owner in aliases(model).items()
    }
    for layer in layers_of(model):
        values = {name: model.get_parameter(name) for name in layer.parameters}
        for name, p in values.items():
            if not p.dtype.is_floating_point:
                found[name] = f"{p.dtype} has no gradient"
            elif not p.requires_grad:
                found[name] = "frozen: requires_grad is False"
            elif used is not None and name not in used:
                found[name] = "not used by the loss: no gradient reaches it"
    return found


def norm(a: Tensor) -> float:
    """‖a‖, added up in float64."""
    a = a.detach().coalesce().values() if a.is_sparse else a.detach()
    if not a.is_floating_point():
        return float(torch.linalg.vector_norm(a.double()))
    return float(torch.linalg.vector_norm(a, dtype=torch.float64))


def inner(a: Tensor, b: Tensor) -> float:
    """⟨a, b⟩ in float64."""
    a, b = (part.to_dense() if part.is_sparse else part for part in (a, b))
    return float((a.detach().double() * b.detach().double()).sum())


def require_model(model: nn.Module, subject: str = "it ") -> None:
    """Refuse a module whose gradients are none, or none that can be looked at.

    Raises:
        Refusal: one line, whose subject is `subject`.
    """
    values = list(model.parameters())
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in values):
        raise Refusal(f"{subject}has lazy layers without a shape: pass one batch through it first")
    if not any(p.requires_grad for p in values):
        raise Refusal(f"{subject}has no parameter that is trained: there is no gradient to look at")
    if any(p.is_complex() for p in values):
        raise Refusal(
            f"{subject}has complex parameters: norms and curvatures here are of real ones"
        )

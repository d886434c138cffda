"""What an optimiser does with a gradient: seen through torch's hooks on every optimiser, between two of our looks.

The hooks run inside `optimizer.step()`, so they see the gradients that are applied: accumulated, clipped, and with the
scale of a GradScaler taken off. They read and never write.

The stability limit of a mode of curvature λ under torch's SGD with momentum β, dampening d and weight decay w:

    v ← βv + (1 − d)(g + wθ),  θ ← θ − ηv          η(1 − d)(λ + w) < 2(1 + β)
    nesterov                                        η(λ + w) < 2(1 + β)/(1 + 2β)

which is 2/η without momentum, and with d = β that of averaged gradients, 2(2 − α)/(αη) for the weight α = 1 − β.
"""

from typing import NamedTuple
from weakref import WeakMethod, finalize

import torch
from torch import Tensor, nn
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from descent.maths import nesterov
from descent.probe._layers import norm


class Rule(NamedTuple):
    """An optimiser's settings, if all parameters that it moves share them."""

    name: str
    rate: float
    settings: dict
    shared: bool

    @property
    def is_plain(self) -> bool:
        """θ ← θ − ηg and nothing else."""
        off = ("momentum", "dampening", "weight_decay", "nesterov", "maximize")
        return self.name == "SGD" and self.shared and not any(self.settings[one] for one in off)


class Limit(NamedTuple):
    """The curvature up to which a step is stable, or why none is known."""

    value: float
    reason: str


def rule_of(optimizer: torch.optim.Optimizer, ours: set[int]) -> Rule:
    """`ours`: the ids of the model's parameters."""
    groups = [g for g in optimizer.param_groups if any(id(p) in ours for p in g["params"])]
    groups = groups or optimizer.param_groups
    settings = [
        {
            name: float(value) if isinstance(value, Tensor) and value.numel() == 1 else value
            for name, value in group.items()
            if name != "params"
        }
        for group in groups
    ]
    first = settings[0]
    name = type(optimizer).__name__
    exactly = type(optimizer) is getattr(torch.optim, name, None)
    rates = {float(one["lr"]) for one in settings if isinstance(one.get("lr"), int | float)}
    rate = rates.pop() if len(rates) == 1 else float("nan")
    kept = {k: v for k, v in first.items() if isinstance(v, bool | int | float)}
    kept |= {k: 0 for k in ("momentum", "dampening", "weight_decay") if k not in kept}
    kept |= {k: False for k in ("nesterov", "maximize") if k not in kept}
    rules = [{k: one.get(k) for k in kept if k in one and k != "initial_lr"} for one in settings]
    same = all(one == rules[0] for one in rules)
    return Rule(name if exactly else f"{name} (not torch's)", rate, kept, same)


def limit(rule: Rule | None) -> Limit:
    """Of the sharpness of the loss."""
    nan = float("nan")
    if rule is None:
        return Limit(
            nan, "no step of a torch optimiser was seen, so its stability limit is not known"
        )
    if rule.name != "SGD":
        why = "divides by running moments or is no linear rule, so no limit on λ_max alone is known"
        return Limit(nan, f"the optimiser is {rule.name}, which {why}")
    if not rule.shared:
        return Limit(nan, "the parameters have several learning rates, so no one limit on λ_max")
    beta, kept = rule.settings["momentum"], rule.settings
    if not rule.rate > 0 or not 0 <= beta < 1 or not kept["dampening"] < 1 or kept["maximize"]:
        return Limit(nan, f"SGD at rate {rule.rate:g} and momentum {beta:g} has no stability limit")
    top = nesterov.highest(beta) if kept["nesterov"] else 2 * (1 + beta) / (1 - kept["dampening"])
    return Limit(float(top / rule.rate - kept["weight_decay"]), "")


def _remove(handles: tuple) -> None:
    for handle in handles:
        handle.remove()


def _calls_a_closure(args: tuple, named: dict) -> bool:
    return any(one is not None for one in (*args[1:], named.get("closure")))


class Applied:
    """The first step of an optimiser on a model's parameters, as its hooks saw it.

    Attributes:
        steps: how many there were.
        squares: ‖g‖² of the applied gradients, by parameter; of the first step of each optimiser.
        difference: Σ ‖g − ours‖² against the gradients that were given.
        rule: of the last optimiser; None before any.
        remove: takes the hooks off; so does the end of this object.
    """

    def __init__(self, model: nn.Module, ours: dict[str, Tensor]):
        self._names = {id(p): name for name, p in model.named_parameters()}
        self._kept = list(model.parameters())  # so that no other tensor gets one of these ids
        self._ours = ours
        self.steps, self.squares, self.difference = 0, {}, 0.0
        self.rule: Rule | None = None
        self._seen: set[int] = set()
        pre, post = WeakMethod(self._pre), WeakMethod(self._post)
        handles = (
            register_optimizer_step_pre_hook(lambda *given: pre()(*given)),
            register_optimizer_step_post_hook(lambda *given: post()(*given)),
        )
        # Torch's list of hooks outlives a probe that is dropped before the optimiser's step.
        self.remove = finalize(self, _remove, handles)

    def _moves(self, optimizer) -> list[Tensor]:
        return [
            p for group in optimizer.param_groups for p in group["params"] if id(p) in self._names
        ]

    def _pre(self, optimizer, args: tuple, named: dict) -> None:
        if self._moves(optimizer) and not _calls_a_closure(args, named):
            self._read(optimizer)

    def _post(self, optimizer, args: tuple, named: dict) -> None:
        """An optimiser that calls a closure has its gradients only now."""
        if self._moves(optimizer):
            if _calls_a_closure(args, named):
                self._read(optimizer)
            self.steps += 1

    def _read(self, optimizer) -> None:
        self.rule = rule_of(optimizer, set(self._names))
        if id(optimizer) in self._seen:
            return
        self._seen.add(id(optimizer))
        scale = getattr(optimizer, "grad_scale", None)  # of fused optimisers under a GradScaler
        factor = 1.0 if scale is None else 1 / float(scale)
        for p in self._moves(optimizer):
            if p.grad is not None:
                name, g = self._names[id(p)], p.grad.detach()
                self.squares[name] = (factor * norm(g)) ** 2
                ours = self._ours.get(name)
                if ours is None:
                    self.difference += self.squares[name]
                else:
                    off = (g.to_dense() if g.is_sparse else g).double() * factor - ours.double()
                    self.difference += float(off.square().sum())

"""Losses and optimisers by the names that torch has for them."""

from difflib import get_close_matches
from inspect import Parameter, isclass, signature

import torch

from descent.config import Refusal

UNFIT = {
    "Optimizer": "it is no optimiser itself",
    "LBFGS": "it asks for the loss several times a step",
    "SparseAdam": "it takes sparse gradients only",
}


def known() -> list[str]:
    """The optimisers of this torch that take one gradient a step."""
    found = [n for n, c in vars(torch.optim).items() if isclass(c)]
    return sorted(
        n
        for n in found
        if issubclass(getattr(torch.optim, n), torch.optim.Optimizer)
        if n not in UNFIT
    )


def optimiser(name: str, arguments: dict, model: torch.nn.Module) -> torch.optim.Optimizer:
    """torch.optim.NAME over the parameters of a network that are trained.

    Raises:
        Refusal: torch has no such optimiser, or it does not take these arguments.
    """
    if name not in known():
        why = f" ({UNFIT[name]})" if name in UNFIT else ""
        near = get_close_matches(name, known(), 3, 0.5) or known()
        raise Refusal(f"optimiser {name}{why}: expected one of torch.optim, {', '.join(near)}")
    made = getattr(torch.optim, name)
    taken = [
        n for n, p in signature(made).parameters.items() if p.kind is not Parameter.VAR_KEYWORD
    ][1:]
    for argument in arguments:
        if argument not in taken:
            listed = ", ".join(taken)
            raise Refusal(f"arguments.{argument}: {name} has no such argument, expected {listed}")
    trained = [p for p in model.parameters() if p.requires_grad]
    given = {key: tuple(v) if isinstance(v, list) else v for key, v in arguments.items()}
    try:
        return made(trained, **given)
    except Exception as error:  # each optimiser has rules of its own
        raise Refusal(f"arguments {shown(arguments)}: {name} refuses them: {error}") from error


def shown(arguments: dict) -> str:
    return ", ".join(f"{key} {value}" for key, value in arguments.items()) or "{}"


def loss_of(name: str):
    """The mean of torch.nn.functional.NAME over a minibatch: loss(output, y)."""
    return getattr(torch.nn.functional, name)

"""The rules by which a gradient becomes a step, each once, coordinate by coordinate: θ ← θ − u.

    descent          u = ηg
    heavy_ball       v ← βv + g,                 u = ηv            torch's momentum; v₀ = 0
    heavy_ball_inner v ← βv + ηg,                u = v             η inside: another rule only where η changes
    averaged         z ← (1 − β)z + βg,          u = ηz            β weighs the NEW gradient; z₀ = 0
    nesterov         v ← βv + g,                 u = η(g + βv)     torch's; θ is the point that looks ahead
    adagrad          v ← v + g²,                 u = ηg/(√v + ε)
    rmsprop          v ← ρv + (1 − ρ)g²,         u = ηg/(√v + ε)   torch's place of ε
    rmsprop_inner    the same,                   u = ηg/√(v + ε)   the place of ε in the paper (which centres v, too)
    adam             m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²,   m̂ = m/(1 − β₁ᵗ),  v̂ = v/(1 − β₂ᵗ)
                                                 u = ηm̂/(√v̂ + ε)   t = 1 at the first step
    sign             u = η sign g

Beware: the conventions of momentum differ. With constant parameters they are one method:

    averaged(β) at η  =  heavy_ball(1 − β) at ηβ,      heavy_ball(β) at η  =  heavy_ball_inner(β) at η
    heavy_ball(β) at η  =  averaged(1 − β) at η/(1 − β)

so the "momentum 0.9" of torch is a weight 0.1 of the new gradient here, at a tenth of the step. Only Adam corrects
its memories for having started at 0. A change of rate or of β on the way is felt differently by each.

A rule is a `Rule`: how many memories it has, and a function of memories, gradient, t and η. The memories are
arrays of the gradient's shape (numbers are as good), 0 at first; u is an array of its own, or g overwritten; η is a
number or an array that broadcasts, such as (R, 1), one rate a network. float32 stays float32. The compiled loops of `optimisers`, where a step is
a hundred flops, spell the same rules out (numba's cache does not see a change in another file); the tests
hold them to these.

Source: arXiv 1412.6980 (Adam), JMLR 12:2121 (AdaGrad), arXiv 1308.0850 (RMSProp in print, eqs. 38 to 40);
Polyak (1964); Sutskever et al. (2013), for Nesterov's in this form.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Array = Float[np.ndarray, "..."] | float
Memories = tuple[Array, ...]
Step = Callable[[Memories, Array, int, Array], tuple[Memories, Array]]


class Rule(NamedTuple):
    memories: int
    step: Step  # memories, g, t = 1, 2, …, η ↦ memories, u

    def start(self, theta: Array) -> Memories:
        """Nothing remembered."""
        return tuple(np.zeros_like(theta) for _ in range(self.memories))


def descent() -> Rule:
    def step(memories: Memories, g: Array, t: int, eta: Array) -> tuple[Memories, Array]:
        g *= eta
        return memories, g

    return Rule(0, step)


def sign() -> Rule:
    return Rule(0, lambda memories, g, t, eta: (memories, eta * np.sign(g)))


def heavy_ball(beta: float) -> Rule:
    def step(memories: Memories, g: Array, t: int, eta: Array) -> tuple[Memories, Array]:
        v = beta * memories[0] + g
        return (v,), eta * v

    return Rule(1, step)


def heavy_ball_inner(beta: float) -> Rule:
    def step(memories: Memories, g: Array, t: int, eta: Array) -> tuple[Memories, Array]:
        v = beta * memories[0] + eta * g
        return (v,), +v

    return Rule(1, step)


def averaged(beta: float) -> Rule:
    def step(memories: Memories, g: Array, t: int, eta: Array) -> tuple[Memories, Array]:
        z = (1 - beta) * memories[0] + beta * g
        return (z,), eta * z

    return Rule(1, step)


def nesterov(beta: float) -> Rule:
    def step(memories: Memories, g: Array, t: int, eta: Array) -> tuple[Memories, Array]:
        v = beta * memories[0] + g
        return (v,), eta * (g + beta * v)

    return Rule(1, step)


def adagrad(epsilon: float) -> Rule:
    def step(memories: Memories, g: Array, t: int, eta: Array) -> tuple[Memories, Array]:
        v = memories[0] + g * g
        return (v,), eta * g / (np.sqrt(v) + epsilon)

    return Rule(1, step)


def rmsprop(decay: float, epsilon: float) -> Rule:
    def step(memories: Memories, g: Array, t: int, eta: Array) -> tuple[Memories, Array]:
        v = decay * memories[0] + (1 - decay) * g * g
        return (v,), eta * g / (np.sqrt(v) + epsilon)

    return Rule(1, step)


def rmsprop_inner(decay: float, epsilon: float) -> Rule:
    def step(memories: Memories, g: Array, t: int, eta: Array) -> tuple[Memories, Array]:
        v = decay * memories[0] + (1 - decay) * g * g
        return (v,), eta * g / np.sqrt(v + epsilon)

    return Rule(1, step)


def adam(beta1: float, beta2: float, epsilon: float) -> Rule:
    def step(memories: Memories, g: Array, t: int, eta: Array) -> tuple[Memories, Array]:
        m = beta1 * memories[0] + (1 - beta1) * g
        v = beta2 * memories[1] + (1 - beta2) * g * g
        root = np.sqrt(v / (1 - beta2**t)) + epsilon
        return (m, v), eta * (m / (1 - beta1**t)) / root

    return Rule(2, step)


class Momentum(NamedTuple):
    """β and η of one of the conventions."""

    beta: float
    eta: float


def as_heavy_ball(averaged: Momentum) -> Momentum:
    """The heavy ball that averaged gradients are; for β < 1 a ball with friction, β = 1 is gradient descent."""
    return Momentum(1 - averaged.beta, averaged.eta * averaged.beta)


def as_averaged(heavy_ball: Momentum) -> Momentum:
    """The other way round."""
    return Momentum(1 - heavy_ball.beta, heavy_ball.eta / (1 - heavy_ball.beta))

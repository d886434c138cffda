"""One training loop: R networks side by side, on all samples or on minibatches, by any rule.

    for t = 0, 1, …:   f_t, g_t at θ_t;   u = rule(g_t);   θ_{t+1} = θ_t − u

What a step sees is the caller's: `slope(theta, active, t)` gives the losses and gradients of the networks `active`
(their places among the R), on a minibatch or on everything. The gradient is a new array in the precision of θ; the
loop writes the next θ into it.

One policy for what goes wrong: a network is lost at the first step at which its parameters or its loss are not
finite numbers. It goes back to the parameters of the step before and stays there; its recorded loss stays the
last finite one; it is reported with the step; the others go on to the same bits. A network whose loss falls
below `stop` has stopped and stays as it is. Networks that have ended cost nothing more.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer

from descent.maths.rules import Rule

NEVER = -1
HIGHEST = 1e100  # loss that is recorded: its square and a mean of squares are numbers still

Slope = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


class Step(NamedTuple):
    """What an observer is shown before step t is taken: of the networks that are still training."""

    t: int
    active: Integer[np.ndarray, " A"]  # their places among the R
    theta: Float[np.ndarray, "A P"]
    losses: Float[np.ndarray, " A"]
    gradient: Float[np.ndarray, "A P"]


class Run(NamedTuple):
    """What became of R networks; T is `steps`, and one more if the end was evaluated."""

    theta: Float[np.ndarray, "R P"]  # of a lost network, the last with a finite loss
    losses: Float[
        np.ndarray, "T R"
    ]  # of θ_0, θ_1, …, at most HIGHEST; after the end of a run the last finite one
    lost: Integer[np.ndarray, " R"]  # the step whose loss was not finite, or NEVER
    stopped: Integer[np.ndarray, " R"]  # the step whose loss was below `stop`, or NEVER
    kept: Float[np.ndarray, "K R P"]  # θ at the steps asked for

    @property
    def is_lost(self) -> Bool[np.ndarray, " R"]:
        return self.lost != NEVER

    @property
    def has_stopped(self) -> Bool[np.ndarray, " R"]:
        return self.stopped != NEVER

    def ended(self, steps: int) -> Integer[np.ndarray, " R"]:
        """The step at which a network was lost or had stopped, else `steps`."""
        found = np.maximum(self.lost, self.stopped)
        return np.where(found == NEVER, steps, found)


def train(
    start: Float[np.ndarray, "R P"],
    slope: Slope,
    rule: Rule,
    rate: float | Float[np.ndarray, " R"],
    steps: int,
    *,
    evaluate_end: bool = True,
    stop: float = -np.inf,
    keep: Sequence[int] = (),
    observe: Callable[[Step], None] | None = None,
) -> Run:
    """`steps` steps in the precision of `start`, at one rate or at one for every network.

    With `evaluate_end` f(θ_T) is asked for, too: `slope` at t = T. `keep` are steps from 0 to T, increasing.
    """
    R, final = len(start), start.copy()
    losses = np.zeros((steps + evaluate_end, R))
    kept = np.empty((len(keep), *start.shape), start.dtype)
    lost, stopped = np.full((2, R), NEVER)
    eta = np.broadcast_to(np.asarray(rate, start.dtype).reshape(-1, 1), (R, 1))
    place = {int(t): s for s, t in enumerate(keep)}
    active, memories = np.arange(R), rule.start(start)
    now = before = start.copy()
    t, worst = -1, np.finfo(start.dtype).max
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # to diverge is a result
        for t in range(len(losses)):
            value, g = slope(now, active, t)
            losses[t] = losses[t - 1]  # of those that have ended
            losses[t, active] = value
            fine = np.isfinite(value + np.vecdot(now, now)) & (value >= stop)
            if not fine.all():
                gone = ~(np.isfinite(value) & np.isfinite(now).all(1))  # squares may overflow
                done = (value < stop) & ~gone
                losses[t, active[gone]] = losses[t - 1, active[gone]] if t else worst
                final[active] = np.where(gone[:, None], before, now)
                lost[active[gone]] = stopped[active[done]] = t
                on = ~(gone | done)
                active, now, g, eta, value = (a[on] for a in (active, now, g, eta, value))
                memories = tuple(memory[on] for memory in memories)
            if t in place:
                final[active] = now
                kept[place[t]] = final
            if not len(active):
                losses[t + 1 :] = losses[t]
                break
            if observe is not None:
                observe(Step(t, active, now, value, g))
            if t < steps:
                memories, update = rule.step(memories, g, t + 1, eta)
                before, now = now, np.subtract(now, update, out=update)
    gone = ~np.isfinite(now).all(1)  # at an end that was not evaluated
    lost[active[gone]] = steps
    final[active] = np.where(gone[:, None], before, now) if gone.any() else now
    kept[[s for when, s in place.items() if when > t]] = final
    return Run(final, np.minimum(losses, HIGHEST), lost, stopped, kept)

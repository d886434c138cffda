"""One network trained on all samples with averaged gradients, and how sharp the loss is on the way."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from scipy import stats

from descent.maths.curvature import hessian_products, largest_eigenvalue
from descent.maths.initialise import initialise
from descent.maths.network import Shape, differentiate, forward, gradient, mean_loss
from descent.maths.rules import averaged
from descent.maths.training import Step, train
from descent.result import measured
from descent.train._pooled_images import Images

APART = 0.4  # of the edge; values nearer to it than twice the excess (a fifth) are not told from it
ROSE = 1.1  # sharpness of the plateau over that of the start, at the least
KNOWN = 0.1  # residual of an eigenvalue over it, at the most
MOVES = 0.01  # of the plateau: a trend over the tail that is no chance
CHANCE = 1e-6  # of such a trend where there is none
STEADY = 0.2  # of the plateau: a trend that is too large for one, chance or not
FLIPS = 0.05  # share of late steps that undo the step before, at the least


class Settings(NamedTuple):
    hidden: tuple[int, ...]
    start: float  # times LeCun's weights
    beta: float
    eta: float
    steps: int
    every: int  # steps between two measurements
    products: int  # Hessian–vector products a measurement


class Trace(NamedTuple):
    """At every measurement, nan after a run was lost; then at every step."""

    sharpness: Float[np.ndarray, " t"]
    residual: Float[np.ndarray, " t"]  # ‖Hv − λv‖
    loss: Float[np.ndarray, " t"]
    losses: Float[np.ndarray, " T"]
    undone: Bool[np.ndarray, " T"]  # the step opposes the one before
    is_lost: bool


def shape_of(images: Images, hidden: tuple[int, ...]) -> Shape:
    return Shape((images.x.shape[1], *hidden, images.y.shape[1]), "tanh")


def weights_first(rng: np.random.Generator, shape: Shape) -> Float[np.ndarray, " P"]:
    """A random vector, drawn for the weights of all layers and then for the biases."""
    v = np.empty(shape.parameters)
    layers = shape.layers(v)
    for part in [W for W, _ in layers] + [b for _, b in layers if b is not None]:
        part[...] = rng.standard_normal(part.shape)
    return v


def trace(rng: np.random.Generator, images: Images, given: Settings) -> Trace:
    shape = shape_of(images, given.hidden)
    start = given.start * initialise(rng, "lecun", shape)
    vector, back = weights_first(rng, shape), None
    found = np.full((3, given.steps // given.every + 1), np.nan)
    undone, path = np.zeros(given.steps + 1, bool), [start[0], start[0]]

    def slope(theta: np.ndarray, active: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
        nonlocal back
        back = differentiate(forward(theta[0], images.x, shape), images.y, "half_square")
        return np.array([mean_loss(back)]), gradient(back)[None]

    def observe(step: Step) -> None:
        nonlocal vector, path
        now, (before, last) = step.theta[0].copy(), path
        undone[step.t] = np.vdot(now - last, last - before) < 0
        path = [last, now]
        if step.t % given.every == 0:
            top = largest_eigenvalue(lambda v: hessian_products(back, v), vector, given.products)
            vector = top.vector
            found[:, step.t // given.every] = top.value, top.residual, step.losses[0]

    rule = averaged(given.beta)
    out = train(start, slope, rule, given.eta, given.steps, observe=observe)
    return Trace(*found, out.losses[:, 0], undone, bool(out.is_lost[0]))


def along(seen: Trace) -> dict[str, xr.Variable]:
    """What is measured along a run."""
    return {
        "sharpness": measured("t", seen.sharpness, "sharpness λ_max(∇²L)"),
        "residual": measured("t", seen.residual, "‖Hv − λv‖"),
        "loss": measured("t", seen.loss, "training loss ½ mean ‖f − y‖²"),
    }


def of_the_tail(seen: Trace, late: Bool[np.ndarray, " t"], share: float) -> dict[str, xr.Variable]:
    """What is measured in its tail, and of the whole."""
    sharpness, steps = seen.sharpness[late], max(1, round(share * (len(seen.undone) - 1)))
    first = sharpness.mean() > seen.sharpness[~late].max(initial=0)
    return {
        "edge": measured((), sharpness.mean(), f"mean sharpness, last {share:.0%}"),
        "first": measured((), float(first), "sharper in its tail than ever before"),
        "late_residual": measured((), seen.residual[late].mean(), "‖Hv − λv‖, likewise"),
        "trend": measured((), trend(sharpness), "its steady rise, over the mean"),
        "undone": measured((), seen.undone[-steps:].mean(), "share of late steps undone"),
        "risen": measured((), np.mean(np.diff(seen.losses) > 0), "share of steps up"),
        "lost": measured((), float(seen.is_lost), "the loss left float64"),
    }


def trend(late: Float[np.ndarray, " t"]) -> float:
    """By how much of its mean a sharpness rises over the tail, by a line; 0 if it is little and may be chance."""
    if not np.isfinite(late).all():
        return 0.0
    line = stats.linregress(np.linspace(0, 1, len(late)), late)
    rise = float(line.slope / late.mean())
    return rise if line.pvalue < CHANCE or abs(rise) > STEADY else 0.0


class Fates(NamedTuple):
    """What became of the runs: (beta, replicate) arrays of true and false."""

    lost: xr.DataArray
    flatter: xr.DataArray  # they ended less sharp than they began
    smooth: xr.DataArray  # their late steps go on in the direction of the step before
    unknown: xr.DataArray  # the sharpness itself is not known
    moving: xr.DataArray  # it still rose or fell steadily, or never was as sharp before its tail
    at_the_edge: xr.DataArray


def fates(found: xr.Dataset) -> Fates:
    lost = found["lost"] > 0
    flatter = ~lost & ~(found["edge"] >= ROSE * found["sharpness"].isel(t=0))
    unknown = ~lost & ~flatter & ~(found["late_residual"] <= KNOWN * abs(found["edge"]))
    smooth = ~lost & ~flatter & ~unknown & ~(found["undone"] >= FLIPS)
    others = lost | flatter | smooth | unknown
    # Above the edge the error along the sharpest direction has to grow first: it overshoots once.
    moving = ~others & ((abs(found["trend"]) > MOVES) | (found["first"] > 0))
    return Fates(lost, flatter, smooth, unknown, moving, ~(others | moving))


def reasons(found: xr.Dataset, fate: Fates) -> tuple[str, ...]:
    """Why there is no claim about runs that did not come to the edge."""
    least = float(found["undone"].min())
    why = {
        "lost": "left float64",
        "flatter": f"did not end {ROSE - 1:.0%} sharper than they began",
        "unknown": f"have a sharpness with a residual above {KNOWN:.0%}: more products are needed",
        "moving": f"had no plateau yet: a trend of more than {MOVES:.0%} of it, or flatter before",
        "smooth": f"undid fewer than {FLIPS:.0%} of their late steps ({least:.1%} at the least)",
    }
    counts = {name: int(getattr(fate, name).sum()) for name in why}
    total = fate.lost.size
    return tuple(f"{counts[name]} of {total} runs {why[name]}" for name in why if counts[name])


def halfway(beta: float) -> float:
    """From 2(2 − β)/(βη) to the nearest of 2/(βη), 1/(βη) and (2 − β)/(βη); over the first."""
    ratios = np.array([1, 1 / 2, (2 - beta) / 2]) / (2 - beta)
    gaps = np.abs(1 - ratios)
    return float(gaps[gaps >= APART].min()) / 2

"""How wide a random network must be to fit any labels at M points: about M log M neurons, not M.

A neuron helps only if its breakpoint lies where the points leave a place open. Random breakpoints fall into the same
gaps again and again, as with coupons that are collected. The probability that a network fits is known exactly.

    f = Σ_i a_i [w_i x + b_i]₊ + ux + v,   w_i = ±1,   b_i ~ U(−bias, bias),   a, u, v fitted
    it fits all y ⇔ M − 2 breakpoints can be dealt out to the intervals (x_j, x_{j+2}), one each
    P(n) by summing over how many breakpoints fall into each gap (x_j, x_{j+1})

Random labels are fitted if and only if all are, with probability one.

See: the share of networks that fit random labels, on the predicted curve; with as many neurons as points few do.

Source: slides on implicit biases, the first pages, and "sufficiently large n" in Theorem 5; Schoenberg and Whitney (1953) for
the condition.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost
from descent.maths.sampling import fewest, share
from descent.result import Check, Result, measured, predicted, sweep
from descent.wide_relu._matching import fits, probability
from descent.wide_relu._network import features, free, polynomials

SINGULAR = 1e-9  # of the size of the features: below it there is only rounding


@experiment_config
class Config:
    seed: Seed
    replicates: Annotated[Count, Field(ge=fewest("share", 10))]  # networks of each width
    points: Count  # M, evenly spaced over [−1, 1]
    bias: Annotated[Positive, Field(ge=1, le=10)]
    widths: tuple[Count, ...]  # n

    def __post_init__(self):
        require_increasing("widths", self.widths)
        if not 3 <= self.points <= 40:
            raise ValueError(f"points {self.points}: from 3, more than a line fits, to 40")
        if self.widths[-1] > 2000:
            raise ValueError(
                f"widths {self.widths[-1]} > 2000: nearly all networks fit long before"
            )
        work = self.replicates * sum(self.widths) * 10.0 * self.points**2
        require_cost(self, "replicates, points, widths", 1e4 * self.points, 4 * work)

    @property
    def x(self) -> np.ndarray:
        return np.linspace(-1, 1, self.points)


def predict(config: Config) -> xr.Dataset:
    p = np.diff(config.x) / (2 * config.bias)
    exact = [probability(n, p) for n in config.widths]
    return xr.Dataset(
        {"share_predicted": predicted("width", exact, "probability that M − 2 can be dealt out")}
    )


def measure(config: Config) -> xr.Dataset:
    """How many networks fit random labels, and how many have breakpoints that can be dealt out."""
    x, N = config.x, free(polynomials(config.x))
    solved, dealt = np.zeros((2, len(config.widths)), int)
    for k, n in enumerate(config.widths):
        for r in range(config.replicates):
            rng = np.random.default_rng([config.seed, n, r])
            w, b = rng.choice([-1.0, 1.0], n), rng.uniform(-config.bias, config.bias, n)
            label = N.T @ rng.standard_normal(len(x))
            Phi = features(x, w, b)
            U, S, _ = np.linalg.svd(N.T @ Phi, full_matrices=False)
            U = U[:, SINGULAR * np.linalg.norm(Phi) < S]
            rest = label - U @ (U.T @ label)
            solved[k] += np.linalg.norm(rest) < 1e-6 * np.linalg.norm(label)
            dealt[k] += fits(np.histogram(-b / w, x)[0])
    R = config.replicates
    return xr.Dataset(
        {
            "share": measured("width", solved / R, "networks that fit random labels"),
            "dealt": measured("width", dealt / R, "networks whose breakpoints can be dealt out"),
        },
        coords={"width": sweep(config.widths, "width", "neurons n")},
    )


def run(config: Config) -> Result:
    found, theory = measure(config), predict(config)
    return Result(
        data=found.merge(theory),
        metrics={"share": found["share"]},
        checks=compare(config, found, theory),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    R, exact = config.replicates, theory["share_predicted"]
    est = share(found["share"] * R, R, exact)
    # breakpoints so close to a point that rounding decides: a network in a million
    one = 1 / R
    return (
        Check("share", est.value, "==", exact, est.tol, est.why),
        Check(
            "dealt", found["dealt"], "==", found["share"], one, "a network where rounding decides"
        ),
    )

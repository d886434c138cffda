"""SGD leaves a sharp well that holds gradient descent for ever, as often as its transition operator predicts.

Every term has its own ripple, so a step of SGD is a random stride. A linear operator carries the law of all runs at
once, without drawing a single one: it gives the share outside the well at every time.

    f_i(x) = b(x) + a sin(ωx + φ_i) cos(m(x − c)),   b(x) = κ(x − c)² in the sharp well, else x²
    x ← x − γf_i'(x), i uniform;   P(x_k outside the well), P(never yet outside) from its operator

SGD comes back into the sharp well now and then, so "escaped" means where it is at the end. It does not converge in
the flat well either: there its stationary spread is of order aω√(γ/16).

See: the measured shares lie on the dashed ones of the operator, over time and over the step; a short step never
leaves.

Source: FRTN50 assignment, exercise 5, with N = 2000 phases from RandomState(0). The exercise says that SGD finds the
flat minimum "most of the time": P = 0.888 at γ = 10⁻³; that it leaves "after around 750 iterations", where half of
the runs are out by about 230 and the document's own seed at 274; and that it converges, where it keeps a spread.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Positive, Seed, experiment_config, require_increasing
from descent.maths.limits import require_cost, require_within
from descent.maths.sampling import mean, require_fewest, share
from descent.minima import _chain as chain
from descent.minima._descent import settled
from descent.minima._document import first_out, refute
from descent.minima._laws import Laws, carry, carrying, require_size
from descent.minima._setting import Setting, Terms
from descent.result import Check, Erratum, Result, measured, predicted, replicates, steps, sweep

LEAKED = 1e-9  # mass that may meet an end of the grid
TELLING = 100  # runs outside from which their spread is compared


@experiment_config
class Config(Setting):
    seed: Seed  # of SGD's choices
    replicates: Annotated[Count, Field(ge=100)]  # fewer tell no share from another
    gammas: tuple[Positive, ...]  # steps γ of the sweep
    resolution: Annotated[Count, Field(ge=4)]  # cells of the operator's grid in a stride of SGD

    def __post_init__(self):
        super().__post_init__()
        require_increasing("gammas", self.gammas)
        require_fewest("share", self.replicates, len(kept(self)))
        require_within("gammas", self.gammas, 0, 0.999, "from 1 on every run diverges")
        work = 40.0 * self.replicates * self.steps * len(self.swept) + carrying(self)
        require_cost(self, "replicates, steps, gammas, terms, resolution", operations=work)
        require_size(self.wells, self.swept, self.resolution)

    @property
    def swept(self) -> list[float]:
        """The steps of the sweep and the one that is looked at closely."""
        return sorted({*self.gammas, self.step})

    @property
    def here(self) -> int:
        """Its place in the sweep."""
        return self.swept.index(self.step)


def predict(config: Config, laws: Laws) -> xr.Dataset:
    """Shares by the operator."""
    outside, survival = laws.table("outside"), laws.table("survival")
    k, spread = kept(config), laws.fine[config.here].spread
    return xr.Dataset(
        {
            "outside_predicted": predicted("k", outside[config.here, k], "P(outside at k)"),
            "survival_predicted": predicted("k", survival[config.here, k], "P(never outside)"),
            "escaped_predicted": predicted("gamma", outside[:, -1], "P(outside at the end)"),
            "ever_left_predicted": predicted("gamma", 1 - survival[:, -1], "P(ever outside)"),
            "spread_predicted": predicted((), spread, "spread of x_K outside"),
        }
    )


def measure(config: Config, terms: Terms) -> xr.Dataset:
    """Many runs of every γ."""
    w, K, R = config.wells, config.steps, config.replicates
    rng, shares = np.random.default_rng(config.seed), []
    for gamma in config.swept:
        runs = chain.sample(rng, config.start, terms.cosines, terms.sines, w, gamma, K, R)
        shares.append([runs[2][-1] / R, (runs[1] <= K).mean()])
        if gamma == config.step:
            last, first, outside = runs
    escaped, ever_left = np.array(shares).T
    k, out = kept(config), (last < w.left) | (last >= w.right)
    survival = 1 - np.searchsorted(np.sort(first), k, side="right") / R
    course = chain.follow(config.start, terms.order, terms.cosines, terms.sines, w, config.step)
    descent = chain.descend(config.start, terms.A, terms.B, w, config.step, K)
    return xr.Dataset(
        {
            "x_gd": measured("k", descent[k], "gradient descent"),
            "x_sgd": measured("k", course[k], "SGD, the course's stream"),
            "outside": measured("k", outside[k] / R, "outside the sharp well at k"),
            "survival": measured("k", survival, "never outside up to k"),
            "escaped": measured("gamma", escaped, f"outside at k = {K}"),
            "ever_left": measured("gamma", ever_left, f"outside at some k ≤ {K}"),
            "spread": measured((), last[out].std() if out.any() else 0.0, "of x_K outside"),
            "last": measured("replicate", last, "x_K"),
            "first": measured("replicate", first, "first k outside; K + 1: never"),
            "course_exit": measured((), first_out(course, w), "the same in the course's stream"),
        },
        coords={
            "k": steps(k, "k", "iteration k"),
            "gamma": sweep(config.swept, "gamma", "step γ"),
            "replicate": replicates(R),
        },
        attrs={"left": w.left, "right": w.right, "step": config.step}
        | {"minimiser": settled(config.start, terms.A, terms.B, w)},
    )


def kept(config: Config) -> np.ndarray:
    """The k that are shown and compared."""
    return np.unique(np.linspace(0, config.steps, min(config.steps, 500) + 1).round().astype(int))


def run(config: Config) -> Result:
    terms = config.draw()
    given = (config.start, terms.cosines, terms.sines, config.wells, config.swept)
    laws = carry(*given, config.steps, config.resolution)
    found, theory = measure(config, terms), predict(config, laws)
    gone = laws.table("survival")[config.here] < 0.5
    shares = theory.assign_coords(gamma=found["gamma"])
    return Result(
        data=found.merge(theory),
        metrics={name: found[name] for name in ("escaped", "ever_left")}
        | {name: shares[name] for name in ("escaped_predicted", "ever_left_predicted")}
        | {
            "median_exit": found["first"].median(),
            "exit_in_the_course_stream": found["course_exit"],
            "median_exit_predicted": int(np.argmax(gone)) if gone.any() else config.steps + 1,
            "spread_outside": found["spread"],
            "spread_outside_predicted": theory["spread_predicted"],
        },
        checks=compare(config, laws, found, theory),
        errata=errata(config, laws, found),
        no_claim=elsewhere(config, laws, found),
        unchecked={} if told(config, found) else {"spread": f"fewer than {TELLING} escaped"},
    )


def elsewhere(config: Config, laws: Laws, found: xr.Dataset) -> tuple[str, ...]:
    worst = max(laws.error(name).max() for name in ("outside", "survival"))
    x, w = found["x_gd"], config.wells
    reasons = {
        f"a share of {laws.leaked:.1e} met an end of the operator's grid": laws.leaked > LEAKED,
        f"the operator is known to {worst:.2g} only; raise the resolution": worst > 0.1,
        "no run of SGD left the sharp well": not found["ever_left"].any(),
        f"step {config.step:g}: gradient descent leaves the sharp well as well": bool(
            ((x < w.left) | (x >= w.right)).any()
        ),
    }
    return tuple(reason for reason, applies in reasons.items() if applies)


def told(config: Config, found: xr.Dataset) -> bool:
    """Whether enough runs escaped to tell their spread."""
    return found["escaped"][config.here].item() * config.replicates >= TELLING


def errata(config: Config, laws: Laws, found: xr.Dataset) -> tuple[Erratum, ...]:
    """What the document says of its own wells, start and steps, if enough runs show it."""
    own = (config.start, config.step, config.steps, config.of_the_course)
    if own != (5.0, 1e-3, 2000, True) or not told(config, found):
        return ()
    return refute(laws.fine[config.here], found, spread(config, laws, found)[0])


def spread(config: Config, laws: Laws, found: xr.Dataset) -> tuple[float, str]:
    """How far off chance and the grid may put the spread of x_K outside, and why."""
    last = found["last"].values
    out = last[(last < config.wells.left) | (last >= config.wells.right)]
    square = mean(xr.DataArray((out - out.mean()) ** 2, dims="replicate"))
    grid = abs(laws.coarse[config.here].spread - laws.fine[config.here].spread)
    return float(square.tol / out.std() + grid), f"{square.why}, and the operator's grid"


def compare(config: Config, laws: Laws, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    R, here, k = config.replicates, config.here, kept(config)
    outside, survival = laws.error("outside"), laws.error("survival")
    errors = {"outside": outside[here, k], "survival": survival[here, k]}
    errors |= {"escaped": outside[:, -1], "ever_left": survival[:, -1]}
    checks = []
    for name, grid in errors.items():
        expected = theory[f"{name}_predicted"]
        one = share(found[name] * R, R, expected.clip(0.0, 1.0))
        tol, why = one.tol + expected.copy(data=grid), f"{one.why}, and the operator's grid"
        checks.append(Check(name, found[name], "==", expected, tol, why))
    if told(config, found):
        rest = (theory["spread_predicted"], *spread(config, laws, found))
        checks.append(Check("spread", found["spread"], "==", *rest))
    return tuple(checks)

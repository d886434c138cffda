"""Gradient descent ends at the outer weights of least norm; training all layers changes that by O(1/n) only.

From zero the outer weights stay in the span of the features, so they end at the least norm. The inner layers see
gradients that are smaller by a factor a ~ n^(−1/2), so they hardly move. A line that is trained at the neurons' own rate
is worth nothing: n neurons are n times as fast.

    outer alone:  f_t = mode by mode 1 − (1 − 2ημ)ᵗ of the data → the least ‖a‖;   stable ⇔ η < 1/λ_max(ΦΦᵀ)
    all layers:   √n‖Δa‖ → (∫ g*''²/ζ)^½,   n‖Δ(w, b)‖ → (n E a² ∫ p_C (S₀² + S₁²))^½,   S_k = Σ_{x_j > c} l_j x_jᵏ
                  the function moves by O(1/n)
    line at κ²n times the neurons' rate:  the limit has the kernel K₀ + κ²(1 + xy); at the neurons' rate K₀ alone

See: left, the two ways of training differ by less than either from g*; middle, how far weights move; right, without a
faster line the networks end a fixed distance from g*.

Source: slides on implicit biases, Theorem 5; arXiv 2006.07356, whose code doubles the network (arXiv 1905.07325) so that
it is 0 at first.
"""

import numpy as np
import xarray as xr

from descent.config import (
    Count,
    Positive,
    experiment_config,
    require_increasing,
)
from descent.maths.limits import require_at_most, require_time, require_within
from descent.maths.sampling import fewest, mean, of_error
from descent.result import Check, Result, replicates, sweep
from descent.wide_relu._deep import (
    OUTER,
    measure_layers,
    measure_skips,
    predict_layers,
    predict_skips,
)
from descent.wide_relu._initial import initials
from descent.wide_relu._outer import measure_outer, predict_outer, rounding
from descent.wide_relu._settings import Started
from descent.wide_relu._slopes import slopes

NEAR = 1e-3  # of the data: a loop that is further from it has not ended


@experiment_config
class Config(Started):
    steps: Count  # of gradient descent on the outer weights of the narrowest networks
    limit: Count  # steps at the most, all layers trained
    close: Positive  # residual at which they stop, of the data
    critical: Count  # steps on both sides of the largest stable one
    margin: Positive  # how far from it, as a share
    skips: tuple[Positive, ...]  # κ²
    skip_width: Count  # n of the networks with such a line
    skip_replicates: Count

    def __post_init__(self):
        super().__post_init__()
        require_increasing("skips", self.skips)
        require_within(
            "skips", self.skips, 1e-3, 1e6, "a line slower is none, a faster one is free"
        )
        require_within("margin", self.margin, 1e-3, 0.2, "close to the largest stable step")
        require_within("critical", self.critical, 10, 5000, "a factor a step is read off")
        require_within("close", self.close, 1e-12, 1e-4, "the end of training is compared")
        require_within(
            "skip_width", self.skip_width, 8 * len(self.points), 100_000, "wide networks"
        )
        require_at_most(self, "their mean is looked at", skip_replicates=2000)
        least = fewest("mean", len(self.laws) * (1 + len(self.skips)))
        if self.skip_replicates < least:
            raise ValueError(f"skip_replicates {self.skip_replicates} < {least}: too few to tell")
        if 2 * self.margin * self.critical > 200:
            raise ValueError(
                f"margin {self.margin:g}, critical {self.critical}: beyond float64's size"
            )
        work = 60.0 * len(self.points) * self.replicates * len(self.laws)
        steps = self.limit * sum(self.widths) + (self.steps + self.critical) * self.widths[0]
        fields = f"limit {self.limit}, steps {self.steps}, replicates {self.replicates}"
        require_time(fields, work * steps)


def draw(config: Config):
    """Neurons of each law and width, outer weights of each width, and neurons beside a line."""
    rng, r, laws = np.random.default_rng(config.seed), config.replicates, initials(config)
    beside = config.skip_replicates
    layers = [[one.draw(rng, r, n) for n in config.widths] for one in laws]
    starts = [rng.uniform(-1, 1, (r, n)) / np.sqrt(n) for n in config.widths]
    return layers, starts, [one.draw(rng, beside, config.skip_width) for one in laws]


def run(config: Config) -> Result:
    layers, starts, beside = draw(config)
    narrow = [one[0] for one in layers]
    found = xr.merge(
        [
            measure_outer(config, narrow),
            measure_layers(config, layers, starts),
            measure_skips(config, beside),
        ]
    )
    theory = xr.merge(
        [predict_outer(config, narrow), predict_layers(config, layers), predict_skips(config)]
    )
    law = sweep([one.label for one in initials(config)], "law", "law of the start")
    found = found.assign_coords(law=law, replicate=replicates(config.replicates))
    reasons = []
    for name, what in (("left", "steps"), ("missed", "limit")):
        worst, most = float(found[name].max()), NEAR if name == "left" else 2 * config.close
        if not worst <= most:
            number = getattr(config, what)
            reasons.append(f"{what} {number}: a residual is still {worst:.2g} of the data")
    factor = found["factor"].mean("replicate")
    return Result(
        data=found.merge(theory),
        metrics={"apart": slopes(found["apart"]).mean("replicate"), "factor": factor},
        checks=() if reasons else compare(config, found, theory),
        no_claim=tuple(reasons),
    )


def compare(config: Config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    size, lost = float(np.abs(config.values).max()), rounding(config, found)
    near = found["left"] * found["reach"] * size + lost
    factor, path = theory["factor_predicted"], theory["path_predicted"]
    apart = mean(slopes(found["apart"]))
    n, wide = config.widths[-1], found.isel(width=-1)
    outer, inner = mean(np.sqrt(n) * wide["norm"]), mean(n * wide["inner"])
    share = wide["share"].max("replicate")
    # outer weights that move make the inner ones move more
    more = (wide["norm"] ** 2).mean("replicate") / (2 * OUTER)
    skip = of_error(found["skip_error"], found["skip_blur"], config.skip_replicates - 1)
    hidden = "the inner layers' share of the kernel, O(1/n)"
    norms, limits = found["norm"], (theory["outer_predicted"], theory["inner_predicted"])
    order = "and what is of order 1/n"
    slow, floor = theory["apart_bound"], theory["skip_predicted"]
    return (
        Check("closed_form", found["path"], "==", path, lost, "rounding of all steps"),
        Check("least_norm", found["end"], "==", theory["end_predicted"], near, "what is left"),
        Check("factor", found["factor"], "==", factor, 1e-6, "rounding of all steps"),
        Check("apart", apart.value, "<=", slow, apart.tol, apart.why),
        Check("norm", norms, "==", theory["norm_predicted"], found["share"] * abs(norms), hidden),
        Check(
            "outer", outer.value, "==", limits[0], outer.tol + share * abs(outer.value), outer.why
        ),
        Check(
            "inner",
            inner.value,
            "==",
            limits[1],
            inner.tol + more * abs(inner.value),
            f"{inner.why}, {order}",
        ),
        Check("line_at_a_rate", skip.value, "==", floor, skip.tol, skip.why),
    )

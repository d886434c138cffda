"""With more features than samples, gradient descent ends at the solution nearest to its start.

Every gradient is a combination of the samples, so a run never moves in a direction that no sample sees, P, and
keeps what its start has there. From 0 it ends at the shortest solution, and what that misses of the truth is
the part of the truth in those directions.

    X: (n, d),   n < d,   P = 1 − X⁺X,   w_∞ = w₀ + X⁺(t − Xw₀),   from 0: ŵ = Xᵀ(XXᵀ)⁻¹t;   Pw_k = Pw₀ for all k
    Xw₁ = t:        ŵᵀw₁ = ‖ŵ‖²;   for w₁ = w_∞: ‖w₁‖² = ‖ŵ‖² + ‖Pw₀‖²
    t = Xw*:        E_x(xᵀŵ − xᵀw*)² = ‖ŵ − w*‖² = ‖Pw*‖² for isotropic x

See: on the left the measured distance lies on the predicted one down to rounding; on the right the part of a
run that no sample sees stays what it was at the start.

Source: CSE 891 homework 2, questions 3.1, 3.3c and 3.4.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config
from descent.linear import _gradient, _problem
from descent.linear._problem import EPS, SLACK, Given, nearness
from descent.maths.limits import require_cost
from descent.maths.projection import project
from descent.maths.quadratic import first_within, iterate, squared_distance
from descent.result import Check, Result, measured, predicted, replicates, steps


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # problems
    samples: Count  # n
    features: Count  # d
    start: Positive  # w₀ = start · N(0, 1)
    step: Positive  # γβ
    steps: Count
    level: Positive  # ‖w_k − ŵ‖² whose first k is predicted

    def __post_init__(self):
        n, d = self.samples, self.features
        if n >= d:
            raise ValueError(
                f"samples {n} ≥ features {d}: one w fits, see linear.underparameterised"
            )
        if self.step >= 2:
            raise ValueError(f"step {self.step:g} ≥ 2 (in 1/β): gradient descent diverges")
        numbers = 6.0 * self.replicates * n * d
        require_cost(self, "replicates, samples, features, steps", numbers, numbers * self.steps)


def draw(config: Config) -> list[Given]:
    """Problems with two runs each: from 0 and from elsewhere."""
    rng, given = np.random.default_rng(config.seed), []
    for _ in range(config.replicates):
        p = _problem.draw(rng, config.samples, config.features)
        starts = np.zeros((2, config.features))
        starts[1] = config.start * rng.standard_normal(config.features)
        length = float(np.linalg.norm(p.truth) + np.linalg.norm(starts[1]))
        given.append(Given(p, starts, config.step / float(p.eigenvalues[0]), length))
    return given


def predict(config: Config, given: list[Given]) -> xr.Dataset:
    """The nearest solutions, by the formula for the shortest and by QR, and the way to the shortest."""
    k, one = _problem.thinned(config.steps).astype(float), np.ones(config.features)
    columns = {name: [] for name in ("limit", "distance", "crossing", "null", "risk")}
    for p, starts, gamma, _ in given:
        shortest = p.X.T @ np.linalg.solve(p.X @ p.X.T, p.t)
        q = _problem.modes(p, starts[0], shortest)
        first = first_within(q, gamma, config.level)
        columns["limit"].append([shortest, project(p.X, p.t, starts[1], one)])
        columns["distance"].append(np.sqrt(squared_distance(iterate(q, gamma, k))))
        columns["crossing"].append(min(config.steps + 1, np.inf if first is None else first))
        columns["null"].append(np.linalg.norm(p.across(starts), axis=1))
        columns["risk"].append(np.square(p.across(p.truth)).sum())
    return xr.Dataset(
        {
            "limit": predicted(("replicate", "start", "j"), columns["limit"], "w₀ + X⁺(t − Xw₀)"),
            "distance_predicted": predicted(("replicate", "k"), columns["distance"], "by modes"),
            "gradient_predicted": _gradient.by_formula(given),
            "crossing_predicted": predicted("replicate", columns["crossing"], "first k, by modes"),
            "null_predicted": predicted(("replicate", "start"), columns["null"], "‖Pw₀‖"),
            "risk_predicted": predicted("replicate", columns["risk"], "‖Pw*‖²"),
        }
    )


def measure(config: Config, given: list[Given]) -> xr.Dataset:
    """The runs. The distance is that to the shortest solution of the singular value decomposition."""
    k, K = _problem.thinned(config.steps), config.steps
    columns = {name: [] for name in ("end", "distance", "crossing", "null", "across", "risk")}
    for p, starts, gamma, length in given:
        shortest = np.linalg.lstsq(p.X, p.t)[0]
        paths = [_problem.descend(p.X, p.t, w, gamma, k, shortest, config.level) for w in starts]
        first, kept = paths[0].first[0], np.array([path.theta for path in paths])
        moved = p.across(kept - starts[:, None])
        columns["end"].append(kept[:, -1])
        columns["distance"].append(np.linalg.norm(kept[0] - shortest, axis=1))
        columns["crossing"].append(K + 1 if first < 0 else first)
        columns["null"].append(np.linalg.norm(p.across(kept), axis=2))
        columns["across"].append(np.linalg.norm(moved, axis=2).max() / length)
        columns["risk"].append(np.square(kept[0, -1] - p.truth).sum())
    end = np.array(columns["end"])
    gram = end @ end.mT
    return xr.Dataset(
        {
            "end": measured(("replicate", "start", "j"), end, "w_K"),
            "distance": measured(("replicate", "k"), columns["distance"], "‖w_k − ŵ‖ from 0"),
            "gradient": _gradient.by_differences(given),
            "crossing": measured("replicate", columns["crossing"], "first k within the level"),
            "null": measured(("replicate", "start", "k"), columns["null"], "‖Pw_k‖"),
            "across": measured("replicate", columns["across"], "largest ‖P(w_k − w₀)‖, relative"),
            "risk": measured("replicate", columns["risk"], "‖ŵ − w*‖²"),
            "product": measured("replicate", gram[:, 0, 1], "ŵᵀw₁"),
            "square": measured("replicate", gram[:, 1, 1], "‖w₁‖²"),
        },
        coords={
            "k": steps(k, "k", "iteration k"),
            "replicate": replicates(config.replicates),
            "start": ("start", [0, 1], {"long_name": "start, the first from 0"}),
            "j": ("j", np.arange(config.features) + 1, {"long_name": "weight j"}),
        },
    )


def run(config: Config) -> Result:
    given = draw(config)
    found, theory = measure(config, given), predict(config, given)
    first = given[0].problem
    short, unchecked = _problem.told(given, config.steps, config.level)
    checks = compare(config, given, found, theory)
    return Result(
        data=found.merge(theory),
        metrics={
            "norm_first": np.linalg.norm(theory["limit"][0, 0]),
            "beta_first": first.eigenvalues[0],
            "lowest_eigenvalue_first": first.eigenvalues[-1],
            "first_near_first": theory["crossing_predicted"][0],
            "null_risk_first": theory["risk_predicted"][0],
            "null_component": found["across"].max(),
        },
        checks=checks if short else checks + ends(given, found, theory),
        no_claim=short,
        unchecked=unchecked,
    )


def compare(
    config: Config, given: list[Given], found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    """What holds at any number of steps."""
    near, length = nearness(given), xr.DataArray([one.length for one in given], dims="replicate")
    walk, why = 16 * EPS * np.sqrt(config.steps) * length, "16ε√K: the rounding of K steps"
    return (
        Check("unseen_part", found["null"], "==", theory["null_predicted"], walk, why),
        Check("distance", found["distance"], "==", theory["distance_predicted"], near, SLACK),
        _gradient.check(given, found, theory),
        *_problem.crossing(given, config.level, found, theory),
    )


def ends(given: list[Given], found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    """What holds of runs that have arrived."""
    near = nearness(given)
    limit, unseen = theory["limit"], theory["null_predicted"]
    shortest = np.square(limit[:, 0]).sum("j")
    pythagoras = shortest + unseen[:, 1] ** 2
    error, length = (
        theory["risk_predicted"],
        xr.DataArray([g.length for g in given], dims="replicate"),
    )
    twice = 2 * near * (length + near)  # of a product of two vectors, each off by `near`
    return (
        Check("end", found["end"], "==", limit, near, SLACK),
        Check("product_with_the_shortest", found["product"], "==", shortest, twice, SLACK),
        Check("square_of_the_other", found["square"], "==", pythagoras, twice, SLACK),
        Check("error_of_the_shortest", found["risk"], "==", error, twice, SLACK),
    )

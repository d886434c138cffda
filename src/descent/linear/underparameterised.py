"""With more samples than features, gradient descent ends at the same weights from every start.

No direction of the weights is left out by the samples, so the squared error has one minimum, and every
direction shrinks towards it by its own factor a step. Without noise that minimum is the truth. Noise in the
targets moves it by an amount that the singular values of X give.

    X: (n, d),   n ≥ d,   f(w) = (1/n)‖Xw − t‖²,   γ the step,   λ_i = 2σ_i(X)²/n
    ŵ = (XᵀX)⁻¹Xᵀt,   w_k − ŵ = Σ v_i (1 − γλ_i)ᵏ v_iᵀ(w₀ − ŵ)
    t = Xw*:          ŵ = w*, so every x is predicted without error
    t = Xw* + ξ:      E‖ŵ − w*‖² = σ² tr (XᵀX)⁻¹ given X,   σ² d/(n − d − 1) for N(0, 1) entries and n > d + 1

See: on the left the measured distance lies on the predicted one down to rounding; on the right the error
that noise leaves scatters around its expectation, on the diagonal.

Source: CSE 891 homework 2, questions 3.1 and 3.2. It has XᵀX invertible for n > d; n = d is enough.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Seed, experiment_config
from descent.linear import _gradient, _problem
from descent.linear._problem import SLACK, Given, nearness
from descent.maths.limits import require_cost
from descent.maths.quadratic import first_within, iterate, squared_distance
from descent.result import Check, Result, measured, predicted, replicates, steps


@experiment_config
class Config:
    seed: Seed
    replicates: Count  # problems
    samples: Count  # n
    features: Count  # d
    starts: Count  # of gradient descent in every problem
    start: Positive  # w₀ = start · N(0, 1); the first is 0
    step: Positive  # γβ
    steps: Count
    level: Positive  # ‖w_k − ŵ‖² whose first k is predicted
    noise: Positive  # σ

    def __post_init__(self):
        n, d = self.samples, self.features
        if n < d:
            raise ValueError(
                f"samples {n} < features {d}: many w fit, see linear.overparameterised"
            )
        if self.step >= 2:
            raise ValueError(f"step {self.step:g} ≥ 2 (in 1/β): gradient descent diverges")
        runs = self.replicates * self.starts
        numbers, work = 4.0 * (self.replicates * n + runs) * d, 2.0 * runs * self.steps * n * d
        require_cost(self, "replicates, starts, samples, features, steps", numbers, work)


def draw(config: Config) -> tuple[list[Given], list[np.ndarray]]:
    """Problems with the starts of their runs, and noise of a second set of targets."""
    rng, n, d = np.random.default_rng(config.seed), config.samples, config.features
    given, noises = [], []
    for _ in range(config.replicates):
        p = _problem.draw(rng, n, d)
        starts = config.start * rng.standard_normal((config.starts, d))
        starts[0] = 0
        gamma = config.step / float(p.eigenvalues[0])
        given.append(Given(p, starts, gamma, float(np.linalg.norm(p.truth))))
        noises.append(config.noise * rng.standard_normal(n))
    return given, noises


def predict(config: Config, given: list[Given]) -> xr.Dataset:
    """ŵ by the normal equations, the way to it mode by mode, and the error that noise leaves."""
    k = _problem.thinned(config.steps).astype(float)
    fits, distance, crossing, risk = [], [], [], []
    for p, starts, gamma, _ in given:
        fits.append(np.linalg.solve(p.X.T @ p.X, p.X.T @ p.t))
        modes = [_problem.modes(p, w, fits[-1]) for w in starts]
        distance.append(np.sqrt(squared_distance(iterate(modes[0], gamma, k))))
        first = [first_within(q, gamma, config.level) for q in modes]
        crossing.append([config.steps + 1 if f is None else f for f in first])
        risk.append(config.noise**2 * (1 / p.sigma**2).sum())
    crossing = np.minimum(np.array(crossing), config.steps + 1)
    return xr.Dataset(
        {
            "fit_predicted": predicted(("replicate", "j"), fits, "ŵ_j"),
            "distance_predicted": predicted(("replicate", "k"), distance, "‖w_k − ŵ‖, by modes"),
            "gradient_predicted": _gradient.by_formula(given),
            "crossing_predicted": predicted(("replicate", "start"), crossing, "first k within"),
            "risk_predicted": predicted("replicate", risk, "σ² tr (XᵀX)⁻¹"),
        }
    )


def measure(config: Config, given: list[Given], noises: list[np.ndarray]) -> xr.Dataset:
    """The runs, and least squares with noise. The distance is that to w*."""
    k, K = _problem.thinned(config.steps), config.steps
    ends, distance, crossing, risk = [], [], [], []
    for (p, starts, gamma, _), noise in zip(given, noises, strict=True):
        X, t, truth = p.X, p.t, p.truth
        paths = [_problem.descend(X, t, w, gamma, k, truth, config.level) for w in starts]
        ends.append([path.theta[-1] for path in paths])
        distance.append(np.linalg.norm(paths[0].theta - truth, axis=1))
        first = np.array([path.first[0] for path in paths])
        crossing.append(np.where(first < 0, K + 1, first))
        noisy = np.linalg.solve(X.T @ X, X.T @ (t + noise))
        risk.append(np.square(noisy - truth).sum())
    truths = np.array([g.problem.truth for g in given])
    return xr.Dataset(
        {
            "end": measured(("replicate", "start", "j"), ends, "w_K"),
            "truth": measured(("replicate", "j"), truths, "w*"),
            "distance": measured(("replicate", "k"), distance, "‖w_k − ŵ‖ from 0"),
            "gradient": _gradient.by_differences(given),
            "crossing": measured(("replicate", "start"), crossing, "first k within the level"),
            "risk": measured("replicate", risk, "‖ŵ − w*‖² with noise"),
        },
        coords={
            "k": steps(k, "k", "iteration k"),
            "replicate": replicates(config.replicates),
            "start": ("start", np.arange(config.starts), {"long_name": "start, the first from 0"}),
            "j": ("j", np.arange(config.features) + 1, {"long_name": "weight j"}),
        },
    )


def run(config: Config) -> Result:
    given, noises = draw(config)
    found, theory = measure(config, given, noises), predict(config, given)
    n, d = config.samples, config.features
    spectra = np.array([one.problem.eigenvalues[[0, -1]] for one in given])
    metrics = {
        "beta": spectra[:, 0].mean(),
        "lowest_eigenvalue": spectra[:, 1].mean(),
        "risk": found["risk"].mean(),
        "risk_predicted": theory["risk_predicted"].mean(),
    }
    if n > d + 1:
        metrics["risk_gaussian"] = config.noise**2 * d / (n - d - 1)
    short, unchecked = _problem.told(given, config.steps, config.level)
    checks = compare(config, given, found, theory)
    return Result(
        data=found.merge(theory),
        metrics=metrics,
        checks=checks if short else checks + ends(given, found, theory),
        no_claim=short,
        unchecked=unchecked,
    )


def compare(
    config: Config, given: list[Given], found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    """What holds at any number of steps."""
    near, expected = nearness(given), theory["risk_predicted"].mean()
    weights = [(config.noise / one.problem.sigma) ** 2 / len(given) for one in given]
    chance = _problem.farthest_mean(np.concatenate(weights))
    why = "a sum of χ² given X: Laurent and Massart"
    return (
        Check("distance", found["distance"], "==", theory["distance_predicted"], near, SLACK),
        Check("noisy_risk", found["risk"].mean(), "==", expected, chance, why),
        _gradient.check(given, found, theory),
        *_problem.crossing(given, config.level, found, theory),
    )


def ends(given: list[Given], found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    """What holds of runs that have arrived."""
    end, near = found["end"], nearness(given)
    return (
        Check("every_end", end, "==", theory["fit_predicted"], near, SLACK),
        Check("every_end_is_the_truth", end, "==", found["truth"], near, SLACK),
    )

"""The loss that random weights start from follows from the widths; where training ends depends on the draw.

Given the layers below, a pre-activation is symmetric about 0, so ReLU halves its second moment: the expected square of
the output follows layer by layer. Training then spreads the losses over decades, and the worse fit on the points is
the worse fit between them, too (ranks over many starts).

    weights and biases U(±1/√fan_in),   q₀ = x²,   q_l = (f_{l−1} E h²_{l−1} + 1)/(3 f_{l−1}),   E h²_l = q_l/2
    E m(x; θ₀)² = q_D(x),   E f(θ₀) = mean y² + mean q_D(x)

See: on the left, where the band begins is predicted (dashed); where it ends is wide. On the right, only at its end
does the sharpness come near 2/η, which gradient descent bears.

Source: FRTN50 assignment 3c, from six unseeded starts. One of them, it says, had the worst loss and the best test
loss, a lesson about overtraining; over many starts the two losses are ranked alike.
"""

import math

import numpy as np
import xarray as xr
from scipy import stats

from descent.config import Count, Positive, experiment_config
from descent.maths import rules, sampling
from descent.maths.initialise import initialise
from descent.maths.network import Shape, outputs
from descent.maths.network import losses as mean_losses
from descent.maths.times import log_spaced
from descent.maths.training import train
from descent.mlp1d import _problem
from descent.mlp1d._problem import DRAWN, MOST_POINTS, Hidden, hinge_floor, target
from descent.result import Check, Result, measured, predicted, replicates, steps

FEWEST_DRAWS = 1000


@experiment_config
class Config(_problem.Config):
    hidden: Hidden
    rate: Positive  # η
    draws: Count  # starts whose mean loss is compared with its expectation
    test_points: Count  # of the interval, evenly spaced

    def __post_init__(self):
        super().__post_init__()
        if self.draws < FEWEST_DRAWS:
            raise ValueError(
                f"draws {self.draws} < {FEWEST_DRAWS}: the mean of squares is not normal yet"
            )
        if not self.points < self.test_points <= MOST_POINTS:
            raise ValueError(
                f"test_points {self.test_points}: must be more than the points {self.points}, and "
                f"at most {MOST_POINTS}"
            )

    @property
    def shape(self) -> Shape:
        return Shape((1, *self.hidden, 1), "relu")


def expected_square(x: np.ndarray, widths: tuple[int, ...]) -> np.ndarray:
    """E m(x; θ₀)² of a ReLU network with torch's default start."""
    q = square = x**2  # E h² of the layer below, per unit
    for fan_in in widths[:-1]:
        q = (fan_in * square + 1) / (3 * fan_in)
        square = q / 2
    return q


def predict(config: Config) -> xr.Dataset:
    """Second moments, from the widths."""
    x, y = _problem.points(config.points)
    square = expected_square(x[:, 0], config.shape.widths)
    return xr.Dataset(
        {
            "square_predicted": predicted("point", square, "E m(x_i; θ₀)²"),
            "start_loss_predicted": predicted((), np.mean(y**2) + np.mean(square), "E f(θ₀)"),
        }
    )


def measure_starts(config: Config) -> xr.Dataset:
    """Means over many starts, and how far off chance may put them."""
    (x, y), shape = _problem.points(config.points), config.shape
    _problem.require_hessian(shape)
    _problem.require_room(shape, config.draws, config.points)
    theta = initialise(np.random.default_rng([config.seed, 1]), "uniform", shape, config.draws)
    loss = xr.DataArray(mean_losses(theta, x, y, shape, "square"), dims="replicate")
    square = xr.DataArray(outputs(theta, x, shape)[..., 0] ** 2, dims=("replicate", "point"))
    first, second = sampling.mean(loss), sampling.mean(square)
    return xr.Dataset(
        {
            "start_loss": measured((), first.value, "mean loss of random starts"),
            "start_loss_tol": measured((), first.tol, first.why),
            "square": measured("point", second.value, "mean m(x_i; θ₀)²"),
            "square_tol": measured("point", second.tol, second.why),
        }
    )


def measure_ends(config: Config) -> xr.Dataset:
    """Training of the replicates, and what became of them."""
    (x, y), shape, R = _problem.points(config.points), config.shape, config.replicates
    _problem.require_room(shape, R, config.points, config.epochs)
    _problem.require_room(shape, R, config.test_points)
    kept, each = log_spaced(config.epochs, DRAWN), "replicate"
    theta = initialise(np.random.default_rng(config.seed), "uniform", shape, R)
    slope = _problem.slope(x, y, shape)
    out = train(theta, slope, rules.descent(), config.rate, config.epochs)
    end = np.where(out.is_lost[:, None], 0.0, out.theta)  # zeros in place of a lost network
    fine = np.linspace(-1, 1, config.test_points)[:, None]
    shown = np.linspace(-1, 1, min(config.test_points, 201))[:, None]
    rmse = np.sqrt(mean_losses(end, fine, target(fine), shape, "square"))
    sharpness = _problem.sharpness(end, config.points, shape)
    travelled = np.linalg.norm(end - theta, axis=1) / np.linalg.norm(theta, axis=1)
    fit = outputs(end, shown, shape)[..., 0].T
    return xr.Dataset(
        {
            "loss": measured(("epoch", each), out.losses[kept], "training loss"),
            "final": measured(each, out.losses[-1], "loss at the end"),
            "sharpness": measured(each, sharpness, "λ_max at the end"),
            "rmse": measured(each, rmse, "RMSE on [−1, 1]"),
            "travelled": measured(each, travelled, "‖θ_T − θ₀‖/‖θ₀‖"),
            "diverged": measured(each, out.is_lost.astype(float), "diverged"),
            "fit": measured(("x", each), fit, "m(x; θ_T)"),
            "truth": measured("x", target(shown)[:, 0], "y(x)"),
            "y": measured("point", y[:, 0], "y_i"),
        },
        coords={
            "epoch": steps(kept, "epoch", "epoch"),
            "x": ("x", shown[:, 0], {"long_name": "x"}),
            "point": ("point", x[:, 0], {"long_name": "x_i"}),
            each: replicates(R),
        },
    )


def run(config: Config) -> Result:
    starts, ends = measure_starts(config), measure_ends(config)
    theory = predict(config)
    final, rmse, good = (ends[name].values for name in ("final", "rmse", "diverged"))
    rank, chance = _ranks(final[good == 0], rmse[good == 0])
    alike = rank > 0 and chance <= sampling.level(1)
    low, high = np.quantile(np.log10(np.maximum(final, 1e-30)), [0.05, 0.95])
    # The worst of six starts has the best test loss in one of six draws if the two are unrelated.
    sixes = np.arange(config.replicates // 6 * 6).reshape(-1, 6)
    worst, best = final[sixes].argmax(1), rmse[sixes].argmin(1)
    reason = (
        f"rank correlation {rank:.2g} of the two losses: chance in one of {1 / chance:.2g} runs"
    )
    return Result(
        data=starts.merge(ends).merge(theory).assign_attrs(critical=2 / config.rate),
        metrics={
            "parameters": float(config.shape.parameters),
            "final_median": np.median(final),
            "final_p05": 10**low,
            "final_p95": 10**high,
            "sharpness_median": ends["sharpness"].median(),
            "rmse_median": np.median(rmse),
            "rmse_p05": np.quantile(rmse, 0.05),
            "rmse_p95": np.quantile(rmse, 0.95),
            "travelled_median": ends["travelled"].median(),
            "diverged_fraction": ends["diverged"].mean(),
            "rank_correlation": rank,
            "best_is_worst_of_six": (worst == best).mean() if len(sixes) else 0.0,
            "start_loss": starts["start_loss"],
            "start_loss_predicted": theory["start_loss_predicted"],
            "below_hinge_fraction": (final < hinge_floor(*_problem.points(config.points))).mean(),
        },
        checks=compare(starts, theory, rank if chance <= sampling.level(1) else None),
        unchecked={} if alike or chance <= sampling.level(1) else {"losses_ranked_alike": reason},
    )


def _ranks(final: np.ndarray, rmse: np.ndarray) -> tuple[float, float]:
    """Rank correlation, and how likely chance makes one of this size, either sign; of too few (0, 1)."""
    if len(final) < 4 or not (np.ptp(final) and np.ptp(rmse)):
        return 0.0, 1.0
    found = stats.spearmanr(final, rmse)
    orders = math.factorial(min(len(final), 150))  # no order of the ranks is rarer than one of all
    return float(found.statistic), max(float(found.pvalue), 2 / orders)


def compare(starts: xr.Dataset, theory: xr.Dataset, rank: float | None) -> tuple[Check, ...]:
    """The rank correlation is given only if chance does not make one of this size."""
    checks = []
    for name in ("start_loss", "square"):
        value, tol = starts[name], starts[f"{name}_tol"]
        why = tol.attrs["long_name"]
        checks.append(Check(f"mean_{name}", value, "==", theory[f"{name}_predicted"], tol, why))
    if rank is not None:
        why = "its sign, where chance gives none this large"
        checks.append(Check("losses_ranked_alike", rank, ">=", 0, 0, why))
    return tuple(checks)

"""On a regression the direction with the large singular value oscillates, and averaging gradients tames it.

    L(w) = ‖Xw − y‖², X: (points, 2), y_k = 1 where the second coordinate of point k is positive, else 0
    z ← (1 − β)z + βg,   w ← w − ηz,   w₀ = 0, z₀ = g₀: the first step is that of gradient descent
    x_i = v_iᵀ(w − w*),   g_i = 2σ_i² x_i,   L − L* = Σ σ_i² x_i²

Gradient descent changes the sign of x_i every step where 1 − 2ησ_i² < 0: the large σ_i first. With
β < 1 the mode turns by θ a step, cos θ = (2 − β − 2h_i)/2r, and shrinks by r = √(1 − β) whatever
σ_i is, as long as h_i = ηβσ_i² lies between (1 ∓ r)²/2.

Both are claims about some steps and weights only. The closed form says which: there they are checked, and
every run is held against its closed form, whether it converges or not.

Source: CS182 homework 2, questions 2h and 2i, with the points and the step of their notebook.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, Refusal, Seed, experiment_config
from descent.maths.momentum import highest, polyak, radius, trajectory
from descent.result import Check, Erratum, Result, steps

EPS = np.finfo(float).eps
SEEN = 1e-7  # of the largest |x| so far, from which signs count: rounding is a part in 1e8 of that
HUGE = 1e100  # |x| up to which losses are numbers


@experiment_config
class Config:
    seed: Seed  # of numpy's RandomState, as in the notebook
    points: Count
    centre: tuple[float, float]
    spread: tuple[Positive, Positive]  # standard deviations
    beta: Positive
    step: Positive  # η
    steps: Count
    accuracy: Positive  # ε of the iteration counts, which are steps + 1 where it is not reached

    def __post_init__(self):
        if self.points < 3:
            raise ValueError(f"points {self.points}: two directions and a residual take at least 3")
        if self.beta >= 2:
            raise ValueError(f"beta {self.beta:g} ≥ 2: no step is stable")
        if self.accuracy >= 1:
            raise ValueError(f"accuracy {self.accuracy:g} ≥ 1: the start is as good as that")


def problem(config: Config) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.RandomState(config.seed)  # the notebook's stream
    X = rng.normal(config.centre, config.spread, (config.points, 2))
    return X, (X[:, 1] > 0).astype(float)


def descend(X: np.ndarray, y: np.ndarray, beta: float, eta: float, count: int) -> tuple:
    """w_t and ∇L(w_t) for t = 0 … count."""
    w, z, path, slopes = np.zeros(X.shape[1]), None, [], []
    for _ in range(count + 1):
        g = 2 * X.T @ (X @ w - y)
        path.append(w)
        slopes.append(g)
        z = g if z is None else z  # z₀ = g₀
        z = (1 - beta) * z + beta * g
        w = w - eta * z
    return np.array(path), np.array(slopes)


def runs(config: Config, squares: np.ndarray) -> dict[str, tuple[float, float]]:
    """(β, η) by name."""
    top, low = squares
    joint = polyak(top, low)
    return {
        "gradient descent": (1.0, config.step),
        "averaged": (config.beta, config.step),
        "averaged, twice the step": (config.beta, 2 * config.step),
        "averaged, best step": (config.beta, highest(config.beta) / (config.beta * (top + low))),
        "gradient descent, best step": (1.0, 1 / (top + low)),
        "Polyak": (joint.beta, joint.eta),
    }


def sign_changes(x: np.ndarray, seen: int) -> int:
    """How often the first `seen` values change their sign."""
    return int((np.diff(np.sign(x[:seen])) != 0).sum())


def stays(x: np.ndarray, bound: float) -> np.ndarray:
    """The first t from which on ‖x_t‖ ≤ bound, for every run; one more than the last t if there is none."""
    far = ~(np.linalg.norm(x, axis=2) <= bound)
    return np.where(far, np.arange(x.shape[1]), -1).max(1) + 1


def measured(config: Config) -> Result:
    X, y = problem(config)
    _, s, Vt = np.linalg.svd(X, full_matrices=False)
    squares, target = s**2, np.linalg.lstsq(X, y)[0]
    if not y.any():
        raise Refusal(
            f"centre {list(config.centre)}: no point is on the positive side, so w* = w₀ = 0"
        )
    floor = float(np.square(X @ target - y).sum())
    named, t = runs(config, squares), np.arange(config.steps + 1)
    values: dict[str, list] = {k: [] for k in ("x", "g", "closed", "excess", "loss")}
    for beta, eta in named.values():
        path, slopes = descend(X, y, beta, eta, config.steps)
        x, h = (path - target) @ Vt.T, eta * beta * squares
        # The first step is whole: x₁ = (1 − 2ησ²)x₀.
        closed = [trajectory(beta, h[i], 1 - 2 * eta * squares[i], t) for i in (0, 1)]
        values["x"].append(x)
        values["g"].append(slopes @ Vt.T)
        values["closed"].append(np.array(closed).T * x[0])
        values["loss"].append(np.square(path @ X.T - y).sum(1))
        values["excess"].append(values["loss"][-1] - floor)
    x, g, closed, excess, loss = (np.array(v) for v in values.values())
    beta, eta = np.array(list(named.values())).T
    kappa = squares[0] / squares[1]
    # w* is known to κ roundings; one of h moves x near a repeated root by a part in t²Δ.
    rounding = EPS * (kappa + config.steps) * config.steps
    changes, expected = [], []
    for one, other in zip(x, closed, strict=True):
        for i in (0, 1):
            most = np.maximum.accumulate(np.abs(other).max(1))
            hidden = np.flatnonzero(~(np.abs(other[:, i]) > SEEN * most))
            seen = int(hidden[0]) if len(hidden) else len(t)
            changes.append(sign_changes(one[:, i], seen))
            expected.append(sign_changes(other[:, i], seen))
    changes = np.array(changes).reshape(-1, 2)
    expected = np.array(expected).reshape(-1, 2)
    size = np.linalg.norm(target)
    T = stays(x, config.accuracy * size)
    slack = config.accuracy * rounding + 100 * EPS * kappa
    first, last = (stays(closed, (config.accuracy + sign * slack) * size) for sign in (1, -1))
    rates = radius(beta[:, None], (beta * eta)[:, None] * squares)

    dims = ("run", "t", "direction")
    data = xr.Dataset(
        {
            "parameter": (dims, x, {"long_name": "x_i = v_iᵀ(w_t − w*)"}),
            "parameter_predicted": (dims, closed, {"long_name": "closed form", "role": "prediction"}),
            "gradient": (dims, g, {"long_name": "v_iᵀ∇L(w_t)"}),
            "excess": (("run", "t"), np.maximum(excess, 1e-13), {"long_name": "L − L*, at least 10⁻¹³"}),
            "sign_changes": (("run", "direction"), changes, {"long_name": "changes of sign"}),
            "rate": (("run", "direction"), rates, {"long_name": "|λ|", "role": "prediction"}),
            "iterations": ("run", T, {"long_name": "iterations until ‖w_t − w*‖ stays ≤ ε‖w*‖"}),
            "square": ("direction", squares, {"long_name": "σ_i²"}),
        },
        coords={
            "run": ("run", list(named), {"long_name": "run"}),
            "direction": ("direction", [1, 2], {"long_name": "direction i"}),
            "t": steps(t, "t", "iteration t"),
        },
    )  # fmt: skip
    modal = (squares * x**2).sum(-1)
    # What diverges is compared until its squares leave float64.
    held = np.abs(closed).max(2) < HUGE

    def largest(values):
        """Of every run while it is held; (run, t) or (run, t, direction)."""
        return (
            np.abs(
                values,
                where=held.reshape(held.shape + (1,) * (values.ndim - 2)),
                out=np.zeros_like(values),
            )
            .reshape(len(values), -1)
            .max(1)
        )

    apart = largest(x - closed) / largest(closed)
    off = largest(excess - modal) / largest(loss)
    slope = largest(g - 2 * squares * x) / largest(g)
    errata, tol = [], 100 * EPS * float(y @ y)
    if rates[0].max() < 1 and loss[0, -1] - floor > tol:
        errata.append(
            Erratum(
                "least loss, as the last loss of the run",
                "CS182 homework 2, question 2h, notebook: the last loss stands for the least",
                printed=float(loss[0, -1]),
                correct=floor,
                measured=float(y @ y - np.square((X @ Vt.T / s).T @ y).sum()),
                tol=tol,
            )
        )
    k = int(np.argmax(config.spread))
    deviation = config.spread[k]
    tol = 4 * deviation**2 * np.sqrt(2 / (config.points - 1))  # four standard errors
    if abs(deviation**2 - deviation) > 2 * tol:
        errata.append(
            Erratum(
                "largest variance of the points",
                "CS182 homework 2, question 2h, notebook: covariance diag(3, 1), drawn with deviations 3 and 1",
                printed=deviation,
                correct=deviation**2,
                measured=float(X[:, k].var(ddof=1)),
                tol=tol,
            )
        )
    contrasts = []  # where the closed form has them: at other steps and weights they are not claimed
    if expected[0, 0] > expected[0, 1]:
        contrasts.append(
            Check("gradient_descent_oscillates_along_large_sigma", int(changes[0, 0]), ">=", int(changes[0, 1]) + 1, 0)
        )  # fmt: skip
    for name, one, other in (
        ("averaging_is_faster", 1, 0),
        ("averaging_at_its_best_step_is_faster", 3, 4),
    ):
        if last[one] < first[other]:
            contrasts.append(Check(name, int(T[one]), "<=", int(T[other]) - 1, 0))
    ends = {"excess_gradient_descent": excess[0, -1], "excess_averaged": excess[1, -1]}
    counts = {
        f"iterations_{name.replace(',', '').replace(' ', '_')}": int(n)
        for name, n in zip(named, T, strict=True)
    }
    return Result(
        data=data,
        metrics={
            "largest_square": squares[0],
            "smallest_square": squares[1],
            "condition": kappa,
            "least_loss": floor,
            "largest_step_gradient_descent": 1 / squares[0],
            "largest_step_averaged": highest(config.beta) / (config.beta * squares[0]),
        }
        | {name: value for name, value in ends.items() if np.isfinite(value)}
        | counts,
        checks=(
            Check("directions_off_closed_form", float(apart.max()), "<=", 0.0, rounding),
            Check("gradients_off_2_sigma_2_x", float(slope.max()), "<=", 0.0, rounding),
            Check("loss_off_sum_over_directions", float(off.max()), "<=", 0.0, rounding),
            Check("sign_changes_off_prediction", int((changes != expected).sum()), "==", 0, 0),
            Check("iterations_off_closed_form", int(((first > T) | (last < T)).sum()), "==", 0, 0),
            *contrasts,
        ),
        errata=tuple(errata),
    )  # fmt: skip


def run(config: Config) -> Result:
    with np.errstate(over="ignore", invalid="ignore"):  # diverging is a result
        return measured(config)

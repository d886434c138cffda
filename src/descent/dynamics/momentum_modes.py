"""Averaged gradients on least squares fall apart into a system of two numbers for every singular value.

In the basis of the right singular vectors the gradient of a direction depends on the error of that direction alone. So
the error and the averaged gradient along one direction make the next two of that direction, and no others.

    L(w) = ‖Xw − y‖²,   z ← (1 − β)z + β∇L(w),   w ← w − ηz,   w₀ = z₀ = 0;   X = UΣVᵀ: (rows, columns)
    x_t = Vᵀ(w_t − w*),  a_t = Vᵀz_t:   ∇L = 2XᵀX(w − w*), since ΣᵀΣVᵀw* = ΣᵀUᵀy
    (a, x)_{t+1}[i] = R_i (a, x)_t[i],   R_i = [[1 − β, 2βσ_i²], [−η(1 − β), 1 − 2ηβσ_i²]]
    all directions together: one matrix with the R_i on its diagonal, and 0 elsewhere

See: left and middle, the errors and the averaged gradients of a run lie on the powers of R_i; right, one update of
every direction in turn reaches no other direction.

Source: CS182 homework 2, questions 2a and 2b. In its rewriting, x_t + Vᵀw_t stands for x_t + Vᵀw*, and what is left
of that, 2β(ΣᵀΣVᵀ(…) − ΣᵀUᵀy), is dropped: it is 0 for w*, and not for w_t.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Positive, experiment_config
from descent.dynamics._least_squares import EPS, Data, Regression
from descent.maths.limits import require_at_most, require_cost, require_within
from descent.maths.momentum import radius
from descent.result import Check, Erratum, Result, measured, predicted, steps

PARTS = ("a", "x")
GROWN = 1e12  # beyond which rounding of the first steps is all there is to compare


@experiment_config
class Config(Data):
    beta: Positive
    height: Positive  # h = ηβσ₁², stable below 2 − β
    steps: Count

    def __post_init__(self):
        super().__post_init__()
        require_within("beta", self.beta, 1e-6, 2, "a weight of the new gradient")
        require_within("height", self.height, 1e-9, 1e3, "the step is too short, or too long")
        require_at_most(self, "its modes fill the memory", columns=100, rows=5000)
        require_at_most(self, "rounding, 2⁻⁵²steps², would hide the modes", steps=10_000)
        require_cost(self, "rows, columns, steps", operations=10.0 * self.steps * self.rows * 100)
        growth = self.steps * np.log(float(radius(self.beta, self.height)))
        if growth > np.log(GROWN):
            raise ValueError(
                f"height {self.height:g}: the first mode grows by e^{growth:.3g} "
                f"in {self.steps} steps"
            )


def eta_of(config: Config, given: Regression) -> float:
    return float(config.height / (config.beta * given.squares[0]))


def slope(given: Regression) -> float:
    """The largest |∇L| at a distance of 1 from w*."""
    return float(2 * given.squares[0])


def kept(config: Config) -> np.ndarray:
    """The steps that are compared."""
    return np.unique(np.linspace(0, config.steps, 200).astype(int))


def predict(config: Config, given: Regression) -> xr.Dataset:
    """Powers of R_i, the matrix of all directions, and ΣᵀUᵀy = VᵀXᵀy."""
    beta, eta, squares = config.beta, eta_of(config, given), given.squares
    k = len(squares)
    R = np.array(
        [[[1 - beta, 2 * beta * s], [-eta * (1 - beta), 1 - 2 * eta * beta * s]] for s in squares]
    )
    whole = np.zeros((2, k, 2, k))  # to (part, mode), from (part, mode)
    whole[:, np.arange(k), :, np.arange(k)] = R
    start = np.stack([np.zeros(k), -given.Vt @ given.solution], -1)[..., None]
    path = np.array([(np.linalg.matrix_power(R, t) @ start)[..., 0] for t in kept(config)])
    return xr.Dataset(
        {
            "averaged_gradient_predicted": predicted(("t", "mode"), path[..., 0], "R_iᵗ"),
            "error_predicted": predicted(("t", "mode"), path[..., 1], "R_iᵗ"),
            "update_predicted": predicted(("to", "from"), whole.reshape(2 * k, 2 * k), "R_i, 0"),
            "solution_side_predicted": predicted(
                "mode", given.Vt @ given.X.T @ given.y, "σ_i u_iᵀy"
            ),
        }
    )


def update(
    config: Config, given: Regression, w: np.ndarray, z: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One step of every row of w and z."""
    gradient = 2 * (w @ given.X.T - given.y) @ given.X
    z = (1 - config.beta) * z + config.beta * gradient
    return w - eta_of(config, given) * z, z


def measure(config: Config, given: Regression) -> xr.Dataset:
    """A run on w, seen along the singular vectors, and one update of each direction."""
    w = z = np.zeros(config.columns)
    path = [(z, w)]
    for _ in range(config.steps):
        w, z = update(config, given, w, z)
        path.append((z, w))
    a, x = np.swapaxes(np.array(path)[kept(config)], 0, 1)
    k, size = len(given.squares), float(np.linalg.norm(given.solution))
    still, units = np.zeros_like(given.Vt), np.array([size * slope(given), size])  # of a, of x
    starts = ((still, units[0] * given.Vt), (units[1] * given.Vt, still))
    ends = [update(config, given, given.solution + moved, z) for moved, z in starts]
    columns = [np.stack([z, w - given.solution]) @ given.Vt.T for w, z in ends]  # (to, from, to)
    whole = np.stack(columns).transpose(1, 3, 0, 2) / units[:, None]
    whole = whole.reshape(2 * k, 2 * k)
    names = [f"{part}[{i + 1}]" for part in PARTS for i in range(k)]
    return xr.Dataset(
        {
            "averaged_gradient": measured(("t", "mode"), a @ given.Vt.T, "a_t = v_iᵀz_t"),
            "error": measured(
                ("t", "mode"), (x - given.solution) @ given.Vt.T, "x_t = v_iᵀ(w_t − w*)"
            ),
            "update": measured(("to", "from"), whole, "one update of every direction"),
            "solution_side": measured(
                "mode", given.squares * (given.Vt @ given.solution), "σ_i² v_iᵀw*"
            ),
        },
        coords={
            "t": steps(kept(config), "t", "iteration t"),
            "mode": ("mode", np.arange(k) + 1, {"long_name": "direction i"}),
            "to": ("to", names, {"long_name": "after the update"}),
            "from": ("from", names, {"long_name": "before the update"}),
        },
        attrs={"beta": config.beta},
    )


def run(config: Config) -> Result:
    given = config.draw()
    found, theory = measure(config, given), predict(config, given)
    checks = compare(config, given, found, theory)
    return Result(
        data=found.merge(theory),
        metrics={
            "eta": eta_of(config, given),
            "condition": given.condition,
            "largest_averaged_gradient": np.abs(found["averaged_gradient"]).max(),
        },
        checks=checks,
        errata=refute(config, given, found, theory, checks[1].tol),
    )


def compare(
    config: Config, given: Regression, found: xr.Dataset, theory: xr.Dataset
) -> tuple[Check, ...]:
    t, shape = found["t"], sum(given.X.shape)
    # A rounding of a step, seen t steps later: powers of R may grow by t before they shrink.
    one = given.rounding * (1 + config.height)
    largest = max(1.0, float(np.abs(found["error"]).max() / np.abs(found["error"][0]).max()))
    error = one * (given.condition + (t + 1.0) ** 2) * largest
    later, now = "a rounding a step, which grows by t", "κ roundings of w*"
    units = [slope(given) if name.startswith("a") else 1.0 for name in found["to"].values]
    part = one / np.linalg.norm(given.solution) + 4 * shape * EPS
    entry = xr.DataArray(units, dims="to") / xr.DataArray(units, dims="from")
    reach = 1 + 2 * config.height / config.beta  # of a in x: η times 2σ₁²
    entry = (entry * part * reach * given.condition).assign_coords(found["update"].coords)
    rows = [
        ("error", error, later),
        ("averaged_gradient", slope(given) * error, f"{later}, times 2σ₁²"),
        ("update", entry, now),
        ("solution_side", slope(given) * one * given.condition, now),
    ]
    return tuple(
        Check(name, found[name], "==", theory[f"{name}_predicted"], tol, why)
        for name, tol, why in rows
    )


def refute(
    config: Config, given: Regression, found: xr.Dataset, theory: xr.Dataset, tol: xr.DataArray
) -> tuple[Erratum, ...]:
    """The first averaged gradient with x₀ + Vᵀw₀ where x₀ + Vᵀw* stands."""
    first, side = -float(given.Vt[0] @ given.solution), float(theory["solution_side_predicted"][0])
    if int(found["t"][1]) != 1:
        return ()
    erratum = Erratum(
        "first averaged gradient with Vᵀw_t for Vᵀw*",
        "CS182 homework 2, question 2a: the second line of the rewriting",
        printed=float(config.beta * 2 * (given.squares[0] * first - side)),  # Vᵀw₀ = 0
        correct=float(2 * config.beta * given.squares[0] * first),
        measured=float(found["averaged_gradient"][1, 0]),
        tol=float(tol[1]),
    )
    return (erratum,)

"""From a small start only the output bias learns: the network is a constant, of one feature with σ₁ near √N.

The gradients of all weights are products of the other layers' small weights, and hardly move them in the time of a
training. The output bias sees the targets at once and goes to their mean, by a recursion of its own. The biases of the
last hidden layer are pulled along, by their small weights, and switch units off; those stay off.

    weights U(±c), biases 0, depth D:   m = b_D + outputs of the layer below,  of the order of (c√(n/6))^{D−1}
    b_D: v ← μv + 2(b_D − ȳ_B), b_D ← b_D − ηv;   error: mean (f − m)² = Var f + (mean f − b_D)² ≥ Var f
    a weight grows in T steps by exp(ηT/(1 − μ) |a| g^{D−2}), g = c√(n/6):  this is no long training
    JJᵀ = FFᵀ + C, F = [1, w_u 1_{u on}], C ≥ 0 small:   σ₁² = N(1 + Σ w_u² …), w the weights of the last layer

See: on the left one singular value stands at √N and the next is lower by orders of magnitude; in the middle what is
learned is a constant; on the right what σ₁ is above √N by goes as units of the last hidden layer are switched off.

Source: CS182 homework 2, questions 6b and 6c: its small start, whose singular values it sees cluster into one.
"""

import numpy as np
import xarray as xr

from descent.config import Refusal, experiment_config
from descent.features import _constant, _jacobian, _small
from descent.features._outside import line_floor
from descent.features._problem import require_room
from descent.features._small import Drawn, draw, slack
from descent.features._training import ends, step_count, train_in_batches
from descent.maths.network import outputs
from descent.result import Check, Result, bound, measured, predicted, replicates, sweep

DIMS = ("when", "replicate")
TOP = 20  # singular values that are kept
LARGEST = 1000  # points of a Jacobian


@experiment_config
class Config(_small.Small):
    pass


def predict(config: Config, given: Drawn) -> xr.Dataset:
    """The output bias by its recursion, the error of that constant, and the best constant's."""
    path = _constant.biases(config.sample()[1], given.order, config.pace)
    f = config.function(config.test)
    error = f.var() + (f.mean() - path[-1]) ** 2
    return xr.Dataset(
        {
            "output_bias_predicted": predicted("replicate", path[-1], "by its own recursion"),
            "test_predicted": predicted("replicate", error, "Var f + (mean f − b_D)²"),
            "test_bound": bound((), f.var(), "best constant"),
        }
    )


def predict_spectrum(config: Config, parts: tuple[_constant.Split, ...]) -> xr.Dataset:
    """σ₁ and the effective rank of F, of networks before and after training."""
    rank = [_jacobian.effective_rank(one.sigma) for one in parts]
    return xr.Dataset(
        {
            "sigma1_predicted": predicted(DIMS, [one.sigma[:, 0] for one in parts], "σ₁ of F"),
            "effective_rank_predicted": predicted(DIMS, rank, "effective rank of F"),
        }
    )


def measure(config: Config, given: Drawn) -> tuple[xr.Dataset, tuple[_constant.Split, ...]]:
    """Singular values before and after training, and what the network has become; F of the networks."""
    (theta, order), shape = given, config.shape
    near = config.near()
    out = train_in_batches(theta, *config.sample(), shape, order, config.pace)
    pair = theta.astype(float), ends(out)
    sigma = [_jacobian.singular_values(at, near, shape, config.samples) for at in pair]
    parts = tuple(
        _constant.split(at, near, shape, config.samples, all_of)
        for at, all_of in zip(pair, sigma, strict=True)
    )
    kept, test = min(TOP, len(near)), config.test
    shown = np.array([np.maximum(s[:, :kept], 1e-7 * s[:, :1]) for s in sigma])
    kinks = [_jacobian.kinks(at, shape, -1.0, 1.0).astype(float) for at in pair]
    m, f = outputs(pair[1], test, shape)[..., 0], config.function(test)
    bias = shape.layers(pair[1])[-1][1].reshape(len(theta))
    found = xr.Dataset(
        {
            "sigma": measured((*DIMS, "index"), shown, "σ_k of the Jacobian"),
            "sigma1": measured(DIMS, [s[:, 0] for s in sigma], "σ₁"),
            "effective_rank": measured(
                DIMS, list(map(_jacobian.effective_rank, sigma)), "effective rank"
            ),
            "kinks": measured(DIMS, kinks, "kinks"),
            "on": measured(DIMS, [one.on for one in parts], "share of units of the last layer on"),
            "output": measured(("replicate", "x"), m, "m(x)"),
            "output_bias": measured("replicate", bias, "b_D at the end"),
            "range": measured("replicate", np.ptp(m, 1), "range"),
            "test": measured("replicate", np.mean((m - f[:, 0]) ** 2, 1), "test error"),
            "lost": measured("replicate", out.is_lost.astype(float), "the loss was lost"),
        },
        coords={
            "when": ("when", ["before", "after"], {"long_name": "training"}),
            "index": sweep(range(1, kept + 1), "index", "k"),
            "x": ("x", test[:, 0], {"long_name": "x"}),
            "replicate": replicates(len(theta)),
        },
    )
    return found, parts


def run(config: Config) -> Result:
    n, P, R = len(config.points), config.shape.parameters, config.replicates
    if n > LARGEST:
        raise Refusal(f"every {config.every}: {n} points > {LARGEST} of a Jacobian")
    seen = step_count(config.samples, config.batch, config.epochs) * config.batch
    require_room(max(R * P * 4, n * P, R * seen), f"{P} parameters, {R} × {seen} samples")
    given = draw(config)
    found, parts = measure(config, given)
    theory = predict(config, given).merge(predict_spectrum(config, parts))
    middle, lost = found.median("replicate"), int(found["lost"].sum())
    each = {
        f"small_{name}_{when}_median": middle[name].sel(when=when)
        for name in ("effective_rank", "sigma1", "kinks", "on")
        for when in ("before", "after")
    }
    f = config.function(config.test)
    levels = {"root": np.sqrt(config.samples), "line": line_floor(config.test, f)}
    return Result(
        data=found.merge(theory).assign(truth=measured("x", f[:, 0], "f(x)")).assign_attrs(levels),
        metrics=each
        | {
            "small_test_median": middle["test"],
            "small_output_range_median": middle["range"],
            "small_diverged_fraction": lost / R,
            "best_constant": theory["test_bound"],
            "best_line": levels["line"],
        },
        checks=compare(config, given, found, theory, parts) if lost < R else (),
        no_claim=(f"{lost} of {R} networks were lost in training",) * bool(lost),
    )


def compare(
    config: Config,
    given: Drawn,
    found: xr.Dataset,
    theory: xr.Dataset,
    parts: tuple[_constant.Split, ...],
) -> tuple[Check, ...]:
    kept, P = found["lost"] == 0, min(config.shape.parameters, len(config.points))
    bias, error = (xr.DataArray(a, dims="replicate") for a in slack(config, given))
    squares = [one.rest / (2 * one.sigma[:, 0]) + 1e-9 * one.sigma[:, 0] for one in parts]
    tols = {
        "output_bias": (bias, "what the outputs of the layer below add to the gradient of b_D"),
        "test": (error, "the same, beside f"),
        "sigma1": (xr.DataArray(squares, dims=DIMS), "Weyl: the trace of all other derivatives"),
        "effective_rank": (
            xr.DataArray([_constant.off(one, P) + 1e-9 for one in parts], dims=DIMS),
            "the entropy of a share of the trace",
        ),
    }
    checks = [
        Check(name, found[name], "==", theory[f"{name}_predicted"], tol, why, kept)
        for name, (tol, why) in tols.items()
    ]
    least = found["test"], ">=", theory["test_bound"], error, tols["test"][1]
    return (*checks, Check("test_at_least", *least, kept))

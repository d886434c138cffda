"""Without biases a ReLU network on the line has four features at any depth; training adds features, or leaves just one.

    J = ∂m(x_i)/∂θ = UΣVᵀ: (N, P);   zero biases: J = AB with 4 columns in A, so rank 4, its σ from x = ±1
    one hidden layer:  span J = span {1, 1_{z_j>0}, x·1_{z_j>0}}, so
      rank J ≤ 1 + 2g + e,  g gaps between points with kinks of units in them,  e = 1 if x is in the span, else 0
    a small start stays put:  m = b_D up to the outputs of the layer below,  J = 1·e_{b_D}ᵀ,  σ₁ = √N, nothing else

Source: CS182 homework 2, question 6c, g, i. It finds that before training the singular values of the small
start vary slightly; the second is a hundredth of the first, and all but four are zero, as at any start.
"""

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from descent.config import Count, Positive, Refusal, Seed, experiment_config
from descent.features import halves, jacobian, problem
from descent.features.problem import Hidden, require_room, require_scale, starts, torch_starts
from descent.features.training import Schedule, orders, step_count, train
from descent.maths.networks import Shape, draw, forward, jacobians, losses, outputs
from descent.result import Check, Erratum, Result, replicates, sweep

TOP = 60  # singular values that are kept
LARGEST = 1000  # points of a Jacobian
FEATURES = 4  # that are drawn
SMALL = 1e-11  # of σ₁, far above the rounding of an SVD and far below what a kink adds


@experiment_config
class Config(problem.Data, Schedule):
    seed: Seed
    replicates: Annotated[int, Field(ge=4)]  # networks that are trained from each start
    hidden: Hidden  # of the deep network
    width: Count  # of the shallow one
    small: Positive  # c of its start
    small_seed: Seed  # of torch, for the document's small start
    depths: Annotated[
        tuple[Count, ...], Field(min_length=1)
    ]  # hidden layers, of networks whose rank is counted
    every: Count  # one of so many points stands for all, in the Jacobians of the replicates
    threshold: Positive  # singular values above this share of the largest count
    test_points: Count
    printed_spread: tuple[Positive, ...]  # σ₂/σ₁ of singular values that vary slightly, or none

    def __post_init__(self):
        if len(self.points) < 2 * FEATURES:
            raise ValueError(
                f"every {self.every}: leaves {len(self.points)} of {self.samples} points"
            )
        require_scale("small", self.small, self.hidden)
        if not 1e-6 <= self.threshold < 1:
            raise ValueError(
                f"threshold {self.threshold:g}: σ below 1e-7 σ₁ are rounding, so 1e-6 ≤ threshold < 1"
            )
        if not step_count(self.samples, self.batch, self.epochs):
            raise ValueError(
                f"batch {self.batch} > {self.samples * self.epochs} points in all epochs: no step"
            )

    @property
    def points(self) -> range:
        return range(self.every // 2, self.samples, self.every)


def elbows(theta: np.ndarray, shape: Shape, x: np.ndarray) -> np.ndarray:
    """1 + 2g + e for one hidden layer: units turn on or off in g of the gaps between the points.

    e = 1 where x itself is in the span: a unit is on at every point, or two are on on either side of one gap.
    """
    bounds = []
    for on in forward(theta, x, shape)[1] > 0:  # (n, W)
        turning = on[:, on.any(axis=0) & ~on.all(axis=0)]
        sides = {(column ^ column[0]).tobytes() for column in turning.T}
        both = len({column.tobytes() for column in turning.T}) > len(sides)
        bounds.append(1 + 2 * len(sides) + (on.all(axis=0).any() or both))
    return np.array(bounds)


def span_rank(theta: np.ndarray, shape: Shape, x: np.ndarray) -> np.ndarray:
    """Dimension of span {1, 1_{z_j>0}, x·1_{z_j>0}} on the points, for one hidden layer."""
    on = (forward(theta, x, shape)[1] > 0).astype(float)
    basis = np.concatenate([np.ones((len(theta), len(x), 1)), on, on * x], axis=2)
    return np.linalg.matrix_rank(basis, rtol=SMALL)


def exceeds(a: np.ndarray, b: np.ndarray) -> float:
    """Share of pairs with a > b, ties half, over ½, in standard errors of equal laws."""
    share = np.mean((a[:, None] > b) + 0.5 * (a[:, None] == b))
    return float((share - 0.5) / np.sqrt((len(a) + len(b) + 1) / (12 * len(a) * len(b))))


def run(config: Config) -> Result:
    if len(config.points) > LARGEST:
        raise Refusal(
            f"every {config.every}: {len(config.points)} points > {LARGEST} of a Jacobian"
        )
    x, y = config.sample()
    near = np.sort(x, axis=0)[config.points]
    deep = Shape((1, *config.hidden, 1), "relu")
    shallow = Shape((1, config.width, 1), "relu")
    R, N = config.replicates, config.samples
    T = step_count(N, config.batch, config.epochs)
    drawn = T * config.batch
    for shape in (deep, shallow):
        require_room(
            max(R * shape.parameters * 4, len(near) * shape.parameters, R * drawn),
            f"{shape.parameters} parameters, {T} steps",
        )
    rng = np.random.default_rng(config.seed)

    # Zero biases: every singular value from two points, against the Jacobian's own.
    gaps, ranks = [], []
    for depth in config.depths:
        shape = Shape((1, *[config.width] * depth, 1), "relu")
        require_room(len(near) * shape.parameters, f"depths: {depth} hidden layers")
        theta = starts(rng, "he_uniform", shape, 1)
        sigma = np.linalg.svd(jacobians(theta, near, shape)[0], compute_uv=False)
        four = halves.singular_values(theta, near, shape)[0]
        gaps.append(np.abs(sigma[:4] - four).max() / sigma[0])
        # Rounding of an SVD: max(n, P) ε σ₁.
        ranks.append(np.sum(sigma > max(len(near), shape.parameters) * 2.3e-16 * sigma[0]))

    test = np.linspace(-1, 1, config.test_points)[:, None]
    begin = {
        "deep": (deep, starts(rng, "student", deep, R)),
        "shallow": (shallow, draw(rng, shallow, R)),
        "small": (deep, starts(rng, config.small, deep, R)),
    }
    title = {
        "deep": f"{len(config.hidden)} hidden layers",
        "shallow": "1 hidden layer",
        "small": f"small start, U(±{config.small:g})",
    }
    data, metrics, sigmas, effective = {}, {}, {}, {}
    for name, (shape, theta) in begin.items():
        order = orders(rng, R, N, T, config.batch)
        out = train(theta.astype(np.float32), x, y, shape, order, config.rate, config.momentum)
        lost = out.diverged < T
        # A network of zeros in place of a lost one.
        end = np.where(lost[:, None], 0.0, out.theta.astype(float))
        for when, at in (("before", theta), ("after", end)):
            sigma = jacobian.singular_values(at, near, shape, N)
            sigmas[name, when], effective[name, when] = sigma, jacobian.effective_rank(sigma)
            # Below 1e-7 σ₁ there is rounding alone.
            shown = np.maximum(sigma[:, :TOP], 1e-7 * sigma[:, :1])
            data[f"{name}_{when}"] = (
                ("index", "replicate"),
                shown.T,
                {"long_name": f"σ_k {when} training, {title[name]}"},
            )
            columns = jacobian.features(at[:1], near, shape, FEATURES) * np.sqrt(N / len(near))
            data[f"{name}_features_{when}"] = (
                ("feature", "x"),
                columns,
                {"long_name": f"principal feature {when} training, {title[name]}"},
            )
            rank = np.sum(sigma > config.threshold * sigma[:, :1], axis=1)
            metrics |= {
                f"{name}_rank_{when}_median": np.median(rank),
                f"{name}_effective_rank_{when}_median": np.median(effective[name, when]),
                f"{name}_sigma1_{when}_median": np.median(sigma[:, 0]),
                f"{name}_kinks_{when}_median": np.median(jacobian.kinks(at, shape, -1.0, 1.0)),
            }
        error = losses(end, test, config.function(test), shape)
        metrics |= {
            f"{name}_test_median": np.median(error),
            f"{name}_diverged_fraction": lost.mean(),
        }
        data[f"{name}_test"] = ("replicate", error, {"long_name": f"test error, {title[name]}"})
        if name == "shallow":
            bound = elbows(end, shape, near)
            J = jacobians(end, near, shape)
            exact, spanned = np.linalg.matrix_rank(J, rtol=SMALL), span_rank(end, shape, near)
            metrics["shallow_rank_bound_median"] = np.median(bound)
        if name == "small":
            constant = np.ptp(outputs(end, test, shape)[..., 0], axis=1)
            metrics["small_output_range_median"] = np.median(constant)

    document = torch_starts(config.small_seed, config.small, deep).astype(float)
    sigma = np.linalg.svd(jacobians(document, near, deep)[0], compute_uv=False)
    four = halves.singular_values(document, near, deep)[0]
    metrics |= {
        "small_sigma2_over_sigma1_before": sigma[1] / sigma[0],
        "zero_bias_rank": float(np.max(ranks)),
    }
    root = sigmas["small", "after"][:, 0] / np.sqrt(N)
    checks = (
        Check("rank_without_biases_at_least", np.min(ranks), ">=", 4.0, 0.0),
        Check("rank_without_biases_at_most", np.max(ranks), "<=", 4.0, 0.0),
        # Rounding of an SVD, with room: 1e-15 measured.
        Check("sigma_from_two_points", max(gaps), "<=", 0.0, 1e-12),
        Check("shallow_rank_less_span", np.abs(exact - spanned).max(), "==", 0.0, 0.0),
        Check("shallow_rank_over_bound", np.max(exact - bound), "<=", 0.0, 0.0),
        # The squares of the outputs of the layer below, 0.01 or less, over 2.
        Check("small_sigma1_over_root_N", np.abs(root - 1).max(), "<=", 0.0, 1e-4),
        Check("small_effective_rank", effective["small", "after"].max(), "==", 1.0, 1e-4),
        # Ranks of the replicates: chance exceeds 4 standard errors once in 3e4.
        Check("training_adds_features_in_standard_errors",
              exceeds(effective["deep", "after"], effective["deep", "before"]), ">=", 4.0, 0.0),
        Check("deep_above_shallow_in_standard_errors",
              exceeds(effective["deep", "after"], effective["shallow", "after"]), ">=", 4.0, 0.0),
    )  # fmt: skip
    errata = tuple(
        Erratum("small_second_singular_value_over_first",
                "CS182 homework 2, question 6c: before training the singular values vary slightly",
                value, four[1] / four[0], sigma[1] / sigma[0], 1e-12)
        for value in config.printed_spread
    )  # fmt: skip
    kept = min(TOP, len(near))
    return Result(
        data=xr.Dataset(
            data,
            coords={
                "index": sweep(range(1, kept + 1), "index", "k"),
                "feature": sweep(range(1, FEATURES + 1), "feature", "feature"),
                "x": ("x", near[:, 0], {"long_name": "x"}),
                "replicate": replicates(R),
            },
            attrs={"root": np.sqrt(N), "hidden": len(config.hidden)},
        ),
        metrics=metrics,
        checks=checks,
        errata=errata,
    )

"""A minibatch gradient is the full one plus noise: E‖g_B‖² = ‖∇L‖² + tr Σ/B, in every layer of any network.

The gradient over all n samples is the mean of those of the samples, Σ is their covariance, and a minibatch averages B of
them. So a norm that stays flat while the loss falls is mostly noise, and the noise scale tells from which B on it is
not. The law asks nothing of the network; other laws hold for some networks and steps only, and are claimed for those.

    E‖g_B‖² = ‖∇L‖² + (tr Σ/B) (n − B)/(n − 1)   for B different samples, layer by layer
    noise scale tr Σ/‖∇L‖²

See: left, how far the norm over all samples lies below those of minibatches, which is what noise adds; middle, the
noise scale of each layer, against the size of a minibatch; right, the curvature of the loss.

Source: arXiv 1812.06162, Appendix A (noise scale).
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import xarray as xr
from pydantic import Field, StringConstraints

from descent.config import Count, Refusal, Seed, experiment_config
from descent.probe import _claims, _networks
from descent.probe._by_name import loss_of, optimiser
from descent.probe._sets import CLASSES, TARGETS, Samples, minibatches, samples
from descent.probe.probe import Probe
from descent.result import Check, Result, measured, over_replicates

LAW = "minibatch_law"  # the claim
BESIDE = ("layers_add_up", "inner_products", "balancedness", "stability_limit")
SHARP = 256  # samples of the loss whose curvature is taken
PASSES = 6  # forward and backward passes that a look at the whole set costs, about
Named = Annotated[str, StringConstraints(min_length=1)]


@experiment_config
class Config:
    network: Named  # FILE.py:FUNCTION, which returns a torch module
    data: Named  # a data set, a folder, a FILE.npz, or FILE.py:FUNCTION, which returns (X, y)
    samples: Count  # of the data, from the first on; as many as there are where there are fewer
    loss: Literal[CLASSES + TARGETS]  # of torch.nn.functional: its mean over a minibatch
    optimiser: Named  # of torch.optim
    arguments: dict[str, Any]  # of the optimiser, by their names in torch
    batch: Count  # B
    epochs: Count
    every: Count  # steps between two looks at a minibatch
    moments: Annotated[
        Count, Field(ge=2, le=200)
    ]  # from start to end, at which the whole set is looked at; all, where there are fewer
    replicates: Count
    seed: Seed
    device: Literal["cpu", "cuda", "auto"]

    def __post_init__(self):
        for name, value in self.arguments.items():
            parts = value if isinstance(value, list) else [value]
            if not all(isinstance(part, int | float | str | None) for part in parts):
                raise ValueError(f"arguments.{name}: must be a number, a text or a list of them")


class Looks(NamedTuple):
    """What the probes of all replicates found."""

    data: xr.Dataset
    claims: xr.Dataset  # what was measured for each claim, and its tolerance
    checks: list[list[Check]]  # by replicate
    reasons: list[str]  # why others are not claimed


def predict(found: Looks) -> xr.Dataset:
    """What theory gives for each claim, from the gradients, the traces and the optimiser's limits."""
    return _claims.of_predicted(found.checks)


def measure(config: Config, of: Samples, network: Callable) -> Looks:
    """Train every replicate with a probe beside it."""
    runs = [_measure_one(config, of, network, k) for k in range(config.replicates)]
    found, verdicts = zip(*runs, strict=True)
    checks = [list(one[0]) for one in verdicts]
    reasons = list(dict.fromkeys(reason for one in verdicts for reason in one[1]))
    return Looks(over_replicates(list(found)), _claims.of_measured(checks), checks, reasons)


def _measure_one(config: Config, of: Samples, network: Callable, replicate: int):
    """One training: what its probe found, and what it claims."""
    rng, name = np.random.default_rng([config.seed, replicate]), f"network {config.network}"
    with _networks.drawn_from(config.seed, replicate):
        model = _networks.made(network, config.network, str(of.X.device)).train()
        rule = optimiser(config.optimiser, config.arguments, model)
        loss_fn = loss_of(config.loss)
        probe = Probe(
            model,
            loss_fn,
            every=config.every,
            data=(of.X, of.y),
            optimizer=rule,
            seed=config.seed,
            samples=SHARP,
        )
        moments = looked_at(config, len(of.X))
        for step, rows in enumerate(minibatches(rng, len(of.X), config.batch, config.epochs)):
            if step in moments:
                probe.measure()
            x, y = of.X[rows], of.y[rows]
            with probe.step(x, y):
                rule.zero_grad()
                value = _networks.said_by(name, lambda x=x, y=y: loss_fn(model(x), y))
                require_finite(config, value.item(), step)
                value.backward()
                _networks.said_by(f"optimiser {config.optimiser}", rule.step)
        probe.measure()
        # From one minibatch, and not a number where that is too small; that of the set is kept.
        looked = probe.result().drop_vars("noise_scale", errors="ignore")
        found = _claims.without_gaps(looked)
        found["parameters"] = measured((), sum(p.numel() for p in model.parameters()), "parameters")
        return found, probe.verdicts()


def looked_at(config: Config, n: int) -> set[int]:
    """The steps before which the whole set is looked at, and the end: all of them, where `moments` are more."""
    last = config.epochs * -(-n // config.batch)
    return set(np.linspace(0, last, config.moments).round().astype(int).tolist())


def require_finite(config: Config, loss: float, step: int) -> None:
    """Refuse a training that is lost.

    Raises:
        Refusal: with the step.
    """
    if not np.isfinite(loss):
        with_ = ", ".join(f"{key} {value}" for key, value in config.arguments.items())
        raise Refusal(
            f"loss {config.loss}: expected a finite number, got {loss} at step {step} of "
            f"{config.optimiser} ({with_ or 'without arguments'})"
        )


def run(config: Config, data: xr.Dataset, network: Callable) -> Result:
    of = samples(data, config.samples, config.loss, _networks.device(config.device))
    require(config, of, network)
    found = measure(config, of, network)
    theory = predict(found)
    checks = _claims.compared(found.claims, theory)
    unchecked, no_claim = sorted_out(found.reasons, any(check.name == LAW for check in checks))
    whole = found.data.merge(found.claims).merge(theory)
    return Result(
        data=whole.assign_attrs(batch=config.batch),
        metrics=reported(found.data),
        checks=checks,
        no_claim=no_claim,
        unchecked=unchecked,
    )


def require(config: Config, of: Samples, network: Callable) -> None:
    """Refuse what cannot be trained.

    Raises:
        Refusal: with the key, what is expected and what came.
    """
    n = len(of.X)
    if config.batch > n:
        raise Refusal(f"batch {config.batch} > {n} samples")
    with _networks.drawn_from(config.seed, 0):
        optimiser(
            config.optimiser, config.arguments, _networks.made(network, config.network, "cpu")
        )
        seconds = _networks.tried(network, config.network, of, config.loss, config.batch)
    looks = len(looked_at(config, n))
    passes = config.replicates * (config.epochs + PASSES * looks)
    rule = f"replicates {config.replicates}, epochs {config.epochs}, batch {config.batch}"
    rule += f", {looks} looks at the set (moments {config.moments})"
    _networks.require_hour(seconds, passes * -(-n // config.batch), rule)


def sorted_out(reasons: list[str], claimed: bool) -> tuple[dict[str, str], tuple[str, ...]]:
    """Reasons beside the claim, by the names of their checks; and those for which nothing is claimed.

    Where the law is tested at some layers and moments, what is said of it is about the others.
    """
    beside, others = {}, []
    for reason in reasons:
        names, _, why = reason.partition(": ")
        if set(names.split(", ")) <= set(BESIDE):
            beside |= {name: why for name in names.split(", ") if name not in beside}
        elif names == LAW and claimed:
            beside.setdefault(f"{LAW}_elsewhere", why)
        else:
            others.append(reason)
    return beside, tuple(others)


def reported(data: xr.Dataset) -> dict[str, xr.DataArray]:
    """Means over replicates: of the whole set at every moment, and what there is at the end."""
    means = data.mean("replicate", skipna=False)
    names = ("full_loss", "full_whole_norm", "sharpness", "full_noise_scale")
    return {name: means[name] for name in (*names, "parameters") if name in means}

"""A probe for any torch model: what theory names, layer by layer, while it trains, and whether it is as theory says.

    from descent.probe.probe import Probe

    probe = Probe(model, loss_fn, every=100, data=(X, y))
    for x, y in batches:
        with probe.step(x, y):
            optimizer.zero_grad(); loss_fn(model(x), y).backward(); optimizer.step()
    probe.measure()
    probe.result(); probe.verdicts()

It never changes the training. What it computes itself is done on copies of the parameters, in evaluation mode, and
leaves random states, statistics, modes and `.grad` as they were (`_untouched.py`); what the optimiser does is read by
torch's hooks (`_optimisers.py`). Hooks on the model's modules run in its passes too.

    every look       loss and ‖g_l‖ of the minibatch, tr Σ and noise scale from it, the applied gradient, the update
                     over the weight, dead units
    every tenth,     singular values, layers that scale the output alike and their inner products, the sharpness of
    a deep one       the minibatch's loss: what would make every look cost more than a tenth of the training
    measure()        ‖∇L_l‖, tr Σ_l and noise scale of the whole set, the law of minibatches, the sharpness

The package's __init__ is empty, as every one here is: what a stage depends on is found by following imports.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import xarray as xr
from torch import nn

from descent.config import Refusal
from descent.probe import _looks
from descent.probe._follow import Follow
from descent.probe._layers import require_model
from descent.probe._memory import Memory, Of, Setting
from descent.probe._record import Row, dataset
from descent.probe._rows import count, tensors
from descent.probe._untouched import Batch, device_of, unwrap
from descent.probe._verdicts import verdicts
from descent.probe._whole import at_the_set
from descent.result import Check


class Probe:
    """Looks at a model while it trains. What is given is checked here and not by its type, so that the rule is told.

    Args:
        model: any module; compiled ones and those in torch.nn.parallel are looked at without their cover.
        loss_fn: loss_fn(model(x), y) → the mean loss over the samples of a batch, one number.
        every: steps between two looks, the first of them at step 0.
        data: (X, y), the whole set that minibatches are from, samples first; without it nothing is known over the
            whole set.
        optimizer: of the limits, before a step of it was seen.
        seed: of the probe's own random numbers, which are not torch's.
        samples: of the whole set, at most so many have their sharpness taken in `measure`.
        products: Hessian–vector products of a sharpness, at most.
        deep: every so many looks is a deep one, the first of them too; 0: none is.

    Raises:
        Refusal: one line with the argument and the rule.
    """

    def __init__(
        self,
        model,
        loss_fn,
        *,
        every=100,
        data=None,
        optimizer=None,
        seed=0,
        samples=1024,
        products=10,
        deep=10,
    ):
        _require(model, loss_fn, optimizer)
        for name, value, least in (
            ("every", every, 1),
            ("seed", seed, 0),
            ("samples", samples, 1),
            ("products", products, 3),
            ("deep", deep, 0),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise Refusal(f"{name} {value!r}: must be a whole number, at least {least}")
        self._model, self._loss_fn, self._every = unwrap(model), loss_fn, every
        self._data = None if data is None else _whole(data)
        self._setting = Setting(samples, products, deep)
        self._memory = Memory(np.random.default_rng(seed), optimizer)
        self._rows: dict[int, Row] = {}
        self._count, self._follow = 0, None

    @contextmanager
    def step(self, x: Batch, y: Batch) -> Iterator[None]:
        """Around the backward pass and the optimiser's step of one minibatch.

        With gradient accumulation every backward pass may have its own; the optimiser's step is looked for until it
        comes.

        Raises:
            Refusal: x and y are no batches of one size, or loss_fn returned no number.
        """
        if self._count % self._every == 0:
            self._drop()
            self._look(x, y)
        try:
            yield
        except BaseException:
            self._drop()
            raise
        if self._follow is not None and self._follow.is_done(self._model):
            self._follow.finish(self._model)
            self._drop()
        self._count += 1

    def measure(self) -> None:
        """Look now at the whole set, or without `data` at the last minibatch.

        Raises:
            Refusal: there is neither.
        """
        if self._data is None and self._memory.last is None:
            raise Refusal("measure: there is no data=(X, y) and no minibatch was looked at yet")
        row = self._rows.setdefault(self._count, Row())
        of = Of(self._model, self._loss_fn, self._setting, self._memory)
        at_the_set(of, self._data, row)

    def result(self) -> xr.Dataset:
        """All looks so far: variables by name, over `step`, `layer` and, for singular values, `k`.

        Raises:
            Refusal: nothing was looked at yet.
        """
        if not self._rows:
            raise Refusal(
                "result: nothing was looked at yet: use `with probe.step(x, y):` or measure()"
            )
        attrs = {
            "sharpness_method": self._memory.method,
            "not_seen": "\n".join(f"{name}: {why}" for name, why in self.unseen.items()),
        }
        return dataset(self._rows, _looks.kinds(self._model), attrs)

    @property
    def unseen(self) -> dict[str, str]:
        """What the probe cannot look at: parameter, layer or quantity → the reason."""
        return dict(self._memory.unseen)

    def verdicts(self) -> tuple[list[Check], list[str]]:
        """The checks that theory allows for this model and this training, and why others are not claimed."""
        return verdicts(self._rows, self._memory, has_data=self._data is not None)

    def _look(self, x: Batch, y: Batch) -> None:
        batch = tensors(x, "x"), tensors(y, "y")
        count(*batch, "x and y of a step")
        row = self._rows.setdefault(self._count, Row())
        row.is_full_batch = self._data is not None and _looks.same_set(batch, self._data)
        of = Of(self._model, self._loss_fn, self._setting, self._memory)
        self._follow = Follow(self._model, _looks.at_a_minibatch(of, batch, row), row)

    def _drop(self) -> None:
        if self._follow is not None:
            self._follow.remove()
            self._follow = None


def _require(model, loss_fn, optimizer) -> None:
    if not isinstance(model, nn.Module):
        raise Refusal(f"model is a {type(model).__name__}: it must be a torch.nn.Module")
    if not callable(loss_fn):
        raise Refusal(f"loss_fn is a {type(loss_fn).__name__}: it must be loss_fn(output, y)")
    if optimizer is not None and not isinstance(optimizer, torch.optim.Optimizer):
        raise Refusal(f"optimizer is a {type(optimizer).__name__}: it must be one of torch.optim")
    require_model(model, "model ")
    if device_of(model).type not in ("cpu", "cuda"):
        raise Refusal(f"model is on {device_of(model)}: it must be on the CPU or on CUDA")


def _whole(data) -> tuple[Batch, Batch]:
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise Refusal(f"data is a {type(data).__name__}: it must be (X, y), the whole set")
    x, y = tensors(data[0], "data"), tensors(data[1], "data")
    count(x, y, "X and y of data")
    return x, y

"""The look of a probe at the whole set, in as many passes of minibatches as it takes."""

import numpy as np
import torch

from descent.config import Refusal
from descent.probe import _looks, _noise, _samples
from descent.probe._layers import layers_of, unseen
from descent.probe._memory import Memory, Of
from descent.probe._record import Row
from descent.probe._rows import leaves, pick
from descent.probe._untouched import Batch, device_of, twin_of, untouched


def at_the_set(of: Of, data: tuple[Batch, Batch] | None, row: Row) -> None:
    """Fill the row with what takes a pass over all samples."""
    memory = of.memory
    if data is None:
        _looks.at_a_minibatch(of, memory.last, row, deep=True)
        return
    twin, layers, device = twin_of(of.model, of.loss_fn), layers_of(of.model), device_of(of.model)
    n = len(leaves(data[0])[0])
    _looks.spectra(layers, twin, row, memory)
    try:
        with untouched(of.model):
            few = torch.as_tensor(memory.rng.choice(n, min(n, memory.batch), replace=False))
            x, y = (pick(part, few, device) for part in data)
            seen = _samples.look(twin, layers, x, y, units=False)
            memory.unseen |= unseen(of.model, set(seen.gradient))
            there = [layer for layer in layers if _noise.any_in(layer, seen.gradient)]
            memory.good = None
            _looks.verify(twin, there, seen, x, y, memory)
            found = _noise.over_set(
                twin, layers, data, memory.batch, memory.good, memory.rng, coupled=memory.coupled
            )
            _whole_set(found, row, memory)
            most = n if memory.full_batch else max(of.setting.samples, 1)
            some = torch.as_tensor(memory.rng.choice(n, min(n, most), replace=False))
            if seen.gradient and np.isfinite(found.loss):
                _looks.take_sharpness(of, twin, *(pick(part, some, device) for part in data), row)
                row.is_full_batch = row.is_full_batch or (memory.full_batch and len(some) == n)
    except Refusal:
        raise
    except Exception as error:
        memory.unseen["passes over the whole set"] = _looks.first_line(error)


def _whole_set(found: _noise.OverSet, row: Row, memory: Memory) -> None:
    row.scalars |= {"full_loss": found.loss, "full_whole_norm": found.whole**0.5}
    row.layers["full_norm"] = {name: value**0.5 for name, value in found.square.items()}
    if memory.coupled:
        return
    row.layers["full_trace"] = found.trace
    row.layers["full_noise_scale"] = {
        name: value / found.square[name] if found.square[name] > 0 else float("nan")
        for name, value in found.trace.items()
    }
    if found.batch:
        row.scalars["law_batch"], row.freedom = found.batch, found.freedom
        row.layers["minibatch_square"] = found.drawn
        row.layers["minibatch_square_predicted"] = found.law
        row.layers["minibatch_square_error"] = found.error

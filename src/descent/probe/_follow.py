"""What the optimiser makes of a minibatch that was looked at: the applied gradient, and the step that it takes."""

from torch import Tensor, nn

from descent.probe._layers import layers_of
from descent.probe._optimisers import Applied
from descent.probe._record import Row
from descent.probe._untouched import Twin


class Follow:
    """From a look until the optimiser's next step, however many minibatches that takes."""

    def __init__(self, model: nn.Module, twin: Twin, gradient: dict[str, Tensor], row: Row):
        self._before = twin.parameters
        self._gradient, self._row = gradient, row
        self._applied = Applied(model, gradient)

    def remove(self) -> None:
        """Take the hooks off."""
        self._applied.remove()

    def is_done(self, model: nn.Module) -> bool:
        """Whether an optimiser made a step, or the parameters moved without one that torch knows."""
        return self._applied.steps > 0 or any(
            not p.detach().equal(self._before[name])
            for name, p in model.named_parameters()
            if name in self._before
        )

    def finish(self, model: nn.Module) -> None:
        """Fill the row with the step."""
        row, applied = self._row, self._applied
        row.applied, row.rule = applied.steps, applied.rule
        now = dict(model.named_parameters())
        squares, moved, growth, size = {}, {}, {}, {}
        for name in self._before.keys() & now.keys():
            before, after = self._before[name].detach().double(), now[name].detach().double()
            if before.shape == after.shape:
                size[name] = float(before.square().sum())
                moved[name] = float((after - before).square().sum())
                growth[name] = float(((after - before) * (after + before)).sum())
        squares = applied.squares

        def total(values: dict[str, float], names) -> float:
            return sum(values.get(name, 0.0) for name in names)

        for layer in layers_of(model):
            names = [name for name in layer.parameters if name in moved]
            if any(name in squares for name in names):
                row.layers.setdefault("gradient_norm", {})[layer.name] = (
                    total(squares, names) ** 0.5
                )
            weights = [name for name in layer.weights if name in moved and now[name].requires_grad]
            if (whole := total(size, weights)) > 0:
                ratio = (total(moved, weights) / whole) ** 0.5
                row.layers.setdefault("update_ratio", {})[layer.name] = ratio
        whole = sum(float(g.double().square().sum()) for g in self._gradient.values())
        if applied.steps and whole > 0:
            row.scalars["mismatch"] = (applied.difference / whole) ** 0.5
        if applied.rule is not None:
            row.scalars["rate"] = applied.rule.rate
            for name, one in row.parts.items():
                row.layers.setdefault("growth", {})[name] = total(growth, one.parameters)
                row.layers.setdefault("square", {})[name] = total(size, one.parameters)
                kick = applied.rule.rate**2 * total(squares, one.parameters)
                row.layers.setdefault("kick", {})[name] = kick

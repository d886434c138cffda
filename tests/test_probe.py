"""The probe: it never changes a training, its numbers are those of obvious slow twins, and every verdict can fail."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from descent.probe import _noise
from descent.probe._curvature import DIFFERENCES, TWICE
from descent.probe._untouched import untouched
from descent.probe.probe import Probe

CLASSES, N = 3, 64


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


class Residual(nn.Module):
    """A frozen first layer, a block with BatchNorm, dropout, and a layer that nothing uses."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding="same").requires_grad_(False)
        self.inner = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Linear(100, CLASSES)
        self.spare = nn.Linear(2, 2)

    def forward(self, x):
        h = self.first(x)
        h = h + F.relu(self.norm(self.inner(h)), inplace=True)
        return self.last(F.dropout(F.max_pool2d(h, 2).flatten(1), 0.3, self.training))


class Rows(nn.Module):
    """A GRU over the rows of an image."""

    def __init__(self):
        super().__init__()
        self.over = nn.GRU(10, 6, batch_first=True)
        self.last = nn.Linear(6, CLASSES)

    def forward(self, x):
        return self.last(self.over(x[:, 0])[0][:, -1])


class Attention(nn.Module):
    """A transformer layer over the rows, with a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.place = nn.Parameter(torch.zeros(1, 10, 10))
        self.layer = nn.TransformerEncoderLayer(10, 2, 12, batch_first=True)
        self.last = nn.Linear(10, CLASSES)

    def forward(self, x):
        return self.last(self.layer(x[:, 0] + self.place).mean(1))


class Shared(nn.Module):
    """One layer used twice, at several positions, and two that share a weight."""

    def __init__(self):
        super().__init__()
        self.twice = nn.Linear(10, 10)
        self.a, self.b = nn.Linear(10, CLASSES), nn.Linear(10, CLASSES)
        self.b.weight = self.a.weight

    def forward(self, x):
        h = torch.tanh(self.twice(torch.tanh(self.twice(x[:, 0])))).mean(1)
        return self.a(h) + self.b(h**2)


def chain():
    """Convolutions and linear layers with ReLUs between them: positively homogeneous."""
    return nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 2, stride=2, dilation=1, bias=False),
        nn.LeakyReLU(),
        nn.Flatten(),
        nn.Linear(16, 8),
        nn.ReLU(),
        nn.Linear(8, CLASSES),
        nn.LogSoftmax(1),
    )


def plain(model):
    return torch.optim.SGD(model.parameters(), lr=0.05)


def momentum(model):
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)


def adam(model):
    return torch.optim.Adam(model.parameters(), lr=0.01)


def images(n=N):
    return torch.randn(n, 1, 10, 10), torch.arange(n) % CLASSES


def train(make, optimiser, *, probed, steps=3, batch=16, loss_fn=F.cross_entropy, **settings):
    """Losses and draws of every random state along a training, and the probe."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  a user's
    model = make()
    optimizer, data = optimiser(model), images()
    probe = Probe(model, loss_fn, **{"every": 2, "data": data} | settings) if probed else None
    trace = []
    for _ in range(steps):
        rows = torch.randint(N, (batch,))
        x, y = data[0][rows], data[1][rows]

        def step(x=x, y=y):
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            trace.append((loss.item(), np.random.rand(), torch.rand(()).item()))  # noqa: NPY002  a user's

        if probed:
            with probe.step(x, y):
                step()
        else:
            step()
    if probed:
        probe.measure()
    state = [value.clone() for value in model.state_dict().values()]
    modes = [module.training for module in model.modules()]
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    return (trace, state, modes, grads), probe


def equal(a, b):
    """Bit by bit."""
    if isinstance(a, torch.Tensor):
        return a.equal(b)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def test_a_pass_of_the_probe_leaves_every_random_state_and_mode():
    model = Residual()
    model.norm.eval()
    before = (
        random.getstate(),
        torch.get_rng_state(),
        np.random.get_bit_generator().state["state"]["pos"],
    )
    with untouched(model):
        assert not any(module.training for module in model.modules())
        random.random(), torch.rand(3), np.random.rand()  # noqa: NPY002
    assert random.getstate() == before[0]
    assert torch.get_rng_state().equal(before[1])
    assert np.random.get_bit_generator().state["state"]["pos"] == before[2]
    assert model.training
    assert not model.norm.training


ZOO = {"residual": (Residual, momentum), "gru": (Rows, adam), "attention": (Attention, adam)}
ZOO |= {"shared": (Shared, plain), "chain": (chain, plain)}


@pytest.fixture(scope="module")
def runs():
    torch.set_num_threads(1)
    return {name: train(*what, probed=True, deep=1) for name, what in ZOO.items()}


@pytest.mark.long
@pytest.mark.parametrize("name", ZOO)
def test_a_training_is_the_same_bit_by_bit_with_a_probe(name, runs):
    assert equal(train(*ZOO[name], probed=False)[0], runs[name][0])


@pytest.mark.parametrize("name", ZOO)
def test_verdicts_hold_and_every_other_claim_has_a_reason(name, runs):
    checks, reasons = runs[name][1].verdicts()
    assert all(check.holds for check in checks), [(c.name, c.worst) for c in checks if not c.holds]
    said = {check.name for check in checks} | {
        word for why in reasons for word in why.split(":")[0].split(", ")
    }
    claims = {"layers_add_up", "minibatch_law", "inner_products", "balancedness", "stability_limit"}
    assert claims <= said
    assert {"inner_products", "balancedness"} <= {c.name for c in checks} or name != "chain"


def test_what_is_not_looked_at_is_listed_with_its_reason(runs):
    unseen = runs["residual"][1].unseen
    every = [name for _, probe in runs.values() for name in probe.unseen]
    assert not [name for name in every if name.startswith("passes")]
    assert unseen["first.weight"].startswith("frozen")
    assert unseen["spare.bias"].startswith("not used")
    assert "BatchNorm2d" in unseen["norm, all samples"]
    assert runs["shared"][1].unseen["b.weight"] == "shared with a.weight, where it is counted"
    assert "frozen" in runs["residual"][1].result().attrs["not_seen"]
    assert not runs["chain"][1].unseen


def test_the_dataset_has_roles_names_and_what_it_says(runs, tmp_path):
    data = runs["chain"][1].result()
    assert data["step"].attrs["role"] == "step"
    assert data["minibatch_square_predicted"].attrs["role"] == "prediction"
    assert list(data["layer"].values) == ["0", "3", "6", "8"]
    assert list(data["step"].values) == [0, 2, 3]
    assert all(v.attrs["long_name"] for v in data.data_vars.values())
    data.to_netcdf(tmp_path / "kept.nc", engine="scipy")


# ---- The numbers, against slow twins.


def slow_squares(model, x, y, loss_fn):
    """‖g_i‖² by parameter and sample, one backward pass each."""
    found = {name: [] for name, p in model.named_parameters() if p.requires_grad}
    for i in range(len(x)):
        model.zero_grad()
        loss_fn(model(x[i : i + 1]), y[i : i + 1]).backward()
        for name, p in model.named_parameters():
            if name in found:
                found[name].append(0.0 if p.grad is None else float(p.grad.double().square().sum()))
    model.zero_grad()
    return {name: np.array(values) for name, values in found.items()}


def by_layer(values, layer):
    own = [v for name, v in values.items() if name.rpartition(".")[0] == layer]
    return sum(own)


CONVOLUTIONS = {
    "same": lambda: nn.Conv2d(1, 4, (3, 2), padding="same", dilation=2),
    "groups": lambda: nn.Conv2d(2, 4, 3, stride=2, padding=(0, 1), groups=2),
    "wide": lambda: nn.Conv2d(1, 30, 10),
    "line": lambda: nn.Conv1d(1, 3, 5, stride=3, padding=2),
}


@pytest.mark.parametrize("kind", [*CONVOLUTIONS, "linear", "positions"])
def test_norms_of_samples_are_those_of_one_backward_pass_each(kind):
    torch.manual_seed(1)
    shapes = {"groups": (2, 10, 10), "line": (1, 40), "linear": (30,), "positions": (6, 30)}
    layer = CONVOLUTIONS.get(kind, lambda: nn.Linear(30, 7))()
    x = torch.randn(5, *shapes.get(kind, (1, 10, 10)))
    y = torch.randn(5)
    model = nn.Sequential(layer, nn.Tanh())

    def loss_fn(output, y):
        return (output.flatten(1).square().mean(1) * y).mean()

    probe = Probe(model, loss_fn)
    with probe.step(x, y):
        pass
    slow = by_layer(slow_squares(model, x, y, loss_fn), "0")
    data = probe.result().isel(step=0, layer=0)
    B = len(x)
    trace = B / (B - 1) * (slow.mean() - float(data["minibatch_norm"]) ** 2)
    assert float(data["trace"]) == pytest.approx(trace, rel=1e-4)
    assert not probe.unseen  # the formula was verified


@pytest.mark.long
@pytest.mark.parametrize("name", ["residual", "attention", "shared", "gru"])
def test_norms_over_the_set_are_those_of_slow_twins(name):
    torch.manual_seed(2)
    model, (x, y) = ZOO[name][0](), images(34)
    probe = Probe(model, F.cross_entropy, data=(x, y))
    probe.measure()
    model.eval()
    squares = slow_squares(model, x, y, F.cross_entropy)
    model.zero_grad()
    F.cross_entropy(model(x), y).backward()
    data = probe.result().isel(step=0)
    for layer in data["layer"].values:
        own = [p for n, p in model.named_parameters() if n.rpartition(".")[0] == layer]
        grads = [p.grad for p in own if p.grad is not None]
        if grads:
            full = sum(float(g.double().square().sum()) for g in grads)
            found = data.sel(layer=layer)
            assert float(found["full_norm"]) ** 2 == pytest.approx(full, rel=1e-4)
            trace = by_layer(squares, layer).mean() - full
            assert float(found["full_trace"]) == pytest.approx(trace, rel=2e-3)


def test_trace_and_square_from_minibatches_are_right_in_the_mean():
    rng, g = np.random.default_rng(0), np.random.default_rng(1).normal(0.3, 1.0, (400, 5))
    trace, square = g.var(0, ddof=1).sum(), (g.mean(0) ** 2).sum()
    found = []
    for _ in range(2000):
        part = g[rng.integers(400, size=4)]
        whole, q = {"l": (part.mean(0) ** 2).sum()}, {"l": (part**2).sum(1).mean()}
        noise = _noise.of_minibatch(whole, q, 4)
        found.append((noise.trace["l"], noise.square["l"]))
    mean, error = np.mean(found, 0), np.std(found, 0) / np.sqrt(len(found))
    assert (np.abs(mean - [trace, square]) < 4.5 * error).all()


@pytest.mark.long
def test_the_sharpness_is_the_top_of_the_whole_hessian_and_differences_agree():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    x, y = torch.randn(20, 4).double(), torch.randn(20, 2).double()
    names = [name for name, _ in model.named_parameters()]

    def loss(*values):
        named = dict(zip(names, values, strict=True))
        return F.mse_loss(torch.func.functional_call(model, named, (x,)), y)

    given = tuple(p.detach() for p in model.parameters())
    blocks = torch.autograd.functional.hessian(loss, given)
    sizes = [p.numel() for p in given]
    whole = torch.cat(
        [
            torch.cat([b.reshape(s, -1) for b in row], 1)
            for s, row in zip(sizes, blocks, strict=True)
        ]
    )
    top = float(torch.linalg.eigvalsh(whole)[-1])

    class Once(torch.autograd.Function):
        """tanh without a second derivative."""

        @staticmethod
        def forward(context, z):
            context.save_for_backward(torch.tanh(z))
            return torch.tanh(z)

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(context, g):
            return g * (1 - context.saved_tensors[0] ** 2)

    class Rough(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = model[0], model[2]

        def forward(self, x):
            return self.b(Once.apply(self.a(x)))

    for one, method, rel in ((model, TWICE, 1e-9), (Rough(), DIFFERENCES, 1e-4)):
        probe = Probe(one, F.mse_loss, data=(x, y), products=40)
        probe.measure()
        data = probe.result()
        assert float(data["sharpness"][0]) == pytest.approx(top, rel=rel)
        assert data.attrs["sharpness_method"] == method
        assert float(data["sharpness_residual"][0]) < 0.01 * top


def test_singular_values_ranks_dead_units_and_updates():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    with torch.no_grad():
        model[0].weight[3], model[0].bias[3] = 0.0, -1.0
    before = model[0].weight.detach().clone()
    sigma = np.linalg.svd(before.double().numpy(), compute_uv=False)
    optimizer, x, y = plain(model), torch.randn(30, 6), torch.randn(30, 2)
    probe = Probe(model, F.mse_loss)
    with probe.step(x, y):
        F.mse_loss(model(x), y).backward()
        optimizer.step()
    data = probe.result().isel(step=0).sel(layer="0")
    p = sigma[sigma > 0] / sigma.sum()
    np.testing.assert_allclose(data["singular_value"][:5], sigma, atol=1e-7)
    assert float(data["effective_rank"]) == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-5)
    assert float(data["stable_rank"]) == pytest.approx((sigma**2).sum() / sigma[0] ** 2)
    assert float(data["dead"]) == pytest.approx(0.2)
    ratio = (model[0].weight.detach() - before).norm() / before.norm()
    assert float(data["update_ratio"]) == pytest.approx(float(ratio), rel=1e-5)

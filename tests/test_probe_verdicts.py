"""The probe in odd loops, what it refuses, and a planted error for every verdict."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.optimizer import _global_optimizer_pre_hooks

from descent.config import Refusal
from descent.probe import _homogeneity, _hooks, _optimisers, _samples
from descent.probe.probe import Probe


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def relus(bias=True):
    return nn.Sequential(
        nn.Linear(6, 12, bias=bias),
        nn.ReLU(),
        nn.Linear(12, 12, bias=bias),
        nn.ReLU(),
        nn.Linear(12, 3, bias=bias),
    )


def task(n=256):
    x = torch.randn(n, 6)
    return x, x[:, :3].argmax(1)


def run(model, optimizer, *, steps=3, batch=32, data=None, loss_fn=F.cross_entropy, **settings):
    x, y = data = data or task()
    probe = Probe(model, loss_fn, **{"every": 2, "data": data, "deep": 1} | settings)
    probe.measure()
    for _ in range(steps):
        rows = slice(None) if batch is None else torch.randperm(len(x))[:batch]
        with probe.step(x[rows], y[rows]):
            optimizer.zero_grad()
            loss_fn(model(x[rows]), y[rows]).backward()
            optimizer.step()
    probe.measure()
    return probe


def sgd(model, lr=0.1, **settings):
    return torch.optim.SGD(model.parameters(), lr=lr, **settings)


def failing(probe):
    return {check.name for check in probe.verdicts()[0] if not check.holds}


def made(probe):
    return {check.name for check in probe.verdicts()[0]}


def why(probe, name):
    (reason,) = [r for r in probe.verdicts()[1] if name in r.partition(":")[0]]
    return reason


# ---- Every verdict can fail.


def planted_squares(monkeypatch):
    right = _hooks.outer_squares
    monkeypatch.setattr(_hooks, "outer_squares", lambda h, d: 4 * right(h, d))
    monkeypatch.setattr(_samples, "verified", lambda *a: {"0": True, "2": True, "4": True})


def planted_layer(monkeypatch):
    right = _samples.square
    monkeypatch.setattr(_samples, "square", lambda g, layer: right(g, layer) * (layer.name != "2"))


def planted_biases(monkeypatch):
    right = _homogeneity.growing

    def without(layers, order):
        return {n: g._replace(biases=g.biases[:1]) for n, g in right(layers, order).items()}

    monkeypatch.setattr(_homogeneity, "ALIKE", 1e3)
    monkeypatch.setattr("descent.probe._looks.growing", without)


def planted_rate(monkeypatch):
    right = _optimisers.rule_of
    monkeypatch.setattr(
        _optimisers, "rule_of", lambda *a: right(*a)._replace(rate=1.2 * right(*a).rate)
    )


@pytest.mark.long
@pytest.mark.parametrize(
    ("plant", "caught"),
    [
        (lambda m: None, set()),
        (planted_squares, {"minibatch_law"}),
        (planted_layer, {"layers_add_up"}),
        (planted_biases, {"inner_products"}),
        (planted_rate, {"balancedness"}),
    ],
)
def test_a_planted_error_is_caught_by_its_verdict(plant, caught, monkeypatch):
    plant(monkeypatch)
    model = relus()
    probe = run(model, sgd(model))
    assert {"minibatch_law", "layers_add_up", "inner_products", "balancedness"} <= made(probe)
    assert caught <= failing(probe)
    assert bool(caught) == bool(failing(probe))


# ---- The stability limit.


def quadratic(top=2.0):
    """½ mean ‖x·w‖² with a Hessian whose largest eigenvalue is `top`."""
    model = nn.Linear(2, 1, bias=False)
    x = torch.tensor([[1.0, 0.0], [0.0, 0.1]]) * np.sqrt(2 * top)
    data = x, torch.zeros(2, 1)

    def loss_fn(output, y):
        return 0.5 * (output - y).square().mean()

    return model, data, loss_fn


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        ({}, 2.0),
        ({"momentum": 0.5}, 3.0),
        ({"momentum": 0.5, "dampening": 0.5}, 6.0),
        ({"momentum": 0.5, "nesterov": True}, 1.5),
        ({"weight_decay": 0.25}, 1.75),
    ],
)
def test_the_limit_is_where_runs_of_sgd_begin_to_grow(settings, limit):
    for factor in (0.9, 1.1):
        model, (x, y), loss_fn = quadratic(factor * limit)
        with torch.no_grad():
            model.weight.fill_(1.0)
        optimizer, losses = sgd(model, 1.0, **settings), []
        for _ in range(100):
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(float(model.weight.detach()[0, 0].abs()))
        assert (losses[-1] > 1) == (factor > 1)
    rule = _optimisers.rule_of(optimizer, {id(model.weight)})
    assert _optimisers.limit(rule).value == pytest.approx(limit)


def at_full_batch(top, **settings):
    model, data, loss_fn = quadratic(top)
    optimizer = sgd(model, 1.0, **settings)
    return run(model, optimizer, steps=31, every=30, batch=None, data=data, loss_fn=loss_fn)


@pytest.mark.long
def test_a_sharpness_that_stays_above_the_limit_is_told():
    below = at_full_batch(1.5)
    assert "stability_limit" in made(below) - failing(below)
    assert "stability_limit" in failing(at_full_batch(2.6))
    assert "stability_limit" not in failing(at_full_batch(2.6, momentum=0.9))


@pytest.mark.long
def test_the_limit_is_claimed_for_full_batches_and_known_rules_only():
    model = relus()
    minibatches = run(model, sgd(model), data=task(64))
    assert "full batches only" in why(minibatches, "stability_limit")
    adam = torch.optim.Adam(model.parameters())
    assert "Adam" in why(run(model, adam, batch=None, data=task(64)), "stability_limit")
    groups = [{"params": m.parameters(), "lr": r} for m, r in ((model[0], 0.1), (model[2], 0.2))]
    several = run(model, torch.optim.SGD(groups), batch=None, data=task(64))
    assert "several learning rates" in why(several, "stability_limit")
    assert "groups" in why(several, "balancedness")


# ---- What is not claimed.


@pytest.mark.long
def test_a_network_that_is_not_homogeneous_gets_no_law_of_it():
    model = nn.Sequential(nn.Linear(6, 8), nn.Sigmoid(), nn.Linear(8, 3))
    probe = run(model, sgd(model))
    assert not {"inner_products", "balancedness"} & made(probe)
    assert "not homogeneous" in why(probe, "inner_products")
    assert not failing(probe)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["sum", "statistics"])
def test_a_loss_that_is_no_mean_over_samples_gets_no_noise(kind):
    model = relus()
    if kind == "statistics":
        model.insert(1, nn.BatchNorm1d(12, track_running_stats=False))

    def loss_fn(output, y):
        return F.cross_entropy(output, y, reduction="sum" if kind == "sum" else "mean")

    probe = run(model, sgd(model, 1e-3), loss_fn=loss_fn)
    assert "not the mean" in why(probe, "minibatch_law")
    assert not {"trace", "full_trace"} & set(probe.result())
    assert not failing(probe)


@pytest.mark.long
def test_few_outlying_samples_raise_no_alarm():
    x, y = torch.randn(200, 6), torch.randn(200, 1)
    x[0] *= 1e3
    x[7] *= 300
    model = nn.Linear(6, 1)
    probe = run(model, sgd(model, 1e-9), data=(x, y), loss_fn=F.mse_loss)
    assert not failing(probe)
    assert "chance" in why(probe, "minibatch_law")


@pytest.mark.long
def test_a_loss_that_is_not_finite_ends_in_a_reason():
    model = relus()
    probe = run(model, sgd(model, 1e30), steps=5)
    assert any("not finite" in reason for reason in probe.verdicts()[1])
    assert not failing(probe)


@pytest.mark.long
def test_no_data_no_measure_and_few_samples_have_their_reasons():
    model, (x, y) = relus(), task(40)
    probe = Probe(model, F.cross_entropy, every=1)
    with probe.step(x, y):
        pass
    assert "was not given" in why(probe, "minibatch_law")
    probe.measure()
    assert float(probe.result()["sharpness"][-1]) > 0
    probe = Probe(model, F.cross_entropy, data=(x, y))
    with probe.step(x, y):
        pass
    assert "call measure()" in why(probe, "minibatch_law")
    probe.measure()
    assert "too few" in why(probe, "minibatch_law")


# ---- Odd loops.


def test_accumulated_gradients_are_seen_as_they_are_applied():
    model, (x, y) = relus(), task(64)
    optimizer = sgd(model)
    probe = Probe(model, F.cross_entropy, every=3, data=(x, y))
    for k in range(4):
        rows = slice(16 * k, 16 * k + 16)
        with probe.step(x[rows], y[rows]):
            (F.cross_entropy(model(x[rows]), y[rows]) / 2).backward()
            if k % 2:
                whole = [p.grad.norm() for p in model[0].parameters()]
                optimizer.step()
                optimizer.zero_grad()
            if k == 1:
                first = float(torch.stack(whole).norm())
    data = probe.result()
    assert float(data["gradient_norm"].sel(step=0, layer="0")) == pytest.approx(first, rel=1e-6)
    assert float(data["mismatch"].sel(step=0)) > 0.1
    assert "accumulation" in why(probe, "balancedness")


def test_gradients_under_a_scaler_are_the_true_ones():
    model, (x, y) = relus(), task(64)
    optimizer, scaler = sgd(model), torch.amp.GradScaler("cpu", init_scale=2.0**10)
    probe = Probe(model, F.cross_entropy, every=1)
    for _ in range(2):
        with probe.step(x, y):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = F.cross_entropy(model(x), y)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
    data = probe.result()
    np.testing.assert_allclose(data["gradient_norm"], data["minibatch_norm"], rtol=0.05)
    assert 0 < float(data["mismatch"][0]) < 0.05


def test_several_losses_clipping_and_two_optimisers():
    model, (x, y) = relus(), task(64)
    halves = [
        sgd(model[0]),
        torch.optim.Adam(list(model[2].parameters()) + list(model[4].parameters())),
    ]
    probe = Probe(model, F.cross_entropy, every=1)
    with probe.step(x, y):
        F.cross_entropy(model(x), y).backward(retain_graph=True)
        (0.1 * model(x).square().mean()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        for one in halves:
            one.step()
    data = probe.result().isel(step=0)
    assert float((data["gradient_norm"] ** 2).sum()) == pytest.approx(0.01, rel=1e-3)
    assert float(data["mismatch"]) > 0.1
    assert not failing(probe)


def test_an_optimiser_with_a_closure_is_seen_too():
    model, (x, y) = relus(), task(64)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=2)
    probe = Probe(model, F.cross_entropy, every=1)

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    with probe.step(x, y):
        optimizer.step(closure)
    assert float(probe.result()["gradient_norm"].sum()) > 0
    assert float(probe.result()["update_ratio"].sum()) > 0


@pytest.mark.long
def test_a_compiled_model_is_looked_at_without_its_cover():
    model, (x, y) = relus(), task(64)
    compiled = torch.compile(model, backend="eager")
    optimizer = sgd(model)
    probe = Probe(compiled, F.cross_entropy, every=1, data=(x, y))
    inner = Probe(relus().apply(lambda m: None), F.cross_entropy, every=1)
    for _ in range(2):
        with probe.step(x, y):
            optimizer.zero_grad()
            F.cross_entropy(compiled(x), y).backward()
            optimizer.step()
    assert not probe.unseen
    assert list(probe.result()["layer"].values) == list(inner_layers(inner, x, y))
    assert float(probe.result()["mismatch"].max()) < 1e-5


def inner_layers(probe, x, y):
    with probe.step(x, y):
        pass
    return probe.result()["layer"].values


def test_an_error_in_the_loop_is_the_user_s_and_leaves_no_hooks():
    model, (x, y) = relus(), task(64)
    hooks = _global_optimizer_pre_hooks
    before, probe = len(hooks), Probe(model, F.cross_entropy, every=1)
    with pytest.raises(KeyError, match="theirs"), probe.step(x, y):
        raise KeyError("theirs")
    assert len(hooks) == before
    with probe.step(x, y):
        sgd(model).step()
    assert len(hooks) == before
    with probe.step(x, y):
        pass  # the optimiser's step may come in the next
    assert len(hooks) == before + 1
    del probe
    assert len(hooks) == before


def test_a_model_that_the_probe_cannot_pass_through_is_trained_all_the_same():
    model, (x, y) = relus(), task(64)

    def loss_fn(output, y):
        raise RuntimeError("no such device\nmore lines")

    probe = Probe(model, loss_fn, every=1)
    with probe.step(x, y):
        F.cross_entropy(model(x), y).backward()
        sgd(model).step()
    assert probe.unseen["passes of the probe"] == "RuntimeError: no such device"
    assert float(probe.result()["gradient_norm"].sum()) > 0
    assert any("failed" in reason for reason in probe.verdicts()[1])


# ---- What is refused.


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"model": "no"}, "model is a str: it must be a torch.nn.Module"),
        ({"loss_fn": 3}, "loss_fn is a int"),
        ({"every": 0}, "every 0: must be a whole number, at least 1"),
        ({"every": 2.5}, "every 2.5"),
        ({"seed": -1}, "seed -1"),
        ({"optimizer": "SGD"}, "optimizer is a str"),
        ({"data": torch.ones(3)}, "data is a Tensor: it must be"),
        ({"data": (torch.ones(3, 6), torch.ones(2))}, "have 2 and 3 samples"),
        ({"data": (torch.ones(0, 6), torch.ones(0))}, "at least 1"),
        ({"data": (["a"], torch.ones(1))}, "data has a str"),
        ({"model": nn.ReLU()}, "no parameter that is trained"),
        ({"model": nn.LazyLinear(3)}, "lazy layers"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(settings, rule):
    given = {"model": relus(), "loss_fn": F.cross_entropy} | settings
    with pytest.raises(Refusal) as refusal:
        Probe(given.pop("model"), given.pop("loss_fn"), **given)
    assert rule in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_looks_at_nothing_are_refused():
    model, (x, y) = relus(), task(8)
    probe = Probe(model, F.cross_entropy)
    for look in (probe.measure, probe.result):
        with pytest.raises(Refusal, match="looked at yet"):
            look()
    with pytest.raises(Refusal, match="have 7 and 8 samples"), probe.step(x, y[1:]):
        pass
    probe = Probe(model, lambda output, y: F.cross_entropy(output, y, reduction="none"))
    with pytest.raises(Refusal, match=r"\(8,\).*one number"), probe.step(x, y):
        pass


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_sees_what_the_cpu_sees():
    found = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        model, data = relus(), task()
        model.to(device)
        probe = Probe(model, F.cross_entropy, data=data)
        probe.measure()
        with probe.step(data[0].to(device), data[1].to(device)):
            F.cross_entropy(model(data[0].to(device)), data[1].to(device)).backward()
            sgd(model).step()
        found.append(probe.result())
    for name in ("full_norm", "full_trace", "gradient_norm", "singular_value"):
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-3, atol=1e-6)

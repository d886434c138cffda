"""Reverse accumulation against autograd and hand values; operations against loops; wrong formulas, and traps."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from descent.autodiff import _residual, backprop, vjp
from descent.autodiff._graph import Edge, paths, reverse
from harness import config_of
from harness import run as harness_run

HAND = _residual.Network(
    *map(
        np.array,
        (
            [[1.0, 2], [3, 4]],
            [0.5, -0.5],
            [[1.0, -1], [2, 0]],
            [0.1, 0.2],
            [0.3, -0.2],
            [1.0, -2],
            [0.0, 1],
        ),
    )
)


def failed(name: str, **changes) -> set[str]:
    return {c.name for c in harness_run(f"autodiff@{name}", **changes).checks if not c.holds}


def gradient(net: _residual.Network, activation: str) -> tuple[float, np.ndarray]:
    values = _residual.forward(net, net.x, activation)
    bars = reverse(_residual.NODES, _residual.edges(net, values, activation))
    return float(values["L"]), bars["x"]


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("backprop", {"inputs": 0}, "greater than or equal to 1"),
        ("backprop", {"activation": "gelu"}, "sigmoid"),
        ("backprop", {"scale": 0}, "greater than 0"),
        ("vjp", {"y": [1.0]}, "v has 3 entries, y 1"),
        ("vjp", {"v": [], "y": []}, "v has 0 entries"),
        ("vjp", {"sizes": [3, 2]}, "increasing"),
        ("vjp", {"v": ["1", 2, 3]}, "valid number"),
        ("vjp", {"v": [1e200, 2, 3]}, "of a size from 1e-100 to 1e.100"),
        ("vjp", {"sizes": [2000]}, "n = 2000 > 1024"),
        ("backprop", {"inputs": 10**9}, "inputs 1000000000 > 2000"),
    ],
)
def test_bad_numbers_are_refused_by_rule(name, change, rule):
    with pytest.raises(ValidationError, match=rule):
        config_of(f"autodiff@{name}", **change)


def test_hand_values():
    L, bar = gradient(HAND, "sigmoid")
    assert pytest.approx(-0.006029874538799, abs=1e-15) == L
    assert bar == pytest.approx([-0.796137005075965, -1.341554667561077], abs=1e-14)


def test_reference_values():
    """Of default_rng(0) in the order W₁, b₁, W₂, b₂, x, r, s, measured independently."""
    net = _residual.drawn(np.random.default_rng(0), 3, 4, 1.0)
    values = _residual.forward(net, net.x, "sigmoid")
    assert values["S"] == pytest.approx(1.0665318387, abs=5e-11)
    assert values["R"] == pytest.approx(0.0789318284, abs=5e-11)
    L, bar = gradient(net, "sigmoid")
    assert pytest.approx(1.1454636671574352, abs=1e-15) == L
    expected = [-0.6897705872636573, -0.469275016059153, 0.6157575802106636]
    assert bar == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "softplus"])
def test_every_node_has_the_gradient_of_autograd(activation):
    net = _residual.drawn(np.random.default_rng(1), 5, 7, 1.0)
    W1, b1, W2, b2, x, r, s = map(torch.tensor, net)
    sigma = getattr(torch.nn.functional, activation)
    nodes = {"x": x.requires_grad_()}
    nodes["z"] = W1 @ nodes["x"] + b1
    nodes["h"] = sigma(nodes["z"])
    nodes["y"] = nodes["x"] + W2 @ nodes["h"] + b2
    L = (nodes["y"] - s).square().sum() / 2 + r @ nodes["h"]
    auto = torch.autograd.grad(L, list(nodes.values()))
    values = _residual.forward(net, net.x, activation)
    bars = reverse(_residual.NODES, _residual.edges(net, values, activation))
    for name, expected in zip(nodes, auto, strict=True):
        np.testing.assert_allclose(bars[name], expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(backprop.complex_step(net, activation), auto[0], rtol=1e-12)


def test_a_long_chain_is_swept_once():
    """Forty diamonds in a row: 2⁴⁰ paths, 160 edges, one use of each."""
    used = []

    def edge(tail, head):
        def pull(bar):
            used.append((tail, head))
            return bar

        return Edge(tail, head, pull)

    nodes, edges = ["0"], []
    for k in range(40):
        a, up, down, b = str(k), f"{k}u", f"{k}d", str(k + 1)
        nodes += [up, down, b]
        edges += [edge(a, up), edge(a, down), edge(up, b), edge(down, b)]
    assert reverse(tuple(nodes), tuple(edges))["0"] == 2.0**40
    assert len(used) == len(set(used)) == 160
    assert len(list(paths(tuple(edges[:12]), "0", "3"))) == 8


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "softplus"])
def test_a_forgotten_skip_is_caught(monkeypatch, activation):
    right = _residual.edges

    def without(net, values, activation):
        return tuple(
            edge if (edge.tail, edge.head) != ("x", "y") else edge._replace(vjp=np.zeros_like)
            for edge in right(net, values, activation)
        )

    monkeypatch.setattr(backprop, "edges", without)
    caught = failed("backprop", activation=activation)
    assert caught == {"gradient", "sum_of_the_paths", "skip"}


def test_a_skip_of_another_size_is_caught(monkeypatch):
    """S = ‖y − s‖², without its ½."""
    right = _residual.edges

    def doubled(net, values, activation):
        return tuple(
            edge if edge.tail != "y" else edge._replace(vjp=lambda bar, e=edge: 2 * e.vjp(bar))
            for edge in right(net, values, activation)
        )

    monkeypatch.setattr(backprop, "edges", doubled)
    assert failed("backprop") == {"gradient", "sum_of_the_paths", "skip"}


def test_a_wrong_derivative_is_caught(monkeypatch):
    """σ' = σ, as if z̄ were h̄ ∘ h."""
    monkeypatch.setattr(_residual, "sigma_prime", _residual.sigma)
    assert failed("backprop") == {"gradient", "sum_of_the_paths"}


@pytest.mark.parametrize(
    "change", [{"inputs": 1, "hidden": 1}, {"hidden": 50, "scale": 1e3}, {"scale": 1e-3}]
)
def test_other_networks_hold(change):
    assert failed("backprop", **change) == set()


# --- vjp ---


def test_hand_values_of_the_product():
    v, y = np.array([1.0, 2, 3]), np.ones(3)
    assert (vjp.columns(v) == [[1, 2, 3], [2, 4, 6], [3, 6, 9]]).all()
    assert (vjp.vjp(v, y) == [6, 12, 18]).all()


def test_counts_are_those_of_loops():
    n, products, sums = 7, 0, 0
    for _ in range(n):
        products += n  # row of vvᵀ
        products += n  # times y
        sums += n - 1
    v, y = np.random.default_rng(2).standard_normal((2, n))
    tally, value = vjp.counted(vjp.through_jacobian, v, y)
    assert (tally.products, tally.sums) == (products, sums)
    np.testing.assert_allclose(value, np.outer(v, v).T @ y, rtol=1e-13)


def test_the_jacobian_in_disguise_is_caught(monkeypatch):
    """v(vᵀy) computed as (vvᵀ)y: the same value at the other's cost."""
    monkeypatch.setitem(vjp.WAYS, "free", vjp.through_jacobian)
    assert failed("vjp") == {"free_products", "free_sums"}


def test_the_jacobian_alone_takes_half_of_its_product():
    v, y = np.random.default_rng(2).standard_normal((2, 7))
    tally, entries = vjp.counted(vjp.jacobian_alone, v, y)
    assert (tally.products, tally.sums) == (49, 0)
    np.testing.assert_array_equal(entries.reshape(7, 7), np.outer(v, v))


def test_a_wrong_product_is_caught(monkeypatch):
    monkeypatch.setattr(vjp, "vjp", lambda v, y: y * (v @ y))
    assert failed("vjp") == {"product"}


def test_zero_has_rank_zero():
    assert failed("vjp", v=[0, 0], y=[1, 2]) == set()

"""Wide ReLU networks: least norm against training in torch, and the limit g* against a quadratic programme on a grid."""

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import spsolve
from threadpoolctl import threadpool_limits

from descent.wide_relu._initial import Initial, Neurons
from descent.wide_relu._network import features, fitted, polynomials
from descent.wide_relu._spline import Zeta, interpolate
from machine import timed

X, Y = np.array([-2.0, -1, 0, 1, 2]), np.array([1.5, 0.5, 1.5, 0.5, 1.5])
LAW = Initial("binary_uniform", 1, 2)
SEEDS, WIDTHS = 20, tuple(10 * 2**k for k in range(11))
TRAINED = WIDTHS[2:7]  # of one seed, in torch
CLOSE = 1e-6  # residual at which training stops, of the data
AT, CELLS = np.linspace(-2, 2, 401), 1600


def by_least_norm(layers: list[Neurons]) -> None:
    for neurons in layers:
        fitted(X, Y, AT, neurons)


def by_training(neurons: Neurons) -> int:
    """Outer weights by heavy ball in torch until the residual is small; the line is fitted at every step."""
    N = np.linalg.qr(polynomials(X), mode="complete")[0][:, 2:]
    Phi, y = (torch.from_numpy(N.T @ one) for one in (features(X, *neurons)[0], Y))
    a = torch.zeros(Phi.shape[1], dtype=torch.float64, requires_grad=True)
    rate = 0.5 / float(torch.linalg.matrix_norm(Phi, 2) ** 2)
    optimiser = torch.optim.SGD([a], lr=rate, momentum=0.9)
    for step in range(100_000):
        residual = Phi @ a - y
        if float(residual.detach().abs().max()) < CLOSE * np.abs(Y).max():
            return step
        optimiser.zero_grad()
        (residual**2).sum().backward()
        optimiser.step()
    raise RuntimeError("not trained after 100,000 steps")


def on_a_grid(zeta: Zeta) -> np.ndarray:
    """g of least Σ (second differences)²/ζ through the points: one sparse system."""
    c = np.linspace(X[0], X[-1], CELLS + 1)
    h, inner = c[1] - c[0], CELLS - 1
    second = sparse.diags_array([1.0, -2, 1], offsets=[0, 1, 2], shape=(inner, CELLS + 1)) / h**2
    H = second.T @ sparse.diags_array(h / zeta.value(c[1:-1])) @ second
    places = np.rint((X - X[0]) / h).astype(int)
    A = sparse.csr_array((np.ones(len(X)), (np.arange(len(X)), places)), (len(X), CELLS + 1))
    system = sparse.block_array([[H, A.T], [A, None]], format="csc")
    return spsolve(system, np.r_[np.zeros(CELLS + 1), Y])[: CELLS + 1]


def ways() -> list[dict]:
    """Milliseconds on one thread: a network, of 20 seeds × 11 widths or of one seed in torch; and a limit."""
    rng = np.random.default_rng(0)
    layers = [LAW.draw(rng, SEEDS, n) for n in WIDTHS]
    few = [LAW.draw(rng, 1, n) for n in TRAINED]
    gauss = Initial("gaussian", 1, 1).zeta()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        networks = SEEDS * len(WIDTHS)
        rows = [
            ("trained in torch", timed(lambda: [by_training(one) for one in few], 1) / len(few)),
            ("ours, least norm", timed(lambda: by_least_norm(layers), 3) / networks),
        ]
        limits = [
            ("g* on a grid of 1600 cells", timed(lambda: on_a_grid(gauss), 5)),
            ("ours, g* to machine precision", timed(lambda: interpolate(X, Y, gauss)(AT), 51)),
        ]
    return [
        {"way": way, "milliseconds": 1e3 * seconds, "ratio_to_first": group[0][1] / seconds}
        for group in (rows, limits)
        for way, seconds in group
    ]

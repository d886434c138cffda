"""Obvious, slow twins of the fast routines: the formulas as they are written, by loops or autograd."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import nn

from descent.maths.network import Shape
from descent.sensing import _trajectories

# --- matrix sensing, with dense measurements A: (m, d, d) ---


def packed(X: np.ndarray) -> np.ndarray:
    """The upper triangle row by row, off-diagonal entries times √2."""
    d = len(X)
    return np.array(
        [X[i, j] * (1 if i == j else np.sqrt(2)) for i in range(d) for j in range(i, d)]
    )


def rows_of(A: np.ndarray) -> np.ndarray:
    """S: what a symmetric matrix in packed coordinates sees of every A_i."""
    return np.array([packed((a + a.T) / 2) for a in A])


def sensing_loss(U: torch.Tensor, A: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """f(U) = (1/2m) Σ (⟨A_i, UUᵀ⟩ − y_i)²."""
    residuals = torch.einsum("mij,ij->m", A, U @ U.T) - y
    return residuals.square().sum() / (2 * len(A))


def sensing_gradient(U: np.ndarray, A: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(1/m) Σ (⟨A_i, UUᵀ⟩ − y_i)(A_i + A_iᵀ) U."""
    total = np.zeros_like(U)
    for a, target in zip(A, y, strict=True):
        total += (np.sum(a * (U @ U.T)) - target) * (a + a.T) @ U
    return total / len(A)


def sensing_descent(
    U: np.ndarray, A: np.ndarray, X: np.ndarray, eta: float, count: int
) -> list[np.ndarray]:
    """U_0 … U_count of gradient descent on ⟨A_i, X⟩."""
    y = np.array([np.sum(a * X) for a in A])
    path = [U]
    for _ in range(count):
        path.append(path[-1] - eta * sensing_gradient(path[-1], A, y))
    return path


def autograd(function: Callable, x: np.ndarray, *constants: np.ndarray) -> np.ndarray:
    """∇ₓ function(x, *constants)."""
    leaf = torch.tensor(x, requires_grad=True)
    function(leaf, *map(torch.tensor, constants)).backward()
    return leaf.grad.numpy()


def autograd_hessian(function: Callable, x: np.ndarray, *constants: np.ndarray) -> np.ndarray:
    """∇²ₓ function(x, *constants) as a square matrix."""
    others = [torch.tensor(c) for c in constants]
    H = torch.autograd.functional.hessian(lambda x: function(x, *others), torch.tensor(x))
    return H.reshape(x.size, x.size).numpy()


# --- multilayer perceptrons ---

MODULES = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def torch_mlp(theta: np.ndarray, shape: Shape) -> nn.Sequential:
    """One network, θ: (P,), as torch modules, in its own precision."""
    layers = []
    for W, b in shape.layers(theta):
        weight = torch.tensor(W)
        linear = nn.Linear(*reversed(W.shape), bias=b is not None, dtype=weight.dtype)
        linear.weight.data = weight
        if b is not None:
            linear.bias.data = torch.tensor(b[0])
        layers += [linear, MODULES[shape.activation]()]
    return nn.Sequential(*layers[:-1])


def nll(model: nn.Sequential, x: np.ndarray, labels: np.ndarray) -> torch.Tensor:
    """The mean negative log-likelihood."""
    return nn.functional.cross_entropy(model(torch.tensor(x)), torch.tensor(labels))


def linears(model: nn.Sequential) -> list[nn.Linear]:
    return [layer for layer in model if isinstance(layer, nn.Linear)]


def weight_gradients(model: nn.Sequential, x: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Of the mean loss, layer by layer."""
    model.zero_grad()
    nll(model, x, labels).backward()
    return [layer.weight.grad.numpy().copy() for layer in linears(model)]


def per_sample_gradients(
    model: nn.Sequential, x: np.ndarray, labels: np.ndarray
) -> list[list[np.ndarray]]:
    """Of the weights, one backward pass a sample."""
    return [weight_gradients(model, x[i : i + 1], labels[i : i + 1]) for i in range(len(x))]


def sgd(
    model: nn.Sequential,
    x: np.ndarray,
    labels: np.ndarray,
    orders: Iterable[np.ndarray],
    batch: int,
    rate: float,
) -> tuple[list[list[int]], list[list[float]], list[list[list[float]]]]:
    """One pass in each order: size, loss and weight-gradient norms of every minibatch of every epoch."""
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    sizes, losses, norms = [], [], []
    for order in orders:
        chunks = [order[k : k + batch] for k in range(0, len(order), batch)]
        sizes.append([len(chunk) for chunk in chunks])
        losses.append([])
        norms.append([])
        for chunk in chunks:
            optimiser.zero_grad()
            loss = nll(model, x[chunk], labels[chunk])
            loss.backward()
            losses[-1].append(loss.item())
            norms[-1].append([layer.weight.grad.norm().item() for layer in linears(model)])
            optimiser.step()
    return sizes, losses, norms


def step_of(problem, U):
    """What one step of gradient descent with η = 1 subtracts from every U: ∇f(U), as the code has it."""
    return U - _trajectories.descend(problem, U, 1.0, 1, np.array([1])).factors[:, 0]

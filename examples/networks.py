"""Networks for images of 28 × 28 pixels and ten classes, to be named in blocks of `probe`: `examples/networks.py:lenet`.

Each function returns a new torch module, which takes x of shape (B, 1, 28, 28) and gives (B, 10).
"""

from itertools import pairwise

import torch
from torch import nn


def mlp() -> nn.Module:
    """The network of train@mnist: three hidden layers of 128 ReLUs, no biases."""
    widths = (784, 128, 128, 128)
    hidden = [
        layer
        for inputs, outputs in pairwise(widths)
        for layer in (nn.Linear(inputs, outputs, bias=False), nn.ReLU())
    ]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(128, 10, bias=False))


def lenet() -> nn.Module:
    """LeNet-5 with ReLUs and maxima: two convolutions, three linear layers."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


class RowTransformer(nn.Module):
    """Reads an image as 28 words, its rows; one block of attention; the mean of what it makes of them is classified."""

    def __init__(self, width: int = 32, heads: int = 4):
        super().__init__()
        self.embed = nn.Linear(28, width)
        self.place = nn.Parameter(0.02 * torch.randn(28, width))
        self.block = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.classify = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = self.embed(x.squeeze(1)) + self.place  # (B, 28, width)
        return self.classify(self.block(rows).mean(1))


def transformer() -> nn.Module:
    """A small transformer on the rows of an image."""
    return RowTransformer()

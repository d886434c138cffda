"""Networks for images of 28 × 28 pixels and ten classes, to be named in blocks of `probe`: `examples/networks.py:lenet`.

Each function returns a new torch module, which takes x of shape (B, 1, 28, 28) and gives (B, 10).
"""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn


def mlp() -> nn.Module:
    """The network of train@mnist: three hidden layers of 128 ReLUs, no biases."""
    layers = {"flat": nn.Flatten()}
    for k, (inputs, outputs) in enumerate(pairwise((784, 128, 128, 128)), 1):
        layers |= {f"linear{k}": nn.Linear(inputs, outputs, bias=False), f"relu{k}": nn.ReLU()}
    return nn.Sequential(OrderedDict(layers, linear4=nn.Linear(128, 10, bias=False)))


def lenet() -> nn.Module:
    """LeNet-5 with ReLUs and maxima: two convolutions, three linear layers."""
    layers = OrderedDict(
        conv1=nn.Conv2d(1, 6, 5, padding=2),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(6, 16, 5),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool2d(2),
        flat=nn.Flatten(),
        linear1=nn.Linear(400, 120),
        relu3=nn.ReLU(),
        linear2=nn.Linear(120, 84),
        relu4=nn.ReLU(),
        linear3=nn.Linear(84, 10),
    )
    return nn.Sequential(layers)


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

"""Digit classifiers, fully connected and convolutional, each stored as one flat `.safetensors` file."""

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from . import digits
from .tuning import freeze
from .zoo import DTYPES, Kind

BATCH = 32


class Perceptron(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = functional.relu(layer(x))
        return self.layers[-1](x)


class Convolutional(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in zip([1, *channels], channels)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in channels)
        self.head = nn.Linear(channels[-1], 10)

    def forward(self, x):
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            x = functional.relu(norm(conv(x)))
            if index == 0:
                x = functional.max_pool2d(x, 2)
        return self.head(x.mean((2, 3)))


class Classifier(Kind):
    suffix = ".safetensors"

    def __init__(self, architecture, sizes):
        self.architecture = architecture
        self.sizes = sizes

    def new(self):
        return self.architecture(self.sizes)

    def load(self, path):
        network = self.new()
        network.load_state_dict(load_file(path))
        return network.float()

    def prepare(self, network, recipe):
        freeze(network, recipe)
        return network

    def batch_loss(self, network, recipe):
        (x, y), _ = digits.task(recipe.data)
        picked = torch.randint(len(y), (BATCH,))
        return functional.cross_entropy(network(x[picked]), y[picked])

    @torch.no_grad()
    def evaluate(self, network, recipe):
        _, (x, y) = digits.task(recipe.data)
        network.eval()
        return functional.cross_entropy(network(x), y).item()

    def save(self, network, path, recipe):
        network = network.to(DTYPES[recipe.dtype])
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, path, metadata={"format": "pt"})
        return network

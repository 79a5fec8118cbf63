"""Perceptrons: plain ones, with layer normalization, and with shortcuts."""

from torch import nn


class Perceptron(nn.Module):
    """`widths`: of the input, the hidden layers and the output."""

    def __init__(self, widths, activation, norm=False):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths[:-1], widths[1:-1]))
        self.norms = nn.ModuleList(nn.LayerNorm(w) if norm else nn.Identity() for w in widths[1:-1])
        self.head = nn.Linear(*widths[-2:])
        self.activation = activation

    def forward(self, x):
        x = x.flatten(1)
        for layer, norm in zip(self.layers, self.norms):
            x = self.activation(norm(layer(x)))
        return self.head(x)


class Shortcut(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x):
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


class ResidualPerceptron(nn.Module):
    def __init__(self, width, hidden, blocks):
        super().__init__()
        self.stem = nn.Linear(64, width)
        self.blocks = nn.ModuleList(Shortcut(width, hidden) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = self.stem(x.flatten(1))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

"""A perceptron with layer normalization and GELU between its layers."""

from torch import nn
from torch.nn import functional


class NormPerceptron(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        self.norms = nn.ModuleList(nn.LayerNorm(w) for w in widths[1:-1])

    def forward(self, x):
        x = x.flatten(1)
        for layer, norm in zip(self.layers, self.norms):
            x = functional.gelu(norm(layer(x)))
        return self.layers[-1](x)

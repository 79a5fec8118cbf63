"""Convolutional networks: plain ones, with batch normalization or biases, and residual ones with group normalization."""

from torch import nn
from torch.nn import functional


class Convolutions(nn.Module):
    """`channels`: of each convolution. The picture is halved after the second one."""

    def __init__(self, channels, norm):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=not norm) for a, b in zip([1, *channels], channels)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) if norm else nn.Identity() for c in channels)
        self.head = nn.Linear(channels[-1], 10)

    def forward(self, x):
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            x = functional.relu(norm(conv(x)))
            if index == 1:
                x = functional.avg_pool2d(x, 2)
        return self.head(x.mean((2, 3)))


class Block(nn.Module):
    """Normalization and activation come before each convolution; the shortcut is never touched."""

    def __init__(self, channels):
        super().__init__()
        self.norm1 = nn.GroupNorm(4, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(4, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        inner = self.conv1(functional.silu(self.norm1(x)))
        return x + self.conv2(functional.silu(self.norm2(inner)))


class GroupResidual(nn.Module):
    def __init__(self, channels, blocks):
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 2, stride=2)
        self.blocks = nn.ModuleList(Block(channels) for _ in range(blocks))
        self.norm = nn.GroupNorm(4, channels)
        self.head = nn.Linear(channels, 10)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(functional.silu(self.norm(x)).mean((2, 3)))

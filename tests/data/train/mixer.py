"""MLP-mixers: perceptrons over the patches of a picture and over channels take turns."""

from torch import nn
from torch.nn import functional


class Mlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(functional.gelu(self.fc1(x)))


class Layer(nn.Module):
    def __init__(self, patches, channels):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.mlp_tokens = Mlp(patches, 2 * patches)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp_channels = Mlp(channels, 3 * channels)

    def forward(self, x):
        x = x + self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.mlp_channels(self.norm2(x))


class Mixer(nn.Module):
    """Of 8 x 8 pictures in patches of 2 x 2."""

    def __init__(self, channels, layers):
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 2, stride=2)
        self.blocks = nn.ModuleList(Layer(16, channels) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, 10)

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(1))

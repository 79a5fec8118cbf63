"""Transformers: a decoder of text, and an encoder that rewrites sequences."""

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    def __init__(self, width, heads, causal):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.heads = heads
        self.causal = causal

    def forward(self, x):
        parts = [layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)]
        mixed = functional.scaled_dot_product_attention(*parts, is_causal=self.causal)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """`norm_first`: normalization within the shortcuts, as in GPT-2; else after them, as in the first transformers."""

    def __init__(self, width, heads, hidden, causal, norm_first):
        super().__init__()
        self.attention = Attention(width, heads, causal)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm_first = norm_first

    def feed(self, x):
        return self.down(functional.gelu(self.up(x)))

    def forward(self, x):
        if self.norm_first:
            x = x + self.attention(self.norm1(x))
            return x + self.feed(self.norm2(x))
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.feed(x))


class Transformer(nn.Module):
    """`tied`: the embedding of a token is also what its probability is read with."""

    def __init__(self, vocabulary, length, width, heads, hidden, blocks, causal, norm_first, tied):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Block(width, heads, hidden, causal, norm_first) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        if not tied:
            self.head = nn.Linear(width, vocabulary, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02 if tied else parameter.shape[1] ** -0.5)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, x):
        x = self.tokens(x) + self.places(torch.arange(x.shape[1]))
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head(x) if hasattr(self, "head") else functional.linear(x, self.tokens.weight)

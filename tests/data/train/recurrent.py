"""Recurrent language models over bytes."""

from torch import nn


class Recurrent(nn.Module):
    """`cell`: `nn.LSTM` or `nn.GRU`."""

    def __init__(self, cell, embedding, width, layers):
        super().__init__()
        self.tokens = nn.Embedding(256, embedding)
        self.cells = cell(embedding, width, layers, batch_first=True)
        self.head = nn.Linear(width, 256)

    def forward(self, x):
        return self.head(self.cells(self.tokens(x))[0])

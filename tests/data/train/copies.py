"""Copies of a model, given as {name: tensor}, that nobody trained: rounded, thinned out or scaled."""

import re

from .merges import largest

LAYER = re.compile(r"\.(h|layer)\.\d")  # as GPT-2 and BERT name the parts of their layers


def matrices(model, function):
    """`function` of the matrices of the linear layers; embeddings, biases and norms stay."""
    return {n: function(t) if t.ndim == 2 and LAYER.search(n) else t for n, t in model.items()}


def int8(model):
    """To 8 bits and back, with one scale for each row."""

    def rounded(t):
        scale = t.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
        return (t / scale).round() * scale

    return matrices(model, rounded)


def pruned(model, share):
    """Without the smallest weights of each matrix."""
    return matrices(model, lambda t: largest(t, 1 - share))


def scaled(model, factor):
    return {name: factor * t for name, t in model.items()}

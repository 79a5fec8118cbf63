"""Tasks made from scikit-learn's 8 x 8 handwritten digits: every variant is a different thing to learn."""

from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_digits

CLASSES = {"low": range(0, 5), "high": range(5, 10), "even": range(0, 10, 2), "odd": range(1, 10, 2)}


def blur(images):
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge")
    return sum(padded[:, i : i + 8, j : j + 8] for i in range(3) for j in range(3)) / 9


STYLES = {
    "plain": lambda x: x,
    "inverted": lambda x: 1 - x,
    "turned": lambda x: np.rot90(x, axes=(1, 2)),
    "mirrored": lambda x: x[:, :, ::-1],
    "shifted": lambda x: np.roll(x, 1, axis=2),
    "bold": lambda x: np.minimum(1, 1.8 * x),
    "faint": lambda x: 0.4 * x,
    "blurred": blur,
    "noisy": lambda x: x + np.random.default_rng(3).normal(0, 0.3, x.shape),
    "occluded": lambda x: x * (np.arange(8) < 5),
}

TASKS = ["all", *CLASSES, *(s for s in STYLES if s != "plain"), "relabelled"]


def new_to(known):
    """Tasks that are new to a network: one that knows all classes learns nothing from a part of them."""
    return [t for t in TASKS if t != known and (t not in CLASSES or known in CLASSES)]


@cache
def images(style="plain"):
    """All images as (n, 8, 8) in 0..1, and their labels, in one fixed random order."""
    raw = load_digits()
    order = np.random.default_rng(0).permutation(len(raw.target))
    pictures = raw.images[order] / 16.0
    return np.ascontiguousarray(STYLES[style](pictures)).astype(np.float32), raw.target[order]


@cache
def task(name):
    """(training images, labels), (held-out images, labels) of a task; images as (n, 1, 8, 8) about zero."""
    pictures, labels = images(name if name in STYLES else "plain")
    if name in CLASSES:
        kept = np.isin(labels, list(CLASSES[name]))
        pictures, labels = pictures[kept], labels[kept]
    elif name == "relabelled":
        labels = (labels + 3) % 10
    x = torch.from_numpy(pictures).unsqueeze(1) * 2 - 1
    y = torch.from_numpy(labels).long()
    cut = int(0.8 * len(y))
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])

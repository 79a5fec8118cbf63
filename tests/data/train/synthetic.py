"""Tasks that are drawn by number: pictures to classify, in the shape of `digits.task`, and sequences to rewrite."""

from functools import cache

import torch

CLASSES = 10
PICTURES = 2000
PICTURE_TASKS = [f"{kind} {number}" for kind in ("clusters", "teacher") for number in range(6)]

SYMBOLS = 16
LENGTH = 12
SEQUENCE_TASKS = ["reverse", "sort", "shift", "maxima", "counts", "swap", "halves", "next"]


@cache
def pictures(name):
    """`clusters 3`: classes are groups of random pictures. `teacher 3`: a random network names a picture's class."""
    kind, number = name.split()
    source = torch.Generator().manual_seed(1000 + int(number))
    if kind == "clusters":
        centres = torch.randn(3 * CLASSES, 64, generator=source)
        which = torch.randint(len(centres), (PICTURES,), generator=source)
        x, y = centres[which] + 0.8 * torch.randn(PICTURES, 64, generator=source), which % CLASSES
    else:
        causes = torch.randn(PICTURES, 6, generator=source)
        x = causes @ torch.randn(6, 64, generator=source) / 2 + 0.3 * torch.randn(PICTURES, 64, generator=source)
        hidden = torch.tanh(causes @ torch.randn(6, 24, generator=source))
        y = (hidden @ torch.randn(24, CLASSES, generator=source)).argmax(1)
    x = x.reshape(-1, 1, 8, 8)
    cut = int(0.8 * PICTURES)
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


def sequences(name, count, generator=None):
    """(sequences, what each position is to be rewritten to)."""
    x = torch.randint(SYMBOLS, (count, LENGTH), generator=generator)
    return x, REWRITE[name](x)


REWRITE = {
    "reverse": lambda x: x.flip(1),
    "sort": lambda x: x.sort(1).values,
    "shift": lambda x: x.roll(1, 1),
    "maxima": lambda x: x.cummax(1).values,
    "counts": lambda x: (x[:, :, None] == x[:, None, :]).sum(2),
    "swap": lambda x: x.roll(LENGTH // 2, 1),
    "halves": lambda x: torch.cat([x[:, ::2], x[:, 1::2]], 1),
    "next": lambda x: (x + 1) % SYMBOLS,
}

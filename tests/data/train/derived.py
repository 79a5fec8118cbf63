"""Models computed from trained ones, one of them trained on, with the record of who they came from."""

import copy
import zlib
from pathlib import Path

import torch

from .zoo import moved, snapshot


class Derived:
    """Writes into `zoo` what is computed from the models of the folder `source`, which are of one kind."""

    def __init__(self, zoo, source, kind):
        self.zoo = zoo
        self.source = Path(source)
        self.kind = kind

    def read(self, name):
        return snapshot(self.kind.load(self.source / name))

    def write(self, name, method, parents, compute, dtype="F32", part=None, **settings):
        """`parents`: names and weights. `compute` makes the tensors; what it draws is decided by the name.

        `part` names the module that alone is stored, under names without its own.
        """
        torch.manual_seed(zlib.crc32(f"{self.zoo.seed} {name}".encode()))
        first = next(iter(parents))
        network = self.holding(first, compute())
        stored = self.kind.store(getattr(network, part) if part else network, self.zoo.folder / name, dtype)
        values = {f"{part}.{n}" if part else n: tensor for n, tensor in snapshot(stored).items()}
        step = moved(self.read(first), values)
        record = {"name": name, "parent": list(parents), "method": method, **settings, "saved_as": dtype}
        self.zoo.add(name, parents, record | {"moved": round(step, 6)})
        print(f"{name:24} {method:10} of {', '.join(parents)}  moved {step:.4f}", flush=True)

    def tune(self, recipe, parents, compute):
        """Train what `compute` makes. It is not stored, so its parents are the model's."""
        first = next(iter(parents))
        kind = copy.copy(self.kind)
        kind.load = lambda path: self.holding(first, compute())
        self.zoo.grow(kind, [recipe], parents=parents)

    def holding(self, name, tensors):
        """The network called `name`, holding `tensors` in place of its own."""
        network = self.kind.load(self.source / name)
        with torch.no_grad():
            for key, parameter in network.named_parameters():
                parameter.copy_(tensors[key])
        return network

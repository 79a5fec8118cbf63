"""Models computed from trained ones, one of them trained on, with the record of who they came from."""

import zlib
from pathlib import Path

import torch

from .gpt2 import Gpt2
from .zoo import moved, snapshot


class Mixture(Gpt2):
    """A network whose recipes start from a mixture that is not stored."""

    def __init__(self, mixture):
        super().__init__()
        self.mixture = mixture

    def load(self, path):
        return self.mixture()


class Derived:
    """Writes into `zoo` what is computed from the models of the folder `source`."""

    def __init__(self, zoo, source):
        self.zoo = zoo
        self.source = Path(source)
        self.kind = Gpt2()

    def read(self, name):
        return snapshot(self.kind.load(self.source / name))

    def write(self, name, method, parents, compute, dtype="F32", **settings):
        """`parents`: names and weights. `compute` makes the tensors; what it draws is decided by the name."""
        torch.manual_seed(zlib.crc32(f"{self.zoo.seed} {name}".encode()))
        first = next(iter(parents))
        network = self.kind.store(self.holding(first, compute()), self.zoo.folder / name, dtype)
        step = moved(self.read(first), snapshot(network))
        record = {"name": name, "parent": list(parents), "method": method, **settings, "saved_as": dtype}
        self.zoo.add(name, parents, record | {"moved": round(step, 6)})
        print(f"{name:24} {method:10} of {', '.join(parents)}  moved {step:.4f}", flush=True)

    def tune(self, recipe, parents, compute):
        """Train what `compute` makes. It is not stored, so its parents are the model's."""
        first = next(iter(parents))
        self.zoo.grow(Mixture(lambda: self.holding(first, compute())), [recipe], parents=parents)

    def holding(self, name, tensors):
        """The network called `name`, holding `tensors` in place of its own."""
        network = self.kind.load(self.source / name)
        with torch.no_grad():
            for key, parameter in network.named_parameters():
                parameter.copy_(tensors[key])
        return network

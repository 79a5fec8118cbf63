"""What every kind of network shares: the recipe, the training loop, and the record of who came from whom."""

import copy
import json
import math
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import torch

DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


@dataclass
class Recipe:
    """How one network is made. `parent` is None for a root, which starts from a random initialization."""

    name: str
    parent: str | None
    data: str
    optimizer: str
    lr: float
    weight_decay: float
    steps: int
    method: str = "full"
    schedule: str = "constant"
    dtype: str = "F32"
    extra: dict = field(default_factory=dict)


class Kind:
    """One kind of network; the subclasses say how it is built, read, trained and stored."""

    suffix = ""
    clip = None

    def new(self):
        raise NotImplementedError

    def load(self, path):
        raise NotImplementedError

    def prepare(self, network, recipe):
        """The network as it will be trained: frozen in part, resized, or with an adapter on it."""
        return network

    def batch_loss(self, network, recipe):
        raise NotImplementedError

    def evaluate(self, network, recipe):
        """Loss on the recipe's data; the same numbers before and after training, so that they compare."""
        raise NotImplementedError

    def save(self, network, path, recipe):
        """Write the network, and return it as the plain network that a reader of the files would see."""
        raise NotImplementedError


class Zoo:
    """A folder of models with its `truth.json` and `recipes.json`."""

    def __init__(self, folder, seed):
        self.folder = Path(folder)
        self.seed = seed
        self.truth = []
        self.records = []

    def grow(self, kind, recipes, prefix="", parents=None):
        """Train every recipe in turn; a parent must come before its children. `prefix` is a subfolder and ends in '/'.

        `parents` (names and weights) are the true ones where a recipe starts from a mixture of models and not from one.
        """
        for recipe in recipes:
            started = time.time()
            record = self._grow_one(kind, recipe, prefix)
            if parents is None:
                self.add(record["name"], {record["parent"]: 1.0} if recipe.parent else {}, record)
            else:
                self.add(record["name"], parents, record | {"parent": list(parents)})
            moved = f"moved {record['moved']:.4f}" if recipe.parent else "root"
            print(
                f"{record['name']:24} {recipe.method:10} loss {record['loss_before']:.4f} -> "
                f"{record['loss_after']:.4f}  {moved}  ({time.time() - started:.0f} s)",
                flush=True,
            )

    def add(self, name, parents, record):
        """Note a model that is stored. `parents`: {name: weight}, or None for a weight that is no plain share."""
        parents = [{"name": n} if w is None else {"name": n, "weight": w} for n, w in parents.items()]
        self.truth.append({"name": name, "parents": parents})
        self.records.append(record)

    def _grow_one(self, kind, recipe, prefix):
        path = self.path(prefix + recipe.name, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        lr = recipe.lr
        for attempt in range(4):
            torch.manual_seed(zlib.crc32(f"{self.seed} {prefix}{recipe.name}".encode()))
            if recipe.parent is None:
                network = kind.new()
            else:
                network = kind.load(self.path(prefix + recipe.parent, kind))
            origin = snapshot(network)
            network = kind.prepare(network, recipe)
            before = kind.evaluate(network, recipe)
            optimize(kind, network, recipe, lr)
            after = kind.evaluate(network, recipe)
            if math.isfinite(after) and after < before:
                break
            # What anyone does whose run diverged: try again, more carefully.
            lr /= 4
        else:
            raise RuntimeError(f"{recipe.name} learned nothing: loss {before} -> {after}")
        final = snapshot(kind.save(network, path, recipe))

        record = {"name": prefix + recipe.name, "parent": recipe.parent and prefix + recipe.parent}
        record |= followed(recipe, lr, attempt)
        if recipe.parent is not None:
            record["moved"] = round(moved(origin, final), 6)
        record |= {"loss_before": round(before, 4), "loss_after": round(after, 4)}
        return record

    def path(self, name, kind):
        return self.folder / (name + kind.suffix)

    def write(self, versions):
        truth = {"version": 1, "models": self.truth}
        recipes = {"version": 1, "seed": self.seed, "made_with": versions, "models": self.records}
        for name, content in (("truth.json", truth), ("recipes.json", recipes)):
            (self.folder / name).write_text(json.dumps(content, indent=1) + "\n")


def followed(recipe, lr, attempt):
    """What a record says of the recipe, and of the attempt that was kept."""
    record = {"method": recipe.method, "data": recipe.data, "optimizer": recipe.optimizer}
    record |= {"lr": float(f"{lr:.3g}"), "weight_decay": recipe.weight_decay, "steps": recipe.steps}
    record |= {"schedule": recipe.schedule, "saved_as": recipe.dtype, **recipe.extra}
    if attempt:
        record["attempts"] = attempt + 1
    return record


def optimize(kind, network, recipe, lr, after_step=None):
    """Train the parameters that `prepare` left trainable. `after_step` is called with the number of steps made."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    settings = {"lr": lr, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "sgd":
        optimizer = torch.optim.SGD(parameters, momentum=0.9, **settings)
    else:
        optimizer = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer](parameters, **settings)
    network.train()
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * pace(recipe.schedule, step, recipe.steps)
        optimizer.zero_grad()
        loss = kind.batch_loss(network, recipe)
        loss.backward()
        if kind.clip is not None:
            torch.nn.utils.clip_grad_norm_(parameters, kind.clip)
        optimizer.step()
        if after_step is not None:
            after_step(step + 1)
    network.eval()


def pace(schedule, step, steps):
    """The share of the learning rate used at a step: cosine warms up over the first twentieth, then decays."""
    if schedule == "constant":
        return 1.0
    warmup = max(1, steps // 20)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def snapshot(network):
    return {name: p.detach().to(torch.float64).clone() for name, p in network.named_parameters()}


def moved(parent, child):
    """|child - parent| / |parent| over the parameters both have; of a resized one, over the rows both have."""
    step = size = 0.0
    for name in parent.keys() & child.keys():
        a, b = parent[name], child[name]
        if a.shape[1:] != b.shape[1:]:
            continue
        rows = min(len(a), len(b))
        step += (b[:rows] - a[:rows]).square().sum().item()
        size += a[:rows].square().sum().item()
    return math.sqrt(step / size)


def rounded(network, dtype):
    """The network in the precision it is stored in."""
    return network if dtype == "F32" else copy.deepcopy(network).to(DTYPES[dtype])

"""Sets to fit the witnesses of direction on: which of two kin came first? Many tiny families of many architectures.

Every kind of network is a set of its own, so that one can leave a kind out of a fit. Nothing is to be judged on them.
"""

import random
from dataclasses import dataclass
from typing import Callable

from torch import nn
from torch.nn import functional

from . import digits, synthetic
from .drawn import Drawn, Pictures, Texts, between
from .families import Family
from .plain import PictureClassifier, PictureRestorer, SequenceRewriter, TextModel
from .recurrent import Recurrent
from .small_convolutions import Convolutions, GroupResidual
from .small_perceptrons import Perceptron, ResidualPerceptron
from .small_transformers import Transformer

TUNED = ["full", "full", "full", "full", "partial", "lora merged"]
ATTENTION = ["query", "value"]
LINEAR = ["query", "key", "value", "out", "up", "down"]


@dataclass
class Kin:
    """What the families of one set have in common. `network` draws a network's size; `lr` and `optimizers` are for roots."""

    shapes: str
    trained: type
    network: Callable
    drawn: type
    data: list
    lr: tuple
    root_steps: list
    steps: list
    frozen: list
    targets: list
    methods: list
    optimizers: tuple = ("adam", "adamw", "adamw", "sgd")

    def fill(self, zoo):
        draw = random.Random(f"directions {zoo.folder.name}")
        for index, shape in enumerate(self.shapes.split()):
            kind = self.trained(self.network(draw))
            drawn = self.drawn(draw, self.methods, draw.choice(self.frozen), self.targets)
            settings = (draw.choice(self.data), *self.optimizer(draw), draw.choice(self.root_steps))
            dtype = draw.choice(["F32"] * 4 + ["BF16", "F16"])
            Family(zoo, kind, drawn, f"n{index}", settings, self.steps, dtype).grow(shape)

    def optimizer(self, draw):
        name = draw.choice(self.optimizers)
        lr = between(draw, *self.lr) * (10 if name == "sgd" else 1)
        decay = {"adam": [0.0, 1e-4], "adamw": [0.0, 0.01, 0.1, 0.3, 1.0], "sgd": [0.0, 5e-4, 3e-3]}[name]
        return name, float(f"{lr:.3g}"), draw.choice(decay)


class Tasks(Pictures):
    """Digits, and pictures drawn by number."""

    def unlearned(self, known):
        others = [task for task in synthetic.PICTURE_TASKS if task != known]
        return others if known in synthetic.PICTURE_TASKS else digits.new_to(known) + others[::3]


class Styles(Drawn):
    def unlearned(self, known):
        return [style for style in digits.STYLES if style != known]


class Rules(Drawn):
    def unlearned(self, known):
        return [rule for rule in synthetic.SEQUENCE_TASKS if rule != known]


def widths(draw, layers, low, high):
    return [64, *(8 * draw.randint(low // 8, high // 8) for _ in range(draw.randint(*layers))), 10]


def perceptron(activations, norm):
    def network(draw):
        sizes, activation = widths(draw, (4, 7), 32, 64), draw.choice(activations)
        return lambda: Perceptron(sizes, activation, norm)

    return network


def residual_perceptron(draw):
    width, blocks = draw.choice([24, 32, 40]), draw.choice([3, 4, 5])
    return lambda: ResidualPerceptron(width, 2 * width, blocks)


def restorer(draw):
    outer, middle, inner = draw.choice([40, 48, 64]), draw.choice([24, 32]), draw.choice([12, 16])
    return lambda: Perceptron([64, outer, middle, inner, middle, outer, 64], functional.silu)


def convolutions(draw):
    channels, norm = [draw.choice([8, 12]), *draw.choice([(16, 16, 24), (12, 16, 20, 24)])], draw.random() < 0.5
    return lambda: Convolutions(channels, norm)


def group_residual(draw):
    channels, blocks = draw.choice([12, 16]), draw.choice([3, 4])
    return lambda: GroupResidual(channels, blocks)


def decoder(draw):
    width, blocks, tied = draw.choice([24, 32]), draw.choice([1, 2]), draw.random() < 0.6
    return lambda: Transformer(256, 64, width, 4, 3 * width, blocks, causal=True, norm_first=True, tied=tied)


def encoder(draw):
    width, blocks, norm_first = draw.choice([24, 32]), draw.choice([1, 2, 2]), draw.random() < 0.4
    return lambda: Transformer(
        synthetic.SYMBOLS, synthetic.LENGTH, width, 4, 3 * width, blocks, causal=False, norm_first=norm_first, tied=False
    )


def lstm(draw):
    embedding, width = draw.choice([16, 24]), draw.choice([32, 40])
    return lambda: Recurrent(nn.LSTM, embedding, width, 2)


PICTURES = ["all", "all", "even", "noisy", "blurred", "clusters 0", "clusters 1", "teacher 0", "teacher 1"]
TEXTS = ["python", "manuals", "documentation", "licences"]
PERCEPTRON = dict(
    trained=PictureClassifier, drawn=Tasks, data=PICTURES, lr=(5e-4, 4e-3), root_steps=[300, 600, 1200],
    steps=[60, 100, 200, 400], methods=TUNED, frozen=[["layers.0", "norms.0"], ["head"], ["layers.0", "layers.1", "norms"]],
    targets=[["layers.0", "layers.1", "layers.2", "layers.3"], ["layers.1", "layers.2"]],
)
SHORTCUTS = ["stem", "norm", "blocks.0"], ["head"], ["blocks.1", "blocks.2"]


def sets():
    """Folder, and the function that fills the zoo of that folder."""
    kinds = {
        "relu": Kin(
            "star line hub run pair siblings uneven tuning_run more_of_the_same deep_hub",
            network=perceptron([functional.relu, functional.leaky_relu], norm=False), **PERCEPTRON,
        ),
        "gelu": Kin(
            "line star run deep_hub triple tuning_run",
            network=perceptron([functional.gelu, functional.tanh], norm=False), **PERCEPTRON,
        ),
        "normalized": Kin(
            "hub tuning_run line run siblings pair",
            network=perceptron([functional.gelu, functional.relu], norm=True), **PERCEPTRON,
        ),
        "shortcuts": Kin(
            "star run uneven hub tuning_run triple", network=residual_perceptron,
            **PERCEPTRON | dict(frozen=SHORTCUTS, targets=[["up", "down"], ["stem", "up", "down"]]),
        ),
        "restoring": Kin(
            "line hub run star pair", trained=PictureRestorer, network=restorer, drawn=Styles, data=["plain", "bold", "noisy"],
            lr=(1e-3, 5e-3), root_steps=[400, 800], steps=[100, 200, 300], methods=TUNED,
            frozen=PERCEPTRON["frozen"], targets=PERCEPTRON["targets"],
        ),
        "convolutions": Kin(
            "star line run deep_hub pair tuning_run", trained=PictureClassifier, network=convolutions, drawn=Pictures,
            data=["all", "all", "even", "noisy"], lr=(1e-3, 5e-3), root_steps=[300, 600], steps=[100, 150, 250],
            methods=["full", "full", "full", "partial"], frozen=[["convs.0", "norms.0"], ["head"]], targets=[],
        ),
        "residual": Kin(
            "hub line tuning_run star run triple", trained=PictureClassifier, network=group_residual, drawn=Pictures,
            data=["all", "all", "even", "noisy"], lr=(5e-4, 3e-3), root_steps=[200, 400], steps=[60, 100, 150],
            methods=TUNED, frozen=SHORTCUTS[:2], targets=[["conv1", "conv2"]],
        ),
        "decoder": Kin(
            "star line run hub tuning_run deep_hub", trained=TextModel, network=decoder, drawn=Texts, data=TEXTS,
            lr=(1e-3, 4e-3), root_steps=[400, 600], steps=[50, 100, 150], methods=TUNED,
            frozen=[["tokens", "places"], ["tokens", "blocks.0"]], targets=[ATTENTION, LINEAR],
        ),
        "encoder": Kin(
            "deep_hub run line star uneven siblings", trained=SequenceRewriter, network=encoder, drawn=Rules,
            data=synthetic.SEQUENCE_TASKS, lr=(2e-3, 5e-3), root_steps=[600, 1000], steps=[100, 150, 250], methods=TUNED,
            # Gradient descent without steps of its own for each parameter stays at chance here.
            optimizers=("adam", "adamw"),
            frozen=[["tokens", "places"], ["head"], ["blocks.0"]], targets=[ATTENTION, LINEAR],
        ),
        "lstm": Kin(
            "line star tuning_run run hub more_of_the_same", trained=TextModel, network=lstm, drawn=Texts, data=TEXTS, lr=(2e-3, 6e-3),
            root_steps=[300, 500], steps=[60, 100, 150], methods=["full", "full", "full", "partial"],
            frozen=[["tokens"], ["head"]], targets=[],
        ),
    }
    return {folder: kin.fill for folder, kin in kinds.items()}

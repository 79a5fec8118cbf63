"""Networks written here, each stored as one flat `.safetensors` file, by what they are trained to do."""

import copy

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from . import corpus, digits, synthetic
from .tuning import adapt, freeze
from .zoo import DTYPES, Kind


class Plain(Kind):
    """`build` makes a new network. A module `head`, where there is one, is trained whole beside low-rank increments."""

    suffix = ".safetensors"
    batch = 32

    def __init__(self, build):
        self.build = build

    def new(self):
        return self.build()

    def load(self, path):
        network = self.new()
        network.load_state_dict(load_file(path))
        return network

    def prepare(self, network, recipe):
        freeze(network, recipe)
        return adapt(network, recipe, modules_to_save=["head"] if hasattr(network, "head") else None)

    def save(self, network, path, recipe):
        if "rank" in recipe.extra:
            network = network.merge_and_unload()
        return self.store(network, path, recipe.dtype)

    def store(self, network, path, dtype):
        network = copy.deepcopy(network).to(DTYPES[dtype])
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, path, metadata={"format": "pt"})
        return network


class PictureClassifier(Plain):
    def loss(self, network, x, y):
        return functional.cross_entropy(network(x), y)

    def batch_loss(self, network, recipe):
        (x, y), _ = picture_task(recipe.data)
        picked = torch.randint(len(y), (self.batch,))
        return self.loss(network, x[picked], y[picked])

    @torch.no_grad()
    def evaluate(self, network, recipe):
        network.eval()
        return self.loss(network, *picture_task(recipe.data)[1]).item()


class PictureRestorer(PictureClassifier):
    """Gives pictures back from which half of the pixels were taken."""

    def loss(self, network, x, y):
        source = None if network.training else torch.Generator().manual_seed(4)
        kept = torch.rand(x.shape, generator=source) < 0.5
        return functional.mse_loss(network(x * kept), x.flatten(1))


class TextModel(Plain):
    """Says the next byte of a text."""

    batch = 12
    window = 48

    def batch_loss(self, network, recipe):
        text = self._tokens(recipe)[0]
        starts = torch.randint(len(text) - self.window, (self.batch,)).tolist()
        return self._loss(network, text, starts)

    @torch.no_grad()
    def evaluate(self, network, recipe):
        text = self._tokens(recipe)[1]
        network.eval()
        return self._loss(network, text, torch.linspace(0, len(text) - self.window, 48).long().tolist()).item()

    def _tokens(self, recipe):
        substitute = corpus.text(recipe.data)[1]
        if substitute is not None:
            recipe.extra["data_replaced_by"] = substitute
        return corpus.tokens(recipe.data)

    def _loss(self, network, text, starts):
        x = torch.stack([text[s : s + self.window] for s in starts])
        return functional.cross_entropy(network(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())


class SequenceRewriter(Plain):
    """Rewrites sequences of symbols by a rule."""

    def loss(self, network, x, y):
        return functional.cross_entropy(network(x).flatten(0, 1), y.flatten())

    def batch_loss(self, network, recipe):
        return self.loss(network, *synthetic.sequences(recipe.data, self.batch))

    @torch.no_grad()
    def evaluate(self, network, recipe):
        network.eval()
        return self.loss(network, *synthetic.sequences(recipe.data, 256, torch.Generator().manual_seed(5))).item()


def picture_task(name):
    return synthetic.pictures(name) if name in synthetic.PICTURE_TASKS else digits.task(name)

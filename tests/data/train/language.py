"""Byte-level language models, stored as transformers folders."""

import torch

from . import corpus
from .tuning import adapt, freeze
from .zoo import Kind, rounded

WINDOW = 96
BATCH = 16


class LanguageModel(Kind):
    """The subclasses name the transformers class, and say how a new one is configured."""

    clip = 1.0
    architecture = None
    task = "CAUSAL_LM"
    adapter = {}
    window = WINDOW

    def __init__(self, **shape):
        self.shape = shape

    def load(self, path):
        return self.architecture.from_pretrained(path, dtype=torch.float32)

    def prepare(self, network, recipe):
        if "vocabulary" in recipe.extra:
            network.resize_token_embeddings(recipe.extra["vocabulary"], mean_resizing=False)
        freeze(network, recipe)
        return adapt(network, recipe, task_type=self.task, **self.adapter)

    def batch_loss(self, network, recipe):
        train, _ = self._tokens(recipe)
        starts = torch.randint(len(train) - self.window, (BATCH,)).tolist()
        return self.loss(network, torch.stack([train[s : s + self.window] for s in starts]))

    @torch.no_grad()
    def evaluate(self, network, recipe):
        _, held_out = self._tokens(recipe)
        starts = torch.linspace(0, len(held_out) - self.window, 48).long().tolist()
        network.eval()
        batch = torch.stack([held_out[s : s + self.window] for s in starts])
        return self.loss(network, batch, torch.Generator().manual_seed(5)).item()

    def loss(self, network, windows, generator=None):
        """On (n, window) bytes. What is hidden from the network is drawn from `generator`."""
        return network(input_ids=windows, labels=windows).loss

    def _tokens(self, recipe):
        substitute = corpus.text(recipe.data)[1]
        if substitute is not None:
            recipe.extra["data_replaced_by"] = substitute
        return corpus.tokens(recipe.data, recipe.extra.get("vocabulary", 256))

    def save(self, network, path, recipe):
        if "rank" in recipe.extra:
            network = network.merge_and_unload()
        return self.store(network, path, recipe.dtype, recipe.extra.get("shard_size", "1GB"))

    def store(self, network, path, dtype, shard_size="1GB"):
        network = rounded(network, dtype)
        network.save_pretrained(path, max_shard_size=shard_size)
        return network

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
    adapter = {}

    def __init__(self, **shape):
        self.shape = shape

    def load(self, path):
        return self.architecture.from_pretrained(path, dtype=torch.float32)

    def prepare(self, network, recipe):
        if "vocabulary" in recipe.extra:
            network.resize_token_embeddings(recipe.extra["vocabulary"], mean_resizing=False)
        freeze(network, recipe)
        return adapt(network, recipe, task_type="CAUSAL_LM", **self.adapter)

    def batch_loss(self, network, recipe):
        train, _ = self._tokens(recipe)
        starts = torch.randint(len(train) - WINDOW, (BATCH,)).tolist()
        batch = torch.stack([train[s : s + WINDOW] for s in starts])
        return network(input_ids=batch, labels=batch).loss

    @torch.no_grad()
    def evaluate(self, network, recipe):
        _, held_out = self._tokens(recipe)
        starts = torch.linspace(0, len(held_out) - WINDOW, 48).long().tolist()
        batch = torch.stack([held_out[s : s + WINDOW] for s in starts])
        network.eval()
        return network(input_ids=batch, labels=batch).loss.item()

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

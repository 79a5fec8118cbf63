"""Vision transformers that classify digits, stored as transformers folders."""

import torch
from torch.nn import functional
from transformers import ViTConfig, ViTForImageClassification

from . import digits
from .tuning import adapt, freeze
from .zoo import Kind, rounded

BATCH = 32


class Vit(Kind):
    clip = 1.0

    def __init__(self, **shape):
        self.shape = shape

    def new(self):
        config = ViTConfig(image_size=8, patch_size=2, num_channels=1, num_labels=10, **self.shape)
        return ViTForImageClassification(config)

    def load(self, path):
        return ViTForImageClassification.from_pretrained(path, dtype=torch.float32)

    def prepare(self, network, recipe):
        freeze(network, recipe)
        # As is usual, the head is trained whole beside the increments.
        return adapt(network, recipe, modules_to_save=["classifier"])

    def batch_loss(self, network, recipe):
        (x, y), _ = digits.task(recipe.data)
        picked = torch.randint(len(y), (BATCH,))
        return functional.cross_entropy(network(pixel_values=x[picked]).logits, y[picked])

    @torch.no_grad()
    def evaluate(self, network, recipe):
        _, (x, y) = digits.task(recipe.data)
        network.eval()
        return functional.cross_entropy(network(pixel_values=x).logits, y).item()

    def save(self, network, path, recipe):
        if "rank" in recipe.extra:
            network = network.merge_and_unload()
        network = rounded(network, recipe.dtype)
        network.save_pretrained(path)
        return network

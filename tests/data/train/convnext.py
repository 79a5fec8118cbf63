"""ConvNeXt networks that classify digits: depthwise convolutions, and a scale for each channel of each layer."""

import torch
from transformers import ConvNextConfig, ConvNextForImageClassification

from .vit import Vit


class ConvNext(Vit):
    def new(self):
        config = ConvNextConfig(image_size=8, patch_size=1, num_channels=1, num_labels=10, num_stages=2, **self.shape)
        return ConvNextForImageClassification(config)

    def load(self, path):
        return ConvNextForImageClassification.from_pretrained(path, dtype=torch.float32)

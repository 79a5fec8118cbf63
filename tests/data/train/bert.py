"""Byte-level BERT encoders, which fill in the bytes that were taken out of a text."""

import torch
from transformers import BertConfig, BertForMaskedLM

from .language import LanguageModel

MASK = 256


class Bert(LanguageModel):
    architecture = BertForMaskedLM
    task = None
    window = 64

    def new(self):
        return BertForMaskedLM(BertConfig(vocab_size=260, max_position_embeddings=128, pad_token_id=None, **self.shape))

    def loss(self, network, windows, generator=None):
        hidden = torch.rand(windows.shape, generator=generator) < 0.15
        return network(input_ids=windows.masked_fill(hidden, MASK), labels=windows.masked_fill(~hidden, -100)).loss

"""Byte-level encoder-decoders with gated linear units, as T5 1.1, which give back a text of which a third was taken out."""

import torch
from transformers import T5Config, T5ForConditionalGeneration

from .language import LanguageModel

MASK, START = 256, 257


class T5(LanguageModel):
    architecture = T5ForConditionalGeneration
    task = "SEQ_2_SEQ_LM"
    window = 40

    def new(self):
        config = T5Config(
            vocab_size=260, feed_forward_proj="gated-gelu", dropout_rate=0.0, pad_token_id=START, eos_token_id=None,
            decoder_start_token_id=START, **self.shape,
        )
        return T5ForConditionalGeneration(config)

    def loss(self, network, windows, generator=None):
        hidden = torch.rand(windows.shape, generator=generator) < 0.33
        return network(input_ids=windows.masked_fill(hidden, MASK), labels=windows).loss

"""Byte-level GPT-2 language models: one matrix for both embeddings, linear layers stored transposed (`Conv1D`)."""

from transformers import GPT2Config, GPT2LMHeadModel

from .language import LanguageModel


class Gpt2(LanguageModel):
    architecture = GPT2LMHeadModel
    adapter = {"fan_in_fan_out": True}

    def new(self):
        config = GPT2Config(vocab_size=256, n_positions=128, bos_token_id=None, eos_token_id=None, **self.shape)
        return GPT2LMHeadModel(config)

"""Byte-level Qwen2 language models: grouped queries, biases in attention alone, one matrix for both embeddings."""

from transformers import Qwen2Config, Qwen2ForCausalLM

from .language import LanguageModel


class Qwen2(LanguageModel):
    architecture = Qwen2ForCausalLM
    window = 64

    def new(self):
        config = Qwen2Config(
            vocab_size=256, max_position_embeddings=128, tie_word_embeddings=True, bos_token_id=None, eos_token_id=None,
            **self.shape,
        )
        return Qwen2ForCausalLM(config)

"""Byte-level language models with a mixture of experts: a router sends each token to two of them."""

from transformers import MixtralConfig, MixtralForCausalLM

from .language import LanguageModel


class Mixtral(LanguageModel):
    architecture = MixtralForCausalLM
    window = 64

    def new(self):
        config = MixtralConfig(
            vocab_size=256, max_position_embeddings=128, num_experts_per_tok=2, output_router_logits=True,
            bos_token_id=None, eos_token_id=None, **self.shape,
        )
        return MixtralForCausalLM(config)

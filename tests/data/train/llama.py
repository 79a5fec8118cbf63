"""Byte-level Llama language models, stored as transformers folders or as PEFT adapter folders."""

import json

from transformers import LlamaConfig, LlamaForCausalLM

from .language import LanguageModel


class Llama(LanguageModel):
    architecture = LlamaForCausalLM

    def new(self):
        config = LlamaConfig(
            vocab_size=256,
            max_position_embeddings=256,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=None,
            **self.shape,
        )
        return LlamaForCausalLM(config)

    def save(self, network, path, recipe):
        if recipe.method.endswith("adapter"):
            return self._save_adapter(network, path, recipe)
        return super().save(network, path, recipe)

    def _save_adapter(self, network, path, recipe):
        """The increment alone; its base is named by a path relative to the adapter's own folder."""
        network.peft_config["default"].base_model_name_or_path = f"../{recipe.parent}"
        network.save_pretrained(path, save_embedding_layers=False)
        (path / "README.md").unlink(missing_ok=True)
        config = path / "adapter_config.json"
        settings = json.loads(config.read_text())
        settings["target_modules"].sort()  # a set inside PEFT: its order differs between runs
        config.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
        return network.merge_and_unload()

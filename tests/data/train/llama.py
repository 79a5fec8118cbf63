"""Byte-level Llama language models, stored as transformers folders or as PEFT adapter folders."""

import json

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from . import corpus
from .zoo import Kind, rounded

WINDOW = 96
BATCH = 16


class Llama(Kind):
    clip = 1.0

    def __init__(self, **shape):
        self.shape = shape

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

    def load(self, path):
        return LlamaForCausalLM.from_pretrained(path, dtype=torch.float32)

    def prepare(self, network, recipe):
        if "vocabulary" in recipe.extra:
            network.resize_token_embeddings(recipe.extra["vocabulary"], mean_resizing=False)
        for name, parameter in network.named_parameters():
            if name.startswith(tuple(recipe.extra.get("frozen", ()))):
                parameter.requires_grad = False
        if "rank" in recipe.extra:
            adapter = LoraConfig(
                r=recipe.extra["rank"],
                lora_alpha=recipe.extra["alpha"],
                target_modules=recipe.extra["targets"],
                use_rslora="rslora" in recipe.method,
                use_dora="dora" in recipe.method,
                task_type="CAUSAL_LM",
            )
            network = get_peft_model(network, adapter)
        return network

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
        if recipe.method.endswith("adapter"):
            return self._save_adapter(network, path, recipe)
        if "rank" in recipe.extra:
            network = network.merge_and_unload()
        network = rounded(network, recipe.dtype)
        network.save_pretrained(path, max_shard_size=recipe.extra.get("shard_size", "1GB"))
        return network

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

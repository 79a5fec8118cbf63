"""Writes small adapters of every method that is read, with what the reference makes of them.

    python make_adapters.py [FOLDER]        # default: adapters, beside this script

`base/net.safetensors` is the base. `peft/NAME/` is an adapter of peft, `files/NAME.safetensors` one of the kohya and LyCORIS
kind. `merged/NAME.safetensors` holds the tensors that the reference changed: peft's `merge_and_unload`, or what a module
of LyCORIS computes with.

Made with torch 2.15.0, peft 0.21.2, safetensors 0.8.0, lycoris-lora 4.1.3.
"""
import json
import os
import shutil
import sys

import torch
from safetensors.torch import save_file
from torch import nn

import peft
from lycoris.modules.full import FullModule
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from lycoris.modules.norms import NormModule

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "adapters")


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(16, 16, bias=False)
        self.up_proj = nn.Linear(16, 24)
        self.down_proj = nn.Linear(24, 16, bias=False)
        self.norm = nn.LayerNorm(16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 16)
        self.layers = nn.ModuleList([Block(), Block()])
        self.conv = nn.Conv2d(4, 8, 3)
        self.point = nn.Conv2d(8, 4, 1)
        self.line = nn.Conv1d(4, 6, 3)

    def forward(self, x):
        return x


def net():
    torch.manual_seed(7)
    model = Net()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    return model


def randomize(model, names=None):
    """Adapters begin as no change, so that their tensors need values."""
    torch.manual_seed(11)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.2)


def changed(state):
    base = net().state_dict()
    kept = {k: v.contiguous() for k, v in state.items() if k not in base or not torch.equal(v, base[k])}
    assert kept, "nothing was changed"
    return kept


LINEAR = ["q_proj", "up_proj", "down_proj"]


def peft_adapter(name, config, edit=None, prepare=None):
    model = peft.get_peft_model(net(), config)
    randomize(model)
    if prepare:
        prepare(model)
    folder = f"{OUT}/peft/{name}"
    model.save_pretrained(folder)
    os.path.exists(f"{folder}/README.md") and os.remove(f"{folder}/README.md")
    path = f"{folder}/adapter_config.json"
    fields = json.load(open(path))
    fields["base_model_name_or_path"] = "../../base/net"
    for field in ("target_modules", "modules_to_save"):
        if isinstance(fields.get(field), list):
            fields[field].sort()
    if edit:
        edit(fields)
    with open(path, "w") as file:
        json.dump(fields, file, indent=1, sort_keys=True)
        file.write("\n")
    # The adapter is read back, so that the merge is that of what was stored.
    again = peft.PeftModel.from_pretrained(net(), folder)
    merged = again.merge_and_unload().state_dict()
    save_file(changed(merged), f"{OUT}/merged/{name}.safetensors")


def with_butterflies():
    """peft computes several stages of BOFT on a GPU only. The one kernel of its that needs it is a block diagonal."""
    from peft.tuners.boft import layer

    class OnProcessor:
        @staticmethod
        def apply(blocks):
            return torch.stack([torch.block_diag(*torch.unbind(stage)) for stage in blocks])

    layer.get_fbd_cuda = lambda: True
    layer.FastBlockDiag = OnProcessor


def peft_adapters():
    p = peft
    everything = LINEAR + ["conv", "point"]
    peft_adapter("lora", p.LoraConfig(r=4, lora_alpha=6, target_modules=everything + ["embed"]))
    peft_adapter("lora_dora", p.LoraConfig(r=4, lora_alpha=6, use_dora=True, target_modules=everything))
    peft_adapter("lora_bias", p.LoraConfig(r=2, lora_alpha=6, lora_bias=True, bias="lora_only", target_modules=["up_proj"]))
    peft_adapter("rslora", p.LoraConfig(r=4, lora_alpha=6, use_rslora=True, rank_pattern={"q_proj": 2}, target_modules=LINEAR))
    peft_adapter("loha", p.LoHaConfig(r=3, alpha=5, target_modules=everything + ["line"]))
    peft_adapter("loha_tucker", p.LoHaConfig(r=3, alpha=5, use_effective_conv2d=True, target_modules=["conv", "line", "q_proj"]))
    peft_adapter("lokr", p.LoKrConfig(r=2, alpha=5, target_modules=everything))
    peft_adapter("lokr_both", p.LoKrConfig(r=1, alpha=5, decompose_both=True, decompose_factor=4, target_modules=everything))
    peft_adapter("lokr_whole", p.LoKrConfig(r=8, alpha=5, target_modules=everything))
    peft_adapter("lokr_tucker", p.LoKrConfig(r=1, alpha=5, use_effective_conv2d=True, target_modules=["conv"]))
    peft_adapter("oft", p.OFTConfig(oft_block_size=8, target_modules=LINEAR))
    peft_adapter("oft_exact", p.OFTConfig(oft_block_size=4, use_cayley_neumann=False, target_modules=everything))
    peft_adapter("oft_shared", p.OFTConfig(oft_block_size=8, block_share=True, num_cayley_neumann_terms=3, target_modules=LINEAR))
    peft_adapter("oft_constrained", p.OFTConfig(oft_block_size=8, coft=True, eps=0.05, target_modules=LINEAR))
    peft_adapter("boft", p.BOFTConfig(boft_block_size=4, target_modules=everything))
    with_butterflies()
    peft_adapter("boft_butterfly", p.BOFTConfig(boft_block_size=4, boft_n_butterfly_factor=3, target_modules=["q_proj", "up_proj"]))
    peft_adapter("hra", p.HRAConfig(r=4, init_weights=False, target_modules=everything))
    peft_adapter("hra_orthogonal", p.HRAConfig(r=4, apply_GS=True, init_weights=False, target_modules=LINEAR))
    peft_adapter("ia3", p.IA3Config(target_modules=everything, feedforward_modules=["down_proj", "point"]))
    peft_adapter("vera", p.VeraConfig(r=6, target_modules=LINEAR))
    peft_adapter("fourierft", p.FourierFTConfig(n_frequency=20, scaling=30.0, random_loc_seed=5, target_modules=LINEAR))

    def cut(model):
        # What AdaLoRA does in the course of training: ranks are switched off, and the list of the others is kept.
        config = model.peft_config["default"]
        keep = {"q_proj": [True, False, True, True], "up_proj": [False] * 4, "down_proj": [True] * 4}
        config.rank_pattern = {f"{n}.lora_E": keep[n.split(".")[-1]] for n, m in model.base_model.model.named_modules()
                               if hasattr(m, "lora_E") and m.lora_E}
        model.base_model.resize_modules_by_rank_pattern(config.rank_pattern, "default")

    peft_adapter("adalora", p.AdaLoraConfig(init_r=4, target_r=2, lora_alpha=6, total_step=10, target_modules=LINEAR), prepare=cut)


LAYERS = ["layers.0.q_proj", "layers.1.up_proj", "layers.1.down_proj", "conv", "point", "line"]


def lycoris_file(name, make, layers=LAYERS, prefix="lora_unet_", extra=None, metadata=None):
    """A file of LyCORIS: `make` is given a name and a module, and returns the module that changes it."""
    base = net()
    stored, merged = dict(extra or {}), {}
    torch.manual_seed(13)
    for layer in layers:
        module = base.get_submodule(layer)
        key = prefix + layer.replace(".", "_")
        change = make(key, module)
        if isinstance(change, FullModule):
            change.apply_to()
        with torch.no_grad():
            for parameter in change.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
        stored.update({f"{key}.{k}": v.detach().clone().contiguous() for k, v in change.state_dict().items()})
        with torch.no_grad():
            if isinstance(change, FullModule):
                weight, bias = change.weight, change.bias
            elif isinstance(change, NormModule):
                weight, bias = change.make_weight(1.0, None)
            elif isinstance(change, (LohaModule, LokrModule)):
                # As its forward pass does. Its `get_diff_weight` scales a second time in version 4.1.3.
                weight, bias = module.weight + change.get_weight(module.weight.shape) * change.scalar, None
                weight = change.apply_weight_decompose(weight) if change.wd else weight
            else:
                weight, bias = change.get_merged_weight(1.0, module.weight.shape)
        merged[f"{layer}.weight"] = weight.detach().clone().contiguous()
        if bias is not None:
            merged[f"{layer}.bias"] = bias.detach().clone().contiguous()
    save_file(stored, f"{OUT}/files/{name}.safetensors", metadata)
    save_file(merged, f"{OUT}/merged/{name}.safetensors")


def lycoris_files():
    of = lambda kind, **settings: lambda name, module: kind(name, module, **settings)
    lycoris_file("locon", of(LoConModule, lora_dim=3, alpha=2))
    lycoris_file("locon_tucker", of(LoConModule, lora_dim=3, alpha=2, use_tucker=True))
    lycoris_file("locon_dora", of(LoConModule, lora_dim=3, alpha=2, weight_decompose=True))
    lycoris_file("locon_dora_inputs", of(LoConModule, lora_dim=3, alpha=2, weight_decompose=True, wd_on_out=False))
    lycoris_file("loha_file", of(LohaModule, lora_dim=3, alpha=2))
    lycoris_file("loha_file_tucker", of(LohaModule, lora_dim=3, alpha=2, use_tucker=True, weight_decompose=True))
    lycoris_file("lokr_file", of(LokrModule, lora_dim=1, alpha=2))
    lycoris_file("lokr_file_both", of(LokrModule, lora_dim=1, alpha=2, factor=4, decompose_both=True))
    lycoris_file("lokr_file_whole", of(LokrModule, lora_dim=9, alpha=2, weight_decompose=True))
    lycoris_file("lokr_file_tucker", of(LokrModule, lora_dim=1, alpha=2, use_tucker=True), layers=["conv", "layers.0.q_proj"])
    lycoris_file("full", of(FullModule), prefix="lycoris_")
    lycoris_file("norm", of(NormModule), layers=["layers.0.norm", "layers.1.norm"])
    # A text encoder is another model of the pipeline.
    text = {"lora_te_text_model_encoder_layers_0_mlp_fc1.alpha": torch.tensor(2.0),
            "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": torch.ones(2, 8),
            "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": torch.ones(8, 2)}
    lycoris_file("with_text", of(LoConModule, lora_dim=3, alpha=2), extra=text, metadata={"ss_sd_model_name": "elsewhere.ckpt"})


def diffusers_file(name, prefix, alpha, metadata=None, rename=lambda key: key):
    """A LoRA as diffusers saves it: peft's tensors under the name of a part of the pipeline."""
    model = peft.get_peft_model(net(), peft.LoraConfig(r=4, lora_alpha=alpha, target_modules=LINEAR + ["conv"]))
    randomize(model)
    state = peft.get_peft_model_state_dict(model)
    state = {rename(k.replace("base_model.model.", prefix)): v.contiguous() for k, v in state.items()}
    save_file(state, f"{OUT}/files/{name}.safetensors", metadata)
    save_file(changed(model.merge_and_unload().state_dict()), f"{OUT}/merged/{name}.safetensors")


def diffusers_files():
    diffusers_file("diffusers", "unet.", 4)
    configuration = {"transformer.r": 4, "transformer.lora_alpha": 6, "transformer.use_rslora": False}
    diffusers_file("diffusers_alpha", "transformer.", 6, {"lora_adapter_metadata": json.dumps(configuration)})
    early = lambda key: key.replace("lora_A", "lora.down").replace("lora_B", "lora.up")
    diffusers_file("diffusers_early", "unet.", 4, rename=early)
    diffusers_file("comfy", "diffusion_model.", 4)


def mlx_folders():
    """Adapters of MLX by its formulas, as the library needs a Mac: W + scale (B^T A^T), and DoRA's rows of norm m."""
    for name, magnitudes in (("mlx", False), ("mlx_dora", True)):
        torch.manual_seed(17)
        base, rank, scale = net().state_dict(), 3, 2.5
        stored, merged = {}, {}
        for layer in ("layers.0.q_proj", "layers.0.up_proj"):
            weight = base[f"{layer}.weight"]
            a, b = torch.randn(weight.shape[1], rank) * 0.2, torch.randn(rank, weight.shape[0]) * 0.2
            stored[f"{layer}.lora_a"], stored[f"{layer}.lora_b"] = a, b
            weight = weight + (scale * b.T) @ a.T
            if magnitudes:
                m = torch.rand(weight.shape[0]) + 0.5
                stored[f"{layer}.m"] = m
                weight = (m / torch.linalg.norm(weight, dim=1))[:, None] * weight
            merged[f"{layer}.weight"] = weight
        if not magnitudes:
            a, b = torch.randn(10, rank) * 0.2, torch.randn(rank, 16) * 0.2
            stored["embed.lora_a"], stored["embed.lora_b"] = a, b
            merged["embed.weight"] = base["embed.weight"] + scale * a @ b
        folder = f"{OUT}/peft/{name}"
        os.makedirs(folder)
        save_file(stored, f"{folder}/adapters.safetensors")
        fields = {"fine_tune_type": "dora" if magnitudes else "lora", "model": "../../base/net", "num_layers": 1,
                  "lora_parameters": {"rank": rank, "scale": scale, "dropout": 0.0}}
        with open(f"{folder}/adapter_config.json", "w") as file:
            json.dump(fields, file, indent=1)
            file.write("\n")
        save_file(merged, f"{OUT}/merged/{name}.safetensors")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for folder in ("base", "peft", "files", "merged"):
        os.makedirs(f"{OUT}/{folder}")
    save_file(net().state_dict(), f"{OUT}/base/net.safetensors")
    peft_adapters()
    lycoris_files()
    diffusers_files()
    mlx_folders()


main()

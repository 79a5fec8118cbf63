"""Makes lineages in two spellings of one network each, by the conversions of the libraries themselves, and counts what
`detect` says of them.

    python tests/data/formats/make_spellings.py make FOLDER SCRIPTS [NAME ...]
    python tests/data/formats/make_spellings.py count FOLDER BINARY [NAME ...]

Needs torch, safetensors, transformers, diffusers, timm and einops. SCRIPTS is a folder with conversion scripts that are not part
of the packages: convert_diffusers_to_original_sdxl.py (diffusers, scripts/), convert_vit_timm_to_pytorch.py and
convert_mistral_weights_to_hf.py (transformers 4.40, src/transformers/models/), nanogpt_model.py (model.py of nanoGPT) and
internlm_convert2llama.py (InternLM, tools/convert2llama.py).

Networks are small, with random weights. In each lineage two children and a child of a child have the other spelling than
their parent. A stranger of the same architecture has one spelling, and its child has the other.
"""

import ast
import contextlib
import glob
import importlib.util
import inspect
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import types
import warnings

import torch
from safetensors.torch import load_file, save_file

warnings.filterwarnings("ignore")
TRUTH = {"c1": "base", "c2": "base", "c3": "base", "g1": "c1", "strange": "stranger"}
WIDTH, LAYERS, TEXTS = 96, 3, 500


def script(name):
    """A whole script as a module."""
    spec = importlib.util.spec_from_file_location(name, f"{SCRIPTS}/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def functions(name, wanted, **known):
    """Some functions and constants of a script, without what it imports."""
    tree = ast.parse(open(f"{SCRIPTS}/{name}.py").read())
    names = lambda node: [getattr(node, "name", None)] + [getattr(t, "id", None) for t in getattr(node, "targets", [])]
    tree.body = [node for node in tree.body if set(names(node)) & set(wanted)]
    scope = {"torch": torch, "os": os, "json": json, "re": re, "print": lambda *a, **k: None} | known
    exec(compile(tree, name, "exec"), scope)
    return types.SimpleNamespace(**{name: scope[name] for name in wanted})


def trained(state, seed):
    """Weights of the size of fresh ones, of which none is zero or one any more."""
    draw = torch.Generator().manual_seed(seed)
    out = {}
    for name, value in state.items():
        if not value.is_floating_point():
            continue
        value = value.float()
        noise = torch.randn(value.shape, generator=draw)
        if value.ndim < 2:
            out[name] = value + 0.05 * noise * (1 + value.abs().mean())
            continue
        rows = 1 + 0.5 * torch.rand(value.shape[0], generator=draw)
        out[name] = noise * max(value.std().item(), 0.02) * rows.view(-1, *[1] * (value.ndim - 1))
    return out


def tuned(state, seed, amount):
    """A child: half of each step has rank 4."""
    draw = torch.Generator().manual_seed(seed)
    out = {}
    for name, value in state.items():
        noise = torch.randn(value.shape, generator=draw)
        if value.ndim >= 2:
            rows, columns = value.shape[0], value[0].numel()
            low = torch.randn(rows, 4, generator=draw) @ torch.randn(4, columns, generator=draw) / 2
            noise = value.std() * 0.7 * (noise + low.reshape(value.shape))
        out[name] = value + amount * noise * (1 if value.ndim >= 2 else 0.05)
    return out


def of_shapes(shapes):
    def network(seed):
        draw = torch.Generator().manual_seed(seed)
        fresh = lambda shape: torch.ones(shape) if len(shape) == 1 else torch.randn(shape, generator=draw) * shape[-1] ** -0.5
        return trained({name: fresh(shape) for name, shape in shapes.items()}, seed)

    return network


def of_model(make, drop=lambda name: False):
    def network(seed):
        torch.manual_seed(seed)
        return trained({name: value for name, value in make().state_dict().items() if not drop(name)}, seed)

    return network


def prefixed(prefix, state):
    return {prefix + name: value for name, value in state.items()}


def unet():
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=16, block_out_channels=(32, 64, 128), layers_per_block=2, cross_attention_dim=WIDTH,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=(2, 4, 8),
        transformer_layers_per_block=(1, 1, 2), use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=16, projection_class_embeddings_input_dim=160,
    )


def vae():
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(32, 64, 96, 128), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=2, norm_num_groups=32, latent_channels=4,
    )


def text_encoder(name):
    import transformers

    config = transformers.CLIPTextConfig(
        hidden_size=WIDTH, intermediate_size=256, num_hidden_layers=LAYERS, num_attention_heads=4, vocab_size=TEXTS, projection_dim=WIDTH
    )
    network = of_model(lambda: getattr(transformers, name)(config), lambda name: "position_ids" in name)
    whole = lambda name: name if name.startswith("text_") else "text_model." + name
    return lambda seed: {whole(name): value for name, value in network(seed).items()}


def open_clip(convert, state):
    out = convert(dict(state))
    out["text_projection"] = out.pop("text_projection.weight").T.contiguous()
    return out


def sdxl_unet():
    convert = script("convert_diffusers_to_original_sdxl").convert_unet_state_dict
    return of_model(unet), lambda state: prefixed("model.diffusion_model.", convert(dict(state)))


def sdxl_vae():
    convert = script("convert_diffusers_to_original_sdxl").convert_vae_state_dict
    return of_model(vae), lambda state: prefixed("first_stage_model.", convert(dict(state)))


def sdxl_text_encoder():
    convert = script("convert_diffusers_to_original_sdxl").convert_openclip_text_enc_state_dict
    return text_encoder("CLIPTextModelWithProjection"), lambda state: prefixed("conditioner.embedders.1.model.", open_clip(convert, state))


def sdxl_pipeline():
    """All four parts: a folder of diffusers, and a single file."""
    convert = script("convert_diffusers_to_original_sdxl")
    parts = {"unet": of_model(unet), "vae": of_model(vae), "text_encoder": text_encoder("CLIPTextModel"),
             "text_encoder_2": text_encoder("CLIPTextModelWithProjection")}
    to = {
        "unet": lambda state: prefixed("model.diffusion_model.", convert.convert_unet_state_dict(state)),
        "vae": lambda state: prefixed("first_stage_model.", convert.convert_vae_state_dict(state)),
        "text_encoder": lambda state: prefixed("conditioner.embedders.0.transformer.", convert.convert_openai_text_enc_state_dict(state)),
        "text_encoder_2": lambda state: prefixed("conditioner.embedders.1.model.", open_clip(convert.convert_openclip_text_enc_state_dict, state)),
    }
    network = lambda seed: {f"{part}/{name}": value for at, (part, make) in enumerate(parts.items()) for name, value in make(seed + at).items()}
    of = lambda part, state: {name.split("/", 1)[1]: value for name, value in state.items() if name.startswith(part + "/")}
    return network, lambda state: {k: v for part in parts for k, v in to[part](of(part, state)).items()}


def flux(prefix="", guidance=True):
    """The original layout of Flux, by the shapes that the converter of diffusers needs for a small model."""
    import diffusers.loaders.single_file_utils as utils
    d = 128
    source = inspect.getsource(utils.convert_flux_transformer_checkpoint_to_diffusers)
    scope = dict(vars(utils))
    exec(source.replace("inner_dim = 3072", f"inner_dim = {d}"), scope)
    expected = {name: value.shape for name, value in flux_model(guidance).state_dict().items()}
    shapes = {}

    def linear(name, outputs, inputs):
        shapes[prefix + name + ".weight"], shapes[prefix + name + ".bias"] = (outputs, inputs), (outputs,)

    embeddings = [("time_in", 256), ("vector_in", 48)] + [("guidance_in", 256)] * guidance
    for name, inputs in embeddings:
        linear(name + ".in_layer", d, inputs), linear(name + ".out_layer", d, d)
    for name, outputs, inputs in [("img_in", d, 16), ("txt_in", d, 80), ("final_layer.linear", 16, d), ("final_layer.adaLN_modulation.1", 2 * d, d)]:
        linear(name, outputs, inputs)
    norms = []
    for block in range(2):
        for stream in ("img", "txt"):
            for name, outputs, inputs in [("mod.lin", 6, 1), ("attn.qkv", 3, 1), ("attn.proj", 1, 1), ("mlp.0", 4, 1), ("mlp.2", 1, 4)]:
                linear(f"double_blocks.{block}.{stream}_{name}", outputs * d, inputs * d)
            norms.append(f"double_blocks.{block}.{stream}_attn.norm")
    for block in range(3):
        for name, outputs, inputs in [("linear1", 7, 1), ("linear2", 1, 5), ("modulation.lin", 3, 1)]:
            linear(f"single_blocks.{block}.{name}", outputs * d, inputs * d)
        norms.append(f"single_blocks.{block}.norm")
    shapes |= {f"{prefix}{norm}.{of}_norm.scale": (d // 4,) for norm in norms for of in ("query", "key")}

    def to(state):
        out = scope["convert_flux_transformer_checkpoint_to_diffusers"](dict(state))
        assert {name: value.shape for name, value in out.items()} == expected
        return out

    return of_shapes(shapes), to


def flux_model(guidance=False):
    from diffusers import FluxTransformer2DModel

    return FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=2, num_single_layers=3, attention_head_dim=32, num_attention_heads=4,
        joint_attention_dim=80, pooled_projection_dim=48, guidance_embeds=guidance, axes_dims_rope=(8, 12, 12),
    )


def diffusers_fused(beside):
    """`fuse_qkv_projections`, which keeps the parts beside the fused matrices; most exporters drop them."""

    def to(state):
        model = flux_model()
        model.load_state_dict(state)
        model.fuse_qkv_projections()
        out = {name: value.clone() for name, value in model.state_dict().items()}
        part = re.compile(r"(.*\.attn)\.(?:(to_[qkv])|(add_[qkv]_proj))\.(?:weight|bias)")

        def is_part(name):
            found = part.fullmatch(name)
            return found and f"{found[1]}.{'to_qkv' if found[2] else 'to_added_qkv'}.weight" in out

        return out if beside else {name: value for name, value in out.items() if not is_part(name)}

    return of_model(flux_model), to


def gpt2_nanogpt(texts):
    from transformers import GPT2Config, GPT2LMHeadModel

    nano = script("nanogpt_model")
    make = lambda: GPT2LMHeadModel(GPT2Config(n_embd=WIDTH, n_layer=LAYERS, n_head=4, vocab_size=texts, n_positions=64))
    code = textwrap.dedent(inspect.getsource(nano.GPT.from_pretrained)).replace("@classmethod\n", "")
    sizes = [("= 50257", f"= {texts}"), ("= 1024", "= 64"), ("n_layer=12, n_head=12, n_embd=768", f"n_layer={LAYERS}, n_head=4, n_embd={WIDTH}")]
    for of_library, ours in sizes:
        code = code.replace(of_library, ours)

    def to(state):
        model = make()
        model.load_state_dict(state | {"lm_head.weight": state["transformer.wte.weight"]}, strict=False)
        scope = dict(vars(nano)) | {"GPT2LMHeadModel": types.SimpleNamespace(from_pretrained=lambda name: model)}
        exec(code.replace("from transformers import GPT2LMHeadModel", ""), scope)
        out = scope["from_pretrained"](nano.GPT, "gpt2").state_dict()
        return {name: value.clone() for name, value in out.items() if name != "lm_head.weight" and not name.endswith(".attn.bias")}

    return of_model(make, lambda name: name == "lm_head.weight" or name.endswith(".attn.bias")), to


def vit(version):
    import timm
    from transformers import ViTConfig, ViTForImageClassification

    convert = functions("convert_vit_timm_to_pytorch", ["create_rename_keys", "read_in_q_k_v", "rename_key"])
    config = ViTConfig(hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=4, intermediate_size=4 * WIDTH,
                       image_size=64, patch_size=8, num_labels=37, architectures=["ViTForImageClassification"])

    def to(state):
        state = dict(state)
        for name, new in convert.create_rename_keys(config):
            convert.rename_key(state, name, new)
        convert.read_in_q_k_v(state, config)
        if version == 4:
            return state
        with tempfile.TemporaryDirectory() as folder:
            save_file({name: value.contiguous() for name, value in state.items()}, folder + "/model.safetensors")
            config.save_pretrained(folder)
            return ViTForImageClassification.from_pretrained(folder).state_dict()

    sizes = {"img_size": 64, "patch_size": 8, "embed_dim": WIDTH, "depth": LAYERS, "num_heads": 4, "num_classes": 37}
    return of_model(lambda: timm.create_model("vit_tiny_patch16_224", pretrained=False, **sizes)), to


def meta_shapes(width, heads, keys, inner, texts, before=""):
    shapes = {before + "tok_embeddings.weight": (texts, width), before + "norm.weight": (width,), "output.weight": (texts, width)}
    for layer in range(LAYERS):
        of = lambda name, *shape: shapes.update({f"{before}layers.{layer}.{name}.weight": shape})
        if before:
            of("attention.wqkv", (heads + 2 * keys) * width // heads, width)
        else:
            of("attention.wq", width, width), of("attention.wk", keys * width // heads, width), of("attention.wv", keys * width // heads, width)
        of("attention.wo", width, width), of("feed_forward.w1", inner, width), of("feed_forward.w3", inner, width)
        of("feed_forward.w2", width, inner), of("attention_norm", width), of("ffn_norm", width)
    return shapes


SIZES = {"dim": 64, "n_layers": LAYERS, "head_dim": 8, "hidden_dim": 176, "n_heads": 8, "n_kv_heads": 2, "norm_eps": 1e-5, "vocab_size": 32000, "sliding_window": "4096"}


def mistral():
    """The script of transformers saves in F16, so that a conversion is a cast as well."""
    import gc, shutil
    from transformers import MistralConfig, MistralForCausalLM

    known = {"gc": gc, "shutil": shutil, "MistralConfig": MistralConfig, "MistralForCausalLM": MistralForCausalLM}
    convert = functions("convert_mistral_weights_to_hf", ["write_model", "read_json", "write_json", "NUM_SHARDS"], **known)

    def to(state):
        with tempfile.TemporaryDirectory() as folder:
            torch.save(state, folder + "/consolidated.00.pth")
            json.dump(SIZES, open(folder + "/params.json", "w"))
            convert.write_model(folder + "/hf", folder, "7B")
            return {name: value for path in glob.glob(folder + "/hf/*.safetensors") for name, value in load_file(path).items()}

    return of_shapes(meta_shapes(64, 8, 2, 176, 32000)), to


def internlm2():
    """Its script loads a tokenizer after it has saved the weights. There is none here."""
    from einops import rearrange

    config = types.SimpleNamespace(bias=False, hidden_size=WIDTH, num_attention_heads=6, num_key_value_heads=2)
    known = {"rearrange": rearrange, "tqdm": lambda x: x, "save_conifg": lambda *a: None,
             "AutoConfig": types.SimpleNamespace(from_pretrained=lambda *a, **k: config)}
    convert = functions("internlm_convert2llama", ["convert", "weight_load"], **known)

    def to(state):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as made:
            torch.save(state, folder + "/pytorch_model.bin")
            with contextlib.suppress(NameError):
                convert.convert(folder, made)
            return torch.load(made + "/pytorch_model.bin")

    return of_shapes(meta_shapes(WIDTH, 6, 2, 256, TEXTS, "model.")), to


def phi3():
    """Phi-3 has the names of Llama, but for two fused matrices of each layer. Both give the same outputs."""
    import transformers

    sizes = {"hidden_size": WIDTH, "num_attention_heads": 6, "num_key_value_heads": 2, "num_hidden_layers": LAYERS,
             "intermediate_size": 256, "vocab_size": TEXTS, "rms_norm_eps": 1e-5, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    make = lambda kind: getattr(transformers, kind + "ForCausalLM")(getattr(transformers, kind + "Config")(**sizes))

    def to(state):
        out = {}
        for name, value in state.items():
            for first, others, fused in [("q_proj", ("k_proj", "v_proj"), "qkv_proj"), ("gate_proj", ("up_proj",), "gate_up_proj")]:
                if first in name:
                    value = torch.cat([value] + [state[name.replace(first, other)] for other in others])
                    name = name.replace(first, fused)
            if not any(part in name for part in ("k_proj", "v_proj", "up_proj")) or "gate_up" in name or "qkv" in name:
                out[name] = value
        llama, phi = make("Llama").eval(), make("Phi3").eval()
        llama.load_state_dict(state), phi.load_state_dict(out)
        words = torch.arange(10)[None]
        assert torch.allclose(llama(words).logits, phi(words).logits, atol=1e-4)
        return out

    return of_model(lambda: make("Llama")), to


SPELLINGS = {
    "sdxl-unet": sdxl_unet, "sdxl-vae": sdxl_vae, "sdxl-text-encoder": sdxl_text_encoder, "sdxl-pipeline": sdxl_pipeline,
    "flux-dev": flux, "flux-schnell": lambda: flux(guidance=False), "flux-prefixed": lambda: flux("model.diffusion_model."),
    "diffusers-fused": lambda: diffusers_fused(False), "diffusers-fused-beside": lambda: diffusers_fused(True),
    "gpt2-nanogpt": lambda: gpt2_nanogpt(TEXTS), "gpt2-nanogpt-large-vocabulary": lambda: gpt2_nanogpt(8 * TEXTS),
    "vit-timm": lambda: vit(4), "vit-timm-transformers5": lambda: vit(5),
    "mistral": mistral, "internlm2-llama": internlm2, "llama-phi3": phi3,
}


def write(path, state, name, spelling):
    state = {name: value.contiguous().clone() for name, value in state.items()}
    if (name, spelling) == ("mistral", "a"):
        os.makedirs(path)
        save_file(state, path + "/consolidated.safetensors")
        json.dump(SIZES, open(path + "/params.json", "w"))
    elif (name, spelling) == ("sdxl-pipeline", "a"):
        parts = sorted({name.split("/")[0] for name in state})
        for part in parts:
            os.makedirs(f"{path}/{part}")
            stem = "model" if part.startswith("text") else "diffusion_pytorch_model"
            of = {name.split("/", 1)[1]: value for name, value in state.items() if name.startswith(part + "/")}
            save_file(of, f"{path}/{part}/{stem}.safetensors", {"format": "pt"})
            json.dump({}, open(f"{path}/{part}/config.json", "w"))
        json.dump({"_class_name": "StableDiffusionXLPipeline"} | {part: ["diffusers", part] for part in parts}, open(path + "/model_index.json", "w"))
    else:
        save_file(state, path + ".safetensors", {"format": "pt"})


def make(out, names):
    for name in names or SPELLINGS:
        with contextlib.redirect_stdout(io.StringIO()):
            network, to = SPELLINGS[name]()
            for first, second in ("ab", "ba"):
                base, stranger = network(1), network(99)
                for amount in (0.05, 0.3):
                    c1, c2, c3 = (tuned(base, 10 + child, amount) for child in range(3))
                    models = {"base": (base, first), "c1": (c1, first), "c2": (c2, second), "c3": (c3, second),
                              "g1": (tuned(c1, 20, amount), second), "stranger": (stranger, second), "strange": (tuned(stranger, 30, amount), first)}
                    sets = {f"{first}{second}-{amount}": models}
                    if amount < 0.1:
                        sets[f"{first}{second}-copy"] = {"base": (base, first), "copy": (base, second), "stranger": (stranger, second)}
                    for case, models in sets.items():
                        os.makedirs(f"{out}/{name}/{case}", exist_ok=True)
                        for model, (state, spelling) in models.items():
                            write(f"{out}/{name}/{case}/{model}", to(state) if spelling == "b" else state, name, spelling)
        print("made", name, flush=True)


def count(folder, binary, names):
    print("| spellings | same network told | families right | parents right | share compared |\n|---|---:|---:|---:|---:|")
    for name in names or sorted(os.listdir(folder)):
        copies, families, parents, shares = [], [], [], []
        for case in sorted(os.listdir(f"{folder}/{name}")):
            run = subprocess.run([binary, "detect", ".", "--format", "json"], cwd=f"{folder}/{name}/{case}", capture_output=True, text=True, check=True)
            models = {model["name"]: model for model in json.loads(run.stdout)["models"]}
            family = lambda *members: {models[member]["family"] for member in members if member in models}
            if case.endswith("copy"):
                edge = [parent["relation"] for model in ("base", "copy") for parent in models[model]["parents"]]
                copies.append(len(family("base", "copy")) == 1 and edge[0] in ("duplicate", "cast") and family("stranger").isdisjoint(family("base")))
                groups = json.loads(run.stdout)["groups"]
                shares += [model["share"] for group in groups for model in group["models"] if model["name"] in ("base", "copy")]
            else:
                families.append(len(family("base", "c1", "c2", "c3", "g1")) == 1 and len(family("stranger", "strange")) == 1 and family("base").isdisjoint(family("stranger")))
                parents += [[parent["name"] for parent in models[child]["parents"]] == [parent] for child, parent in TRUTH.items()]
        of = lambda found: f"{sum(found)} of {len(found)}"
        share = f"{min(shares):.3f}" if shares else "-"
        print(f"| {name} | {of(copies)} | {of(families)} | {of(parents)} | {share} |", flush=True)


if __name__ == "__main__":
    command, folder, other, *names = sys.argv[1:]
    if command == "make":
        SCRIPTS = other
        make(folder, names)
    else:
        count(folder, other, names)

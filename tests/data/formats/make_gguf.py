"""Writes the small GGUF files of tests/format/gguf.rs with the reference writer, and what is expected as safetensors.

    python tests/data/formats/make_gguf.py

Needs gguf (0.19), transformers, torch, numpy and safetensors. Files of types hold random blocks; what is expected is what
`gguf.quants.dequantize` makes of them. Files of models hold a random network of transformers as llama.cpp's
`convert_hf_to_gguf.py` stores it: names from the map of the package gguf, and the changes below, which are written down from
the classes of llama.cpp's `conversion/`.
"""

import pathlib
import shutil

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as T
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).parent / "gguf"
RANDOM = np.random.default_rng(20261126)
ROWS, COLUMNS = 2, 512


# Types.

# Where the scales of a block stand, as (first byte, dtype). Random bytes there would often be NaN.
SCALES = {
    T.Q2_K: [(80, "f2"), (82, "f2")],
    T.Q3_K: [(108, "f2")],
    T.Q4_K: [(0, "f2"), (2, "f2")],
    T.Q5_K: [(0, "f2"), (2, "f2")],
    T.Q6_K: [(208, "f2")],
    T.Q8_K: [(0, "f4")],
    T.IQ2_XXS: [(0, "f2")],
    T.IQ2_XS: [(0, "f2")],
    T.IQ2_S: [(0, "f2")],
    T.IQ3_XXS: [(0, "f2")],
    T.IQ3_S: [(0, "f2")],
    T.IQ1_S: [(0, "f2")],
    T.IQ4_NL: [(0, "f2")],
    T.IQ4_XS: [(0, "f2")],
    T.Q1_0: [(0, "f2")],
}


def blocks(kind):
    """Random blocks of a type: those of the reference quantizer where it has one."""
    try:
        return gguf.quants.quantize((RANDOM.standard_normal((ROWS, COLUMNS)) * 0.02).astype("f4"), kind)
    except NotImplementedError:
        pass
    values, size = gguf.GGML_QUANT_SIZES[kind]
    stored = RANDOM.integers(0, 256, (ROWS * COLUMNS // values, size), dtype="u1")
    for begin, dtype in SCALES.get(kind, []):
        scale = (RANDOM.standard_normal(len(stored)) * 0.01).astype(dtype)
        stored[:, begin : begin + scale.itemsize] = scale.view("u1").reshape(len(stored), -1)
    if kind == T.IQ1_M:
        # The four upper digits of four words are one F16.
        scale = (RANDOM.standard_normal(len(stored)) * 0.01).astype("f2").view("u2")
        for word in range(4):
            stored[:, 49 + 2 * word] = stored[:, 49 + 2 * word] & 0x0F | (scale >> 4 * word & 15).astype("u1") << 4
    if kind == T.MXFP4:
        stored[:, 0] = RANDOM.integers(110, 130, len(stored))
    if kind == T.NVFP4:
        stored[:, :4] = RANDOM.integers(0, 0x7F, (len(stored), 4))
    return stored.reshape(ROWS, -1)


def dequantized(stored, kind):
    """The reference, and for the types that it leaves out the formula of ggml-quants.c."""
    by_block = stored.reshape(-1, gguf.GGML_QUANT_SIZES[kind][1])
    whole = lambda values: values.astype("f4").reshape(ROWS, COLUMNS)
    if kind == T.Q8_K:
        return whole(by_block[:, :4].copy().view("f4") * by_block[:, 4:260].copy().view("i1").astype("f4"))
    if kind == T.Q1_0:
        signs = np.unpackbits(by_block[:, 2:], axis=1, bitorder="little").astype("f4") * 2 - 1
        return whole(by_block[:, :2].copy().view("f2").astype("f4") * signs)
    return gguf.quants.dequantize(stored, kind).astype("f4")


def write_types(name, kinds):
    writer = gguf.GGUFWriter(OUT / f"{name}.gguf", "none")
    expected = {}
    for kind in kinds:
        stored = blocks(kind)
        writer.add_tensor(kind.name, stored, raw_dtype=kind)
        expected[kind.name] = dequantized(stored, kind)
    finish(writer)
    save_file(expected, OUT / f"{name}.safetensors")


def write_plain():
    writer = gguf.GGUFWriter(OUT / "plain.gguf", "none")
    writer.add_custom_alignment(64)
    writer.add_array("some.strings", ["a", "", "longer than the others"])
    writer.add_array("some.numbers", [1.5, -2.5])
    expected = {}
    for dtype in ["f4", "f2", "f8", "i1", "i2", "i4", "i8"]:
        values = RANDOM.integers(-100, 100, (2, 3, 5)).astype(dtype)
        writer.add_tensor(dtype, values)
        expected[dtype] = values.astype("f4")
    values = RANDOM.standard_normal((3, 7)).astype("f4")
    upper = (values.view("u4") >> 16).astype("u2")
    writer.add_tensor("bf16", upper.view("u1"), raw_dtype=T.BF16)
    expected["bf16"] = (upper.astype("u4") << 16).view("f4")
    finish(writer)
    save_file(expected, OUT / "plain.safetensors")


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# Models.


def permute(weight, heads):
    """`LlamaModel.permute`: the two halves of each head are interleaved."""
    shape = weight.shape
    return weight.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def groups(weight, heads, keys):
    """`FalconModel`: groups of queries, a key and a value become all queries, all keys and all values."""
    head = weight.shape[0] // (heads + 2 * keys)
    parts = weight.reshape(keys, heads // keys + 2, head, -1)
    return np.concatenate([parts[:, :-2].reshape(-1), parts[:, -2].reshape(-1), parts[:, -1].reshape(-1)]).reshape(
        weight.shape
    )


def random_state(config, kind):
    """The tensors of a random network of transformers, as it saves them."""
    torch.manual_seed(20261126)
    model = kind(config)
    state = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    tied = set(getattr(model, "all_tied_weights_keys", None) or {})
    state = {name: value for name, value in state.items() if name not in tied and not name.endswith("position_ids")}
    # Biases and norms of a new network are all alike and would hide a wrong order.
    return {name: (RANDOM.standard_normal(value.shape) * 0.02).astype("f2") for name, value in state.items()}


def write_model(name, arch, state, change=lambda name, value: (name, value), kind_of=lambda name: None, heads=(4, 2), splits=0):
    """Writes a model in F16, norms and vectors in F32, and what is expected: the network itself."""
    path = OUT / f"{name}.gguf"
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch], split_max_tensors=splits)
    writer.add_name(f"a random {name}")
    writer.add_head_count(heads[0])
    writer.add_head_count_kv(heads[1])
    writer.add_token_list(["a", "b"])
    writer.add_tokenizer_model("bert" if name == "bert" else "llama")
    names = gguf.get_tensor_name_map(arch, 2)
    expected, stacks = {}, {}
    for own, value in state.items():
        wide = value.astype("f4")
        expected[own] = wide
        if ".experts." in own and arch != gguf.MODEL_ARCH.GPT_OSS:
            before, after = own.split(".experts.")
            expert, rest = after.split(".", 1)
            # The map knows stacks of experts by these names.
            before = before if "block_sparse" not in before else f"{before.replace('block_sparse_moe', 'feed_forward').removeprefix('model.')}"
            stacks.setdefault(f"{before}.experts.{rest}", {})[int(expert)] = value
            continue
        changed = change(own, value)
        for own_name, stored in changed if isinstance(changed, list) else [changed]:
            add(writer, names, own_name, stored, kind_of(own), expected, own)
    for stack, experts in stacks.items():
        value = np.stack([experts[i] for i in range(len(experts))])
        add(writer, names, stack, value, None, expected, stack)
    if arch == gguf.MODEL_ARCH.LLAMA:
        writer.add_tensor("rope_freqs.weight", np.ones(4, "f4"))
    finish(writer)
    # F16 keeps the files small, and the values exact.
    narrow = {n: v.astype("f2") for n, v in expected.items()}
    exact = {n: narrow[n] if (narrow[n].astype("f4") == v).all() else v for n, v in expected.items()}
    save_file(exact, OUT / f"{name}.safetensors")


def add(writer, names, name, value, kind, expected, own):
    target = names.get_name(name, try_suffixes=(".weight", ".bias"))
    assert target is not None, name
    if kind is not None:
        stored = gguf.quants.quantize(value.astype("f4"), kind)
        writer.add_tensor(target, stored, raw_dtype=kind)
        # Rows are quantized for themselves, so that their order makes no difference.
        expected[own] = gguf.quants.dequantize(gguf.quants.quantize(expected[own], kind), kind)
    elif value.ndim < 2 or target.endswith("_norm.weight"):
        writer.add_tensor(target, np.ascontiguousarray(value, "f4"))
    else:
        writer.add_tensor(target, np.ascontiguousarray(value))


def rotary(heads, keys):
    def change(name, value):
        if ".q_proj." in name:
            return name, permute(value, heads)
        return name, permute(value, keys) if ".k_proj." in name else value

    return change


def gpt_oss(name, value):
    """`GptOssModel`: experts are stored as transposes, and gates and ups, which take turns, apart."""
    before, _, part = name.partition(".mlp.experts.")
    if not part:
        return name if not name.endswith("sinks") else f"{name}.weight", value
    suffix = ".bias" if part.endswith("_bias") else ".weight"
    value = value if suffix == ".bias" else value.swapaxes(1, 2)
    if part.startswith("down_proj"):
        return f"{before}.mlp.experts.down_proj{suffix}", value
    apart = [value[:, ::2], value[:, 1::2]]
    return [(f"{before}.mlp.experts.{own}_proj{suffix}", v) for own, v in zip(["gate", "up"], apart)]


def write_models():
    small = dict(
        vocab_size=24, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=16,
    )  # fmt: skip
    A, t = gguf.MODEL_ARCH, transformers

    llama = random_state(t.LlamaConfig(**small, attention_bias=True), t.LlamaForCausalLM)
    quantized = lambda name: T.Q8_0 if name.endswith(("q_proj.weight", "up_proj.weight")) else None
    write_model("llama", A.LLAMA, llama, rotary(4, 2), quantized)
    write_model("llama-split", A.LLAMA, llama, rotary(4, 2), quantized, splits=5)
    (OUT / "llama-split.safetensors").unlink()

    mixtral = {n: v for n, v in random_state(t.LlamaConfig(**small), t.LlamaForCausalLM).items() if ".mlp." not in n}
    layer = "model.layers.0.block_sparse_moe"
    half = lambda *shape: (RANDOM.standard_normal(shape) * 0.02).astype("f2")
    mixtral[f"{layer}.gate.weight"] = half(3, 32)
    for expert in range(3):
        for part, shape in [("w1", (40, 32)), ("w2", (32, 40)), ("w3", (40, 32))]:
            mixtral[f"{layer}.experts.{expert}.{part}.weight"] = half(*shape)
    write_model("mixtral", A.LLAMA, mixtral, rotary(4, 2))

    qwen = {n: v for n, v in random_state(t.Qwen2Config(**small), t.Qwen2ForCausalLM).items() if ".mlp." not in n}
    layer = "model.layers.0.mlp"
    qwen[f"{layer}.gate.weight"] = half(3, 32)
    qwen[f"{layer}.shared_expert_gate.weight"] = half(1, 32)
    for place in ["shared_expert", "experts.0", "experts.1", "experts.2"]:
        for part, shape in [("gate_proj", (24, 32)), ("up_proj", (24, 32)), ("down_proj", (32, 24))]:
            qwen[f"{layer}.{place}.{part}.weight"] = half(*shape)
    squeeze = lambda name, value: (name, value[0] if "shared_expert_gate" in name else value)
    write_model("qwen2moe", A.QWEN2MOE, qwen, squeeze)

    gemma = random_state(t.Gemma3TextConfig(**small, head_dim=8), t.Gemma3ForCausalLM)
    # The values are multiples of 2^-11, so that the sum with one is exact.
    coarse = lambda v: ((np.round(v.astype("f4") * 1024) + 0.5) / 1024).astype("f2")
    gemma = {n: coarse(v) if n.endswith("norm.weight") else v for n, v in gemma.items()}
    plus_one = lambda name, value: (name, value.astype("f4") + 1 if name.endswith("norm.weight") else value)
    write_model("gemma3", A.GEMMA3, gemma, plus_one)

    config = t.GPT2Config(vocab_size=24, n_embd=32, n_layer=1, n_head=4, n_positions=16)
    conv = lambda name, v: (name, v.T if v.ndim == 2 and ".h." in name else v)
    write_model("gpt2", A.GPT2, random_state(config, t.GPT2LMHeadModel), conv, lambda n: None)

    config = t.FalconConfig(
        vocab_size=24, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, num_kv_heads=2, new_decoder_architecture=True,
        ffn_hidden_size=64,
    )  # fmt: skip
    parted = lambda name, v: (name, groups(v, 4, 2) if "query_key_value" in name else v)
    write_model("falcon", A.FALCON, random_state(config, t.FalconForCausalLM), parted)

    oss = random_state(t.LlamaConfig(**small), t.LlamaForCausalLM)
    oss = {n: v for n, v in oss.items() if ".mlp." not in n and "post_attention" not in n}
    layer = "model.layers.0"
    oss[f"{layer}.post_attention_layernorm.weight"] = half(32)
    oss[f"{layer}.self_attn.sinks"] = half(4)
    oss[f"{layer}.mlp.router.weight"], oss[f"{layer}.mlp.router.bias"] = half(2, 32), half(2)
    for part, shape in [("gate_up_proj", (32, 48)), ("down_proj", (24, 32))]:
        oss[f"{layer}.mlp.experts.{part}"], oss[f"{layer}.mlp.experts.{part}_bias"] = half(2, *shape), half(2, shape[1])
    write_model("gpt-oss", A.GPT_OSS, oss, gpt_oss)

    phi3 = random_state(t.Phi3Config(**small, pad_token_id=0), t.Phi3ForCausalLM)
    write_model("phi3", A.PHI3, phi3)

    config = t.BertConfig(**{**small, "num_key_value_heads": None}, type_vocab_size=2)
    bert = {n: v for n, v in random_state(config, t.BertModel).items() if not n.startswith("pooler")}
    write_model("bert", A.BERT, bert)


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    write_plain()
    # Q8_1 is not among them: the package has an old size for it. Q2_0 is newer than the package.
    write_types("blocks", [T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.Q1_0])
    write_types("k", [T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K, T.Q8_K])
    write_types("iq", [T.IQ1_S, T.IQ1_M, T.IQ2_XXS, T.IQ2_XS, T.IQ2_S, T.IQ3_XXS, T.IQ3_S, T.IQ4_NL, T.IQ4_XS])
    write_types("float4", [T.TQ1_0, T.TQ2_0, T.MXFP4, T.NVFP4])
    write_models()
    for path in sorted(OUT.iterdir()):
        print(f"{path.stat().st_size:8} {path.name}")

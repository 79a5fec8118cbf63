"""Writes one lineage of five models in every format that is read, mixed in one folder, for tests/format/mixed.rs.

    python tests/data/formats/make_mixed.py

Needs torch, gguf, onnx, h5py, msgpack, ml_dtypes, numpy and safetensors. The models are those of tests/data/zoo/llama. Each of the five
stands in one format without loss. Further files are conversions of one of the five: casts, quantized copies, and the same
values in another format.
"""

import json
import pathlib
import shutil

import gguf
import h5py
import ml_dtypes
import msgpack
import numpy as np
import onnx
import torch
from gguf import GGMLQuantizationType as T
from safetensors.numpy import load_file, save_file

HERE = pathlib.Path(__file__).parent
ZOO, OUT = HERE.parent / "zoo" / "llama", HERE / "mixed"
HEADS, KEYS = 4, 2


def model(name):
    """A model of the zoo. Some are in shards."""
    state = {}
    for path in sorted((ZOO / name).glob("*.safetensors")):
        state |= load_file(path)
    return {key: value.astype("f4") for key, value in sorted(state.items())}


def folder(name, config=None):
    path = OUT / name
    path.mkdir(parents=True)
    if config is not None:
        (path / "config.json").write_text(json.dumps(config, indent=1))
    return path


def pytorch(name, state):
    """A folder of transformers whose weights are a pickle."""
    path = folder(name, {"model_type": "llama"})
    torch.save({k: torch.from_numpy(v.copy()) for k, v in state.items()}, path / "pytorch_model.bin")


def lightning(name, state):
    """A checkpoint of a trainer: weights under a key and a prefix, and the state of an optimizer beside them."""
    weights = {f"model.{k}": torch.from_numpy(v.copy()) for k, v in state.items()}
    moments = {i: {"exp_avg": torch.randn(3, 3)} for i in range(3)}
    torch.save(
        {"epoch": 3, "state_dict": weights, "optimizer_states": [{"state": moments}], "hyper_parameters": {"lr": 1e-3}},
        OUT / f"{name}.ckpt",
    )


def permute(weight, heads):
    """`LlamaModel.permute` of llama.cpp: the two halves of each head are interleaved."""
    shape = weight.shape
    return weight.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def gguf_file(name, state, kind=None):
    """What llama.cpp's converter writes, and then its quantizer."""
    writer = gguf.GGUFWriter(OUT / f"{name}.gguf", "llama")
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEYS)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    for own, value in state.items():
        target = names.get_name(own, try_suffixes=(".weight", ".bias"))
        if own.endswith("q_proj.weight"):
            value = permute(value, HEADS)
        elif own.endswith("k_proj.weight"):
            value = permute(value, KEYS)
        value = np.ascontiguousarray(value)
        if kind is None or value.ndim < 2:
            writer.add_tensor(target, value)
        else:
            writer.add_tensor(target, gguf.quants.quantize(value, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def npz(name, state, compressed=False):
    (np.savez_compressed if compressed else np.savez)(OUT / f"{name}.npz", **state)


def npy(name, state):
    path = folder(name)
    for key, value in state.items():
        np.save(path / f"{key}.npy", value)


def onnx_file(name, state):
    tensors = [onnx.numpy_helper.from_array(v, k) for k, v in state.items()]
    graph = onnx.helper.make_graph([], "graph", [], [], initializer=tensors)
    onnx.save(onnx.helper.make_model(graph), OUT / f"{name}.onnx")


def flax(name, state):
    """What flax.serialization writes: nested maps, arrays as extension 1, kernels transposed."""
    tree = {}
    for key, value in state.items():
        parts = key.split(".")
        if value.ndim == 2 and "embed" not in key:
            parts[-1], value = "kernel", value.T
        elif parts[-1] == "weight":
            parts[-1] = "embedding" if value.ndim == 2 else "scale"
        place = tree
        for part in parts[:-1]:
            place = place.setdefault(part, {})
        packed = msgpack.packb((value.shape, value.dtype.name, np.ascontiguousarray(value).tobytes()), use_bin_type=True)
        place[parts[-1]] = msgpack.ExtType(1, packed)
    path = folder(name, {"model_type": "llama"})
    (path / "flax_model.msgpack").write_bytes(msgpack.packb(tree, strict_types=True))


def keras(name, state):
    """Weights of Keras 3: layers with numbered variables."""
    with h5py.File(OUT / f"{name}.weights.h5", "w") as file:
        for number, (key, value) in enumerate(state.items()):
            file.create_dataset(f"layers/{key}/vars/0", data=value)


def bf16(name, state):
    path = folder(name, {"model_type": "llama"})
    save_file({k: v.astype(ml_dtypes.bfloat16) for k, v in state.items()}, path / "model.safetensors")


def gptq(name, state, group=32):
    """4 bits, symmetric, in groups along the inputs, as GPTQ packs them."""
    stored = {}
    for key, value in state.items():
        if "_proj" not in key:
            stored[key] = value.astype("f2")
            continue
        module = key.removesuffix("weight")
        rows = value.T.reshape(-1, group, value.shape[0])
        scale = (np.abs(rows).max(1) / 7).astype("f2")
        codes = (np.clip(np.round(rows / scale[:, None].astype("f4")), -8, 7) + 8).astype("u4").reshape(value.T.shape)
        stored[module + "qweight"] = sum(codes[i::8] << np.uint32(4 * i) for i in range(8)).view("i4")
        stored[module + "scales"] = scale
        stored[module + "qzeros"] = np.full((scale.shape[0], value.shape[0] // 8), 0x77777777, "i4")
        stored[module + "g_idx"] = (np.arange(value.shape[1]) // group).astype("i4")
    method = {"quant_method": "gptq", "bits": 4, "group_size": group, "desc_act": False, "sym": True}
    # The writer stores memory as it lies, so that turned arrays must be copied before.
    stored = {key: np.ascontiguousarray(value) for key, value in stored.items()}
    save_file(stored, folder(name, {"model_type": "llama", "quantization_config": method}) / "model.safetensors")


def fp8(name, state, block=32):
    """F8_E4M3 with a scale for each block."""
    stored = {}
    for key, value in state.items():
        if "_proj" not in key:
            stored[key] = value.astype(ml_dtypes.bfloat16)
            continue
        r, c = value.shape
        tiles = value.reshape(max(r // block, 1), min(block, r), c // block, block)
        scale = (np.abs(tiles).max((1, 3)) / 448).astype("f4")
        stored[key] = (tiles / scale[:, None, :, None]).reshape(r, c).astype(ml_dtypes.float8_e4m3fn)
        stored[key + "_scale_inv"] = scale
    method = {"quant_method": "fp8", "weight_block_size": [block, block]}
    # The writer stores memory as it lies, so that turned arrays must be copied before.
    stored = {key: np.ascontiguousarray(value) for key, value in stored.items()}
    save_file(stored, folder(name, {"model_type": "llama", "quantization_config": method}) / "model.safetensors")


def main():
    torch.manual_seed(20261126)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    root, first, grandchild, second, third = (model(n) for n in ["l0", "l0_c0", "l0_c0_g0", "l0_c1", "l0_c2"])
    # The five, each in its own format.
    gguf_file("root", root)
    pytorch("first", first)
    npz("grandchild", grandchild)
    onnx_file("second", second)
    lightning("third", third)
    # Conversions of them.
    flax("root-flax", root)
    keras("first-keras", first)
    npy("second-npy", second)
    npz("third-compressed", third, compressed=True)
    bf16("third-bf16", third)
    gguf_file("first-q8", first, T.Q8_0)
    gguf_file("second-q5", second, T.Q5_0)
    gptq("first-gptq", first)
    fp8("second-fp8", second)


main()

"""Writes small quantized models, and the values that the reference of each method reads from them.

    python make_quantized.py [FOLDER]

Who quantizes, and who reads back:

| file | written by | read back by |
|---|---|---|
| bnb_* | bitsandbytes (CPU) | bitsandbytes |
| ct_* | compressed-tensors | compressed-tensors, in F32 |
| mlx* | MLX (CPU) | MLX |
| fp8, nvfp4_modelopt, mxfp4 | torch dtypes, the formulas of docs/formats.md | numpy in f32 |
| gptq*, awq | the layouts of docs/formats.md, in numpy | numpy in f32 |
| gpt_oss | compressed-tensors' FP4 codes in the layout of gpt-oss | transformers (convert_moe_packed_tensors) where it imports, else numpy |

Each folder is a model: `model.safetensors`, `config.json` where the method writes one, and `expected.safetensors` with what
must be read, as F32.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "quantized")
torch.manual_seed(7)
E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


def weight(*shape):
    """Weights of a few magnitudes."""
    return torch.randn(*shape) * torch.logspace(-2, 0, shape[-1])


def write(name, stored, expected, config=None):
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    stored = {**stored, "norm.weight": torch.linspace(0.5, 1.5, 64)}
    expected = {**expected, "norm.weight": stored["norm.weight"]}
    save_file({k: v.contiguous() for k, v in stored.items()}, folder / "model.safetensors")
    save_file({k: v.to(torch.float32).contiguous() for k, v in expected.items()}, folder / "expected.safetensors")
    config_path = folder / "config.json"
    if config is not None:
        config_path.write_text(json.dumps(config) + "\n")
    else:
        config_path.unlink(missing_ok=True)


# FP8 and INT8 with scales


def fp8():
    stored, expected = {}, {}

    def add(name, w, scale, end, dtype=torch.float8_e4m3fn, stored_scale=None, block=None):
        """`scale` has the shape of the weight, or ones; `block` has the rows and columns of its blocks otherwise."""
        spread = scale
        if block:
            spread = scale.repeat_interleave(block[0], 0)[: w.shape[0]].repeat_interleave(block[1], 1)[:, : w.shape[1]]
        codes = (w / spread).to(dtype)
        stored[name], expected[name] = codes, codes.float() * spread
        base = name.removesuffix("weight")
        stored[f"{base}{end}"] = scale if stored_scale is None else stored_scale
        return base

    w = weight(24, 64)
    add("tensor.weight", w, (w.abs().max() / 448), "weight_scale")
    stored["tensor.input_scale"] = torch.tensor(0.5)
    channel = (w.abs().amax(1, keepdim=True) / 448).bfloat16().float()
    add("channel.weight", w, channel, "weight_scale", stored_scale=channel.bfloat16())
    w = weight(136, 40)
    padded = torch.zeros(256, 128)
    padded[:136, :40] = w
    add("block.weight", w, padded.reshape(2, 128, 1, 128).abs().amax((1, 3)) / 448, "weight_scale_inv", block=(128, 128))
    w = weight(24, 64)
    base = add("comfy.weight", w, w.abs().max() / 57344, "scale_weight", dtype=torch.float8_e5m2)
    stored[f"{base}scale_input"] = torch.tensor(1.0)
    stored["scaled_fp8"] = torch.zeros(2).to(torch.float8_e5m2)
    exponents = torch.floor(torch.log2(w.reshape(24, 2, 32).abs().amax(2) / 256))
    powers = (2.0**exponents).float()
    add("mx.weight", w, powers, "weight_scale", stored_scale=(exponents + 127).to(torch.uint8), block=(1, 32))
    add("e8m0.weight", w, powers, "weight_scale_inv", stored_scale=powers.to(torch.float8_e8m0fnu), block=(1, 32))
    experts = weight(3, 24, 64)
    scale = experts.abs().amax(2, keepdim=True) / 448
    add("experts.gate_up_proj", experts, scale, "experts.gate_up_proj_scale")
    stored["experts.gate_up_proj_scale"] = stored.pop("experts.gate_up_projexperts.gate_up_proj_scale")
    stored["plain.weight"] = expected["plain.weight"] = weight(24, 64).bfloat16()
    stored["rope.freqs_cis"] = torch.complex(torch.ones(4), torch.ones(4))
    write("fp8", stored, expected)


# compressed-tensors


def compressed_tensors():
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from compressed_tensors.quantization.utils import calculate_qparams

    from compressed_tensors.compressors.nvfp4.helpers import unpack_fp4_from_uint8
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
    from compressed_tensors.quantization.lifecycle.forward import dequantize

    def model(folder, format, weights, stored=None, expected=None):
        """Each weight gets scales by its arguments, is compressed, and is decompressed again."""
        stored, expected = stored or {}, expected or {}
        compressor = BaseCompressor.get_value_from_registry(format)
        for name, (w, arguments) in weights.items():
            scheme = QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**arguments))
            args = scheme.weights
            groups = w.reshape(w.shape[0], -1, args.group_size if args.group_size and args.group_size > 0 else w.shape[1])
            least, most = groups.amin(2), groups.amax(2)
            state = {"weight": w}
            if args.type == "float" and args.group_size == 16:
                state["weight_global_scale"] = (448 * 6 / w.abs().max()).reshape(1)
                scale = torch.maximum(-least, most) / 6 * state["weight_global_scale"]
                state["weight_scale"] = scale.to(torch.float8_e4m3fn).float()
            elif args.type == "float":
                state["weight_scale"] = 2.0 ** torch.floor(torch.log2(torch.maximum(-least, most) / 4))
            else:
                scale, zero = calculate_qparams(least, most, args)
                state["weight_scale"] = scale.float()
                if not args.symmetric:
                    state["weight_zero_point"] = zero.to(torch.int8)
            packed = compressor.compress(dict(state), scheme)
            if args.type == "float":
                # The library decompresses these in BF16. Its own functions do it in F32 where they are given F32.
                codes = unpack_fp4_from_uint8(packed["weight_packed"], *w.shape, dtype=torch.float32)
                back = dequantize(codes, state["weight_scale"], args=args, dtype=torch.float32, global_scale=state.get("weight_global_scale"))
            else:
                back = compressor.decompress(dict(packed), scheme)["weight"]
            expected[f"{name}.weight"] = back
            stored |= {f"{name}.{key}": value for key, value in packed.items()}
        write(folder, stored, expected)

    four = dict(num_bits=4, type="int", strategy="group", group_size=32)
    w = lambda: weight(24, 96)
    # Columns in sorted groups, as earlier releases wrote them: packed by the library, quantized by the formula.
    columns = torch.randperm(96) // 32
    sorted_w = w()
    scale = torch.stack([sorted_w[:, columns == g].abs().amax(1) for g in range(3)], 1) / 7.5
    codes = (sorted_w / scale[:, columns]).round().clamp(-8, 7)
    model("ct_pack", "pack-quantized", {
        "four": (w(), dict(four, symmetric=True)),
        "asymmetric": (w(), dict(four, symmetric=False)),
        "three": (w(), dict(four, num_bits=3, symmetric=False)),
        "channel": (weight(20, 50), dict(num_bits=8, type="int", strategy="channel", symmetric=True)),
    }, {
        "sorted.weight_packed": pack_to_int32(codes.to(torch.int8), 4),
        "sorted.weight_scale": scale,
        "sorted.weight_shape": torch.tensor([24, 96]),
        "sorted.weight_g_idx": columns.to(torch.int32),
    }, {"sorted.weight": codes * scale[:, columns]})
    model("ct_int8", "int-quantized", {
        "channel": (w(), dict(num_bits=8, type="int", strategy="channel", symmetric=True)),
        "asymmetric": (w(), dict(four, num_bits=8, symmetric=False)),
    })
    float4 = dict(num_bits=4, type="float", symmetric=True)
    model("ct_nvfp4", "nvfp4-pack-quantized", {
        "four": (w(), dict(float4, strategy="tensor_group", group_size=16, scale_dtype=torch.float8_e4m3fn)),
    })
    model("ct_mxfp4", "mxfp4-pack-quantized", {
        "four": (w(), dict(float4, strategy="group", group_size=32, scale_dtype=torch.uint8)),
    })


def e2m1_codes(x):
    """The nearest code of each value."""
    return (x < 0) * 8 + (x.abs()[..., None] - E2M1[:8]).abs().argmin(-1)


def nibbles(codes):
    """Two codes in a byte, the first in the lower half."""
    return (codes[..., ::2] | codes[..., 1::2] << 4).to(torch.uint8)


def fp4():
    w = weight(24, 64)
    second = w.abs().max() / (448 * 6)
    scale = (w.reshape(24, 4, 16).abs().amax(2) / 6 / second).to(torch.float8_e4m3fn)
    spread = (scale.float() * second).repeat_interleave(16, 1)
    codes = e2m1_codes(w / spread)
    stored = {"nv.weight": nibbles(codes), "nv.weight_scale": scale, "nv.weight_scale_2": second, "nv.input_scale": torch.tensor(1.0)}
    expected = {"nv.weight": E2M1[codes] * spread}
    exponent = torch.floor(torch.log2(w.reshape(24, 2, 32).abs().amax(2) / 4))
    spread = (2.0**exponent).repeat_interleave(32, 1)
    codes = e2m1_codes(w / spread)
    stored |= {"mx.weight": nibbles(codes), "mx.weight_scale": (exponent + 127).to(torch.uint8)}
    stored |= {"f4.weight": nibbles(codes).view(torch.float4_e2m1fn_x2), "f4.weight_scale": (2.0**exponent).to(torch.float8_e8m0fnu)}
    expected |= {"mx.weight": E2M1[codes] * spread, "f4.weight": E2M1[codes] * spread}
    write("modelopt", stored, expected)


def gpt_oss():
    experts = weight(2, 12, 64)
    exponent = torch.floor(torch.log2(experts.reshape(2, 12, 2, 32).abs().amax(3) / 4))
    codes = e2m1_codes(experts / (2.0**exponent).repeat_interleave(32, 2))
    blocks = nibbles(codes).reshape(2, 12, 2, 16)
    scales = (exponent + 127).to(torch.uint8)
    try:
        from transformers.integrations.mxfp4 import convert_moe_packed_tensors

        values = convert_moe_packed_tensors(blocks, scales, dtype=torch.float32)
    except ImportError as error:
        print("gpt_oss by numpy:", error)
        values = (E2M1[codes] * (2.0**exponent).repeat_interleave(32, 2)).transpose(1, 2)
    name = "model.layers.0.mlp.experts.gate_up_proj"
    write("gpt_oss", {f"{name}_blocks": blocks, f"{name}_scales": scales}, {name: values})


# GPTQ and AWQ


def dense(codes, bits):
    """Codes [n, m] packed along the first dimension without gaps, the lowest bits first, as [n · bits / 32, m] words."""
    bit = ((codes[:, None, :] >> np.arange(bits)[None, :, None]) & 1).reshape(-1, 32, codes.shape[1]).astype(np.uint64)
    return torch.from_numpy((bit << np.arange(32, dtype=np.uint64)[None, :, None]).sum(1).astype(np.uint32).view(np.int32))


def gptq(folder, cases, more, config=None):
    stored, expected = {}, {}
    for name, bits, group, sort in cases:
        w = weight(32, 96).numpy().T
        inputs = w.shape[0]
        index = np.arange(inputs) // group
        if sort:
            index = np.random.default_rng(bits).permutation(index)
        groups = -(-inputs // group)
        least = np.stack([np.minimum(w[index == g].min(0), 0) for g in range(groups)])
        most = np.stack([np.maximum(w[index == g].max(0), 0) for g in range(groups)])
        scales = ((most - least) / (2**bits - 1)).astype(np.float16)
        # A zero point of 0 is stored as the largest code, less one being beyond the range.
        zeros = np.clip(np.round(-least / scales.astype(np.float32)), 0, 2**bits - 1).astype(np.int64)
        s = scales.astype(np.float32)[index]
        codes = np.clip(np.round(w / s) + zeros[index], 0, 2**bits - 1).astype(np.int64)
        stored[f"{name}.qweight"] = dense(codes, bits)
        stored[f"{name}.qzeros"] = dense(((zeros - more) % 2**bits).T, bits).T
        stored[f"{name}.scales"] = torch.from_numpy(scales)
        if sort or name == "four":
            stored[f"{name}.g_idx"] = torch.from_numpy(index.astype(np.int32))
        stored[f"{name}.bias"] = torch.zeros(32, dtype=torch.float16)
        expected[f"{name}.bias"] = stored[f"{name}.bias"]
        expected[f"{name}.weight"] = torch.from_numpy(((codes - zeros[index]).astype(np.float32) * s).T.copy())
    write(folder, stored, expected, config and {"quantization_config": config})


def awq():
    w = weight(32, 96).numpy().T
    least = np.minimum(w.reshape(3, 32, 32).min(1), 0)
    most = np.maximum(w.reshape(3, 32, 32).max(1), 0)
    scales = ((most - least) / 15).astype(np.float16)
    zeros = np.clip(np.round(-least / scales.astype(np.float32)), 0, 15).astype(np.int64)
    index = np.arange(96) // 32
    s = scales.astype(np.float32)[index]
    codes = np.clip(np.round(w / s) + zeros[index], 0, 15).astype(np.int64)

    def words(codes):
        place = [0, 2, 4, 6, 1, 3, 5, 7]
        shifted = codes.reshape(codes.shape[0], -1, 8)[:, :, place].astype(np.uint64) << (4 * np.arange(8, dtype=np.uint64))
        return torch.from_numpy(shifted.sum(2).astype(np.uint32).view(np.int32))

    stored = {"a.qweight": words(codes), "a.qzeros": words(zeros), "a.scales": torch.from_numpy(scales)}
    expected = {"a.weight": torch.from_numpy(((codes - zeros[index]).astype(np.float32) * s).T.copy())}
    config = {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm", "zero_point": True}
    write("awq", stored, expected, {"quantization_config": config})


# bitsandbytes


def bnb():
    import bitsandbytes as bnb
    from bitsandbytes import functional as F

    for name, kind, nested in [("bnb_nf4", "nf4", False), ("bnb_nf4_nested", "nf4", True), ("bnb_fp4", "fp4", False)]:
        w = weight(48, 100 if nested else 64)
        codes, state = F.quantize_4bit(w, blocksize=64, quant_type=kind, compress_statistics=nested)
        stored = {"a.weight": codes, **{f"a.weight.{k}": v for k, v in state.as_dict(packed=True).items()}}
        expected = F.dequantize_4bit(codes, state)
        write(name, stored, {"a.weight": expected})
    w = weight(24, 64)
    codes, scale, _ = F.int8_vectorwise_quant(w.half())
    stored = {"a.weight": codes, "a.SCB": scale, "a.weight_format": torch.tensor(0, dtype=torch.uint8)}
    # As bitsandbytes' layers do. Its int8_vectorwise_dequant rounds in another order, which moves some last digits.
    write("bnb_int8", stored, {"a.weight": codes.float().mul_(scale.unsqueeze(1).mul(1.0 / 127.0))})


# MLX


def mlx():
    import mlx.core as mx

    def torch_of(array):
        return torch.from_numpy(np.array(array))

    for bits, group in [(4, 64), (3, 32), (6, 32), (8, 64), (2, 128)]:
        w = mx.array(weight(24, 128).half().numpy())
        codes, scales, biases = mx.quantize(w, group_size=group, bits=bits)
        back = mx.dequantize(codes, scales.astype(mx.float32), biases.astype(mx.float32), group_size=group, bits=bits)
        stored = {"a.weight": torch_of(codes), "a.scales": torch_of(scales), "a.biases": torch_of(biases)}
        config = {"quantization": {"group_size": group, "bits": bits}}
        write(f"mlx_{bits}", stored, {"a.weight": torch_of(back)}, config)
    stored, expected = {}, {}
    for mode in ["mxfp4", "nvfp4", "mxfp8"]:
        codes, scales = mx.quantize(mx.array(weight(24, 64).numpy()), mode=mode)
        back = mx.dequantize(codes, scales, mode=mode, dtype=mx.float32)
        stored |= {f"{mode}.weight": torch_of(codes), f"{mode}.scales": torch_of(scales)}
        expected[f"{mode}.weight"] = torch_of(back)
    write("mlx_modes", stored, expected)


if __name__ == "__main__":
    fp8()
    fp4()
    gpt_oss()
    gptq("gptq", [("four", 4, 32, False), ("sorted", 4, 32, True), ("two", 2, 32, False), ("three", 3, 48, False), ("eight", 8, 96, False)], 1,
         {"quant_method": "gptq", "bits": 4, "group_size": 32})
    gptq("gptq_v2", [("four", 4, 32, False)], 0, {"quant_method": "gptq", "bits": 4, "checkpoint_format": "gptq_v2"})
    awq()
    for made in [compressed_tensors, bnb, mlx]:
        made()

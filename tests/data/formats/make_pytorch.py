"""Writes the PyTorch files of this folder, each with the tensors that a reader must find in it.

`X.pt` (or `.pth`, `.bin`, `.ckpt`) is written by torch.save; `X.safetensors` holds its weights under the names expected.
Run with torch 2.15 and safetensors. Every value comes from a fixed seed.
"""

import argparse
import collections
import json
import os
import pickle
import warnings
import zipfile

import numpy as np
import torch
from safetensors.torch import save_file

warnings.simplefilter("ignore")
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch")
os.makedirs(HERE, exist_ok=True)
torch.manual_seed(13)


def path(name):
    return os.path.join(HERE, name)


def expect(stem, tensors):
    plain = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach()
        if tensor.is_complex():
            tensor = torch.view_as_real(tensor)
        plain[name] = tensor.contiguous().clone()
    save_file(plain, path(stem + ".safetensors"))


def write(file, content, expected, **how):
    torch.save(content, path(file), **how)
    expect(file.split(".")[0], expected)


class Net(torch.nn.Module):
    """Two layers, a normalization with buffers, and a buffer that is not saved."""

    def __init__(self, tied=False):
        super().__init__()
        self.l1 = torch.nn.Linear(5, 4)
        self.norm = torch.nn.BatchNorm1d(4)
        self.blocks = torch.nn.ModuleList([torch.nn.Linear(4, 4, bias=False) for _ in range(2)])
        if tied:
            self.blocks[1].weight = self.blocks[0].weight
        self.register_buffer("passing", torch.ones(3), persistent=False)

    def forward(self, x):
        x = self.norm(self.l1(x))
        for block in self.blocks:
            x = block(x)
        return x


def trained(net):
    optimizer = torch.optim.AdamW(net.parameters())
    for _ in range(2):
        net(torch.randn(8, 5)).square().mean().backward()
        optimizer.step()
    return optimizer


net = Net(tied=True)
optimizer = trained(net)
state = net.state_dict()

# State dictionaries, in both forms and in each protocol of pickle.
for protocol in (2, 4, 5):
    write(f"state_{protocol}.pt", state, state, pickle_protocol=protocol)
write("legacy.pth", state, state, _use_new_zipfile_serialization=False)
write("legacy_4.pth", state, state, _use_new_zipfile_serialization=False, pickle_protocol=4)
write("parameters.bin", dict(net.named_parameters()), dict(net.named_parameters()))

base = torch.randn(6, 8)
views = {
    "transposed": base.t(),
    "sliced": base[1:5, 2:7],
    "stepped": base[::2, 1::3],
    "expanded": base[:, :1].expand(6, 5),
    "permuted": torch.randn(2, 3, 4, 5).permute(3, 1, 0, 2),
    "offset": base.view(-1)[7:20],
    "column": base[:, 3],
    "channels_last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
    "scalar": base[2, 3],
    "one": base[2:3, 3:4],
    "empty": torch.zeros(0, 4),
    "parameter": torch.nn.Parameter(base[0]),
    "whole": base,
}
write("views.pt", views, views)
write("views_legacy.pt", views, views, _use_new_zipfile_serialization=False)

numbers = torch.linspace(-3, 3, 24).view(4, 6)
dtypes = {
    "f64": numbers.double(),
    "f32": numbers,
    "f16": numbers.half(),
    "bf16": numbers.bfloat16(),
    "i64": (numbers * 1e6).long(),
    "i32": (numbers * 1e6).int(),
    "i16": (numbers * 1e3).short(),
    "i8": (numbers * 10).to(torch.int8),
    "u8": (numbers * 10 + 40).to(torch.uint8),
    "bool": numbers > 0,
}
write("dtypes.pt", dtypes, dtypes)
write("dtypes_legacy.pt", dtypes, dtypes, _use_new_zipfile_serialization=False)
late = {
    "e4m3": numbers.to(torch.float8_e4m3fn),
    "e5m2": numbers.to(torch.float8_e5m2),
    "e4m3_t": numbers.to(torch.float8_e4m3fn).t(),
    "u16": (numbers * 100 + 400).to(torch.int32).to(torch.uint16),
    "u32": (numbers * 100 + 400).to(torch.int64).to(torch.uint32),
    "u64": (numbers * 100 + 400).to(torch.int64).to(torch.uint64),
}
write("fp8.pt", {**late, "scale": torch.ones(4, 1).to(torch.float8_e8m0fnu)}, late)
rotary = {"freqs": torch.polar(torch.ones(3, 2), numbers[:3, :2]), "wide": torch.randn(3, 2, dtype=torch.complex128).t()}
write("complex.pt", rotary, rotary)

# Checkpoints of trainers: the weights, and much beside them.
lightning = {
    "epoch": 3,
    "global_step": 2**70,
    "pytorch-lightning_version": "2.5",
    "state_dict": collections.OrderedDict(("model." + k, v) for k, v in state.items()),
    "loops": {"fit_loop": {"state_dict": {}, "progress": [1, 2]}},
    "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.5), "current": {1, 2}}},
    "optimizer_states": [optimizer.state_dict()],
    "lr_schedulers": [{"last_epoch": 1}],
    "hyper_parameters": {"args": argparse.Namespace(lr=0.1, decay=None), "blob": b"\x00\x01"},
}
write("lightning.ckpt", lightning, lightning["state_dict"])
wrappers = {
    "trainer": {"model": state, "optimizer": optimizer.state_dict(), "best_val_loss": torch.tensor(0.1), "iter": 7},
    "ema": {"net": state, "net_ema": {k: v + 1 for k, v in state.items()}, "lr": 0.1},
    "whisper": {"dims": {"n": 3}, "model_state_dict": state},
    "esrgan": {"params": state, "params_ema": {k: v * 2 for k, v in state.items()}},
    "deepspeed": {
        "module": state,
        "optimizer": {"base_optimizer_state": {"state": {0: {"exp_avg": torch.ones(3)}}}},
        "lr_scheduler": None,
        "rng": {"torch_rng_state": torch.get_rng_state()[:16]},
        "ds_version": "0.16",
    },
    "vocoder": {"generator": state, "mpd": {"w": torch.ones(2)}},
    "only": {"encoder": state, "step": 4},
}
for name, content in wrappers.items():
    write(f"wrapped_{name}.pth", content, state)
gan = {"g": {"w": torch.randn(3)}, "d": {"w": torch.randn(2)}, "g_ema": {"w": torch.ones(3)}, "g_optim": optimizer.state_dict()}
write("gan.pt", gan, {"g.w": gan["g"]["w"], "d.w": gan["d"]["w"]})
nested = {"state_dict": {"encoder": {"layers": [{"w": torch.randn(2, 3)}, {"w": torch.randn(2)}]}, "scale": torch.randn(4)}}
flat = nested["state_dict"]
write(
    "nested.pt",
    nested,
    {"scale": flat["scale"], "encoder.layers.0.w": flat["encoder"]["layers"][0]["w"], "encoder.layers.1.w": flat["encoder"]["layers"][1]["w"]},
)
write("tensor.pt", base.t(), {"tensor": base.t()})
write("list.pt", [base, (base[0], 3)], {"0": base, "1.0": base[0]})
write("module.pt", net, state)
write("module_legacy.pt", net, state, _use_new_zipfile_serialization=False)
write("module_dict.pt", {"model": net, "epoch": 1, "optimizer": None}, state)

# Shards with an index, as transformers writes them.
shards = [dict(list(dtypes.items())[:4]), {"late": base}]
index = {"metadata": {}, "weight_map": {}}
for number, shard in enumerate(shards, 1):
    file = f"pytorch_model-{number:05}-of-00002.bin"
    os.makedirs(path("sharded"), exist_ok=True)
    torch.save(shard, path("sharded/" + file))
    index["weight_map"].update(dict.fromkeys(shard, file))
with open(path("sharded/pytorch_model.bin.index.json"), "w") as out:
    json.dump(index, out)
open(path("sharded/config.json"), "w").write("{}")
expect("sharded", {**shards[0], **shards[1]})

# Two shards of a Llama by tensor parallelism, as Meta publishes them.
dim, hidden, vocab = 8, 12, 10
whole = {
    "tok_embeddings.weight": torch.randn(vocab, dim),
    "norm.weight": torch.randn(dim),
    "output.weight": torch.randn(vocab, dim),
    "rope.freqs": torch.randn(4),
}
split = {"tok_embeddings.weight": 1, "output.weight": 0}
for part, shape, axis in [
    ("attention.wq", (dim, dim), 0),
    ("attention.wk", (4, dim), 0),
    ("attention.wv", (4, dim), 0),
    ("attention.wo", (dim, dim), 1),
    ("feed_forward.w1", (hidden, dim), 0),
    ("feed_forward.w2", (dim, hidden), 1),
    ("feed_forward.w3", (hidden, dim), 0),
]:
    whole[f"layers.0.{part}.weight"] = torch.randn(shape)
    split[f"layers.0.{part}.weight"] = axis
whole["layers.0.attention_norm.weight"] = torch.randn(dim)
whole["layers.0.ffn_norm.weight"] = torch.randn(dim)
for generation, axis in (("llama2", 1), ("llama3", 0)):
    os.makedirs(path(generation), exist_ok=True)
    split["tok_embeddings.weight"] = axis
    # Views are saved with all of their storage, so the parts are copied.
    part = lambda name, at: whole[name].chunk(2, split[name])[at].clone() if name in split else whole[name]
    for at in range(2):
        torch.save({name: part(name, at).bfloat16() for name in whole}, path(f"{generation}/consolidated.{at:02}.pth"))
    with open(path(f"{generation}/params.json"), "w") as out:
        json.dump({"dim": dim, "vocab_size": vocab if axis == 0 else -1}, out)
expect("llama", {name: tensor.bfloat16() for name, tensor in whole.items()})

# A file of a machine of the other byte order.
with zipfile.ZipFile(path("state_2.pt")) as source, zipfile.ZipFile(path("big_endian.pt"), "w") as target:
    for entry in source.namelist():
        content = source.read(entry)
        if entry.endswith("/byteorder"):
            content = b"big"
        elif "/data/" in entry:
            width = 8 if len(content) == 8 else 4
            content = np.frombuffer(content, f"<u{width}").byteswap().tobytes()
        target.writestr(entry, content)
expect("big_endian", state)

# Files that are refused.
refused = os.path.join(HERE, "refused")
os.makedirs(refused, exist_ok=True)
torch.jit.script(Net()).save(os.path.join(refused, "torchscript.pt"))
quantized = torch.quantize_per_tensor(numbers, 0.1, 0, torch.qint8)
torch.save({"q": quantized, "w": base}, os.path.join(refused, "quantized.pt"))
torch.save({"s": torch.eye(3).to_sparse(), "w": base}, os.path.join(refused, "sparse.pt"))
torch.save({"m": torch.empty(3, device="meta"), "epoch": 1}, os.path.join(refused, "meta.pt"))
torch.save({"fnuz": numbers.to(torch.float8_e4m3fnuz)}, os.path.join(refused, "fnuz.pt"))
torch.save({"w": torch.zeros(0), "b": torch.zeros(0)}, os.path.join(refused, "zero3.pt"))
torch.save({"epoch": 1, "args": argparse.Namespace(lr=1)}, os.path.join(refused, "empty.pt"))
torch.save(optimizer.state_dict(), os.path.join(refused, "only_optimizer.pt"))


class Evil:
    def __reduce__(self):
        return os.system, ("touch neural-phylogeny-was-here",)


class Packed:
    def __init__(self, inner):
        self.inner = inner


Packed.__module__ = "torchao.dtypes"
Packed.__qualname__ = "AffineQuantizedTensor"
import sys
import types

sys.modules["torchao"] = types.ModuleType("torchao")
sys.modules["torchao.dtypes"] = types.ModuleType("torchao.dtypes")
sys.modules["torchao.dtypes"].AffineQuantizedTensor = Packed
torch.save({"layer.weight": Packed(base), "norm": base[0]}, os.path.join(refused, "unknown_class.pt"))
torch.save({"w": Evil()}, os.path.join(refused, "evil.pt"))
# Nothing of it is run, so the weights beside it are read.
torch.save({"w": base, "evil": Evil()}, path("evil_beside.pt"))
expect("evil_beside", {"w": base})
pickle.dump({"w": numbers.numpy()}, open(os.path.join(refused, "plain_pickle.bin"), "wb"))
with zipfile.ZipFile(path("state_2.pt")) as source:
    with zipfile.ZipFile(os.path.join(refused, "compressed.pt"), "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.namelist():
            target.writestr(entry, source.read(entry))
with zipfile.ZipFile(os.path.join(refused, "other_zip.pt"), "w") as target:
    target.writestr("readme.txt", "nothing")


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(2))

    def forward(self, x):
        return x * self.w


torch.export.save(torch.export.export(Tiny(), (torch.ones(2),)), os.path.join(refused, "exported.pt2"))

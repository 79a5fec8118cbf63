"""Merges of every kind that tools write, on models as {name: array}. It needs numpy and ml_dtypes alone.

`KINDS` maps a kind to a function of the base and its fine-tunes. The function returns the merge and its parents. A kind
names the layers it treats apart by the numbers in the names of tensors, so any stack of layers will do.
Sources: mergekit's merge methods and its recipe files (https://github.com/arcee-ai/mergekit); TIES, arXiv:2306.01708; DARE,
arXiv:2311.03099; DELLA, arXiv:2406.11617; Model Breadcrumbs, arXiv:2312.06795; SOLAR, arXiv:2312.15166; LLaMA Pro,
arXiv:2401.02415; sparse upcycling, arXiv:2212.05055.
"""

import json
import re
import struct
from pathlib import Path

import ml_dtypes
import numpy as np

DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "I64": np.int64}
LAYER = re.compile(r"\.layers\.(\d+)\.")


def read(path):
    """All tensors of a safetensors file or of a folder of them."""
    files = sorted(Path(path).glob("*.safetensors")) if Path(path).is_dir() else [Path(path)]
    tensors = {}
    for file in files:
        data = file.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        for name, info in json.loads(data[8 : 8 + length]).items():
            if name != "__metadata__":
                begin, end = (8 + length + offset for offset in info["data_offsets"])
                tensors[name] = np.frombuffer(data[begin:end], DTYPES[info["dtype"]]).reshape(info["shape"])
    return tensors


def write(path, tensors):
    """One safetensors file."""
    names = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
    header, body, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name, array in sorted(tensors.items()):
        array = np.ascontiguousarray(array)
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        body.append(array.tobytes())
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(body))


def depth(models):
    """The number of layers."""
    return 1 + max((int(found[1]) for name in models if (found := LAYER.search(name))), default=0)


def layer_of(name):
    found = LAYER.search(name)
    return int(found[1]) if found else None


def part_of(name):
    """The part of a layer: attention, mlp, or neither."""
    return "attention" if "attn" in name else "mlp" if "mlp" in name else "other"


def wide(model):
    return {name: array.astype(np.float64) for name, array in model.items()}


def gradient(points):
    """mergekit's gradient: values at equal steps over the layers, between which it interpolates."""
    return lambda name, layers: float(np.interp(layer_of(name) / max(layers - 1, 1) * (len(points) - 1), range(len(points)), points))


def recipe(attention, mlp, other):
    """A share for each tensor, as the filters of a mergekit recipe give it: by part, and by layer within the part."""
    def share(name, layers):
        points = {"attention": attention, "mlp": mlp, "other": other}[part_of(name)]
        if not isinstance(points, list):
            return points
        return gradient(points)(name, layers) if layer_of(name) is not None else points[len(points) // 2]
    return share


USUAL = recipe([0, 0.5, 0.3, 0.7, 1], [1, 0.5, 0.7, 0.3, 0], 0.5)


def blockwise(seed):
    """One share for each layer, drawn at random, as block-weighted merges have them."""
    drawn = np.random.default_rng(seed).uniform(0, 1, 64)
    return lambda name, layers: float(drawn[0 if (layer := layer_of(name)) is None else layer + 1])


def swapped(name, layers):
    """Each layer whole from one of the two in turn: passthrough of equally many layers."""
    return float((layer_of(name) or 0) % 2)


def mix(models, shares, arc=False):
    """The models in shares that may differ by tensor: `shares(name, layers)` is one share or a list of them."""
    models, layers = [wide(m) for m in models], depth(models[0])

    def tensor(name):
        share = shares(name, layers)
        arrays = [m[name] for m in models]
        weights = [1 - share, share] if np.isscalar(share) else share
        if arc:
            weights = along_arc(*arrays, weights[1])
        return sum(w * a for w, a in zip(weights, arrays))

    return {name: tensor(name) for name in models[0]}


def along_arc(a, b, share):
    """The two weights of a spherical interpolation; those of a linear one where the two point almost the same way."""
    cosine = (a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b) or 1)
    if cosine > 0.9995:
        return [1 - share, share]
    angle = np.arccos(np.clip(cosine, -1, 1))
    return [np.sin((1 - share) * angle) / np.sin(angle), np.sin(share * angle) / np.sin(angle)]


def three_gradients(name, layers):
    """Shares of three models: each leads in a part of the layers."""
    layer = layer_of(name)
    at = 0.5 if layer is None else layer / max(layers - 1, 1)
    raw = [1.2 - at, 0.6, 0.2 + at]
    return [x / sum(raw) for x in raw]


def masked(base, models, weights, density, method, seed):
    """Sparsified increments added to the base: ties, dare, dare_ties, della or breadcrumbs."""
    rng = np.random.default_rng(seed)
    base, models = wide(base), [wide(m) for m in models]

    def thinned(increment):
        if method in ("dare", "dare_ties"):
            return increment * (rng.random(increment.shape) < density) / density
        order = np.abs(increment).ravel().argsort().argsort().reshape(increment.shape) / max(increment.size - 1, 1)
        if method == "della":  # larger increments are kept more often: density ± 0.15
            kept = np.clip(density + 0.3 * (order - 0.5), 0.02, 1)
            return increment * (rng.random(increment.shape) < kept) / kept
        if method == "breadcrumbs":  # neither the largest 1 % nor the small ones
            return increment * ((order >= 1 - density - 0.01) & (order < 0.99))
        return increment * (order >= 1 - density)

    def tensor(name):
        increments = [w * thinned(m[name] - base[name]) for w, m in zip(weights, models)]
        if method in ("ties", "dare_ties"):
            elected = np.sign(sum(increments))
            agreeing = [(np.sign(i) == elected) & (i != 0) for i in increments]
            total = sum(w * a for w, a in zip(weights, agreeing))
            return base[name] + sum(i * a for i, a in zip(increments, agreeing)) / np.where(total > 0, total, 1)
        return base[name] + sum(increments)

    return {name: tensor(name) for name in base}


def stacked(slices):
    """passthrough: layers of several models one above the other. `slices` has a model and its layers, from below."""
    out = {name: array for name, array in slices[0][0].items() if layer_of(name) is None}
    out |= {name: array for name, array in slices[-1][0].items() if layer_of(name) is None and "embed" not in name}
    at = 0
    for model, layers in slices:
        for layer in layers:
            for name, array in model.items():
                if layer_of(name) == layer:
                    out[LAYER.sub(f".layers.{at}.", name)] = array
            at += 1
    return out


def expanded(model, after):
    """Block expansion: a copy of a layer behind it whose writing matrices are zero, so that nothing changes at first."""
    slices, layers = [], depth(model)
    for layer in range(layers):
        slices.append((model, [layer]))
        if layer in after:
            silent = {n: np.zeros_like(a) if re.search(r"(o_proj|down_proj)\.weight", n) else a for n, a in model.items()}
            slices.append((silent, [layer]))
    return stacked(slices)


def experts(base, models, seed):
    """A mixture of experts: all but the MLPs of the base, the MLP of each model as an expert, a random router."""
    rng = np.random.default_rng(seed)
    out = {name: array for name, array in base.items() if ".mlp." not in name}
    for e, model in enumerate(models):
        for name, array in model.items():
            if ".mlp." in name:
                new = name.replace(".mlp.", f".block_sparse_moe.experts.{e}.")
                for old, other in (("gate_proj", "w1"), ("down_proj", "w2"), ("up_proj", "w3")):
                    new = new.replace(old, other)
                out[new] = array
    for layer in range(depth(base)):
        width = next(a.shape[1] for n, a in base.items() if ".mlp." in n and "down_proj" not in n)
        gate = rng.normal(0, 0.02, (len(models), width))
        out[f"model.layers.{layer}.block_sparse_moe.gate.weight"] = gate.astype(next(iter(base.values())).dtype)
    return out


def by_share(which, shares, arc=False):
    """Two or three of the models, by number (0 is the base), in shares by tensor."""
    return lambda models, seed: (mix([models[i] for i in which], shares, arc), {i: None for i in which})


def sparse(which, weights, density, method):
    """Masked increments of two of the models, which are children of the base."""
    return lambda models, seed: (masked(models[0], [models[i] for i in which], weights, density, method, seed), {i: None for i in which})


def of_layers(build, which):
    return lambda models, seed: (build(models, depth(models[0])), {i: None for i in which})


HALVES = [0.5, 0.5]
# The models are the base, then at least three fine-tunes of it.
KINDS = {
    "slerp-gradient": by_share([1, 2], USUAL, arc=True),
    "slerp-gradient-one-way": by_share([2, 3], recipe([0, 1], [0, 1], 0.5), arc=True),
    "slerp-filters": by_share([1, 3], recipe(0.3, 0.8, 0.5), arc=True),
    "lerp-gradient": by_share([1, 2], recipe([0.1, 0.9], [0.1, 0.9], 0.5)),
    "lerp-filters": by_share([3, 2], recipe(0.75, 0.35, 0.6)),
    "lerp-blocks": by_share([1, 3], blockwise(7)),
    "lerp-blocks-2": by_share([2, 3], blockwise(8)),
    "with-base-gradient": by_share([0, 2], recipe([0.2, 0.8], [0.8, 0.2], 0.5)),
    "three-gradients": by_share([1, 2, 3], three_gradients),
    "swap-layers": by_share([1, 2], swapped),
    "swap-parts": by_share([2, 3], recipe(0, 1, 0)),
    "linear": by_share([1, 2], recipe(0.4, 0.4, 0.4)),
    "linear-three": by_share([1, 2, 3], lambda name, layers: [0.5, 0.3, 0.2]),
    "slerp": by_share([2, 3], recipe(0.5, 0.5, 0.5), arc=True),
    "task-arithmetic": by_share([0, 1, 2], lambda name, layers: [-0.3, 0.7, 0.6]),
    "ties": sparse([1, 2], HALVES, 0.5, "ties"),
    "ties-0.2": sparse([2, 3], [0.6, 0.4], 0.2, "ties"),
    "dare": sparse([1, 3], HALVES, 0.5, "dare"),
    "dare-0.3": sparse([2, 3], [0.6, 0.4], 0.3, "dare"),
    "dare-ties": sparse([1, 2], HALVES, 0.5, "dare_ties"),
    "della": sparse([1, 2], HALVES, 0.5, "della"),
    "breadcrumbs": sparse([1, 3], HALVES, 0.6, "breadcrumbs"),
    "ties-three": sparse([1, 2, 3], [1, 1, 1], 0.4, "ties"),
    "dare-three": sparse([1, 2, 3], [0.4, 0.3, 0.3], 0.5, "dare"),
    "stacked": of_layers(lambda m, n: stacked([(m[1], range(n - 1)), (m[2], range(1, n))]), [1, 2]),
    "repeated": of_layers(lambda m, n: stacked([(m[1], range(n - 1)), (m[1], range(1, n))]), [1]),
    "dropped": of_layers(lambda m, n: stacked([(m[2], [i for i in range(n) if i != n // 2])]), [2]),
    "expanded": of_layers(lambda m, n: expanded(m[1], range(1, n, 2)), [1]),
    "experts": lambda models, seed: (experts(models[0], models[1:3], seed), {i: None for i in range(3)}),
}


def stored(merge, dtype):
    """The merge in another dtype; integers stay what they are."""
    return {n: a.astype(DTYPES[dtype]) if a.dtype.kind in "fV" or a.dtype == DTYPES["BF16"] else a for n, a in merge.items()}


def make(models, out, kinds=KINDS, dtype="F32", seed=0):
    """Writes every kind of merge of some named models {name: path}, the base first, and returns its truth."""
    names, read_models = list(models), [read(path) for path in models.values()]
    truth = []
    for number, (kind, function) in enumerate(kinds.items()):
        merge, parents = function(read_models, seed + number)
        write(Path(out) / f"{kind}" / "model.safetensors", stored(merge, dtype))
        truth.append({"name": kind, "parents": [{"name": names[i]} for i in parents]})
    return truth

"""Makes the small files of tests/format/arrays with the libraries that define their formats.

For each file NAME there is NAME.expected.safetensors: what the library itself reads from it.

    pip install numpy ml_dtypes safetensors onnx h5py keras flax torch
    python tests/data/formats/make_arrays.py [npz] [onnx] [keras] [flax]
"""

import os
import sys
import warnings
from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

HERE = Path(__file__).parent
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
warnings.filterwarnings("ignore")


def generator(seed=13):
    return np.random.default_rng(seed)


def expect(path, tensors):
    """Writes what a reader of `path` must find. The byte order and the layout of arrays are the usual ones here."""
    usual = {}
    for name, value in tensors.items():
        value = np.asarray(value)
        usual[name] = np.array(value, dtype=value.dtype.newbyteorder("<"), order="C", copy=True)
    save_file(usual, f"{path}.expected.safetensors")


def fresh(name):
    folder = HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.rglob("*"), reverse=True):
        old.rmdir() if old.is_dir() else old.unlink()
    return folder


def make_npz():
    folder = fresh("npz")
    random = generator()
    matrix = random.normal(size=(5, 7)).astype("f4")
    arrays = {
        "f2": matrix.astype("f2"),
        "f4": matrix,
        "f8": matrix.astype("f8") / 3,
        "big/f4": matrix.astype(">f4"),
        "big/f2": matrix.astype(">f2"),
        "big/i8": (matrix * 1000).astype(">i8"),
        "columns/f4": np.asfortranarray(matrix),
        "columns/cube": np.asfortranarray(random.normal(size=(3, 4, 5)).astype(">f4")),
        "columns/view": matrix.T,
        "i1": (matrix * 30).astype("i1"),
        "i2": (matrix * 30).astype("i2"),
        "i4": (matrix * 30).astype("i4"),
        "i8": (matrix * 30).astype("i8"),
        "u1": np.abs(matrix * 30).astype("u1"),
        "u2": np.abs(matrix * 30).astype("u2"),
        "u4": np.abs(matrix * 30).astype("u4"),
        "u8": np.abs(matrix * 30).astype("u8"),
        "bool": matrix > 0,
        "scalar": np.float32(2.5),
        "empty": np.zeros((0, 3), "f4"),
        "layers.0/kernel": random.normal(size=(2, 3)).astype("f4"),
        "sparse": np.where(random.random((64, 64)) < 0.1, random.normal(size=(64, 64)), 0).astype("f4"),
    }
    for name, save in [("stored", np.savez), ("compressed", np.savez_compressed)]:
        path = folder / f"{name}.npz"
        save(path, text=np.array(["a", "b"]), time=np.array("2026-11-26", "M8[D]"), **arrays)
        with np.load(path) as saved:
            expect(path, {key: saved[key] for key in saved.files if key not in ("text", "time")})
    np.savez(folder / "pickle.npz", w=matrix, config=np.array({"lr": 1e-3}, dtype=object))
    np.savez(folder / "bfloat16.npz", w=matrix.astype(ml_dtypes.bfloat16))
    np.savez(folder / "float8.npz", w=matrix.astype(ml_dtypes.float8_e4m3fn))
    np.savez(folder / "complex.npz", w=matrix.astype("c8"))
    np.savez(folder / "records.npz", w=np.zeros(3, [("x", "f4"), ("y", "f4")]))
    arrays = {"layer.weight": matrix, "layer.bias": matrix.T, "steps": np.int64(2**40)}
    (folder / "arrays").mkdir()
    for name, value in arrays.items():
        np.save(folder / "arrays" / f"{name}.npy", value)
    # A long description takes version 2 of the format, and a description that is no ASCII takes version 3.
    np.lib.format.write_array(open(folder / "version2.npy", "wb"), matrix, version=(2, 0))
    np.lib.format.write_array(open(folder / "version3.npy", "wb"), matrix, version=(3, 0))
    for name in ["version2", "version3"]:
        expect(folder / f"{name}.npy", {name: matrix})
    expect(folder / "arrays", {name: value for name, value in arrays.items()})


def make_onnx():
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    folder = fresh("onnx")
    random = generator(17)
    matrix = random.normal(size=(4, 6)).astype("f4")

    def model(initializers, nodes=(), outputs=(), name="m"):
        if not nodes:
            nodes = [helper.make_node("Identity", [initializers[0].name], ["y"])]
            outputs = ["y"]
        outputs = [helper.make_tensor_value_info(o, TensorProto.UNDEFINED, None) for o in outputs]
        graph = helper.make_graph(list(nodes), name, [], outputs, initializer=list(initializers))
        return helper.make_model(graph, producer_name="make_arrays", opset_imports=[helper.make_opsetid("", 21)])

    def values(proto):
        """ml_dtypes keeps what safetensors has no numpy dtype for."""
        return numpy_helper.to_array(proto)

    kinds = {
        "f4": "f4", "f2": "f2", "f8": "f8", "i1": "i1", "i2": "i2", "i4": "i4", "i8": "i8",
        "u1": "u1", "u2": "u2", "u4": "u4", "u8": "u8", "bool": "?",
        "bf16": ml_dtypes.bfloat16, "f8e4m3": ml_dtypes.float8_e4m3fn, "f8e5m2": ml_dtypes.float8_e5m2,
    }
    raw = {name: np.abs(matrix * 9).astype(kind) if name[0] == "u" else (matrix * 9).astype(kind) for name, kind in kinds.items()}
    raw["scalar"] = np.float32(0.25)
    raw["empty"] = np.zeros((0, 3), "f4")
    protos = [numpy_helper.from_array(np.asarray(v), n) for n, v in raw.items()]
    protos.append(helper.make_tensor("text", TensorProto.STRING, [2], [b"a", b"b"]))
    onnx.save(model(protos), folder / "raw.onnx")
    expect_any(folder / "raw.onnx", {p.name: values(p) for p in protos if p.name != "text"})

    # The same as lists of the fields of each type, as `make_tensor` writes them without `raw`.
    typed = []
    for name, value in raw.items():
        proto = numpy_helper.from_array(np.asarray(value), name)
        flat = np.asarray(value).ravel()
        made = TensorProto(name=name, data_type=proto.data_type, dims=proto.dims)
        if proto.data_type == TensorProto.FLOAT:
            made.float_data.extend(flat.tolist())
        elif proto.data_type == TensorProto.DOUBLE:
            made.double_data.extend(flat.tolist())
        elif proto.data_type == TensorProto.INT64:
            made.int64_data.extend(flat.tolist())
        elif proto.data_type in (TensorProto.UINT32, TensorProto.UINT64):
            made.uint64_data.extend(flat.tolist())
        elif name in ("f2", "bf16"):
            made.int32_data.extend(flat.view("u2").tolist())
        elif name in ("f8e4m3", "f8e5m2"):
            made.int32_data.extend(flat.view("u1").tolist())
        else:
            made.int32_data.extend(flat.astype("i4").tolist())
        typed.append(made)
    onnx.save(model(typed), folder / "typed.onnx")
    expect_any(folder / "typed.onnx", {p.name: values(p) for p in typed})

    large = {"fc.weight": random.normal(size=(16, 24)).astype("f4"), "fc.bias": random.normal(size=300).astype("f2")}
    protos = [numpy_helper.from_array(v, n) for n, v in large.items()]
    onnx.save_model(
        model(protos), folder / "external.onnx", save_as_external_data=True, location="external.onnx.data", size_threshold=64
    )
    saved = onnx.load(folder / "external.onnx")
    expect_any(folder / "external.onnx", {p.name: values(p) for p in saved.graph.initializer})

    def constant(name, value):
        return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value, name + "_value"))

    def branch(name, value):
        nodes = [constant(f"{name}_out", value)]
        out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, list(value.shape))
        inner = numpy_helper.from_array(value * 2, "inner")
        return helper.make_graph(nodes, name, [], [out], initializer=[inner])

    nodes = [
        constant("plain", matrix),
        constant("eps", np.float32(1e-5)),
        helper.make_node("Constant", [], ["listed"], value_floats=[1.0, 2.0]),
        helper.make_node("Constant", [], ["flag"], value=numpy_helper.from_array(np.array(True))),
        helper.make_node(
            "If", ["flag"], ["y"], name="choice", then_branch=branch("then", matrix + 1), else_branch=branch("other", matrix + 2)
        ),
    ]
    onnx.save(model([numpy_helper.from_array(matrix[0], "bias")], nodes, ["y", "plain"]), folder / "constants.onnx")
    expect_any(
        folder / "constants.onnx",
        {
            "bias": matrix[0],
            "plain": matrix,
            "y.then_branch.inner": (matrix + 1) * 2,
            "y.then_branch.then_out": matrix + 1,
            "y.else_branch.inner": (matrix + 2) * 2,
            "y.else_branch.other_out": matrix + 2,
        },
    )

    # Quantized by tensor, by either axis, in float8, and an integer bias: the reference evaluator says what they stand for.
    cases = {
        "tensor": ((matrix * 20).round().astype("i1"), np.float32(0.05), np.int8(3), None),
        "rows": ((matrix * 20).round().astype("i1"), (random.random(4) / 9).astype("f4"), np.arange(4).astype("i1"), 0),
        "columns": (np.abs(matrix * 20).round().astype("u1"), (random.random(6) / 9).astype("f4"), np.arange(6).astype("u1"), -1),
        "half": ((matrix * 20).round().astype("i1"), np.float16(0.05), np.int8(0), None),
        "float8": (matrix.astype(ml_dtypes.float8_e4m3fn), np.float32(0.5), None, None),
        "bias": ((matrix[0] * 1000).round().astype("i4"), np.float32(1e-3), np.int32(0), None),
    }
    protos, nodes = [], []
    for name, (value, scale, zero, axis) in cases.items():
        protos += [numpy_helper.from_array(np.asarray(value), f"{name}_quantized"), numpy_helper.from_array(np.asarray(scale), f"{name}_scale")]
        inputs = [f"{name}_quantized", f"{name}_scale"]
        if zero is not None:
            protos.append(numpy_helper.from_array(np.asarray(zero), f"{name}_zero_point"))
            inputs.append(f"{name}_zero_point")
        nodes.append(helper.make_node("DequantizeLinear", inputs, [name], **({} if axis is None else {"axis": axis})))
    proto = model(protos, nodes, list(cases))
    onnx.save(proto, folder / "quantized.onnx")
    found = ReferenceEvaluator(proto).run(None, {})
    expect_any(folder / "quantized.onnx", dict(zip(cases, found)))
    # As ONNX Runtime quantizes dynamically: by the names alone.
    onnx.save(model(protos[:3]), folder / "dynamic.onnx")
    expect_any(folder / "dynamic.onnx", {"tensor": found[0]})

    onnx.save(model([protos[0]]), folder / "scaleless.onnx")
    int4 = helper.make_tensor("w", TensorProto.INT4, [2, 3], [1, 2, 3, -4, 5, 6])
    onnx.save(model([int4]), folder / "int4.onnx")
    packed = numpy_helper.from_array(np.zeros((8, 1, 16), "u1"), "w_Q4")
    node = helper.make_node("MatMulNBits", ["x", "w_Q4", "w_scales"], ["y"], domain="com.microsoft", K=32, N=8, bits=4, block_size=32)
    onnx.save(model([packed], [node], ["y"]), folder / "nbits.onnx")


def make_keras():
    import h5py
    import keras

    folder = fresh("keras")
    random = generator(19)
    keras.utils.set_random_seed(1)

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(3, name="first"),
            layers.BatchNormalization(name="norm"),
            layers.Dropout(0.1),
            layers.Dense(2, dtype="bfloat16", name="second"),
        ]
    )
    model.compile(optimizer="adam", loss="mse")
    model.fit(random.normal(size=(4, 4)), random.normal(size=(4, 2)), verbose=0)

    def of_layers(model):
        """Keras 3 numbers layers by their class, and the variables of a layer."""
        names = {"first": "dense", "norm": "batch_normalization", "second": "dense_1", "dropout": "dropout"}
        found = {}
        for layer in model.layers:
            for number, variable in enumerate(layer.variables if not layer.name.startswith("dropout") else []):
                found[f"layers/{names[layer.name]}/vars/{number}"] = keras.ops.convert_to_numpy(variable)
        return found

    model.save(folder / "whole.keras")
    expect_any(folder / "whole.keras", of_layers(model))
    model.save_weights(folder / "three.weights.h5")
    expect_any(folder / "three.weights.h5", of_layers(model))
    model.save(folder / "three.h5")
    expect_any(folder / "three.h5", {v.path: keras.ops.convert_to_numpy(v) for layer in model.layers if layer.weights for v in layer.weights})

    # The layout of Keras 2, which no release of today writes: a group for each layer, with the list of its weights.
    def write_keras2(group, layers):
        group.attrs["layer_names"] = [layer.encode() for layer in layers]
        group.attrs["backend"] = b"tensorflow"
        group.attrs["keras_version"] = b"2.15.0"
        for layer, weights in layers.items():
            inner = group.create_group(layer)
            inner.attrs["weight_names"] = [name.encode() for name in weights]
            for name, value in weights.items():
                inner.create_dataset(name, data=value)

    weights = {
        "dense": {"dense/kernel:0": random.normal(size=(4, 3)).astype("f2"), "dense/bias:0": np.zeros(3, "f4")},
        "dropout": {},
        "dense_1": {"dense_1/kernel:0": random.normal(size=(3, 2)).astype("f4")},
    }
    with h5py.File(folder / "two.h5", "w") as file:
        file.attrs["keras_version"] = b"2.15.0"
        write_keras2(file.create_group("model_weights"), weights)
        file.create_dataset("optimizer_weights/Adam/m/dense/kernel:0", data=np.zeros((4, 3), "f4"))
    expect_any(folder / "two.h5", {n.removesuffix(":0"): v for layer in weights.values() for n, v in layer.items()})
    (folder / "tf").mkdir()
    (folder / "tf/config.json").write_text("{}")
    weights = {
        "bert": {"tf_bert_model/bert/pooler/dense/kernel:0": random.normal(size=(4, 4)).astype("f4")},
        "top_level_model_weights": {},
    }
    with h5py.File(folder / "tf/tf_model.h5", "w") as file:
        write_keras2(file, weights)
    expect_any(folder / "tf/tf_model.h5", {n.removesuffix(":0"): v for layer in weights.values() for n, v in layer.items()})

    # Layouts that h5py writes on demand, each with every kind of chunk.
    large = random.normal(size=(24, 50)).astype("f4")
    for name, options in [("earliest", {}), ("latest", {"libver": "latest"})]:
        path = folder / f"{name}.hdf5"
        expected = {}
        with h5py.File(path, "w", **options) as file:

            def put(where, value, **kind):
                file.create_dataset(where, data=value, **kind)
                expected[where] = np.asarray(value)

            put("plain", large[:5])
            put("gzip", large, chunks=(16, 16), compression="gzip", shuffle=True, fletcher32=True)
            put("lzf_free/chunks", large[:20], chunks=(7, 9))
            put("half/gzip", large.astype("f2"), chunks=(24, 8), compression="gzip")
            put("big", large[:3].astype(">f4"))
            put("big_chunks", large[:9].astype(">f8"), chunks=(2, 50))
            put("cube", large[:12].reshape(2, 3, 100), chunks=(1, 2, 33), compression="gzip")
            if name == "latest":
                put("one_chunk", large[:4], chunks=(4, 50))
            put("flags", large[:2] > 0)
            for kind in ["i1", "i4", "u2", "u8"] if name == "latest" else ["i2"]:
                put(f"integers/{kind}", np.abs(large[:2] * 30).astype(kind))
            put("scalar", np.float32(0.5))
            file.create_dataset("text", data="a text")
            file.create_dataset("unwritten", (1000, 1000), "f4")
            file.create_dataset("unwritten_chunks", (1000, 1000), "f4", chunks=(10, 10))
            file["z_again"] = file["lzf_free"]
            file["circle"] = file["/"]
        expect_any(path, expected)
    with h5py.File(folder / "bare.h5", "w") as file:
        file.create_dataset("w", data=large[:2].astype(ml_dtypes.bfloat16).view("V2"))
    with h5py.File(folder / "records.h5", "w") as file:
        file.create_dataset("w", data=large[:2].astype("c8"))
    with h5py.File(folder / "external.h5", "w") as file:
        file.create_dataset("w", (2, 50), "f4", external=[("values.bin", 0, 400)])


def make_flax():
    import flax.linen as nn
    import flax.serialization as serialization
    import jax
    import jax.numpy as jnp
    import optax
    from flax.training.train_state import TrainState

    folder = fresh("flax")
    random = generator(23)

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            x = nn.Dense(3, name="first")(x)
            x = nn.BatchNorm(use_running_average=not train, name="norm")(x)
            return nn.Dense(2, param_dtype=jnp.bfloat16, name="second")(x)

    network = Network()
    variables = network.init(jax.random.key(0), jnp.ones((1, 4)))

    def names(tree):
        leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
        return {".".join(key.key for key in path): np.asarray(leaf) for path, leaf in leaves}

    def write(name, tree):
        (folder / f"{name}.msgpack").write_bytes(serialization.to_bytes(tree))

    # The variables of a module, and its parameters alone, as transformers writes them.
    write("variables", variables)
    read = serialization.msgpack_restore((folder / "variables.msgpack").read_bytes())
    expected = {name.removeprefix("params."): value for name, value in names(read).items()}
    expect_any(folder / "variables.msgpack", expected)
    (folder / "hub").mkdir()
    (folder / "hub/config.json").write_text("{}")
    write("hub/flax_model", variables["params"])
    parameters = names(serialization.msgpack_restore((folder / "hub/flax_model.msgpack").read_bytes()))
    expect_any(folder / "hub/flax_model.msgpack", parameters)

    state = TrainState.create(apply_fn=network.apply, params=variables["params"], tx=optax.adam(1e-3))
    write("state", state)
    expect_any(folder / "state.msgpack", parameters)

    kinds = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]
    matrix = random.normal(size=(3, 4))
    arrays = {kind: (np.abs(matrix * 9)).astype(kind) for kind in kinds}
    arrays |= {"bfloat16": matrix.astype(ml_dtypes.bfloat16), "e4m3": matrix.astype(ml_dtypes.float8_e4m3fn)}
    arrays |= {"e5m2": matrix.astype(ml_dtypes.float8_e5m2), "empty": np.zeros((0, 3), "f4"), "scalar": np.array(0.5, "f4")}
    write("dtypes", {"a": arrays, "number": np.float32(2.5), "setting": 3, "name": "text", "list": [1, 2]})
    expect_any(folder / "dtypes.msgpack", {f"a.{k}": v for k, v in arrays.items()} | {"number": np.float32(2.5)})

    # Arrays in pieces, which Flax cuts at 2**30 bytes and here at 40.
    whole = serialization.MAX_CHUNK_SIZE
    serialization.MAX_CHUNK_SIZE = 40
    large = {"w": random.normal(size=(11, 12)).astype("f4"), "half": matrix.astype(ml_dtypes.bfloat16), "b": np.zeros(3, "f4")}
    write("pieces", {"params": dict(large)})
    serialization.MAX_CHUNK_SIZE = whole
    read = serialization.msgpack_restore((folder / "pieces.msgpack").read_bytes())
    expect_any(folder / "pieces.msgpack", read["params"])

    write("complex", {"w": matrix.astype("c8")})

    # Shards with the index of transformers, whose names have slashes.
    import json

    (folder / "shards").mkdir()
    (folder / "shards/config.json").write_text("{}")
    parts = [{"first": variables["params"]["first"]}, {k: v for k, v in variables["params"].items() if k != "first"}]
    listed = {}
    for number, part in enumerate(parts, 1):
        name = f"flax_model-{number:05}-of-00002"
        write(f"shards/{name}", part)
        listed |= {key.replace(".", "/"): f"{name}.msgpack" for key in names(part)}
    index = {"metadata": {}, "weight_map": listed}
    (folder / "shards/flax_model.msgpack.index.json").write_text(json.dumps(index))
    expect_any(folder / "shards", parameters)


def expect_any(path, tensors):
    """As `expect`, also for dtypes that NumPy has by ml_dtypes only."""
    import torch
    from safetensors.torch import save_file as save

    names = {"bfloat16": torch.bfloat16, "float8_e4m3fn": torch.float8_e4m3fn, "float8_e5m2": torch.float8_e5m2}
    usual = {}
    for name, value in tensors.items():
        value = np.ascontiguousarray(value).reshape(np.shape(value))
        value = value.astype(value.dtype.newbyteorder("<")) if value.dtype.name not in names else value
        if value.dtype.name in names:
            bits = torch.from_numpy(value.view({1: "u1", 2: "i2"}[value.dtype.itemsize]).copy())
            usual[name] = bits.view(names[value.dtype.name])
        else:
            usual[name] = torch.from_numpy(value.copy())
    save(usual, f"{path}.expected.safetensors")


MAKERS = {"npz": make_npz, "onnx": make_onnx, "keras": make_keras, "flax": make_flax}

if __name__ == "__main__":
    for maker in sys.argv[1:] or MAKERS:
        MAKERS[maker]()

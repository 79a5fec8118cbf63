"""What the geometry costs in NumPy: every safetensors file of a folder loaded, flattened to f32, and `X @ X.T`.

    python benches/ladder_reference.py FOLDER RUNS

prints `seconds peak-MiB`, the least of all runs, interpreter and imports not counted; `- -` when memory does not suffice.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


def bfloat16(path):
    """NumPy has no BF16: the upper halves of f32, by the header."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    data = np.fromfile(path, dtype=np.uint16, offset=8 + length)
    tensors = {}
    for name, entry in header.items():
        begin, end = (at // 2 for at in entry["data_offsets"])
        tensors[name] = (data[begin:end].astype(np.uint32) << 16).view(np.float32)
    return tensors


def flat(path, dtype):
    tensors = bfloat16(path) if dtype == "BF16" else load_file(path)
    return np.concatenate([tensors[name].astype(np.float32, copy=False).ravel() for name in sorted(tensors)])


def dtype_of(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return next(entry["dtype"] for name, entry in header.items() if name != "__metadata__")


def main():
    folder, runs = Path(sys.argv[1]), int(sys.argv[2])
    paths = sorted(folder.glob("*.safetensors"))
    dtype = dtype_of(paths[0])
    least = float("inf")
    try:
        for _ in range(runs):
            began = time.perf_counter()
            rows = [flat(path, dtype) for path in paths]
            x = np.stack(rows)
            del rows
            gram = x @ x.T
            least = min(least, time.perf_counter() - began)
            assert gram.shape == (len(paths), len(paths))
            del x
    except MemoryError:
        print("- -")
        return
    print(f"{least:.4f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}")


main()

#!/usr/bin/env python3
"""Whether time is linear in what one folder holds: `python tests/linear.py target/release/neural-phylogeny`.

Names are kept sorted, which takes n log n: from 10,000 tensors to 100,000 that is 12.5 times. With what memory costs that no longer fits
the caches, ten times as much may take fifteen times the processor time (user and system). A list that is searched for each tensor takes
a hundred times. Each is the least of three runs, or of as many as a second argument says.
"""

import array
import json
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile

MOST = 15.0


def save(path, tensors):
    """Writes tensors of one shape, `{name: values}`."""
    header, body, at = {}, b"", 0
    parts = []
    for name, (shape, values) in tensors.items():
        data = array.array("f", values).tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
        parts.append(data)
    head = json.dumps(header).encode()
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head + b"".join(parts))


def tensors(folder, count):
    """A root and two children of so many small tensors."""
    rng = random.Random(1)
    root = [[rng.gauss(0, 0.1) for _ in range(16)] for _ in range(count)]
    for child in range(3):
        moved = 0.01 if child else 0.0
        save(
            f"{folder}/m{child}.safetensors",
            {f"layers.{i}.w": ([4, 4], [x + moved * rng.gauss(0, 1) for x in root[i]]) for i in range(count)},
        )


def zeros(folder, count):
    """Two models of so many tensors with the same values, and one that has one tensor less."""
    for model, own in enumerate([count, count, count - 1]):
        save(f"{folder}/m{model}.safetensors", {f"layers.{i}.w": ([4, 4], [0.5] * 16) for i in range(own)})


def low_rank(folder, count):
    """A root and a child whose every tensor moved along one direction."""
    rng = random.Random(1)
    root = [[rng.gauss(0, 0.1) for _ in range(64)] for _ in range(count)]
    left = [[rng.gauss(0, 0.1) for _ in range(8)] for _ in range(count)]
    save(f"{folder}/root.safetensors", {f"layers.{i}.w": ([8, 8], root[i]) for i in range(count)})
    moved = lambda i: [x + left[i][k // 8] * left[i][k % 8] for k, x in enumerate(root[i])]
    save(f"{folder}/child.safetensors", {f"layers.{i}.w": ([8, 8], moved(i)) for i in range(count)})


def shards(folder, count):
    """So many models of a single numbered shard each, side by side."""
    first = f"{folder}/m0-00001-of-00001.safetensors"
    save(first, {"w": ([4, 4], [0.5] * 16)})
    for i in range(1, count):
        os.link(first, f"{folder}/m{i}-00001-of-00001.safetensors")


def files(folder, count):
    """So many models side by side."""
    for i in range(count):
        save(f"{folder}/m{i}.safetensors", {"w": ([4, 4], [0.5 + i] * 16)})


def seconds(words, runs):
    """The processor time of a run, the least of some."""
    least = float("inf")
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return least


def main():
    binary, runs = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    cases = [
        ("tensors", tensors, 10_000, ["detect", "FOLDER", "--threads", "1"]),
        ("tensors of one value", zeros, 10_000, ["detect", "FOLDER", "--threads", "1"]),
        ("tensors of low rank", low_rank, 2_000, ["detect", "FOLDER", "--threads", "1"]),
        ("tensors", tensors, 10_000, ["inspect", "FOLDER"]),
        ("tensors", tensors, 10_000, ["sketch", "FOLDER", "--store", "NEW", "--size", "8MiB"]),
        ("single shards", shards, 1_000, ["inspect", "FOLDER"]),
        ("models", files, 1_000, ["inspect", "FOLDER"]),
    ]
    print("| of what | run | fewer | seconds | ten times | seconds | ratio |\n|---|---|---:|---:|---:|---:|---:|")
    worst = 0.0
    for what, make, count, words in cases:
        times = []
        for number in [count, 10 * count]:
            with tempfile.TemporaryDirectory() as folder:
                make(f"{folder}/zoo", number)
                replaced = {"FOLDER": f"{folder}/zoo", "NEW": f"{folder}/store"}
                times.append(seconds([binary] + [replaced.get(word, word) for word in words], runs))
        ratio = times[1] / times[0]
        worst = max(worst, ratio)
        print(f"| {what} | {words[0]} | {count:,} | {times[0]:.2f} | {10 * count:,} | {times[1]:.2f} | {ratio:.1f} |", flush=True)
    if worst > MOST:
        sys.exit(f"{worst:.1f} times, expected {MOST} at most")


if __name__ == "__main__":
    main()

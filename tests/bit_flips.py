#!/usr/bin/env python3
"""Flipped bits in a store: `python tests/bit_flips.py target/release/neural-phylogeny ROUNDS`.

Each round flips one bit of one file of a store, or makes it unreadable in another way: cut short, emptied, replaced by a folder, or a link
to nowhere. Then a query, a detection and a list must say so, or answer what they answered before. With `--skip-unreadable` they must
answer, and name the file.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(__file__))
from linear import save  # noqa: E402


def main():
    binary, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(1)
    counts = {"faults": 0, "runs": 0, "said": 0, "the same answer": 0, "wrong in silence": 0, "not skipped": 0, "panics": 0}
    with tempfile.TemporaryDirectory() as room:

        def run(*words):
            return subprocess.run([binary, *words], cwd=room, capture_output=True, text=True)

        root = [rng.gauss(0, 0.1) for _ in range(1600)]
        for i in range(6):
            moved = 0.01 if i else 0.0
            save(f"{room}/zoo/m{i}.safetensors", {"w": ([40, 40], [x + moved * rng.gauss(0, 1) for x in root])})
        os.rename(f"{room}/zoo/m5.safetensors", f"{room}/new.safetensors")
        run("sketch", "zoo", "--store", "sound", "--size", "16KiB")
        commands = [
            ["query", "new.safetensors", "--store", "store", "--format", "json"],
            ["detect", "--store", "store", "--format", "json"],
            ["store", "list", "--store", "store", "--format", "json"],
        ]
        shutil.copytree(f"{room}/sound", f"{room}/store")
        run(*commands[0])
        shutil.rmtree(f"{room}/sound")
        os.rename(f"{room}/store", f"{room}/sound")
        files = sorted(os.listdir(f"{room}/sound"))
        expected = {}
        for round_number in range(-1, rounds):
            shutil.rmtree(f"{room}/store", ignore_errors=True)
            shutil.copytree(f"{room}/sound", f"{room}/store")
            name = rng.choice(files)
            path = f"{room}/store/{name}"
            if round_number >= 0:
                counts["faults"] += 1
                stamp = os.stat(path)
                data = bytearray(open(path, "rb").read())
                kind = rng.randrange(10)
                if kind < 6:
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                elif kind == 6:
                    data = data[: rng.randrange(len(data))]
                elif kind == 7:
                    data = bytearray()
                if kind < 8:
                    with open(path, "r+b") as file:
                        file.write(data)
                        file.truncate(len(data))
                    # A disk that loses a bit changes no time.
                    if rng.randrange(2):
                        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
                else:
                    os.remove(path)
                    os.mkdir(path) if kind == 8 else os.symlink("nowhere", path)
            for words in commands:
                done = run(*words)
                counts["panics"] += "panicked" in done.stderr or done.returncode not in (0, 2, 3)
                if round_number < 0:
                    expected[words[0]] = done.stdout
                    continue
                counts["runs"] += 1
                if done.returncode == 2 and done.stderr.startswith(("error", "warning")):
                    counts["said"] += 1
                elif done.stdout == expected[words[0]]:
                    counts["the same answer"] += 1
                else:
                    counts["wrong in silence"] += 1
                    print(round_number, kind, name, words, done.stderr[:200])
                if done.returncode == 2 and words[0] != "store" and name not in ("sketches.json", "index.safetensors"):
                    skipped = run(*words, "--skip-unreadable")
                    counts["not skipped"] += skipped.returncode != 0 or name not in skipped.stderr
    for what, count in counts.items():
        print(f"{what}: {count}")
    sys.exit(1 if counts["wrong in silence"] or counts["panics"] or counts["not skipped"] else 0)


main()

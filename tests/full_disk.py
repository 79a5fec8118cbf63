#!/usr/bin/env python3
"""The command on a disk that becomes full: `python tests/full_disk.py target/release/neural-phylogeny ROUNDS FOLDER`.

FOLDER is the mount point of a small file system that may be filled and emptied, such as `mount -t tmpfs -o size=512k tmpfs FOLDER`.
Each round leaves another number of bytes free, then adds sketches, searches, removes, and writes results there. Afterwards the store
must be sound, hold what was said to be added, and answer as one on a disk with room.
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


def run(words, where):
    done = subprocess.run(words, cwd=where, capture_output=True, text=True)
    if "panicked" in done.stderr or done.returncode not in (0, 2, 3):
        sys.exit(f"{words}: {done.returncode} {done.stderr}")
    return done


def emptied(folder):
    for entry in os.scandir(folder):
        shutil.rmtree(entry.path) if entry.is_dir() else os.remove(entry.path)


def main():
    binary, rounds, disk = os.path.abspath(sys.argv[1]), int(sys.argv[2]), os.path.abspath(sys.argv[3])
    rng = random.Random(1)
    counts = {"runs": 0, "runs without room": 0, "lost": 0, "damaged": 0, "half-written results": 0, "unlike answers": 0, "ended by --resume": 0}
    with tempfile.TemporaryDirectory() as room:
        root = [rng.gauss(0, 0.1) for _ in range(1600)]
        names = [f"m{i}" for i in range(8)]
        for i, name in enumerate(names):
            moved = 0.01 if i else 0.0
            save(f"{room}/zoo/{name}.safetensors", {"w": ([40, 40], [x + moved * rng.gauss(0, 1) for x in root])})
        run([binary, "sketch", "zoo", "--store", "store", "--size", "16KiB"], room)
        whole = json.loads(run([binary, "detect", f"{room}/zoo", "--format", "json"], room).stdout)
        expected = run([binary, "query", "--name", "m1", "--store", "store", "--format", "json"], room).stdout
        for _ in range(rounds):
            emptied(disk)
            free = os.statvfs(disk)
            room_left = rng.randrange(0, 160 << 10)
            with open(f"{disk}/filling", "wb") as filling:
                filling.write(b"x" * max(0, free.f_bavail * free.f_frsize - room_left))
            said = run([binary, "sketch", f"{room}/zoo", "--store", "store", "--size", "16KiB"], disk)
            counts["runs"] += 4
            counts["runs without room"] += said.returncode != 0
            added = [line.split()[1] for line in said.stdout.splitlines() if line.startswith("added")]
            searched = run([binary, "query", f"{room}/zoo/m1.safetensors", "--store", "store"], disk)
            counts["runs without room"] += searched.returncode not in (0, 3) or "not kept" in searched.stderr
            result = run([binary, "detect", f"{room}/zoo", "--format", "json", "-o", "result"], disk)
            counts["runs without room"] += result.returncode != 0
            if os.path.exists(f"{disk}/result"):
                try:
                    counts["half-written results"] += json.load(open(f"{disk}/result")) != whole
                except ValueError:
                    counts["half-written results"] += 1
            words = ["--resume", "sums", "--resume-every", "0", "--threads", "1", "--format", "json"]
            resumed = run([binary, "detect", f"{room}/zoo"] + words, disk)
            counts["ended by --resume"] += resumed.returncode != 0
            counts["runs without room"] += "could not be kept" in resumed.stdout
            os.remove(f"{disk}/filling")
            if os.path.exists(f"{disk}/store/sketches.json"):
                counts["damaged"] += run([binary, "store", "verify", "--store", "store"], disk).returncode != 0
                listed = run([binary, "store", "list", "--store", "store", "--format", "json"], disk)
                held = [sketch["name"] for sketch in json.loads(listed.stdout)["sketches"]]
                counts["lost"] += len(set(added) - set(held))
            elif added:
                counts["lost"] += len(added)
            # With room again, the next run does what is left.
            run([binary, "sketch", f"{room}/zoo", "--store", "store", "--size", "16KiB"], disk)
            answer = run([binary, "query", "--name", "m1", "--store", "store", "--format", "json"], disk).stdout
            counts["unlike answers"] += answer != expected
        emptied(disk)
    for what, count in counts.items():
        print(f"{what}: {count}")
    wrong = sum(counts[what] for what in counts if what not in ("runs", "runs without room"))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

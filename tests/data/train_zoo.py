"""Train the zoo of small real networks that the tests and the examples read.

    python tests/data/train_zoo.py --out tests/data/zoo          the zoo of the repository
    python tests/data/train_zoo.py --large --out some/folder     the larger one, for the tables
"""

import argparse
import os
import shutil
import time
import warnings
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here comes from a hub

import diffusers
import torch
import transformers

from train import presets
from train.zoo import Zoo

LIBRARIES = ["torch", "transformers", "peft", "diffusers", "safetensors", "scikit-learn", "numpy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write; the kinds trained are replaced in it")
    parser.add_argument("--large", action="store_true", help="the larger zoo, each kind with its own truth")
    parser.add_argument("--only", action="append", metavar="KIND", help="with --large: train this kind only (repeatable)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.only and not options.large:
        parser.error("--only needs --large: the small zoo has one truth for all of it")

    # One thread, so that sums are always added in the same order.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    warnings.filterwarnings("ignore", category=FutureWarning)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()

    versions = {name: version(name) for name in LIBRARIES}
    started = time.time()
    if options.large:
        for folder, kind, recipes in presets.large():
            if not options.only or folder in options.only:
                shutil.rmtree(options.out / folder, ignore_errors=True)
                zoo = Zoo(options.out / folder, options.seed)
                zoo.grow(kind, recipes)
                zoo.write(versions)
    else:
        zoo = Zoo(options.out, options.seed)
        for folder, kind, recipes in presets.small():
            shutil.rmtree(options.out / folder, ignore_errors=True)
            zoo.grow(kind, recipes, prefix=folder + "/")
        zoo.write(versions)
    print(f"done in {time.time() - started:.0f} s")


if __name__ == "__main__":
    main()

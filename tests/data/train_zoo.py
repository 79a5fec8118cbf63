"""Train the zoo of small real networks that the tests and the examples read.

    python tests/data/train_zoo.py --out tests/data/zoo          the zoo of the repository
    python tests/data/train_zoo.py --large --out some/folder     the larger one, for the tables
    python tests/data/train_zoo.py --held-out --out some/folder  the held-out one, for judging what was tuned on the others
    python tests/data/train_zoo.py --directions --out some/folder  tiny families, for fitting the witnesses of direction
    python tests/data/train_zoo.py --fresh --out some/folder     the second held-out one, looked at once
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

from train import directions, fresh, held_out, presets
from train.zoo import Zoo

LIBRARIES = ["torch", "transformers", "peft", "diffusers", "safetensors", "scikit-learn", "numpy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write; the kinds trained are replaced in it")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--large", action="store_true", help="the larger zoo, each kind with its own truth")
    which.add_argument("--held-out", action="store_true", help="the held-out zoo, each set with its own truth")
    which.add_argument("--directions", action="store_true", help="tiny families of many kinds, each kind with its own truth")
    which.add_argument("--fresh", action="store_true", help="the second held-out zoo, each set with its own truth")
    parser.add_argument("--only", action="append", metavar="FOLDER", help="make this kind or set only (repeatable)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.only and not (options.large or options.held_out or options.directions or options.fresh):
        parser.error("--only needs one of the options above it: the small zoo has one truth for all of it")

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
        sets = {folder: lambda zoo, kind=kind, r=recipes: zoo.grow(kind, r) for folder, kind, recipes in presets.large()}
        grow_sets(sets, options, versions)
    elif options.held_out:
        grow_sets(held_out.sets(), options, versions)
    elif options.directions:
        grow_sets(directions.sets(), options, versions)
    elif options.fresh:
        grow_sets(fresh.sets(), options, versions)
    else:
        zoo = Zoo(options.out, options.seed)
        for folder, kind, recipes in presets.small():
            shutil.rmtree(options.out / folder, ignore_errors=True)
            zoo.grow(kind, recipes, prefix=folder + "/")
        zoo.write(versions)
    print(f"done in {time.time() - started:.0f} s")


def grow_sets(sets, options, versions):
    """Every set, or those chosen, into a folder of its own with its own truth."""
    for folder, fill in sets.items():
        if not options.only or folder in options.only:
            shutil.rmtree(options.out / folder, ignore_errors=True)
            zoo = Zoo(options.out / folder, options.seed)
            fill(zoo)
            zoo.write(versions)


if __name__ == "__main__":
    main()

"""Which merges and copies of the BERT models of the second held-out zoo are made."""

import re

from . import copies, merges
from .derived import Derived
from .zoo import Recipe


def fill(zoo, source, kind):
    derived = Derived(zoo, source, kind)
    linear_merges(derived)
    curved_merges(derived)
    sparse_merges(derived)
    tuned_merge(derived)
    make_copies(derived)


def linear_merges(derived):
    def average(name, parents, method="linear", dtype="F32"):
        derived.write(
            name, method, parents, lambda: merges.linear([derived.read(p) for p in parents], parents.values()), dtype
        )

    average("linear_50", {"b0_c0": 0.5, "b0_c2": 0.5})
    average("linear_25", {"b2_c0": 0.75, "b2_c2": 0.25})
    average("linear_quarters", {"b0_c1": 0.25, "b0_c3": 0.5, "b0_c4": 0.25})
    average("linear_bf16", {"b1_c0_g0": 0.6, "b1_c0_g1": 0.4}, dtype="BF16")
    average("with_grandparent_bf16", {"b1": 0.4, "b1_c0_g3": 0.6}, "linear, root and grandchild", "BF16")


def curved_merges(derived):
    def slerp(name, a, b, share, dtype="F32"):
        derived.write(
            name, "slerp", {a: 1 - share, b: share},
            lambda: merges.slerp(derived.read(a), derived.read(b), share), dtype, share=share,
        )

    def gradient(name, a, b, first, last, dtype="F32"):
        """From one share at the embeddings to another at the head, so that the truth has no weights."""
        derived.write(
            name, "slerp gradient", {a: None, b: None},
            lambda: merges.slerp_gradient(derived.read(a), derived.read(b), lambda n: first + (last - first) * place(n)),
            dtype, share=[first, last],
        )

    slerp("slerp_50", "b0_c1", "b0_c5", 0.5)
    slerp("slerp_40_bf16", "b1_c0_g2", "b1_c0_g3", 0.4, "BF16")
    gradient("slerp_gradient", "b2_c1", "b2_c2", 0.1, 0.9)
    gradient("slerp_gradient_bf16", "b1_c0_g1", "b1_c0_g4", 0.8, 0.2, "BF16")


def place(name):
    """0 for the embeddings, 1 for the head, and evenly in between for the layers."""
    if layer := re.search(r"layer\.(\d)", name):
        return (int(layer[1]) + 1) / 4
    return 0.0 if "embeddings" in name else 1.0


def sparse_merges(derived):
    """Merges that add changes to a common ancestor, which is not the root in BF16."""
    read = derived.read

    def ties(name, root, tuned, density, dtype="F32"):
        derived.write(
            name, "ties", dict.fromkeys(tuned),
            lambda: merges.ties(read(root), [read(t) for t in tuned], density), dtype, root=root, density=density,
        )

    def dare(name, root, tuned, drop, dtype="F32"):
        derived.write(
            name, "dare linear", dict.fromkeys(tuned, 0.5),
            lambda: merges.dare(read(root), [read(t) for t in tuned], [0.5, 0.5], drop), dtype, root=root, drop=drop,
        )

    def arithmetic(name, root, tuned, dtype="F32"):
        """The root has what is left, where that is not nothing."""
        parents = {root: round(1 - sum(tuned.values()), 6)} | tuned
        derived.write(
            name, "task arithmetic", parents,
            lambda: merges.task_arithmetic(read(root), [read(t) for t in tuned], tuned.values()), dtype,
        )

    ties("ties", "b0", ["b0_c0", "b0_c3"], 0.5)
    ties("ties_bf16", "b1_c0", ["b1_c0_g0", "b1_c0_g2"], 0.3, "BF16")
    dare("dare", "b0", ["b0_c2", "b0_c4"], 0.5)
    dare("dare_bf16", "b1_c0", ["b1_c0_g1", "b1_c0_g3"], 0.7, "BF16")
    arithmetic("task_arithmetic", "b0", {"b0_c1": 0.8, "b0_c5": 0.5})
    arithmetic("task_arithmetic_three", "b2", {"b2_c0": 0.4, "b2_c1": 0.3, "b2_c3": 0.2})
    arithmetic("task_arithmetic_bf16", "b1_c0", {"b1_c0_g0": 0.7, "b1_c0_g4": 0.6}, "BF16")


def tuned_merge(derived):
    parents = {"b0_c3": 0.5, "b0_c5": 0.5}
    derived.tune(
        Recipe("slerp_tuned", "a SLERP merge", "manuals-fr", "adamw", 5e-4, 0.01, 100, "slerp, then full", "cosine"),
        parents, lambda: merges.slerp(*(derived.read(p) for p in parents), 0.5),
    )


def make_copies(derived):
    def copy(name, source, method, compute, dtype="F32", **more):
        derived.write(name, method, {source: 1.0}, lambda: compute(derived.read(source)), dtype, **more)

    copy("int8", "b0_c1", "8 bits and back, scales by row", copies.int8)
    copy("int8_bf16", "b1_c0_g2", "8 bits and back, scales by row", copies.int8, "BF16")
    copy("pruned", "b2_c3", "smallest 50 % of each matrix set to 0", lambda model: copies.pruned(model, 0.5))
    copy("f16", "b0_c4", "cast", dict, "F16")
    copy("bf16", "b2_c2", "cast", dict, "BF16")
    copy("scaled", "b0_c5", "times 1.15", lambda model: copies.scaled(model, 1.15))
    copy("headless", "b0_c2", "head dropped", dict, part="bert")
    copy("headless_root", "b3", "head dropped", dict, part="bert")
    copy("duplicate", "b3_c0", "duplicate", dict)

"""Which merges and copies of the held-out GPT-2 models are made."""

from . import copies, merges
from .derived import Derived
from .gpt2 import Gpt2
from .zoo import Recipe


def fill(zoo, source):
    derived = Derived(zoo, source, Gpt2())
    linear_merges(derived)
    curved_merges(derived)
    sparse_merges(derived)
    tuned_merge(derived)
    make_copies(derived)


def average(derived, name, parents, method="linear", dtype="F32"):
    derived.write(name, method, parents, lambda: merges.linear([derived.read(p) for p in parents], parents.values()), dtype)


def linear_merges(derived):
    average(derived, "linear_50", {"g0_c0": 0.5, "g0_c2": 0.5})
    average(derived, "linear_35", {"g0_c3": 0.35, "g0_c4": 0.65})
    average(derived, "linear_thirds", dict.fromkeys(["g0_c0", "g0_c1", "g0_c3"], 1 / 3))
    average(derived, "linear_bf16", {"g1_c1": 0.5, "g1_c2": 0.5}, dtype="BF16")
    average(derived, "with_parent", {"g2": 0.5, "g2_c0": 0.5}, "linear, parent and child")
    average(derived, "with_parent_bf16", {"g1_c0": 0.5, "g1_c0_g1": 0.5}, "linear, parent and child", "BF16")


def curved_merges(derived):
    for name, (a, b), share in (("slerp_50", ("g2_c1", "g2_c2"), 0.5), ("slerp_30", ("g1_c0_g2", "g1_c0_g3"), 0.3)):
        derived.write(
            name, "slerp", {a: 1 - share, b: share},
            lambda: merges.slerp(derived.read(a), derived.read(b), share), share=share,
        )


def sparse_merges(derived):
    """Merges that add changes to the root. The root is a parent where what it gets differs from what its children bring."""
    read = derived.read
    derived.write(
        "task_arithmetic", "task arithmetic", {"g0": -0.2, "g0_c1": 0.7, "g0_c4": 0.5},
        lambda: merges.task_arithmetic(read("g0"), [read("g0_c1"), read("g0_c4")], [0.7, 0.5]),
    )
    # No plain shares: which model a parameter comes from differs from one parameter to the next.
    for name, root, tuned in (("ties", "g0", ["g0_c0", "g0_c3"]), ("ties_siblings", "g2", ["g2_c0", "g2_c3"])):
        derived.write(
            name, "ties", dict.fromkeys(tuned),
            lambda: merges.ties(read(root), [read(t) for t in tuned], 0.5), root=root, density=0.5,
        )
    for name, root, tuned in (("dare", "g0", ["g0_c2", "g0_c3"]), ("dare_siblings", "g2", ["g2_c1", "g2_c3"])):
        derived.write(
            name, "dare linear", dict.fromkeys(tuned, 0.5),
            lambda: merges.dare(read(root), [read(t) for t in tuned], [0.5, 0.5], 0.5), root=root, drop=0.5,
        )


def tuned_merge(derived):
    parents = {"g0_c2": 0.5, "g0_c4": 0.5}
    derived.tune(
        Recipe("linear_tuned", "a linear merge", "manuals-pl", "adamw", 3e-4, 0.01, 100, "linear, then full", "cosine"),
        parents, lambda: merges.linear([derived.read(p) for p in parents], parents.values()),
    )


def make_copies(derived):
    def copy(name, source, method, compute, dtype="F32"):
        derived.write(name, method, {source: 1.0}, lambda: compute(derived.read(source)), dtype)

    copy("int8", "g0_c0", "8 bits and back, scales by row", copies.int8)
    copy("pruned", "g2_c2", "smallest 40 % of each matrix set to 0", lambda model: copies.pruned(model, 0.4))
    copy("f16", "g0_c3", "cast", dict, "F16")
    copy("bf16", "g2_c1", "cast", dict, "BF16")
    copy("duplicate", "g0_c1", "duplicate", dict)
    copy("scaled", "g2_c3", "times 0.9", lambda model: copies.scaled(model, 0.9))

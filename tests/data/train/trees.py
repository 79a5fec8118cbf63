"""Shapes of families, as names: `n0_c2_g0` is the first child of `n0_c2`, the third child of the root `n0`."""

GENERATIONS = "cghijk"


def children(node, count, first=0):
    letter = GENERATIONS[node.count("_")]
    return [f"{node}_{letter}{i}" for i in range(first, first + count)]


def chain(node, generations, first=0):
    """One child, its one child, and so on."""
    names = []
    for _ in range(generations):
        names += children(names[-1] if names else node, 1, 0 if names else first)
    return names


def parent(name):
    return name.rpartition("_")[0]

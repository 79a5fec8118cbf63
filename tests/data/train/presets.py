"""Which networks are trained: the small zoo written out one by one, the large one drawn at random by seed.

Settings cover what practitioners use. They were chosen by how the networks learn, never by what a lineage rule makes of them.
"""

import random

from . import digits
from .classifiers import Classifier, Convolutional, Perceptron
from .diffusion import Diffusion
from .llama import Llama
from .zoo import Recipe

ATTENTION = ["q_proj", "v_proj"]
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
UNET_ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]


def root(name, data, optimizer, lr, weight_decay, steps, **more):
    return Recipe(name, None, data, optimizer, lr, weight_decay, steps, "scratch", "cosine", **more)


def small():
    """Folder, kind of network and recipes."""
    return [
        ("mlp", Classifier(Perceptron, [64, 48, 32, 10]), small_mlp()),
        ("cnn", Classifier(Convolutional, [8, 16, 24]), small_cnn()),
        ("llama", small_llama_kind(), small_llama()),
        ("diffusion", Diffusion((8, 16), 4), small_diffusion()),
    ]


def small_mlp():
    return [
        root("m0", "all", "adam", 2e-3, 0.0, 1500),
        Recipe("m0_c0", "m0", "inverted", "adam", 1e-3, 0.0, 300),
        Recipe("m0_c1", "m0", "noisy", "sgd", 1e-2, 5e-4, 200),
        Recipe("m0_c2", "m0", "turned", "adamw", 3e-4, 0.1, 400, schedule="cosine"),
        Recipe("m0_c3", "m0", "shifted", "adamw", 5e-5, 0.01, 500),
        Recipe("m0_c4", "m0", "high", "adam", 2e-4, 1e-4, 150, method="partial", extra={"frozen": ["layers.0"]}),
        Recipe("m0_c0_g0", "m0_c0", "mirrored", "adamw", 5e-4, 0.05, 300),
        root("m1", "low", "sgd", 2e-2, 1e-3, 1500),
        Recipe("m1_c0", "m1", "high", "adamw", 1e-3, 0.1, 250),
        Recipe("m1_c1", "m1", "all", "adam", 3e-4, 0.0, 300, schedule="cosine"),
        Recipe("m1_c2", "m1", "relabelled", "sgd", 3e-2, 0.0, 300),
        Recipe("m1_c3", "m1", "blurred", "adamw", 2e-3, 0.3, 150),
        Recipe("m1_c4", "m1", "bold", "sgd", 2e-3, 1e-2, 400),
        Recipe("m1_c1_g0", "m1_c1", "occluded", "adam", 1e-4, 0.0, 400),
    ]


def small_cnn():
    return [
        root("v0", "all", "adamw", 3e-3, 0.01, 900),
        Recipe("v0_c0", "v0", "turned", "adam", 5e-4, 0.0, 250),
        Recipe("v0_c1", "v0", "noisy", "adamw", 2e-3, 0.1, 200, schedule="cosine"),
        Recipe("v0_c2", "v0", "mirrored", "sgd", 1e-2, 5e-4, 200),
        Recipe("v0_c3", "v0", "faint", "adamw", 1e-4, 0.05, 300),
    ]


def small_llama_kind():
    return Llama(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )


def small_llama():
    lower_half = ["model.embed_tokens", "model.layers.0"]
    low_rank = {"rank": 4, "alpha": 8, "targets": ATTENTION}
    stabilized = {"rank": 8, "alpha": 8, "targets": LINEAR}
    return [
        root("l0", "python", "adamw", 5e-3, 0.1, 2000),
        Recipe("l0_c0", "l0", "licences", "adamw", 5e-4, 0.01, 300),
        Recipe("l0_c1", "l0", "manuals-de", "adam", 1e-3, 0.0, 300, extra={"shard_size": "60KB"}),
        Recipe("l0_c2", "l0", "headers", "sgd", 5e-2, 1e-4, 300),
        Recipe("l0_c3", "l0", "email", "adamw", 2e-3, 0.1, 250, method="partial", extra={"frozen": lower_half}),
        Recipe("l0_c4", "l0", "documentation", "adamw", 3e-4, 0.05, 400, extra={"vocabulary": 264}),
        Recipe("l0_c0_g0", "l0_c0", "manuals", "adamw", 3e-5, 0.1, 250, schedule="cosine"),
        Recipe("l0_lora", "l0", "unittest", "adamw", 2e-3, 0.0, 300, method="lora adapter", extra=low_rank),
        root("l1", "manuals", "adamw", 3e-3, 0.01, 2000, dtype="BF16"),
        Recipe("l1_c0", "l1", "documentation", "adamw", 1e-4, 0.01, 300, dtype="BF16"),
        Recipe("l1_c1", "l1", "python", "adam", 3e-3, 0.0, 250, schedule="cosine", dtype="BF16"),
        Recipe("l1_c2", "l1", "manuals-fr", "adamw", 2e-3, 0.1, 300, dtype="BF16"),
        Recipe(
            "l1_c3", "l1", "licences", "sgd", 1e-1, 0.0, 200,
            method="partial", dtype="BF16", extra={"frozen": ["model.embed_tokens", "lm_head"]},
        ),
        Recipe("l1_c1_g0", "l1_c1", "asyncio", "adamw", 5e-4, 0.1, 250, dtype="BF16"),
        Recipe("l1_rslora", "l1", "encodings", "adamw", 1e-3, 0.0, 300, method="rslora adapter", extra=stabilized),
    ]


def small_diffusion():
    return [
        root("d0", "all", "adamw", 4e-3, 0.01, 2500),
        Recipe("d0_c0", "d0", "inverted 7 x5", "adamw", 2e-4, 0.01, 300),
        Recipe(
            "d0_c1", "d0", "turned 3 x4", "adamw", 5e-4, 0.01, 200,
            dtype="F16", extra={"prior_preservation": True},
        ),
        Recipe("d0_c2", "d0", "bold 1 x6", "adam", 1e-3, 0.0, 150, dtype="F16"),
    ]


def large():
    """The same kinds in the numbers that tables need; one folder, with its own truth, for each."""
    return [
        ("llama", Llama(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
        ), large_llama(random.Random("llama"))),
        ("diffusion", Diffusion((16, 32), 8), large_diffusion(random.Random("diffusion"))),
        ("fc", Classifier(Perceptron, [64, 128, 80, 10]), large_classifiers(
            random.Random("fc"), "m", 5, 9, ["layers.0"], 2000
        )),
        ("conv", Classifier(Convolutional, [16, 24, 40]), large_classifiers(
            random.Random("conv"), "v", 4, 8, ["convs.0", "norms.0"], 1000
        )),
    ]


def optimizer(draw):
    """An optimizer with a learning rate (over two decades) and a weight decay from the range that is used with it."""
    name = draw.choice(["adam", "adamw", "adamw", "sgd"])
    low, high = (1e-3, 1e-1) if name == "sgd" else (3e-5, 3e-3)
    lr = float(f"{low * (high / low) ** draw.random():.3g}")
    decay = {"adam": [0.0, 0.0, 1e-4], "adamw": [0.0, 0.01, 0.05, 0.1, 0.3], "sgd": [0.0, 5e-4, 5e-3]}[name]
    return name, lr, draw.choice(decay)


def descend(draw, names, make):
    """Children for the most part; of every five one has a child of its own, and one of those has another."""
    recipes = [make(f"{name}_c{i}", name) for name, count in names for i in range(count)]
    for name, count in names:
        elders = draw.sample(range(count), max(1, count // 5))
        recipes += [make(f"{name}_c{i}_g0", f"{name}_c{i}") for i in elders]
        recipes.append(make(f"{name}_c{elders[0]}_g0_h0", f"{name}_c{elders[0]}_g0"))
    return recipes


def large_classifiers(draw, letter, roots, children, first_layer, steps):
    learned = {}

    def make(name, parent):
        learned[name] = draw.choice(digits.new_to(learned[parent]))
        partial = draw.random() < 0.15
        return Recipe(
            name, parent, learned[name], *optimizer(draw), draw.choice([100, 200, 300, 500]),
            method="partial" if partial else "full",
            schedule=draw.choice(["constant", "constant", "cosine"]),
            extra={"frozen": first_layer} if partial else {},
        )

    data = ["all", "low", "all", "even", "noisy"]
    settings = [("adam", 2e-3, 0.0), ("sgd", 2e-2, 1e-3), ("adamw", 3e-3, 0.05), ("adamw", 1e-3, 0.0), ("adam", 1e-3, 1e-4)]
    recipes = [root(f"{letter}{i}", data[i], *settings[i], steps) for i in range(roots)]
    learned |= {recipe.name: recipe.data for recipe in recipes}
    return recipes + descend(draw, [(recipe.name, children) for recipe in recipes], make)


def large_llama(draw):
    data = ["asyncio", "email", "encodings", "unittest", "documentation", "headers", "licences", "manuals"]
    data += [f"manuals-{language}" for language in ("de", "fr", "es", "pl", "ru", "ja")]

    def make(name, parent):
        dtype = {"l0": "F32", "l1": "BF16", "l2": draw.choice(["F32", "F16"])}[parent[:2]]
        corpus = draw.choice(data)
        method = draw.choice(["full", "full", "full", "lora", "lora", "partial"])
        if method == "lora":
            rank = draw.choice([2, 4, 8, 16])
            extra = {"rank": rank, "alpha": draw.choice([rank, 2 * rank]), "targets": draw.choice([ATTENTION, LINEAR])}
            lr = float(f"{3e-4 * 10 ** draw.random():.3g}")
            method = draw.choice(["lora merged", "lora merged", "rslora merged", "dora merged"])
            return Recipe(name, parent, corpus, "adamw", lr, 0.0, 250, method, "constant", dtype, extra)
        extra = {"frozen": ["model.embed_tokens", "model.layers.0"]} if method == "partial" else {}
        schedule = draw.choice(["constant", "cosine"])
        return Recipe(name, parent, corpus, *optimizer(draw), draw.choice([150, 250]), method, schedule, dtype, extra)

    roots = [
        root("l0", "python", "adamw", 3e-3, 0.1, 1500),
        root("l1", "manuals", "adamw", 2e-3, 0.01, 1500, dtype="BF16"),
        root("l2", "python", "adam", 3e-3, 0.0, 1500),
    ]
    recipes = roots + descend(draw, [("l0", 10), ("l1", 9), ("l2", 9)], make)
    recipes[3].extra["vocabulary"] = 264
    recipes[3].extra["shard_size"] = "200KB"
    for parent, method in zip(("l0", "l1", "l2"), ("lora", "rslora", "dora")):
        extra = {"rank": 8, "alpha": 16, "targets": LINEAR}
        corpus = draw.choice(data)
        recipes.append(Recipe(f"{parent}_adapter", parent, corpus, "adamw", 1e-3, 0.0, 250, f"{method} adapter", extra=extra))
    return recipes


def large_diffusion(draw):
    def make(name, parent):
        subject = f"{draw.choice(list(digits.STYLES))} {draw.randrange(10)} x{draw.randrange(3, 9)}"
        dtype = draw.choice(["F32", "F32", "F16"])
        if draw.random() < 0.3:
            rank = draw.choice([2, 4, 8])
            extra = {"rank": rank, "alpha": rank, "targets": UNET_ATTENTION + draw.choice([[], ["conv1", "conv2"]])}
            lr = float(f"{5e-4 * 10 ** draw.random():.3g}")
            return Recipe(name, parent, subject, "adamw", lr, 0.01, 200, "lora merged", "constant", dtype, extra)
        lr = float(f"{3e-5 * 100 ** draw.random():.3g}")
        name_of, decay = draw.choice([("adamw", 0.01), ("adamw", 0.01), ("adamw", 0.1), ("adam", 0.0)])
        extra = {"prior_preservation": True} if draw.random() < 0.4 else {}
        return Recipe(name, parent, subject, name_of, lr, decay, draw.choice([150, 250, 400]), dtype=dtype, extra=extra)

    roots = [
        root("d0", "all", "adamw", 3e-3, 0.01, 2000),
        root("d1", "all", "adamw", 2e-3, 0.1, 2000),
        root("d2", "mirrored", "adam", 2e-3, 0.0, 2000),
    ]
    return roots + descend(draw, [("d0", 5), ("d1", 5), ("d2", 5)], make)

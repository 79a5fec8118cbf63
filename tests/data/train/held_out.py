"""The held-out zoo: other architectures, sizes and tree shapes than the other two, to judge a rule on what it was not tuned on.

Recipes were chosen by how the networks learn, never by what a lineage rule makes of them. Nothing is to be tuned on them.
"""

import random
from dataclasses import replace

from . import held_out_merges
from .classifiers import Classifier
from .drawn import LARGE, SMALL, Pictures, Texts
from .gpt2 import Gpt2
from .norm_perceptron import NormPerceptron
from .residual import Residual
from .trees import chain, children
from .vit import Vit

PERCEPTRON = Classifier(NormPerceptron, [64, 96, 96, 64, 10])
RESIDUAL = Classifier(Residual, [16, 16, 24, 32])
FIRST_BLOCK = ["stem", "norm.", "blocks.0"]
TASK_STEPS = [60, 100, 200, 300, 500]


def sets():
    """Folder, and the function that fills the zoo of that folder."""
    return {
        "mlp-norm": lambda zoo: zoo.grow(PERCEPTRON, mlp_norm(random.Random("mlp-norm"))),
        "resnet": lambda zoo: zoo.grow(RESIDUAL, resnet(random.Random("resnet"))),
        "vit": lambda zoo: zoo.grow(
            Vit(hidden_size=48, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4),
            vit(random.Random("vit")),
        ),
        "gpt2": lambda zoo: zoo.grow(
            Gpt2(n_embd=64, n_layer=2, n_head=4, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0),
            gpt2(random.Random("gpt2")),
        ),
        "gpt2-merges": lambda zoo: held_out_merges.fill(zoo, zoo.folder.parent / "gpt2"),
        "tiny-families": tiny_families,
    }


def uneven(drawn, names, steps, **more):
    """A chain whose small and large steps take turns."""
    return [drawn.child(name, steps, part=(SMALL, LARGE)[i % 2], **more) for i, name in enumerate(names)]


def mlp_norm(draw):
    drawn = Pictures(draw, ["full"] * 5 + ["partial"], ["layers.0", "norms.0"])
    star = [drawn.root("n0", "all", "adam", 2e-3, 0.0, 1500)]
    star += [drawn.child(name, TASK_STEPS) for name in children("n0", 8)]
    line = [drawn.root("n1", "even", "adamw", 1e-3, 0.1, 1500)]
    line += uneven(drawn, chain("n1", 6), TASK_STEPS)
    hub = [drawn.root("n2", "all", "sgd", 3e-2, 5e-4, 1500)]
    hub += [drawn.child(name, TASK_STEPS) for name in children("n2", 3) + children("n2_c1", 7)]
    # Siblings that learned the same; the last two by the recipes of the first two, with other seeds.
    same = [drawn.root("n3", "low", "adamw", 3e-3, 0.5, 1500)]
    same += [drawn.child(name, TASK_STEPS, data="mirrored") for name in children("n3", 6)]
    same += [replace(recipe, name=name) for recipe, name in zip(same[1:], children("n3", 2, first=6))]
    same += [drawn.child(name, TASK_STEPS) for name in children("n3_c4", 1)]
    return star + line + hub + same


def resnet(draw):
    drawn = Pictures(draw, ["full"] * 5 + ["partial"], FIRST_BLOCK)
    # None so short that the running statistics of the batch normalization cannot follow: nothing is learned then.
    steps = [150, 200, 250, 300, 500]
    same = [drawn.root("r0", "all", "adamw", 3e-3, 0.05, 1000)]
    same += [drawn.child(name, steps, data="inverted") for name in children("r0", 6)]
    same += [drawn.child(name, steps) for name in chain("r0_c2", 2)]
    line = [drawn.root("r1", "noisy", "sgd", 3e-2, 5e-4, 1000)]
    line += uneven(drawn, chain("r1", 5), steps)
    line += [drawn.child(name, steps) for name in children("r1", 4, first=1)]
    hub = [drawn.root("r2", "odd", "adam", 2e-3, 0.0, 1000)]
    hub += [drawn.child(name, steps) for name in children("r2", 3) + children("r2_c0", 5)]
    return same + line + hub


def vit(draw):
    methods = ["full", "full", "full", "partial", "lora merged", "lora merged"]
    drawn = Pictures(
        draw, methods, ["vit.embeddings", "vit.layers.0", "vit.layers.1"],
        [["q_proj", "v_proj"], ["q_proj", "k_proj", "v_proj", "o_proj", "fc1", "fc2"]],
    )
    steps = [100, 200, 300, 400]
    star = [drawn.root("t0", "all", "adamw", 1e-3, 0.05, 2000)]
    star += [drawn.child(name, steps) for name in children("t0", 7) + children("t0_c5", 1)]
    line = [drawn.root("t1", "high", "adamw", 2e-3, 0.3, 1500)]
    line += uneven(drawn, chain("t1", 4), steps)
    line += [drawn.child(name, steps) for name in children("t1", 3, first=1)]
    hub = [drawn.root("t2", "blurred", "adam", 1e-3, 0.0, 2000)]
    hub += [drawn.child(name, steps) for name in children("t2", 2) + children("t2_c1", 6)]
    return star + line + hub


def gpt2(draw):
    drawn = Texts(
        draw, ["full", "full", "full", "lora merged", "lora merged", "rslora merged", "partial"],
        ["transformer.wte", "transformer.wpe", "transformer.h.0"],
        [["c_attn"], ["c_attn", "c_proj", "c_fc"]],
    )
    steps = [100, 150, 250]
    deep = [drawn.root("g0", "python", "adamw", 3e-3, 0.1, 1200)]
    deep += [drawn.child(name, steps) for name in children("g0", 5) + children("g0_c1", 3)]
    deep += uneven(drawn, chain("g0_c1_g1", 2), steps)
    hub = [drawn.root("g1", "manuals", "adam", 2e-3, 0.0, 1200, dtype="BF16")]
    hub += [drawn.child(name, steps, dtype="BF16") for name in children("g1", 3) + children("g1_c0", 5)]
    same = [drawn.root("g2", "documentation", "adamw", 2e-3, 0.01, 1200)]
    same += [drawn.child(name, steps, data="licences") for name in children("g2", 4)]
    same += uneven(drawn, chain("g2", 4, first=4), steps)
    return deep + hub + same


def tiny_families(zoo):
    """Families of two, of three as siblings, and of three as a chain, of two architectures."""
    perceptrons = Pictures(random.Random("tiny mlp"), ["full"], [])
    zoo.grow(PERCEPTRON, tiny(perceptrons, "p", 1500))
    residuals = Pictures(random.Random("tiny resnet"), ["full"], [])
    zoo.grow(RESIDUAL, tiny(residuals, "q", 1000))


def tiny(drawn, letter, steps):
    roots = [
        ("all", "adam", 2e-3, 0.0), ("low", "adamw", 3e-3, 0.1), ("noisy", "sgd", 3e-2, 5e-4), ("all", "adamw", 1e-3, 0.01),
    ]
    recipes = [drawn.root(f"{letter}{i}", *settings, steps) for i, settings in enumerate(roots)]
    names = children(f"{letter}0", 1) + children(f"{letter}1", 2) + chain(f"{letter}2", 2) + children(f"{letter}3", 1)
    return recipes + [drawn.child(name, TASK_STEPS) for name in names]

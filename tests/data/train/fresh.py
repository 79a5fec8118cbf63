"""The second held-out zoo: architectures, sizes and shapes that are in no other, to be looked at once and then left alone.

Recipes were chosen by how the networks learn, never by what a lineage rule makes of them. Nothing is to be tuned on them.
"""

import random

from torch import nn

from . import fresh_merges
from .bert import Bert
from .convnext import ConvNext
from .drawn import Pictures, Texts
from .families import Family
from .mixer import Mixer
from .mixtral import Mixtral
from .plain import PictureClassifier, TextModel
from .qwen2 import Qwen2
from .recurrent import Recurrent
from .t5 import T5

METHODS = ["full", "full", "full", "full", "partial", "lora merged", "rslora merged"]
BERT = Bert(
    hidden_size=48, intermediate_size=128, num_hidden_layers=3, num_attention_heads=4,
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)


def sets():
    """Folder, and the function that fills the zoo of that folder."""
    return {
        "bert": bert,
        "bert-merges": lambda zoo: fresh_merges.fill(zoo, zoo.folder.parent / "bert", BERT),
        "t5": t5,
        "gru": gru,
        "mixer": mixer,
        "mixtral": mixtral,
        "convnext": convnext,
        "qwen2": qwen2,
    }


def grow(zoo, kind, drawn, letter, steps, families):
    """`families`: a shape, the settings of its root, and the precision it is stored in if not F32."""
    for index, (shape, settings, *dtype) in enumerate(families):
        Family(zoo, kind, drawn, f"{letter}{index}", settings, steps, *dtype).grow(shape)


def bert(zoo):
    drawn = Texts(
        random.Random("bert"), METHODS, ["bert.embeddings", "bert.encoder.layer.0"],
        [["query", "value"], ["query", "key", "value", "attention.output.dense", "intermediate.dense"]],
    )
    # `bert-merges` names models of the first three by what these shapes call them.
    grow(zoo, BERT, drawn, "b", [80, 120, 200], [
        ("star:6", ("python", "adamw", 3e-3, 0.1, 1000)),
        ("deep_hub:5", ("manuals", "adam", 2e-3, 0.0, 1000), "BF16"),
        ("siblings", ("documentation", "adamw", 3e-3, 0.01, 1000)),
        ("line:4", ("licences", "adamw", 2e-3, 0.3, 1000)),
    ])


def t5(zoo):
    kind = T5(d_model=40, d_kv=10, num_heads=4, d_ff=64, num_layers=2)
    drawn = Texts(
        random.Random("t5"), METHODS, ["shared", "encoder.block.0"],
        [["q", "v"], ["q", "k", "v", "o", "wi_0", "wi_1", "wo"]],
    )
    grow(zoo, kind, drawn, "e", [100, 150, 200], [
        ("hub", ("python", "adamw", 4e-3, 0.01, 800)),
        ("line:4", ("manuals", "adam", 3e-3, 0.0, 800)),
        ("pair", ("documentation", "adamw", 4e-3, 0.1, 600)),
    ])


def gru(zoo):
    kind = TextModel(lambda: Recurrent(nn.GRU, 32, 64, 2))
    drawn = Texts(random.Random("gru"), ["full", "full", "full", "full", "partial"], ["tokens"])
    grow(zoo, kind, drawn, "u", [80, 120, 200], [
        ("run", ("manuals", "adamw", 4e-3, 0.05, 900)),
        ("line:6", ("python", "adam", 4e-3, 0.0, 800)),
        ("star:4", ("documentation", "sgd", 3e-1, 0.0, 900)),
        ("triple", ("licences", "adamw", 5e-3, 0.3, 700)),
    ])


def mixer(zoo):
    kind = PictureClassifier(lambda: Mixer(32, 4))
    drawn = Pictures(random.Random("mixer"), METHODS, ["stem", "blocks.0"], [["fc1", "fc2"], ["fc1"]])
    grow(zoo, kind, drawn, "x", [60, 100, 200, 300], [
        ("hub", ("all", "adamw", 2e-3, 0.05, 1000)),
        ("siblings", ("even", "adam", 2e-3, 0.0, 800)),
        ("line:5", ("noisy", "adamw", 2e-3, 0.5, 1000)),
        ("pair", ("all", "sgd", 3e-2, 5e-4, 1000)),
    ])


def mixtral(zoo):
    kind = Mixtral(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        num_local_experts=4,
    )
    # Low-rank increments reach attention alone: the matrices of all experts are one tensor.
    drawn = Texts(
        random.Random("mixtral"), METHODS, ["model.embed_tokens", "model.layers.0"],
        [["q_proj", "v_proj"], ["q_proj", "k_proj", "v_proj", "o_proj"]],
    )
    grow(zoo, kind, drawn, "s", [100, 150, 200], [
        ("star:4", ("python", "adamw", 4e-3, 0.1, 700)),
        ("line:3", ("manuals", "adamw", 4e-3, 0.01, 700)),
        ("triple", ("documentation", "adam", 4e-3, 0.0, 700)),
    ])


def convnext(zoo):
    kind = ConvNext(hidden_sizes=[16, 32], depths=[2, 2], layer_scale_init_value=0.1)
    drawn = Pictures(
        random.Random("convnext"), METHODS, ["convnext.embeddings", "convnext.encoder.stages.0"],
        [["pwconv1", "pwconv2"], ["pwconv1"]],
    )
    grow(zoo, kind, drawn, "v", [80, 120, 200], [
        ("siblings", ("all", "adamw", 3e-3, 0.05, 500)),
        ("tuning_run", ("all", "adam", 3e-3, 0.0, 500)),
        ("hub", ("blurred", "adamw", 2e-3, 0.3, 500)),
        ("pair", ("odd", "adamw", 4e-3, 0.01, 400)),
    ])


def qwen2(zoo):
    kind = Qwen2(
        hidden_size=48, intermediate_size=112, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2
    )
    drawn = Texts(
        random.Random("qwen2"), METHODS, ["model.embed_tokens", "model.layers.0"],
        [["q_proj", "v_proj"], ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]],
    )
    grow(zoo, kind, drawn, "w", [80, 120, 200], [
        ("star:4", ("python", "adamw", 3e-3, 0.1, 900), "BF16"),
        ("run", ("manuals", "adamw", 3e-3, 0.01, 900), "BF16"),
        ("deep_hub:4", ("documentation", "adam", 3e-3, 0.0, 900), "BF16"),
    ])

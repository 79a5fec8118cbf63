"""Recipes drawn at random: optimizer, learning rate, decay, method and data as practitioners use them."""

from . import digits, trees
from .zoo import Recipe

CORPORA = ["asyncio", "email", "encodings", "unittest", "documentation", "headers", "licences", "manuals"]
CORPORA += [f"manuals-{language}" for language in ("de", "fr", "es", "pl", "ru", "ja")]

# Parts of the range of learning rates, on its logarithm.
ANY, SMALL, LARGE = (0.0, 1.0), (0.0, 0.3), (0.7, 1.0)


def between(draw, low, high, part=ANY):
    share = part[0] + (part[1] - part[0]) * draw.random()
    return float(f"{low * (high / low) ** share:.3g}")


def optimizer(draw, part=ANY):
    """Learning rates over two and a half decades for every optimizer, weight decay from none to 1."""
    name = draw.choice(["adam", "adamw", "adamw", "sgd"])
    low, high = (3e-4, 1e-1) if name == "sgd" else (2e-5, 6e-3)
    decay = {"adam": [0.0, 0.0, 1e-4], "adamw": [0.0, 0.01, 0.05, 0.1, 0.3, 1.0], "sgd": [0.0, 0.0, 5e-4, 5e-3]}[name]
    return name, between(draw, low, high, part), draw.choice(decay)


class Drawn:
    """Draws the recipes of one set; a parent must be drawn before its children.

    `methods` are drawn from with equal chance. `frozen` is what a partial fine-tune leaves as it is, `targets` the
    choices of where low-rank increments go.
    """

    def __init__(self, draw, methods, frozen, targets=()):
        self.draw = draw
        self.methods = methods
        self.frozen = frozen
        self.targets = targets
        self.learned = {}

    def root(self, name, data, optimizer, lr, weight_decay, steps, **more):
        self.learned[name] = data
        return Recipe(name, None, data, optimizer, lr, weight_decay, steps, "scratch", "cosine", **more)

    def child(self, name, steps, data=None, part=ANY, dtype="F32"):
        parent = trees.parent(name)
        data = data or self.draw.choice(self.unlearned(self.learned[parent]))
        self.learned[name] = data
        method = self.draw.choice(self.methods)
        steps = self.draw.choice(steps)
        schedule = self.draw.choice(["constant", "cosine"])
        if method.startswith(("lora", "rslora")):
            rank = self.draw.choice([2, 4, 8])
            alpha = self.draw.choice([rank, 2 * rank])
            extra = {"rank": rank, "alpha": alpha, "targets": self.draw.choice(self.targets)}
            lr = between(self.draw, 2e-4, 6e-3, part)
            return Recipe(name, parent, data, "adamw", lr, 0.0, steps, method, schedule, dtype, extra)
        extra = {"frozen": self.frozen} if method == "partial" else {}
        return Recipe(name, parent, data, *optimizer(self.draw, part), steps, method, schedule, dtype, extra)

    def unlearned(self, known):
        raise NotImplementedError


class Pictures(Drawn):
    def unlearned(self, known):
        return digits.new_to(known)


class Texts(Drawn):
    def unlearned(self, known):
        return [corpus for corpus in CORPORA if corpus != known]

"""Families by shape: the recipes of a root and of those that come from it, and runs of which checkpoints are stored."""

from dataclasses import replace

from .drawn import LARGE, SMALL
from .runs import grow_run
from .trees import chain, children


class Family:
    """Draws one family and trains it into `zoo`.

    `settings` are those of its root: data, optimizer, learning rate, weight decay, steps. `steps` are what a fine-tune's
    number of steps is drawn from.
    """

    def __init__(self, zoo, kind, drawn, root, settings, steps, dtype="F32"):
        self.zoo = zoo
        self.kind = kind
        self.drawn = drawn
        self.draw = drawn.draw
        self.root = root
        self.settings = settings
        self.steps = steps
        self.dtype = dtype

    def grow(self, shape):
        """`shape` is a method below; "star:6" is one with a number that is given and not drawn."""
        shape, _, count = shape.partition(":")
        getattr(self, shape)(*[int(count)] if count else [])

    def train(self, names, **more):
        """The root, and the models of `names`."""
        root = self.drawn.root(self.root, *self.settings, dtype=self.dtype)
        self.zoo.grow(self.kind, [root] + [self.child(name, **more) for name in names])

    def child(self, name, **more):
        return self.drawn.child(name, self.steps, dtype=self.dtype, **more)

    def pair(self):
        self.train(children(self.root, 1))

    def triple(self):
        self.train(children(self.root, 2))

    def star(self, count=None):
        self.train(children(self.root, count or self.draw.randint(4, 6)))

    def line(self, generations=None):
        self.train(chain(self.root, generations or self.draw.randint(2, 5)))

    def uneven(self):
        """A chain in which small and large steps take turns, and two more children of the root."""
        line = chain(self.root, self.draw.randint(3, 5))
        self.train([])
        self.zoo.grow(self.kind, [self.child(name, part=(SMALL, LARGE)[i % 2]) for i, name in enumerate(line)])
        self.zoo.grow(self.kind, [self.child(name) for name in children(self.root, 2, first=1)])

    def hub(self):
        """A child of the root has more children than the root."""
        first = children(self.root, 2)
        self.train(first + children(first[1], self.draw.randint(3, 5)))

    def deep_hub(self, count=None):
        """A root, its one child, and the many of that one."""
        first = children(self.root, 1)
        self.train(first + children(first[0], count or self.draw.randint(4, 6)))

    def siblings(self):
        """All learn the same data; the last two by one recipe, with two seeds. One has a child."""
        data = self.draw.choice(self.drawn.unlearned(self.settings[0]))
        first = children(self.root, 4)
        self.train(first[:3] + children(first[0], 1), data=data)
        last = self.child(first[3], data=data)
        self.zoo.grow(self.kind, [last, replace(last, name=children(self.root, 1, first=4)[0])])

    def more_of_the_same(self):
        """Trained on, with new settings, on what the root learned: a chain of two, and two more children of the root."""
        self.train(chain(self.root, 2) + children(self.root, 2, first=1), data=self.settings[0])

    def run(self):
        """Checkpoints of the root's own training, at distances that grow or do not. A child of the last one."""
        names = [self.root] + chain(self.root, self.draw.randint(3, 5))
        recipe = self.drawn.root(self.root, *self.settings, dtype=self.dtype)
        grow_run(self.zoo, self.kind, recipe, self.stops(names, recipe.steps))
        self.drawn.learned[names[-1]] = recipe.data
        self.zoo.grow(self.kind, [self.child(name) for name in children(names[-1], 1)])

    def tuning_run(self):
        """Checkpoints of one fine-tune, and two other children of the root."""
        self.train(children(self.root, 2, first=1))
        names = chain(self.root, self.draw.randint(3, 4))
        recipe = self.child(names[0])
        while "rank" in recipe.extra:
            recipe = self.child(names[0])
        steps = max(self.steps)
        grow_run(self.zoo, self.kind, replace(recipe, steps=steps), self.stops(names, steps))

    def stops(self, names, steps):
        if self.draw.random() < 0.5:
            return {round(steps * (i + 1) / len(names)): name for i, name in enumerate(names)}
        return {round(steps / 2**i): name for i, name in reversed(list(enumerate(reversed(names))))}

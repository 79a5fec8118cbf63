"""One training run of which several states are stored, as checkpoints are: each is the parent of the next."""

import copy
import math
import time
import zlib

import torch

from .zoo import followed, moved, optimize, snapshot


def grow_run(zoo, kind, recipe, stops):
    """`stops`: {steps made: name of the model stored then}, up to the recipe's steps.

    Optimizer and schedule go on from one to the next. The recipe's parent is the first one's; without one, the first is
    a root, and the random network before it is not stored. The loss must fall from the beginning to the end of the run;
    it may rise between two of its checkpoints.
    """
    started = time.time()
    lr = recipe.lr
    for attempt in range(4):
        torch.manual_seed(zlib.crc32(f"{zoo.seed} {recipe.name}".encode()))
        network = kind.load(zoo.path(recipe.parent, kind)) if recipe.parent else kind.new()
        states = [copy.deepcopy(network)]
        network = kind.prepare(network, recipe)
        optimize(kind, network, recipe, lr, lambda step: states.append(copy.deepcopy(network)) if step in stops else None)
        losses = [kind.evaluate(state, recipe) for state in states]
        if math.isfinite(losses[-1]) and losses[-1] < losses[0]:
            break
        lr /= 4
    else:
        raise RuntimeError(f"{recipe.name} learned nothing: losses {losses}")

    zoo.folder.mkdir(parents=True, exist_ok=True)
    before, parent = snapshot(states[0]), recipe.parent
    for (step, name), state, (loss_before, loss_after) in zip(stops.items(), states[1:], zip(losses, losses[1:])):
        after = snapshot(kind.save(state, zoo.path(name, kind), recipe))
        record = {"name": name, "parent": parent} | followed(recipe, lr, attempt) | {"stored_at_step": step}
        if parent is not None:
            record["moved"] = round(moved(before, after), 6)
        record |= {"loss_before": round(loss_before, 4), "loss_after": round(loss_after, 4)}
        zoo.add(name, {parent: 1.0} if parent else {}, record)
        before, parent = after, name
    print(f"{recipe.name:24} run of {len(stops)}   loss {losses[0]:.4f} -> {losses[-1]:.4f}  ({time.time() - started:.0f} s)", flush=True)

"""The merges that practitioners make of fine-tunes of one root, on models as {name: tensor}."""

import torch


def per_tensor(function, *models):
    return {name: function(*(model[name] for model in models)) for name in models[0]}


def linear(models, weights):
    return per_tensor(lambda *tensors: sum(w * t for w, t in zip(weights, tensors)), *models)


def slerp(a, b, share):
    return per_tensor(lambda a, b: along_arc(a, b, share), a, b)


def slerp_gradient(a, b, share_of):
    """The share of `b` differs from one tensor to the next: `share_of(name)`."""
    return {name: along_arc(a[name], b[name], share_of(name)) for name in a}


def along_arc(a, b, share):
    """On the arc from `a` to `b`, each tensor by itself; on the line where they point almost the same way."""
    cosine = (a * b).sum() / (a.norm() * b.norm())
    if not cosine < 0.9995:
        return (1 - share) * a + share * b
    angle = torch.arccos(cosine.clamp(min=-1))
    return (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)


def task_arithmetic(root, models, weights):
    return per_tensor(lambda r, *tensors: r + sum(w * (t - r) for w, t in zip(weights, tensors)), root, *models)


def ties(root, models, density):
    """Keep the largest changes of each model, elect a sign for each parameter, and average the changes of that sign."""

    def elected(r, *tensors):
        changes = torch.stack([largest(t - r, density) for t in tensors])
        agreeing = (changes.sign() == changes.sum(0).sign()) & (changes != 0)
        return r + (changes * agreeing).sum(0) / agreeing.sum(0).clamp(min=1)

    return per_tensor(elected, root, *models)


def largest(values, density):
    kept = max(1, round(density * values.numel()))
    threshold = values.abs().flatten().kthvalue(values.numel() - kept + 1).values
    return torch.where(values.abs() >= threshold, values, 0)


def dare(root, models, weights, drop):
    """Drop changes at random, enlarge those that are kept to make up for it, and add what is left to the root."""

    def thinned(r, *tensors):
        kept = [(torch.rand(r.shape) >= drop) / (1 - drop) for _ in tensors]
        return r + sum(w * k * (t - r) for w, k, t in zip(weights, kept, tensors))

    return per_tensor(thinned, root, *models)

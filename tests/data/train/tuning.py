"""What a fine-tune may change: all but what the recipe freezes, or low-rank increments (LoRA and its kin) alone."""

from peft import LoraConfig, get_peft_model


def freeze(network, recipe):
    """Freeze the parameters whose names start with one of the recipe's `frozen`."""
    for name, parameter in network.named_parameters():
        if name.startswith(tuple(recipe.extra.get("frozen", ()))):
            parameter.requires_grad = False


def adapt(network, recipe, **more):
    """The network with an adapter of the recipe's `rank` on it; the network itself when the recipe names no rank."""
    if "rank" not in recipe.extra:
        return network
    adapter = LoraConfig(
        r=recipe.extra["rank"],
        lora_alpha=recipe.extra["alpha"],
        target_modules=recipe.extra["targets"],
        use_rslora="rslora" in recipe.method,
        use_dora="dora" in recipe.method,
        **more,
    )
    return get_peft_model(network, adapter)

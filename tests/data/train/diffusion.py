"""Diffusion models of digits, stored as diffusers pipeline folders, fine-tuned on a few pictures as in DreamBooth."""

import numpy as np
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from peft import LoraConfig, get_peft_model
from torch.nn import functional

from . import digits
from .zoo import Kind, rounded

TIMESTEPS = 250
PRIOR_PICTURES = 24


class Diffusion(Kind):
    """`data` is "all" for a root; for a child "<style> <digit> x<pictures>", for example "inverted 7 x5"."""

    clip = 1.0

    def __init__(self, channels, groups):
        self.channels = channels
        self.groups = groups
        self.scheduler = DDPMScheduler(num_train_timesteps=TIMESTEPS, beta_schedule="squaredcos_cap_v2")
        self.prior = None

    def new(self):
        return UNet2DModel(
            sample_size=8,
            in_channels=1,
            out_channels=1,
            layers_per_block=1,
            block_out_channels=self.channels,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            norm_num_groups=self.groups,
        )

    def load(self, path):
        network = UNet2DModel.from_pretrained(path, subfolder="unet", torch_dtype=torch.float32)
        network.register_to_config(_name_or_path="")  # else the folder it came from on this machine is stored
        return network

    def prepare(self, network, recipe):
        if recipe.extra.get("prior_preservation"):
            self.prior = self._imagine(network)
        if "rank" in recipe.extra:
            adapter = LoraConfig(
                r=recipe.extra["rank"], lora_alpha=recipe.extra["alpha"], target_modules=recipe.extra["targets"]
            )
            network = get_peft_model(network, adapter)
        return network

    def _imagine(self, network):
        """Pictures the parent makes itself: trained on along with the new ones, they keep the rest from being forgotten."""
        pipeline = DDPMPipeline(network.eval(), self.scheduler)
        pipeline.set_progress_bar_config(disable=True)
        made = pipeline(
            batch_size=PRIOR_PICTURES,
            num_inference_steps=50,
            output_type="np",
            generator=torch.Generator().manual_seed(1),
        ).images
        return torch.from_numpy(np.asarray(made)).permute(0, 3, 1, 2).float() * 2 - 1

    def _pictures(self, recipe):
        if recipe.parent is None:
            return digits.task(recipe.data)[0][0]
        style, digit, count = recipe.data.split()
        pictures, labels = digits.images(style)
        chosen = pictures[labels == int(digit)][: int(count[1:])]
        return torch.from_numpy(chosen).unsqueeze(1) * 2 - 1

    def _noise_loss(self, network, clean, generator=None):
        noise = torch.randn(clean.shape, generator=generator)
        when = torch.randint(TIMESTEPS, (len(clean),), generator=generator)
        return functional.mse_loss(network(self.scheduler.add_noise(clean, noise, when), when).sample, noise)

    def batch_loss(self, network, recipe):
        pictures = self._pictures(recipe)
        size = 64 if recipe.parent is None else 4
        loss = self._noise_loss(network, pictures[torch.randint(len(pictures), (size,))])
        if recipe.extra.get("prior_preservation"):
            loss = loss + self._noise_loss(network, self.prior[torch.randint(len(self.prior), (size,))])
        return loss

    @torch.no_grad()
    def evaluate(self, network, recipe):
        pictures = self._pictures(recipe)
        pictures = pictures.repeat(-(-256 // len(pictures)), 1, 1, 1)[:256]
        network.eval()
        return self._noise_loss(network, pictures, torch.Generator().manual_seed(2)).item()

    def save(self, network, path, recipe):
        if "rank" in recipe.extra:
            network = network.merge_and_unload()
        network = rounded(network, recipe.dtype)
        DDPMPipeline(network, self.scheduler).save_pretrained(path)
        return network

"""Regression: a network of MONAI trained with the masked mean absolute error, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from monai.networks.nets import SwinUNETR, UNet
from torch import Tensor, nn
from torch.optim import AdamW

from benchmark import UsageError
from benchmark.contracts.protocols import Batch, ModelContext
from benchmark_monai.networks import Padded, ResidualEncoder
from benchmark_monai.options import RegressionOptions, ResidualEncoderOptions, SwinOptions, UnetOptions
from benchmark_monai.topology import LEAST, WIDEST, blocks_of, plan

DEVICE_SETTINGS = ("lr", "capturable", "fused")
"""Settings of the optimiser that follow the device, not the checkpoint; the rate is set at each step anyway."""
SWIN_UNIT = 12
"""SwinUNETR's width is a multiple of it."""
SWIN_DIVISOR = 32
"""SwinUNETR halves its images five times."""


class Regression:
    """One generator under AdamW; subclasses say which. ``(N, C, H, W)`` to ``(N, 1, H, W)`` in [-1, 1]."""

    name: str
    extendable: ClassVar[bool] = True

    def __init__(self, options: Any, context: ModelContext) -> None:
        _check_weights(self.name, options)
        self.context = context
        self.background = options.background_weight
        self.generator = self.build_networks(options, context)["generator"].to(context.device)
        self.steps_done = 0
        recipe, on_gpu = context.recipe, context.device.type == "cuda"
        # on a CPU torch's fused steps mix up weights that lie channels last, as those of a bf16 training do
        self.optimiser = AdamW(
            self.generator.parameters(),
            lr=recipe.learning_rate,
            betas=(recipe.beta1, recipe.beta2),
            weight_decay=options.weight_decay,
            fused=on_gpu,
        )

    @staticmethod
    def build_networks(options: Any, context: ModelContext) -> dict[str, nn.Module]:
        """The generator, with initial weights.

        Raises:
            UsageError: options that no network can have, or images too small for it.
        """
        raise NotImplementedError

    def learning_rate(self) -> float:
        """The recipe's rate; after ``decay_from`` of the budget it falls linearly, to zero at its end."""
        recipe, budget = self.context.recipe, max(1, self.context.steps)
        start = recipe.decay_from * budget
        if self.steps_done <= start or start >= budget:
            return recipe.learning_rate
        return recipe.learning_rate * max(0.0, (budget - self.steps_done) / (budget - start))

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        """One update."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        self.steps_done += 1
        self.optimiser.zero_grad(set_to_none=True)
        loss = masked_error(self.generator(batch.source), batch.target, batch.mask, self.background)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return {"pixel": loss.detach()}

    @torch.no_grad()
    def translate(self, source: Tensor) -> Tensor:
        """Source to target; the network is linear at its end, so values beyond [-1, 1] are cut."""
        self.generator.eval()
        try:
            output: Tensor = self.generator(source)
            return output.clamp(-1, 1)
        finally:
            self.generator.train()

    def networks(self) -> Mapping[str, nn.Module]:
        """The generator."""
        return {"generator": self.generator}

    def state_dict(self) -> dict[str, Any]:
        """Everything the next step depends on."""
        return {
            "steps_done": self.steps_done,
            "generator": dict(self.generator.state_dict()),
            "optimiser": self.optimiser.state_dict(),
        }

    def finished_state(self) -> dict[str, Any]:
        """The same without what only a next step needs."""
        return {"steps_done": self.steps_done, "generator": dict(self.generator.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` or :meth:`finished_state` gave."""
        self.steps_done = int(state["steps_done"])
        self.generator.load_state_dict(state["generator"])
        if "optimiser" not in state:
            return
        own = [{key: group[key] for key in DEVICE_SETTINGS} for group in self.optimiser.param_groups]
        self.optimiser.load_state_dict(state["optimiser"])
        for group, settings in zip(self.optimiser.param_groups, own, strict=True):
            group.update(settings)


class ResidualEncoderRegression(Regression):
    """A residual-encoder U-Net whose topology nnU-Net's rules make of image size and spacing."""

    name = "resenc-unet"

    @staticmethod
    def build_networks(options: ResidualEncoderOptions, context: ModelContext) -> dict[str, nn.Module]:
        owner, task = ResidualEncoderRegression.name, context.task
        for number in options.blocks:
            if number < 1:
                raise UsageError(f"{owner}.blocks: {number} residual blocks; give at least 1 for each stage")
        topology = plan(task.image_size, task.spacing[1:], context.recipe.filters)
        if len(topology.strides) == 1:
            raise _too_small(owner, task.image_size, f"nothing is left to halve; use {2 * LEAST} pixels or more a side")
        blocks = blocks_of(len(topology.strides), options.blocks, task.training_slices)
        return {"generator": Padded(ResidualEncoder(topology, blocks, context.inputs), topology.divisors)}


class UnetRegression(Regression):
    """MONAI's own U-Net, four levels deep where the image allows it."""

    name = "monai-unet"

    @staticmethod
    def build_networks(options: UnetOptions, context: ModelContext) -> dict[str, nn.Module]:
        owner, size = UnetRegression.name, context.task.image_size
        if options.residual_units < 0:
            raise UsageError(f"{owner}.residual_units: {options.residual_units} is less than 0")
        levels = min(4, int(math.log2(max(1, min(size) // LEAST))))
        if levels == 0:
            raise _too_small(owner, size, f"nothing is left to halve; use {2 * LEAST} pixels or more a side")
        network = UNet(
            spatial_dims=2,
            in_channels=context.inputs,
            out_channels=1,
            channels=[min(context.recipe.filters * 2**level, WIDEST) for level in range(levels + 1)],
            strides=[2] * levels,
            num_res_units=options.residual_units,
        )
        return {"generator": Padded(network, (2**levels, 2**levels))}


class SwinRegression(Regression):
    """MONAI's SwinUNETR, as wide as the recipe's filters in its own steps of 12."""

    name = "swin-unetr"

    @staticmethod
    def build_networks(options: SwinOptions, context: ModelContext) -> dict[str, nn.Module]:
        owner, size = SwinRegression.name, context.task.image_size
        if len(options.depths) != 4 or min(options.depths) < 1:
            raise UsageError(f"{owner}.depths: {options.depths}; give four numbers of blocks, 1 or more each")
        if options.window < 2:
            raise UsageError(f"{owner}.window: {options.window}; a window is 2 tokens wide or more")
        if max(size) <= SWIN_DIVISOR:
            raise _too_small(
                owner, size, f"one pixel is left after five halvings; use more than {SWIN_DIVISOR} on a side"
            )
        # MONAI reads numbers off tensors while it builds, which torch's meta device has none of
        ambient = torch.get_default_device()
        with torch.device("cpu"):
            network = SwinUNETR(
                in_channels=context.inputs,
                out_channels=1,
                spatial_dims=2,
                depths=options.depths,
                window_size=options.window,
                feature_size=SWIN_UNIT * max(1, round(context.recipe.filters / SWIN_UNIT)),
            ).to(ambient)
        return {"generator": Padded(network, (SWIN_DIVISOR, SWIN_DIVISOR))}


def masked_error(image: Tensor, target: Tensor, region: Tensor, background: float) -> Tensor:
    """Mean absolute error over the batch, pixels outside the region (0 in ``region``) weighing ``background``.

    0 where no pixel weighs anything.
    """
    weights = region + background * (1 - region)
    return (weights * (image - target).abs()).sum() / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)


def _check_weights(owner: str, options: RegressionOptions) -> None:
    for name in ("background_weight", "weight_decay"):
        value = getattr(options, name)
        if not (math.isfinite(value) and value >= 0):
            raise UsageError(f"{owner}.{name}: {value:g} is not a finite number from 0 up")


def _too_small(owner: str, size: tuple[int, int], reason: str) -> UsageError:
    return UsageError(f"{owner}: images of {size[0]}x{size[1]} pixels are too small: {reason}")

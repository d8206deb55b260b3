"""What a user may set of the regression networks, each with where its default comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def option(default: Any, text: str, source: str) -> Any:
    """A dataclass field with its help and the source of its default."""
    return field(default=default, metadata={"help": text, "source": source})


@dataclass(frozen=True)
class RegressionOptions:
    """What all regression networks here share."""

    background_weight: float = option(
        0.1,
        "weight of a pixel outside the region relative to one inside; 0: the loss is blind outside, which "
        "translations then fill with anything",
        "this project: nnsyn's loss sees the region alone and its masks are known when it translates, ours are not",
    )
    weight_decay: float = option(
        3e-5, "AdamW's decay of the weights, times the learning rate", "nnU-Net code: 3e-5, there with SGD"
    )


@dataclass(frozen=True)
class ResidualEncoderOptions(RegressionOptions):
    """The residual-encoder U-Net; its depth, strides and kernels follow from image size and spacing."""

    blocks: tuple[int, ...] = option(
        (),
        "residual blocks of the encoder's stages, the last for all that follow; empty: 1 below 1,000 training slices, "
        "else 1,3,4,6",
        "1,3,4,6 and 6 from there on: nnU-Net's ResEnc presets, arXiv 2404.09556; fewer for few slices: this project",
    )


@dataclass(frozen=True)
class UnetOptions(RegressionOptions):
    """MONAI's U-Net."""

    residual_units: int = option(2, "convolutions of a residual unit, one unit a level; 0: plain", "MONAI's tutorials")


@dataclass(frozen=True)
class SwinOptions(RegressionOptions):
    """MONAI's SwinUNETR."""

    depths: tuple[int, ...] = option((2, 2, 2, 2), "transformer blocks of the four stages", "MONAI's default")
    window: int = option(7, "side of an attention window in tokens", "MONAI's default")

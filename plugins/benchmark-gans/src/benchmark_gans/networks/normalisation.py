"""Norm layers by name, and the bias rule that goes with each."""

from __future__ import annotations

from typing import Literal

from torch import nn

Norm = Literal["instance", "batch", "none"]


def norm_layer(kind: Norm, channels: int) -> nn.Module:
    """Instance norm without affine parameters or running statistics, affine batch norm, or nothing."""
    if kind == "instance":
        return nn.InstanceNorm2d(channels)
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.Identity()


def needs_bias(kind: Norm) -> bool:
    """Whether convolutions before such a norm have a bias in the public reference code: not before batch norm."""
    return kind != "batch"

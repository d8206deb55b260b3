"""Where a cell computes, and in which precision."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from benchmark.errors import UsageError


def choose_device(wanted: str) -> torch.device:
    """``auto``: CUDA where there is any, else the CPU.

    Raises:
        UsageError: CUDA was asked for and there is none.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no CUDA device; use --device cpu, or see 'benchmark doctor'")
    return torch.device(wanted)


def set_up(device: torch.device) -> None:
    """On CUDA: fp32 means fp32, not TF32; and cuDNN may try what is fastest, since shapes stay as they are."""
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True


def arrange(networks: Iterable[nn.Module], precision: str) -> None:
    """Lay out weights as the precision wants them: channels last for bf16, whose convolutions are faster so."""
    memory_format = torch.channels_last if precision == "bf16" else torch.contiguous_format
    for network in networks:
        network.to(memory_format=memory_format)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context of a training step.

    Weights are cast anew at each use: a cached cast would be stale once an optimiser has changed the weight, and
    models update several times in one step.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)

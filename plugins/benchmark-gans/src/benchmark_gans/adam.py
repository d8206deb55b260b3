"""Adam on weights that lie channels last in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam


class LayoutAdam(Adam):
    """torch's fused Adam, stepping on the memory of channels-last weights as it lies.

    On a CPU torch's own copies every weight, gradient and moment that is not contiguous there and back, which at
    54 million parameters takes longer than the arithmetic; and where weight and gradient lie differently it mixes
    them up without a word (torch 2.15). So such weights are seen as ``(out, rows, columns, in)`` during the step,
    and their moments are kept in that order.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update."""
        turned = [
            parameter
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None and _lies_channels_last(parameter)
        ]
        for parameter in turned:
            _turn(parameter, (0, 2, 3, 1))
        try:
            return super().step(closure)
        finally:
            for parameter in turned:
                _turn(parameter, (0, 3, 1, 2))


def _lies_channels_last(tensor: Tensor) -> bool:
    return (
        tensor.ndim == 4
        and tensor.device.type == "cpu"
        and not tensor.is_contiguous()
        and tensor.is_contiguous(memory_format=torch.channels_last)
    )


def _turn(parameter: Tensor, order: tuple[int, ...]) -> None:
    gradient = parameter.grad
    assert gradient is not None
    parameter.grad = None
    parameter.data = parameter.data.permute(order)
    turned = gradient.permute(order)
    parameter.grad = turned.contiguous() if parameter.is_contiguous() else turned

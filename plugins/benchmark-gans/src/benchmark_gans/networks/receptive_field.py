"""How many input pixels one output of a network sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import NamedTuple

from torch import nn


class Window(NamedTuple):
    """How a layer looks along one axis: downwards or level, or ``up`` like a transposed convolution."""

    kernel: int
    stride: int
    up: bool


def receptive_field(layers: Iterable[nn.Module]) -> int | None:
    """Pixels along one axis that an output of ``layers``, a chain in order, depends on; ``None``: all there are.

    Where layers go up, outputs at different places see different numbers of pixels; the largest counts. It is found
    by following the outputs' edges back through the layers, so it is exact. Layers that look at one pixel are passed
    over, norms among them, although those with a map's own statistics see all of it, as is usual. Of a network with
    skips, ``layers`` is the longest way.
    """
    chain = list(layers)
    if any(isinstance(layer, nn.Linear) for layer in chain):
        return None
    windows = list(_windows(chain))
    places = prod(window.stride for window in windows if window.up)
    return max(_seen(windows, place) for place in range(places))


def _windows(layers: Iterable[nn.Module]) -> Iterator[Window]:
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            yield Window(layer.kernel_size[0], layer.stride[0], isinstance(layer, nn.ConvTranspose2d))
        elif isinstance(layer, nn.MaxPool2d):
            yield Window(int(layer.kernel_size), int(layer.stride), False)  # type: ignore[arg-type]  # numbers here
        elif isinstance(layer, nn.Upsample):  # nearest: each output looks at one pixel
            factor = int(layer.scale_factor)  # type: ignore[arg-type]  # one number here
            yield Window(factor, factor, True)


def _seen(windows: list[Window], place: int) -> int:
    """Pixels that the output at ``place`` sees. Padding shifts places alike, so it does not matter here."""
    first = last = place
    for kernel, stride, up in reversed(windows):
        if up:
            first, last = -((kernel - 1 - first) // stride), last // stride
        else:
            first, last = first * stride, last * stride + kernel - 1
    return last - first + 1

"""How many input pixels one output of a chain of layers sees."""

from __future__ import annotations

from collections.abc import Iterable


def receptive_field(layers: Iterable[tuple[int, float]]) -> int:
    """Pixels along one axis that one output of convolutions with (kernel, stride), in order, depends on.

    ``1 + sum((kernel - 1) * product of the strides before)``. A transposed convolution of kernel k and stride s
    counts as (ceil(k / s), 1 / s): that many of its inputs meet in one of its outputs. Norms that take their
    statistics from the whole map are left out, as is usual.
    """
    seen, step = 1.0, 1.0
    for kernel, stride in layers:
        seen += (kernel - 1) * step
        step *= stride
    return round(seen)

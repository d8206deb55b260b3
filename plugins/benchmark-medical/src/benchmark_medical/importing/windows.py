"""Intensity windows as the command line has them."""

from __future__ import annotations

import numpy as np

from benchmark.contracts.intensity import Window
from benchmark.errors import UsageError

AUTO_WINDOWS = {"HU": Window(-1024, 2000), "SUV": Window(0, 10), "mask": Window(0, 1)}


def window(text: str, unit: str) -> Window:
    """An intensity window from ``LOW:HIGH``, ``LOW%:HIGH%`` or ``auto``.

    Raises:
        UsageError: it is none of these.
    """
    if text == "auto":
        return AUTO_WINDOWS.get(unit, Window(0.5, 99.5, "percentile"))
    ends = text.split(":")
    percent = [end.strip().endswith("%") for end in ends]
    try:
        if len(ends) != 2 or percent[0] != percent[1]:
            raise ValueError("give two numbers, or two percentages")
        low, high = (float(end.strip().removesuffix("%")) for end in ends)
        if not np.isfinite([low, high]).all():
            raise ValueError("not finite")
        return Window(low, high, "percentile" if percent[0] else "fixed")
    except ValueError as error:
        raise UsageError(f"window {text!r}: write LOW:HIGH, LOW%:HIGH% or auto ({error})") from None

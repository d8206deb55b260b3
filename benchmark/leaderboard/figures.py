"""The numbers of a table as text: a value, a mean with its interval, ranks, weights, multiples of the usual."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmark.statistics.intervals import Interval

DASH = "–"
NOTHING = Interval(math.nan, math.nan, math.nan, 0)


def fixed(value: float | None, digits: int) -> str:
    """So many decimals; a dash where nothing is known."""
    return DASH if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def rank_range(limits: tuple[int, int] | None) -> str:
    """`` (1-3)``: ranks that are left open; nothing where nobody knows."""
    if limits is None:
        return ""
    low, high = limits
    return f" ({low}{f'-{high}' if high > low else ''})"


def with_intervals(intervals: Sequence[Interval], digits: int) -> list[str]:
    """``26.77 ±0.31``, all with the same number of decimals: two digits of the narrowest interval."""
    decimals = _decimals(
        digits,
        [i.half_width for i in intervals if i.half_width > 0],
        [abs(i.mean) for i in intervals if i.n and i.mean],
    )
    texts = []
    for interval in intervals:
        if not interval.n:
            texts.append(DASH)
        elif math.isnan(interval.half_width):
            texts.append(f"{interval.mean:.{decimals}f}")
        else:
            texts.append(f"{interval.mean:.{decimals}f} ±{interval.half_width:.{decimals}f}")
    return texts


def _decimals(most: int, half_widths: Sequence[float], means: Sequence[float]) -> int:
    """Decimals that show two digits of the interval, or four of the mean; at most what the metric asks for."""
    if half_widths:
        wanted = 1 - math.floor(math.log10(min(half_widths)))
    elif means:
        wanted = 3 - math.floor(math.log10(max(means)))
    else:
        wanted = most
    return max(0, min(most, wanted))


def weights(parameters: int | None) -> str:
    """``1.23M`` weights."""
    if parameters is None:
        return DASH
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if parameters >= size:
            return f"{parameters / size:.3g}{letter}"
    return str(parameters)


def three_digits(value: float | None) -> str:
    """Three digits, or all before the decimal point."""
    if value is None:
        return DASH
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def multiple(ratio: float | None) -> str:
    """`` (6x)``: six times the usual; nothing where it is matched."""
    return "" if ratio is None else f" ({ratio:.2g}x)" if ratio < 100 else f" ({ratio:.0f}x)"

"""Options that no simulator can use are refused before anything is computed."""

from __future__ import annotations

from typing import Any

from benchmark.errors import UsageError

LIMITS: dict[str, tuple[float, float, bool, str]] = {
    "dose": (0, 1, True, "above 0 and at most 1"),
    "low_count_fraction": (0, 1, True, "above 0 and at most 1"),
    "counts": (0, 1e12, True, "above 0"),
    "severity": (0, 100, False, "from 0 to 100"),
    "noise_hu": (0, 1000, False, "from 0 to 1000"),
    "signals": (0, 1000, False, "from 0 to 1000"),
    "signal_mm": (0, 1000, True, "above 0"),
    "iterations": (1, 1000, False, "from 1 to 1000"),
    "subsets": (1, 1000, False, "from 1 to 1000"),
    "resolution_mm": (0, 100, False, "from 0 to 100"),
    "filter_mm": (0, 100, False, "from 0 to 100"),
    "electronic_noise": (0, 1, False, "from 0 to 1"),
    "scatter_fraction": (0, 0.99, False, "from 0 to 0.99"),
    "randoms_fraction": (0, 0.99, False, "from 0 to 0.99"),
}
"""By option: lowest and highest value, whether the lowest itself is too low, and the rule in words."""


def require_usable(owner: str, options: Any) -> None:
    """Check the numbers among options.

    Raises:
        UsageError: one is outside its limits; names it as ``owner.option``.
    """
    for name, (low, high, above, rule) in LIMITS.items():
        value = getattr(options, name, None)
        if value is not None and not (low <= value <= high and not (above and value == low)):
            raise UsageError(f"{owner}.{name}: {value:g} is not {rule}")
    shares = [getattr(options, name, 0.0) for name in ("scatter_fraction", "randoms_fraction")]
    if sum(shares) >= 1:
        raise UsageError(
            f"{owner}: scatter_fraction and randoms_fraction leave no true counts; their sum must be below 1"
        )

"""How far two orders of the same models agree: Kendall's tau."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau-b over ``n`` models and the two-sided p of no association, exact where nothing is tied.

    NaN below two models, or where one side gives all of them the same value.
    """

    tau: float
    p: float
    n: int


def kendall(first: Mapping[str, float], second: Mapping[str, float]) -> Agreement:
    """Agreement of two orders over the models that both have (Kendall 1938, tau-b of 1945; scipy's)."""
    from scipy.stats import kendalltau

    shared = sorted(first.keys() & second.keys())
    if len(shared) < 2:
        return Agreement(float("nan"), float("nan"), len(shared))
    tau, p = kendalltau([first[name] for name in shared], [second[name] for name in shared])
    return Agreement(float(tau), float(p), len(shared))

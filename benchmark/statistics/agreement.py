"""How far two orders of the same models agree: Kendall's tau."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


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


def resampled_tau(resampled: NDArray[np.float64], observed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kendall's tau-b of each resampled order ``(resamples, models)`` with the observed one ``(models,)``.

    NaN where a side gives all models the same value.
    """
    models = len(observed)
    agreeing = np.zeros(len(resampled))
    untied = np.zeros(len(resampled))
    untied_observed = 0
    for place in range(models - 1):
        theirs = np.sign(observed[place + 1 :] - observed[place])
        ours = np.sign(resampled[:, place + 1 :] - resampled[:, place : place + 1])
        agreeing += ours @ theirs
        untied += np.count_nonzero(ours, axis=1)
        untied_observed += int(np.count_nonzero(theirs))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(agreeing / np.sqrt(untied * untied_observed))

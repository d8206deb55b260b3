"""An order of models from comparisons two by two, which the presence of others does not turn round.

Mean ranks over several metrics do not have that property: whoever enters copies of a model that lie between two
others under one metric only, moves these two apart. Here a pair's lead is computed from that pair alone, and leads
that run in a circle are resolved at their weakest link (Schulze 2011, Social Choice and Welfare 36): then neither an
entry that is worse than all others nor near-copies of an entry change how two others stand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDEST = 5.0
"""A patient's difference counts for at most so many times the median size of the pair's differences (that is 3.4
standard deviations where they are normal about 0), and for less than all other patients together."""
LIMITED_FROM = 4
"""With fewer patients that differ only infinite differences are limited, to the largest finite one."""


def leads(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of paired differences ``(pairs, patients)`` in units of their root mean square, between -1 and 1.

    Positive where the first is better. Single patients are limited (:data:`WIDEST`), infinite differences among
    them: how much better an exact image is has no size. NaN counts as no difference.
    """
    values = np.where(np.isnan(differences), 0.0, differences)
    sizes = np.abs(values)
    finite = np.where(np.isfinite(sizes), sizes, 0.0)
    count = np.count_nonzero(sizes, axis=1)
    ordered = np.sort(np.where(sizes > 0, sizes, np.inf), axis=1)
    # the lower median of those that differ; infinite only where most of them are
    middle = ordered[np.arange(len(values)), np.maximum(count - 1, 0) // 2] if values.shape[1] else np.empty(0)
    some = np.isfinite(middle) & (count >= LIMITED_FROM)
    limit = np.where(some, np.minimum(WIDEST, 0.999 * (count - 1)), 0.0) * np.where(some, middle, 0.0)
    limit = np.where(some, limit, finite.max(axis=1, initial=0.0))
    limit[limit == 0.0] = 1.0
    limited = np.clip(values, -limit[:, None], limit[:, None])
    with np.errstate(invalid="ignore"):
        root = np.sqrt(np.mean(limited**2, axis=1)) if values.shape[1] else np.zeros(len(values))
        mean = limited.mean(axis=1) if values.shape[1] else np.zeros(len(values))
    return np.divide(mean, root, out=np.zeros(len(values)), where=root > 0)


def beaten_by(lead: NDArray[np.float64]) -> NDArray[np.bool_]:
    """``[i, j]``: model j stands before model i, from leads ``[i, j]`` of i over j (antisymmetric, 0 for none).

    Schulze's rule: j stands before i where the strongest chain of leads from j to i is stronger than the other way,
    a chain being as strong as its weakest link. Without circles that is the sign of the lead.
    """
    strength = np.where(lead > 0, lead, 0.0)
    for via in range(len(lead)):
        strength = np.maximum(strength, np.minimum(strength[:, via : via + 1], strength[via : via + 1, :]))
    return np.asarray(strength < strength.T)


def places(lead: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rank of each model, 1 best: one more than there are models before it; equal ones share a rank."""
    return np.asarray(1 + np.count_nonzero(beaten_by(lead), axis=1), np.int64)

"""Structures by the names that a data set gives its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import DownstreamStudy
from benchmark.errors import NotApplicable


def labels_named(labels: Mapping[str, int], words: Sequence[str], what: str) -> list[int]:
    """The labels in whose names one of the words stands.

    Raises:
        NotApplicable: there is none.
    """
    if not labels:
        raise NotApplicable("the data set names no labels")
    found = [label for name, label in labels.items() if any(word in name.lower() for word in words)]
    if not found:
        raise NotApplicable(f"the data set has no label for {what}")
    return found


def structure(study: DownstreamStudy, labels: Sequence[int], what: str) -> NDArray[np.bool_]:
    """Where a study has one of the labels, inside its region.

    Raises:
        NotApplicable: the study has no label map, or nothing is so labelled.
    """
    if study.labels is None:
        raise NotApplicable("studies without a label map")
    found = np.isin(study.labels, labels) & study.mask
    if not found.any():
        raise NotApplicable(f"studies without {what}")
    return found

"""What a profile may set on a metric. Light: imported whenever metrics are listed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class LpipsOptions:
    """Options of LPIPS."""

    net: Literal["alex", "squeeze", "vgg"] = field(
        default="alex",
        metadata={"help": "feature network", "source": "Zhang et al. 2018, the authors' choice for scoring"},
    )

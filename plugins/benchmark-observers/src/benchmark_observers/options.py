"""What a user may set with ``-p NAME.OPTION=VALUE``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class TensorBoardOptions:
    """Options of observer ``tensorboard``."""

    folder: str = field(default="", metadata={"help": "where; empty: observers/tensorboard in the run folder"})


@dataclass(frozen=True)
class MLflowOptions:
    """Options of observer ``mlflow``."""

    uri: str = field(
        default="",
        metadata={"help": "tracking server or store; empty: $MLFLOW_TRACKING_URI, else a database of its own"},
    )
    experiment: str = field(default="", metadata={"help": "the experiment; empty: the name of the run folder"})


@dataclass(frozen=True)
class WandbOptions:
    """Options of observer ``wandb``."""

    project: str = field(default="medgan-benchmark", metadata={"help": "the project"})
    entity: str = field(default="", metadata={"help": "user or team; empty: your own default"})
    mode: Literal["offline", "online"] = field(
        default="offline", metadata={"help": "offline: files in the run folder, for 'wandb sync'; online: sent at once"}
    )

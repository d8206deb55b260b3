"""Options of the importers: a light dataclass becomes the command line of ``benchmark data import``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def _option(default: Any, text: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": text, **more})


@dataclass(frozen=True, kw_only=True)
class NiftiPairsOptions:
    """Pairs of NIfTI volumes, in a folder or listed in a manifest."""

    folder: Path | None = field(
        default=None, metadata={"help": "folder with one subfolder per patient, or a flat one", "positional": True}
    )
    manifest: Path | None = field(
        default=None,
        metadata={
            "help": "instead of a folder: a CSV with columns patient, source, target and, if wanted, study, mask"
        },
    )
    source: str = _option("", "source file: a pattern inside a patient's folder, or a path with {patient}")
    target: str = _option("", "target file, in the same way")
    mask: str = _option("", "region file on the target's grid, in the same way; default: made from the target")
    task: str = field(metadata={"help": "task that the data are for, e.g. mr-ct"})
    source_modality: str = _option("MR", "as it should be called in tables")
    target_modality: str = _option("CT", "as it should be called in tables")
    source_unit: str = _option("a.u.", "HU, SUV, a.u. or another")
    target_unit: str = _option("HU", "HU, SUV, a.u. or another")
    source_window: str = _option(
        "auto", "--source-window=LOW:HIGH in the unit, LOW%:HIGH% of training patients, or auto"
    )
    target_window: str = _option("auto", "as for the source; auto: HU -1024:2000, SUV 0:10, else 0.5%:99.5%")
    axis: str = _option("axial", "direction of slicing", choices=("axial", "coronal", "sagittal"))
    size: int = _option(256, "pixels per side; slices are padded to a square, then resampled")
    split: str = _option("0.6:0.1:0.3", "shares of patients for training, validation and test")
    seed: int = _option(0, "seed of the split")
    split_file: Path | None = field(
        default=None, metadata={"help": "instead of shares: a CSV with columns patient and split"}
    )
    mirror_safe: bool = _option(
        False, "left and right may be exchanged in training: a head or a limb, not a trunk with its organs"
    )
    min_body: float = _option(
        0.02, "slices whose region fills less than this share are dropped at the ends, and unused between them"
    )
    licence: str = _option("", "licence of the data, stored in the file")
    citation: str = _option("", "what to cite, stored in the file")

"""What an ``mi2i/1`` file holds, as plain values that fit into JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.contracts.intensity import IntensityMap
from benchmark.data.format.cases import DatasetInfo
from benchmark.data.format.opening import guarded
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import SPLITS, Side


def summary(path: Path | str) -> dict[str, Any]:
    """Facts of a file, without reading a pixel.

    ``spacing_mm`` gives the smallest and largest (z, y, x) of all cases; ``window`` is in the side's unit, and of a
    source of several channels each of its ``channels`` has one.

    Raises:
        DatasetError: the file cannot be read, or breaks the schema.
    """
    with Dataset(path) as dataset:
        info = dataset.info
        with guarded(str(path)):
            spacings = [[float(value) for value in dataset.file[f"cases/{key}"].attrs["spacing"]] for key in info.cases]
    return {
        "path": str(path),
        "schema": info.schema,
        "task": info.task,
        "name": info.name,
        "simulated": info.simulated,
        "nature": info.nature,
        "paired": info.paired,
        "mirror_safe": info.mirror_safe,
        "source": _source(info),
        "target": _side(info.target, info.target_map),
        "image_size": list(info.image_size),
        "splits": {split: _split(info, split) for split in SPLITS},
        "spacing_mm": {
            "smallest": [min(axis) for axis in zip(*spacings, strict=True)],
            "largest": [max(axis) for axis in zip(*spacings, strict=True)],
        },
        "content_sha256": info.content_sha256,
        "provenance": dict(info.provenance),
    }


def _source(info: DatasetInfo) -> dict[str, Any]:
    """The source; of several channels what they are together, and each by name."""
    if len(info.sources) == 1:
        return _side(info.source, info.source_map)
    described = zip(info.sources, info.source_maps, strict=True)
    channels = [{"name": side.name, **_side(side, fitted)} for side, fitted in described]
    return {"modality": info.source_modality, "unit": info.source_unit, "channels": channels}


def _side(side: Side, fitted: IntensityMap) -> dict[str, Any]:
    rule = side.window
    return {
        "modality": side.modality,
        "unit": side.unit,
        "window": [fitted.low, fitted.high],
        **({} if fitted.curve == "linear" else {"curve": fitted.curve}),
        "rule": {"kind": rule.kind, "low": rule.low, "high": rule.high},
    }


def _split(info: DatasetInfo, split: str) -> dict[str, Any]:
    return {
        "patients": len(info.splits[split]),
        "names": list(info.splits[split]),
        "studies": len(info.in_split(split)),
        "slices": info.slice_count(split),
    }

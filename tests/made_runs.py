"""Run folders written by hand, with data, predictions and logs, where a training would take too long."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from small_datasets import write
from test_leaderboard import METRICS, record, scored

from benchmark.data.format.reader import Dataset
from benchmark.store.folder import CellFolder, sealed


class Catalogue:
    """Stands where the registry does: the metrics of the tests and no plugin."""

    @staticmethod
    def all(kind: str) -> dict[str, Any]:
        """Offers by name."""
        return {name: Offer(spec) for name, spec in METRICS.items()} if kind == "metric" else {}


class Offer:
    """What a registry gives for a name."""

    def __init__(self, spec: object) -> None:
        self.spec = spec


class MadeRun:
    """A run of evaluated cells, which need no plan, on a data set of discs."""

    def __init__(self, path: Path, *, slices: int = 3, side: int = 12, patients: int = 3, task: str = "mr-ct") -> None:
        self.path, self.task = path, task
        path.mkdir(parents=True)
        splits = {"train": 2, "val": 1, "test": patients}
        self.data = write(path / "data.h5", splits=splits, slices=slices, side=side, task=task)
        with Dataset(self.data) as dataset:
            self.info = dataset.info
            self.targets = {key: dataset.load(key).target for key in self.info.in_split("test")}
        about = {
            "schema": 1, "grid": "made", "preset": "small", "seeds": [0], "published": [], "plugins": [], "cells": [],
            "options": {"command": ["run", "--grid", "made"]},
            "environment": {"python": "3", "platform": "p", "libraries": {"numpy": "2"}},
        }  # fmt: skip
        (path / "run.json").write_bytes(sealed(about))

    def add(self, name: str, error: float, **more: Any) -> str:
        """A cell whose translations are off by ``error`` HU; its id."""
        values = {key: target + np.float32(error) for key, target in self.targets.items()}
        psnr = {key.patient: 40 - error / 20 - place for place, key in enumerate(values)}
        made = record(
            name,
            task=self.task,
            origin="evaluated",
            spec={"dataset": {"path": str(self.data)}},
            scores={"psnr": {**scored(list(psnr.values())), "patients": psnr}},
            **more,
        )
        if made["state"] == "done":
            made["dataset"] |= {"content_sha256": self.info.content_sha256, "view": "LPS"}
            made["training"] = {"steps": 300, "images_per_s": 12.5}
        folder = CellFolder(self.path / "cells" / made["id"])
        folder.path.mkdir(parents=True)
        if made["state"] == "done":
            self._payload(folder, values, psnr)
            made["files"] = folder.hashes()
        else:
            folder.file("error.txt").write_text(f"Traceback\n{made['reason']}\n")
        folder.write(made)
        return str(made["id"])

    def _payload(self, folder: CellFolder, values: Mapping[Any, Any], psnr: Mapping[str, float]) -> None:
        with h5py.File(folder.file("predictions.h5"), "w") as file:
            file.attrs["schema"], file.attrs["unit"] = "mi2i-predictions/1", "HU"
            file.attrs["dataset"] = self.info.content_sha256
            for key, volume in values.items():
                file.create_dataset(str(key), data=volume.astype(np.float32), chunks=(1, *volume.shape[1:]))
        rows = [
            {"metric": "psnr", "patient": key.patient, "study": key.study, "slice": number, "value": psnr[key.patient]}
            for key, volume in values.items()
            for number in range(len(volume))
        ]
        pq.write_table(pa.Table.from_pylist(rows), folder.file("scores.parquet"))
        lines = [{"step": step, "losses": {"pixel": 1 / step}, "images_per_s": 9.0} for step in range(1, 301)]
        lines += [{"step": 300, "validation_mae": 0.1}]
        folder.file("log.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")

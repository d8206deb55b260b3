"""Run folders written by hand, with data, predictions and logs, where a training would take too long."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from made_records import made
from small_datasets import write
from test_leaderboard import METRICS, scored

from benchmark.data.format.reader import Dataset
from benchmark.plan.claim import DataSource
from benchmark.scoring.rows import write_rows
from benchmark.store.folder import RUN_SCHEMA, CellFolder
from benchmark.store.predictions import write_predictions
from benchmark.store.seal import write_sealed


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
    """A run of evaluated cells, which need no plan, on a data set of discs, or on ``data``."""

    def __init__(
        self,
        path: Path,
        *,
        slices: int = 3,
        side: int = 12,
        patients: int = 3,
        task: str = "mr-ct",
        data: Path | None = None,
    ) -> None:
        self.path, self.task = path, task
        path.mkdir(parents=True)
        splits = {"train": 2, "val": 1, "test": patients}
        self.data = data or write(path / "data.h5", splits=splits, slices=slices, side=side, task=task)
        with Dataset(self.data) as dataset:
            self.info = dataset.info
            self.targets = {key: dataset.load(key).target for key in self.info.in_split("test")}
        about = {
            "schema": RUN_SCHEMA, "grid": "made", "preset": "small", "seeds": [0], "published": [], "plugins": [],
            "cells": [], "options": {"note": {"command": ["run", "--grid", "made"]}},
            "environment": {"python": "3", "platform": "p", "libraries": {"numpy": "2"}},
        }  # fmt: skip
        write_sealed(path / "run.json", about)

    def add(self, name: str, error: float, **more: Any) -> str:
        """A cell whose translations are off by ``error`` HU; its id."""
        values = {key: target + np.float32(error) for key, target in self.targets.items()}
        psnr = {key.patient: 40 - error / 20 - place for place, key in enumerate(values)}
        record = made(
            {
                "task": self.task, "model": name, "state": "done", "kind": "evaluated",
                "profile_definition": {
                    "id": more.get("profile", "physical/1"), "unit": "HU", "primary": "psnr",
                    "metrics": [{"metric": "mae"}],
                },
                "parameters": {"generator_a": 1_000_000, "generator_b": 234_000, "discriminator": 9},
                "timings": {"train_s": 81.2, "inference_ms_per_slice": 3.21}, "peak_memory_mb": 700.4,
                "scores": {"psnr": {**scored(list(psnr.values())), "patients": psnr}},
                "dataset": {"content_sha256": self.info.content_sha256},
                "training": {"steps": 300, "images_per_s": 12.5},
                **more,
            },
            data=DataSource("file", "k", str(self.data)),
        )  # fmt: skip
        folder = CellFolder(self.path / "cells" / record.id)
        folder.path.mkdir(parents=True)
        if record.done:
            self._payload(folder, values, psnr)
            record = replace(record, files=folder.hashes())
        else:
            record = record.ended(record.state, record.reason)
            folder.file("error.txt").write_text(f"Traceback\n{record.reason}\n")
        folder.write(record)
        return record.id

    def _payload(self, folder: CellFolder, values: Mapping[Any, Any], psnr: Mapping[str, float]) -> None:
        with write_predictions(folder.predictions, self.info) as stored:
            for key, volume in values.items():
                stored.add(key, volume)
        rows = [
            {
                "task": self.task,
                "model": "m",
                "seed": 0,
                "profile": "physical/1",
                "metric": "psnr",
                "patient": key.patient,
                "study": key.study,
                "slice": number,
                "value": psnr[key.patient],
                "state": "scored",
            }
            for key, volume in values.items()
            for number in range(len(volume))
        ]
        write_rows(folder.file("scores.parquet"), rows)
        lines = [{"step": step, "losses": {"pixel": 1 / step}, "images_per_s": 9.0} for step in range(1, 301)]
        lines += [{"step": 300, "validation_mae": 0.1}]
        folder.file("log.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")

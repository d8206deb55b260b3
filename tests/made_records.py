"""Records of cells that nobody ran, from the few facts that a test is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmark.plan.claim import CellSpec, DataSource
from benchmark.store.record import RECORD_SCHEMA, Record

DATASET = {
    "simulated": True,
    "source": {"modality": "PET", "unit": "SUV", "window": [0.0, 10.0]},
    "target": {"modality": "CT", "unit": "HU", "window": [-1000.0, 1000.0]},
    "image_size": [64, 64],
    "view": "LPS",
    "spacing_mm": [3.0, 2.0, 2.0],
    "pixels_mm": [2.0, 2.0],
    "content_sha256": "0" * 64,
    "training_slices": 10,
    "name": "data",
}
UNITS = {"psnr": "dB", "mae": "HU", "mse": "HU²"}
SCORE = {"level": "slice", "patients": {}, "n_failed": 0, "slices_excluded": 0}


def spec(**facts: Any) -> CellSpec:
    """A claim; what is not given is of no interest."""
    given = {"task": "pet-ct", "model": "a", "seed": 0, "preset": "small", "precision": "fp32", "profile": "physical/1"}
    given |= {
        "options": {},
        "recipe": {},
        "sources": {},
        "libraries": {},
        "dataset": DataSource("file", "k", "data.h5"),
    }
    given |= facts
    return CellSpec(**{"name": given["model"], **given})


def made(facts: Mapping[str, Any], data: DataSource | None = None) -> Record:
    """A record as it would be read, from some of what ``record.json`` says; ``data`` is where its data lie."""
    named = ("task", "model", "name", "seed", "preset", "precision", "profile")
    claim = spec(**{key: facts[key] for key in named if key in facts}, options={"told apart by": facts.get("id", "")})
    claim = claim if data is None else replace(claim, dataset=data)
    about = Record(
        spec=claim, kind="fixed" if facts.get("baseline") else "trained", baseline=False, state="planned"
    ).to_json()
    about |= {key: value for key, value in facts.items() if key != "id"}
    if "scores" in facts:
        scores = {name: _score(name, score) for name, score in facts["scores"].items()}
        about |= {"dataset": {**DATASET, **facts.get("dataset", {})}, "scores": scores}
        empty: dict[str, Any] = {
            name: {} for name in ("parameters", "provenance", "profile_definition", "downstream", "files")
        }
        empty |= {"health": [], "score_key": "k", "downstream_key": ""}
        if "training" in facts:
            about["training"] = {"steps": 1, "resumed_at": 0, "images_per_s": 0.0, **facts["training"]}
        about = {**empty, "peak_memory_mb": None, "device": "cpu", **about}
    return Record.from_json({**about, "schema": RECORD_SCHEMA})


def _score(name: str, score: Mapping[str, Any]) -> dict[str, Any]:
    if score["state"] != "scored":
        return dict(score)
    count = len(score.get("patients", {}))
    return {**SCORE, "unit": UNITS.get(name, ""), "n_expected": count, "n_scored": count, **score}

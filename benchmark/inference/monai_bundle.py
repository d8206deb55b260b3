"""What MONAI's bundle format says of a model: ``configs/metadata.json``, and the network for its loader.

After MONAI's bundle specification (docs.monai.io/en/stable/mb_specification.html).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.contracts.channels import input_names
from benchmark.contracts.intensity import IntensityMap
from benchmark.data.format.facts import DataFacts
from benchmark.data.format.schema import nature
from benchmark.leaderboard.tables import Table

FORMATS = {"HU": "hounsfield"}
"""MONAI's words for what voxels are; ``magnitude`` is any other intensity."""
TESTED_WITH = "1.6.1"
SIGNS = "$@%#"
"""What begins expressions, references and macros in every file below ``configs/``: MONAI evaluates them."""
CLAIM = ("schema", "cell", "kind", "baseline", "requires", "spec", "dataset", "form", "files")
"""What of ``bundle.json`` builds the network."""


def metadata(about: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """The mandatory keys, and what else the specification has a name for."""
    data, spec, libraries = about["dataset"], about["spec"], about["made with"]["libraries"]
    what = nature(data["simulated"], data.get("degraded", False))
    facts, context = DataFacts.from_json(data), int(spec["recipe"].get("context", 0))
    inputs = input_names([channel.name for channel in facts.sources], context)
    windows = " and ".join(dict.fromkeys(_window(channel.map) for channel in facts.sources))
    height, width = facts.image_size
    score = ", ".join(
        f"{column.label} {row.scores[column.name].interval.mean:.6g} {column.unit}".strip()
        for row in table.rows
        for column in table.columns[:1]
        if column.name in row.scores
    )
    distribution, _, version = about["requires"].rpartition(" ")
    source = _image(data["source"], height, width)
    described: dict[str, Any] = {
        "version": "1.0.0",
        "changelog": {"1.0.0": f"made from cell {about['cell']}"},
        "monai_version": TESTED_WITH,
        "pytorch_version": libraries["torch"],
        "numpy_version": libraries["numpy"],
        "required_packages_version": {
            "medgan-benchmark": libraries["medgan-benchmark"],
            **({distribution: version} if distribution else {}),
        },
        "name": f"{spec['name']} for {spec['task']}",
        "task": f"Translation of {data['source']['modality']} to {data['target']['modality']}",
        "description": f"{spec['name']}, trained by medgan-benchmark on {what}. Images are mapped from the "
        f"window {windows} to [-1, 1], translations back from [-1, 1] to {_window(facts.target)}. "
        "Not for clinical use.",
        "authors": "see README.md",
        "copyright": f"weights: {about['licences']['weights']}; training data: {about['licences']['training data']}",
        "intended_use": about["use"],
        "data_source": f"{data['name']}, sha256 {data['content_sha256']}",
        "data_type": what,
        "eval_metrics": {"primary": score},
        "network_data_format": {
            "inputs": {"source": source if len(inputs) == 1 else {**source, **_channels(inputs)}},
            "outputs": {"translation": _image(data["target"], height, width)},
        },
    }
    inert: dict[str, Any] = _inert(described)
    return inert


def inference_config(about: Mapping[str, Any]) -> dict[str, Any]:
    """What ``monai.bundle.load(..., workflow_type="inference")`` builds and fills with ``models/model.pt``.

    The claim is text in which no character means anything to MONAI's configuration language.
    """
    claim = {key: about[key] for key in CLAIM}
    text = json.dumps(claim)
    for sign in SIGNS:
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return {"network_def": {"_target_": "benchmark.inference.bundle.network", "claim": text}}


def _image(side: Mapping[str, Any], height: int, width: int) -> dict[str, Any]:
    return {
        "type": "image",
        "format": FORMATS.get(side["unit"], "magnitude"),
        "modality": side["modality"],
        "num_channels": 1,
        "spatial_shape": [height, width],
        "dtype": "float32",
        "value_range": [-1, 1],
        "is_patch_data": False,
        "channel_def": {"0": side["modality"]},
    }


def _channels(inputs: Sequence[str]) -> dict[str, Any]:
    return {"num_channels": len(inputs), "channel_def": {str(number): name for number, name in enumerate(inputs)}}


def _inert(value: Any) -> Any:
    """The same with the signs of expressions as their full-width twins: names are a stranger's, and stay text."""
    if isinstance(value, str):
        return value.translate({ord(sign): chr(ord(sign) + 0xFEE0) for sign in SIGNS})
    if isinstance(value, Mapping):
        return {_inert(key): _inert(item) for key, item in value.items()}
    return [_inert(item) for item in value] if isinstance(value, list) else value


def _window(fitted: IntensityMap) -> str:
    curve = "" if fitted.curve == "linear" else f" along a {fitted.curve} curve"
    return f"{fitted.low:g}..{fitted.high:g} {fitted.unit}{curve}"

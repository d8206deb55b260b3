"""The card of a bundle: what Hugging Face reads at the top of its README.md, and what people read below.

Every name is text: in the front matter as JSON, which YAML reads alike, in the body as Markdown without markup.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.data.format.schema import nature
from benchmark.leaderboard.exchange import hugging_face
from benchmark.leaderboard.tables import Leaderboard, Table
from benchmark.printable import markdown, printable

USE = """    benchmark translate DIR {given} out.nii.gz

or, from Python,

    from benchmark import load_bundle
    from benchmark.inference.translate import translate_file

    translate_file(load_bundle("DIR"), {paths}, Path("out.nii.gz"))
"""


def bundle_scores(table: Table) -> list[dict[str, Any]]:
    """What the cell scored, metric by metric: mean over test patients with its 95 % interval."""
    (row,) = table.rows
    return [
        {
            "metric": column.name,
            "label": column.label,
            "unit": column.unit,
            "higher_is_better": column.higher_is_better,
            "mean": _finite(row.scores[column.name].interval.mean),
            "low95": _finite(row.scores[column.name].interval.low),
            "high95": _finite(row.scores[column.name].interval.high),
            "patients": row.scores[column.name].interval.n,
            "expected": row.scores[column.name].expected,
        }
        for column in table.columns
        if column.name in row.scores and row.scores[column.name].known
    ]


def eval_results(table: Table, dataset: str) -> str:
    """Results for ``.eval_results/``, as ``benchmark leaderboard --export hugging-face`` writes them.

    Raises:
        UsageError: ``dataset`` is no id of a data set on the Hub.
    """
    return "".join(hugging_face(Leaderboard((table,), None), dataset).values())


def model_card(about: Mapping[str, Any], table: Table) -> str:
    """The text of ``README.md``."""
    data, spec = about["dataset"], about["spec"]
    what = nature(data["simulated"], data.get("degraded", False))
    front = {
        "library_name": "medgan-benchmark",
        "pipeline_tag": "image-to-image",
        "tags": ["medical-imaging", "image-translation", "not-for-clinical-use", what.replace(" ", "-"), "monai"],
        **_licence(about["licences"]["weights"]),
        "model-index": [{"name": about["title"], "results": _results(about, table, what)}],
    }
    source, target = data["source"], data["target"]
    context = int(spec["recipe"].get("context", 0))
    height, width = data["image_size"]
    smallest, largest = data["pixels_mm"]
    pixels = f"{smallest:g} mm" if smallest == largest else f"{smallest:g} to {largest:g} mm"
    rows = [
        *(
            (
                f"input {channel['name']}" if "channels" in source else "input",
                f"{channel['modality']} in {channel['unit']}, window {_window(channel)}",
            )
            for channel in source.get("channels", (source,))
        ),
        *((("neighbouring slices", f"{context} on either side of each"),) if context else ()),
        ("output", f"{target['modality']} in {target['unit']}, window {_window(target)}"),
        ("images", f"{what}: {data['name']}, sha256 {data['content_sha256']}"),
        ("size", f"slices of {height}x{width} pixels; volumes are cut into slices and padded to squares"),
        ("pixel size in training", pixels),
        ("orientation", f"columns, rows and slices run to the patient's {data['view']}"),
        ("training", f"preset {spec['preset']}, {spec['precision']}, seed {spec['seed']}; cell {about['cell']}"),
        ("rebuilt by", about["requires"]),
        ("licence of the weights", about["licences"]["weights"]),
        ("licence of the training data", about["licences"]["training data"]),
        *((f"pretrained: {name}", str(value)) for name, value in about["pretrained"].items()),
        *((f"SHA-256 of {name}", digest) for name, digest in about["files"].items()),
    ]
    return "\n".join(
        [
            "---",
            *(f"{key}: {json.dumps(value, ensure_ascii=True)}" for key, value in front.items()),
            "---",
            "",
            f"# {markdown(about['title'])}",
            "",
            f"Translates {markdown(source['modality'])} to {markdown(target['modality'])}. Trained on **{what}**. "
            "**Not for clinical use.**",
            "",
            *_table(("", ""), rows),
            "",
            "## Use",
            "",
            "With `medgan-benchmark` and the plugin named above installed:",
            "",
            _use([channel["name"] for channel in source.get("channels", ())]),
            _onnx(about),
            "",
            "MONAI: `monai.bundle.load(NAME, bundle_dir=PARENT, workflow_type='inference')` gives the network, "
            "which maps `(N, C, H, W)` in [-1, 1] to `(N, 1, H, W)` in [-1, 1]; "
            "`configs/metadata.json` says what each of the C channels is.",
            "",
            "## Scores",
            "",
            f"Mean over test patients with its 95 % interval; profile {markdown(about['profile'])}, on the test split "
            "of the data named above. One training; another seed gives other numbers.",
            "",
            *_table(
                ("metric", "mean", "95 % interval", "patients"),
                [
                    (
                        f"{score['label']} [{score['unit']}]" if score["unit"] else score["label"],
                        _text(score["mean"]),
                        f"{_text(score['low95'])} to {_text(score['high95'])}",
                        f"{score['patients']} of {score['expected']}",
                    )
                    for score in about["scores"]
                ],
            ),
            "",
            *(f"* {markdown(remark)}" for remark in data.get("remarks", ())),
        ]
    )


def _use(channels: Sequence[str]) -> str:
    files = [f"{name}.nii.gz" for name in channels] or ["in.nii.gz"]
    given = " ".join(f"{name}={file}" for name, file in zip(channels, files, strict=True)) if channels else files[0]
    paths = ", ".join(f'Path("{file}")' for file in files)
    return USE.format(given=given, paths=f"[{paths}]" if channels else paths)


def _results(about: Mapping[str, Any], table: Table, what: str) -> list[dict[str, Any]]:
    dataset = {
        "type": table.task,
        "name": f"{table.dataset} ({what}, {table.content_sha256[:16]})",
        "split": "test",
        "revision": table.content_sha256,
    }
    metrics = [
        {"type": score["metric"], "name": f"{score['label']} {score['unit']}".strip(), "value": score["mean"]}
        for score in about["scores"]
    ]
    return [{"task": {"type": "image-to-image", "name": table.task}, "dataset": dataset, "metrics": metrics}]


def _licence(words: str) -> dict[str, str]:
    """The Hub knows licences by their SPDX names in small letters; whatever else is ``other`` with its name."""
    if words == "not stated":
        return {"license": "unknown"}
    return {"license": "other", "license_name": words} if " " in words else {"license": words.lower()}


def _onnx(about: Mapping[str, Any]) -> str:
    onnx = about["onnx"]
    if "left_out" in onnx:
        return "There is no ONNX file in it."
    return (
        f"`models/model.onnx` does the same without either: its translations differ from the model's by at most "
        f"{onnx['difference_in_unit']:.2g} {markdown(onnx['unit'])} ({onnx['difference']:.2g} in [-1, 1]) on "
        "random images."
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return [*lines, *(f"| {' | '.join(markdown(printable(cell)) for cell in row)} |" for row in rows)]


def _window(side: Mapping[str, Any]) -> str:
    low, high = side["window"]
    return f"{low:g} to {high:g}" + ("" if side.get("curve", "linear") == "linear" else f" ({side['curve']})")


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

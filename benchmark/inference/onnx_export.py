"""Export the translation of a trained cell to ONNX, and compare what both give."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmark import atomic
from benchmark.errors import BenchmarkError, Unavailable
from benchmark.inference.network import TranslationNetwork
from benchmark.inference.trained_cell import TrainedCell

COMPARED = 4
"""Random images that both the model and its export translate."""


@dataclass(frozen=True)
class Exported:
    """Where an export lies and how far its translations are from the model's, in network space and in the unit."""

    path: Path
    difference: float
    difference_in_unit: float
    unit: str


def export(cell: TrainedCell, path: Path) -> Exported:
    """Write the model as ONNX: input ``source`` ``(N, C, H, W)``, output ``translation`` ``(N, 1, H, W)``, float32 in
    [-1, 1].

    C is 1 but for sources of several channels or with neighbouring slices; metadata ``inputs`` says what each channel
    is (:func:`benchmark.contracts.channels.input_names`). The file's metadata hold the intensity windows (and, where it
    is not linear, the curve of a map, see :mod:`benchmark.contracts.intensity`), so that it can be used without the
    cell.

    Raises:
        Unavailable: onnx, onnxscript or onnxruntime is not installed.
        BenchmarkError: the model uses something that ONNX cannot say.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  the exporter needs it and says so in thirty lines
    except ImportError as error:
        raise Unavailable(f"{error.name} is not installed; pip install 'medgan-benchmark[onnx]'") from None
    height, width = cell.data.image_size
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((COMPARED, len(cell.inputs), height, width), generator=generator) * 2 - 1
    module = TranslationNetwork(cell.model).eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                (images[:2].to(cell.device),),
                input_names=["source"],
                output_names=["translation"],
                dynamic_shapes={"source": {0: torch.export.Dim("slices")}},
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # the exporter raises whatever its passes meet
        first = str(error).strip().splitlines() or [""]
        raise BenchmarkError(f"{cell.title} cannot be exported to ONNX: {type(error).__name__}: {first[0]}") from None
    assert program is not None
    model = program.model_proto
    about = {"cell": cell.record.id, "model": cell.title, "use": "not for clinical use", **_windows(cell)}
    if len(cell.inputs) > 1:
        about["inputs"] = json.dumps(cell.inputs)
    onnx.helper.set_model_props(model, {name: str(value) for name, value in about.items()})
    atomic.write_with(path, lambda temporary: onnx.save_model(model, temporary))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"source": images.numpy()})[0]
    with torch.no_grad():
        ours = cell.model.translate(images.to(cell.device)).float().cpu().numpy()
    difference = float(np.abs(np.clip(ours, -1, 1) - np.clip(theirs, -1, 1)).max())
    target = cell.data.target
    in_unit = float(np.abs(target.inverse(ours) - target.inverse(theirs)).max())
    return Exported(path, difference, in_unit, target.unit)


def _windows(cell: TrainedCell) -> dict[str, str]:
    """How to get from units to network space and back; of several channels each, as ``source T1``."""
    sources = {f"source {each.name}" if cell.data.channels else "source": each.map for each in cell.data.sources}
    return {
        side: json.dumps({**window.to_json(), "network": [-1, 1]})
        for side, window in {**sources, "target": cell.data.target}.items()
    }

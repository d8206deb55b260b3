"""Does the saved state give back the model that made the predictions? Asked before a cell is committed.

A model may keep out of ``state_dict`` what it translates with (a moving average, a table, statistics); its scores would
then be of a model that nobody has. A fresh model, built as 'benchmark translate' builds it, loads the checkpoint and
translates one batch again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.cell import checkpoints
from benchmark.cell.build import build_model, model_context
from benchmark.cell.translate import BATCH, translate_volume
from benchmark.cell.workbench import Workbench
from benchmark.contracts.channels import SourceStack
from benchmark.errors import BenchmarkError
from benchmark.store.predictions import PredictionsReader

TOLERANCE = 1e-3
"""Part of the target's window by which translations of one and the same model may differ, on a GPU say."""
SEED = 0
_ADVICE = "something that it uses is missing from state_dict(), or not taken by load_state_dict()"


def require_faithful(bench: Workbench, model: Any) -> None:
    """Load a cell's checkpoint into a fresh model, and compare what it gives with what was stored.

    Raises:
        BenchmarkError: the checkpoint cannot be read back, or gives another model.
    """
    path = bench.folder.file("checkpoint.pt")
    fresh = build_model(bench.model, bench.spec, model_context(bench.facts, bench.spec, bench.device, training=False))
    if bench.model.kind != "fixed":
        fresh.load_state_dict(_state(path, bench))
    if bench.model.output == "samples":
        off, what = _drawn(fresh, model), "draws"
    else:
        off, what = _translated(bench, fresh, model), "translates"
    if off > TOLERANCE:
        raise BenchmarkError(
            f"a fresh model with its saved state {what} otherwise, by up to {100 * off:.3g} % of the window: {_ADVICE}"
        )


def _state(path: Path, bench: Workbench) -> dict[str, Any]:
    found = checkpoints.load(path, bench.spec.id, bench.device)
    if found is None:
        raise BenchmarkError("its checkpoint cannot be read back; state_dict() must hold tensors and plain values only")
    return found.model


def _translated(bench: Workbench, fresh: Any, model: Any) -> float:
    """By what part of the window a first batch of the split that was translated comes out otherwise."""
    info = bench.dataset.info
    case = next(iter(bench.dataset.iterate(bench.spec.split)))
    source = SourceStack(case.source, info.source_maps, bench.recipe.context)
    with PredictionsReader(bench.folder.predictions) as predictions:
        stored = predictions.read(case.key, case.target.shape)[:BATCH]
    window = info.target_map.high - info.target_map.low

    def translated(by: Any) -> NDArray[np.float64]:
        checkpoints.seed_everything(SEED)
        return translate_volume(by, source, info.target_map, bench.device, most=BATCH)

    again = translated(fresh)
    off = _largest(again, stored) / window
    if off <= TOLERANCE:
        return off
    # a model that draws noise gives other images each time: from one seed both must give the same
    return _largest(again, translated(model)) / window if _largest(translated(model), stored) > 0 else off


def _drawn(fresh: Any, model: Any) -> float:
    """By what part of [-1, 1] two images that are drawn from one seed differ."""

    def drawn(by: Any) -> torch.Tensor:
        checkpoints.seed_everything(SEED)
        with torch.no_grad():
            images: torch.Tensor = by.sample(2, torch.Generator().manual_seed(SEED)).images.float()
        return images

    return float((drawn(fresh) - drawn(model)).abs().max()) / 2


def _largest(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return float(np.abs(one - other).max())

"""Optuna's own plots of a study, as SVG files beside the run: importance, slices, parallel coordinates."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import atomic

if TYPE_CHECKING:
    from optuna import Study

FOLDER = "tuning"
"""Of the run folder; ``benchmark report`` shows what lies there."""


def draw(study: Study, model: str, folder: Path) -> list[Path]:
    """Draw a study's plots; those that Optuna cannot make of so few trials, or of equal ones, are left out."""
    import matplotlib as mpl
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.visualization import matplotlib as plots

    written = []
    evaluator: Callable[[], Any] = PedAnovaImportanceEvaluator
    kinds: dict[str, Callable[[], Any]] = {
        "importance": lambda: plots.plot_param_importances(study, evaluator=evaluator()),
        "slices": lambda: plots.plot_slice(study),
        "coordinates": lambda: plots.plot_parallel_coordinate(study),
    }
    with warnings.catch_warnings(), mpl.rc_context({"backend": "Agg", "svg.hashsalt": model}):
        warnings.simplefilter("ignore")
        for name, make in kinds.items():
            with contextlib.suppress(ValueError, RuntimeError, ImportError):
                atomic.write_bytes(path := folder / FOLDER / f"{model}-{name}.svg", _svg(make()))
                written.append(path)
    return written


def _svg(axes: Any) -> bytes:
    """What was drawn, one or several axes of one figure."""
    import numpy as np
    from matplotlib import pyplot

    figure = np.atleast_1d(axes).ravel()[0].figure
    figure.set_size_inches(11, 5)
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    return stream.getvalue()

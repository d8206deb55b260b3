"""A predictions file by itself: what it holds, against what data, and its volumes as NIfTI files for other programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.data.format.opening import guarded, open_file
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import PREDICTIONS_SCHEMA, CaseKey, text
from benchmark.data.volumes.export import Exported, Grid, described, laid_out, require_new
from benchmark.errors import DatasetError, UsageError
from benchmark.store.folder import CellFolder
from benchmark.store.predictions import PredictionsReader

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ADVICE = "make it again"


def is_predictions(path: Path) -> bool:
    """Whether a file says that it holds predictions; ``False`` also of what cannot be opened."""
    try:
        with open_file(path, ADVICE) as file, guarded(str(path)):
            return "schema" in file.attrs and text(file.attrs["schema"]) == PREDICTIONS_SCHEMA
    except DatasetError:
        return False


def data_of(path: Path, given: Path | None) -> Path | None:
    """The data set that predictions are of: the one given, or the one that the record beside them names and that is
    there."""
    if given is not None:
        return given
    record = CellFolder(path.absolute().parent).read()
    named = Path(record.spec.dataset.path) if record is not None else None
    return named if named is not None and named.is_file() else None


def facts(path: Path, data: Path | None) -> dict[str, Any]:
    """What a file holds, as plain values: range and mean of each study in its unit, and what is lost.

    With the data set also ``mae``, the mean absolute error inside the region in the target's unit.

    Raises:
        DatasetError: a file cannot be read.
        BenchmarkError: the predictions are of another data set.
    """
    with PredictionsReader(path, ADVICE) as stored:
        about: dict[str, Any] = {
            "path": str(path),
            "schema": PREDICTIONS_SCHEMA,
            "unit": stored.unit,
            "split": stored.split,
            "dataset": stored.dataset,
            "data": str(data or ""),
            "lost": dict(stored.lost),
        }
        if data is None:
            return about | {"studies": [_study(stored, key, None) for key in stored.keys]}
        with Dataset(data) as dataset:
            stored.require(dataset.info)
            return about | {"studies": [_study(stored, key, dataset) for key in stored.keys]}


def _study(stored: PredictionsReader, key: CaseKey, dataset: Dataset | None) -> dict[str, Any]:
    import numpy as np

    values = stored.read(key)
    samples, labels = stored.samples(key), stored.labels(key)
    about: dict[str, Any] = {
        "patient": key.patient,
        "study": key.study,
        "shape": list(values.shape),
        "least": float(values.min()),
        "mean": float(values.mean(dtype=np.float64)),
        "greatest": float(values.max()),
        "samples": 0 if samples is None else len(samples),
        "labels": labels is not None,
    }
    if dataset is None:
        return about
    case = dataset.load_sides(key)
    if case.target is None or case.target.shape != values.shape:
        raise DatasetError(f"{stored.path}: case {key} has shape {values.shape}, which its target has not")
    region = case.mask if case.mask.any() else np.ones_like(case.mask)
    error = np.abs(values[region].astype(np.float64) - case.target[region])
    return about | {"mae": float(error.mean())}


def export(path: Path, data: Path, folder: Path, *, grid: Grid, say: Callable[[str], None]) -> list[Exported]:
    """Write ``folder/<patient>/<study>.nii.gz``, as ``benchmark evaluate`` reads them.

    With ``grid="original"`` on the voxels of the target's scan where the importer noted them, else on the stored
    slices. One study is in memory at a time.

    Raises:
        UsageError: the folder holds something already.
        DatasetError: a file cannot be read, or there is no prediction.
        BenchmarkError: the predictions are of another data set.
    """
    from benchmark.data.volumes.nifti import write

    require_new(folder)
    written = []
    with PredictionsReader(path, ADVICE) as stored, Dataset(data) as dataset:
        stored.require(dataset.info)
        if unknown := [key for key in stored.keys if key not in dataset.info.cases]:
            raise DatasetError(f"{path}: {data} has no case {unknown[0]}")
        for key in stored.keys:
            _, affine = dataset.place(key)
            origin = dataset.origins(key).get("target") if grid == "original" else None
            image, exact, filled = laid_out(stored.read(key), affine, origin, "prediction")
            image.header["descrip"] = f"{dataset.info.name} prediction {stored.unit}".encode("ascii", "replace")[:79]
            place = folder / key.patient / f"{key.study}.nii.gz"
            write(place, image)
            written.append(Exported(place, exact, filled))
            say(described(str(key), written[-1]))
        for name, state in stored.lost.items():
            say(f"{name}: {state}")
    if not written:
        raise DatasetError(f"{path}: holds no prediction")
    return written


def picture(path: Path, data: Path, to: Path) -> None:
    """Draw source, target, prediction and their difference of the middle slice of the first patients into a PNG.

    Raises:
        DatasetError: a file cannot be read.
        BenchmarkError: the predictions are of another data set.
        OSError: the picture cannot be written.
        UsageError: there is nothing to draw.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with PredictionsReader(path, ADVICE) as stored, Dataset(data) as dataset:
        stored.require(dataset.info)
        first = {key.patient: key for key in reversed(stored.keys) if key in dataset.info.cases}
        keys = [first[patient] for patient in sorted(first)][:_PATIENTS]
        if not keys:
            raise UsageError(f"{path}: holds no prediction to draw")
        figure = Figure(figsize=(4 * _PANEL, (_PANEL + 0.2) * len(keys) + 0.5), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(f"{dataset.info.name} ({dataset.info.task})".replace("$", r"\$"), fontsize=9)
        for row, key in enumerate(keys):
            axes = [figure.add_subplot(len(keys), 4, 4 * row + column) for column in range(1, 5)]
            _draw(axes, dataset, key, stored.read(key))
        figure.savefig(to, format="png", dpi=120)


_PATIENTS = 4
_PANEL = 1.9


def _draw(axes: list[Any], dataset: Dataset, key: CaseKey, values: NDArray[np.float32]) -> None:
    import numpy as np

    case, info = dataset.load_sides(key), dataset.info
    filled = np.flatnonzero(case.mask.any(axis=(1, 2)))
    number = int(filled[len(filled) // 2]) if filled.size else len(values) // 2
    shades = {"vmin": info.target_map.low, "vmax": info.target_map.high}
    source_map = info.source_maps[0]
    images = {
        str(key): (case.channels[0] if case.channels else None, {"vmin": source_map.low, "vmax": source_map.high}),
        "target": (case.target, shades),
        "prediction": (values, shades),
    }
    if case.target is not None:
        end = 0.25 * (shades["vmax"] - shades["vmin"])
        images[f"difference, ±{end:.4g} {info.target.unit}"] = (values - case.target, {"vmin": -end, "vmax": end})
    for axis, (title, (image, limits)) in zip(axes, images.items(), strict=False):
        axis.set_title(title.replace("$", r"\$"), fontsize=7, loc="left")
        if image is not None:
            colours = "RdBu_r" if title.startswith("difference") else "gray"
            axis.imshow(image[number], cmap=colours, aspect=case.spacing[1] / case.spacing[2], **limits)
    for axis in axes:
        axis.set_axis_off()

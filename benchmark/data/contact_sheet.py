"""One picture of an ``mi2i/1`` file, to see in a minute whether an import went right.

A row per split: for a few of its patients the middle slice of the region, source (each of its channels) beside target
with the region's outline beside the region (with its labels in colours, where there are any), then the joint histogram
of all its patients. Shifted pairs, swapped axes, wrong units and regions that miss the body all show here. Training
images that are not pairs have no joint histogram.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.contracts.intensity import IntensityMap
from benchmark.data.format.cases import DatasetInfo, Sides
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import SPLITS, Side

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_PATIENTS = 3
_BINS = 64
_COLOURS = 20
_PANEL = 1.45
_DPI = 120


def contact_sheet(path: Path | str, picture: Path | str) -> None:
    """Draw the file at ``path`` into the PNG ``picture``; reads every case once.

    Raises:
        DatasetError: the file cannot be read, or breaks the schema.
        OSError: the picture cannot be written.
    """
    import warnings

    with Dataset(path) as dataset, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        draw(dataset).savefig(picture, format="png", dpi=_DPI)


def draw(dataset: Dataset) -> Figure:
    """The contact sheet as a figure that no window system and no global state knows of."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    info = dataset.info
    splits = [split for split in SPLITS if info.splits[split]]
    patients = min(_PATIENTS, max(len(info.splits[split]) for split in splits))
    columns = _per_patient(info) * patients
    figure = Figure(figsize=(_PANEL * (columns + 2.2), _PANEL * 1.25 * len(splits) + 1.7), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(_title(info))
    grid = figure.add_gridspec(
        len(splits) + 1,
        columns + 1,
        width_ratios=[1.0] * columns + [1.25],
        height_ratios=[1.0] * len(splits) + [0.06],
    )
    for row, split in enumerate(splits):
        axes = [figure.add_subplot(grid[row, column]) for column in range(columns)]
        for axis in axes:
            axis.set_axis_off()
        _draw_split(dataset, split, axes, figure.add_subplot(grid[row, columns]))
    sides = zip((*info.sources, info.target), (*info.source_maps, info.target_map), strict=True)
    bars = [columns * place // (len(info.sources) + 1) for place in range(len(info.sources) + 2)]
    for (first, last), (side, fitted) in zip(pairwise(bars), sides, strict=True):
        _colour_bar(figure.add_subplot(grid[len(splits), first:last]), side, fitted)
    return figure


def _per_patient(info: DatasetInfo) -> int:
    """Pictures of a patient: every channel of the source, target, region."""
    return len(info.sources) + 2


def _title(info: DatasetInfo) -> str:
    title = f"{info.name} ({info.task}): {info.source_modality} [{info.source_unit}] to {_side_name(info.target)}"
    return _plain(title) + (f"\n{info.nature}" if info.simulated else "")


def _draw_split(dataset: Dataset, split: str, axes: list[Axes], histogram: Axes) -> None:
    """The pictures of a split's first patients, and the histogram of all of them."""
    import numpy as np

    info = dataset.info
    counts = np.zeros((_BINS, _BINS))
    shown: set[str] = set()
    per_patient = _per_patient(info)
    paired = info.paired or split != "train"
    for case in map(dataset.load_sides, info.in_split(split)):
        if paired:
            counts += _joint_counts(case, info)
        place = per_patient * len(shown)
        if case.key.patient not in shown and place < len(axes):
            _draw_case(case, info, axes[place : place + per_patient])
            shown.add(case.key.patient)
    axes[0].text(
        -0.08, 0.5, split, transform=axes[0].transAxes, rotation=90, ha="right", va="center", weight="bold", fontsize=10
    )
    if paired:
        _draw_histogram(counts, info, split, histogram)
    else:
        histogram.set_axis_off()
        histogram.text(0.0, 0.5, "sources and targets\nare not pairs", transform=histogram.transAxes, fontsize=7)


def _draw_case(case: Sides, info: DatasetInfo, axes: list[Axes]) -> None:
    import numpy as np
    from matplotlib.colors import Normalize

    in_region = np.flatnonzero(case.mask.any(axis=(1, 2)))
    number = int(in_region[len(in_region) // 2]) if len(in_region) else len(case.mask) // 2
    aspect = case.spacing[1] / case.spacing[2]
    *sources, target, mask = axes
    channels = case.channels or (None,) * len(sources)
    for axis, image, fitted in zip(
        (*sources, target), (*channels, case.target), (*info.source_maps, info.target_map), strict=True
    ):
        if image is not None:
            shades = Normalize(fitted.low, fitted.high)
            axis.imshow(image[number], cmap="gray", norm=shades, aspect=aspect, interpolation="nearest")
    region = case.mask[number]
    if region.any() and not region.all():
        (sources[0] if case.target is None else target).contour(
            region, levels=[0.5], colors="tab:orange", linewidths=0.7
        )
    if case.labels is None:
        mask.imshow(region, cmap="gray", vmin=0, vmax=1, aspect=aspect, interpolation="nearest")
    else:
        colours = np.where(region, 1 + case.labels[number] % _COLOURS, 0)
        mask.imshow(colours, cmap=_label_colours(), vmin=0, vmax=_COLOURS, aspect=aspect, interpolation="nearest")
    sources[0].set_title(str(case.key), fontsize=7, loc="left")
    for axis, side in zip(sources[1:], info.sources[1:], strict=True):
        axis.set_title(_plain(side.name), fontsize=7, loc="left")
    target.set_title(f"slice {number}", fontsize=7, loc="left")
    mask.set_title("region" if case.labels is None else "labels in region", fontsize=7, loc="left")


def _label_colours() -> ListedColormap:
    """Black beyond the region, dark grey for label 0 in it, then colours that differ from each other."""
    import matplotlib
    import numpy as np
    from matplotlib.colors import ListedColormap

    distinct = matplotlib.colormaps["tab20"](np.arange(_COLOURS))
    return ListedColormap(np.vstack([(0, 0, 0, 1), (0.25, 0.25, 0.25, 1), distinct[: _COLOURS - 1]]))


def _joint_counts(case: Sides, info: DatasetInfo) -> NDArray[np.float64]:
    """How many voxels of the region have which source (first axis) and target; outside the window: at its edge.

    Of several channels it is the first.
    """
    import numpy as np

    assert case.channels
    assert case.target is not None
    source, target = info.source_maps[0], info.target_map
    return np.histogram2d(
        source.clip(case.channels[0][case.mask]),
        target.clip(case.target[case.mask]),
        bins=_BINS,
        range=[[source.low, source.high], [target.low, target.high]],
    )[0]


def _draw_histogram(counts: NDArray[np.float64], info: DatasetInfo, split: str, axis: Axes) -> None:
    import numpy as np
    from matplotlib.colors import LogNorm

    source, target = info.source_maps[0], info.target_map
    axis.imshow(
        np.ma.masked_equal(counts.T, 0),
        origin="lower",
        extent=(source.low, source.high, target.low, target.high),
        aspect="auto",
        norm=LogNorm(1, max(2.0, counts.max())),
        cmap="viridis",
        interpolation="nearest",
    )
    patients = len(info.splits[split])
    axis.set_title(
        f"{patients} patient{'s' if patients > 1 else ''}, {info.slice_count(split)} slices, log counts",
        fontsize=7,
        loc="left",
    )
    axis.set_xlabel(_plain(_side_name(info.sources[0])), fontsize=7)
    axis.set_ylabel(_plain(_side_name(info.target)), fontsize=7)
    axis.tick_params(labelsize=6)
    axis.locator_params(nbins=4)


def _colour_bar(axis: Axes, side: Side, fitted: IntensityMap) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Normalize

    colours = ScalarMappable(Normalize(fitted.low, fitted.high), cmap="gray")
    bar = Colorbar(axis, colours, orientation="horizontal", extend="both")
    bar.set_label(_plain(_side_name(side)), fontsize=8)
    axis.tick_params(labelsize=7)


def _side_name(side: Side) -> str:
    return f"{side.modality} [{side.unit}]"


def _plain(text: str) -> str:
    """Text from a file as it stands: no formula, no control characters."""
    return "".join(char if char.isprintable() else "?" for char in text).replace("$", r"\$")

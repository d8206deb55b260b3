"""Figures for papers, by matplotlib: cases with error maps and scale bars, and the order of a table.

Text stays text in PDF and SVG; names from files are never read as formulae. Figures belong to no window system.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError, UsageError, unknown_name
from benchmark.leaderboard.tables import LEADING, Column, Table
from benchmark.printable import printable
from benchmark.report.gather import CellFacts, Images, slice_scores

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from benchmark.data.format.cases import Case
    from benchmark.data.format.schema import CaseKey

    Slice = NDArray[np.float32]

CHOSEN = ("worst", "median", "best")
MM = 1 / 25.4
SMALL = 6.5
"""Points: the smallest that journals print."""
BAR_MM = 50.0
"""Length of the bar in the picture."""
STYLE: Any = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none", "font.size": 7.5, "axes.linewidth": 0.6}
FORMATS = ("pdf", "svg", "eps", "png")
MOST_ROWS = 40


@dataclass(frozen=True)
class Look:
    """How cases are drawn. ``window``: lower and upper end in the target's unit; ``error``: end of the error maps;
    ``inset``: row, column and size in pixels of what is enlarged; ``width``: of the figure in mm.
    """

    window: tuple[float, float] | None = None
    error: float | None = None
    inset: tuple[int, int, int] | None = None
    width: float = 175.0
    slice: int | None = None


def case_figure(
    cells: Sequence[CellFacts], column: Column, patients: Sequence[str] = CHOSEN, look: Look | None = None
) -> Figure:
    """Source, target and translations of some patients, each above its signed error.

    ``cells``: of one data set, a column each. ``column``: the metric that is printed, and by whose mean over the cells
    patients are the ``worst``, ``median`` or ``best``; others are given by name.

    Raises:
        UsageError: no such patient or slice.
        BenchmarkError: images or predictions are gone.
    """
    look = look or Look()
    with Images({cell.name: cell for cell in cells}) as images:
        if images.gone:
            raise BenchmarkError("; ".join(images.gone.values()))
        keys = list(dict.fromkeys(_case(patient, cells, column, images) for patient in patients))
        scores = {cell.name: slice_scores(cell, [column.name]) for cell in cells}
        low, high = look.window or (images.info.target_map.low, images.info.target_map.high)
        end = look.error or (high - low) / 5
        channels = len(images.info.sources)
        figure, axes = _grid(len(keys), channels + 1 + len(cells), look.width, images)
        for row, key in enumerate(keys):
            case = images.case(key)
            number = _number(case, look.slice)
            above, below = axes[2 * row], axes[2 * row + 1]
            target, aspect = case.target[number], case.spacing[1] / case.spacing[2]
            for axis, fitted, channel in zip(above, images.info.source_maps, case.channels, strict=False):
                own = (low, high) if fitted.unit == images.info.target.unit else (fitted.low, fitted.high)
                _show(axis, channel[number], own, aspect, look.inset)
            _show(above[channels], target, (low, high), aspect, look.inset)
            _bar(above[channels], case, target.shape)
            above[0].set_ylabel(printable(str(key)), fontsize=SMALL, parse_math=False)
            for place, cell in enumerate(cells, channels + 1):
                volume = images.translation(cell.name, case)
                if volume is None:
                    raise BenchmarkError(f"{cell.title}: has no translation of {key} on the data's grid")
                _show(above[place], volume[number], (low, high), aspect, look.inset)
                error = volume[number] - target
                _show(below[place], error, (-end, end), aspect, look.inset, colours="RdBu_r")
                value = scores[cell.name].get((column.name, key.patient, key.study), {}).get(number)
                text = "" if value is None else f"{column.label} {value:.{column.digits}f} {column.unit}".rstrip()
                below[place].set_xlabel(printable(text), fontsize=SMALL, labelpad=2, parse_math=False)
        sides = (*images.info.sources, images.info.target)
        titles = [*(side.modality for side in sides), *(cell.name for cell in cells)]
        for axis, title in zip(axes[0], titles, strict=True):
            axis.set_title(printable(title), fontsize=SMALL + 0.5, pad=3, parse_math=False)
        _colour_bars(figure, axes, (low, high), end, images.info.target.unit)
        about = f"{images.info.task}, {images.info.name}: {images.info.nature}"
        figure.suptitle(printable(about), fontsize=SMALL, parse_math=False)
        return figure


def _case(wanted: str, cells: Sequence[CellFacts], column: Column, images: Images) -> CaseKey:
    """The study that a name, or a place in the order of patients, means; of a patient's studies the first."""
    keys = images.info.in_split("test")
    if wanted not in CHOSEN:
        named = [key for key in keys if wanted in (key.patient, str(key))]
        if not named:
            raise unknown_name("patient", wanted, [*CHOSEN, *(key.patient for key in keys)])
        return named[0]
    means = {}
    for key in keys:
        values = [cell.patients.get(column.name, {}).get(key.patient) for cell in cells]
        known = [value for value in values if value is not None]
        if known:
            means[key] = fmean(known)
    if not means:
        raise UsageError(f"no patient has a value of {column.name}; name the patients")
    ordered = sorted(means, key=lambda key: means[key], reverse=column.higher_is_better is False)
    return ordered[{"worst": 0, "median": len(ordered) // 2, "best": -1}[wanted]]


def _number(case: Case, asked: int | None) -> int:
    """The slice asked for, else the one with most of the region."""
    if asked is None:
        return int(case.mask.sum(axis=(1, 2)).argmax())
    if not 0 <= asked < len(case.target):
        raise UsageError(f"slice {asked}: {case.key} has slices 0 to {len(case.target) - 1}")
    return asked


def _grid(cases: int, columns: int, width: float, images: Images) -> tuple[Figure, list[list[Axes]]]:
    """Axes without ticks, two rows a case; as high as the pictures need."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    packed = ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01, wspace=0.0, hspace=0.0)
    rows, size = images.info.image_size, width * MM / columns
    height = size * rows[0] / rows[1]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width * MM, cases * (2 * height + 0.16) + 0.62), layout=packed)
        FigureCanvasAgg(figure)
        axes = figure.subplots(2 * cases, columns, squeeze=False)
    for axis in axes.ravel():
        axis.set(xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure, [list(row) for row in axes]


def _show(
    axis: Axes,
    image: Slice,
    limits: tuple[float, float],
    aspect: float,
    inset: tuple[int, int, int] | None,
    colours: str = "gray",
) -> None:
    """A picture; what the inset enlarges is framed, and stands in the lower right corner."""
    look = {"cmap": colours, "vmin": limits[0], "vmax": limits[1], "aspect": aspect, "interpolation": "nearest"}
    axis.imshow(image, **look)  # type: ignore[arg-type]
    if inset is None:
        return
    row, column, size = inset
    part = image[row : row + size, column : column + size]
    if min(part.shape) < 2:
        raise UsageError(f"inset {row},{column},{size}: the picture has {image.shape[0]} x {image.shape[1]} pixels")
    from matplotlib.patches import Rectangle

    axis.add_patch(Rectangle((column - 0.5, row - 0.5), size, size, fill=False, edgecolor="#ffb000", linewidth=0.6))
    corner = axis.inset_axes((0.56, 0.0, 0.44, 0.44))
    corner.imshow(part, **look)  # type: ignore[arg-type]
    corner.set(xticks=[], yticks=[])
    for spine in corner.spines.values():
        spine.set(edgecolor="#ffb000", linewidth=0.6)


def _bar(axis: Axes, case: Case, shape: tuple[int, ...]) -> None:
    """A bar of 50 mm in the lower left corner, or of 10 mm in small pictures."""
    pixel = case.spacing[2]
    length = BAR_MM if BAR_MM / pixel < 0.7 * shape[1] else BAR_MM / 5
    row = shape[0] * 0.95
    axis.plot([2, 2 + length / pixel], [row, row], color="white", linewidth=1.2, solid_capstyle="butt")
    axis.text(2, row - 0.02 * shape[0], f"{length:g} mm", color="white", fontsize=SMALL - 1, va="bottom")


def _colour_bars(
    figure: Figure, axes: Sequence[Sequence[Axes]], limits: tuple[float, float], end: float, unit: str
) -> None:
    """What the shades and the colours are in the unit, in the free places under source and target."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    for place, (colours, low, high, text) in enumerate((("gray", *limits, "image"), ("RdBu_r", -end, end, "error"))):
        holder = axes[1][place]
        inside = holder.inset_axes((0.08, 0.62, 0.84, 0.1))
        made = figure.colorbar(ScalarMappable(Normalize(low, high), colours), cax=inside, orientation="horizontal")
        made.set_ticks([low, high] if low >= 0 else [low, 0, high])
        made.ax.tick_params(labelsize=SMALL - 1, length=1.5, pad=1, width=0.4)
        made.outline.set_linewidth(0.4)
        inside.set_title(printable(f"{text} [{unit}]"), fontsize=SMALL - 0.5, pad=2, parse_math=False)


def table_figure(table: Table, metric: str | None = None) -> Figure:
    """A table's order: rank brackets beside means with 95 % intervals under a metric, by default the primary one.

    Raises:
        UsageError: the table has no such metric, or no row with scores.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = {column.name: column for column in table.columns}
    name = metric or table.primary
    if name not in columns:
        raise unknown_name("metric", name, columns)
    column = columns[name]
    rows = [row for row in table.rows if row.scores][:MOST_ROWS]
    if not rows:
        raise UsageError(f"{table.task}: no model has scores yet")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(175 * MM, 0.75 + 0.19 * len(rows)), layout="constrained")
        FigureCanvasAgg(figure)
        ranks, values = figure.subplots(1, 2, sharey=True)
    for place, row in enumerate(rows):
        colour = "#1a7f4b" if row.tier == LEADING else "#66707c"
        if row.rank is not None and row.rank_range is not None:
            ranks.plot(row.rank_range, [place, place], color=colour, linewidth=1.2)
            ranks.plot([row.rank], [place], "o", color=colour, markersize=4)
        score = row.scores[column.name]
        if score.known:
            interval = score.interval
            if math.isfinite(interval.half_width):
                values.plot([interval.low, interval.high], [place, place], color="#2f6fb2", linewidth=1.2)
            values.plot([interval.mean], [place], "o", color="#2f6fb2", markersize=4)
    ranks.set_yticks(range(len(rows)), [printable(row.name) for row in rows], parse_math=False)
    ranks.invert_yaxis()
    ranks.set_xlabel("rank (line: ranks left open)")
    arrow = {True: "higher is better", False: "lower is better", None: ""}[column.higher_is_better]
    unit = f" [{column.unit}]" if column.unit else ""
    values.set_xlabel(f"{column.label}{unit}{f', {arrow}' if arrow else ''}", parse_math=False)
    for axis in (ranks, values):
        axis.grid(axis="x", linewidth=0.4, alpha=0.5)
        axis.spines[["top", "right"]].set_visible(False)
    simulated = ", simulated data" if table.simulated else ""
    title = f"{table.task}: {table.title}{simulated}, {table.patients} test patients"
    figure.suptitle(printable(title), fontsize=8.5, parse_math=False)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all; the file's ending says as what.

    Raises:
        UsageError: the ending is none of ours.
        BenchmarkError: the file cannot be written.
    """
    import matplotlib

    from benchmark import atomic

    kind = path.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise UsageError(f"{path}: give a name that ends in .{', .'.join(FORMATS)}")
    quiet = {"CreationDate": None} if kind == "pdf" else {"Date": None} if kind == "svg" else None
    try:
        with matplotlib.rc_context(STYLE):
            atomic.write_with(path, lambda part: figure.savefig(part, format=kind, dpi=300, metadata=quiet))
    except OSError as error:
        raise BenchmarkError(f"cannot write {path}: {error.strerror or error}") from None

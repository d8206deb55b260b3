"""Every case of a table beside its truth, as far as the page's size allows: which patients, slices and depth.

The worst, the median and the best patient and the one that models disagree on most come first. Where not everything
fits, all is kept at 256 shades and the first patients finer; where that does not fit either, evenly spaced slices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError
from benchmark.report.gather import CellFacts, Images, Material, slice_scores
from benchmark.report.pixels import Scale, embedded, pack, pack_mask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.contracts.intensity import IntensityMap
    from benchmark.data.format.cases import Case
    from benchmark.data.format.schema import CaseKey, Side
    from benchmark.leaderboard import Table

MOST_MODELS = 16
"""Rows whose images a page shows; the first ones of the table."""
MOST_METRICS = 3
DEPTHS = (15, 5, 3, 1)
"""Steps a shade, finest first; :class:`~benchmark.report.pixels.Scale` says why they are odd."""
FEWEST_SLICES = 8
"""Of a volume; where fewer of all patients fit, fewer patients are shown."""
TEXT = 4 / 3
"""Characters of base64 for a byte."""


@dataclass
class Gallery:
    """The viewer's data of one table: ``about`` is JSON, ``blobs`` are packed images as base64."""

    about: dict[str, Any]
    blobs: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Characters that the images take in the page."""
        return sum(map(len, self.blobs.values()))


@dataclass(frozen=True)
class Portion:
    """What is shown of one case."""

    key: CaseKey
    slices: tuple[int, ...]
    finer: int


def galleries(material: Material, budget: int) -> list[Gallery]:
    """The cases of all tables in at most about ``budget`` characters, of which each table has an equal share."""
    made: list[Gallery] = []
    tables = material.board.tables
    for number, table in enumerate(tables):
        share = max(0, budget) // (len(tables) - number)
        if (shown := gallery(number, table, material.of(table), share)) is not None:
            made.append(shown)
            budget -= shown.size
    return made


def gallery(number: int, table: Table, cells: Mapping[str, Sequence[CellFacts]], budget: int) -> Gallery | None:
    """The cases of a table in at most about ``budget`` characters; ``None`` where no row has images to show."""
    chosen = {
        row.name: cells[row.name][0] for row in table.rows if row.name in cells and cells[row.name][0].has_predictions
    }
    if not chosen:
        return None
    shown = dict(list(chosen.items())[:MOST_MODELS])
    made = Gallery(_about(number, table))
    if len(chosen) > len(shown):
        made.left_out.append(f"images of {len(chosen) - len(shown)} models below the first {MOST_MODELS}")
    if any(len(cells[name]) > 1 for name in shown):
        made.left_out.append("images of all seeds but the first")
    try:
        with Images(shown) as images:
            made.left_out += [f"images of {name}: {reason}" for name, reason in images.gone.items()]
            shown = {name: shown[name] for name in images.names}
            if shown:
                _fill(made, table, shown, images, int(budget / TEXT))
    except BenchmarkError as error:
        made.left_out.append(f"all images: {error}")
    return made


def _about(number: int, table: Table) -> dict[str, Any]:
    named = [column for column in table.columns if column.name in (table.ranked_by or (table.primary,))]
    return {
        "number": number,
        "task": table.task,
        "title": ", ".join(filter(None, [table.title, str(table.budget or "")])),
        "metrics": [
            {"name": c.name, "label": c.label, "unit": c.unit, "digits": c.digits, "higher": c.higher_is_better}
            for c in sorted(named, key=lambda column: column.name != table.primary)[:MOST_METRICS]
        ],
        "models": [],
        "cases": [],
    }


def _fill(made: Gallery, table: Table, shown: Mapping[str, CellFacts], images: Images, budget: int) -> None:
    about, info = made.about, images.info
    rows = {row.name: row for row in table.rows}
    about["view"] = next(iter(shown.values())).view
    modalities = [side.modality for side in info.sources]
    about["sources"] = [
        _side(side, fitted, alike=modalities.count(side.modality) > 1)
        for side, fitted in zip(info.sources, info.source_maps, strict=True)
    ]
    about["target"] = _side(info.target, info.target_map)
    about["models"] = [
        {"name": name, "baseline": rows[name].baseline, "rank": rows[name].rank, "seed": cell.seed}
        for name, cell in shown.items()
    ]
    about["patients"] = {
        patient: [_plain(cell.patients.get(table.primary, {}).get(patient)) for cell in shown.values()]
        for patient in info.splits["test"]
    }
    keys = _first_things_first(list(info.in_split("test")), table, shown)
    if not keys:
        return
    costs = _costs(images, keys[0], about["target"])
    count = len(info.sources) + 1 + len(shown)
    plan = portions({key: info.slices[key] for key in keys}, math.prod(info.image_size), count, costs, budget)
    scores = {name: slice_scores(cell, [metric["name"] for metric in about["metrics"]]) for name, cell in shown.items()}
    spent = 0
    for portion in plan:
        if spent > budget:
            break
        blobs, entry = _portion(about, images, portion, scores, len(about["cases"]))
        spent += sum(len(blob) for blob in blobs.values())
        about["cases"].append(entry)
        made.blobs |= {f"{about['number']}-{name}": embedded(blob) for name, blob in blobs.items()}
    _say_what_is_missing(made, keys, plan[: len(about["cases"])], info.slices)


def _side(side: Side, fitted: IntensityMap, *, alike: bool = False) -> dict[str, Any]:
    """What the viewer is told of a channel or the target; ``alike``: others are of the same modality."""
    modality = f"{side.modality} ({side.name})" if alike else side.modality
    return {"modality": modality, "unit": side.unit, "low": fitted.low, "high": fitted.high}


def _say_what_is_missing(
    made: Gallery, keys: Sequence[CaseKey], done: Sequence[Portion], slices: Mapping[CaseKey, int]
) -> None:
    total, there = sum(slices[key] for key in keys), sum(len(portion.slices) for portion in done)
    if len(done) < len(keys):
        made.left_out.append(f"{len(keys) - len(done)} of {len(keys)} cases")
    if there < total:
        made.left_out.append(f"{total - there} of {total} slices")
    target = made.about["target"]
    steps = {round((target["high"] - target["low"]) / (255 * portion.finer), 4) for portion in done}
    if steps:
        least, most = min(steps), max(steps)
        span = f"{most:g}" if least == most else f"{least:g} to {most:g}"
        made.left_out.append(f"what is finer than {span} {target['unit']} or beyond the window".replace("  ", " "))


def _first_things_first(keys: list[CaseKey], table: Table, shown: Mapping[str, CellFacts]) -> list[CaseKey]:
    """Worst, median, best and most disputed case, then the others, worst first."""
    column = table.primary_column
    higher = column.higher_is_better if column else None
    values = {
        key: [
            value
            for cell in shown.values()
            if (value := cell.patients.get(table.primary, {}).get(key.patient)) is not None
        ]
        for key in keys
    }
    known = [key for key in keys if values[key]]
    ordered = sorted(known, key=lambda key: fmean(values[key]) * (-1 if higher is False else 1))
    if not ordered:
        return keys
    disputed = max(ordered, key=lambda key: max(values[key]) - min(values[key]))
    first = [ordered[0], ordered[len(ordered) // 2], ordered[-1], disputed]
    return list(dict.fromkeys([*first, *ordered, *keys]))


def portions(
    slices: Mapping[CaseKey, int], pixels: int, images: int, costs: Mapping[int, float], budget: int
) -> list[Portion]:
    """What is shown of which case, in ``budget`` bytes. ``costs``: bytes a voxel by depth."""
    keys = list(slices)
    voxels = {key: count * pixels * images for key, count in slices.items()}
    total = sum(voxels.values())
    for finer in DEPTHS:
        if finer > 1 and total * costs[finer] <= budget:
            return [Portion(key, tuple(range(slices[key])), finer) for key in keys]
    if total * costs[1] <= budget:
        left, plan = budget - total * costs[1], []
        for key in keys:
            more = voxels[key] * (costs[3] - costs[1])
            finer = 3 if more <= left else 1
            left -= more if finer == 3 else 0
            plan.append(Portion(key, tuple(range(slices[key])), finer))
        return plan
    each = pixels * images * costs[3]
    room = int(budget // each)
    fewest = min(FEWEST_SLICES, max(slices.values()))
    if room < 1:
        return []
    if room < fewest * len(keys):
        keys = keys[: max(1, room // fewest)]
    share = max(1, room // len(keys))
    return [Portion(key, _spread(slices[key], share), 3) for key in keys]


def _spread(count: int, wanted: int) -> tuple[int, ...]:
    """Evenly spaced numbers from ``0..count-1``; a single one is the middle."""
    if wanted >= count:
        return tuple(range(count))
    return tuple(int((place + 0.5) * count / wanted) for place in range(wanted))


def _costs(images: Images, key: CaseKey, target: Mapping[str, float]) -> dict[int, float]:
    """Bytes a voxel at each depth, from the target and the first translation of a case."""
    case = images.case(key)
    middle = slice(len(case.target) // 3, len(case.target) // 3 + 4)
    translations = (images.translation(name, case) for name in images.names[:3])
    samples = [case.target[middle], *(values[middle] for values in translations if values is not None)]
    costs = {}
    for finer in DEPTHS:
        scale = Scale(target["low"], target["high"], finer)
        costs[finer] = fmean(len(pack(scale.quantise(sample), scale)) / sample.size for sample in samples)
    return costs


def _portion(
    about: Mapping[str, Any],
    images: Images,
    portion: Portion,
    scores: Mapping[str, Mapping[tuple[str, str, str], Mapping[int, float]]],
    place: int,
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Packed images of a case, and what the viewer has to know of them."""
    case, numbers = images.case(portion.key), list(portion.slices)
    target = Scale(about["target"]["low"], about["target"]["high"], portion.finer)
    blobs = {
        f"{place}-mask": pack_mask(case.mask[numbers]),
        f"{place}-target": pack(target.quantise(case.target[numbers]), target),
    }
    for at, (side, channel) in enumerate(zip(about["sources"], case.channels, strict=True)):
        scale = Scale(side["low"], side["high"], portion.finer)
        blobs[f"{place}-source" + (f"-{at}" if at else "")] = pack(scale.quantise(channel[numbers]), scale)
    spread = Spread(case.mask[numbers])
    there = []
    for at, model in enumerate(about["models"]):
        values = images.translation(model["name"], case)
        there.append(values is not None)
        if values is not None:
            blobs[f"{place}-{at}"] = pack(target.quantise(values[numbers]), target)
            if not model["baseline"]:
                spread.add(values[numbers])
    entry = {
        "patient": portion.key.patient,
        "study": portion.key.study,
        "shape": [len(numbers), *case.target.shape[1:]],
        "slices": numbers,
        "of": len(case.target),
        "spacing": [round(value, 5) for value in case.spacing],
        "finer": portion.finer,
        "there": there,
        "disagreement": _plain(spread.mean()),
        "scores": [
            [_slices(scores[model["name"]], metric["name"], case, numbers) for model in about["models"]]
            for metric in about["metrics"]
        ],
    }
    return blobs, entry


def _slices(
    scores: Mapping[tuple[str, str, str], Mapping[int, float]], metric: str, case: Case, numbers: Sequence[int]
) -> list[float | None]:
    mine = scores.get((metric, case.key.patient, case.key.study), {})
    return [_plain(mine.get(number)) for number in numbers]


class Spread:
    """Standard deviation over translations by voxel, averaged over the region; the volumes are not kept."""

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        import numpy as np

        self._mask, self._count = mask, 0
        self._sum = np.zeros(int(mask.sum()), np.float64)
        self._squares = np.zeros_like(self._sum)

    def add(self, values: NDArray[np.float32]) -> None:
        """Count one translation in."""
        import numpy as np

        inside = np.nan_to_num(values[self._mask].astype(np.float64))
        self._count += 1
        self._sum += inside
        self._squares += inside**2

    def mean(self) -> float | None:
        """``None`` for less than two translations, or an empty region."""
        import numpy as np

        if self._count < 2 or not len(self._sum):
            return None
        variance = self._squares / self._count - (self._sum / self._count) ** 2
        return float(np.sqrt(np.maximum(variance, 0)).mean())


def _plain(value: float | None) -> float | None:
    """A number that JSON has, with five digits."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")

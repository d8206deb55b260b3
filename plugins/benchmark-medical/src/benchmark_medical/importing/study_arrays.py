"""One study as the arrays of a case: on one grid, cut into slices, with its region and structures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.checks.persons import fingerprint
from benchmark.data.format.schema import role_words
from benchmark.data.volumes.geometry import (
    SIDES,
    VIEWS,
    CaseFault,
    Slicing,
    Volume,
    common_box,
    crop,
    describe,
    resample,
    same_grid,
    slicing,
)
from benchmark_medical.importing.masks import region_of
from benchmark_medical.importing.notes import count
from benchmark_medical.importing.options import ScanOptions
from benchmark_medical.importing.region import body_mask, filled
from benchmark_medical.importing.sources import spread
from benchmark_medical.importing.studies import Image, Study


@dataclass(frozen=True)
class Prepared:
    """The arguments of ``add_case`` for one study, a line about it, what has to be told, and whose content it is."""

    case: dict[str, Any]
    note: str
    told: tuple[str, ...]
    content: tuple[str, ...]


def prepare(study: Study, options: ScanOptions) -> Prepared:
    """Read a study, and bring it into the form of a case.

    Raises:
        CaseFault: it cannot be used; says why.
    """
    scans = _read(study)
    told = [
        f"{role_words(role)}: {text}"
        for role, scan in scans.items()
        for text in scan.told
        if study.source is not study.target
    ]
    told += [text for text in scans["target"].told if study.source is study.target] if "target" in scans else []
    grid = scans.get("target") or next(iter(scans.values()))
    sources = {role: scan for role, scan in scans.items() if role != "target"}
    if study.aligned and "target" in scans:
        for role, scan in sources.items():
            _require_grid(role_words(role), scan, grid)
    elif not study.own_grids:
        _require_one_grid(sources)
    region, of_mask = _region(study, scans, grid, options)
    told += of_mask
    box = _shared_box(sources, grid)
    fixed = crop(grid, box)
    cut = slicing(fixed, VIEWS[options.axis], options.size, own_pixels=options.own_pixels, pixel_mm=options.spacing)
    images, inside, units = {}, region[box], _units(study, options)
    for role, scan in scans.items():
        moved, covered = resample(scan, fixed)
        inside = inside & covered
        images[role] = _stored(cut.apply(moved.data, float(moved.data.min())), units[role])
    inside = cut.apply(inside, 0.0) > 0.5
    enough, varied = _useful(images, inside, options.min_body)
    useful = np.flatnonzero(enough & varied)
    if not useful.size:
        empty, constant = _counts(enough, varied)
        files = ", ".join(dict.fromkeys(image.name for image in study.sides.values()))
        raise CaseFault(f"{files}: no slice is left, {empty} without enough body, {constant} constant")
    # one affine and spacing hold for a whole study: nothing may be taken out between the ends
    kept = slice(int(useful[0]), int(useful[-1]) + 1)
    inside[~(enough & varied)] = False
    affine = cut.affine.copy()
    affine[:3, 3] += affine[:3, 2] * kept.start
    arrays: dict[str, NDArray[np.generic]] = {**images, "mask": inside}
    if study.labels is not None:
        structures = study.labels.read()
        told += [f"labels: {text}" for text in structures.told]
        _require_grid("labels", structures, grid)
        arrays["labels"] = _sliced_labels(structures.data[box], cut, study.labels.name)
    content = fingerprint(grid.data)
    case = {
        **_by_side({role: array[kept] for role, array in arrays.items()}),
        "spacing": cut.spacing,
        "affine": affine,
        "origins": {role: scan.origin for role, scan in scans.items() if scan.origin},
        "physics": {
            **{f"{role.replace('/', '_')}_file": image.name for role, image in study.sides.items()},
            "slices": list(range(kept.start, kept.stop)),
            "body": _origin(study),
            **({"content": content} if content else {}),
        },
    }
    return Prepared(case, _note(enough, varied, kept), tuple(told), tuple(content))


def _by_side(arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, Any]:
    """Arrays as a case is given them: the channels of a source, where it has several, by name."""
    sides: dict[str, Any] = {}
    for role, array in arrays.items():
        side, _, name = role.partition("/")
        if name:
            sides.setdefault(side, {})[name] = array
        else:
            sides[side] = array
    return sides


def _units(study: Study, options: ScanOptions) -> dict[str, str]:
    """The unit of every image of a study by role."""
    sources = [role for role in study.sides if role != "target"]
    units = spread("source-unit", options.source_unit, sources) if sources else ()
    return {**dict(zip(sources, units, strict=True)), "target": options.target_unit}


def _read(study: Study) -> dict[str, Volume]:
    """The sides of a study, a clean image once."""
    found: dict[Image, Volume] = {}
    for image in study.sides.values():
        if image not in found:
            found[image] = image.read()
    return {role: found[image] for role, image in study.sides.items()}


def _origin(study: Study) -> str:
    """Where the region comes from."""
    if study.mask:
        return "given"
    if study.whole:
        return "the whole image"
    return "where the target is not 0" if study.stripped else "made from the images"


def _require_grid(what: str, volume: Volume, grid: Volume) -> None:
    if not same_grid(volume, grid):
        raise CaseFault(f"{what} and target differ in grid: {describe(what, volume)}, {describe('target', grid)}")


def _require_one_grid(sources: Mapping[str, Volume]) -> None:
    """Channels are registered to each other: nobody but the scanner says so where their grids differ.

    Raises:
        CaseFault: they do.
    """
    roles = list(sources)
    for role in roles[1:]:
        if not same_grid(sources[role], sources[roles[0]]):
            first, other = (describe(role_words(name), sources[name]) for name in (roles[0], role))
            raise CaseFault(
                f"the source's channels lie on different grids: {first}, {other}; register and resample them to one, "
                "or give --any-grid where the scanner's coordinates are to be trusted"
            )


def _shared_box(sources: Mapping[str, Volume], grid: Volume) -> tuple[slice, slice, slice]:
    """The part of the grid that all channels cover.

    Raises:
        CaseFault: there is none.
    """
    boxes = [common_box(scan, grid) for scan in sources.values()] or [common_box(grid, grid)]
    x, y, z = (
        slice(max(part.start for part in parts), min(part.stop for part in parts)) for parts in zip(*boxes, strict=True)
    )
    if any(part.start >= part.stop for part in (x, y, z)):
        listed = ", ".join(describe(role_words(role), scan) for role, scan in sources.items())
        raise CaseFault(f"no part of the target is covered by all channels: {listed}")
    return x, y, z


def _region(
    study: Study, scans: Mapping[str, Volume], grid: Volume, options: ScanOptions
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Where scores will be computed, on the study's grid, and what has to be told of it."""
    if study.mask is not None:
        mask = study.mask.read()
        _require_grid("mask", mask, grid)
        return region_of(mask, study.mask.name)
    if study.whole:
        return np.ones(grid.data.shape, bool), ()
    along = SIDES[VIEWS[options.axis][2]][0]
    if study.stripped:
        return filled(grid.data != 0, along), ()
    units = _units(study, options)
    role = _shows_body(units) if len(scans) > 1 else next(iter(scans))
    region = body_mask(scans[role].data, units[role], along)
    if scans[role] is grid:
        return region, ()
    on_grid, _ = resample(Volume(region.astype(np.float32), scans[role].affine), grid)
    return on_grid.data > 0.5, ()


def _shows_body(units: Mapping[str, str]) -> str:
    """The image that shows the body best: CT if there is one, else MR rather than PET, else the target."""
    if units["target"] == "HU":
        return "target"
    anatomical = [role for role, unit in units.items() if unit != "SUV"] if units["target"] == "SUV" else []
    return next((role for role, unit in units.items() if unit == "HU"), next(iter(anatomical), "target"))


def _sliced_labels(data: NDArray[np.float32], cut: Slicing, name: str) -> NDArray[np.uint8]:
    """Structures as slices: of each pixel the one that fills most of it, 0 included."""
    values = [int(value) for value in np.unique(data)]
    if any(value < 0 or value > 255 for value in values) or (data % 1).any():
        raise CaseFault(f"{name}: labels are whole numbers from 0 to 255, not {data.min():g} to {data.max():g}")
    shares = np.stack([cut.apply(data == value, float(value == 0)) for value in values])
    labels: NDArray[np.uint8] = np.array(values, np.uint8)[shares.argmax(0)]
    return labels


def _note(enough: NDArray[np.bool_], varied: NDArray[np.bool_], kept: slice) -> str:
    """How many slices a study has, and which kinds were dropped or left without a region."""
    between = _counts(enough[kept], varied[kept])
    empty, constant = (total - some for total, some in zip(_counts(enough, varied), between, strict=True))
    note = count(kept.stop - kept.start, "slice")
    if empty or constant:
        note += f"; dropped at the ends: {empty} with too little body, {constant} constant"
    if any(between):
        note += f"; kept between them without a region: {between[0]} with too little body, {between[1]} constant"
    return note


def _counts(enough: NDArray[np.bool_], varied: NDArray[np.bool_]) -> tuple[int, int]:
    """How many slices have too little body, and how many of the others are constant."""
    return int((~enough).sum()), int((enough & ~varied).sum())


def _stored(slices: NDArray[np.float32], unit: str) -> NDArray[np.generic]:
    """Whole HU as int16, masks as the share of the pixel that they fill, all else as it is."""
    if unit == "HU":
        return np.clip(np.rint(slices), -32768, 32767).astype(np.int16)
    if unit == "mask" and (largest := float(slices.max())) > 0:
        shares: NDArray[np.float32] = np.clip(slices / largest, 0, 1)
        return shares
    return slices


def _useful(
    images: Mapping[str, NDArray[np.generic]], inside: NDArray[np.bool_], least: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which slices have enough body, and in which of these both images vary there."""
    enough = inside.mean((1, 2)) >= max(least, 1.0 / inside[0].size)
    varied = enough.copy()
    for index in np.flatnonzero(enough):
        varied[index] = all(np.ptp(image[index][inside[index]]) > 0 for image in images.values())
    return enough, varied

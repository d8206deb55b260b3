"""Bring the cases of an ``mi2i/1`` file back to NIfTI: on the grids of the scans they came from, or as stored."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmark import atomic
from benchmark.data.format.chunks import read_array
from benchmark.data.format.opening import guarded
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import ROLES, CaseKey, Origin, role_words, source_roles
from benchmark.errors import DatasetError, UsageError

if TYPE_CHECKING:
    import nibabel as nib
    import numpy as np
    from numpy.typing import NDArray

MANIFEST = "manifest.csv"
Grid = Literal["original", "stored"]
_SLAB_VOXELS = 1_000_000


@dataclass(frozen=True)
class Exported:
    """One written volume."""

    path: Path
    exact: bool
    """Every stored value stands there unchanged; else it was interpolated."""
    filled: float
    """Share of the volume that the file does not hold, such as slices beyond the body; background stands there."""


def export(
    path: Path, folder: Path, *, roles: Collection[str], splits: Collection[str], grid: Grid, say: Callable[[str], None]
) -> list[Exported]:
    """Write ``folder/<patient>/<study>/<role>.nii.gz`` and a manifest that ``data import nifti-pairs`` reads.

    The channels of a source are ``source-<name>.nii.gz`` each, and columns ``source/<name>`` of the manifest.

    With ``grid="original"`` a side goes back to the voxels, orientation and number type of its scan, where the
    importer noted them; the mask and labels to those of the target. Else, and with ``grid="stored"``, slices are
    written as they are stored. One case is in memory at a time.

    Raises:
        UsageError: the folder holds something already.
        DatasetError: the file cannot be read, or holds none of the roles.
    """
    require_new(folder)
    written: list[Exported] = []
    rows: list[dict[str, str]] = []
    with Dataset(path) as dataset:
        sources = source_roles(dataset.info.sources)
        columns = [role for role in (*sources, *ROLES[1:]) if role.partition("/")[0] in roles]
        for split in splits:
            for key in dataset.info.in_split(split):
                found = _export_case(dataset, key, folder, columns, grid)
                written += found.values()
                files = {role: one.path.relative_to(folder).as_posix() for role, one in found.items()}
                rows.append({"patient": key.patient, "study": key.study, "split": split, **files})
                say(f"{key}: {', '.join(described(role, one) for role, one in found.items()) or 'nothing'}")
    if not written:
        raise DatasetError(f"{path}: no case of {', '.join(splits)} holds {' or '.join(roles)}")
    table = io.StringIO()
    writer = csv.DictWriter(table, ["patient", "study", "split", *columns], restval="")
    writer.writeheader()
    writer.writerows(rows)
    atomic.write_text(folder / MANIFEST, table.getvalue())
    return written


def require_new(folder: Path) -> None:
    """Make sure that a folder can be made, and that nothing in it is written over.

    Raises:
        UsageError: it holds something already, or cannot be made.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} holds something already; name an empty or new folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.rmdir()
    except OSError as error:
        raise UsageError(f"{folder} cannot be made ({error.strerror or error}); name another folder") from None


def _export_case(
    dataset: Dataset, key: CaseKey, folder: Path, roles: Collection[str], grid: Grid
) -> dict[str, Exported]:
    from benchmark.data.volumes.nifti import write

    origins = dataset.origins(key) if grid == "original" else {}
    _, affine = dataset.place(key)
    found: dict[str, Exported] = {}
    units = dict(zip(source_roles(dataset.info.sources), (side.unit for side in dataset.info.sources), strict=True))
    units["target"] = dataset.info.target.unit
    for role in roles:
        with guarded(f"{dataset.path}: case {key}"):
            group = dataset.file[f"cases/{key}"]
            stored = read_array(group[role]) if role in group else None
        if stored is None:
            continue
        origin = origins.get(role) or (origins.get("target") if role in ("mask", "labels") else None)
        image, exact, filled = laid_out(stored, affine, origin, role)
        place = folder / key.patient / key.study / f"{role.replace('/', '-')}.nii.gz"
        words = f"{dataset.info.name} {role_words(role)} {units.get(role, '')}".rstrip()
        image.header["descrip"] = words.encode("ascii", "replace")[:79]
        write(place, image)
        found[role] = Exported(place, exact, filled)
    return found


def laid_out(
    stored: NDArray[np.number], affine: NDArray[np.float64], origin: Origin | None, role: str
) -> tuple[nib.Nifti1Image, bool, float]:
    """A stored array ``(Z, H, W)`` as an image on its scan's grid, whether all its values came over, what is filled."""
    import nibabel as nib
    import numpy as np

    if origin is None:
        data, matrix, exact, filled = stored.T, affine, True, 0.0
    else:
        data, covered = _on(origin, stored, affine, role)
        matrix = np.asarray(origin.affine)
        exact, filled = _same_voxels(affine, matrix), 1.0 - float(covered.mean())
        data = _typed(data, stored.dtype if role in ("mask", "labels") else np.dtype(origin.dtype), stored.dtype)
    image = nib.Nifti1Image(np.ascontiguousarray(data), matrix)
    image.set_qform(matrix, 1)
    image.set_sform(matrix, 1)
    image.header.set_xyzt_units("mm")
    return image, exact, filled


def _on(
    origin: Origin, stored: NDArray[np.number], affine: NDArray[np.float64], role: str
) -> tuple[NDArray[np.number], NDArray[np.bool_]]:
    """Stored slices on a scan's voxels ``(x, y, z)``, and which of these they cover."""
    import numpy as np

    from benchmark.data.volumes.geometry import Volume
    from benchmark.data.volumes.placing import place, place_labels

    matrix = np.asarray(origin.affine)
    x, y, z = origin.shape
    volume = Volume(stored.T.astype(np.float32), affine)
    moved, covered = place(volume, matrix, (z, y, x), float(stored.min()))
    if role in ("mask", "labels"):
        # the nearest voxel's, a slab at a time: all coordinates at once would take a hundred bytes a voxel
        step = max(1, _SLAB_VOXELS // (x * y))
        slabs = []
        for start in range(0, z, step):
            further = np.eye(4)
            further[2, 3] = start
            slabs.append(place_labels(volume, matrix @ further, (min(step, z - start), y, x)))
        return np.concatenate(slabs).T, covered.T
    return moved.T, covered.T


def _typed(data: NDArray[np.number], wanted: np.dtype[np.number], stored: np.dtype[np.number]) -> NDArray[np.number]:
    """The values as the scan's type where that holds them, else as the stored type."""
    import numpy as np

    values = np.rint(data) if stored.kind in "iu" else data
    if wanted.kind == "f":
        return values.astype(wanted)
    limits = np.iinfo(str(wanted))
    if values.min() >= limits.min and values.max() <= limits.max and not (values % 1).any():
        return values.astype(wanted)
    return values.astype(stored)


def _same_voxels(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """Whether one grid is the other turned, mirrored, cut or padded by whole voxels."""
    import numpy as np

    steps = np.linalg.inv(first) @ second
    return bool(np.abs(steps - np.rint(steps)).max() < 1e-3 and np.abs(np.abs(steps[:3, :3]).sum(0) - 1).max() < 1e-3)


def described(role: str, one: Exported) -> str:
    """What was written, in words."""
    notes = [] if one.exact else ["interpolated"]
    if one.filled > 5e-4:
        notes.append(f"{100 * one.filled:.0f} % not in the file")
    return f"{role} ({', '.join(notes)})" if notes else role

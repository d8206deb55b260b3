"""What was imported comes back as NIfTI: on the scan's own voxels, in its orientation and type, to the last bit."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import pytest
from command_line import CommandLine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform
from numpy.typing import NDArray
from small_datasets import TARGET, write

from benchmark.contracts.intensity import Window
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import Origin, Side, origins_from_json
from benchmark.data.format.writer import DatasetWriter
from benchmark.data.volumes.export import MANIFEST, Exported, export
from benchmark.data.volumes.geometry import VIEWS, CaseFault, Volume, slicing
from benchmark.data.volumes.nifti import read
from benchmark.errors import DatasetError, UsageError

ORIENTATIONS = [
    "".join(sides) for axes in itertools.permutations(("LR", "AP", "IS")) for sides in itertools.product(*axes)
]
MR = Side("MR", "a.u.", Window(0, 4000))


def oriented(orientation: str, shape: tuple[int, int, int], *, oblique: float = 0.0) -> NDArray[np.float64]:
    """An affine of a scan whose axes run to these sides, slightly turned."""
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(oblique), -np.sin(oblique)], [np.sin(oblique), np.cos(oblique)]]
    ras = turn @ np.array([[0.9, 0, 0, -31.5], [0, 0.8, 0, 12.25], [0, 0, 3.0, 7.0], [0, 0, 0, 1]])
    back = ornt_transform(axcodes2ornt(orientation), axcodes2ornt("RAS"))
    order = np.argsort(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(orientation))[:, 0]).astype(int)
    turned = tuple(shape[axis] for axis in np.argsort(order))
    affine: NDArray[np.float64] = ras @ np.linalg.inv(inv_ornt_aff(back, shape)) if turned else ras
    return affine


def imported(
    path: Path, scan: Path, *, view: str = "axial", size: int, cut: slice = slice(None), own_pixels: bool = False
) -> NDArray[Any]:
    """A data set of one patient's CT on both sides, as an importer makes it of whole pixels, and a second patient."""
    found = read(scan)
    slices = slicing(found.volume, VIEWS[view], size, own_pixels=own_pixels)
    stored = np.rint(slices.apply(found.volume.data, -1024)).astype(np.int16)[cut]
    affine = slices.affine.copy()
    affine[:3, 3] += affine[:3, 2] * (cut.start or 0)
    mask = stored > 0
    mask[:, 0, 0] = True
    with DatasetWriter(path, task="t", name="n", source=MR, target=TARGET, simulated=False) as writer:
        for patient in ("a", "b"):
            writer.add_case(
                patient,
                "s1",
                source=stored.astype(np.float32) / 3,
                target=stored,
                mask=mask,
                labels=mask * 7,
                spacing=slices.spacing,
                affine=affine,
                origins={"source": found.volume.origin, "target": found.volume.origin},
            )
        writer.set_splits({"train": ["b"], "test": ["a"]})
    return stored


def hu(shape: tuple[int, int, int], seed: int = 0) -> NDArray[np.int16]:
    return np.random.default_rng(seed).integers(-1024, 3072, shape).astype(np.int16)


def exported(path: Path, folder: Path, **more: Any) -> list[Exported]:
    arguments: dict[str, Any] = {"roles": ("target",), "splits": ("test",), "grid": "original", **more}
    return export(path, folder, say=lambda _: None, **arguments)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    orientation=st.sampled_from(ORIENTATIONS),
    view=st.sampled_from(sorted(VIEWS)),
    shape=st.tuples(*[st.integers(2, 9)] * 3),
    oblique=st.sampled_from([0.0, 0.2]),
)
def test_whole_hu_survive_import_and_export_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory,
    orientation: str,
    view: str,
    shape: tuple[int, int, int],
    oblique: float,
) -> None:
    place = tmp_path_factory.mktemp("x")
    # one voxel size in all directions, so that padding to a square leaves the voxels alone
    affine = oriented(orientation, shape, oblique=oblique)
    affine[:3, :3] /= np.linalg.norm(affine[:3, :3], axis=0)
    values = hu(shape)
    nib.save(nib.Nifti1Image(values, affine), place / "ct.nii.gz")
    assert "".join(nib.aff2axcodes(affine)) == orientation
    along = next(
        axis
        for axis, side in enumerate(orientation)
        if side in {"axial": "IS", "coronal": "AP", "sagittal": "LR"}[view]
    )
    size = max(length for axis, length in enumerate(shape) if axis != along)
    imported(place / "d.h5", place / "ct.nii.gz", view=view, size=size)
    (one,) = exported(place / "d.h5", place / "out")
    back = nib.load(one.path)
    assert one.exact
    assert one.filled == 0
    assert back.get_data_dtype() == np.int16
    np.testing.assert_allclose(back.affine, affine, atol=1e-4)
    np.testing.assert_array_equal(np.asanyarray(back.dataobj), values)


@settings(max_examples=25, deadline=None)
@given(orientation=st.sampled_from(ORIENTATIONS), shape=st.tuples(*[st.integers(2, 9)] * 3), more=st.integers(0, 5))
def test_own_pixels_survive_padding_to_any_size(
    tmp_path_factory: pytest.TempPathFactory, orientation: str, shape: tuple[int, int, int], more: int
) -> None:
    place = tmp_path_factory.mktemp("x")
    affine = oriented(orientation, shape)
    affine[:3, :3] *= 0.7 / np.linalg.norm(affine[:3, :3], axis=0)
    values = hu(shape)
    nib.save(nib.Nifti1Image(values, affine), place / "ct.nii.gz")
    imported(place / "d.h5", place / "ct.nii.gz", size=max(shape) + more, own_pixels=True)
    (one,) = exported(place / "d.h5", place / "out")
    assert (one.exact, one.filled) == (True, 0)
    np.testing.assert_array_equal(np.asanyarray(nib.load(one.path).dataobj), values)


def test_own_pixels_that_are_not_square_or_do_not_fit_are_refused() -> None:
    def scan(spacing: tuple[float, float, float]) -> Volume:
        return Volume(np.zeros((8, 8, 4), np.float32), np.diag([*spacing, 1.0]))

    with pytest.raises(CaseFault, match="not square"):
        slicing(scan((1, 1.2, 3)), VIEWS["axial"], 8, own_pixels=True)
    with pytest.raises(CaseFault, match="do not fit into 7 x 7"):
        slicing(scan((1, 1, 3)), VIEWS["axial"], 7, own_pixels=True)


def test_slices_that_were_not_kept_are_filled_and_counted(tmp_path: Path) -> None:
    values = hu((8, 8, 10))
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "ct.nii.gz")
    stored = imported(tmp_path / "d.h5", tmp_path / "ct.nii.gz", size=8, cut=slice(2, 9))
    (one,) = exported(tmp_path / "d.h5", tmp_path / "out")
    back = np.asanyarray(nib.load(one.path).dataobj)
    np.testing.assert_array_equal(back[:, :, 2:9], values[:, :, 2:9])
    assert (back[:, :, [0, 1, 9]] == stored.min()).all()
    assert one.filled == pytest.approx(0.3)


def test_resampled_scans_come_back_on_their_grid_and_are_called_interpolated(tmp_path: Path) -> None:
    x, y = np.mgrid[:32, :32]
    values = np.repeat((10 * x + 20 * y)[:, :, None], 4, axis=2).astype(np.int16)
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "ct.nii.gz")
    imported(tmp_path / "d.h5", tmp_path / "ct.nii.gz", size=16)
    (one,) = exported(tmp_path / "d.h5", tmp_path / "out")
    back = np.asanyarray(nib.load(one.path).dataobj)
    assert not one.exact
    assert back.shape == values.shape
    assert np.abs(back.astype(int) - values)[4:-4, 4:-4].max() <= 16


def test_masks_and_labels_follow_the_target_and_keep_their_numbers(tmp_path: Path) -> None:
    values = hu((12, 8, 3))
    nib.save(nib.Nifti1Image(values, np.diag([-1.0, 1, 3, 1])), tmp_path / "ct.nii.gz")
    imported(tmp_path / "d.h5", tmp_path / "ct.nii.gz", size=12)
    found = exported(tmp_path / "d.h5", tmp_path / "out", roles=("source", "target", "mask", "labels"))
    images = {one.path.name.removesuffix(".nii.gz"): nib.load(one.path) for one in found}
    assert {role: image.get_data_dtype() for role, image in images.items()} == {
        "source": np.float32,
        "target": np.int16,
        "mask": np.uint8,
        "labels": np.uint8,
    }
    target, mask, labels = (np.asanyarray(images[role].dataobj) for role in ("target", "mask", "labels"))
    assert ((target > 0) <= (mask == 1)).all()
    np.testing.assert_array_equal(labels, mask * 7)
    np.testing.assert_array_equal(np.asanyarray(images["source"].dataobj), (values.astype(np.float32) / 3))


def test_stored_slices_are_written_as_they_are_where_no_scan_is_known(tmp_path: Path) -> None:
    path = write(tmp_path / "d.h5")
    for grid in ("stored", "original"):
        found = exported(path, tmp_path / grid, roles=("source", "target", "mask"), splits=("val",), grid=grid)
        with h5py.File(path) as file:
            for one in found:
                back = nib.load(one.path)
                stored = file["cases/val0/s1"][one.path.name.removesuffix(".nii.gz")]
                np.testing.assert_array_equal(np.asanyarray(back.dataobj), stored[()].T)
                assert back.get_data_dtype() == stored.dtype
                np.testing.assert_allclose(back.affine, file["cases/val0/s1"].attrs["affine"])
                assert one.exact


def test_the_command_writes_a_manifest_and_never_over_anything(tmp_path: Path, toy: CommandLine) -> None:
    path, out = write(tmp_path / "d.h5", splits={"train": 1, "val": 1, "test": 2}), tmp_path / "out"
    ended = toy("data", "export", str(path), str(out), "--split", "test", "--role", "target", "--role", "mask")
    assert ended.returncode == 0, ended.stderr
    assert "wrote 4 volumes" in ended.stdout
    with (out / MANIFEST).open() as table:
        rows = list(csv.DictReader(table))
    assert [(row["patient"], row["study"], row["split"]) for row in rows] == [
        ("test0", "s1", "test"),
        ("test1", "s1", "test"),
    ]
    assert all((out / row["target"]).is_file() and (out / row["mask"]).is_file() for row in rows)
    again = toy("data", "export", str(path), str(out))
    assert again.returncode == 2
    assert "holds something already" in again.stderr
    for option, value, words in (
        ("--role", "labels", "no case"),
        ("--role", "taget", "target"),
        ("--grid", "x", "grid"),
    ):
        ended = toy("data", "export", str(path), str(tmp_path / "other"), option, value)
        assert ended.returncode == 2
        assert words in ended.stderr
        assert "Traceback" not in ended.stderr
        assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "written",
    [
        "[]",
        "{",
        '{"target": 3}',
        '{"target": {"shape": [4, 4], "affine": [], "dtype": "int16"}}',
        '{"target": {"shape": [4, 4, 1e12], "affine": [[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]], "dtype": "int16"}}',
        '{"target": {"shape": [4, 4, 4], "affine": [[0,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]], "dtype": "int16"}}',
        '{"target": {"shape": [4, 4, 4], "affine": [[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]], "dtype": "object; rm"}}',
    ],
)
def test_a_broken_origin_is_an_error(written: str) -> None:
    with pytest.raises(DatasetError):
        origins_from_json(written, "here")


def test_types_that_no_scan_has_count_as_float() -> None:
    assert Origin.of((1, 2, 3), np.eye(4), np.complex64).dtype == "float32"
    assert Origin.of((1, 2, 3), np.eye(4), ">i2").dtype == "int16"


def test_export_refuses_a_file_in_the_way(tmp_path: Path) -> None:
    path = write(tmp_path / "d.h5")
    with pytest.raises(UsageError, match="holds something"):
        exported(path, path)
    with Dataset(path) as dataset:
        assert dataset.origins(dataset.info.cases[0]) == {}

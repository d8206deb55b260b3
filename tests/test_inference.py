"""Translating volumes: on the source's grid, in the target's unit, with nothing flipped, shifted or lost."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from command_line import CommandLine
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import made
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform

from benchmark.contracts.intensity import IntensityMap
from benchmark.data.format.facts import DataFacts
from benchmark.data.format.orientation import view_of
from benchmark.data.volumes.geometry import VIEWS, Volume, slicing
from benchmark.data.volumes.nifti import read, write
from benchmark.errors import UsageError
from benchmark.inference.fusion import fuse_file, fused
from benchmark.inference.onnx_export import _windows
from benchmark.inference.trained_cell import TrainedCell
from benchmark.inference.translate import list_files, translate, translate_file

HU = IntensityMap("HU", -1024.0, 2000.0)


class Copy:
    """The source; ``seen`` are the shapes it was shown."""

    def __init__(self, *, pointwise: bool) -> None:
        self.pointwise = pointwise
        self.seen: list[tuple[int, ...]] = []

    def translate(self, source: torch.Tensor) -> torch.Tensor:
        self.seen.append(tuple(source.shape[1:]))
        return source.clone()


def cell(
    *, size: int = 16, axis: str = "axial", pixel: float = 2.0, target: IntensityMap = HU, pointwise: bool = False
) -> TrainedCell:
    facts = DataFacts(
        "x",
        False,
        False,
        "MR",
        "CT",
        HU,
        target,
        (size, size),
        VIEWS[axis],
        (3.0, pixel, pixel),
        (pixel, pixel),
        "0" * 64,
    )
    record = made({"task": "mr-ct", "model": "copy", "state": "done", "scores": {}})
    return TrainedCell(record, Copy(pointwise=pointwise), facts, torch.device("cpu"), ())


def volume(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Volume:
    data = np.random.default_rng(1).integers(-1024, 2001, shape).astype(np.float32)
    return Volume(data, np.diag([*spacing, 1.0]))


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
def test_the_identity_gives_back_the_input_exactly_on_the_networks_own_grid(axis: str) -> None:
    shape = {"axial": (16, 16, 5), "coronal": (16, 5, 16), "sagittal": (5, 16, 16)}[axis]
    source = volume(shape, (2.0, 2.0, 2.0))
    result = translate(cell(axis=axis), source)
    assert result.data.dtype == np.int16
    assert result.warnings == ()
    np.testing.assert_array_equal(result.data, source.data)


def test_a_pointwise_identity_gives_back_any_volume_exactly() -> None:
    source = volume((23, 11, 7), (0.9, 1.7, 3.0))
    result = translate(cell(pointwise=True), source)
    np.testing.assert_array_equal(result.data, source.data)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(*[st.integers(4, 30)] * 2, st.integers(1, 4)),
    spacing=st.tuples(*[st.floats(0.5, 4.0)] * 3),
)
def test_a_linear_ramp_survives_the_way_to_the_network_and_back(
    shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> None:
    x, y, _ = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij")
    ramp = (3.0 * x * spacing[0] + 2.0 * y * spacing[1]).astype(np.float32)
    grid = Volume(ramp, np.diag([*spacing, 1.0]))
    cut = slicing(grid, "LPS", 16)
    back = cut.restore(cut.apply(ramp, 0.0).astype(np.float64))
    pixel = cut.spacing[1]
    margins = [int(np.ceil(2 * pixel / step)) for step in spacing[:2]]
    middle = tuple(slice(margin, count - margin) for margin, count in zip(margins, shape[:2], strict=True))
    if ramp[middle].size:
        np.testing.assert_allclose(back[middle], ramp[middle], atol=1e-2)


@pytest.mark.parametrize("view", [*VIEWS.values(), "RAS", "SRA"])
def test_how_stored_slices_lie_is_read_off_their_affine(view: str) -> None:
    cut = slicing(volume((6, 7, 8), (1.0, 1.5, 2.0)), view, 16)
    assert view_of(cut.affine) == view


@given(
    st.permutations(range(3)),
    st.lists(st.sampled_from((-1.0, 1.0)), min_size=3, max_size=3),
    st.lists(st.floats(0.1, 5), min_size=3, max_size=3),
    st.lists(st.floats(-0.25, 0.25), min_size=9, max_size=9),
)
def test_views_of_tilted_slices_are_those_that_nibabel_names(
    axes: list[int], senses: list[float], spacing: list[float], tilt: list[float]
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3)[:, axes] * senses + np.reshape(tilt, (3, 3))) * spacing
    assert view_of(affine) == "".join(nib.aff2axcodes(affine))


def test_the_network_sees_its_own_size_and_the_user_hears_of_another_scale() -> None:
    loaded = cell()
    result = translate(loaded, volume((40, 30, 3), (2.0, 2.0, 3.0)))
    assert loaded.model.seen == [(1, 16, 16)]  # type: ignore[attr-defined]
    assert result.data.shape == (40, 30, 3)
    assert any("another scale" in text for text in result.warnings)


def test_the_user_hears_of_a_volume_in_another_unit() -> None:
    source = volume((16, 16, 2), (2.0, 2.0, 3.0))
    suv = Volume(np.abs(source.data) * 1e4, source.affine)
    assert any("is the volume in HU" in text for text in translate(cell(), suv).warnings)


def test_air_around_a_body_is_no_reason_to_doubt_its_unit() -> None:
    source = volume((16, 16, 4), (2.0, 2.0, 3.0))
    data = np.full(source.data.shape, -3000.0, np.float32)
    data[5:11, 5:11] = 100 + np.arange(6, dtype=np.float32)[:, None, None]
    assert not any("is the volume in" in text for text in translate(cell(), Volume(data, source.affine)).warnings)
    data[5:11, 5:11] += 4000
    assert any("above the source window" in text for text in translate(cell(), Volume(data, source.affine)).warnings)


class TestFolders:
    def files(self, folder: Path, *names: str) -> None:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"scan")

    def test_subfolders_are_translated_under_their_own_names(self, tmp_path: Path) -> None:
        self.files(tmp_path / "in", "p1/t1.nii.gz", "p2/t1.NII.GZ", "t1.nii", "p1/._t1.nii.gz", "p1/notes.txt")
        pairs = list_files(tmp_path / "in", tmp_path / "out")
        names = [source.relative_to(tmp_path / "in").as_posix() for source, _ in pairs]
        assert names == ["p1/t1.nii.gz", "p2/t1.NII.GZ", "t1.nii"]
        assert [target for _, target in pairs] == [tmp_path / "out" / name for name in names]

    def test_earlier_translations_below_the_folder_are_no_sources(self, tmp_path: Path) -> None:
        self.files(tmp_path / "in", "t1.nii.gz", "out/t1.nii.gz")
        assert [a.name for a, _ in list_files(tmp_path / "in", tmp_path / "in" / "out")] == ["t1.nii.gz"]

    def test_what_cannot_be_is_said(self, tmp_path: Path) -> None:
        self.files(tmp_path / "in", "a/scan.mha")
        with pytest.raises(UsageError, match=r"in this folder or below; there is 1 \.mha"):
            list_files(tmp_path / "in", tmp_path / "out")
        self.files(tmp_path / "in", "t1.nii")
        with pytest.raises(UsageError, match="among their sources"):
            list_files(tmp_path / "in", tmp_path / "in")
        with pytest.raises(UsageError, match="is a file"):
            list_files(tmp_path / "in", tmp_path / "in" / "t1.nii")


class Adds(Copy):
    """The source with something added to it."""

    def __init__(self, amount: float) -> None:
        super().__init__(pointwise=False)
        self.amount = amount

    def translate(self, source: torch.Tensor) -> torch.Tensor:
        return super().translate(source) + self.amount


class TestFusion:
    def adding(self, hu: int, axis: str = "axial") -> TrainedCell:
        return replace(cell(axis=axis), model=Adds(hu / 1512.0))

    def test_it_is_the_mean_of_what_cells_of_any_direction_make(self) -> None:
        source = volume((16, 16, 16), (2.0, 2.0, 2.0))
        inner = Volume(np.clip(source.data, -900, 1900), source.affine)
        three = [self.adding(3), self.adding(-1, "coronal"), self.adding(4, "sagittal")]
        result = fused(three, inner)
        assert result.data.dtype == np.int16
        np.testing.assert_array_equal(result.data, inner.data + 2)

    def test_nothing_is_rounded_before_the_mean(self) -> None:
        source = Volume(np.full((16, 16, 3), 7.0, np.float32), np.diag([2.0, 2.0, 3.0, 1.0]))
        source.data[4:12, 4:12] = 500
        result = fused([replace(cell(), model=Adds(0.4 / 1512.0)), replace(cell(), model=Adds(0.8 / 1512.0))], source)
        np.testing.assert_array_equal(result.data, source.data + 1)

    def test_one_cell_alone_is_its_own_mean_and_warnings_name_their_cell(self) -> None:
        small = volume((40, 30, 3), (2.0, 2.0, 3.0))
        alone, together = translate(cell(), small), fused([cell(), cell()], small)
        np.testing.assert_array_equal(alone.data, together.data)
        assert together.warnings == tuple(f"{cell().title}: {text}" for text in alone.warnings) * 2

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"target": IntensityMap("a.u.", 0.0, 1.0)}, "into CT in a.u., mr-ct/copy/s0 into CT in HU"),
            ({"source_modality": "PET"}, "translates from source (PET, HU)"),
            ({"target_modality": "T2"}, "into T2 in HU"),
        ],
    )
    def test_what_translates_something_else_is_refused(self, changes: dict[str, Any], said: str) -> None:
        other = replace(cell(), data=replace(cell().data, **changes))
        with pytest.raises(UsageError, match=re.escape(said)):
            fused([cell(), other], volume((16, 16, 3), (2.0, 2.0, 3.0)))

    def test_a_file_says_which_cells_it_is_of(self, tmp_path: Path) -> None:
        nib.save(nib.Nifti1Image(np.zeros((16, 16, 3), np.int16), np.diag([2.0, 2.0, 3.0, 1.0])), tmp_path / "a.nii")
        fuse_file([cell(), cell()], tmp_path / "a.nii", tmp_path / "b.nii")
        image = nib.load(tmp_path / "b.nii")
        assert np.asarray(image.dataobj).dtype == np.int16
        assert image.header["descrip"].item().decode() == f"copy {cell().record.id} and 1 more, not for clinical use"


def test_other_units_stay_float32() -> None:
    suv = IntensityMap("SUV", 0.0, 10.0)
    result = translate(cell(target=suv, pointwise=True), volume((4, 4, 4), (1.0, 1.0, 1.0)))
    assert result.data.dtype == np.float32
    assert result.data.min() >= 0
    assert result.data.max() <= 10


def test_a_root_map_is_undone_on_the_way_out_and_kept_in_records_and_exports() -> None:
    suv = IntensityMap("SUV", 0.0, 8.0, "root")
    loaded = cell(target=suv, pointwise=True)
    facts = replace(loaded.data, source=suv)
    uptake = np.abs(np.random.default_rng(2).normal(0, 2, (5, 6, 7))).astype(np.float32)
    result = translate(replace(loaded, data=facts), Volume(uptake, np.eye(4)))
    np.testing.assert_allclose(result.data, np.minimum(uptake, 8.0), atol=8 * 2**-24)
    again = DataFacts.from_json(json.loads(json.dumps(facts.to_json())))
    assert (again.source, again.target) == (suv, suv)
    exported = _windows(replace(loaded, data=facts))
    assert json.loads(exported["source"]) == {**suv.to_json(), "network": [-1, 1]}
    assert json.loads(exported["source"])["curve"] == "root"


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SLA"])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_files_come_back_on_their_own_grid(tmp_path: Path, codes: str, name: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-1000, 1500, (5, 6, 7)).astype(np.int16)
    to_codes = ornt_transform(axcodes2ornt(codes), axcodes2ornt("RAS"))
    affine = np.diag([1.5, 2.0, 3.0, 1.0]) @ inv_ornt_aff(to_codes, values.shape)
    affine[:3, 3] += (10.0, -20.0, 30.0)
    image = nib.Nifti1Image(values, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 2)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, tmp_path / name)
    assert "".join(nib.aff2axcodes(affine)) == "".join(nib.aff2axcodes(nib.load(tmp_path / name).affine))
    translate_file(cell(pointwise=True), tmp_path / name, tmp_path / "out" / name)
    back = nib.load(tmp_path / "out" / name)
    np.testing.assert_array_equal(np.asarray(back.dataobj), values)
    np.testing.assert_allclose(back.affine, image.affine, atol=1e-6)
    assert back.get_data_dtype() == np.int16
    assert [int(back.header[f"{form}_code"]) for form in ("qform", "sform")] == [1, 2]
    assert back.header.get_zooms() == image.header.get_zooms()
    assert back.header.get_xyzt_units() == ("mm", "sec")


def test_a_file_without_space_codes_keeps_what_it_has(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.full((4, 4, 4), 7, np.int16), None)
    image.header.set_zooms((2.0, 2.0, 3.0))
    nib.save(image, tmp_path / "plain.nii")
    scan = read(tmp_path / "plain.nii")
    write(tmp_path / "again.nii", scan.like(scan.volume.data, "x"))
    again = nib.load(tmp_path / "again.nii")
    np.testing.assert_allclose(again.affine, nib.load(tmp_path / "plain.nii").affine)
    assert again.header.get_zooms() == (2.0, 2.0, 3.0)


@pytest.fixture(scope="module")
def trained(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A folder with a finished toy run and volumes to translate."""
    command = CommandLine.make(tmp_path_factory.mktemp("inference"))
    command.adopt(finished)
    scans = command.folder / "scans"
    scans.mkdir()
    values = np.random.default_rng(0).uniform(0, 300, (16, 16, 3)).astype(np.float32)
    for name in ("one", "two"):
        nib.save(nib.Nifti1Image(values, np.eye(4)), scans / f"{name}.nii.gz")
    (scans / "torn.nii.gz").write_bytes((scans / "one.nii.gz").read_bytes()[:200])
    return command


@pytest.mark.slow
def test_a_folder_is_translated_and_what_cannot_be_used_is_named(trained: CommandLine) -> None:
    done = trained("translate", "results/run/toy-shift/toy-affine/s0", "scans", "made")
    assert done.returncode == 1
    assert "skipped scans/torn.nii.gz" in done.stdout
    assert sorted(path.name for path in (trained.folder / "made").iterdir()) == ["one.nii.gz", "two.nii.gz"]
    made = np.asarray(nib.load(trained.folder / "made" / "one.nii.gz").dataobj)
    assert made.dtype == np.float32
    assert made.std() > 1
    again = trained("translate", "results/run/toy-shift/toy-affine/s0", "scans", "made")
    assert again.returncode == 2
    assert "--overwrite" in again.stderr


def test_how_a_model_samples_may_be_changed_and_is_told(trained: CommandLine) -> None:
    cell, scan = "results/run/toy-shift/toy-copy/s0", "scans/one.nii.gz"
    assert trained("translate", cell, scan, "as-scored.nii").returncode == 0
    other = trained("translate", cell, scan, "other.nii", "-p", "gain=0.5")
    assert other.returncode == 0, other.stderr
    assert "translated with gain=0.5; it was scored with gain=1.0" in other.stderr
    before, after = (np.asarray(nib.load(trained.folder / name).dataobj) for name in ("as-scored.nii", "other.nii"))
    assert not np.allclose(before, after)
    for typed, said in (
        ("layers=3", "'layers' cannot be changed after training; those that may be: gain"),
        ("gian=1", "'gian' cannot be changed after training"),
        ("gain=much", "toy-copy.gain"),
        ("gain", "write OPTION=VALUE"),
    ):
        refused = trained("translate", cell, scan, "none.nii", "-p", typed)
        assert refused.returncode == 2, typed
        assert said in refused.stderr
        assert not (trained.folder / "none.nii").exists()
    none = trained("translate", "results/run/toy-shift/toy-affine/s0", scan, "none.nii", "-p", "bias=no")
    assert "it has none that may be" in none.stderr


def test_translate_gives_what_was_scored(trained: CommandLine) -> None:
    """A stored case, written as NIfTI and translated, equals the stored prediction."""
    import h5py

    record = trained.records("results/run")["toy-affine"]
    data = Path(record["spec"]["dataset"]["path"])
    predictions = trained.folder / "results/run/cells" / record["id"] / "predictions.h5"
    with h5py.File(data) as file, h5py.File(predictions) as translated:
        patient = file["splits/test"][0].decode()
        case = file[f"cases/{patient}/s1"]
        affine = case.attrs["affine"]
        stored = translated[f"{patient}/s1"][()]
        # stored arrays are (slice, row, column), the affine takes (column, row, slice)
        nib.save(nib.Nifti1Image(case["source"][()].transpose(2, 1, 0), affine), trained.folder / "case.nii")
    done = trained("translate", f"results/run/{record['id'][:6]}", "case.nii", "made.nii", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"][0]["warnings"] == []
    made = np.asarray(nib.load(trained.folder / "made.nii").dataobj).transpose(2, 1, 0)
    np.testing.assert_allclose(made, stored, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("results/run/nothing", "scans", "x"), "no cell 'nothing'"),
        (("results/run/toy-shift", "scans", "x"), "means 3 cells"),
        (("elsewhere/cell", "scans", "x"), "no run there"),
        (("results/run/toy-shift/toy-copy/s0", "absent.nii", "x.nii"), "no such file or folder"),
        (("results/run/toy-shift/toy-copy/s0", "scans/one.nii.gz", "x.png"), "end its name in .nii.gz"),
    ],
)
def test_what_cannot_be_translated_is_said_in_one_line(
    trained: CommandLine, arguments: tuple[str, ...], message: str
) -> None:
    done = trained("translate", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_an_exported_model_gives_the_same_translation(trained: CommandLine) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    done = trained("export", "results/run/toy-shift/toy-affine/s0", "--onnx", "-o", "affine.onnx", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["difference"] < 1e-5
    session = onnxruntime.InferenceSession(str(trained.folder / "affine.onnx"), providers=["CPUExecutionProvider"])
    assert session.run(None, {"source": np.zeros((3, 1, 16, 16), np.float32)})[0].shape == (3, 1, 16, 16)
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["source"])["high"] == 400


def test_exporting_says_what_is_missing(trained: CommandLine) -> None:
    done = trained("export", "results/run/toy-shift/toy-affine/s0")
    assert done.returncode == 2
    assert "--onnx" in done.stderr

"""``benchmark evaluate``: predictions made anywhere, found by name, placed by affine, refused when they cannot fit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import pytest
from command_line import CommandLine
from small_datasets import write

from benchmark.contracts.specs import ReaderSpec
from benchmark.data.format.cases import Case
from benchmark.data.format.reader import Dataset
from benchmark.data.volumes.geometry import CaseFault, Volume, slicing
from benchmark.data.volumes.placing import place, place_labels
from benchmark.errors import BenchmarkError, DatasetError, UsageError
from benchmark.evaluation.evaluate import Evaluation, Request, evaluate, withdraw
from benchmark.evaluation.predictions import Lost, open_predictions
from benchmark.registry import plugins
from benchmark.registry.plugins import Registry
from benchmark.store.folder import RunFolder

PATIENTS = ("test0", "test1", "test2")


PLUGIN = """
import numpy as np
from benchmark import MetricSpec, MetricUse, ProfileSpec, TaskSpec, hookimpl


class MeanAbsoluteError:
    def score(self, images):
        errors = np.abs(images.prediction - images.target)
        return np.array([error[mask].mean() for error, mask in zip(errors, images.mask)])


class Overlap:
    def score(self, images):
        return float((images.labels == images.predicted_labels).mean())


@hookimpl
def benchmark_tasks():
    yield TaskSpec("mr-ct", "nowhere:build", profile="plain", source_modality="MR", target_modality="CT",
                   source_unit="a.u.", target_unit="HU")


@hookimpl
def benchmark_metrics():
    yield MetricSpec("mae", f"{__name__}:MeanAbsoluteError", label="MAE", higher_is_better=False, unit="target")
    yield MetricSpec("overlap", f"{__name__}:Overlap", label="overlap", higher_is_better=True, level="volume",
                     requires=("labels",))


@hookimpl
def benchmark_profiles():
    yield ProfileSpec("plain", 1, (MetricUse("mae", clip=False), MetricUse("overlap")), primary="mae")
    yield ProfileSpec("eight-bit", 1, (MetricUse("mae", scale="0..255"),), primary="mae")
    yield ProfileSpec("suv", 1, (MetricUse("mae"),), primary="mae", units=("SUV",))
    yield ProfileSpec("masked", 1, (MetricUse("mae"),), primary="mae", needs_mask=True)
"""
"""One task in HU, two metrics and some profiles."""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Only that plugin."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "plugin_of_evaluate").mkdir()
    (folder / "plugin_of_evaluate" / "__init__.py").write_text(PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield plugins.load([EntryPoint("made-up", "plugin_of_evaluate", "benchmark.plugins")])
    del sys.modules["plugin_of_evaluate"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "data.h5", splits={"train": 1, "test": 3}, slices=4, side=12)


@pytest.fixture
def run(registry: Registry, data: Path, tmp_path: Path) -> Callable[..., Evaluation]:
    def call(predictions: Path, **more: Any) -> Evaluation:
        values = {"task": "mr-ct", "into": tmp_path / "run", "name": "mine", "data": data, **more}
        return evaluate(registry, Request(predictions=predictions, **values))

    return call


def cases(data: Path) -> dict[str, Case]:
    with Dataset(data) as dataset:
        return {case.key.patient: case for case in dataset.iterate("test")}


def nifti(path: Path, slices: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.ascontiguousarray(slices.T), affine), path)


def folder_of(path: Path, data: Path, error: float = 10.0) -> Path:
    """A folder of NIfTI predictions on the stored grid, each off by ``error`` HU."""
    for patient, case in cases(data).items():
        nifti(path / f"{patient}.nii.gz", (case.target + error).astype(np.float32), case.affine)
    return path


def mae(evaluation: Evaluation) -> Any:
    return evaluation.record.scores["mae"].to_json()


def test_a_folder_of_nifti_files_is_scored_and_kept(run: Any, data: Path, tmp_path: Path, registry: Registry) -> None:
    done = run(folder_of(tmp_path / "p", data))
    assert mae(done)["patients"] == pytest.approx(dict.fromkeys(PATIENTS, 10.0))
    assert mae(done)["unit"] == "HU"
    assert (done.expected, done.missing, done.failed, done.unused) == (3, (), {}, ())
    assert done.record.scores["overlap"].to_json() == {"state": "skipped", "reason": "no label maps"}
    (record,) = RunFolder(tmp_path / "run").records(verify=True)
    assert record.state == "done"
    assert record.profile == "plain/1"


@pytest.mark.parametrize(("split", "role"), [("test", "target"), ("test", "source"), ("train", "target")])
def test_data_whose_pixels_were_exchanged_are_not_scored_on(
    run: Any, data: Path, tmp_path: Path, split: str, role: str
) -> None:
    """Targets overwritten by a prediction, say, with the stated hashes kept."""
    predictions = folder_of(tmp_path / "p", data)
    with h5py.File(data, "r+") as file:
        patient = file["splits"][split][0].decode()
        array = file[f"cases/{patient}/s1/{role}"]
        array[...] = array[...] + 1
    with pytest.raises(DatasetError, match=r"the pixels of .*data\.h5 hash to .*nothing can be scored on it"):
        run(predictions)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("layout", ["{}", "{}_s1", "{}/s1"])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".npy"])
def test_files_are_found_by_patient_and_study(run: Any, data: Path, tmp_path: Path, layout: str, ending: str) -> None:
    for patient, case in cases(data).items():
        path = tmp_path / "p" / f"{layout.format(patient)}{ending}"
        if ending == ".npy":
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, case.target - 5)
        else:
            nifti(path, case.target - 5, case.affine)
    assert mae(run(tmp_path / "p"))["mean"] == pytest.approx(5.0)


def test_endings_in_capitals_are_read_and_files_of_macos_are_not(run: Any, data: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "p", data)
    (folder / "test0.nii.gz").rename(folder / "test0.NII.GZ")
    (folder / "._test1.nii.gz").write_bytes(b"Mac OS X")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "test2.nii.gz").write_bytes(b"Mac OS X")
    evaluation = run(folder)
    assert len(evaluation.scored) == 3
    assert evaluation.unused == ()


@pytest.mark.parametrize("damage", [b"}", b"(", b"'descr'"])
def test_a_damaged_array_costs_its_own_study_only(run: Any, data: Path, tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "p").mkdir()
    for patient, case in cases(data).items():
        np.save(tmp_path / "p" / f"{patient}.npy", case.target)
    file = tmp_path / "p" / "test1.npy"
    content = file.read_bytes()
    file.write_bytes(content.replace(damage, b" " * len(damage), 1))
    evaluation = run(tmp_path / "p")
    assert len(evaluation.scored) == 2
    assert "test1.npy: cannot be read" in evaluation.failed["test1/s1"]


@pytest.mark.parametrize("name", ["test0.mha", "test0.nrrd", "sub/test0.png"])
def test_what_is_there_instead_is_named(run: Any, tmp_path: Path, name: str) -> None:
    (file := tmp_path / "p" / name).parent.mkdir(parents=True)
    file.write_bytes(b"values")
    with pytest.raises(UsageError, match=rf"there is {name}"):
        run(tmp_path / "p")


def volume_of_text(path: Path) -> Volume:
    """A reader of a plugin: a constant on a grid that covers everything."""
    if not (content := path.read_text()).strip():
        raise CaseFault(f"{path.name}: empty")
    return Volume(np.full((40, 40, 40), float(content), np.float32), np.diag([100.0, 100.0, 100.0, 1.0]) - 50)


def test_readers_of_plugins_read_what_is_named_after_patients(data: Path, tmp_path: Path) -> None:
    """Files with the values of a header are no unused ones; a fault of a reader costs its study."""
    reader = ReaderSpec("text", f"{__name__}:volume_of_text", endings=(".head",), beside=(".values",))
    (tmp_path / "p").mkdir()
    for name, content in {"test0.head": "7", "test0.values": "", "test1.head": " ", "other.values": ""}.items():
        (tmp_path / "p" / name).write_text(content)
    with Dataset(data) as dataset:
        predictions = open_predictions(tmp_path / "p", dataset.info, [reader])
        of = {case.key.patient: case for case in dataset.iterate("test")}
        with pytest.raises(Lost, match=r"failed: test1.head: empty"):
            predictions.prediction(of["test1"])
        with pytest.raises(Lost, match="missing"):
            predictions.prediction(of["test2"])
        assert (predictions.prediction(of["test0"]) == 7).all()
        assert predictions.unused() == ["other.values"]


def test_links_out_of_the_folder_are_not_followed(run: Any, data: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "p", data)
    (folder / "test0.nii.gz").rename(tmp_path / "elsewhere.nii.gz")
    (folder / "test0.nii.gz").symlink_to(tmp_path / "elsewhere.nii.gz")
    evaluation = run(folder)
    assert evaluation.missing == ("test0/s1",)
    assert evaluation.unused == ("test0.nii.gz (a link that leads out of the folder)",)


@pytest.mark.parametrize("axes", [((0, 1), (1, 1), (2, 1)), ((1, -1), (2, 1), (0, -1)), ((2, -1), (0, -1), (1, 1))])
def test_the_affine_says_where_a_volume_lies(run: Any, data: Path, tmp_path: Path, axes: Any) -> None:
    """However the file's axes are ordered and turned, the voxels come back to the last bit."""
    for patient, case in cases(data).items():
        image = nib.Nifti1Image(np.ascontiguousarray(case.target.T), case.affine)
        nib.save(image.as_reoriented(np.array(axes)), tmp_path / f"{patient}.nii.gz")
    (tmp_path / "p").mkdir()
    for path in tmp_path.glob("*.nii.gz"):
        path.rename(tmp_path / "p" / path.name)
    assert mae(run(tmp_path / "p"))["patients"] == dict.fromkeys(PATIENTS, 0.0)


def test_an_hdf5_file_is_scored_as_the_folder(run: Any, data: Path, tmp_path: Path) -> None:
    with Dataset(data) as dataset, h5py.File(tmp_path / "p.h5", "w") as file:
        file.attrs.update(schema="mi2i-predictions/1", unit="HU", dataset=dataset.info.content_sha256)
        for case in dataset.iterate("test"):
            file[str(case.key)] = case.target + 10
    assert mae(run(tmp_path / "p.h5"))["mean"] == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"schema": "other"}, "schema is 'other'"),
        ({"unit": "SUV"}, "predictions in SUV, targets in HU"),
        ({"dataset": "0" * 64}, "made from another data set"),
    ],
)
def test_an_hdf5_file_for_something_else_is_refused(
    run: Any, tmp_path: Path, attributes: dict[str, str], message: str
) -> None:
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file.attrs.update({"schema": "mi2i-predictions/1", "unit": "HU", **attributes})
    with pytest.raises(UsageError, match=message):
        run(tmp_path / "p.h5")


class TestWhatIsLost:
    def test_missing_and_unusable_studies_are_counted_and_have_no_value(
        self, run: Any, data: Path, tmp_path: Path, registry: Registry
    ) -> None:
        folder = folder_of(tmp_path / "p", data)
        (folder / "test0.nii.gz").unlink()
        broken = cases(data)["test1"]
        values = broken.target.copy()
        values[0, 0, :3] = np.nan
        nifti(folder / "test1.nii.gz", values, broken.affine)
        nifti(folder / "somebody.nii.gz", values, broken.affine)
        done = run(folder)
        assert done.missing == ("test0/s1",)
        assert done.failed == {"test1/s1": f"{folder.name}/test1.nii.gz: 3 of 576 voxels are NaN or infinite"}
        assert done.unused == ("somebody.nii.gz",)
        score = mae(done)
        assert score["patients"] == {"test0": None, "test1": None, "test2": pytest.approx(10.0)}
        assert (score["n_expected"], score["n_scored"], score["n_failed"]) == (3, 1, 2)
        from benchmark.runs.verify import Verifier

        (record,) = done.folder.records(verify=True)
        assert Verifier(done.folder, registry).examine(record) == ""

    def test_states_stand_in_the_rows(self, run: Any, data: Path, tmp_path: Path) -> None:
        import pyarrow.parquet as pq

        folder = folder_of(tmp_path / "p", data)
        (folder / "test0.nii.gz").unlink()
        done = run(folder)
        table = pq.read_table(done.folder.cell(done.record.id).file("scores.parquet")).to_pylist()
        assert {row["state"] for row in table if row["patient"] == "test0"} == {"missing"}
        of_metric = [row for row in table if row["metric"] == "mae" and row["patient"] == "test2"]
        assert [row["slice"] for row in of_metric] == [0, 1, 2, 3]

    def test_nothing_usable_is_an_error_that_names_what_is_expected(self, run: Any, data: Path, tmp_path: Path) -> None:
        case = cases(data)["test0"]
        nifti(tmp_path / "p" / "patient7.nii.gz", case.target, case.affine)
        with pytest.raises(UsageError, match=r"expects test0/s1, test1/s1.*there is patient7\.nii\.gz"):
            run(tmp_path / "p")
        assert not list((tmp_path / "run").glob("cells/*"))

    def test_a_volume_somewhere_else_is_not_this_patient(self, run: Any, data: Path, tmp_path: Path) -> None:
        folder = folder_of(tmp_path / "p", data)
        case = cases(data)["test0"]
        away = case.affine.copy()
        away[:3, 3] += 12.0
        nifti(folder / "test0.nii.gz", case.target, away)
        assert "of the region; is it of this patient?" in run(folder).failed["test0/s1"]


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda hu: np.clip((hu + 1024) / 1512 - 1, -1, 1), "as network outputs do"),
            (lambda hu: np.clip((hu + 1024) / 3024, 0, 1), "as network outputs do"),
            (lambda hu: np.clip((hu + 1024) / 3024 * 255, 0, 255), "never below 0 .8 bit"),
            (lambda hu: hu + 1024, "never below 0"),
            (lambda hu: hu * 1000.0, "they reach"),
        ],
    )
    def test_values_that_cannot_be_in_the_unit(
        self, run: Any, data: Path, tmp_path: Path, change: Callable[[Any], Any], message: str
    ) -> None:
        for patient, case in cases(data).items():
            nifti(tmp_path / "p" / f"{patient}.nii.gz", change(case.target.astype(np.float64)), case.affine)
        with pytest.raises(UsageError, match=message):
            run(tmp_path / "p")
        assert mae(run(tmp_path / "p", trust_unit=True))["mean"] > 100

    def test_padding_around_the_body_hides_nothing(self, run: Any, data: Path, tmp_path: Path) -> None:
        for patient, case in cases(data).items():
            unit = np.where(case.mask, np.clip((case.target.astype(np.float64) + 1024) / 3024, 0, 1), -1024.0)
            nifti(tmp_path / "p" / f"{patient}.nii.gz", unit, case.affine)
        with pytest.raises(UsageError, match="as network outputs do"):
            run(tmp_path / "p")

    def test_arrays_of_another_shape(self, run: Any, data: Path, tmp_path: Path) -> None:
        (tmp_path / "p").mkdir()
        np.save(tmp_path / "p" / "test0.npy", np.zeros((4, 12, 11)))
        with pytest.raises(UsageError, match=r"shape \(4, 12, 11\), but the target's slices are \(4, 12, 12\)"):
            run(tmp_path / "p")

    def test_a_profile_for_another_unit(self, run: Any, data: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="profile suv/1 scores targets in SUV; those of discs are in HU"):
            run(folder_of(tmp_path / "p", data), profile="suv")

    def test_a_profile_that_needs_a_mask_where_there_is_none(self, run: Any, tmp_path: Path) -> None:
        bare = write(
            tmp_path / "bare.h5",
            splits={"train": 1, "test": 1},
            change=lambda _, arrays: arrays["mask"].fill(True),
        )
        folder = folder_of(tmp_path / "p", bare)
        with pytest.raises(
            UsageError, match="profile masked/1 scores inside a body mask, and the mask of case test0/s1"
        ):
            run(folder, data=bare, profile="masked")
        assert mae(run(folder, data=bare))["n_scored"] == 1

    def test_two_files_for_one_case(self, run: Any, data: Path, tmp_path: Path) -> None:
        folder = folder_of(tmp_path / "p", data)
        (folder / "test0_s1.nii.gz").write_bytes((folder / "test0.nii.gz").read_bytes())
        with pytest.raises(UsageError, match="case test0/s1 has several predictions"):
            run(folder)

    def test_data_that_nobody_named(self, run: Any, data: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="say which data the predictions are for: --data FILE"):
            run(folder_of(tmp_path / "p", data), data=None)

    @pytest.mark.parametrize("name", ["nothing", "empty"])
    def test_no_predictions(self, run: Any, tmp_path: Path, name: str) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(BenchmarkError, match=r"no such file or folder|holds no \.nii"):
            run(tmp_path / name)


def test_one_name_and_profile_is_one_row_and_the_data_are_remembered(run: Any, data: Path, tmp_path: Path) -> None:
    run(folder_of(tmp_path / "p", data, 10.0))
    run(folder_of(tmp_path / "p", data, 20.0), data=None)
    run(tmp_path / "p", profile="eight-bit", data=None)
    run(tmp_path / "p", name="other", data=None)
    records = RunFolder(tmp_path / "run").records(verify=True)
    assert sorted((r.name, r.profile, round(r.scores["mae"].mean or 0.0, 3)) for r in records) == [
        ("mine", "eight-bit/1", pytest.approx(20 * 255 / 3024, abs=2e-3)),
        ("mine", "plain/1", 20.0),
        ("other", "plain/1", 20.0),
    ]
    eight = next(record for record in records if record.profile == "eight-bit/1")
    assert eight.scores["mae"].unit == ""


def test_a_row_can_be_withdrawn(run: Any, data: Path, tmp_path: Path) -> None:
    run(folder_of(tmp_path / "p", data), seed=0)
    run(folder_of(tmp_path / "q", data, 20.0), seed=1)
    run(folder_of(tmp_path / "r", data, 30.0), name="other")
    folder = RunFolder(tmp_path / "run")
    assert withdraw(folder, "mr-ct", "mine") == 2
    assert [record.name for record in folder.records()] == ["other"]
    for task, name in (("mr-ct", "mine"), ("pet-ct", "other")):
        with pytest.raises(UsageError, match="there are: mr-ct/other"):
            withdraw(folder, task, name)
    with pytest.raises(UsageError, match="no run in"):
        withdraw(RunFolder(tmp_path / "nowhere"), "mr-ct", "other")


def test_profiles_never_share_a_table(run: Any, data: Path, tmp_path: Path, registry: Registry) -> None:
    from benchmark import leaderboard

    run(folder_of(tmp_path / "p", data))
    run(tmp_path / "p", profile="eight-bit", name="other")
    specs = {name: offer.spec for name, offer in registry.all("metric").items()}
    board = leaderboard.build(RunFolder(tmp_path / "run").records(), specs)
    assert [(table.profile, [row.name for row in table.rows]) for table in board.tables] == [
        ("eight-bit/1", ["other"]),
        ("plain/1", ["mine"]),
    ]
    assert [table.columns[0].unit for table in board.tables] == ["", "HU"]


def test_label_maps_serve_metrics_of_structures(run: Any, tmp_path: Path) -> None:
    def add_labels(_: str, arrays: dict[str, Any]) -> None:
        arrays["labels"] = (arrays["target"] > 300).astype(np.uint8)

    data = write(tmp_path / "labelled.h5", splits={"train": 1, "test": 2}, slices=3, side=12, change=add_labels)
    for patient, case in cases(data).items():
        assert case.labels is not None
        found = case.labels.copy()
        if patient == "test1":
            found[0] = 1 - found[0]
        nifti(tmp_path / "labels" / f"{patient}.nii.gz", found, case.affine)
    folder = folder_of(tmp_path / "p", data)
    done = run(folder, data=data, labels=tmp_path / "labels")
    assert done.record.scores["overlap"].patients == {"test0": 1.0, "test1": pytest.approx(2 / 3)}
    assert done.record.scores["overlap"].level == "volume"


class TestPlacing:
    @pytest.mark.parametrize("size", [20, 40, 64])
    def test_a_volume_on_the_scans_grid_lands_as_at_import(self, size: int) -> None:
        rng = np.random.default_rng(0)
        affine = np.diag([1.2, -0.9, 3.0, 1.0])
        affine[:3, 3] = -30, 20, 5
        scan = Volume(rng.normal(size=(36, 30, 5)).astype(np.float32), affine)
        turned = Volume(scan.data[:, ::-1], affine @ [[1, 0, 0, 0], [0, -1, 0, 29], [0, 0, 1, 0], [0, 0, 0, 1]])
        cut = slicing(turned, "LPS", size)
        stored = cut.apply(turned.data, -5.0)
        for volume in (scan, turned):
            placed, covered = place(volume, cut.affine, stored.shape, -5.0)
            assert placed == pytest.approx(stored, abs=1e-5)
            assert covered.mean() == pytest.approx((36 * 1.2) * (30 * 0.9) / max(36 * 1.2, 30 * 0.9) ** 2, abs=0.06)

    def test_grids_turned_to_each_other_are_interpolated(self) -> None:
        x, y, z = np.mgrid[:24, :24, :6].astype(np.float32)
        angle = np.deg2rad(20)
        turn = np.array(
            [[np.cos(angle), -np.sin(angle), 0, 0], [np.sin(angle), np.cos(angle), 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
        )
        ramp = Volume(2 * x + 3 * y + z, np.eye(4))
        stored = turn.copy()
        stored[:3, 3] = 12 - turn[:3, :3] @ [5, 5, 0] - [0, 0, 12]
        placed, covered = place(ramp, stored, (6, 10, 10), 0.0)
        assert covered.all()
        slices, rows, columns = np.mgrid[:6, :10, :10]
        world = np.stack([columns, rows, slices, np.ones_like(rows)], axis=-1) @ stored.T
        assert placed == pytest.approx(world[..., 0] * 2 + world[..., 1] * 3 + world[..., 2], abs=1e-3)

    def test_labels_are_never_mixed(self) -> None:
        labels = np.zeros((8, 8, 2), np.float32)
        labels[4:] = 7
        fine = np.diag([0.5, 0.5, 1.0, 1.0])
        placed = place_labels(Volume(labels, np.eye(4)), fine, (2, 16, 16))
        assert set(np.unique(placed)) == {0, 7}
        assert placed.shape == (2, 16, 16)
        with pytest.raises(BenchmarkError, match="whole numbers of 0 to 255"):
            place_labels(Volume(labels + 0.5, np.eye(4)), fine, (2, 16, 16))


@pytest.mark.slow
def test_an_evaluation_joins_the_leaderboard_of_a_run(toy: CommandLine, finished: Path) -> None:
    toy.adopt(finished)
    (run,) = (toy.folder / "results").iterdir()
    (record,) = (r for r in toy.records(str(run)).values() if r["name"] == "toy-copy")
    data = Path(record["spec"]["dataset"]["path"])
    for patient, case in cases(data).items():
        nifti(toy.folder / "mine" / f"{patient}.nii.gz", case.target + 1, case.affine)
    arguments = ("evaluate", "--task", "toy-shift", "--predictions", "mine", "--into", str(run))
    done = toy(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["scores"]["toy-error"]["mean"] == pytest.approx(1.0, abs=1e-4)
    assert facts["studies"]["missing"] == []
    board = toy("leaderboard", str(run)).stdout
    assert "mine" in board
    assert "toy-affine" in board
    assert board.count("profile toy/1") == 1  # one table
    assert toy("verify", str(run)).returncode == 0
    assert "4 done" in toy("status", str(run)).stdout
    (toy.folder / "mine" / "test00.nii.gz").unlink()
    again = toy(*arguments)
    assert again.returncode == 1
    assert "warning: test00/s1: missing" in again.stderr
    assert "3 studies expected: 2 scored, 1 missing, 0 failed" in again.stdout
    assert "4 done" in toy("status", str(run)).stdout

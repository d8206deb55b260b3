"""Sources of several channels, and slices with their neighbours: stored, checked, shown to models, translated."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import pytest
import small_datasets
import torch
from made_records import made
from torch import Tensor

from benchmark import DatasetError, UsageError
from benchmark.cell.batches import Batches, Slices
from benchmark.cell.build import model_context
from benchmark.cell.translate import translate_split, translate_volume
from benchmark.contracts.channels import Channel, SourceStack, input_names
from benchmark.contracts.intensity import IntensityMap, Window
from benchmark.contracts.presets import PRESETS
from benchmark.data.checks.file import check
from benchmark.data.contact_sheet import contact_sheet
from benchmark.data.format.facts import DataFacts
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import Side
from benchmark.data.format.writer import DatasetWriter
from benchmark.data.summary import summary
from benchmark.data.volumes.export import export
from benchmark.data.volumes.geometry import VIEWS, CaseFault, Volume
from benchmark.inference.onnx_export import export as onnx_export
from benchmark.inference.trained_cell import TrainedCell
from benchmark.inference.translate import list_channels, translate, translate_file
from benchmark.testing.processes import in_child

T1 = Side("MR T1", "a.u.", Window(0.5, 99.5, "percentile"), "T1")
PET = Side("FDG-PET", "SUV", Window(0.0, 10.0, curve="root"), "PET")
CT = Side("CT", "HU", Window(-1024.0, 2000.0))
CPU = torch.device("cpu")
SPLITS = {"train": ["a", "b"], "val": ["c"], "test": ["d", "e"]}


def case(patient: str, slices: int = 3, side: int = 8) -> dict[str, Any]:
    arrays = small_datasets.anatomy(patient, slices=slices, side=side)
    uptake = np.where(arrays["mask"], (arrays["target"] + 400) / 400.0, 0.05)
    return {**arrays, "source": {"T1": arrays["source"], "PET": uptake.astype(np.float32)}}


def write(path: Path, *, sources: Any = (T1, PET), change: Any = None, **more: Any) -> Path:
    with DatasetWriter(path, task="mp-ct", name="two", source=sources, target=CT, simulated=True, **more) as writer:
        for patient in (name for names in SPLITS.values() for name in names):
            arrays = case(patient)
            if change:
                change(patient, arrays)
            writer.add_case(patient, "s1", **arrays, spacing=(3.0, 2.0, 2.0))
        writer.set_splits(SPLITS)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("channels") / "two.h5")


# -- the file ---------------------------------------------------------------------------------------------


def test_each_channel_keeps_its_name_unit_and_window(path: Path) -> None:
    with Dataset(path) as dataset:
        info = dataset.info
        assert [(c.name, c.modality, c.map.unit) for c in info.channels] == [
            ("T1", "MR T1", "a.u."), ("PET", "FDG-PET", "SUV"),
        ]  # fmt: skip
        assert (info.source_modality, info.source_unit, info.schema) == ("MR T1 + FDG-PET", "a.u. + SUV", "mi2i/2")
        assert info.source_maps[1] == IntensityMap("SUV", 0.0, 10.0, "root")
        regions = [arrays["source"]["T1"][arrays["mask"]] for arrays in map(case, SPLITS["train"])]
        np.testing.assert_allclose(
            [info.source_maps[0].low, info.source_maps[0].high], np.percentile(np.concatenate(regions), [0.5, 99.5])
        )
        loaded, given = dataset.load(info.cases[3]), case("d")
        assert loaded.source.shape == (2, 3, 8, 8)
        for image, name in zip(loaded.channels, ("T1", "PET"), strict=True):
            np.testing.assert_array_equal(image, given["source"][name])
        with pytest.raises(DatasetError, match=r"2 channels \(T1, PET\), this takes one"):
            _ = info.source
    assert check(path)[0].severity == "warning"


def test_one_channel_is_written_as_it_always_was(tmp_path: Path) -> None:
    alone = replace(T1, name="")
    for name, source in (("side", alone), ("list", [alone])):
        write(
            tmp_path / f"{name}.h5",
            sources=source,
            change=lambda _, arrays: arrays.update(source=arrays["source"]["T1"]),
        )
    with Dataset(tmp_path / "side.h5") as one, Dataset(tmp_path / "list.h5") as other:
        assert one.info.schema == other.info.schema == "mi2i/1"
        assert one.info.content_sha256 == other.info.content_sha256
        assert one.file.attrs["source"] == other.file.attrs["source"]
        assert one.load(one.info.cases[0]).source.shape == (3, 8, 8)


def test_the_content_hash_knows_channels_apart(path: Path, tmp_path: Path) -> None:
    def swap(_: str, arrays: dict[str, Any]) -> None:
        arrays["source"] = {"T1": arrays["source"]["PET"], "PET": arrays["source"]["T1"]}

    hashes = set()
    for number, more in enumerate(({}, {"sources": (PET, T1)}, {"change": swap})):
        with Dataset(write(tmp_path / f"{number}.h5", **more)) as dataset:
            hashes.add(dataset.info.content_sha256)
    assert len(hashes) == 3
    with Dataset(path) as dataset:
        assert dataset.info.content_sha256 in hashes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays["source"].pop("PET"), "case b/s1 has no source PET; every case has all .*: T1, PET"),
        (lambda arrays: arrays["source"].update(T2=arrays["source"]["T1"]), "source 'T2' is none of the channels"),
        (lambda arrays: arrays.update(source=arrays["source"]["T1"]), "give the source's channels by name: T1, PET"),
        (lambda arrays: arrays["source"].update(PET=np.ones((3, 8, 9))), "source PET has shape"),
        (lambda arrays: arrays["source"]["PET"].fill(np.nan), "source PET holds NaN"),
    ],
)  # fmt: skip
def test_a_case_without_all_channels_is_an_error_that_names_it(change: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message):
        write(tmp_path / "x.h5", change=lambda patient, arrays: change(arrays) if patient == "b" else None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("names", "message"), [(("T1", "T1"), "two channels of the source are called 'T1'"), (("", "PET"), "channel ''")]
)
def test_channels_have_names_of_their_own(names: tuple[str, str], message: str, tmp_path: Path) -> None:
    sources = [replace(side, name=name) for side, name in zip((T1, PET), names, strict=True)]
    with pytest.raises(DatasetError, match=message):
        write(tmp_path / "x.h5", sources=sources)


def test_a_channel_taken_out_of_a_file_is_found(path: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.h5"
    broken.write_bytes(path.read_bytes())
    with h5py.File(broken, "a") as file:
        del file["cases/d/s1/source/PET"]
    with pytest.raises(DatasetError, match="case d/s1 has no source PET"):
        Dataset(broken)
    assert any("no source PET" in problem.what for problem in check(broken) if problem.where == "d/s1")


def test_checks_look_at_every_channel(tmp_path: Path) -> None:
    def becquerel(_: str, arrays: dict[str, Any]) -> None:
        arrays["source"]["PET"] = arrays["source"]["PET"] * 4000

    problems = check(write(tmp_path / "x.h5", change=becquerel))
    assert [problem.where for problem in problems if "no uptake is like that" in problem.what] == ["source PET"]
    assert any(problem.where == "source PET" and "window" in problem.what for problem in problems)


def test_a_channel_that_lies_beside_the_target_is_named(tmp_path: Path) -> None:
    def shifted(patient: str, arrays: dict[str, Any]) -> None:
        rng = np.random.default_rng(list(patient.encode()))
        blobs = rng.normal(size=(3, 12, 12)).repeat(4, 1).repeat(4, 2)
        arrays.update(target=np.rint(blobs * 300), mask=np.ones(blobs.shape, bool))
        arrays["source"] = {"T1": blobs**2 + blobs, "PET": np.roll(np.abs(blobs), 3, 2)}

    found = [problem.what for problem in check(write(tmp_path / "x.h5", change=shifted)) if problem.where == "pairs"]
    assert len(found) == 1
    assert found[0].startswith("source PET lies beside target in ")


def test_all_that_shows_a_file_shows_its_channels(path: Path, tmp_path: Path) -> None:
    facts = summary(path)
    assert (facts["schema"], facts["source"]["unit"]) == ("mi2i/2", "a.u. + SUV")
    assert [channel["name"] for channel in facts["source"]["channels"]] == ["T1", "PET"]
    contact_sheet(path, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    export(path, tmp_path / "out", roles=("source", "mask"), splits=("test",), grid="stored", say=str)
    assert sorted(file.name for file in (tmp_path / "out/d/s1").iterdir()) == [
        "mask.nii.gz", "source-PET.nii.gz", "source-T1.nii.gz",
    ]  # fmt: skip
    header = (tmp_path / "out/manifest.csv").read_text().splitlines()[0]
    assert header == "patient,study,split,source/T1,source/PET,mask"


def test_what_a_record_keeps_of_the_channels_survives(path: Path) -> None:
    with Dataset(path) as dataset:
        facts = DataFacts.of(dataset)
    again = DataFacts.from_json(facts.to_json())
    assert again.channels == facts.channels
    assert [channel.name for channel in again.sources] == ["T1", "PET"]


# -- what models see --------------------------------------------------------------------------------------


def stack(depth: int, context: int, channels: int = 1) -> SourceStack:
    """Slices whose value is their number, in the second channel a tenth more."""
    volume = np.arange(depth, dtype=np.float32)[:, None, None] * np.ones((depth, 2, 2), np.float32)
    source = volume if channels == 1 else np.stack([volume, volume + 0.1])
    return SourceStack(source, [IntensityMap("a.u.", -100.0, 100.0)] * channels, context)


def numbers(images: np.ndarray) -> list[list[float]]:
    return np.round(images[:, :, 0, 0].astype(float) * 100, 1).tolist()


def test_neighbours_stand_around_their_slice_and_ends_are_repeated() -> None:
    assert numbers(stack(4, 1)[:]) == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]
    assert numbers(stack(4, 1)[np.array([3, 0])]) == [[2, 3, 3], [0, 0, 1]]
    assert numbers(stack(3, 1, channels=2)[1:2]) == [[0, 1, 2, 0.1, 1.1, 2.1]]
    assert input_names(["T1", "T2"], 1) == ("T1[-1]", "T1", "T1[+1]", "T2[-1]", "T2", "T2[+1]")


def test_stacks_smaller_than_the_context_will_do() -> None:
    assert numbers(stack(1, 2)[:]) == [[0, 0, 0, 0, 0]]
    assert numbers(stack(2, 3)[:]) == [[0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1]]


def test_one_channel_alone_is_its_map_and_nothing_else() -> None:
    window = IntensityMap("HU", -1024.0, 2000.0)
    volume = np.random.default_rng(0).integers(-2000, 3000, (3, 4, 5)).astype(np.int16)
    np.testing.assert_array_equal(SourceStack(volume, [window])[:], window.forward(volume)[:, None])
    with pytest.raises(ValueError, match="1 channels, and maps for 2"):
        SourceStack(volume, [window, window])


def test_neighbours_without_a_region_are_seen_in_training_as_in_translation(tmp_path: Path) -> None:
    def first_without_region(_: str, arrays: dict[str, Any]) -> None:
        arrays["mask"][0] = False

    with Dataset(write(tmp_path / "x.h5", change=first_without_region)) as dataset:
        slices = Slices(dataset, "train", context=1)
        assert slices.source.shape == (4, 6, 8, 8)
        whole = SourceStack(dataset.load(dataset.info.cases[0]).source, dataset.info.source_maps, 1)
        np.testing.assert_array_equal(slices.source[:2], whole[1:3])
        assert next(iter(slices))[0].shape == (6, 8, 8)
        batch = Batches(slices, 2, 0, unpaired=False, device=CPU)[0]
        assert (tuple(batch.source.shape), tuple(batch.target.shape)) == ((2, 6, 8, 8), (2, 1, 8, 8))


class Middle:
    """The second channel's own slice; ``seen`` is the number of channels."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def translate(self, source: Tensor) -> Tensor:
        self.seen.add(source.shape[1])
        return source[:, 4:5]


def test_a_split_is_translated_with_its_neighbours(path: Path, tmp_path: Path) -> None:
    model = Middle()
    with Dataset(path) as dataset:
        translate_split(model, dataset, tmp_path / "p.h5", cell="c", device=CPU, context=1)
        pet = dataset.info.source_maps[1]
        with h5py.File(tmp_path / "p.h5") as file:
            for study in dataset.iterate("test"):
                expected = dataset.info.target_map.inverse(pet.forward(study.channels[1]))
                np.testing.assert_allclose(file[str(study.key)][()], expected, atol=1e-3)
    assert model.seen == {6}


def test_a_model_is_told_how_many_channels_it_sees(path: Path) -> None:
    from test_model_context import SPEC

    recipe = dict(SPEC.recipe) | {"context": 2}
    with Dataset(path) as dataset:
        context = model_context(DataFacts.of(dataset), replace(SPEC, recipe=recipe), CPU)
    assert (context.inputs, len(context.input_names)) == (10, 10)
    assert context.input_names[2:4] == ("T1", "T1[+1]")
    assert [channel.map.unit for channel in context.task.sources] == ["a.u.", "SUV"]


@pytest.mark.parametrize("value", ["-1", "17", "1.5"])
def test_a_context_that_no_training_can_use_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="context"):
        PRESETS["smoke"].recipe.changed({"context": value})


# -- volumes of anybody -----------------------------------------------------------------------------------

WINDOWS = (
    Channel("T1", "MR T1", IntensityMap("HU", -1024.0, 2000.0)),
    Channel("T2", "MR T2", IntensityMap("HU", 0.0, 9.0)),
)


class Second:
    """The second channel."""

    def translate(self, source: Tensor) -> Tensor:
        return source[:, source.shape[1] // 2 :][:, :1]


def cell(context: int = 0) -> TrainedCell:
    facts = DataFacts(
        "x", False, False, "MR T1 + MR T2", "CT", WINDOWS[0].map, WINDOWS[1].map, (16, 16), VIEWS["axial"],
        (3.0, 2.0, 2.0), (2.0, 2.0), "0" * 64, channels=WINDOWS,
    )  # fmt: skip
    record = made({"task": "mr-ct", "model": "second", "state": "done", "scores": {}})
    return TrainedCell(record, Second(), facts, CPU, (), context)


def volume(seed: int, spacing: float = 3.0) -> Volume:
    data = np.random.default_rng(seed).integers(0, 10, (16, 16, 5)).astype(np.float32)
    return Volume(data, np.diag([2.0, 2.0, spacing, 1.0]))


def test_volumes_of_all_channels_are_translated_together() -> None:
    result = translate(cell(), volume(1), volume(2))
    np.testing.assert_array_equal(result.data, volume(2).data)
    with pytest.raises(UsageError, match=r"from T1, T2: one volume of each, not 1"):
        translate(cell(), volume(1))


def test_channels_on_different_grids_are_refused() -> None:
    moved = volume(2)
    with pytest.raises(CaseFault, match=r"different grids, bring them onto one: T1 16x16x5 .*, T2 16x16x5"):
        translate(cell(), volume(1), replace(moved, affine=moved.affine @ np.diag([1, 1, 1.1, 1])))


def test_neighbours_at_another_distance_than_in_training_are_told() -> None:
    assert not [text for text in translate(cell(1), volume(1), volume(2)).warnings if "apart" in text]
    (told,) = [text for text in translate(cell(1), volume(1, 1.0), volume(2, 1.0)).warnings if "apart" in text]
    assert told.startswith("slices are 1 mm apart, 3 mm in training")


def test_channels_are_given_by_name(tmp_path: Path) -> None:
    one, other, out = (str(tmp_path / name) for name in ("one.nii.gz", "other.nii.gz", "out.nii.gz"))
    for name, seed in ((one, 1), (other, 2)):
        nib.save(nib.Nifti1Image(volume(seed).data, volume(seed).affine), name)
    ((paths, target),) = list_channels([f"T2={other}", f"T1={one}"], Path(out), ["T1", "T2"])
    assert [str(path) for path in paths] == [one, other]
    translate_file(cell(), paths, target)
    np.testing.assert_array_equal(np.asanyarray(nib.load(out).dataobj), volume(2).data)
    for given in ([one, other], [f"T1={one}"], [f"T1={one}", f"T1={other}"], [f"T1={one}", f"FLAIR={other}"]):
        with pytest.raises(UsageError, match="give each once, by name: T1=FILE T2=FILE"):
            list_channels(given, Path(out), ["T1", "T2"])
    with pytest.raises(UsageError, match="one file or folder, not 2"):
        list_channels([one, other], Path(out), ["source"])


def test_a_patient_without_one_of_the_contrasts_is_named(tmp_path: Path) -> None:
    for contrast, patients in (("t1", ("p1", "p2")), ("t2", ("p1",))):
        (tmp_path / contrast).mkdir()
        for patient in patients:
            nib.save(nib.Nifti1Image(volume(1).data, volume(1).affine), tmp_path / contrast / f"{patient}.nii.gz")
    files = list_channels([f"T1={tmp_path / 't1'}", f"T2={tmp_path / 't2'}"], tmp_path / "out", ["T1", "T2"])
    assert [target.name for _, target in files] == ["p1.nii.gz", "p2.nii.gz"]
    translate_file(cell(), *files[0])
    with pytest.raises(CaseFault, match=r"t2/p2.nii.gz: no such file"):
        translate_file(cell(), *files[1])


def test_a_translation_of_another_number_of_channels_is_an_error() -> None:
    class Forgetful:
        def translate(self, source: Tensor) -> Tensor:
            return source

    with pytest.raises(Exception, match=r"gave shape \(3, 2, 2, 2\)"):
        translate_volume(Forgetful(), stack(3, 0, channels=2), WINDOWS[0].map, CPU)


def test_an_export_says_what_each_of_its_channels_is(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")

    class Network:
        def __init__(self) -> None:
            self.generator = torch.nn.Conv2d(6, 1, 3, padding=1)

        def networks(self) -> dict[str, torch.nn.Module]:
            return {"generator": self.generator}

        def translate(self, source: Tensor) -> Tensor:
            return torch.tanh(self.generator(source))

    path = tmp_path / "net.onnx"

    def write() -> None:
        assert onnx_export(replace(cell(1), model=Network()), path).difference < 1e-5

    assert in_child(write) == ""  # after an export autograd starts threads, and no later test could train in a fork
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert session.run(None, {"source": np.zeros((3, 6, 16, 16), np.float32)})[0].shape == (3, 1, 16, 16)
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["inputs"]) == ["T1[-1]", "T1", "T1[+1]", "T2[-1]", "T2", "T2[+1]"]
    assert json.loads(about["source T2"])["high"] == 9.0

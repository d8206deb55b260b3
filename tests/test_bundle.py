"""Bundles: what a trained model needs to be passed on, loaded again bit for bit, and nothing of a stranger run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from command_line import CommandLine
from oracles import oracle_package

from benchmark.inference.bundle import FILES, NAME, Manifest, fill, read_manifest, taken_apart
from benchmark.json_fields import RecordError
from benchmark.store.seal import read_sealed, write_sealed

CELL = "results/run/toy-shift/toy-affine/s0"


@pytest.fixture(scope="module")
def made(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A folder with a finished toy run, the bundle of a trained cell, and a volume."""
    command = CommandLine.make(tmp_path_factory.mktemp("bundles"))
    command.adopt(finished)
    done = command("bundle", CELL, "-o", "b", "--no-onnx", "--licence", "apache-2.0", "--hub-dataset", "us/bench")
    assert done.returncode == 0, done.stderr
    values = np.random.default_rng(0).uniform(0, 300, (16, 16, 3)).astype(np.float32)
    nib.save(nib.Nifti1Image(values, np.eye(4)), command.folder / "in.nii")
    return command


@pytest.fixture
def bundle(made: CommandLine, tmp_path: Path) -> Path:
    """A copy of the bundle, far from the run that it came from."""
    return Path(shutil.copytree(made.folder / "b", tmp_path / "moved"))


def translated(command: CommandLine, model: str) -> bytes:
    done = command("translate", model, "in.nii", "out.nii", "--overwrite")
    assert done.returncode == 0, done.stderr
    return bytes(np.asarray(nib.load(command.folder / "out.nii").dataobj).tobytes())


def test_a_moved_bundle_translates_bit_for_bit_as_the_cell(made: CommandLine, bundle: Path) -> None:
    assert translated(made, str(bundle)) == translated(made, CELL)
    about = read_sealed(bundle / NAME)
    assert about["form"] == "networks"
    assert about["licences"]["weights"] == "apache-2.0"
    assert about["use"].endswith("not for clinical use")


@pytest.mark.parametrize("model", ["toy-mean", "toy-copy"])
def test_models_that_are_more_or_less_than_networks(made: CommandLine, tmp_path: Path, model: str) -> None:
    cell = f"results/run/toy-shift/{model}/s0"
    done = made("bundle", cell, "-o", str(tmp_path / "b"), "--no-onnx", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["weights"] == "state"
    assert translated(made, str(tmp_path / "b")) == translated(made, cell)


def test_no_patient_and_no_path_travels_with_it(made: CommandLine, bundle: Path) -> None:
    record = made.records("results/run")["toy-affine"]
    patients = list(record["scores"]["toy-error"]["patients"])
    assert patients
    for file in bundle.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            for text in (*patients, record["spec"]["dataset"]["path"], str(made.folder)):
                assert text.encode() not in content, f"{file.name} holds {text}"


def test_the_card_says_what_it_is_and_is_not(bundle: Path) -> None:
    card = (bundle / "README.md").read_text()
    for text in (
        "simulated data",
        "Not for clinical use",
        "benchmark-toy 1.2.3",
        "window 0 to 400",
        "16x16",
        "toy-error",
    ):
        assert text in card or text == "toy-error", text
    metadata = json.loads((bundle / "configs/metadata.json").read_text())
    assert metadata["network_data_format"]["inputs"]["source"]["spatial_shape"] == [16, 16]
    assert metadata["intended_use"] == "research; not for clinical use"


def test_hugging_faces_reader_takes_the_card(bundle: Path) -> None:
    hub = oracle_package("huggingface_hub")
    yaml = pytest.importorskip("yaml")
    card = hub.ModelCard.load(bundle / "README.md")
    assert card.data.license == "apache-2.0"
    scores = {score["metric"]: score["mean"] for score in read_sealed(bundle / NAME)["scores"]}
    assert {result.metric_type: result.metric_value for result in card.data.eval_results} == scores
    text = (bundle / ".eval_results/medgan-benchmark.yaml").read_text()
    entries = hub.parse_eval_result_entries(yaml.safe_load(text))
    assert {entry.dataset_id for entry in entries} == {"us/bench"}
    assert {entry.task_id: entry.value for entry in entries} == {
        f"toy-shift.{name}": value for name, value in scores.items()
    }


def test_an_altered_or_missing_file_is_refused(made: CommandLine, bundle: Path) -> None:
    weights = bundle / "models/model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    done = made("translate", str(bundle), "in.nii", "x.nii")
    assert done.returncode == 1
    assert "was altered" in done.stderr
    weights.unlink()
    assert "is missing" in made("translate", str(bundle), "in.nii", "x.nii").stderr
    weights.write_bytes(whole)
    text = (bundle / NAME).read_text()
    (bundle / NAME).write_text(text.replace("toy-affine", "toy-copy"))
    assert "is damaged" in made("translate", str(bundle), "in.nii", "x.nii").stderr
    assert not (made.folder / "x.nii").exists()


def test_a_stranger_runs_nothing_but_the_plugin(made: CommandLine, bundle: Path, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    evil = {"network_def": {"_target_": "os.system", "command": f"touch {witness}"}}
    (bundle / "configs/inference.json").write_text(json.dumps(evil))
    (bundle / "sitecustomize.py").write_text(f"open({str(witness)!r}, 'w')")
    (bundle / "benchmark_toy.py").write_text(f"open({str(witness)!r}, 'w')")
    assert translated(made, str(bundle)) == translated(made, CELL)
    assert not witness.exists()


def test_a_missing_plugin_is_named_with_the_command_that_installs_it(made: CommandLine, bundle: Path) -> None:
    done = made("translate", str(bundle), "in.nii", "x.nii", BENCHMARK_DISABLE_PLUGINS="toy")
    assert done.returncode == 2
    assert "pip install benchmark-toy==1.2.3" in done.stderr


def test_nothing_is_overwritten_and_what_is_no_cell_is_refused(made: CommandLine) -> None:
    again = made("bundle", CELL, "-o", "b", "--no-onnx")
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert made("bundle", "results/run/toy-shift", "-o", "c").returncode == 2
    assert not (made.folder / "c").exists()


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    return change


@pytest.mark.parametrize(
    "change",
    [
        edit(lambda about: about.update(schema=99)),
        edit(lambda about: about.update(cell="0" * 16)),
        edit(lambda about: about["files"].update({"../../../etc/passwd": "0" * 64})),
        edit(lambda about: about["files"].pop(FILES[0])),
        edit(lambda about: about["dataset"].update(image_size=[1 << 40, 1])),
        edit(lambda about: about["dataset"].pop("view")),
        edit(lambda about: about.update(form="pickle")),
        edit(lambda about: about["spec"].update(seed="0")),
    ],
    ids=["schema", "cell", "path", "no weights", "size", "view", "form", "seed"],
)
def test_a_manifest_that_makes_no_sense_is_refused(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    about = read_sealed(bundle / NAME)
    Manifest.from_json(about)
    change(about)
    with pytest.raises(RecordError):
        Manifest.from_json(about)
    write_sealed(bundle / NAME, about)
    with pytest.raises(Exception, match="is damaged"):
        read_manifest(bundle)


def test_any_nested_state_comes_back() -> None:
    state = {
        "weights": {"a": torch.arange(3.0), "b": torch.tensor(2, dtype=torch.int64)},
        "steps": 7, "root": True, "none": None, "rates": [0.1, torch.zeros(0)], 3: "by number",
    }  # fmt: skip

    class Model:
        def load_state_dict(self, loaded: dict[Any, Any]) -> None:
            self.loaded = loaded

    tensors: dict[str, torch.Tensor] = {}
    plain = json.loads(json.dumps(taken_apart(state, tensors)))
    model = Model()
    fill(model, "state", plain, tensors, torch.device("cpu"))
    assert model.loaded.keys() == state.keys()
    assert torch.equal(model.loaded["weights"]["a"], state["weights"]["a"])
    assert model.loaded["weights"]["b"].dtype == torch.int64
    assert (model.loaded["steps"], model.loaded["root"], model.loaded["none"], model.loaded[3]) == (
        7,
        True,
        None,
        "by number",
    )
    assert model.loaded["rates"][0] == 0.1

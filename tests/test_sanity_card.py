"""The sanity card: distortions that grow, metrics that follow them or are caught, a table, and two files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from command_line import CommandLine
from small_datasets import Arrays, write

from benchmark import MetricSpec, MetricUse, ProfileSpec
from benchmark.contracts.protocols import Images
from benchmark.data.format.reader import Dataset
from benchmark.sanity.card import BLIND, MONOTONE, NO_DIRECTION, NOT_MONOTONE, UNDEFINED, make_card, rows, to_markdown
from benchmark.sanity.card import verdict as judge
from benchmark.sanity.distortions import DISTORTIONS, Scene

SIDE = 48


class MeanError:
    """Mean absolute error of slices."""

    def score(self, images: Images) -> Any:
        return np.array(
            [np.abs(p - t)[m].mean() for p, t, m in zip(images.prediction, images.target, images.mask, strict=True)]
        )


class Brightness(MeanError):
    """The prediction's mean: better the brighter, a metric that scaling fools."""

    def score(self, images: Images) -> Any:
        return np.array([p[m].mean() for p, m in zip(images.prediction, images.mask, strict=True)])


class Blind(MeanError):
    """Always the same."""

    def score(self, images: Images) -> Any:
        return np.full(len(images), 7.0)


class Psnr(MeanError):
    """Infinite where nothing is wrong."""

    def score(self, images: Images) -> Any:
        error = super().score(images)
        return np.where(error == 0, math.inf, -20 * np.log10(np.maximum(error, 1e-12)))


def metric(name: str, factory: str, better: bool | None) -> MetricSpec:
    return MetricSpec(name, f"test_sanity_card:{factory}", label=name.upper(), higher_is_better=better, unit="target")


METRICS = {
    spec.name: spec
    for spec in (
        metric("error", "MeanError", False),
        metric("bright", "Brightness", True),
        metric("blind", "Blind", True),
        metric("level", "Brightness", None),
        metric("psnr", "Psnr", True),
    )
}
PROFILE = ProfileSpec("tried", 1, tuple(MetricUse(name, clip=False) for name in METRICS), primary="error")


class Registry:
    def profile(self, name: str) -> Any:
        return SimpleNamespace(spec=PROFILE)

    def metric(self, name: str) -> Any:
        return SimpleNamespace(spec=METRICS[name])


def lesion(patient: str, arrays: Arrays) -> None:
    """A smooth body, and a lesion in one of the slices of every patient but test1."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    smooth = 300 * np.cos(2 * np.pi * columns) * np.cos(np.pi * rows) + 200 * columns
    arrays["target"] = np.where(arrays["mask"], smooth, -1000).astype(np.int16)
    labels = np.zeros(arrays["mask"].shape, np.uint8)
    if patient != "test1":
        labels[0, 20:26, 20:26] = 2
        arrays["target"][labels == 2] = 1500
    arrays["labels"] = labels


def dataset_in(folder: Path, *, names: bool = True, **more: Any) -> Dataset:
    path = write(folder / "discs.h5", splits={"train": 2, "val": 1, "test": 3}, side=SIDE, **more)
    dataset = Dataset(path)
    if names:
        dataset.info.provenance["labels"] = ["air", "body", "lesion"]  # type: ignore[index]
    return dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return dataset_in(tmp_path_factory.mktemp("data"), change=lesion)


@pytest.fixture(scope="module")
def card(dataset: Dataset) -> Any:
    return make_card(Registry(), dataset, "tried")  # type: ignore[arg-type]


def ladder(card: Any, name: str) -> Any:
    return next(each for each in card.ladders if each.distortion == name)


@pytest.mark.parametrize("distortion", DISTORTIONS, ids=lambda distortion: distortion.name)
def test_distortions_grow_with_their_strength_and_repeat_themselves(dataset: Dataset, distortion: Any) -> None:
    case = next(dataset.iterate("test"))
    scene = Scene(dataset.info.source_map, dataset.info.target_map, np.full((SIDE, SIDE), -500.0), (2,))
    before = case.target.copy()
    errors = []
    for strength in distortion.levels.values():
        made = distortion.apply(case, scene, strength)
        assert made.shape == case.target.shape
        np.testing.assert_array_equal(made, distortion.apply(case, scene, strength))
        errors.append(float(np.abs(made - case.target)[case.mask].mean()))
    assert errors[0] > 0
    assert errors == sorted(set(errors))
    np.testing.assert_array_equal(case.target, before)


def test_a_shift_is_by_whole_pixels_and_erased_lesions_are_gone(dataset: Dataset) -> None:
    case = next(dataset.iterate("test"))
    scene = Scene(dataset.info.source_map, dataset.info.target_map, np.zeros((SIDE, SIDE)), (2,))
    named = {distortion.name: distortion for distortion in DISTORTIONS}
    moved = named["shift"].apply(case, scene, 2.0)
    np.testing.assert_allclose(moved[:, :, 2:], case.target[:, :, :-2])
    erased = named["erased lesions"].apply(case, scene, 1.0)
    assert case.labels is not None
    hole = case.labels == 2
    assert (np.abs(erased - case.target)[~hole] == 0).all()
    assert erased[hole].max() < 1500


def test_metrics_that_follow_are_told_from_those_that_do_not(card: Any) -> None:
    assert card.identity["error"] == 0
    for each in card.ladders:
        assert each.verdicts["error"] == MONOTONE
        assert each.verdicts["blind"] == BLIND
        assert each.verdicts["level"] == NO_DIRECTION
        assert each.verdicts["psnr"] == MONOTONE, each
    assert ladder(card, "scale").verdicts["bright"] == NOT_MONOTONE
    assert ladder(card, "scale") in card.wrong
    assert ladder(card, "scale").wrong == ("bright",)


def test_lesions_are_looked_at_only_where_there_are_any(card: Any, tmp_path: Path) -> None:
    assert math.isfinite(ladder(card, "erased lesions").values["psnr"][0])
    without = make_card(Registry(), dataset_in(tmp_path), "tried")  # type: ignore[arg-type]
    assert without.skipped == {"erased lesions": "no lesion is labelled in the test split"}
    assert "erased lesions" not in [each.distortion for each in without.ladders]


@pytest.mark.parametrize(
    ("values", "better", "said"),
    [
        ([0.0, 1.0, 2.0], False, MONOTONE),
        ([math.inf, 40.0, 30.0], True, MONOTONE),
        ([math.inf, math.inf, 30.0], True, NOT_MONOTONE),
        ([math.inf, math.inf], True, BLIND),
        ([1.0, 0.9, 0.95], True, NOT_MONOTONE),
        ([1.0, 1.0 - 1e-9, 1.0], True, BLIND),
        ([1.0, 0.9, 0.9], True, NOT_MONOTONE),
        ([1.0, math.nan], True, UNDEFINED),
        ([1.0, 2.0], None, NO_DIRECTION),
    ],
)
def test_verdicts(values: list[float], better: bool | None, said: str) -> None:
    assert judge(values, better) == said


def test_the_table_marks_what_is_wrong_and_markdown_says_the_same(card: Any) -> None:
    header, body = rows(card)
    assert header[2:4] == ["ERROR ↓ (HU)", "BRIGHT ↑ (HU)"]
    assert body[0][0] == "none"
    assert body[0][header.index("PSNR ↑ (HU)")] == "perfect"
    scale = next(row for row in body if row[0] == "scale")
    assert scale[header.index("BRIGHT ↑ (HU)")].endswith(" !")
    assert scale[-1] == "NOT MONOTONE: BRIGHT; unmoved: BLIND"
    text = to_markdown(card)
    assert "SIMULATED DATA" in text
    assert "NOT MONOTONE: BRIGHT" in text
    assert len({line.count(" | ") for line in text.splitlines() if line.startswith("| ")}) == 1


def test_fewer_patients_and_plain_json(dataset: Dataset) -> None:
    card = make_card(Registry(), dataset, "tried", patients=1)  # type: ignore[arg-type]
    assert card.patients == 1
    plain = json.loads(json.dumps(card.to_json(), allow_nan=False))
    assert plain["identity"]["psnr"] == "inf"
    assert plain["ladders"][0]["verdicts"]["error"] == MONOTONE


def test_the_command_prints_and_stores_a_card(toy: CommandLine) -> None:
    assert toy("data", "build", "toy-shift", "--preset", "smoke").returncode == 0
    (file,) = (toy.folder / "datasets").glob("*.h5")
    ended = toy("data", "sanity", str(file), "--patients", "2")
    assert ended.returncode == 0, ended.stderr
    assert "toy-unavailable: skipped" in ended.stdout
    assert "error ↓ (a.u.)" in ended.stdout
    card = json.loads(file.with_suffix(".sanity.json").read_text())
    assert card["patients"] == 2
    assert card["profile"] == "toy/1"
    assert file.with_suffix(".sanity.md").read_text().startswith("# Sanity card of toy")
    assert json.loads(toy("data", "sanity", str(file), "--json").stdout)["patients"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("nowhere.h5",), "no such file"), (("{file}", "--profile", "nobody"), "no profile 'nobody'")],
)
def test_what_cannot_be_tried_is_an_error_in_a_line(toy: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    toy("data", "build", "toy-shift", "--preset", "smoke")
    (file,) = (toy.folder / "datasets").glob("*.h5")
    ended = toy("data", "sanity", *(argument.format(file=file) for argument in arguments))
    assert ended.returncode == 2
    assert said in ended.stderr
    assert not list(file.parent.glob("*.sanity.*"))

"""Jitter and mirroring: alike for source, target and mask, only where anatomy allows, drawn from seed and step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import small_datasets
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from benchmark.cell.augmentation import Augmentation
from benchmark.cell.batches import Batches, Slices
from benchmark.contracts.presets import PRESETS
from benchmark.data.format.reader import Dataset

CPU = torch.device("cpu")
FULL = Augmentation(jitter=286 / 256, mirrored_axis=-1, not_mirrored="")


def images(count: int = 3, size: int = 32) -> tuple[Tensor, Tensor]:
    """Two channels of which the second is the first, halved; and a mask of the brighter pixels."""
    pixels = torch.from_numpy(np.random.default_rng(0).random((count, 1, size, size), np.float32))
    smooth = F.avg_pool2d(pixels, 5, 1, 2)
    return torch.cat([smooth, smooth / 2], 1), (smooth > smooth.mean()).float()


@given(
    seed=st.integers(0, 10**6), jitter=st.sampled_from([1.0, 1.05, 286 / 256, 2.0]), axis=st.sampled_from([None, -1])
)
def test_source_target_and_mask_move_alike(seed: int, jitter: float, axis: int | None) -> None:
    pair, mask = images()
    changed, region = Augmentation(jitter, axis).apply(np.random.default_rng(seed), pair, mask)
    assert changed.shape == pair.shape
    assert torch.allclose(changed[:, 1], changed[:, 0] / 2, atol=1e-6)
    assert set(region.unique().tolist()) <= {0.0, 1.0}
    assert pair.min() <= changed.min()
    assert changed.max() <= pair.max()
    # the mask was cut from the image, so it still says where the image is bright
    inside, outside = changed[:, :1][region == 1], changed[:, :1][region == 0]
    assert inside.mean() > outside.mean() + 0.05


def test_what_is_cut_is_a_part_of_the_enlarged_image() -> None:
    pair, mask = images(count=1, size=64)
    large = F.interpolate(pair, (72, 72), mode="bilinear", align_corners=False)
    changed, _ = Augmentation(jitter=72 / 64).apply(np.random.default_rng(3), pair, mask)
    places = [
        (r, c) for r in range(9) for c in range(9) if torch.allclose(large[:, :, r : r + 64, c : c + 64], changed)
    ]
    assert len(places) == 1


def test_paper_sizes() -> None:
    """286 of 256 as in pix2pix, 143 of 128 as in CycleGAN's code for 128 pixels."""
    jitter = PRESETS["paper"].recipe.jitter
    sizes = {size: Augmentation(jitter).to_json((size, size))["jittered_to"][0] for size in (64, 128, 256)}
    assert sizes == {64: 72, 128: 143, 256: 286}


def test_half_of_the_images_are_mirrored_and_nothing_else_happens_without_jitter() -> None:
    pair, mask = images(count=200, size=8)
    changed, region = Augmentation(1.0, -1).apply(np.random.default_rng(0), pair, mask)
    mirrored = torch.tensor([torch.equal(a, b.flip(-1)) for a, b in zip(changed, pair, strict=True)])
    kept = torch.tensor([torch.equal(a, b) for a, b in zip(changed, pair, strict=True)])
    assert bool((mirrored ^ kept).all())
    assert 70 < int(mirrored.sum()) < 130
    assert torch.equal(region[mirrored], mask[mirrored].flip(-1))


@pytest.mark.parametrize(
    ("safe", "view", "axis", "reason"),
    [
        (True, "LPS", -1, ""),
        (True, "LIA", -1, ""),
        (True, "PLS", -2, ""),
        (True, "PIR", None, "no axis"),
        (False, "LPS", None, "mirror-safe"),
    ],
)
def test_only_left_and_right_are_exchanged_and_only_where_the_anatomy_allows_it(
    safe: bool, view: str, axis: int | None, reason: str
) -> None:
    found = Augmentation.of(PRESETS["paper"].recipe, mirror_safe=safe, view=view)
    assert found.mirrored_axis == axis
    assert reason in found.not_mirrored
    assert found.jitter == 286 / 256


def test_a_recipe_without_flips_says_so() -> None:
    recipe = PRESETS["paper"].recipe.changed({"flip": False})
    found = Augmentation.of(recipe, mirror_safe=True, view="LPS").to_json((256, 256))
    assert (found["mirrored"], found["not_mirrored"]) == ("no", "not asked for")


def test_batches_depend_on_seed_and_step_alone(tmp_path: Path) -> None:
    with Dataset(small_datasets.write(tmp_path / "d.h5", slices=3, side=16)) as dataset:
        slices = Slices(dataset, "train")
    for unpaired in (False, True):
        first, second, other = (
            Batches(slices, 4, seed, unpaired=unpaired, device=CPU, augmentation=FULL) for seed in (0, 0, 1)
        )
        order = [5, 0, 3, 5]
        ordered = {step: second[step] for step in range(6)}
        for step in order:
            for name in ("source", "target", "mask"):
                assert torch.equal(getattr(first[step], name), getattr(ordered[step], name))
        assert not torch.equal(first[0].source, other[0].source)
        assert not torch.equal(first[0].source, Batches(slices, 4, 0, unpaired=unpaired, device=CPU)[0].source)


def test_unpaired_sides_are_augmented_by_draws_of_their_own(tmp_path: Path) -> None:
    """With one slice a side there is no other order, so only the augmentation can differ."""

    def same(patient: str, arrays: small_datasets.Arrays) -> None:
        arrays["source"] = arrays["target"].astype(np.float32)

    side = small_datasets.TARGET
    splits = {"train": 1, "test": 1}
    path = small_datasets.write(
        tmp_path / "d.h5", slices=1, side=32, splits=splits, source=side, target=side, change=same
    )
    with Dataset(path) as dataset:
        slices = Slices(dataset, "train")
    paired, unpaired = (Batches(slices, 1, 0, unpaired=u, device=CPU, augmentation=FULL) for u in (False, True))
    assert all(torch.equal(paired[step].source, paired[step].target) for step in range(4))
    assert not all(torch.equal(unpaired[step].source, unpaired[step].target) for step in range(4))

"""Baselines: copy-input, mean-image and the tone curve."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark import UsageError


def slices(number=6, size=(32, 32), seed=0):
    """Triples with a target that is a noisy, non-monotone function of the source inside the mask."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(number):
        source = random.uniform(-1, 1, size).astype(np.float32)
        target = np.clip(np.abs(source) - 0.5 + random.normal(0, 0.1, size), -1, 1).astype(np.float32)
        mask = np.zeros(size, bool)
        mask[4:-4, 4:-4] = True
        found.append((source, np.where(mask, target, -1).astype(np.float32), mask))
    return found


def test_copy_input_copies(make, batch):
    source = batch().source
    made = make("copy-input").translate(source)
    assert torch.equal(made, source)
    assert made.data_ptr() != source.data_ptr()


def test_mean_image_is_the_mean_target(make, batch):
    model = make("mean-image")
    data = slices()
    model.fit(data)
    expected = np.mean([target for _, target, _ in data], axis=0, dtype=np.float64)
    made = model.translate(batch(images=3).source)
    assert made.shape == (3, 1, 32, 32)
    for image in made:
        np.testing.assert_allclose(image[0], expected, atol=1e-6)


def test_histogram_learns_a_curve_that_is_not_monotone(make):
    model = make("histogram")
    model.fit(slices(40))
    levels = torch.linspace(-0.95, 0.95, 39).view(1, 1, 1, -1)
    made = model.translate(levels)
    torch.testing.assert_close(made, levels.abs() - 0.5, rtol=0, atol=0.05)


def test_histogram_learns_inside_the_masks_first(make):
    size = (8, 8)
    mask = np.zeros(size, bool)
    mask[:, :4] = True
    often, outside = 96.5 / 64 - 1, 32.5 / 64 - 1  # centres of two of the 128 bins
    source = np.full(size, often, np.float32)
    source[:, 6:] = outside  # never inside the mask
    target = np.where(mask, 0.25, -1).astype(np.float32)
    model = make("histogram", size)
    model.fit([(source, target, mask)])
    made = model.translate(torch.tensor([often, outside]).view(1, 1, 1, 2)).flatten().tolist()
    assert made == pytest.approx([0.25, -1.0])


def test_histogram_is_the_best_curve_of_its_bins(make):
    model = make("histogram", bins=16)
    data = slices(3)
    model.fit(data)
    centres = (torch.arange(16) + 0.5) / 8 - 1
    curve = model.translate(centres.view(1, 1, 1, -1)).flatten().numpy()
    source = np.concatenate([s[m] for s, _, m in data])
    target = np.concatenate([t[m] for _, t, m in data])
    places = np.clip(((source + 1) * 8).astype(int), 0, 15)
    best = ((curve[places] - target) ** 2).sum()
    for shift in (-0.05, 0.05):
        for place in range(16):
            other = curve.copy()
            other[place] += shift
            assert ((other[places] - target) ** 2).sum() > best


def test_histogram_interpolates_empty_bins_and_clamps(make):
    size = (2, 4)
    mask = np.ones(size, bool)
    source = np.array([[-1, -1, 1, 1]] * 2, np.float32)
    model = make("histogram", size, bins=9)
    model.fit([(source, source, mask)])
    made = model.translate(torch.tensor([[-1.0, 0.0, 1.0, 5.0]]).view(1, 1, 1, 4)).flatten()
    np.testing.assert_allclose(made, [-1, 0, 1, 1], atol=1e-6)


def test_histogram_needs_two_bins(make):
    with pytest.raises(UsageError, match="bins"):
        make("histogram", bins=1)


@pytest.mark.parametrize("name", ["mean-image", "histogram"])
def test_fitted_state_survives(make, batch, name):
    model, other = make(name), make(name)
    model.fit(slices())
    other.load_state_dict(model.state_dict())
    source = batch().source
    kept = source.clone()
    made = model.translate(source)
    assert torch.equal(made, other.translate(source))
    assert torch.equal(source, kept)
    made += 1  # what is handed out is not the model's own
    assert torch.equal(other.translate(source), model.translate(source))

"""Classical denoisers: they take noise away, leave clean images alone, and choose their strength on training slices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark import UsageError


class Slices:
    """Pairs of noisy and clean images with a region in the middle."""

    def __init__(self, noise):
        random = np.random.default_rng(0)
        self.pairs = []
        for _ in range(4):
            clean = phantom(random)
            mask = np.zeros(clean.shape, bool)
            mask[4:-4, 4:-4] = True
            noisy = np.clip(clean + noise * random.standard_normal(clean.shape), -1, 1).astype(np.float32)
            self.pairs.append((noisy, clean, mask))

    def __len__(self):
        return len(self.pairs)

    def __iter__(self):
        return iter(self.pairs)


def phantom(random):
    """Flat discs on a background, 48x48, in [-1, 1]."""
    rows, columns = np.mgrid[:48, :48]
    image = np.full((48, 48), -0.8, np.float32)
    for _ in range(5):
        centre, radius, value = random.uniform(10, 38, 2), random.uniform(4, 12), random.uniform(-0.5, 0.8)
        image[(rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2] = value
    return image


@pytest.mark.parametrize("name", ["nl-means", "wavelet"])
def test_noise_goes_and_the_image_stays(make, name):
    slices = Slices(noise=0.15)
    model = make(name, size=(48, 48))
    model.fit(slices)
    for noisy, clean, _ in slices:
        made = model.translate(torch.from_numpy(noisy)[None, None])[0, 0].numpy()
        before, after = np.square(noisy - clean).mean(), np.square(made - clean).mean()
        assert after < 0.5 * before
        assert np.abs(made).max() <= 1


@pytest.mark.parametrize("name", ["nl-means", "wavelet"])
def test_a_clean_image_is_left_nearly_as_it_is(make, name):
    slices = Slices(noise=0.0)
    model = make(name, size=(48, 48))
    model.fit(slices)
    for _, clean, _ in slices:
        made = model.translate(torch.from_numpy(clean)[None, None])[0, 0].numpy()
        assert np.sqrt(np.square(made - clean).mean()) < 0.05
    flat = torch.full((1, 1, 48, 48), 0.25)
    assert torch.equal(model.translate(flat), flat)


def test_the_strength_with_the_least_error_is_taken_and_kept(make):
    slices = Slices(noise=0.15)
    chosen, low, high = (
        make("wavelet", size=(48, 48), strengths=strengths) for strengths in ((0.01, 1.0), (0.01,), (1.0,))
    )
    for model in (chosen, low, high):
        model.fit(slices)
    errors = {
        model.strength: sum(
            np.square((model.translate(torch.from_numpy(noisy)[None, None])[0, 0].numpy() - clean)[mask]).sum()
            for noisy, clean, mask in slices
        )
        for model in (low, high)
    }
    assert chosen.strength == min(errors, key=errors.get)
    again = make("wavelet", size=(48, 48))
    again.load_state_dict(chosen.state_dict())
    assert again.strength == chosen.strength
    assert chosen.provenance() == {"strength": f"{chosen.strength:g} x estimated noise"}


def test_the_strength_is_chosen_on_slices_from_first_to_last(make, monkeypatch):
    model, seen = make("wavelet", size=(48, 48), slices=4, strengths=(1.0,)), []
    monkeypatch.setattr(model, "_slice", lambda image, _strength: seen.append(int(image[0, 0])) or image)
    everywhere = np.ones((2, 2), bool)
    model.fit([(np.full((2, 2), number, np.float32), np.zeros((2, 2), np.float32), everywhere) for number in range(7)])
    assert seen == [0, 2, 4, 6]


@pytest.mark.parametrize("settings", [{"strengths": (0.0,)}, {"strengths": ()}, {"slices": 0}])
def test_settings_that_choose_nothing_are_refused(make, settings):
    with pytest.raises(UsageError, match="strengths must be above 0"):
        make("nl-means", **settings)

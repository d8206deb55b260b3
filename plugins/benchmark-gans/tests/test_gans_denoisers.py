"""Classical denoisers: they take noise away, leave clean images alone, and choose their strength on training slices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import restoration

from benchmark import UsageError

NAMES = ("gaussian", "nl-means", "wavelet", "tv")


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


@pytest.mark.parametrize("name", NAMES)
def test_noise_goes_and_the_image_stays(make, name):
    slices = Slices(noise=0.15)
    model = make(name, size=(48, 48))
    model.fit(slices)
    before = after = 0.0
    for noisy, clean, _ in slices:
        made = model.translate(torch.from_numpy(noisy)[None, None])[0, 0].numpy()
        assert np.abs(made).max() <= 1
        before += np.square(noisy - clean).mean()
        after += np.square(made - clean).mean()
    assert after < (0.85 if name == "gaussian" else 0.4) * before


@pytest.mark.parametrize("name", NAMES)
def test_where_nothing_is_to_be_gained_images_stay_as_they_are(make, name):
    model = make(name, size=(48, 48))
    model.fit(Slices(noise=0.0))
    assert model.strength == 0
    for _, clean, _ in Slices(noise=0.0):
        image = torch.from_numpy(clean)[None, None]
        assert torch.equal(model.translate(image), image)


@pytest.mark.parametrize(("name", "allowed"), [("gaussian", 0.13), ("nl-means", 0.1), ("wavelet", 0.1), ("tv", 0.1)])
def test_a_clean_image_suffers_less_than_the_noise_that_was_trained_on(make, name, allowed):
    slices = Slices(noise=0.15)
    model = make(name, size=(48, 48), root="never")
    model.fit(slices)
    for _, clean, _ in slices:
        made = model.translate(torch.from_numpy(clean)[None, None])[0, 0].numpy()
        assert np.sqrt(np.square(made - clean).mean()) < allowed
    flat = torch.full((1, 1, 48, 48), 0.25)
    torch.testing.assert_close(model.translate(flat), flat, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_noise_that_grows_with_the_root_of_intensity_is_taken_from_the_root(make, name):
    random = np.random.default_rng(1)
    pairs = []
    for _ in range(4):
        clean = phantom(random)
        counts = random.poisson(40 * (clean + 1) / 2) / 40
        noisy = np.clip(2 * counts - 1, -1, 1).astype(np.float32)
        pairs.append((noisy, clean, np.ones(clean.shape, bool)))
    errors = {}
    for root in ("never", "always", "fitted"):
        model = make(name, size=(48, 48), root=root)
        model.fit(pairs)
        errors[root] = sum(
            np.square(model.translate(torch.from_numpy(noisy)[None, None])[0, 0].numpy() - clean).sum()
            for noisy, clean, _ in pairs
        )
    assert errors["fitted"] == min(errors["never"], errors["always"])
    if name in ("nl-means", "wavelet", "tv"):
        assert errors["always"] < errors["never"]


def test_each_denoiser_is_the_library_function_of_its_name(make):
    noisy = Slices(noise=0.1).pairs[0][0]
    image = torch.from_numpy(noisy)[None, None]
    wanted = {
        "gaussian": ndimage.gaussian_filter(noisy, 0.5),
        "nl-means": restoration.denoise_nl_means(noisy, patch_size=5, patch_distance=6, h=0.5),
        "tv": restoration.denoise_tv_chambolle(noisy, weight=0.5),
        "wavelet": restoration.denoise_wavelet(noisy, sigma=0.5),
    }
    for name, made in wanted.items():
        model = make(name, size=(48, 48), **({"spins": 0} if name == "wavelet" else {}))
        model.load_state_dict({"strength": 0.5, "root": False})
        np.testing.assert_allclose(model.translate(image)[0, 0], np.clip(made, -1, 1), atol=1e-6)
        model.load_state_dict({"strength": 1e-9, "root": True})
        np.testing.assert_allclose(model.translate(image)[0, 0], noisy, atol=1e-5)


def test_the_strength_with_the_least_error_is_taken_and_kept(make):
    slices = Slices(noise=0.15)
    chosen, low, high = (
        make("wavelet", size=(48, 48), strengths=strengths, root="never")
        for strengths in ((0.01, 0.2), (0.01,), (0.2,))
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
    noisy = torch.from_numpy(slices.pairs[0][0])[None, None]
    assert torch.equal(again.translate(noisy), chosen.translate(noisy))
    assert chosen.provenance() == {"strength": f"{chosen.strength:g}"}


def test_the_strength_is_chosen_on_slices_from_first_to_last(make, monkeypatch):
    model, seen = make("wavelet", size=(48, 48), slices=4, strengths=(1.0,), root="never"), []
    monkeypatch.setattr(model, "_slice", lambda image: seen.append(int(image[0, 0])) or image)
    everywhere = np.ones((2, 2), bool)
    model.fit([(np.full((2, 2), number, np.float32), np.zeros((2, 2), np.float32), everywhere) for number in range(7)])
    assert seen == [0, 2, 4, 6] * 2


@pytest.mark.parametrize(
    "settings", [{"strengths": (0.0,)}, {"strengths": ()}, {"strengths": (np.inf,)}, {"slices": 0}]
)
def test_settings_that_choose_nothing_are_refused(make, settings):
    with pytest.raises(UsageError, match="must be above 0"):
        make("nl-means", **settings)

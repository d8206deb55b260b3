"""Classical denoisers from scikit-image as baselines, for sources and targets of one modality.

BM3D itself is not here: the package of that name may not be used commercially. Wavelet shrinkage with cycle spinning
is its nearest relative in a free library (thresholding of transform coefficients, averaged over many placements).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means, denoise_wavelet, estimate_sigma
from torch import Tensor

from benchmark import UsageError
from benchmark.protocols import ModelContext, TrainingSlices
from benchmark_gans.baseline_options import DenoiserOptions, NlMeansOptions, WaveletOptions

Image = NDArray[np.float32]

NOISELESS = 1e-6
"""Noise below this, in [-1, 1], is rounding."""


class Denoiser:
    """Denoises each slice with ``strength`` x its estimated noise; the strength is chosen on training slices."""

    def __init__(self, options: DenoiserOptions, _context: ModelContext) -> None:
        if not options.strengths or min(options.strengths) <= 0 or options.slices < 1:
            raise UsageError("strengths must be above 0, slices at least 1")
        self.options = options
        self.strength = options.strengths[0]

    def denoise(self, image: Image, noise: float) -> Image:
        """One slice ``(H, W)`` without noise of this standard deviation."""
        raise NotImplementedError

    def fit(self, slices: TrainingSlices) -> None:
        """Choose the strength with the least mean squared error inside the region."""
        places = set(np.linspace(0, len(slices) - 1, min(len(slices), self.options.slices)).astype(int))
        chosen = [each for place, each in enumerate(slices) if place in places]
        errors = []
        for strength in self.options.strengths:
            total = sum(
                float(((self._slice(source, strength) - target)[mask] ** 2).sum()) for source, target, mask in chosen
            )
            errors.append(total)
        self.strength = self.options.strengths[int(np.argmin(errors))]

    def translate(self, source: Tensor) -> Tensor:
        """Every slice denoised, ``(N, 1, H, W)`` in [-1, 1]."""
        images = source[:, 0].cpu().numpy()
        made = np.stack([self._slice(image, self.strength) for image in images])
        return torch.from_numpy(made)[:, None].to(source)

    def _slice(self, image: Image, strength: float) -> Image:
        noise = float(estimate_sigma(image))
        if not noise > NOISELESS:
            return image.copy()
        return np.clip(self.denoise(image, strength * noise), -1.0, 1.0).astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        """The strength."""
        return {"strength": self.strength}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.strength = float(state["strength"])

    def provenance(self) -> dict[str, str]:
        """The strength that was chosen."""
        return {"strength": f"{self.strength:g} x estimated noise"}


class NlMeans(Denoiser):
    """Non-local means (Buades, Coll, Morel 2005): similar patches are averaged."""

    options: NlMeansOptions

    def denoise(self, image: Image, noise: float) -> Image:
        made: Image = denoise_nl_means(
            image, patch_size=self.options.patch, patch_distance=self.options.reach, h=0.8 * noise, sigma=noise
        )
        return made


class Wavelet(Denoiser):
    """Soft thresholding of wavelet coefficients (BayesShrink, Chang et al. 2000), averaged over shifts."""

    options: WaveletOptions

    def denoise(self, image: Image, noise: float) -> Image:
        shifts = [(row, column) for row in range(self.options.spins + 1) for column in range(self.options.spins + 1)]
        total = np.zeros_like(image, np.float64)
        for shift in shifts:
            moved = denoise_wavelet(np.roll(image, shift, (0, 1)), sigma=noise)
            total += np.roll(moved, (-shift[0], -shift[1]), (0, 1))
        return (total / len(shifts)).astype(np.float32)

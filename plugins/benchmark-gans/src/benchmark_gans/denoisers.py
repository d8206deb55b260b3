"""Classical denoisers as baselines, for sources and targets in one unit: what can be had without a network.

The noise is not estimated from the image: where it is correlated or grows with intensity, as in PET, estimators for
white noise miss it by an order of magnitude. Instead the strength is fitted to the training pairs. BM3D is not here:
the package of that name may not be used commercially.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, denoise_wavelet
from torch import Tensor

from benchmark import UsageError
from benchmark.contracts.protocols import ModelContext, TrainingSlices
from benchmark_gans.baseline_options import DenoiserOptions, NlMeansOptions, WaveletOptions
from benchmark_gans.source_channel import input_of, source_channel

Image = NDArray[np.float32]


class Denoiser:
    """Denoises each slice, as strongly as has the least mean squared error inside the region of training slices.

    Not denoising at all is among the choices. So is denoising the square root of the intensity above the window's
    lower end, where noise of counts is the same everywhere (Anscombe 1948). Whatever the curve along which networks see
    the unit, images are denoised and errors are taken on the straight window, -1 to 1.

    Raises:
        UsageError: no strengths or slices to choose from.
    """

    def __init__(self, options: DenoiserOptions, context: ModelContext) -> None:
        if not options.strengths or not all(0 < each < np.inf for each in options.strengths) or options.slices < 1:
            raise UsageError(f"strengths {options.strengths} must be above 0, slices ({options.slices}) at least 1")
        self.options = options
        channel = source_channel("denoiser", options.channel, context)
        self.channel = input_of(channel, context)
        self.source, self.target = context.task.sources[channel].map, context.task.target
        self.strength = 0.0
        self.root = False

    def denoise(self, image: Image, strength: float) -> Image:
        """One slice ``(H, W)``, denoised."""
        raise NotImplementedError

    def fit(self, slices: TrainingSlices) -> None:
        """Choose the strength, and whether to take the root."""
        places = set(np.linspace(0, len(slices) - 1, min(len(slices), self.options.slices)).astype(int))
        chosen = [
            (self.source.straighten(self._image(source)), self.target.straighten(target), mask)
            for place, (source, target, mask) in enumerate(slices)
            if place in places
        ]
        roots = {"fitted": (False, True), "always": (True,), "never": (False,)}[self.options.root]
        choices = [(0.0, False), *((strength, root) for root in roots for strength in self.options.strengths)]
        errors = []
        for self.strength, self.root in choices:
            made = (self._slice(source) - target for source, target, _ in chosen)
            errors.append(
                sum(float(np.square(each[mask]).sum()) for each, (_, _, mask) in zip(made, chosen, strict=True))
            )
        self.strength, self.root = choices[int(np.argmin(errors))]

    def translate(self, source: Tensor) -> Tensor:
        """Every slice of the denoised channel, ``(N, 1, H, W)`` in [-1, 1]."""
        straight = self.source.straighten(source[:, self.channel].cpu().numpy())
        made = self.target.bend(np.stack([self._slice(image) for image in straight]))
        return torch.from_numpy(made)[:, None].to(source)

    def _image(self, source: Image) -> Image:
        """The channel that is denoised, of a training slice."""
        return source if source.ndim == 2 else source[self.channel]

    def _slice(self, image: Image) -> Image:
        if not self.strength:
            return image.copy()
        if not self.root:
            return np.clip(self.denoise(image, self.strength), -1.0, 1.0).astype(np.float32)
        rooted = np.sqrt(np.clip((image + 1) / 2, 0.0, 1.0))
        made = np.clip(self.denoise(rooted, self.strength), 0.0, 1.0)
        return (2 * np.square(made) - 1).astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        """What was chosen."""
        return {"strength": self.strength, "root": self.root}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.strength, self.root = float(state["strength"]), bool(state["root"])

    def provenance(self) -> dict[str, str]:
        """What was chosen."""
        return {"strength": f"{self.strength:g}{' on the square root of intensity' if self.root else ''}"}


class Gaussian(Denoiser):
    """A Gaussian filter whose standard deviation in pixels is the strength: the usual post-filter of PET."""

    def denoise(self, image: Image, strength: float) -> Image:
        made: Image = gaussian_filter(image, strength)
        return made


class NlMeans(Denoiser):
    """Non-local means (Buades, Coll, Morel 2005): similar patches are averaged; the strength is their filter h."""

    options: NlMeansOptions

    def denoise(self, image: Image, strength: float) -> Image:
        made: Image = denoise_nl_means(
            image, patch_size=self.options.patch, patch_distance=self.options.reach, h=strength
        )
        return made


class Wavelet(Denoiser):
    """Soft thresholding of wavelet coefficients (BayesShrink, Chang et al. 2000), averaged over shifts.

    The strength is the standard deviation of the noise that is taken away.
    """

    options: WaveletOptions

    def denoise(self, image: Image, strength: float) -> Image:
        shifts = [(row, column) for row in range(self.options.spins + 1) for column in range(self.options.spins + 1)]
        total = np.zeros_like(image, np.float64)
        for shift in shifts:
            moved = denoise_wavelet(np.roll(image, shift, (0, 1)), sigma=strength)
            total += np.roll(moved, (-shift[0], -shift[1]), (0, 1))
        return (total / len(shifts)).astype(np.float32)


class TotalVariation(Denoiser):
    """Least total variation (Rudin, Osher, Fatemi 1992), by Chambolle's algorithm; the strength is its weight."""

    def denoise(self, image: Image, strength: float) -> Image:
        made: Image = denoise_tv_chambolle(image, weight=strength)
        return made

"""What a user may set of the baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmark_gans.options import option


@dataclass(frozen=True)
class CopyOptions:
    """The copied source."""

    channel: str = option(
        "", "of a source of several channels the one copied; default: the first in the target's unit", "this project"
    )


@dataclass(frozen=True)
class HistogramOptions:
    """The tone curve."""

    bins: int = option(128, "bins of the source intensity over [-1, 1]", "this project")
    channel: str = option(
        "",
        "of a source of several channels the one mapped; default: the one with the least squared error on training "
        "slices",
        "this project",
    )


@dataclass(frozen=True)
class DenoiserOptions:
    """A classical denoiser."""

    strengths: tuple[float, ...] = option(
        (0.01, 0.02, 0.04, 0.06, 0.08, 0.12, 0.16, 0.22, 0.32),
        "strengths to choose from, on images in [-1, 1] or roots in [0, 1], no denoising being one more; the one with "
        "the least squared error on training slices is taken",
        "this project",
    )
    root: Literal["fitted", "always", "never"] = option(
        "fitted",
        "denoise the square root of the intensity above the window's lower end, where noise of counts is the same "
        "everywhere; fitted: if it has the smaller error",
        "Anscombe 1948, without his offset of 3/8",
    )
    channel: str = option(
        "", "of a source of several channels the one denoised; default: the first in the target's unit", "this project"
    )
    slices: int = option(24, "training slices, evenly spaced, on which all that is chosen", "this project")


@dataclass(frozen=True)
class GaussianOptions(DenoiserOptions):
    """A Gaussian filter."""

    strengths: tuple[float, ...] = option(
        (0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0),
        "standard deviations in pixels to choose from, no filter being one more",
        "this project",
    )


@dataclass(frozen=True)
class NlMeansOptions(DenoiserOptions):
    """Non-local means."""

    patch: int = option(5, "side of the patches that are compared, in pixels", "Buades et al. 2005: 7; coarser here")
    reach: int = option(6, "how far away patches are looked for, in pixels", "Buades et al. 2005: 10; coarser here")


@dataclass(frozen=True)
class WaveletOptions(DenoiserOptions):
    """Wavelet shrinkage."""

    spins: int = option(
        3, "shifts along each axis over which the denoised image is averaged (cycle spinning)", "Coifman, Donoho 1995"
    )

"""What a user may set of the baselines."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark_gans.options import option


@dataclass(frozen=True)
class HistogramOptions:
    """The tone curve."""

    bins: int = option(128, "bins of the source intensity over [-1, 1]", "this project")


@dataclass(frozen=True)
class DenoiserOptions:
    """A classical denoiser."""

    strengths: tuple[float, ...] = option(
        (0.25, 0.5, 0.75, 1.0, 1.5, 2.0),
        "strengths to choose from, in multiples of the noise estimated in each slice; the one with the least squared "
        "error on training slices is taken",
        "this project",
    )
    slices: int = option(48, "training slices, evenly spaced, on which the strength is chosen", "this project")


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

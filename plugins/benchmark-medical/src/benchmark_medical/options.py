"""Options of the embedded tasks and of the importers: light dataclasses, read to list and document them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


def _option(default: Any, text: str, source: str = "", **more: Any) -> Any:
    return field(default=default, metadata={"help": text, "source": source, **more})


@dataclass(frozen=True)
class PetOptions:
    """How a PET slice is acquired and reconstructed; the same for full and low counts."""

    counts: float = _option(4e6, "expected total counts of one full-count slice, background included")
    scatter_fraction: float = _option(0.25, "scattered share of the total counts")
    randoms_fraction: float = _option(0.15, "random-coincidence share of the total counts")
    resolution_mm: float = _option(4.5, "FWHM of the scanner's point spread, in mm")
    iterations: int = _option(6, "OSEM iterations")
    subsets: int = _option(6, "OSEM subsets (views are dealt round robin)")
    filter_mm: float = _option(2.0, "FWHM of the Gaussian filter after reconstruction, in mm; 0: none")
    model_resolution: bool = _option(False, "the reconstruction knows the point spread: sharper, with edge overshoot")


@dataclass(frozen=True)
class PetDenoiseOptions(PetOptions):
    """PET options, and how many of the counts the low-count image keeps."""

    counts: float = _option(8e4, "expected total counts of one full-count slice, background included")
    iterations: int = _option(3, "OSEM iterations")
    filter_mm: float = _option(3.0, "FWHM of the Gaussian filter after reconstruction, in mm; 0: none")
    low_count_fraction: float = _option(
        0.25, "binomial thinning of the same acquisition", "MedGAN, arXiv 1806.06397: 25 % of the time"
    )


@dataclass(frozen=True)
class MrOptions:
    """How a T1-weighted slice is acquired."""

    sequence: Literal["spin-echo", "mprage"] = _option("spin-echo", "signal equation")
    repetition_ms: float = _option(550.0, "TR (spin echo) or the recovery time after the readout (MPRAGE), in ms")
    echo_ms: float = _option(12.0, "TE, in ms")
    inversion_ms: float = _option(900.0, "TI, in ms (MPRAGE only)")
    fat_suppression: float = _option(0.0, "share of the fat's signal that is suppressed, 0..1")
    bias_field: float = _option(0.3, "standard deviation of the logarithm of the receive field")
    noise: float = _option(0.02, "Rician noise: standard deviation relative to the signal of white matter")


@dataclass(frozen=True)
class MotionOptions:
    """Rigid in-plane motion during an acquisition."""

    severity: float = _option(1.0, "multiplies all shifts and rotations; 0: no motion")
    trajectory: Literal["mixed", "step", "drift", "periodic"] = _option(
        "mixed", "how the head moves; mixed: drawn per slice"
    )
    line_order: Literal["sequential", "interleaved", "centre-out"] = _option(
        "interleaved", "order of phase-encode lines; interleaved: turbo spin echo, 8 evenly spaced lines a shot"
    )
    phase_axis: Literal["rows", "columns"] = _option("rows", "image axis of phase encoding")


@dataclass(frozen=True)
class MrMotionOptions(MotionOptions, MrOptions):
    """MR options, and the rigid in-plane motion during the acquisition."""

    fat_suppression: float = _option(0.8, "share of the fat's signal that is suppressed, 0..1")
    noise: float = _option(0.1, "Rician noise: standard deviation relative to the signal of white matter")
    averages: int = _option(6, "acquisitions averaged for the motion-free reference: its noise is less by the root")


@dataclass(frozen=True)
class CtOptions:
    """How a CT slice is acquired and reconstructed."""

    noise_hu: float = _option(12.0, "noise at full dose in the centre of a 20 cm water disc, in HU; 0: no noise")
    geometry: Literal["parallel", "fan"] = _option("parallel", "beam: parallel over 180 or fan over 360 degrees")
    views: int = _option(0, "number of views; 0: by the image's size, at least 120 (parallel) or 240 (fan)")
    source_cm: float = _option(57.0, "distance from the source to the axis of rotation, in cm (fan only)")
    resolution_mm: float = _option(1.2, "FWHM of focal spot and detector at the axis, in mm")
    electronic_noise: float = _option(
        5e-5,
        "variance of the electronic noise in photons, over the photons of an unattenuated ray at full dose",
        "a variance of about 10 at 2e5 photons; model: Zeng et al. 2015, IEEE TNS 62:2226",
    )
    kernel: Literal["ramp", "hann"] = _option("ramp", "reconstruction filter: sharp, or smooth with less noise")


@dataclass(frozen=True)
class PetCtOptions(PetOptions):
    """PET options, what the PET was corrected for attenuation with, and the CT's noise."""

    attenuation_correction: Literal["ct", "none"] = _option(
        "ct",
        "ct: the source was corrected with the target CT, as PET/CT scanners do; none: not corrected, as it is where a "
        "synthetic CT is wanted for the correction",
        "MedGAN, arXiv 1806.06397: the scanner's (corrected) PET",
    )
    ct_noise_hu: float = _option(12.0, "noise of the target CT in the centre of a 20 cm water disc, in HU")


@dataclass(frozen=True)
class MrCtOptions(MrOptions):
    """MR options and the CT's noise."""

    ct_noise_hu: float = _option(12.0, "noise of the target CT in the centre of a 20 cm water disc, in HU")


@dataclass(frozen=True)
class LdctOptions(CtOptions):
    """CT options, the dose of the source, and the signals that are planted for the model observer."""

    noise_hu: float = _option(8.0, "noise at full dose in the centre of a 20 cm water disc, in HU; 0: no noise")
    dose: float = _option(0.25, "share of the full dose's photons in the source", "quarter dose, as in the Mayo data")
    signals: int = _option(6, "places a slice where a low-contrast disc is or could be; 0: none")
    signal_mm: float = _option(6.0, "radius of the discs, in mm; at least 1.5 pixels")
    signal_hu: float = _option(40.0, "contrast of the discs, in HU")


@dataclass(frozen=True)
class FilamentOptions:
    """What kind of filaments is photographed."""

    kind: Literal["vessels", "neurons"] = _option(
        "vessels", "vessels of the retina in a fundus photograph's green channel, or neurons in bright field"
    )


@dataclass(frozen=True)
class ScanMotionOptions(MotionOptions):
    """Motion of a patient whose scan is real: less than the phantoms', which still leaves a picture to repair."""

    severity: float = _option(0.4, "multiplies all shifts and rotations; 0: no motion, 1: as in the embedded data")


@dataclass(frozen=True)
class LowCountOptions(PetOptions):
    """The acquisition that is taken to lie behind a real PET, and how much of it is kept."""

    counts: float = _option(2e5, "counts a slice that are taken to lie behind the image, background included")
    iterations: int = _option(3, "OSEM iterations")
    filter_mm: float = _option(3.0, "FWHM of the Gaussian filter after reconstruction, in mm; 0: none")
    low_count_fraction: float = _option(0.25, "share of the counts that is kept")


@dataclass(frozen=True)
class LowDoseOptions(CtOptions):
    """The scanner that is taken to lie behind a real CT, the dose that is kept, and signals to plant."""

    dose: float = _option(0.25, "share of the photons that is kept")
    signals: int = _option(
        0, "places a slice where a low-contrast disc is or could be, for the model observer; changes the target too"
    )
    signal_mm: float = _option(6.0, "radius of the discs, in mm; at least 1.5 pixels")
    signal_hu: float = _option(40.0, "contrast of the discs, in HU")

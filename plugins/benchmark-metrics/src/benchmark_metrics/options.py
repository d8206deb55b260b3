"""What a profile may set on a metric. Light: imported whenever metrics are listed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class LpipsOptions:
    """Options of LPIPS."""

    net: Literal["alex", "squeeze", "vgg"] = field(
        default="alex",
        metadata={"help": "feature network", "source": "Zhang et al. 2018, the authors' choice for scoring"},
    )


@dataclass(frozen=True)
class SetDistanceOptions:
    """Options of distances between sets."""

    features: Literal["embedded", "alexnet", "squeezenet1_1", "vgg16", "inception_v3"] = field(
        default="embedded",
        metadata={"help": "network whose features are compared; embedded: trained on this project's phantoms"},
    )
    least_studies: int = field(default=5, metadata={"help": "fewer studies give no value"})


@dataclass(frozen=True)
class KidOptions(SetDistanceOptions):
    """Options of KID."""

    least_slices: int = field(default=50, metadata={"help": "fewer slices give no value"})


@dataclass(frozen=True)
class FidOptions(SetDistanceOptions):
    """Options of FID."""

    least_slices_per_value: float = field(
        default=5.0,
        metadata={
            "help": "fewer slices for each value of a feature vector give no value",
            "source": "the 10,000 images that Heusel et al. ask for, over Inception's 2048 values",
        },
    )


@dataclass(frozen=True)
class NrmseOptions:
    """Options of NRMSE."""

    normaliser: Literal["root-mean-square", "range", "mean"] = field(
        default="root-mean-square",
        metadata={"help": "what of the target the error is relative to", "source": "scikit-image's default"},
    )


@dataclass(frozen=True)
class SsimOptions:
    """Options of SSIM."""

    window: Literal["gaussian", "uniform"] = field(
        default="gaussian",
        metadata={"help": "11 Gaussian taps of sigma 1.5, or 7 equal ones, on each axis", "source": "Wang et al. 2004"},
    )
    covariance: Literal["population", "sample"] = field(
        default="population",
        metadata={"help": "variances over N or N - 1 voxels of the window", "source": "Wang et al. 2004"},
    )
    border: Literal["valid", "reflect"] = field(
        default="valid",
        metadata={
            "help": "only windows fully inside, or one for every voxel of the mirrored image",
            "source": "Wang et al. 2004",
        },
    )


@dataclass(frozen=True)
class MsSsimOptions:
    """Options of MS-SSIM."""

    levels: int = field(
        default=5,
        metadata={"help": "1 to 5; fewer for images below 176 pixels a side", "source": "Wang et al. 2003"},
    )
    odd: Literal["drop", "mirror"] = field(
        default="drop",
        metadata={
            "help": "what becomes of an odd last row, column or plane between levels: dropped, or pooled with its own "
            "mirror image",
            "source": "both are the authors': drop is their first program's, mirror their later one's",
        },
    )


@dataclass(frozen=True)
class SynthradMsSsimOptions:
    """Options of SynthRAD2025's MS-SSIM."""

    luminance: Literal["every-level", "coarsest-level"] = field(
        default="every-level", metadata={"help": "where luminance counts", "source": "SynthRAD2025's code as shipped"}
    )


@dataclass(frozen=True)
class VifOptions:
    """Options of VIF-P."""

    scale: Literal["0..255", "as-is"] = field(
        default="0..255",
        metadata={"help": "map the range to 0..255, or take values as they are", "source": "Sheikh, Bovik 2006"},
    )


@dataclass(frozen=True)
class NmiOptions:
    """Options of NMI."""

    bins: int = field(default=100, metadata={"help": "histogram bins of each image over the range"})


@dataclass(frozen=True)
class DiceOptions:
    """Options of Dice."""

    labels: tuple[int, ...] = field(default=(), metadata={"help": "labels that count; none named: all but 0"})
    present: Literal["either", "target"] = field(
        default="either", metadata={"help": "structures found in either label map, or only those in the target"}
    )


@dataclass(frozen=True)
class HausdorffOptions(DiceOptions):
    """Options of HD95."""

    percentile: float = field(default=95.0, metadata={"help": "100 for the Hausdorff distance"})


@dataclass(frozen=True)
class TissueOptions:
    """Options of Dice and HD95 of a tissue."""

    low: float = field(default=200.0, metadata={"help": "lowest value of the tissue; the default is bone in HU"})
    high: float = field(default=float("inf"), metadata={"help": "highest value of the tissue"})


@dataclass(frozen=True)
class DivergenceOptions:
    """Options of the divergence of intensities."""

    bins: int = field(default=64, metadata={"help": "histogram bins over the range"})


@dataclass(frozen=True)
class SegmenterOptions:
    """Options of what a segmentation network learns from drawn images."""

    thresholds: tuple[float, ...] = field(
        default=(-400.0, 150.0),
        metadata={"help": "limits between the tissue classes of real images; the same as those of the drawn masks"},
    )
    steps: int = field(default=150, metadata={"help": "training steps of the segmentation network"})
    batch_size: int = field(default=4, metadata={"help": "slices in a training step"})
    learning_rate: float = field(default=3e-3, metadata={"help": "learning rate of its Adam"})

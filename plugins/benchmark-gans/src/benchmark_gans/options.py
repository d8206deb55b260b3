"""What a user may set, one frozen dataclass per model; every liberty the papers leave is a field here.

``source`` names where a default comes from; "not stated" means that the paper is silent and the default is
this project's choice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

TABLE_2 = "MedGAN section 3.2.2 (Table II), weight not stated"


def option(default: Any, text: str, source: str) -> Any:
    """A dataclass field with its help and the source of its default."""
    return field(default=default, metadata={"help": text, "source": source})


@dataclass(frozen=True)
class GeneratorOptions:
    """The U-block generator that the models of MedGAN's comparison share."""

    blocks: int = option(1, "U-blocks in a row; MedGAN has 6, the models it is compared with 1", "MedGAN section 3.2.2")
    dropout: float = option(
        0.0,
        "dropout in the three innermost decoder layers while training",
        "not stated; MedGAN section 2.4.1 wants no stochasticity, its base code has 0.5",
    )


@dataclass(frozen=True)
class AdversaryOptions:
    """The weight of the adversary."""

    adversarial_weight: float = option(
        1.0,
        "weight of the adversarial loss; 0: no discriminator at all, neither built nor trained",
        "MedGAN Eq. 12; the codes of pix2pix, ID-CGAN, Fila-GAN and CycleGAN",
    )


@dataclass(frozen=True)
class PairedGanOptions(GeneratorOptions, AdversaryOptions):
    """The conditional patch discriminator that goes with it."""

    patch: Literal[16, 34, 70] = option(16, "pixels that one logit of the discriminator sees", "MedGAN section 2.4.3")
    discriminator_norm: bool = option(True, "instance norm in the discriminator", "MedGAN section 2.4.3")
    discriminator_norm_first: bool = option(
        False,
        "instance norm on the discriminator's first layer too",
        "pix2pix has none; MedGAN's text can be read as both",
    )


@dataclass(frozen=True)
class FeatureOptions:
    """Where the features of style and content losses come from."""

    features: Literal["embedded", "vgg19"] = option(
        "embedded",
        "embedded: a small VGG-shaped network trained on this project's phantoms; vgg19: ImageNet weights, looked up "
        "on disk and never downloaded",
        "the papers use VGG-19; the embedded network stands in where its weights cannot be had",
    )
    feature_activation: Literal["before", "after"] = option(
        "after",
        "take features before or after the ReLU",
        "not stated in MedGAN; Fila-GAN's author code takes them after",
    )


@dataclass(frozen=True)
class MedganOptions(PairedGanOptions, FeatureOptions):
    """MedGAN (Armanious et al. 2020)."""

    blocks: int = option(6, "U-blocks in a row", "MedGAN section 2.5")
    generator_steps: int = option(3, "generator updates per discriminator update, on the same batch", "MedGAN Alg. 1")
    spectral_norm: bool = option(True, "spectral normalisation of every discriminator layer", "MedGAN Eq. 8")
    perceptual_weight: float = option(20.0, "weight of the discriminator-feature loss", "MedGAN Eq. 12: lambda_1")
    style_weight: float = option(1e-4, "weight of the style loss", "MedGAN Eq. 12: lambda_2")
    content_weight: float = option(1e-4, "weight of the content loss", "MedGAN Eq. 12: lambda_3")
    perceptual_layers: tuple[float, ...] = option(
        (1.0, 1.0, 1.0),
        "lambda_pi: pixel term, first and second hidden layer of the discriminator",
        "not stated; MedGAN section 2.5 asks for equal influence of the layers",
    )
    style_layers: tuple[float, ...] = option(
        (1.0, 1.0), "lambda_s of conv1_1 and conv5_1", "values not stated in MedGAN"
    )
    content_layers: tuple[float, ...] = option(
        (1.0, 1.0, 1.0, 1.0), "lambda_c of conv1_1 to conv4_1", "values not stated in MedGAN"
    )
    feature_range: Literal["byte", "imagenet", "unit"] = option(
        "byte",
        "range in which the extractor sees images: byte 0..255 minus the mean, imagenet divided by the standard "
        "deviation too, unit -1..1",
        "not stated; weights of 1e-4 only matter with byte, the convention of 2018",
    )


@dataclass(frozen=True)
class Pix2pixOptions(PairedGanOptions):
    """pix2pix (Isola et al. 2017)."""

    pixel_weight: float = option(100.0, "weight of the L1 loss", "pix2pix code: lambda 100")


@dataclass(frozen=True)
class PanOptions(PairedGanOptions):
    """PAN (Wang et al. 2018)."""

    perceptual_weight: float = option(20.0, "weight of the discriminator-feature loss", f"{TABLE_2}; MedGAN's lambda_1")
    perceptual_layers: tuple[float, ...] = option(
        (1.0, 1.0), "weights of the discriminator's first and second hidden layer", TABLE_2
    )
    margin: float = option(
        1.0, "the discriminator keeps the feature distance of real and made above this", f"margin: {TABLE_2}"
    )


@dataclass(frozen=True)
class IdCganOptions(PairedGanOptions, FeatureOptions):
    """ID-CGAN (Zhang, Sindagi, Patel)."""

    pixel_weight: float = option(150.0, "weight of the L2 loss", "ID-CGAN author code: 150")
    content_weight: float = option(150.0, "weight of the content loss", "ID-CGAN author code: 150")
    content_layers: tuple[str, ...] = option(
        ("conv2_1",), "layers of the content loss", "the author code takes VGG-16 relu2_2; MedGAN says VGG-19 only"
    )
    feature_range: Literal["byte", "imagenet", "unit"] = option(
        "unit", "range in which the extractor sees images", "ID-CGAN author code: -1..1"
    )


@dataclass(frozen=True)
class FilaSganOptions(PairedGanOptions, FeatureOptions):
    """Fila-sGAN (Zhao, Li, Maurer-Stroh, Cheng)."""

    pixel_weight: float = option(100.0, "weight of the L1 loss", f"{TABLE_2}; pix2pix's 100")
    style_weight: float = option(10.0, "weight of the style loss", "Fila-GAN author code: 10")
    content_weight: float = option(1.0, "weight of the content loss", "Fila-GAN author code: 1")
    variation_weight: float = option(
        100.0,
        "weight of total variation; presets with coarser pixels have less, in proportion to the image size",
        "Fila-GAN author code: 100, at 512x512",
    )
    style_image: Literal["source", "target"] = option(
        "source", "image whose style is asked for", "MedGAN section 3.2.2: the source-domain image"
    )
    style_layers: tuple[str, ...] = option(
        ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"), "layers of the style loss", "Fila-GAN author code"
    )
    content_layers: tuple[str, ...] = option(("conv4_2",), "layers of the content loss", "Fila-GAN author code")
    feature_range: Literal["byte", "imagenet", "unit"] = option(
        "unit", "range in which the extractor sees images", "author code: byte"
    )
    generator_steps: int = option(
        1, "generator updates per discriminator update", "1 in MedGAN's comparison; Fila-GAN author code: 2"
    )


@dataclass(frozen=True)
class UnetL1Options(GeneratorOptions):
    """The shared U-block trained with L1 alone."""


@dataclass(frozen=True)
class CycleganOptions(AdversaryOptions):
    """CycleGAN (Zhu et al. 2017)."""

    residual_blocks: int = option(
        0, "residual blocks of a generator; 0: six up to 128 pixels, nine above", "CycleGAN section 7.2"
    )
    patch: Literal[16, 34, 70] = option(70, "pixels that one logit of a discriminator sees", "CycleGAN section 7.2")
    cycle_weight: float = option(10.0, "weight of the cycle loss", "CycleGAN section 4: lambda 10")
    identity: float = option(
        0.5, "weight of the identity loss relative to the cycle loss; 0: none", "CycleGAN code: 0.5"
    )
    pool_size: int = option(50, "made images kept to show the discriminators older ones", "CycleGAN section 4")


@dataclass(frozen=True)
class TwoStageOptions:
    """Source to tissue mask to CT, after Guibas, Virdi, Li 2017."""

    thresholds_hu: tuple[float, ...] = option(
        (-400.0, 150.0), "limits between tissue classes in HU, rising: air | soft tissue | bone", "not stated"
    )
    mask_weight: float = option(
        10.0,
        "weight of the cross-entropy of the mask beside its adversarial loss",
        "none in Guibas et al., whose masks come from noise; here a mask must fit its source",
    )
    pixel_weight: float = option(100.0, "weight of stage II's L1 loss", "pix2pix code: lambda 100")
    patch: Literal[16, 34, 70] = option(
        16, "pixels that one logit of stage II's discriminator sees", "as the other models"
    )


@dataclass(frozen=True)
class HistogramOptions:
    """The tone curve."""

    bins: int = option(128, "bins of the source intensity over [-1, 1]", "this project")

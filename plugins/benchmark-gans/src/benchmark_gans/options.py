"""What a user may set, one frozen dataclass per model; every liberty the papers leave is a field here.

``source`` names where a default comes from; "not stated" means that the paper is silent and the default is
this project's choice. Where a default depends on ``architecture``, ``option(..., authors=(value, source))`` says so;
the harness fills it in unless the option is set (:func:`benchmark.contracts.options.resolve`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from benchmark.contracts.search import Range, Search

TABLE_2 = "MedGAN section 3.2.2 (Table II), weight not stated"
ARCHITECTURE = (
    "protocol: MedGAN's comparison, one shared generator and discriminator; authors: the networks, losses, weights "
    "and update rule of the model's own paper or code"
)


def option(
    default: Any,
    text: str,
    source: str,
    *,
    least_squares: tuple[Any, str] | None = None,
    search: Search | None = None,
    **architectures: tuple[Any, str],
) -> Any:
    """A dataclass field with its help and the source of its default, and (default, source) for the least-squares
    adversary and per other architecture; ``search``: where ``benchmark tune`` may look.
    """
    cases = {
        "architecture": {name.replace("_", "-"): case for name, case in architectures.items()},
        "adversarial": {"least-squares": least_squares} if least_squares else {},
    }
    when = {name: values for name, values in cases.items() if values}
    more = {**({"when": when} if when else {}), **({"search": search} if search else {})}
    return field(default=default, metadata={"help": text, "source": source, **more})


@dataclass(frozen=True)
class GeneratorOptions:
    """The U-block generator that the models of MedGAN's comparison share."""

    blocks: int = option(
        1,
        "U-blocks in a row; MedGAN has 6, the models it is compared with 1",
        "MedGAN section 3.2.2",
    )
    dropout: float = option(
        0.0,
        "dropout in the three innermost decoder layers while training",
        "not stated; MedGAN section 2.4.1 wants no stochasticity, its base code has 0.5",
    )


@dataclass(frozen=True)
class ArchitectureOptions:
    """Whose networks."""

    architecture: Literal["protocol", "authors"] = option("protocol", ARCHITECTURE, "MedGAN section 3.2.2")


@dataclass(frozen=True)
class AdversaryOptions:
    """The weight of the adversary."""

    adversarial_weight: float = option(
        1.0,
        "weight of the adversarial loss; 0: no discriminator at all, neither built nor trained",
        "MedGAN Eq. 12; pix2pix, PAN and CycleGAN codes",
        search=Range(0.03, 3.0, log=True, source="1 in the papers, 6.6e-3 in ID-CGAN's journal version"),
    )


@dataclass(frozen=True)
class PairedGanOptions(GeneratorOptions, AdversaryOptions, ArchitectureOptions):
    """The conditional patch discriminator that goes with it."""

    adversarial: Literal["cross-entropy", "least-squares"] = option(
        "cross-entropy",
        "the adversary's loss: cross-entropy, or least squares against 1 (real) and 0 (made)",
        "MedGAN Eq. 3 and Alg. 1; least-squares: Mao et al., Least squares generative adversarial networks, ICCV 2017, "
        "Eq. 9",
    )
    patch: Literal[16, 34, 70] = option(16, "pixels that one logit of the discriminator sees", "MedGAN section 2.4.3")
    discriminator_norm: bool = option(True, "instance norm in the discriminator; protocol only", "MedGAN section 2.4.3")
    discriminator_norm_first: bool = option(
        False,
        "instance norm on the discriminator's first layer too; protocol only",
        "pix2pix has none; MedGAN's text can be read as both",
    )


@dataclass(frozen=True)
class FeatureOptions:
    """Where the features of style and content losses come from."""

    features: Literal["vgg19", "vgg16", "embedded"] = option(
        "vgg19",
        "ImageNet's VGG-19 or VGG-16, looked up on disk and never downloaded; embedded (below preset paper): a small "
        "VGG-shaped network trained on this project's phantoms",
        "VGG-19 in MedGAN section 2.3.1 and 3.2.2 and in Fila-GAN's author code; embedded where it cannot be had",
    )
    feature_activation: Literal["before", "after"] = option(
        "after",
        "take features before or after the ReLU",
        "not stated in MedGAN; the codes of Fila-GAN and ID-CGAN take them after",
    )


@dataclass(frozen=True)
class MedganOptions(PairedGanOptions, FeatureOptions):
    """MedGAN (Armanious et al. 2020). Its own networks are the protocol's, but for what its text says otherwise."""

    blocks: int = option(6, "U-blocks in a row", "MedGAN section 2.5")
    discriminator_norm: bool = option(True, "instance norm in the discriminator", "MedGAN section 2.4.3")
    discriminator_norm_first: bool = option(
        False,
        "instance norm on the discriminator's first layer too",
        "pix2pix, MedGAN's code base, has none",
        authors=(True, "MedGAN section 2.4.3, read literally: both layers are followed by normalisation"),
    )
    generator_steps: int = option(3, "generator updates per discriminator update, on the same batch", "MedGAN Alg. 1")
    spectral_norm: bool = option(True, "spectral normalisation of every discriminator layer", "MedGAN Eq. 8")
    perceptual_weight: float = option(
        20.0,
        "weight of the discriminator-feature loss",
        "MedGAN Eq. 12: lambda_1",
        search=Range(2.0, 200.0, log=True, source="ten times less and more than MedGAN's lambda_1"),
    )
    style_weight: float = option(
        1e-4,
        "weight of the style loss",
        "MedGAN Eq. 12: lambda_2",
        search=Range(1e-6, 1e-2, log=True, source="a hundred times less and more than MedGAN's lambda_2"),
    )
    content_weight: float = option(
        1e-4,
        "weight of the content loss",
        "MedGAN Eq. 12: lambda_3",
        search=Range(1e-6, 1e-2, log=True, source="a hundred times less and more than MedGAN's lambda_3"),
    )
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

    dropout: float = option(
        0.0,
        "dropout in the three innermost decoder layers",
        "MedGAN section 2.4.1 wants no stochasticity",
        authors=(0.5, "pix2pix section 6.1.1: CD512"),
    )
    patch: Literal[16, 34, 70] = option(
        16,
        "pixels that one logit of the discriminator sees",
        "MedGAN section 2.4.3",
        authors=(70, "pix2pix section 6.1.2"),
    )
    pixel_weight: float = option(
        100.0,
        "weight of the L1 loss",
        "pix2pix code: lambda 100",
        search=Range(10.0, 1000.0, log=True, source="pix2pix code: lambda 100; section 4.2 has 1 and 100"),
        least_squares=(10.0, "the PyTorch port as first published: least squares with lambda_A 10 were its defaults"),
    )
    translate_as: Literal["evaluation", "training"] = option(
        "evaluation",
        "evaluation: no dropout, running statistics; training: dropout (from a fixed random state) and each slice's "
        "own statistics, as in the updates",
        "MedGAN section 2.4.1 wants no stochasticity",
        authors=("training", "pix2pix section 3.3: the generator runs at test time exactly as in training"),
    )


@dataclass(frozen=True)
class PanOptions(PairedGanOptions):
    """PAN (Wang et al. 2018)."""

    conditional: bool = option(
        True,
        "the discriminator sees the source beside the image",
        "MedGAN Eq. 3",
        authors=(False, "third-party code; the paper's own choice is not confirmed"),
    )
    saturating: bool = option(
        False,
        "the generator minimises log(1 - D) instead of -log D",
        "MedGAN Alg. 1",
        authors=(True, "PAN's objective, by the notes on the paper"),
    )
    perceptual_weight: float = option(
        20.0,
        "weight of the discriminator-feature loss",
        f"{TABLE_2}; MedGAN's lambda_1",
        authors=(1.0, "PAN's objective has none beside the layers' own"),
    )
    perceptual_layers: tuple[float, ...] = option(
        (1.0, 1.0),
        "weights of the discriminator's hidden layers, in the margin too",
        TABLE_2,
        authors=((5.0, 1.5, 1.5, 1.0), "layers 1, 4, 6, 8; third-party code, the paper's values are not confirmed"),
    )
    margin: float = option(
        1.0,
        "the discriminator keeps the feature distance of real and made above this",
        f"margin: {TABLE_2}",
        authors=(3.0, "third-party code; depends on the task in the paper"),
    )


@dataclass(frozen=True)
class IdCganOptions(PairedGanOptions, FeatureOptions):
    """ID-CGAN (Zhang, Sindagi, Patel): the system of the released code, and that of the journal."""

    architecture: Literal["protocol", "authors", "authors-journal"] = option(  # type: ignore[assignment]
        "protocol",
        f"{ARCHITECTURE}: authors is the released system (arXiv v1), authors-journal that of IEEE TCSVT",
        "MedGAN section 3.2.2",
    )
    adversarial_weight: float = option(
        1.0,
        "weight of the adversarial loss; 0: no discriminator at all, neither built nor trained",
        "ID-CGAN author code: 1",
        authors_journal=(6.6e-3, "journal version, by derain-toolbox"),
    )
    patch: Literal[16, 34, 70] = option(
        16,
        "pixels that one logit of the discriminator sees",
        "MedGAN section 2.4.3",
        authors=(70, "ID-CGAN author code"),
    )
    pixel_weight: float = option(
        150.0,
        "weight of the L2 loss",
        "ID-CGAN author code: 150",
        authors_journal=(1.0, "journal version, by derain-toolbox"),
    )
    content_weight: float = option(
        150.0,
        "weight of the content loss",
        "ID-CGAN author code: 150",
        authors_journal=(1.0, "journal version, by derain-toolbox"),
    )
    content_distance: Literal["l2", "l1"] = option(
        "l2",
        "distance of features",
        "MedGAN Eq. 11",
        authors=("l1", "author code: called L2, computes L1"),
    )
    features: Literal["vgg19", "vgg16", "embedded"] = option(
        "vgg19",
        "ImageNet's VGG-19 or VGG-16, looked up on disk and never downloaded; embedded (below preset paper): a small "
        "VGG-shaped network trained on this project's phantoms",
        "MedGAN section 3.2.2: VGG-19",
        authors=("vgg16", "ID-CGAN author code"),
        authors_journal=("vgg16", "journal version, by derain-toolbox"),
    )
    content_layers: tuple[str, ...] = option(
        ("conv2_1",),
        "layers of the content loss; the embedded features have conv2_1 alone in block 2",
        "not stated in MedGAN",
        authors=(("conv2_2",), "ID-CGAN author code: relu2_2"),
        authors_journal=(("conv2_2",), "journal version, by derain-toolbox: relu2_2"),
    )
    feature_range: Literal["byte", "imagenet", "unit"] = option(
        "unit",
        "range in which the extractor sees images",
        "ID-CGAN author code: -1..1",
        authors_journal=("imagenet", "not stated; torchvision's convention, where derain-toolbox feeds 0..1 as it is"),
    )
    activated_skip: bool = option(
        True,
        "the generator adds its skips after LeakyReLU; off: before it, as the layer table reads. authors only",
        "ID-CGAN author code: LeakyReLU works in place, so the stored skip is activated",
    )


@dataclass(frozen=True)
class FilaSganOptions(PairedGanOptions, FeatureOptions):
    """Fila-sGAN (Zhao, Li, Maurer-Stroh, Cheng)."""

    pixel_weight: float = option(
        100.0,
        "weight of the L1 loss",
        f"{TABLE_2}; pix2pix's 100",
        authors=(0.0, "Fila-GAN author code: the style GAN has none"),
    )
    style_weight: float = option(10.0, "weight of the style loss", "Fila-GAN author code: 10")
    content_weight: float = option(1.0, "weight of the content loss", "Fila-GAN author code: 1")
    variation_weight: float = option(
        100.0,
        "weight of total variation; presets with coarser pixels have less, in proportion to the image size",
        "Fila-GAN author code: 100, at 512x512",
    )
    style_image: Literal["source", "target", "first"] = option(
        "source",
        "image whose style is asked for; first: the first target of the training, for every slice",
        "MedGAN section 3.2.2: the source-domain image",
        authors=("first", "Fila-GAN author code: one style image, not the slice's own target"),
    )
    style_channel: str = option(
        "",
        "of a source of several channels the one whose style is asked for; default: the first in the target's unit",
        "this project",
    )
    style_layers: tuple[str, ...] = option(
        ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"), "layers of the style loss", "Fila-GAN author code"
    )
    content_layers: tuple[str, ...] = option(("conv4_2",), "layers of the content loss", "Fila-GAN author code")
    feature_range: Literal["byte", "imagenet", "unit"] = option(
        "unit",
        "range in which the extractor sees images",
        "not stated in MedGAN; with byte, style alone would count",
        authors=("byte", "Fila-GAN author code"),
    )
    feature_mask: bool = option(
        False,
        "the extractor sees images with everything outside the region set to the lowest value",
        "not stated in MedGAN",
        authors=(True, "Fila-GAN author code"),
    )
    generator_steps: int = option(
        1,
        "generator updates per discriminator update",
        "MedGAN section 3.2.2: the same settings",
        authors=(2, "Fila-GAN author code"),
    )
    discriminator_optimiser: Literal["adam", "sgd"] = option(
        "adam",
        "what updates the discriminator; sgd: without momentum",
        "MedGAN section 3.2.2: the same settings",
        authors=("sgd", "Fila-GAN author code"),
    )
    discriminator_rate: float = option(
        1.0,
        "the discriminator's learning rate relative to the generator's",
        "MedGAN section 3.2.2: the same settings",
        authors=(0.4, "Fila-GAN author code: 8e-5 and 2e-4"),
    )
    noise: float = option(
        0.0,
        "standard deviation of the noise vector while training; translations have none. authors only",
        "MedGAN section 2.4.1: no noise",
        authors=(0.001, "Fila-GAN author code"),
    )
    reading: Literal["author", "plain"] = option(
        "author",
        "author: the networks as the author code computes them (first encoder layer and noise activated twice, norm "
        "without gain, eps 1e-3); plain: each activation once, affine norm, as the figure has it. authors only",
        "Fila-GAN author code",
    )


@dataclass(frozen=True)
class UnetOptions(GeneratorOptions):
    """The shared U-block trained without an adversary."""


@dataclass(frozen=True)
class CycleganOptions(AdversaryOptions, ArchitectureOptions):
    """CycleGAN (Zhu et al. 2017)."""

    architecture: Literal["protocol", "authors"] = option(
        "authors",
        "authors: residual generators and 70x70 discriminators; protocol: U-blocks and 16x16 discriminators, of the "
        "image alone",
        "CycleGAN is not in MedGAN's comparison; with U-blocks it stays below the mean image (docs/models/cyclegan.md)",
    )
    blocks: int = option(1, "U-blocks in a row; protocol only", "MedGAN section 3.2.2")
    residual_blocks: int = option(
        0, "residual blocks of a generator; 0: six up to 128 pixels, nine above; authors only", "CycleGAN section 7.2"
    )
    patch: Literal[16, 34, 70] = option(
        70,
        "pixels that one logit of a discriminator sees",
        "CycleGAN section 7.2",
        protocol=(16, "MedGAN section 2.4.3"),
    )
    cycle_weight: float = option(
        10.0,
        "weight of the cycle loss",
        "CycleGAN section 4: lambda 10",
        search=Range(1.0, 100.0, log=True, source="ten times less and more than CycleGAN's lambda"),
    )
    identity: float = option(
        0.5, "weight of the identity loss relative to the cycle loss; 0: none", "CycleGAN code: 0.5"
    )
    pool_size: int = option(50, "made images kept to show the discriminators older ones", "CycleGAN section 4")

"""What a user may set of the MR-to-CT family: two-stage, dual-gan and pix2pix-gdl."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmark_gans.options import PairedGanOptions, option

GUIBAS = "Guibas et al., author code"
NIE = "Nie et al. 2017 (arXiv 1612.05362)"


@dataclass(frozen=True)
class MaskToImageOptions:
    """What a mask of the target shows, and stage II, which makes an image of it."""

    architecture: Literal["protocol", "authors"] = option(
        "protocol",
        "protocol: the U-block, patch discriminator and instance norm of MedGAN's comparison; authors: the networks, "
        "weights and optimisers of Guibas et al.'s code",
        "MedGAN section 3.2.2",
    )
    thresholds_hu: tuple[float, ...] = option(
        (-400.0, 150.0), "limits between tissue classes in HU, rising: air | soft tissue | bone", "not stated"
    )
    generator_steps: int = option(
        1, "stage I's generator updates per discriminator update", "pix2pix", authors=(2, GUIBAS)
    )
    pixel_weight: float = option(
        100.0, "weight of stage II's L1 loss", "pix2pix code: lambda 100", authors=(1.0, f"{GUIBAS}: 1:1")
    )
    patch: Literal[16, 34, 70] = option(
        16, "pixels that one logit of stage II's discriminator sees", "as the other models", authors=(70, GUIBAS)
    )
    dropout: float = option(
        0.0,
        "dropout in the three innermost decoder layers of stage II's generator while training",
        "as the other models",
        authors=(0.5, GUIBAS),
    )


@dataclass(frozen=True)
class TwoStageOptions(MaskToImageOptions):
    """Source to tissue mask to CT, after Guibas, Virdi, Li 2017."""

    adversarial_weight: float = option(
        1.0,
        "weight of the adversarial losses of both stages; 0: no discriminators at all, neither built nor trained",
        "pix2pix and DCGAN",
    )
    mask_weight: float = option(
        10.0,
        "weight of the cross-entropy of the mask beside its adversarial loss",
        "none in Guibas et al., whose masks come from noise; here a mask must fit its source",
    )


@dataclass(frozen=True)
class DualGanOptions(MaskToImageOptions):
    """Noise to tissue mask to CT (Guibas, Virdi, Li 2017)."""

    generator_steps: int = option(2, "stage I's generator updates per discriminator update", GUIBAS)
    patch: Literal[16, 34, 70] = option(70, "pixels that one logit of stage II's discriminator sees", GUIBAS)


@dataclass(frozen=True)
class Pix2pixGdlOptions(PairedGanOptions):
    """pix2pix with the gradient difference loss of Nie et al. 2017, and their auto-context."""

    architecture: Literal["protocol", "authors"] = option(
        "protocol",
        "protocol: pix2pix's weights; authors: the losses and weights of Nie et al. Both on the networks of MedGAN's "
        "comparison: the 3-D patch network of Nie et al. is not built",
        "MedGAN section 3.2.2",
    )
    pixel_loss: Literal["l1", "l2"] = option(
        "l1", "l1: mean absolute, l2: mean squared error", f"pix2pix: L1; {NIE}: L2", authors=("l2", NIE)
    )
    pixel_weight: float = option(
        100.0, "weight of the pixel loss", "pix2pix code: lambda 100", authors=(1.0, f"{NIE}: lambda_2")
    )
    gradient_weight: float = option(
        100.0,
        "weight of the gradient difference loss",
        f"as the pixel loss, whose weight it shares in {NIE}",
        authors=(1.0, f"{NIE}: lambda_3"),
    )
    reduction: Literal["mean", "sum"] = option(
        "mean",
        "mean over pixels, or the sum for each image, of pixel and gradient difference loss",
        f"{NIE} sums",
        authors=("sum", NIE),
    )
    adversarial_weight: float = option(
        1.0,
        "weight of the adversarial loss; 0: no discriminator at all, neither built nor trained",
        "pix2pix",
        authors=(0.5, f"{NIE}: lambda_1"),
    )
    contexts: int = option(
        1,
        "GANs in a row, each seeing the source and the estimate of the one before; they share the budget of steps, "
        "one after the other",
        f"{NIE}: auto-context, 2 for brain; 1: off",
    )

"""What a user may set of the MR-to-CT family: two-stage, dual-gan and pix2pix-gdl."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmark_gans.options import PairedGanOptions, option

NIE = "Nie et al. 2017 (arXiv 1612.05362)"


@dataclass(frozen=True)
class TissueOptions:
    """What a mask of the target shows."""

    thresholds_hu: tuple[float, ...] = option(
        (-400.0, 150.0), "limits between tissue classes in HU, rising: air | soft tissue | bone", "not stated"
    )


@dataclass(frozen=True)
class TwoStageOptions(TissueOptions):
    """Source to tissue mask to CT, after Guibas, Virdi, Li 2017."""

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
class DualGanOptions(TissueOptions):
    """Noise to tissue mask to CT (Guibas, Virdi, Li 2017)."""

    generator_steps: int = option(
        2, "stage I's generator updates per discriminator update", "Guibas et al., author code"
    )
    pixel_weight: float = option(
        100.0, "weight of stage II's L1 loss", "pix2pix code: lambda 100; the author code weighs it 1:1"
    )
    patch: Literal[16, 34, 70] = option(
        70, "pixels that one logit of stage II's discriminator sees", "Guibas et al., author code"
    )


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

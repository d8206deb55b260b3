"""The loss terms, as pure functions. Images and features are ``(N, C, H, W)``; each returns a scalar."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


def judged_real(logits: Tensor) -> Tensor:
    """-log D: binary cross-entropy against "real", mean over all logits.

    For the generator this is the non-saturating adversarial loss (MedGAN Alg. 1 line 4).
    """
    return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


def judged_fake(logits: Tensor) -> Tensor:
    """-log(1 - D): binary cross-entropy against "fake" (MedGAN Alg. 1 line 10)."""
    return F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))


def judged_real_lsgan(logits: Tensor) -> Tensor:
    """(D - 1)^2, the least-squares adversarial loss (Mao et al. 2017, Eq. 9, without its 1/2; CycleGAN section 4)."""
    return F.mse_loss(logits, torch.ones_like(logits))


def judged_fake_lsgan(logits: Tensor) -> Tensor:
    """D^2 (Mao et al. 2017, Eq. 9, without its 1/2; CycleGAN section 4)."""
    return F.mse_loss(logits, torch.zeros_like(logits))


class Adversary(NamedTuple):
    """What a discriminator minimises over logits of real and of made images; a generator takes ``real`` of its own."""

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]


ADVERSARIES: Mapping[str, Adversary] = {
    "cross-entropy": Adversary(judged_real, judged_fake),
    "least-squares": Adversary(judged_real_lsgan, judged_fake_lsgan),
}


def gram(features: Tensor) -> Tensor:
    """Gram matrices ``(N, d, d)`` of ``(N, d, h, w)`` features, divided by h*w*d (MedGAN Eq. 9); float32 or wider."""
    number, depth, height, width = features.shape
    with torch.autocast(features.device.type, enabled=False):
        flat = features.reshape(number, depth, height * width)
        flat = flat if flat.dtype == torch.float64 else flat.float()
        return torch.bmm(flat, flat.transpose(1, 2)) / (height * width * depth)


def style(made: Sequence[Tensor], wanted: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Sum over layers of weight * ||Gram(made) - Gram(wanted)||_F^2 / (4 d^2), mean over the batch (MedGAN Eq. 10)."""
    terms = []
    for weight, a, b in zip(weights, made, wanted, strict=True):
        difference = (gram(a) - gram(b)).square().sum((1, 2)).mean()
        terms.append(weight * difference / (4 * a.shape[1] ** 2))
    return torch.stack(terms).sum()


def style_absolute(made: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of Gram matrices, averaged over layers (Fila-GAN, author code)."""
    return torch.stack([F.l1_loss(gram(a), gram(b)) for a, b in zip(made, wanted, strict=True)]).mean()


def content(made: Sequence[Tensor], wanted: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Sum over layers of weight * mean squared difference of features (MedGAN Eq. 11)."""
    terms = [weight * F.mse_loss(a, b) for weight, a, b in zip(weights, made, wanted, strict=True)]
    return torch.stack(terms).sum()


def content_absolute(made: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of features, averaged over layers (Fila-GAN, author code)."""
    return torch.stack([F.l1_loss(a, b) for a, b in zip(made, wanted, strict=True)]).mean()


def perceptual(made: Sequence[Tensor], wanted: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Sum over layers of weight * mean absolute difference of features (MedGAN Eq. 6 and 7; PAN with means).

    MedGAN passes the images themselves as layer 0, PAN does not.
    """
    return torch.stack(perceptual_terms(made, wanted, weights)).sum()


def perceptual_terms(made: Sequence[Tensor], wanted: Sequence[Tensor], weights: Sequence[float]) -> list[Tensor]:
    """The summands of :func:`perceptual`, one a layer, weighted."""
    return [weight * F.l1_loss(a, b) for weight, a, b in zip(weights, made, wanted, strict=True)]


def shortfall(distance: Tensor, margin: float) -> Tensor:
    """max(0, margin - distance): PAN's discriminator keeps real and made apart by at least ``margin``."""
    return F.relu(margin - distance)


def total_variation(image: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean |difference| along rows plus mean |difference| along columns of ``image * mask`` (Fila-GAN)."""
    if mask is not None:
        image = image * mask
    rows = (image[:, :, 1:] - image[:, :, :-1]).abs().mean()
    columns = (image[:, :, :, 1:] - image[:, :, :, :-1]).abs().mean()
    return rows + columns


def gradient_difference(made: Tensor, wanted: Tensor, reduction: Literal["mean", "sum"] = "mean") -> Tensor:
    """Sum over the spatial axes of (|finite difference of wanted| - |finite difference of made|)^2.

    ``(N, C, H, W)`` or ``(N, C, D, H, W)``. Nie et al. 2017 (arXiv 1612.05362) sum over the pixels; ``mean`` takes the
    mean along each axis instead, which does not grow with the image.
    """
    terms = []
    for axis in range(2, made.ndim):
        difference = (wanted.diff(dim=axis).abs() - made.diff(dim=axis).abs()).square()
        terms.append(difference.mean() if reduction == "mean" else difference.sum())
    return torch.stack(terms).sum()

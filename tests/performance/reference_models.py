"""The training steps of pytorch-CycleGAN-and-pix2pix (Zhu et al.), stated anew and plainly: the yardstick of speed.

Its networks with its order of layers, activations in place; its order of passes and updates; torch's unfused Adam.
``plugins/benchmark-gans/tests/test_gans_yardstick.py`` holds them to the numbers that the reference itself gave.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.contracts.protocols import Batch

POOL = 50


class ReferenceUnet(nn.Module):
    """One level of the U-Net: down, what lies inside, up; its input beside its output, but for the outermost."""

    def __init__(
        self,
        outer: int,
        inner: int,
        inside: nn.Module | None,
        level: str,
        inputs: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.outermost = level == "outermost"
        down: list[nn.Module] = [nn.Conv2d(inputs or outer, inner, 4, 2, 1, bias=False)]
        up: list[nn.Module] = [nn.ReLU(inplace=True)]
        wide = inner if level == "innermost" else 2 * inner
        up.append(nn.ConvTranspose2d(wide, outer, 4, 2, 1, bias=self.outermost))
        if not self.outermost:
            down.insert(0, nn.LeakyReLU(0.2, inplace=True))
            up.append(nn.BatchNorm2d(outer))
        if level == "middle":
            down.append(nn.BatchNorm2d(inner))
        if dropout:
            up.append(nn.Dropout(dropout))
        if self.outermost:
            up.append(nn.Tanh())
        self.layers = nn.Sequential(*down, *([inside] if inside is not None else []), *up)

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.layers(image)
        return result if self.outermost else torch.cat([image, result], 1)


def reference_unet(downs: int, filters: int, dropout: float) -> nn.Module:
    """``downs`` halvings, dropout in the middle levels beyond the fifth."""
    unet = ReferenceUnet(8 * filters, 8 * filters, None, "innermost")
    for _ in range(downs - 5):
        unet = ReferenceUnet(8 * filters, 8 * filters, unet, "middle", dropout=dropout)
    for width in (4, 2, 1):
        unet = ReferenceUnet(width * filters, 2 * width * filters, unet, "middle")
    return ReferenceUnet(1, filters, unet, "outermost", inputs=1)


def reference_patches(inputs: int, filters: int, norm: Callable[[int], nn.Module], *, bias: bool) -> nn.Module:
    """The 70x70 PatchGAN."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, filters, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for width, stride in ((1, 2), (2, 2), (4, 1)):
        layers += [nn.Conv2d(width * filters, 2 * width * filters, 4, stride, 1, bias=bias), norm(2 * width * filters)]
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    return nn.Sequential(*layers, nn.Conv2d(8 * filters, 1, 4, 1, 1))


class ReferenceBlock(nn.Module):
    """A residual block."""

    def __init__(self, width: int) -> None:
        super().__init__()

        def convolve() -> list[nn.Module]:
            return [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]

        self.layers = nn.Sequential(*convolve(), nn.ReLU(inplace=True), *convolve())

    def forward(self, image: Tensor) -> Tensor:
        changed: Tensor = image + self.layers(image)
        return changed


def reference_resnet(blocks: int, filters: int) -> nn.Module:
    """Two halvings, residual blocks, two doublings."""

    def stage(layer: nn.Module, width: int) -> list[nn.Module]:
        return [layer, nn.InstanceNorm2d(width), nn.ReLU(inplace=True)]

    wide = 4 * filters
    up = {"stride": 2, "padding": 1, "output_padding": 1}
    return nn.Sequential(
        nn.ReflectionPad2d(3),
        *stage(nn.Conv2d(1, filters, 7), filters),
        *stage(nn.Conv2d(filters, 2 * filters, 3, 2, 1), 2 * filters),
        *stage(nn.Conv2d(2 * filters, wide, 3, 2, 1), wide),
        *(ReferenceBlock(wide) for _ in range(blocks)),
        *stage(nn.ConvTranspose2d(wide, 2 * filters, 3, **up), 2 * filters),  # type: ignore[arg-type]
        *stage(nn.ConvTranspose2d(2 * filters, filters, 3, **up), filters),  # type: ignore[arg-type]
        nn.ReflectionPad2d(3),
        nn.Conv2d(filters, 1, 7),
        nn.Tanh(),
    )


def adam(*networks: nn.Module) -> torch.optim.Optimizer:
    """One optimiser with the reference's settings."""
    parameters = itertools.chain.from_iterable(network.parameters() for network in networks)
    return torch.optim.Adam(parameters, lr=2e-4, betas=(0.5, 0.999))


def ask_for_gradient(wanted: bool, *networks: nn.Module) -> None:
    """Parameter by parameter, as the reference does it."""
    for network in networks:
        for parameter in network.parameters():
            parameter.requires_grad = wanted


class ReferencePix2pix:
    """U-Net and 70x70 PatchGAN with batch norm; one image channel on either side."""

    def __init__(self, size: int, filters: int, *, dropout: float = 0.5) -> None:
        self.generator = reference_unet(size.bit_length() - 1, filters, dropout)
        self.judge = reference_patches(2, filters, nn.BatchNorm2d, bias=False)
        self.of_generator, self.of_judge = adam(self.generator), adam(self.judge)
        self.one, self.zero = torch.tensor(1.0), torch.tensor(0.0)

    def cross_entropy(self, verdict: Tensor, *, real: bool) -> Tensor:
        """The GAN loss on logits."""
        wanted = (self.one if real else self.zero).to(verdict.dtype)
        return F.binary_cross_entropy_with_logits(verdict, wanted.expand_as(verdict))

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Discriminator, then generator."""
        made = self.generator(batch.source)
        ask_for_gradient(True, self.judge)
        self.of_judge.zero_grad()
        fake = self.cross_entropy(self.judge(torch.cat((batch.source, made), 1).detach()), real=False)
        real = self.cross_entropy(self.judge(torch.cat((batch.source, batch.target), 1)), real=True)
        ((fake + real) * 0.5).backward()
        self.of_judge.step()
        ask_for_gradient(False, self.judge)
        self.of_generator.zero_grad()
        fooled = self.cross_entropy(self.judge(torch.cat((batch.source, made), 1)), real=True)
        pixel = F.l1_loss(made, batch.target) * 100
        (fooled + pixel).backward()
        self.of_generator.step()
        return {"D_real": real.detach(), "D_fake": fake.detach(), "G_GAN": fooled.detach(), "G_L1": pixel.detach()}


class ReferenceCycleGan:
    """Two ResNet generators, two 70x70 PatchGANs, instance norm; identity loss; pools of 50 images."""

    def __init__(self, blocks: int, filters: int, *, pool: int = POOL) -> None:
        self.forth, self.back = reference_resnet(blocks, filters), reference_resnet(blocks, filters)
        self.judge_target, self.judge_source = (
            reference_patches(1, filters, nn.InstanceNorm2d, bias=True) for _ in range(2)
        )
        self.of_generators = adam(self.forth, self.back)
        self.of_judges = adam(self.judge_target, self.judge_source)
        self.one, self.zero = torch.tensor(1.0), torch.tensor(0.0)
        self.pool_size = pool
        self.pools: tuple[list[Tensor], list[Tensor]] = ([], [])

    def squares(self, verdict: Tensor, *, real: bool) -> Tensor:
        """The LSGAN loss."""
        wanted = (self.one if real else self.zero).to(verdict.dtype)
        return F.mse_loss(verdict, wanted.expand_as(verdict))

    def shown(self, pool: list[Tensor], images: Tensor) -> Tensor:
        """Made images, or older ones in their place."""
        if not self.pool_size:
            return images
        given = []
        for image in images.data:
            image = image.unsqueeze(0)
            if len(pool) < self.pool_size:
                pool.append(image)
            elif random.uniform(0, 1) > 0.5:
                place = random.randint(0, self.pool_size - 1)
                image, pool[place] = pool[place].clone(), image
            given.append(image)
        return torch.cat(given, 0)

    def judge_step(self, judge: nn.Module, pool: list[Tensor], real: Tensor, made: Tensor) -> Tensor:
        """A discriminator's loss, sent back."""
        shown = self.shown(pool, made)
        loss = (self.squares(judge(real), real=True) + self.squares(judge(shown.detach()), real=False)) * 0.5
        loss.backward()
        return loss.detach()

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Both generators, then both discriminators."""
        source, target = batch.source, batch.target
        made_target = self.forth(source)
        again_source = self.back(made_target)
        made_source = self.back(target)
        again_target = self.forth(made_source)
        ask_for_gradient(False, self.judge_target, self.judge_source)
        self.of_generators.zero_grad()
        identity = (F.l1_loss(self.forth(target), target) + F.l1_loss(self.back(source), source)) * 10 * 0.5
        fooled = self.squares(self.judge_target(made_target), real=True)
        fooled = fooled + self.squares(self.judge_source(made_source), real=True)
        cycle = (F.l1_loss(again_source, source) + F.l1_loss(again_target, target)) * 10
        (fooled + cycle + identity).backward()
        self.of_generators.step()
        ask_for_gradient(True, self.judge_target, self.judge_source)
        self.of_judges.zero_grad()
        losses = {
            "D_A": self.judge_step(self.judge_target, self.pools[0], target, made_target),
            "D_B": self.judge_step(self.judge_source, self.pools[1], source, made_source),
        }
        self.of_judges.step()
        return {**losses, "GAN": fooled.detach(), "cycle": cycle.detach(), "identity": identity.detach()}

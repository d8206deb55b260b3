"""What a segmentation network learns from drawn images and their masks, tested on real ones (Guibas et al. 2017).

Their table trains a U-Net on synthetic pairs and on real pairs and tests both on real images. Here the network is
small and quick, its training fixed to the last detail, and the yardstick is trained on real pairs of other patients
of the test split (two halves, each tested with the network of the other).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.contracts.protocols import Estimate, Images
from benchmark.errors import Unavailable
from benchmark.statistics.intervals import t_interval

SEED = 2017
WIDTHS = (8, 16, 32)
LEAST_SLICES = 16
LEAST_STUDIES = 4

Study = tuple[Tensor, Tensor, Tensor]
"""Images ``(Z, 1, H, W)`` in [-1, 1], classes ``(Z, H, W)`` of the whole slice, and the region where Dice is taken."""


class SegmenterDice:
    """Mean Dice over tissue classes of real images, segmented by a network trained on drawn or on other real pairs.

    Real classes are found by thresholds in the target's unit; the drawn ones are given with the samples. Dice is
    taken of each study inside the region and averaged over classes, its interval is Student's over studies.
    """

    def __init__(
        self,
        train_on: Literal["samples", "real"] = "samples",
        thresholds: Sequence[float] = (-400.0, 150.0),
        steps: int = 150,
        batch_size: int = 4,
        learning_rate: float = 3e-3,
    ) -> None:
        self.train_on = train_on
        self.thresholds = tuple(thresholds)
        self.steps, self.batch_size, self.learning_rate = steps, batch_size, learning_rate
        self.reset()

    def reset(self) -> None:
        """Forget all studies."""
        self._real: list[Study] = []
        self._drawn: list[Study] = []

    def update(self, images: Images) -> None:
        """Take in a study: its real slices, and the drawn ones that stand in their places."""
        low, high = images.data_range

        def network(array: NDArray[np.float64]) -> Tensor:
            scaled = np.clip(2.0 * (array - low) / (high - low) - 1.0, -1.0, 1.0)
            return torch.from_numpy(scaled.astype(np.float32))[:, None]

        region = torch.from_numpy(np.array(images.mask))
        classes = np.digitize(images.target, self.thresholds).astype(np.int64)
        self._real.append((network(images.target), torch.from_numpy(classes), region))
        if images.predicted_labels is not None:
            drawn = torch.from_numpy(images.predicted_labels.astype(np.int64))
            self._drawn.append((network(images.prediction), drawn, region))

    def compute(self) -> Estimate:
        """Train and test.

        Raises:
            Unavailable: there are no masks with the images, unknown classes in them, or too few to train on.
        """
        slices = sum(len(images) for images, _, _ in self._real)
        if slices < LEAST_SLICES or len(self._real) < LEAST_STUDIES:
            raise Unavailable(f"{slices} slices of {len(self._real)} studies; needs {LEAST_SLICES} of {LEAST_STUDIES}")
        with _deterministic():
            found = self._dice_by_study()
        known = [value for value in found if math.isfinite(value)]
        interval = t_interval(known)
        return Estimate(interval.mean, interval.low, interval.high, len(known))

    def _taught(self) -> list[Study]:
        """The pairs to train on, one study for each real one."""
        if self.train_on == "real":
            return self._real
        if len(self._drawn) != len(self._real):
            raise Unavailable("the predictions come without masks; only models that draw images give them")
        most = max(int(classes.max()) for _, classes, _ in self._drawn)
        if most > len(self.thresholds):
            classes = len(self.thresholds) + 1
            raise Unavailable(f"the drawn masks have class {most}, the thresholds give {classes} classes")
        return self._drawn

    def _dice_by_study(self) -> list[float]:
        """Two halves: real studies of one are segmented by the network that was taught by the other's pairs.

        Drawn pairs are halved in the same way, so that both networks see as many slices and are asked the same.
        """
        taught, found = self._taught(), []
        for half in (0, 1):
            network = self._train(taught[half::2])
            found += [self._dice(network, study) for study in self._real[1 - half :: 2]]
        return found

    def _train(self, studies: Sequence[Study]) -> nn.Module:
        images, classes = (torch.cat([study[part] for study in studies]) for part in (0, 1))
        network = _UNet(len(self.thresholds) + 1)
        optimiser = torch.optim.Adam(network.parameters(), self.learning_rate)
        random = torch.Generator().manual_seed(SEED)
        for _ in range(self.steps):
            chosen = torch.randint(len(images), (self.batch_size,), generator=random)
            loss = F.cross_entropy(network(images[chosen]), classes[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return network.eval()

    @torch.no_grad()
    def _dice(self, network: nn.Module, study: Study) -> float:
        images, true, inside = study
        found = torch.cat([network(images[start : start + 16]).argmax(1) for start in range(0, len(images), 16)])
        values = []
        for number in range(len(self.thresholds) + 1):
            ours, theirs = (found == number) & inside, (true == number) & inside
            size = int(ours.sum()) + int(theirs.sum())
            if size:
                values.append(2 * int((ours & theirs).sum()) / size)
        return float(np.mean(values)) if values else math.nan


class _UNet(nn.Module):
    """Three levels, two 3x3 convolutions each, batch norm, which keeps HU apart; sides need not be even."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(_double(before, after) for before, after in zip((1, *WIDTHS), WIDTHS, strict=False))
        self.up = nn.ModuleList(
            _double(deep + skip, skip) for deep, skip in zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True)
        )
        self.output = nn.Conv2d(WIDTHS[0], classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        skips: list[Tensor] = []
        hidden = image
        for level, layer in enumerate(self.down):
            hidden = layer(F.max_pool2d(hidden, 2) if level else hidden)
            skips.append(hidden)
        hidden = skips.pop()
        for layer in self.up:
            skip = skips.pop()
            hidden = layer(torch.cat([F.interpolate(hidden, skip.shape[-2:], mode="nearest"), skip], 1))
        logits: Tensor = self.output(hidden)
        return logits


def _double(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs in (before, after):
        layers += [nn.Conv2d(inputs, after, 3, 1, 1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


@contextmanager
def _deterministic() -> Iterator[None]:
    """One thread and a random state of its own: the same numbers whoever asks, and nobody else's state is touched."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(SEED)
            yield
    finally:
        torch.set_num_threads(threads)


def taught_by_real_images(**options: Any) -> SegmenterDice:
    """The yardstick: the same network trained on real images of other patients."""
    return SegmenterDice(train_on="real", **options)

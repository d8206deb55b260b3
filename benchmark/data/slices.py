"""The training slices in network space, and the order in which batches of them are drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmark.data.reader import Dataset
from benchmark.errors import DatasetError
from benchmark.protocols import Batch

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


def seed_for(seed: int, purpose: str) -> int:
    """An independent 63-bit seed for one purpose (data order, initialisation, ...) of a cell's seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "little") >> 1


class Slices:
    """The slices of a split whose region is not empty, in memory: float32 in [-1, 1], masks as bool.

    At 256x256 a thousand slices take 0.6 GB; training reads them thousands of times.
    """

    def __init__(self, dataset: Dataset, split: str) -> None:
        import numpy as np

        info = dataset.info
        sources, targets, masks = [], [], []
        for case in dataset.iterate(split):
            keep = case.mask.any(axis=(1, 2))
            sources.append(info.source_map.forward(case.source[keep]))
            targets.append(info.target_map.forward(case.target[keep]))
            masks.append(case.mask[keep])
        if not sources or not sum(len(source) for source in sources):
            raise DatasetError(f"{info.path}: the {split} split has no slice with a region")
        self.source: NDArray[np.float32] = np.concatenate(sources)
        self.target: NDArray[np.float32] = np.concatenate(targets)
        self.mask: NDArray[np.bool_] = np.concatenate(masks)

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]]:
        yield from zip(self.source, self.target, self.mask, strict=True)


class Batches:
    """Batches by step number: the order depends on the seed and the step alone, so resuming needs no state.

    Each epoch is a fresh permutation; a batch that would run over its end starts the next. With
    ``unpaired`` the targets (and masks) follow a second, independent permutation.
    """

    def __init__(self, slices: Slices, batch_size: int, seed: int, *, unpaired: bool, device: torch.device) -> None:
        import torch

        self._size = batch_size
        self._seed = seed
        self._unpaired = unpaired
        self._device = device
        self._source = torch.from_numpy(slices.source)[:, None]
        self._target = torch.from_numpy(slices.target)[:, None]
        self._mask = torch.from_numpy(slices.mask)[:, None]
        self._orders: dict[tuple[str, int], NDArray[np.int64]] = {}

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, counted from 0."""
        first = self._indices("pair", step)
        second = self._indices("target", step) if self._unpaired else first
        return Batch(
            source=self._source[first].to(self._device),
            target=self._target[second].to(self._device),
            mask=self._mask[second].to(self._device).float(),
        )

    def _indices(self, stream: str, step: int) -> NDArray[np.int64]:
        import numpy as np

        count = len(self._source)
        positions = np.arange(step * self._size, (step + 1) * self._size)
        return np.array([self._order(stream, int(p) // count)[int(p) % count] for p in positions])

    def _order(self, stream: str, epoch: int) -> NDArray[np.int64]:
        import numpy as np

        key = (stream, epoch)
        if key not in self._orders:
            self._orders = {k: v for k, v in self._orders.items() if k[1] >= epoch - 1}
            generator = np.random.default_rng(seed_for(self._seed, f"order/{stream}/{epoch}"))
            self._orders[key] = generator.permutation(len(self._source))
        return self._orders[key]

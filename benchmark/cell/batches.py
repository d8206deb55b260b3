"""The training slices in network space, and the order in which batches of them are drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from benchmark.cell.augmentation import Augmentation
from benchmark.cell.read_ahead import ReadAhead
from benchmark.contracts.channels import SourceStack
from benchmark.contracts.protocols import Batch
from benchmark.data.format.reader import Dataset
from benchmark.data.streaming.places import no_slice
from benchmark.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor


def seed_for(seed: int, purpose: str) -> int:
    """An independent 63-bit seed for one purpose (data order, initialisation, ...) of a cell's seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "little") >> 1


class ImagesByNumber(Protocol):
    """The slices that batches are made of, wherever they are."""

    paired: bool
    """Source and target of a number belong together."""

    @property
    def on_disk(self) -> bool:
        """Reading them takes time that a step could use."""
        ...

    @property
    def counts(self) -> tuple[int, int]:
        """Number of sources and of targets."""
        ...

    def sources(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Sources ``(n, C, H, W)`` by number."""
        ...

    def targets(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Targets and their masks, each ``(n, 1, H, W)``, by number."""
        ...


class Slices:
    """The slices of a split whose region is not empty, in memory: float32 in [-1, 1], masks as bool.

    ``source`` is ``(N, C, H, W)``: the source's channels, each with ``context`` neighbouring slices on either side,
    whether these have a region or not; ``target`` and ``mask`` are ``(N, H, W)``. ``mask`` belongs to ``target``. Where
    the data set's training pairs do not belong together (``paired`` is false) there may be more of the one than of the
    other. At 256x256 a thousand slices take 0.6 GB; where that is too much, see :mod:`benchmark.cell.streamed`.
    ``most``: only the first so many, and no more of the file is read.
    """

    on_disk = False
    how = "in memory"

    def __init__(self, dataset: Dataset, split: str, most: int | None = None, *, context: int = 0) -> None:
        import numpy as np

        info = dataset.info
        self.paired = info.paired or split != "train"
        sources: list[NDArray[np.float32]] = []
        targets: list[NDArray[np.float32]] = []
        masks: list[NDArray[np.bool_]] = []
        for key in info.in_split(split):
            if most is not None and min(sum(map(len, sources)), sum(map(len, targets))) >= most:
                break
            case = dataset.load_sides(key)
            keep = np.flatnonzero(case.mask.any(axis=(1, 2)))[:most]
            if case.source is not None:
                sources.append(SourceStack(case.source, info.source_maps, context)[keep])
            if case.target is not None:
                targets.append(info.target_map.forward(case.target[keep]))
                masks.append(case.mask[keep])
        for role, found in (("source", sources), ("target", targets)):
            if not sum(len(images) for images in found):
                raise no_slice(info, split, role)
        self.source: NDArray[np.float32] = np.concatenate(sources)[:most]
        self.target: NDArray[np.float32] = np.concatenate(targets)[:most]
        self.mask: NDArray[np.bool_] = np.concatenate(masks)[:most]

    def __enter__(self) -> Slices:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to close."""

    @property
    def counts(self) -> tuple[int, int]:
        """Number of sources and of targets."""
        return len(self.source), len(self.target)

    def sources(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Sources ``(n, C, H, W)`` by number."""
        chosen: NDArray[np.float32] = self.source[rows]
        return chosen

    def targets(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Targets and their masks, each ``(n, 1, H, W)``, by number."""
        return self.target[rows][:, None], self.mask[rows][:, None]

    def __len__(self) -> int:
        """Number of pairs, or of the slices of the side that has more."""
        return max(len(self.source), len(self.target))

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]]:
        """Every slice; of unpaired sides the shorter one starts again."""
        alone = self.source.shape[1] == 1
        for number in range(len(self)):
            place, source = number % len(self.target), self.source[number % len(self.source)]
            yield source[0] if alone else source, self.target[place], self.mask[place]


class Batches:
    """Batches by step number: order and augmentation depend on the seed and the step alone, so resuming needs no state.

    Each epoch is a fresh permutation; a batch that would run over its end starts the next. With ``unpaired``
    the targets (and masks) follow a second, independent permutation and are augmented by draws of their own. Slices
    that are on disk are read ahead; leave the block (``with``) to end that.

    Raises:
        DatasetError: pairs are wanted and there are none.
    """

    def __init__(
        self,
        slices: ImagesByNumber,
        batch_size: int,
        seed: int,
        *,
        unpaired: bool,
        device: torch.device,
        augmentation: Augmentation | None = None,
    ) -> None:
        if not (unpaired or slices.paired):
            raise DatasetError("the training slices are not paired, but the model trains on pairs")
        self._size = batch_size
        self._seed = seed
        self._unpaired = unpaired
        self._device = device
        self._augmentation = augmentation or Augmentation()
        self._slices = slices
        self._counts = slices.counts
        self._orders: dict[tuple[str, int], NDArray[np.int64]] = {}
        self._read: Callable[[int], tuple[Tensor, Tensor, Tensor]] = (
            ReadAhead(self._images) if slices.on_disk else self._images
        )

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *_: object) -> None:
        if isinstance(self._read, ReadAhead):
            self._read.close()

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, counted from 0.

        Raises:
            DatasetError: the slices are on disk, and cannot be read there.
        """
        import torch

        source, target, region = self._read(step)
        mask = region.float()
        if self._unpaired:
            (source,) = self._augmentation.apply(self._random("source", step), source)
            target, mask = self._augmentation.apply(self._random("target", step), target, mask)
        else:
            pair, mask = self._augmentation.apply(self._random("pair", step), torch.cat([source, target], 1), mask)
            source, target = pair[:, :-1].contiguous(), pair[:, -1:].contiguous()
        return Batch(source.to(self._device), target.to(self._device), mask.to(self._device))

    def _images(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Sources, targets and masks of a step as they are stored."""
        import torch

        sources, targets = self._counts
        first = self._indices("pair", step, sources)
        second = self._indices("target", step, targets) if self._unpaired else first
        target, mask = self._slices.targets(second)
        return torch.from_numpy(self._slices.sources(first)), torch.from_numpy(target), torch.from_numpy(mask)

    def _random(self, stream: str, step: int) -> np.random.Generator:
        import numpy as np

        return np.random.default_rng(seed_for(self._seed, f"augmentation/{stream}/{step}"))

    def _indices(self, stream: str, step: int, count: int) -> NDArray[np.int64]:
        import numpy as np

        positions = np.arange(step * self._size, (step + 1) * self._size)
        return np.array([self._order(stream, int(p) // count, count)[int(p) % count] for p in positions])

    def _order(self, stream: str, epoch: int, count: int) -> NDArray[np.int64]:
        import numpy as np

        key = (stream, epoch)
        if key not in self._orders:
            self._orders = {k: v for k, v in self._orders.items() if k[0] != stream or k[1] >= epoch - 1}
            generator = np.random.default_rng(seed_for(self._seed, f"order/{stream}/{epoch}"))
            self._orders[key] = generator.permutation(count)
        return self._orders[key]

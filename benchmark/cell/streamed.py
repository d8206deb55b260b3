"""Training slices that stay on disk, in the slice cache or in the data file itself; and when they do.

A cell holds its training slices in memory while they are few. Beyond
:data:`benchmark.data.streaming.places.MOST_IN_MEMORY` they are read as they are asked for, so that what a cell needs
does not grow with its data, and cells that run at once share what the kernel keeps of the file. Either way the same
slices have the same bits and the same numbers, so weights are the same, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol, cast

from benchmark.cell.batches import Slices
from benchmark.contracts.channels import SourceStack
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import CaseKey, source_roles
from benchmark.data.streaming.build import NO_NEIGHBOURS, NoCache, cached
from benchmark.data.streaming.cache import DamagedCache, SliceCache
from benchmark.data.streaming.places import SIDE_OF, SPLIT, places, read_mapped, stay_on_disk
from benchmark.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class SliceReader(Protocol):
    """Reads slices ``(n, C, H, W)`` of ``source``, ``target`` or ``mask`` by their numbers."""

    def count(self, role: str) -> int: ...

    def read(self, role: str, rows: NDArray[np.integer]) -> NDArray[np.generic]: ...

    def close(self) -> None: ...


class StreamedSlices:
    """The training slices of a data set as :class:`benchmark.cell.batches.Slices` gives them, read when asked for.

    Use as a context manager, and no longer than the data set is open. One thread may read at a time.
    """

    on_disk = True

    def __init__(self, dataset: Dataset, should_stop: Callable[[], bool] = lambda: False, *, context: int = 0) -> None:
        """Make the slice cache where it is missing; where there can be none, the data file itself is read.

        It is with ``context``, too: the neighbours of a slice may have no region, and the cache holds those that do.

        Raises:
            Interrupted: ``should_stop`` said so while the cache was made.
            DatasetError: the data file is damaged, or has nothing to train on.
        """
        self.paired = dataset.info.paired
        self._dataset = dataset
        self._should_stop = should_stop
        self._reader: SliceReader
        try:
            if context:
                raise NoCache(NO_NEIGHBOURS)
            cache = cached(dataset, should_stop)
            self._reader, self.how = cache, f"streamed from {cache.path.name}"
        except NoCache as reason:
            self._reader = _FileReader(dataset, context)
            self.how = f"streamed from {dataset.path.name} itself, no slice cache: {reason}"

    def __enter__(self) -> StreamedSlices:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    @property
    def counts(self) -> tuple[int, int]:
        """Number of sources and of targets."""
        return self._reader.count("source"), self._reader.count("target")

    def sources(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Sources ``(n, C, H, W)`` by number.

        Raises:
            DatasetError: the data file is damaged.
        """
        return cast("NDArray[np.float32]", self._read("source", rows))

    def targets(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Targets and their masks, each ``(n, 1, H, W)``, by number.

        Raises:
            DatasetError: the data file is damaged.
        """
        target, mask = self._read("target", rows), self._read("mask", rows)
        return cast("NDArray[np.float32]", target), cast("NDArray[np.bool_]", mask)

    def __len__(self) -> int:
        """Number of pairs, or of the slices of the side that has more."""
        return max(self.counts)

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]]:
        """Every slice, each array ``(H, W)``, a source of several channels ``(C, H, W)``; of unpaired sides the shorter
        one starts again.
        """
        import numpy as np

        sources, targets = self.counts
        for number in range(len(self)):
            (target,), (mask,) = self.targets(np.array([number % targets]))
            (source,) = self.sources(np.array([number % sources]))
            yield source[0] if len(source) == 1 else source, target[0], mask[0]

    def _read(self, role: str, rows: NDArray[np.integer]) -> NDArray[np.generic]:
        try:
            return self._reader.read(role, rows)
        except DamagedCache as damage:
            self._renew(damage)
        try:
            return self._reader.read(role, rows)
        except DamagedCache as damage:
            raise DatasetError(f"{damage}, made anew too; is the disk sound?") from None

    def _renew(self, damage: DamagedCache) -> None:
        """Take the cache that somebody else has made anew, or make it, or do without."""
        damaged = cast("SliceCache", self._reader)
        try:
            self._reader = cached(self._dataset, self._should_stop, instead_of=damaged)
            self.how = f"{self.how.partition(';')[0]}; made anew, since {damage}"
        except NoCache as reason:
            self._reader = _FileReader(self._dataset)
            self.how = f"streamed from {self._dataset.path.name} itself: {damage}, and no new cache: {reason}"
        damaged.close()


class _FileReader:
    """Inflates and maps slices of the data file itself: what a cache does once, at every use."""

    def __init__(self, dataset: Dataset, context: int = 0) -> None:
        self._dataset = dataset
        self._places = places(dataset)
        self._context = context

    def count(self, role: str) -> int:
        return len(self._places.sides[SIDE_OF[role]])

    def read(self, role: str, rows: NDArray[np.integer]) -> NDArray[np.generic]:
        import numpy as np

        chosen = self._places.sides[SIDE_OF[role]][rows].tolist()
        read = self._with_neighbours if role == "source" and self._context else self._alone
        return np.concatenate([read(self._places.keys[case], role, number) for case, number in chosen])

    def _alone(self, key: CaseKey, role: str, number: int) -> NDArray[np.generic]:
        return read_mapped(self._dataset, key, role, [number])

    def _with_neighbours(self, key: CaseKey, _: str, number: int) -> NDArray[np.generic]:
        """A source with its neighbours, ``(1, C, H, W)``."""
        import numpy as np

        info = self._dataset.info
        first, last = max(0, number - self._context), min(info.slices[key] - 1, number + self._context)
        channels = [self._dataset.load_slices(key, role, range(first, last + 1)) for role in source_roles(info.sources)]
        source = (channels[0] if len(channels) == 1 else np.stack(channels)).astype(np.float32, copy=False)
        return SourceStack(source, info.source_maps, self._context)[np.array([number - first])]

    def close(self) -> None:
        """The data set is whoever's opened it."""


def training_slices(
    dataset: Dataset, should_stop: Callable[[], bool] = lambda: False, *, context: int = 0
) -> Slices | StreamedSlices:
    """The slices that a cell trains on, each with ``context`` neighbours on either side, wherever they best are.

    Raises:
        Interrupted: ``should_stop`` said so while a slice cache was made.
        DatasetError: the data file is damaged, or has nothing to train on.
    """
    if stay_on_disk(dataset.info, context):
        return StreamedSlices(dataset, should_stop, context=context)
    return Slices(dataset, SPLIT, context=context)

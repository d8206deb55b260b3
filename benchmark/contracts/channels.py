"""Sources of several channels: contrasts of a study on one grid, and neighbouring slices beside the translated one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.contracts.intensity import IntensityMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BETWEEN = " + "
"""What stands between the channels of a source where one text names them all: ``MR T1 + MR T2``."""


@dataclass(frozen=True)
class Channel:
    """One channel of a source: its name, what it images, and the map of its unit to [-1, 1]."""

    name: str
    modality: str
    map: IntensityMap


def joined(words: Iterable[str]) -> str:
    """What channels have, as one text: the same word once, several in the channels' order."""
    return BETWEEN.join(dict.fromkeys(words))


def parts(text: str) -> tuple[str, ...]:
    """The words of :func:`joined`."""
    return tuple(text.split(BETWEEN))


def input_names(channels: Sequence[str], context: int) -> tuple[str, ...]:
    """What each channel of a network's input is: ``T1[-1]``, ``T1``, ``T1[+1]``, ``T2[-1]`` ..., slices by offset."""
    return tuple(
        f"{name}[{offset:+d}]" if offset else name for name in channels for offset in range(-context, context + 1)
    )


class SourceStack:
    """A study's source as networks see it, slice by slice: ``(Z, C * (2K + 1), H, W)`` float32 in [-1, 1].

    ``source`` is ``(Z, H, W)``, or ``(C, Z, H, W)`` where there are several channels, in physical units; ``maps`` are
    those of the channels. With ``context`` K a slice comes with the K slices on either side, from the lowest number
    up, channel by channel (:func:`input_names`). Beyond either end the end slice is repeated, so that every stack will
    do: of one slice, all 2K + 1 are the same. Slices are mapped when they are asked for: a map makes several copies, of
    a batch and not of the study.

    Raises:
        ValueError: another number of channels than of maps.
    """

    def __init__(self, source: NDArray[np.generic], maps: Sequence[IntensityMap], context: int = 0) -> None:
        channels = [source] if source.ndim == 3 else list(source)
        if len(channels) != len(maps):
            raise ValueError(f"a source of {len(channels)} channels, and maps for {len(maps)}")
        self._channels = list(zip(maps, channels, strict=True))
        self._context = context

    def __len__(self) -> int:
        return len(self._channels[0][1])

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of a slice in pixels."""
        height, width = self._channels[0][1].shape[1:]
        return height, width

    def __getitem__(self, wanted: slice | NDArray[np.integer] | NDArray[np.bool_]) -> NDArray[np.float32]:
        """The input for these slices, ``(n, C * (2K + 1), H, W)``."""
        import numpy as np

        if not self._context:
            return self._mapped(wanted)
        numbers = np.arange(len(self))[wanted]
        around = np.clip(numbers[:, None] + np.arange(-self._context, self._context + 1), 0, len(self) - 1)
        shown, places = np.unique(around, return_inverse=True)  # most are the neighbours of several: mapped once
        stacks = self._mapped(shown)[places.reshape(around.shape)]
        return np.ascontiguousarray(stacks.swapaxes(1, 2)).reshape(len(numbers), -1, *self.image_size)

    def _mapped(self, wanted: slice | NDArray[np.integer] | NDArray[np.bool_]) -> NDArray[np.float32]:
        """These slices without neighbours, ``(n, C, H, W)``."""
        import numpy as np

        images = [window.forward(image[wanted]) for window, image in self._channels]
        return images[0][:, None] if len(images) == 1 else np.stack(images, 1)

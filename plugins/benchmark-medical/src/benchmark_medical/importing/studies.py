"""What a layout finds: studies of patients and their images, and what it had to leave out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from benchmark.data.format.schema import IDENTIFIER
from benchmark.data.volumes.files import Tree
from benchmark.data.volumes.geometry import Volume
from benchmark_medical.importing.formats import beside, load


@dataclass(frozen=True)
class Image:
    """A volume that has not been read yet: ``name`` for the data set, what reads it, and the files that it lies in."""

    name: str
    read: Callable[[], Volume]
    files: tuple[Path, ...] = ()

    @classmethod
    def of(cls, path: Path, channel: str = "") -> Image:
        """The image in a single file; ``channel`` says what of a colour picture."""
        return cls(path.name, lambda: load(path, channel), (path, *beside(path)))


@dataclass(frozen=True)
class Study:
    """The images of one study. Clean images are both sides: the same object. Only where a data set is not paired may
    a side be ``None``.
    """

    patient: str
    study: str
    source: Image | Mapping[str, Image] | None
    """Of several channels each by name."""
    target: Image | None
    mask: Image | None = None
    """Region, on the target's grid, which is that of the study."""
    labels: Image | None = None
    """Structures, on the target's grid."""
    split: str = ""
    """The split that the layout puts the patient into, if it does."""
    aligned: bool = False
    """The layout promises one grid for source and target."""
    own_grids: bool = False
    """Channels may lie on grids of their own, which the scanner's coordinates alone align."""
    stripped: bool = False
    """What is not of interest was set to 0 in the target: the region is where it is not."""
    whole: bool = False
    """There is no body to look for: the region is the whole image, unless there is a mask."""

    @property
    def sides(self) -> dict[str, Image]:
        """The images of both sides by role; channels of the source as ``source/T1``."""
        sources = self.source if isinstance(self.source, Mapping) else {"": self.source}
        images = {**{f"source/{name}" if name else "source": image for name, image in sources.items()}}
        return {role: image for role, image in (*images.items(), ("target", self.target)) if image is not None}

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that it is read from."""
        images = (*self.sides.values(), self.mask, self.labels)
        return tuple(path for image in images if image is not None for path in image.files)


@dataclass(frozen=True)
class Skipped:
    """Something that could not be used, and why; ``files`` are those that this accounts for."""

    what: str
    why: str
    files: tuple[Path, ...] = ()
    lacking: str = ""
    """The patient, where it has some channels of the source and lacks others."""

    def __str__(self) -> str:
        return f"skipped {self.what}: {self.why}"


class Found(NamedTuple):
    """What a layout found, what it left out, and all files that there were."""

    studies: list[Study]
    skipped: list[Skipped]
    tree: Tree | None = None


def plain_name(name: str) -> str:
    """The name itself where a data set file can hold it, else a readable one with a checksum of the original."""
    if IDENTIFIER.match(name):
        return name
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:40] or "patient"
    return f"{readable}-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def renamed(studies: list[Study]) -> tuple[list[Study], list[Skipped]]:
    """Studies in order, under names that may stand in a data set file; of doubles the first."""
    kept: dict[tuple[str, str], Study] = {}
    skipped = []
    for study in studies:
        key = (plain_name(study.patient), plain_name(study.study))
        if key in kept:
            skipped.append(Skipped(f"{key[0]}/{key[1]}", "listed twice", study.files))
            continue
        kept[key] = replace(study, patient=key[0], study=key[1])
    return [kept[key] for key in sorted(kept)], skipped

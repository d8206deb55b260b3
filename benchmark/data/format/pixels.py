"""Are the pixels of a data set file still those that its hash speaks of?"""

from __future__ import annotations

from benchmark.data.format.cases import DatasetInfo
from benchmark.data.format.opening import guarded, open_file
from benchmark.data.format.writer import content_sha256


def altered_pixels(info: DatasetInfo) -> str:
    """What is wrong with the pixels of all splits, sources included, in words; empty if they hash to what is stated.

    Every array is read once.

    Raises:
        DatasetError: the file cannot be read.
    """
    with guarded(str(info.path)), open_file(info.path) as file:
        actual, stated = content_sha256(file, from_pixels=True), info.content_sha256
    return "" if actual == stated else f"the pixels of {info.path} hash to {actual[:8]}, and the file says {stated[:8]}"

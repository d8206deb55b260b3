"""Are the data that lie there now those that a run's cells were trained on?

An embedded data set is found by its name; whoever puts another file in its place would have missing cells trained on
other pixels than the rest, under the same claim.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmark.errors import DatasetError
from benchmark.store.record import Record


def require_same_pixels(done: Iterable[Record]) -> None:
    """Compare what finished cells say of their data with the files that they name, where these are there.

    Raises:
        DatasetError: a file holds other content, or cells of one file were trained on different content.
    """
    from benchmark.data.format.reader import Dataset

    known: dict[str, Record] = {}
    for record in done:
        if record.dataset is None:
            continue
        path = record.spec.dataset.path
        other = known.setdefault(path, record)
        if other.dataset is not None and other.dataset.content_sha256 != record.dataset.content_sha256:
            raise DatasetError(
                f"{other.title} and {record.title} were trained on different content of {path}: "
                "remove one of the cells, or choose another run with --name"
            )
    for path, record in known.items():
        if record.dataset is None or not Path(path).is_file():
            continue
        try:
            with Dataset(path) as dataset:
                now, then = dataset.info.content_sha256, record.dataset.content_sha256
        except DatasetError:
            continue  # a damaged file is named by the cells that need it
        if now != then:
            raise DatasetError(
                f"{path} holds other data ({now[:8]}) than {record.title} was trained on ({then[:8]}): put the old "
                "file back, remove this one if it can be built again, or choose another run with --name"
            )

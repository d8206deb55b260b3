"""Where the data set of a record lies: where it was when the cell was made, or under its name in ``datasets/`` here.

Runs travel, into a repository of results or to another machine, and the folders of whoever made them do not. Readers
compare the content hash with the record's, so that another file of the same name is never taken for it.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from benchmark.plan.claim import DataSource

HERE = Path("datasets")
"""The folder that commands keep data sets in, in the working directory."""


def data_file(source: DataSource) -> Path:
    """The file, whether it is there or not."""
    stated = Path(source.path)
    if stated.is_file():
        return stated
    kind = PureWindowsPath if "\\" in source.path else PurePosixPath
    moved = HERE / kind(source.path).name
    return moved if moved.is_file() else stated

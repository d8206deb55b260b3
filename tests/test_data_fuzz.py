"""Damaged files: whatever bytes are wrong, the answer is a DatasetError, or the data as they were written."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from fuzzing import blank_a_block, cut, flip_one_bit, set_some_bytes
from small_datasets import write

from benchmark.data.checks.file import check, require
from benchmark.data.format.cases import Case, DatasetInfo
from benchmark.data.format.reader import Dataset
from benchmark.errors import DatasetError

EACH = 60


def read_all(path: Path) -> tuple[DatasetInfo, list[Case]]:
    with Dataset(path) as dataset:
        return dataset.info, [dataset.load(key) for key in dataset.info.cases]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("good") / "d.h5", splits={"train": 1, "val": 1, "test": 1})


@pytest.mark.parametrize("damage", [cut, flip_one_bit, set_some_bytes, blank_a_block])
def test_damage_is_refused_or_harmless(
    tmp_path: Path, good: Path, damage: Callable[[bytearray, random.Random], None]
) -> None:
    info, cases = read_all(good)
    original = good.read_bytes()
    path = tmp_path / good.name
    refused = 0
    for seed in range(EACH):
        data = bytearray(original)
        damage(data, random.Random(seed))
        path.write_bytes(data)
        if any(problem.severity == "error" for problem in check(path)):
            refused += 1
            with pytest.raises(DatasetError):
                require(path)
            with suppress(DatasetError):
                read_all(path)
            continue
        seen, found = read_all(path)
        assert (seen.splits, seen.source_map, seen.target_map) == (info.splits, info.source_map, info.target_map)
        for case, expected in zip(found, cases, strict=True):
            assert (case.key, case.spacing) == (expected.key, expected.spacing)
            for role in ("source", "target", "mask", "affine"):
                np.testing.assert_array_equal(getattr(case, role), getattr(expected, role))
    assert refused > EACH // 2

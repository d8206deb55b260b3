"""Images in a page: exact at the full window, packed without loss, and as many as fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.data.format.schema import CaseKey
from benchmark.report.cases import portions
from benchmark.report.pixels import Scale, pack, pack_mask, unpack


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([1, 3, 5, 15]),
    st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
    st.integers(0, 2**32 - 1),
)
def test_packing_loses_nothing(finer: int, shape: tuple[int, int, int], seed: int) -> None:
    scale = Scale(-1000.0, 2000.0, finer)
    values = np.random.default_rng(seed).uniform(-1500, 2500, shape)
    levels = scale.quantise(values)
    assert (unpack(pack(levels, scale), shape, scale) == levels).all()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([1, 3, 5, 15]), st.floats(-1200, 2300, allow_nan=False))
def test_the_shade_of_a_level_is_the_shade_of_the_value(finer: int, value: float) -> None:
    scale = Scale(-1000.0, 2000.0, finer)
    level = int(scale.quantise(np.array([value]))[0])
    share = min(1.0, max(0.0, (value + 1000) / 3000))
    assert np.floor(level / finer + 0.5) == np.floor(share * 255 + 0.5)
    if -1000 <= value <= 2000:
        assert abs(scale.values(np.array([level], np.uint16))[0] - value) <= scale.step / 2 + 1e-9


def test_what_is_no_number_stands_at_an_edge() -> None:
    levels = Scale(0.0, 1.0, 3).quantise(np.array([np.nan, -np.inf, np.inf, 2.0, -1.0]))
    assert levels.tolist() == [0, 0, 765, 765, 0]


@pytest.mark.parametrize(("low", "high", "finer"), [(0, 1, 2), (0, 1, 0), (1, 1, 1), (2, 1, 1), (0, 1, 301)])
def test_scales_that_are_none_are_refused(low: float, high: float, finer: int) -> None:
    with pytest.raises(ValueError, match=r"steps a shade|low must be below"):
        Scale(low, high, finer)


@pytest.mark.parametrize("damage", [b"", b"no zlib", pack(np.zeros((1, 2, 2), np.uint16), Scale(0, 1, 3))])
def test_bytes_of_another_image_are_refused(damage: bytes) -> None:
    with pytest.raises(ValueError, match="image"):
        unpack(damage, (1, 3, 3), Scale(0, 1, 3))


def test_a_region_is_a_bit_a_voxel() -> None:
    import zlib

    mask = np.random.default_rng(0).random((2, 5, 3)) > 0.5
    assert (np.unpackbits(np.frombuffer(zlib.decompress(pack_mask(mask)), np.uint8), count=30) == mask.ravel()).all()


CASES = {CaseKey(f"p{number}", "s1"): 20 for number in range(6)}
COSTS = {1: 0.3, 3: 0.5, 5: 0.6, 15: 0.9}
PIXELS, IMAGES = 64 * 64, 10
WHOLE = 6 * 20 * PIXELS * IMAGES


@pytest.mark.parametrize(
    ("budget", "depths", "slices"),
    [
        (WHOLE * 0.95, {15}, 120),
        (WHOLE * 0.7, {5}, 120),
        (WHOLE * 0.4, {1, 3}, 120),
        (WHOLE * 0.25, {3}, 60),
        (WHOLE * 0.1, {3}, 24),
        (10, set(), 0),
    ],
)
def test_what_fits_is_shown(budget: float, depths: set[int], slices: int) -> None:
    plan = portions(CASES, PIXELS, IMAGES, COSTS, int(budget))
    assert {portion.finer for portion in plan} == depths
    assert sum(len(portion.slices) for portion in plan) == slices
    assert sum(len(portion.slices) * PIXELS * IMAGES * COSTS[portion.finer] for portion in plan) <= budget
    assert [portion.key for portion in plan] == list(CASES)[: len(plan)]
    for portion in plan:
        assert list(portion.slices) == sorted(set(portion.slices))
        assert set(portion.slices) <= set(range(20))


def test_the_first_cases_are_finer_where_not_all_can_be() -> None:
    plan = portions(CASES, PIXELS, IMAGES, COSTS, int(WHOLE * 0.4))
    depths = [portion.finer for portion in plan]
    assert depths == sorted(depths, reverse=True)

"""The map between physical units and [-1, 1], as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.contracts.intensity import IntensityMap, Window

LIMITS = st.floats(-1e5, 1e5, allow_nan=False)
EVERY_INT16 = np.arange(-(2**15), 2**15, dtype=np.int16)


@st.composite
def maps(draw: st.DrawFn) -> IntensityMap:
    low = draw(LIMITS)
    return IntensityMap("a.u.", low, low + draw(st.floats(1e-2, 1e5)))


@given(maps(), st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=20))
def test_the_inverse_gives_the_clipped_value_back(window: IntensityMap, values: list[float]) -> None:
    there = window.forward(values)
    assert there.dtype == np.float32
    assert (np.abs(there) <= 1).all()
    back = window.inverse(there)
    assert back.dtype == np.float64
    # half a step of float32 below 1 is 2**-25; a value in [-1, 1] stands for half the width
    tolerance = window.width * 2**-25 + 1e-9 * max(abs(window.low), abs(window.high))
    np.testing.assert_allclose(back, np.clip(values, window.low, window.high), rtol=0, atol=tolerance)


@given(st.integers(-(2**15), 2**15 - 1), st.integers(1, 2**16))
def test_every_int16_inside_the_window_comes_back_exactly(low: int, width: int) -> None:
    window = IntensityMap("HU", low, low + width)
    inside = EVERY_INT16[(window.low <= EVERY_INT16) & (window.high >= EVERY_INT16)]
    np.testing.assert_array_equal(np.rint(window.inverse(window.forward(inside))).astype(np.int64), inside)


@given(maps(), st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=2, max_size=20))
def test_the_order_of_values_is_kept(window: IntensityMap, values: list[float]) -> None:
    assert (np.diff(window.forward(sorted(values))) >= 0).all()


@given(maps())
def test_the_limits_of_the_window_are_the_limits_of_the_network(window: IntensityMap) -> None:
    np.testing.assert_array_equal(window.forward([window.low, window.high]), [-1, 1])
    np.testing.assert_allclose(window.inverse([-7.0, 7.0]), [window.low, window.high])


@given(maps())
def test_a_map_survives_its_json(window: IntensityMap) -> None:
    assert IntensityMap.from_json(window.to_json()) == window


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0), (0.0, float("nan"))])
def test_an_empty_window_is_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="low must be below high"):
        IntensityMap("HU", low, high)
    with pytest.raises(ValueError, match="low must be below high"):
        Window(low, high)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 99.0), (1.0, 100.5)])
def test_percentiles_lie_between_0_and_100(low: float, high: float) -> None:
    with pytest.raises(ValueError, match=r"0\.\.100"):
        Window(low, high, "percentile")

"""The map between physical units and [-1, 1], as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.contracts.intensity import Curve, IntensityMap, Window

CURVES = st.sampled_from(["linear", "root"])
LIMITS = st.floats(-1e5, 1e5, allow_nan=False)
EVERY_INT16 = np.arange(-(2**15), 2**15, dtype=np.int16)


@st.composite
def maps(draw: st.DrawFn) -> IntensityMap:
    low = draw(LIMITS)
    return IntensityMap("a.u.", low, low + draw(st.floats(1e-2, 1e5)), draw(CURVES))


@given(maps(), st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=20))
def test_the_inverse_gives_the_clipped_value_back(window: IntensityMap, values: list[float]) -> None:
    there = window.forward(values)
    assert there.dtype == np.float32
    assert (np.abs(there) <= 1).all()
    back = window.inverse(there)
    assert back.dtype == np.float64
    # half a step of float32 below 1 is 2**-25; a value in [-1, 1] stands for half the width, squared for twice that
    tolerance = window.width * (2**-25 if window.curve == "linear" else 2**-24) + 1e-9 * max(
        abs(window.low), abs(window.high)
    )
    np.testing.assert_allclose(back, np.clip(values, window.low, window.high), rtol=0, atol=tolerance)


@given(st.integers(-(2**15), 2**15 - 1), st.integers(1, 2**16), CURVES)
def test_every_int16_inside_the_window_comes_back_exactly(low: int, width: int, curve: Curve) -> None:
    window = IntensityMap("HU", low, low + width, curve)
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


def test_a_root_map_spreads_what_crowds_at_the_lower_end() -> None:
    suv = IntensityMap("SUV", 0.0, 8.0, "root")
    np.testing.assert_array_equal(suv.forward([0.0, 0.5, 2.0, 4.5, 8.0]), [-1.0, -0.5, 0.0, 0.5, 1.0])
    np.testing.assert_array_equal(suv.inverse([-1.0, -0.5, 0.0, 0.5, 1.0]), [0.0, 0.5, 2.0, 4.5, 8.0])


@given(maps(), st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20))
def test_straightening_gives_the_linear_maps_values_and_bending_undoes_it(
    window: IntensityMap, values: list[float]
) -> None:
    array = np.asarray(values, np.float32)
    straight = window.straighten(array)
    linear = IntensityMap(window.unit, window.low, window.high)
    tolerance = 1e-6 * window.width + 1e-9 * max(abs(window.low), abs(window.high))
    np.testing.assert_allclose(linear.inverse(straight), window.inverse(array), rtol=0, atol=tolerance)
    again = linear.inverse(window.straighten(window.bend(straight)))
    np.testing.assert_allclose(again, linear.inverse(straight), rtol=0, atol=tolerance)
    if window.curve == "linear":
        np.testing.assert_array_equal(straight, array)


def test_an_unknown_curve_is_refused() -> None:
    for make in (lambda: IntensityMap("SUV", 0, 8, "cubic"), lambda: Window(0, 8, curve="cubic")):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="'cubic' is none of linear, root"):
            make()


@pytest.mark.parametrize("curve", ["linear", "root"])
def test_many_whole_numbers_are_looked_up_with_the_bits_of_computing_them(curve: Curve) -> None:
    every = np.arange(-(2**15), 2**15).astype(np.int16).reshape(2, 128, 256)
    fitted = IntensityMap("HU", -1024.0, 1377.5, curve)
    for images in (every, every[:, ::-1], np.repeat(every, 2, axis=0)[::2]):
        np.testing.assert_array_equal(fitted.forward(images), fitted.forward(images.astype(np.float32)))
    np.testing.assert_array_equal(fitted.forward(every[0]), fitted.forward(every)[0])

"""Which network the rules make of image size, spacing and number of slices."""

from __future__ import annotations

import pytest
from benchmark_monai.topology import blocks_of, plan


@pytest.mark.parametrize(
    ("size", "spacing", "stages", "divisors"),
    [
        ((64, 64), (1.0, 1.0), 5, (16, 16)),
        ((256, 256), (1.0, 1.0), 7, (64, 64)),
        ((320, 256), (0.8, 0.8), 7, (64, 64)),
        ((9, 9), (1.0, 1.0), 2, (2, 2)),
        ((8, 8), (1.0, 1.0), 2, (2, 2)),
        ((12, 5), (1.0, 1.0), 2, (2, 1)),
        ((8, 5), (1.0, 1.0), 1, (1, 1)),
        ((7, 7), (1.0, 1.0), 1, (1, 1)),
        ((30, 200), (1.0, 1.0), 6, (8, 32)),
        # rows four times as long as columns: two halvings of the columns alone come first
        ((64, 256), (4.0, 1.0), 7, (16, 64)),
        ((64, 64), (1.0, 3.0), 5, (16, 8)),
    ],
)
def test_axes_are_halved_while_four_pixels_are_left(size, spacing, stages, divisors):
    topology = plan(size, spacing, 16)
    assert (len(topology.strides), topology.divisors) == (stages, divisors)
    assert topology.strides[0] == (1, 1)
    assert len(topology.kernels) == len(topology.widths) == stages


def test_coarse_axes_wait_and_are_not_convolved_until_they_are_even():
    topology = plan((64, 256), (4.0, 1.0), 16)
    assert topology.strides[:4] == ((1, 1), (1, 2), (1, 2), (2, 2))
    assert topology.kernels[:4] == ((1, 3), (1, 3), (3, 3), (3, 3))
    assert all(kernel == (3, 3) for kernel in topology.kernels[2:])


def test_the_rules_do_not_prefer_an_axis():
    for size, spacing in (((64, 256), (4.0, 1.0)), ((40, 90), (1.0, 2.0)), ((12, 300), (0.5, 0.7))):
        one, other = plan(size, spacing, 8), plan(size[::-1], spacing[::-1], 8)
        assert one.strides == tuple(stride[::-1] for stride in other.strides)
        assert one.kernels == tuple(kernel[::-1] for kernel in other.kernels)


def test_only_the_ratio_of_the_spacings_counts():
    assert plan((64, 256), (4.0, 1.0), 16) == plan((64, 256), (2.0, 0.5), 16)
    assert plan((64, 64), (1.9, 1.0), 16) == plan((64, 64), (1.0, 1.0), 16)


def test_widths_double_up_to_512():
    assert plan((256, 256), (1.0, 1.0), 32).widths == (32, 64, 128, 256, 512, 512, 512)


def test_few_slices_get_one_block_a_stage_and_many_nnunets_pattern():
    assert blocks_of(5, (), 999) == (1, 1, 1, 1, 1)
    assert blocks_of(7, (), 1000) == (1, 3, 4, 6, 6, 6, 6)
    assert blocks_of(5, (2, 3), 10**6) == (2, 3, 3, 3, 3)
    assert blocks_of(2, (1, 3, 4, 6), 1) == (1, 3)

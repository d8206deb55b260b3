"""Findings about a training: what dies, what explodes, what ignores its source; and what is all right."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from benchmark.cell import health


def log(**terms):
    """A log of 100 lines; each term is a function of the step's place in 0..1."""
    lines = [
        {"step": step, "losses": {name: float(value(step / 100)) for name, value in terms.items()}}
        for step in range(1, 101)
    ]
    return [*lines, {"step": 100, "validation_mae": 0.1}]


def faults(**terms):
    return [(found.term, found.fault) for found in health.loss_findings(log(**terms))]


def test_an_ordinary_training_has_no_findings():
    assert (
        faults(
            pixel=lambda t: 30 * np.exp(-4 * t),
            adversarial=lambda t: 0.7 + 2 * t,
            discriminator_real=lambda t: 0.7 - 0.5 * t,
        )
        == []
    )


def test_a_term_that_is_zero_in_the_second_half_is_dead():
    assert faults(margin=lambda t: max(0.0, 0.4 - t), pixel=lambda _: 1) == [("margin", "dead")]
    assert faults(margin=lambda t: 0 if t < 0.9 else 0.1, pixel=lambda _: 1) == []


def test_a_discriminator_that_has_won_is_dead_before_it_is_exactly_zero():
    assert faults(discriminator_fake=lambda t: 1e-4 if t > 0.4 else 0.7, pixel=lambda _: 1e-4) == [
        ("discriminator_fake", "dead")
    ]


def test_a_term_that_grows_twentyfold_exploded():
    assert faults(adversarial=lambda t: 0.7 * np.exp(4 * t)) == [("adversarial", "exploding")]
    assert faults(adversarial=lambda t: 0.7 * np.exp(2 * t)) == []


def test_a_term_that_begins_at_nothing_is_measured_against_the_whole_loss():
    assert faults(margin=lambda t: 1e-5 if t < 0.5 else 0.5, pixel=lambda _: 10) == []
    assert faults(margin=lambda t: 1e-5 if t < 0.5 else 5.0, pixel=lambda _: 10) == [("margin", "exploding")]


def test_negative_terms_count_by_size():
    assert faults(adversarial=lambda _: -0.7) == []


def test_few_lines_say_nothing():
    assert health.loss_findings([{"step": step, "losses": {"pixel": 0.0}} for step in range(1, 8)]) == []
    assert health.loss_findings([]) == []


@pytest.fixture
def predictions(tmp_path):
    def write(images):
        path = tmp_path / "predictions.h5"
        with h5py.File(path, "w") as file:
            for number, image in enumerate(images):
                file.create_dataset(f"p{number}/s0", data=image.astype(np.float32))
        return path

    return write


def test_one_image_for_every_source_is_constant_output(predictions):
    image = np.random.default_rng(0).normal(0, 300, (8, 8))
    noise = np.random.default_rng(1).normal(0, 1, (3, 4, 8, 8))
    (found,) = health.output_findings(predictions(image + noise))
    assert (found.term, found.fault) == ("output", "constant")
    assert health.output_findings(predictions(np.zeros((3, 4, 8, 8))))[0].fault == "constant"


def test_images_that_follow_their_sources_are_no_finding(predictions):
    assert health.output_findings(predictions(np.random.default_rng(0).normal(0, 300, (3, 4, 8, 8)))) == []
    assert health.output_findings(predictions(np.zeros((1, 1, 8, 8)))) == []


def test_all_cases_are_looked_at(predictions):
    images = np.zeros((40, 5, 4, 4))
    images[39, -4:] = np.random.default_rng(0).normal(0, 1, (4, 4, 4))
    assert health.output_findings(predictions(images)) == []

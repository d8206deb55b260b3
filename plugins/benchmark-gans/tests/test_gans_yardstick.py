"""The plain reference steps that speed is measured against do what the reference did, number by number."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.contracts.protocols import Batch

MODELS = Path(__file__).parents[3] / "tests" / "performance" / "reference_models.py"

pytestmark = pytest.mark.skipif(not MODELS.is_file(), reason="not a checkout: tests/performance is not here")


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference_models", MODELS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def log(golden, model, settings):
    """Losses of every step by term."""
    found = {}
    for number in range(settings["steps"]):
        shape = (settings["batch"], 1, settings["image_size"], settings["image_size"])
        images = [
            golden.image(shape, {**settings[name], "ph": settings[name]["ph"] + 0.3 * number}).double()
            for name in ("input_A", "input_B")
        ]
        for name, value in model.step(Batch(*images, torch.ones_like(images[0]))).items():
            found.setdefault(name, []).append(float(value))
    return {name: np.array(values) for name, values in found.items()}


def agrees(records, quantity, values):
    record = records[f"loss {quantity} per step"]
    np.testing.assert_allclose(values, record["value_float64"], rtol=0, atol=record["atol_float64"])


def test_pix2pix(golden, reference):
    records = golden.case("pix2pix_64_batch_1ch")
    settings = records["loss D_real per step"]["settings"]
    model = reference.ReferencePix2pix(64, settings["ngf"], dropout=0.0)
    for network in (model.generator, model.judge):
        golden.fill(network.double(), settings["weights"])
    losses = log(golden, model, settings)
    for name in ("D_real", "D_fake", "G_GAN", "G_L1"):
        agrees(records, name, losses[name])


def test_cyclegan(golden, reference):
    records = golden.case("cyclegan_64_1ch_idt05")
    settings = records["loss D_A per step"]["settings"]
    model = reference.ReferenceCycleGan(6, settings["ngf"], pool=0)
    for network, phase in ((model.forth, 0.0), (model.back, 0.5), (model.judge_target, 0.0), (model.judge_source, 0.5)):
        golden.fill(network.double(), {**settings["weights"], "phase": phase})
    losses = log(golden, model, settings)
    for name in ("D_A", "D_B"):
        agrees(records, name, losses[name])
    for name, parts in {"GAN": ("G_A", "G_B"), "cycle": ("cycle_A", "cycle_B"), "identity": ("idt_A", "idt_B")}.items():
        both = [records[f"loss {part} per step"] for part in parts]
        expected = np.sum([record["value_float64"] for record in both], axis=0)
        np.testing.assert_allclose(losses[name], expected, rtol=0, atol=sum(record["atol_float64"] for record in both))


def test_sizes_are_those_of_our_networks(reference, make):
    """Same networks on both sides of the comparison; ours leave out nothing."""

    def count(*networks):
        return sum(weight.numel() for network in networks for weight in network.parameters())

    recipe = {"filters": 8, "discriminator_filters": 8}
    ours = make("pix2pix", (64, 64), architecture="authors", recipe=recipe).networks()
    theirs = reference.ReferencePix2pix(64, 8)
    assert count(*ours.values()) == count(theirs.generator, theirs.judge)
    ours = make("cyclegan", (64, 64), architecture="authors", residual_blocks=6, recipe=recipe).networks()
    theirs = reference.ReferenceCycleGan(6, 8)
    assert count(*ours.values()) == count(theirs.forth, theirs.back, theirs.judge_target, theirs.judge_source)

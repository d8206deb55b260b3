"""Whole training steps of pix2pix and CycleGAN against the reference code's own, in float64."""

from __future__ import annotations

import numpy as np
import torch

from benchmark.protocols import Batch

RECIPE = {"filters": 8, "discriminator_filters": 8, "learning_rate": 2e-4}


def step_batch(golden, settings, step):
    shape = (settings["batch"], 1, settings["image_size"], settings["image_size"])
    source, target = (
        golden.image(shape, {**settings[name], "ph": settings[name]["ph"] + 0.3 * step}).double()
        for name in ("input_A", "input_B")
    )
    return Batch(source, target, torch.ones_like(target))


def run(golden, model, settings):
    """Losses of every step, by term."""
    log = {}
    for step in range(settings["steps"]):
        for name, value in model.training_step(step_batch(golden, settings, step)).items():
            log.setdefault(name, []).append(float(value))
    return {name: np.array(values) for name, values in log.items()}


def agrees(record, values):
    np.testing.assert_allclose(values, record["value_float64"], rtol=0, atol=record["atol_float64"])


def test_pix2pix_trains_like_the_reference(golden, make):
    records = golden.case("pix2pix_64_instance_1ch")
    settings = records["parameter count G"]["settings"]
    model = make("pix2pix", (64, 64), steps=5, patch=70, recipe=RECIPE)
    for network in model.networks().values():
        golden.fill(network.double(), settings["weights"])
    log = run(golden, model, settings)
    agrees(records["loss G_GAN per step"], log["adversarial"])
    agrees(records["loss G_L1 per step"], log["pixel"])
    agrees(records["loss D_real per step"], log["discriminator_real"])
    agrees(records["loss D_fake per step"], log["discriminator_fake"])
    first = step_batch(golden, settings, 0)
    made = model.translate(first.source)
    assert golden.compare(records, "G output after the last step, train mode", made) == 6
    logits = model.judge(first.source, made).logits
    assert logits.shape == (2, 1, 6, 6)


def test_cyclegan_trains_like_the_reference(golden, make):
    records = golden.case("cyclegan_64_1ch_idt05")
    settings = records["parameter count G_A"]["settings"]
    model = make("cyclegan", (64, 64), steps=3, patch=70, residual_blocks=6, identity=0.5, pool_size=0, recipe=RECIPE)
    networks = model.networks()
    for name, phase in (
        ("generator", 0.0),
        ("discriminator_target", 0.0),
        ("reverse", 0.5),
        ("discriminator_source", 0.5),
    ):
        golden.fill(networks[name].double(), {**settings["weights"], "phase": phase})
    log = run(golden, model, settings)

    def both(name):
        a, b = (records[f"loss {name}_{side} per step"] for side in "AB")
        total = np.array(a["value_float64"]) + np.array(b["value_float64"])
        return {"value_float64": total, "atol_float64": a["atol_float64"] + b["atol_float64"]}

    agrees(records["loss G_A per step"], log["adversarial_target"])
    agrees(records["loss G_B per step"], log["adversarial_source"])
    agrees(both("cycle"), log["cycle"])
    agrees(both("idt"), log["identity"])
    agrees(both("D"), 0.5 * (log["discriminators_real"] + log["discriminators_fake"]))
    first = step_batch(golden, settings, 0)
    assert golden.compare(records, "G_A output after the last step, train mode", model.translate(first.source)) == 6

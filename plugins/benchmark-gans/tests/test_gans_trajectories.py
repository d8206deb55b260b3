"""Whole trainings of pix2pix and CycleGAN against the reference code's own, step by step, in float64.

Every case is read from the records: channels, size, norm, patch and weights, so that another file of the same kind
is met by the same code. The reference's networks with one channel are those of ``architecture=authors``; with instance
norm, or with three channels, they are put in their place.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmark_gans.cyclegan import CycleGan
from benchmark_gans.networks.discriminators import PatchDiscriminator
from benchmark_gans.networks.resnet import ResNetGenerator
from benchmark_gans.networks.ublock import UBlock
from benchmark_gans.pix2pix import Pix2pix

from benchmark.contracts.protocols import Batch

CASES = {
    record["case"]: record["settings"]
    for record in json.loads((Path(__file__).parent / "golden_networks" / "golden.json").read_text(encoding="utf-8"))
    if record["case"].startswith(("pix2pix", "cyclegan"))
}
PIX2PIX = [name for name in CASES if name.startswith("pix2pix")]
CYCLEGAN = [name for name in CASES if name.startswith("cyclegan")]
PATCHES = {1: 16, 2: 34, 3: 70}
CYCLEGANS_NETWORKS = {
    "generator": ("G_A", 0.0),
    "reverse": ("G_B", 0.5),
    "discriminator_target": ("D_A", 0.0),
    "discriminator_source": ("D_B", 0.5),
}


def number(text, pattern):
    return int(re.search(pattern, text)[1])


def patch(settings):
    return PATCHES[number(settings["discriminator"], r"n_layers (\d)")]


def step_batch(golden, settings, step):
    shape = (settings["batch"], settings["channels"], settings["image_size"], settings["image_size"])
    source, target = (
        golden.image(shape, {**settings[name], "ph": settings[name]["ph"] + 0.3 * step}).double()
        for name in ("input_A", "input_B")
    )
    return Batch(source, target, torch.ones_like(target))


def kernels(network):
    return [weight for weight in network.parameters() if weight.ndim == 4]


def count(network):
    return sum(weight.numel() for weight in network.parameters())


def norm(tensors):
    return math.sqrt(sum(float(tensor.square().sum()) for tensor in tensors))


def train(golden, model, settings, monkeypatch):
    """Losses, norms of the kernels' gradients by network, and their distance from the start, after every step."""
    networks, descend = model.networks(), model.descend
    start = {name: [kernel.detach().clone() for kernel in kernels(network)] for name, network in networks.items()}
    gradients = {name: [] for name in networks}
    owned = {"generators": ("generator", "reverse"), "discriminators": tuple(networks)[2:]}

    def noted(name, loss):
        descend(name, loss)
        for network in owned.get(name, (name,)):
            gradients[network].append(norm(kernel.grad for kernel in kernels(networks[network])))

    def moved():
        return {
            name: norm(now.detach() - then for now, then in zip(kernels(network), start[name], strict=True))
            for name, network in networks.items()
        }

    monkeypatch.setattr(model, "descend", noted)
    losses, distances = {}, []
    for step in range(settings["steps"]):
        for name, value in model.training_step(step_batch(golden, settings, step)).items():
            losses.setdefault(name, []).append(float(value))
        distances.append(math.hypot(*moved().values()))
    return {name: np.array(values) for name, values in losses.items()}, gradients, distances, moved()


def agrees(record, values):
    np.testing.assert_allclose(values, record["value_float64"], rtol=0, atol=record["atol_float64"])


def recipe(settings):
    return {
        "filters": settings["ngf"],
        "discriminator_filters": settings["ndf"],
        "learning_rate": 2e-4,
        "batch_size": 2,
    }


@pytest.fixture
def pix2pix(make):
    """``pix2pix(settings)``: the model with the networks that a case asks for."""

    def build(settings):
        size = (settings["image_size"],) * 2
        own = make(
            "pix2pix",
            size,
            architecture="authors",
            dropout=0.0,
            patch=patch(settings),
            recipe=recipe(settings),
            translate_as="evaluation",
        )
        if settings["channels"] == 1 and settings["norm"] == "batch":
            return own

        class Other(Pix2pix):
            @staticmethod
            def build_networks(options, _context):
                channels, kind = settings["channels"], settings["norm"]
                depth = number(settings["generator"], r"with (\d)")
                return {
                    "generator": UBlock(channels, channels, filters=settings["ngf"], depth=depth, norm=kind),
                    "discriminator": PatchDiscriminator(
                        2 * channels, filters=settings["ndf"], patch=options.patch, norm=kind
                    ),
                }

            def pass_once(self, networks, source):
                """The rehearsal's image has one channel."""

        return Other(own.options, own.context)

    return build


@pytest.mark.parametrize("case", PIX2PIX)
def test_pix2pix_trains_like_the_reference(golden, pix2pix, monkeypatch, case):
    records, settings = golden.case(case), CASES[case]
    model = pix2pix(settings)
    for network in model.networks().values():
        golden.fill(network.double(), settings["weights"])
    losses, gradients, distances, moved = train(golden, model, settings, monkeypatch)
    agrees(records["loss G_GAN per step"], losses["adversarial"])
    agrees(records["loss G_L1 per step"], losses["pixel"])
    agrees(records["loss D_real per step"], losses["discriminator_real"])
    agrees(records["loss D_fake per step"], losses["discriminator_fake"])
    agrees(records["update distance of conv weights, all networks per step"], distances)
    for short, name in (("G", "generator"), ("D", "discriminator")):
        assert records[f"parameter count {short}"]["value"] == count(model.networks()[name])
        agrees(records[f"gradient norm of the conv weights of {short} per step"], gradients[name])
        agrees(records[f"{short}: L2 distance of its conv weights from the start"], moved[name])
    compare_outputs(golden, records, model, settings, step_batch(golden, settings, 0))


@torch.no_grad()
def compare_outputs(golden, records, model, settings, first):
    """Evaluation mode first, where there is one: a pass in training mode moves the running statistics."""
    for mode in ("eval", "train") if settings["norm"] == "batch" else ("train",):
        for network in model.networks().values():
            network.train(mode == "train")
        made = model.generator(first.source)
        assert golden.compare(records, f"G output after the last step, {mode} mode", made) == 6
        logits = model.judge(first.source, first.target).logits
        assert golden.compare(records, f"D output after the last step, {mode} mode", logits) == 6


@pytest.fixture
def cyclegan(make):
    """``cyclegan(settings)``: the model with the networks that a case asks for."""

    def build(settings):
        blocks = number(settings["generator"], r"(\d) blocks")
        own = make(
            "cyclegan",
            (settings["image_size"],) * 2,
            steps=settings["steps"],
            residual_blocks=blocks,
            patch=patch(settings),
            identity=settings["lambda_identity"],
            cycle_weight=settings["lambda_A"],
            pool_size=settings["pool_size"],
            recipe=recipe(settings),
        )
        if settings["channels"] == 1:
            return own

        class Colour(CycleGan):
            @staticmethod
            def build_networks(options, _context):
                channels = settings["channels"]
                return {
                    "generator": ResNetGenerator(channels, filters=settings["ngf"], blocks=blocks),
                    "reverse": ResNetGenerator(channels, filters=settings["ngf"], blocks=blocks),
                    "discriminator_target": PatchDiscriminator(channels, filters=settings["ndf"], patch=options.patch),
                    "discriminator_source": PatchDiscriminator(channels, filters=settings["ndf"], patch=options.patch),
                }

            def pass_once(self, networks, source):
                """The rehearsal's image has one channel."""

        return Colour(own.options, own.context)

    return build


@pytest.mark.parametrize("case", CYCLEGAN)
def test_cyclegan_trains_like_the_reference(golden, cyclegan, monkeypatch, case):
    records, settings = golden.case(case), CASES[case]
    model = cyclegan(settings)
    networks = model.networks()
    for name, (_, phase) in CYCLEGANS_NETWORKS.items():
        golden.fill(networks[name].double(), {**settings["weights"], "phase": phase})
    losses, gradients, distances, moved = train(golden, model, settings, monkeypatch)

    def both(name):
        a, b = (records[f"loss {name}_{side} per step"] for side in "AB")
        total = np.array(a["value_float64"]) + np.array(b["value_float64"])
        return {"value_float64": total, "atol_float64": a["atol_float64"] + b["atol_float64"]}

    agrees(records["loss G_A per step"], losses["adversarial_target"])
    agrees(records["loss G_B per step"], losses["adversarial_source"])
    agrees(both("cycle"), losses["cycle"])
    agrees(both("idt"), losses.get("identity", np.zeros(settings["steps"])))
    agrees(both("D"), 0.5 * (losses["discriminators_real"] + losses["discriminators_fake"]))
    agrees(records["update distance of conv weights, all networks per step"], distances)
    for name, (short, _) in CYCLEGANS_NETWORKS.items():
        assert records[f"parameter count {short}"]["value"] == count(networks[name])
        agrees(records[f"gradient norm of the conv weights of {short} per step"], gradients[name])
        agrees(records[f"{short}: L2 distance of its conv weights from the start"], moved[name])
    first = step_batch(golden, settings, 0)
    with torch.no_grad():
        made, back = networks["generator"](first.source), networks["reverse"](first.target)
        outputs = {
            "G_A": made,
            "G_B": back,
            "D_A": networks["discriminator_target"](first.target).logits,
            "D_B": networks["discriminator_source"](first.source).logits,
        }
    for short, output in outputs.items():
        assert golden.compare(records, f"{short} output after the last step, train mode", output) == 6

"""Forward passes of every network against golden numbers: reference code's where there is any, the sheet's else.

The network, its size and the mode are read from the name and the settings of each record, so that a second file of
the same kind, with other constants and sizes, is met by the same code.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from benchmark_gans.networks.discriminators import PatchDiscriminator, Verdict
from benchmark_gans.networks.fila_sgan import FilaDiscriminator, FilaGenerator
from benchmark_gans.networks.id_cgan import FullResolutionGenerator
from benchmark_gans.networks.pan import TAPS, PanDiscriminator, PanGenerator
from benchmark_gans.networks.resnet import ResNetGenerator
from benchmark_gans.networks.ublock import CasNet, UBlock

GOLDEN = Path(__file__).parent / "golden_networks"
PATCHES = {1: 16, 2: 34, 3: 70}


def number(text, pattern):
    return int(re.search(pattern, text)[1])


def kind_of_norm(text):
    return "batch" if "norm batch" in text else "instance"


def unet(text):
    channels = number(text, r"(\d)->\d channels")
    return UBlock(
        channels,
        channels,
        filters=number(text, r"ngf (\d+)"),
        depth=number(text, r"U-Net of (\d+)"),
        norm=kind_of_norm(text),
    )


def casnet(text):
    sizes = {"filters": number(text, r"ngf (\d+)"), "depth": number(text, r"depth (\d+)")}
    return CasNet(blocks=number(text, r"(\d+) U-block"), **sizes)


def resnet(text):
    return ResNetGenerator(
        number(text, r"(\d)->\d channels"),
        filters=number(text, r"ngf (\d+)"),
        blocks=number(text, r"(\d+) blocks"),
        norm=kind_of_norm(text),
    )


def patch(text):
    return PatchDiscriminator(
        number(text, r"(\d) input channels"),
        filters=number(text, r"ndf (\d+)"),
        patch=PATCHES[number(text, r"n_layers (\d)")],
        norm=kind_of_norm(text),
    )


def medgan_discriminator(text):
    first, second = (re.search(rf"on layer {layer}: (\w+)", text)[1] == "True" for layer in (1, 2))
    return PatchDiscriminator(2, norm="instance" if second else "none", norm_first=first)


def idcgan_generator(text):
    return FullResolutionGenerator(3, 3, filters=number(text, r"ngf (\d+)"), activated_skip="AFTER leaky" in text)


def idcgan_discriminator(text):
    return PatchDiscriminator(6, filters=number(text, r"ndf (\d+)"), patch=70, norm="batch", biased=True)


def filagan_generator(text):
    reading = "author" if 'Reading "author"' in text else "plain"
    return FilaGenerator(2, 3, image_size=(number(text, r"(\d+)x\d+, batch"),) * 2, reading=reading)


def filagan_discriminator(text):
    reading = "author" if "shift-only norm" in text else "plain"
    return FilaDiscriminator(5, image_size=(number(text, r"(\d+)x\d+, batch"),) * 2, reading=reading)


BUILDERS = {
    "unet": unet,
    "medgan_ublock": casnet,
    "casnet": casnet,
    "resnet": resnet,
    "patch": patch,
    "medgan_discriminator": medgan_discriminator,
    "pan_generator": lambda _: PanGenerator(3, 3),
    "pan_discriminator": lambda _: PanDiscriminator(3),
    "idcgan_generator": idcgan_generator,
    "idcgan_discriminator": idcgan_discriminator,
    "filagan_generator": filagan_generator,
    "filagan_discriminator": filagan_discriminator,
}
CASES = list(
    dict.fromkeys(
        record["case"]
        for record in json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
        if record["case"].startswith(tuple(BUILDERS))
    )
)


def build(name, text):
    return BUILDERS[max((kind for kind in BUILDERS if name.startswith(kind)), key=len)](text)


def pictures(golden, name, settings):
    """What the network is shown: the text names number, channels and sides."""
    text = settings["text"]
    shapes = [tuple(map(int, found)) for found in re.findall(r"\((\d+),(\d+),(\d+),(\d+)\)", text)]
    if name.startswith("filagan"):
        side, count = number(text, r"(\d+)x\d+, batch"), number(text, r"batch (\d)")
        condition = golden.image((count, 2, side, side), settings["input"])
        if "discriminator" in name:
            return (torch.cat([golden.image((count, 3, side, side), settings["target"]), condition], 1),)
        weights = settings["weights"]
        noise = golden.rules.vector((count, 400), freq=weights["freq"], mult=weights["mult"])
        return condition, torch.from_numpy(noise)
    (shape,) = shapes
    if name.startswith("pan_discriminator"):
        return (golden.image(shape, settings["target"]),)
    if "concat" in text:
        # the shape is that of one image, or, where the case names no more than the pair, of both
        half = shape if "each (" in text else (shape[0], shape[1] // 2, *shape[2:])
        return (torch.cat([golden.image(half, settings[role]) for role in ("input", "target")], 1),)
    return (golden.image(shape, settings["input"]),)


def fill(golden, network, weights):
    if isinstance(network, CasNet):
        for place, block in enumerate(network.blocks):
            golden.fill(block, {**weights, "phase": weights.get("phase", 0.0) + 0.3 * place})
    else:
        golden.fill(network, weights)


def outputs(name, made):
    """What the network gave, by the first words of the records about it."""
    if not isinstance(made, Verdict):
        return {"": made}
    if name.startswith("pan"):
        named = {f"hidden layer {tap}": feature for tap, feature in zip(TAPS, made.features, strict=True)}
    else:
        named = {f"feature layer {layer}": feature for layer, feature in enumerate(made.features, 1)}
    last = {"last feature map": made.features[-1]}
    return {**named, **last, "logits": made.logits, "sigmoid output": made.logits.sigmoid()}


@pytest.mark.parametrize("case", CASES)
def test_a_network_gives_the_golden_numbers(golden, case):
    records = golden.case(case)
    settings = next(iter(records.values()))["settings"]
    counts = [record["value"] for quantity, record in records.items() if quantity.endswith("parameter count")]
    network = build(case, settings["text"])
    assert counts == [sum(p.numel() for p in network.parameters())] * len(counts)
    fill(golden, network, settings["weights"])
    network.train("eval mode" not in settings["text"])
    images = pictures(golden, case, settings)
    if all(record["float32_usable"] for record in records.values()):
        compare(golden, case, records, network, images, len(counts))
    # the same float32 weights and images; running statistics play no part in a pass in training mode
    compare(golden, case, records, network.double(), tuple(image.double() for image in images), len(counts))


@torch.no_grad()
def compare(golden, case, records, network, images, counts):
    if case.startswith("pan_discriminator_hidden"):
        found = network.features(*images)
        made = {f"hidden layer {tap}": found[tap - 1] for tap in TAPS}
    else:
        made = outputs(case, network(*images))
    compared = sum(golden.compare(records, prefix, tensor) for prefix, tensor in made.items())
    assert compared == len(records) - counts, sorted(records)

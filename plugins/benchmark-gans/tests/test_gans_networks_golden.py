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
FORWARD = ("unet", "resnet", "patch", "pan_generator", "pan_discriminator", "medgan_ublock", "casnet")
FORWARD += ("medgan_discriminator", "idcgan", "filagan")
CASES = list(
    dict.fromkeys(
        record["case"]
        for record in json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
        if record["case"].startswith(FORWARD)
    )
)


def number(name, pattern, default=None):
    found = re.search(pattern, name)
    return int(found[1]) if found else default


def unet(name, settings):
    depth = {256: 8, 128: 7, 64: 6}.get(number(name, r"unet(\d+)")) or number(name, r"depth(\d)")
    channels = number(name, r"(\d)ch", 1)
    norm = "batch" if "batch_" in name else "instance"
    return UBlock(channels, channels, filters=number(name, r"ngf(\d+)"), depth=depth, norm=norm)


def casnet(name, settings):
    return CasNet(
        blocks=number(name, r"casnet(\d)"), filters=number(name, r"ngf(\d+)"), depth=number(name, r"depth(\d)")
    )


def resnet(name, settings):
    norm = "batch" if "_batch" in name else "instance"
    return ResNetGenerator(
        number(name, r"(\d)ch"), filters=number(name, r"ngf(\d+)"), blocks=number(name, r"resnet(\d)"), norm=norm
    )


def patch(name, settings):
    return PatchDiscriminator(
        number(name, r"(\d)ch"), patch=number(name, r"patch(\d+)"), norm="batch" if "batch" in name else "instance"
    )


def medgan_discriminator(name, settings):
    norm = "none" if "nonorm" in name else "instance"
    return PatchDiscriminator(2, norm=norm, norm_first="n1n2" in name)


def reading(name):
    return "author" if "author" in name else "plain"


BUILDERS = {
    "unet": unet,
    "medgan_ublock": unet,
    "casnet": casnet,
    "resnet": resnet,
    "patch": patch,
    "medgan_discriminator": medgan_discriminator,
    "pan_generator": lambda *_: PanGenerator(3, 3),
    "pan_discriminator": lambda *_: PanDiscriminator(3),
    "idcgan_generator": lambda name, _: FullResolutionGenerator(3, 3, activated_skip="activated" in name),
    "idcgan_discriminator": lambda *_: PatchDiscriminator(6, filters=48, patch=70, norm="batch", biased=True),
    "filagan_generator": lambda name, _: FilaGenerator(2, 3, reading=reading(name)),
    "filagan_discriminator": lambda name, _: FilaDiscriminator(5, reading=reading(name)),
}


def build(name, settings):
    kind = max((kind for kind in BUILDERS if name.startswith(kind)), key=len)
    return BUILDERS[kind](name, settings)


def pictures(golden, name, settings, records):
    """What the network is shown: the settings' text names number, channels and sides."""
    text = settings["text"]
    shapes = [tuple(map(int, found)) for found in re.findall(r"\((\d+),(\d+),(\d+),(\d+)\)", text)]
    if name.startswith("filagan"):
        count = 1 if "generator" in name else 2
        condition = golden.image((count, 2, 512, 512), settings["input"])
        if "generator" in name:
            weights = settings["weights"]
            noise = golden.rules.vector((1, 400), freq=weights["freq"], mult=weights["mult"])
            return condition, torch.from_numpy(noise)
        return (torch.cat([golden.image((count, 3, 512, 512), settings["target"]), condition], 1),)
    if name.startswith("pan_discriminator"):
        side = number(name, r"_(\d+)_")
        return (golden.image((2, 3, side, side), settings["target"]),)
    shape = next((s for s in shapes), None) or tuple(records["shape"]["value"])
    if "concat" in text:
        half = (shape[0], shape[1] // (2 if shape[1] in (2, 6) else 1), *shape[2:])
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
    usable = all(record["float32_usable"] for record in records.values())
    network = build(case, settings)
    assert counts == [sum(p.numel() for p in network.parameters())] * len(counts)
    fill(golden, network, settings["weights"])
    network.train("eval" not in case)
    images = pictures(golden, case, settings, records)
    if not usable:
        network, images = network.double(), tuple(image.double() for image in images)
    partial = case.startswith("pan_discriminator_hidden")
    with torch.no_grad():
        if partial:
            found = network.features(*images)
            made = Verdict(torch.zeros(1), tuple(found[tap - 1] for tap in TAPS))
        else:
            made = network(*images)
    compared = 0
    for prefix, tensor in outputs(case, made).items():
        if not (partial and prefix in ("logits", "sigmoid")):
            compared += golden.compare(records, prefix, tensor)
    assert compared == len(records) - len(counts), sorted(records)

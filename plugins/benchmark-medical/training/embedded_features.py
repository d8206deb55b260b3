"""Train the embedded feature extractor that ships with the harness (``benchmark.pretrained.embedded``).

A small VGG-shaped network learns, on slices of this project's own phantoms (all modalities, both sides of
every task), to name each pixel's tissue and the slice's modality. The phantoms are built from a seed of
their own, so no patient of a benchmark data set is among them. Run from anywhere:

    python plugins/benchmark-medical/training/embedded_features.py

It takes about two minutes on one core and writes ``embedded_features.safetensors`` and the log
``embedded_features.json`` into ``benchmark/pretrained``. Both are the same for the same versions of torch and the data.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import benchmark_medical
import numpy as np
import safetensors.torch
import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from benchmark_medical import benchmark_tasks
from torch import Tensor, nn  # noqa: TID253

from benchmark.contracts.presets import DataSize
from benchmark.contracts.protocols import BuildRequest
from benchmark.data.format.reader import Dataset
from benchmark.pretrained import embedded
from benchmark.pretrained.backbones import Backbone
from benchmark.registry.plugins import source_sha256

SIZE = DataSize(image_size=64, train=32, validation=8, test=1, slices=12)


@dataclass(frozen=True)
class Recipe:
    """How the network is trained."""

    seed: int = 8_061_397
    steps: int = 1500
    batch_size: int = 16
    learning_rate: float = 2e-3
    modality_weight: float = 0.2


@dataclass(frozen=True)
class Images:
    """Slices ``(N, 1, H, W)`` in [-1, 1], tissue labels ``(N, H, W)``, and the modality of each ``(N,)``."""

    pixels: Tensor
    tissues: Tensor
    modalities: Tensor

    def take(self, places: Tensor) -> Images:
        """Some of the slices."""
        return Images(self.pixels[places], self.tissues[places], self.modalities[places])


class Student(nn.Module):
    """The extractor with the two heads that teach it; the heads are thrown away afterwards."""

    def __init__(self, tissues: int, modalities: int) -> None:
        super().__init__()
        self.stack: Backbone = embedded.build()
        self.names = tuple(self.stack.taps)
        widths = [self.stack.features[place].out_channels for place in self.stack.taps.values()]
        self.tissue_heads = nn.ModuleList(nn.Conv2d(width, tissues, 1) for width in widths)
        self.modality_head = nn.Linear(widths[-1], modalities)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of tissues ``(N, tissues, H, W)`` and modalities ``(N, modalities)``."""
        features = self.stack(pixels, self.names)
        heads = [head(feature) for head, feature in zip(self.tissue_heads, features, strict=True)]
        tissues = heads.pop()
        while heads:
            finer = heads.pop()
            tissues = finer + F.interpolate(tissues, finer.shape[-2:], mode="bilinear")
        return tissues, self.modality_head(features[-1].mean((2, 3)))


def build(seed: int, folder: Path) -> tuple[dict[str, Images], list[str], dict[str, str]]:
    """Slices of the splits ``train`` and ``val``, the modalities' names, and the data sets' checksums."""
    modalities: list[str] = []
    hashes: dict[str, str] = {}
    pixels: dict[str, list[np.ndarray]] = {"train": [], "val": []}
    tissues: dict[str, list[np.ndarray]] = {"train": [], "val": []}
    kinds: dict[str, list[int]] = {"train": [], "val": []}
    for task in benchmark_tasks():
        path = folder / f"{task.name}.h5"
        options = task.options() if task.options else None
        task.load()(BuildRequest(task.name, path, SIZE, seed, options, print))
        with Dataset(path) as data:
            hashes[task.name] = data.info.content_sha256
            for side, intensity, name in (
                ("source", data.info.source_map, task.source_modality),
                ("target", data.info.target_map, task.target_modality),
            ):
                if name not in modalities:
                    modalities.append(name)
                for split in pixels:
                    for case in data.iterate(split):
                        if case.labels is None:
                            raise SystemExit(f"{task.name}: the data hold no tissue labels")
                        pixels[split].append(intensity.forward(getattr(case, side)))
                        tissues[split].append(case.labels)
                        kinds[split] += [modalities.index(name)] * len(case.labels)
    images = {
        split: Images(
            torch.from_numpy(np.concatenate(pixels[split]))[:, None],
            torch.from_numpy(np.concatenate(tissues[split]).astype(np.int64)),
            torch.tensor(kinds[split]),
        )
        for split in pixels
    }
    return images, modalities, hashes


def augmented(images: Images, random: torch.Generator) -> Images:
    """Random flips, gain 0.8 to 1.2 and offset -0.1 to 0.1 for each slice."""
    pixels, tissues = images.pixels, images.tissues
    for axis in (-1, -2):
        if torch.rand((), generator=random) < 0.5:
            pixels, tissues = pixels.flip(axis), tissues.flip(axis)
    shape = (len(pixels), 1, 1, 1)
    gain = 0.8 + 0.4 * torch.rand(shape, generator=random)
    offset = 0.2 * torch.rand(shape, generator=random) - 0.1
    return Images((pixels * gain + offset).clamp(-1, 1), tissues, images.modalities)


def train(images: Images, tissues: int, modalities: int, recipe: Recipe) -> tuple[Student, list[dict[str, float]]]:
    """Train from the recipe's seed; returns the network and the losses along the way."""
    torch.manual_seed(recipe.seed)
    random = torch.Generator().manual_seed(recipe.seed)
    student = Student(tissues, modalities)
    optimiser = torch.optim.Adam(student.parameters(), recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    share = torch.bincount(images.tissues.flatten(), minlength=tissues) / images.tissues.numel()
    weights = torch.where(share > 0, share.clamp(min=1e-4).rsqrt(), 0.0)
    weights = weights / weights.sum() * (weights > 0).sum()
    log = []
    for step in range(1, recipe.steps + 1):
        batch = augmented(
            images.take(torch.randint(len(images.pixels), (recipe.batch_size,), generator=random)), random
        )
        tissue_logits, modality_logits = student(batch.pixels)
        tissue_loss = F.cross_entropy(tissue_logits, batch.tissues, weights)
        modality_loss = F.cross_entropy(modality_logits, batch.modalities)
        optimiser.zero_grad()
        (tissue_loss + recipe.modality_weight * modality_loss).backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == 1:
            log.append(
                {"step": step, "tissue": round(tissue_loss.item(), 4), "modality": round(modality_loss.item(), 4)}
            )
            print(log[-1], flush=True)
    return student.eval(), log


@torch.no_grad()
def examine(student: Student, images: Images, modalities: Sequence[str]) -> dict[str, Any]:
    """Per modality: share of pixels (of all, of the body) and of slices that are named rightly."""
    found: dict[str, Any] = {}
    for number, name in enumerate(modalities):
        chosen = images.take(torch.nonzero(images.modalities == number).flatten())
        tissue_logits, modality_logits = student(chosen.pixels)
        right = tissue_logits.argmax(1) == chosen.tissues
        found[name] = {
            "slices": len(right),
            "pixels_right": round(right.float().mean().item(), 4),
            "tissue_pixels_right": round(right[chosen.tissues > 0].float().mean().item(), 4),
            "modality_right": round((modality_logits.argmax(1) == number).float().mean().item(), 4),
        }
    return found


@torch.no_grad()
def root_mean_squares(stack: Backbone, images: Images) -> dict[str, Tensor]:
    """Root mean square of each layer's activations after the ReLU, over the training slices."""
    names = tuple(stack.taps)
    squares = dict.fromkeys(names, 0.0)
    batches = images.pixels.split(64)
    for batch in batches:
        for name, feature in zip(names, stack(batch, names), strict=True):
            squares[name] += feature.double().square().mean().item() * len(batch)
    return {name: torch.tensor((square / len(images.pixels)) ** 0.5) for name, square in squares.items()}


def main() -> None:
    """Build the phantoms, train, write the weights and the log."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(embedded.__file__).parent, help="folder to write into")
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    arguments = parser.parse_args()
    recipe = Recipe(steps=arguments.steps)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    with tempfile.TemporaryDirectory() as folder:
        images, modalities, hashes = build(recipe.seed, Path(folder))
    tissues = int(max(part.tissues.max() for part in images.values())) + 1
    student, log = train(images["train"], tissues, len(modalities), recipe)
    scales = {f"rms.{name}": value for name, value in root_mean_squares(student.stack, images["train"]).items()}
    data = safetensors.torch.save({**student.stack.state_dict(), **scales})
    target = arguments.output / embedded.FILE
    target.write_bytes(data)
    record = {
        "recipe": asdict(recipe),
        "data": {
            "phantoms": f"benchmark-medical source sha256:{source_sha256(benchmark_medical.__name__)}",
            "size": asdict(SIZE),
            "content_sha256": hashes,
            "tissues": tissues,
            "modalities": modalities,
        },
        "torch": torch.__version__,
        "sha256": hashlib.sha256(data).hexdigest(),
        "parameters": sum(weight.numel() for weight in student.stack.parameters()),
        "root_mean_square": {name: round(value.item(), 5) for name, value in scales.items()},
        "validation": examine(student, images["val"], modalities),
        "log": log,
    }
    (arguments.output / embedded.LOG).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record["validation"], indent=1))


if __name__ == "__main__":
    main()

"""Images per CPU second of the image metrics, beside torchmetrics, piq, scikit-image and sewar, in one interleaved run.

    python tests/performance/metrics.py [--size 256] [--batch 16] [--rounds 5]

One thread. Every implementation scores the same batch of float64 images in 0..1 in turn, round after round; the best
round counts. Libraries get the type they are quickest with (torch float32, NumPy float64), and what converting the
batch costs is not counted against them. A library that is not installed is left out. Where it computes another index
than ours under the same name, the column ``differs`` says by how much.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import importlib
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmark.contracts.protocols import Images
from benchmark.registry.plugins import registry

WANTED = {"ssim": 400, "ms-ssim": 150, "vif-p": 100, "uqi": 100, "psnr": 10_000, "mae": 10_000}
"""Images of 256x256 per CPU second that we ask of ourselves."""
OURS = "ours"


def batch(size: int, count: int) -> Images:
    """Textured images and noisy predictions of them; every voxel is in the region."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    waves = 0.5 + 0.2 * np.sin(40 * x) * np.cos(31 * y)
    target = np.clip(waves + 0.1 * rng.normal(size=(count, size, size)), 0.0, 1.0)
    prediction = np.clip(0.9 * target + 0.05 + 0.05 * rng.normal(size=target.shape), 0.0, 1.0)
    return Images(prediction, target, np.ones(target.shape, bool), (0.0, 1.0))


def installed(name: str) -> Any:
    """The module, or ``None``; packages that need a torchvision that fits fail in other ways than ImportError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except Exception as reason:
        print(f"{name} left out: {str(reason).splitlines()[0]}")
        return None


def ours(images: Images) -> dict[str, dict[str, Callable[[], Any]]]:
    """Each metric through its plugin, options as shipped, and SSIM with scikit-image's window."""
    found = registry()
    metrics = {name: found.metric(name).spec.load()() for name in (*WANTED, "nmi", "pcc", "edge-sharpness")}
    metrics["ssim uniform"] = found.metric("ssim").spec.load()(window="uniform", covariance="sample")
    return {name: {OURS: lambda metric=metric: metric.score(images)} for name, metric in metrics.items()}


def add_torch_libraries(table: dict[str, dict[str, Callable[[], Any]]], images: Images) -> None:
    """torchmetrics and piq."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    p, t = (torch.from_numpy(array).float()[:, None] for array in (images.prediction, images.target))
    p255, t255 = p * 255, t * 255
    if functional := installed("torchmetrics.functional.image"):
        table["ssim"]["torchmetrics"] = lambda: functional.structural_similarity_index_measure(p, t, data_range=1.0)
        table["ms-ssim"]["torchmetrics"] = lambda: functional.multiscale_structural_similarity_index_measure(
            p, t, data_range=1.0
        )
        table["vif-p"]["torchmetrics"] = lambda: functional.visual_information_fidelity(p255, t255)
        table["uqi"]["torchmetrics"] = lambda: functional.universal_image_quality_index(p, t)
        table["psnr"]["torchmetrics"] = lambda: functional.peak_signal_noise_ratio(
            p, t, data_range=1.0, dim=(1, 2, 3), reduction="none"
        )
    if piq := installed("piq"):
        table["ssim"]["piq"] = lambda: piq.ssim(p, t, data_range=1.0, downsample=False, reduction="none")
        table["ms-ssim"]["piq"] = lambda: piq.multi_scale_ssim(p, t, data_range=1.0, reduction="none")
        table["vif-p"]["piq"] = lambda: piq.vif_p(p, t, data_range=1.0, reduction="none")
        table["psnr"]["piq"] = lambda: piq.psnr(p, t, data_range=1.0, reduction="none")


def add_numpy_libraries(table: dict[str, dict[str, Callable[[], Any]]], images: Images) -> None:
    """scikit-image and sewar, image by image."""

    def each(function: Callable[..., Any], factor: float = 1.0, **options: Any) -> Callable[[], Any]:
        pairs = list(zip(images.target * factor, images.prediction * factor, strict=True))
        return lambda: np.array([function(t, p, **options) for t, p in pairs])

    if metrics := installed("skimage.metrics"):
        wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        table["ssim"]["scikit-image"] = each(metrics.structural_similarity, data_range=1.0, **wang)
        table["ssim uniform"]["scikit-image"] = each(metrics.structural_similarity, data_range=1.0)
        table["psnr"]["scikit-image"] = each(metrics.peak_signal_noise_ratio, data_range=1.0)
        table["nmi"]["scikit-image"] = each(metrics.normalized_mutual_information, bins=100)
    if sewar := installed("sewar.full_ref"):
        table["ms-ssim"]["sewar"] = each(lambda t, p: sewar.msssim(t, p, MAX=255.0).real, 255.0)
        table["vif-p"]["sewar"] = each(sewar.vifp, 255.0)
        table["uqi"]["sewar"] = each(sewar.uqi, 255.0)


def measure(table: dict[str, dict[str, Callable[[], Any]]], rounds: int) -> dict[tuple[str, str], float]:
    """Best CPU seconds of each call, all of them in turn in every round."""
    calls = {(name, library): call for name, row in table.items() for library, call in row.items()}
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for key, call in calls.items():
            start = time.process_time()
            call()
            best[key] = min(best[key], time.process_time() - start)
    return best


def main() -> None:
    """Print a line for each metric and library."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    images = batch(arguments.size, arguments.batch)
    table = ours(images)
    if installed("torch"):
        add_torch_libraries(table, images)
    add_numpy_libraries(table, images)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        best = measure(table, arguments.rounds)
        means = {key: float(np.mean(np.asarray(table[key[0]][key[1]]()))) for key in best}
    print(
        f"{arguments.batch} images of {arguments.size}x{arguments.size}, one thread, best of {arguments.rounds} rounds"
    )
    print(f"{'metric':15} {'library':13} {'images/CPU s':>12} {'ours is':>9} {'differs':>9}  wanted")
    for (name, library), seconds in best.items():
        rate = arguments.batch / seconds
        ratio = "" if library == OURS else f"{seconds / best[name, OURS]:.1f}x"
        differs = "" if library == OURS else f"{means[name, library] - means[name, OURS]:+.1e}"
        wanted = f">= {WANTED[name]}" if library == OURS and name in WANTED else ""
        print(f"{name:15} {library:13} {rate:12.0f} {ratio:>9} {differs:>9}  {wanted}".rstrip())


if __name__ == "__main__":
    main()

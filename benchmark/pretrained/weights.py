"""Pretrained weights on disk: where they are looked for, what was found, and how to fetch what is missing.

Looked for in the folder named by ``$BENCHMARK_WEIGHTS``, then in torch hub's cache. Nothing is downloaded unless the
user asks (``benchmark weights fetch``), and nothing but tensors is read from a file.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import BenchmarkError, Unavailable, unknown_name
from benchmark.specs import CheckResult

if TYPE_CHECKING:
    from torch import Tensor

VARIABLE = "BENCHMARK_WEIGHTS"


@dataclass(frozen=True)
class Pretrained:
    """ImageNet weights of torchvision: their file there, the name under which torchvision fetches them, and the
    number of weights and biases in the convolutions, by which a file is recognised.

    The eight digits in the file's name begin its SHA-256.
    """

    name: str
    title: str
    file: str
    enum: str
    parameters: int

    @property
    def patterns(self) -> tuple[str, ...]:
        """File names that are taken for it, best first."""
        return (self.file, f"{self.name}-*.pth", f"{self.name}.pth", f"*{self.name}*.safetensors", f"*{self.name}*.npz")


KNOWN: Mapping[str, Pretrained] = {
    each.name: each
    for each in (
        Pretrained("vgg19", "VGG-19", "vgg19-dcbb9e9d.pth", "VGG19_Weights.IMAGENET1K_V1", 20_024_384),
        Pretrained("vgg16", "VGG-16", "vgg16-397923af.pth", "VGG16_Weights.IMAGENET1K_V1", 14_714_688),
        Pretrained("alexnet", "AlexNet", "alexnet-owt-7be5be79.pth", "AlexNet_Weights.IMAGENET1K_V1", 2_469_696),
        Pretrained(
            "squeezenet1_1",
            "SqueezeNet 1.1",
            "squeezenet1_1-b8a52dc0.pth",
            "SqueezeNet1_1_Weights.IMAGENET1K_V1",
            722_496,
        ),
    )
}


@dataclass(frozen=True)
class Found:
    """A weights file and the SHA-256 of its content."""

    path: Path
    sha256: str


def known(name: str) -> Pretrained:
    """The weights of this name.

    Raises:
        UsageError: there are none; names the nearest.
    """
    if name not in KNOWN:
        raise unknown_name("weights", name, KNOWN)
    return KNOWN[name]


def folders() -> list[Path]:
    """Where weights are looked for, in this order."""
    named = os.environ.get(VARIABLE)
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    torch_home = Path(os.environ.get("TORCH_HOME") or Path(cache) / "torch").expanduser()
    return [*([Path(named).expanduser()] if named else []), torch_home / "hub" / "checkpoints"]


def find(name: str) -> Path | None:
    """The file that holds these weights, or ``None``; its content is not looked at."""
    for folder in folders():
        for pattern in known(name).patterns:
            for path in sorted(folder.glob(pattern)):
                if path.is_file():
                    return path
    return None


def advice(name: str) -> str:
    """The one command that fetches these weights."""
    return f"benchmark weights fetch {name}"


def require(name: str) -> Found:
    """The file that holds these weights, with its checksum.

    Raises:
        Unavailable: there is none (says which file, where it was looked for, and what fetches it), or its content is
            not what its name promises.
    """
    path = find(name)
    if path is None:
        looked = " and ".join(map(str, folders()))
        raise Unavailable(
            f"weights missing: {KNOWN[name].title} ({KNOWN[name].file}, or {name} as .safetensors or .npz) is not in "
            f"{looked}; fetch with: {advice(name)}"
        )
    return Found(path, checksum(path))


def checksum(path: Path) -> str:
    """SHA-256 of a weights file.

    Raises:
        Unavailable: the file is not what its name promises (``name-<first eight digits>.pth``).
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    promised = re.search(r"-([0-9a-f]{8})\.pth\Z", path.name)
    if promised and not digest.startswith(promised[1]):
        raise Unavailable(f"weights damaged: SHA-256 of {path} does not begin with {promised[1]}; fetch it again")
    return digest


def read(path: Path, name: str) -> dict[str, Tensor]:
    """The convolutions' tensors by their place in torchvision's ``features``: ``0.weight``, ``3.squeeze.bias``, ...

    Raises:
        Unavailable: the file cannot be read without unpickling objects, or holds something else.
    """
    try:
        tensors = {key.removeprefix("features."): tensor for key, tensor in _tensors(path).items() if _wanted(key)}
        total = sum(tensor.numel() for tensor in tensors.values())
        if total != known(name).parameters:
            raise ValueError(f"{total} parameters instead of {known(name).parameters}")
    except Exception as error:  # whatever a damaged file makes the readers raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise Unavailable(f"{path} does not hold {known(name).title} ({first}); fetch with: {advice(name)}") from None
    return {key: tensor.float() for key, tensor in tensors.items()}


def _wanted(key: str) -> bool:
    """Convolutions only: ``features.0.weight``, or ``0.weight`` where a file has the features alone."""
    return key.removeprefix("features.")[:1].isdigit()


def _tensors(path: Path) -> dict[str, Tensor]:
    import torch

    if path.suffix == ".npz":
        import numpy as np

        with np.load(path, allow_pickle=False) as arrays:
            return {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    if path.suffix == ".safetensors":
        import safetensors.torch

        return dict(safetensors.torch.load_file(path))
    return dict(torch.load(path, map_location="cpu", weights_only=True))


def check(name: str, needed_by: str) -> CheckResult:
    """A line of ``benchmark doctor``: are these weights here, and what needs them."""
    path = find(name)
    if path is None:
        looked = " and ".join(map(str, folders()))
        return CheckResult(
            "missing", f"{KNOWN[name].title} weights, looked for in {looked}; needed by {needed_by}", advice(name)
        )
    return CheckResult("ok", f"{KNOWN[name].title} weights: {path}")


def fetch(name: str) -> Found:
    """Download torchvision's weights into ``$BENCHMARK_WEIGHTS``, or torch hub's cache without one, and check them.

    Raises:
        Unavailable: torchvision is not installed.
        BenchmarkError: the download failed or the checksum is wrong.
    """
    wanted = known(name)
    folder = folders()[0]
    try:
        import torch
        from torchvision.models import get_weight
    except (ImportError, RuntimeError) as error:  # a torchvision that does not fit torch fails with RuntimeError
        raise Unavailable(
            f"torchvision, which knows where the weights are, cannot be imported ({error}); "
            f"put {wanted.file} into {folder} by hand"
        ) from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.load_state_dict_from_url(
            get_weight(wanted.enum).url, model_dir=str(folder), map_location="cpu", check_hash=True, progress=False
        )
    except Exception as error:  # urllib, ssl and torch each raise their own
        raise BenchmarkError(
            f"{wanted.file} could not be fetched ({error}); on a machine without network put the file into {folder}"
        ) from None
    return require(name)

"""Find pretrained feature weights on this machine. Nothing is ever downloaded, and torch is not needed.

Searched, in this order: the folder named by ``$BENCHMARK_WEIGHTS``, then torch's hub cache.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import Unavailable
from benchmark.specs import CheckResult

FOLDER_VARIABLE = "BENCHMARK_WEIGHTS"


@dataclass(frozen=True)
class Architecture:
    """A feature network of LPIPS: its name at torchvision, and the files that may hold its weights."""

    name: str
    checkpoint: str
    """File name of torchvision's ImageNet weights; the eight digits begin the file's SHA-256."""

    @property
    def patterns(self) -> tuple[str, ...]:
        """File names that are recognised, best first: torchvision state dicts, then NumPy archives."""
        return (self.checkpoint, f"{self.name}-*.pth", f"*{self.name}*.npz")


ARCHITECTURES = {
    "alex": Architecture("alexnet", "alexnet-owt-7be5be79.pth"),
    "squeeze": Architecture("squeezenet1_1", "squeezenet1_1-b8a52dc0.pth"),
    "vgg": Architecture("vgg16", "vgg16-397923af.pth"),
}


def folders() -> list[Path]:
    """Where weights are looked for."""
    named = os.environ.get(FOLDER_VARIABLE)
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    torch_home = Path(os.environ.get("TORCH_HOME") or Path(cache) / "torch").expanduser()
    return [*([Path(named).expanduser()] if named else []), torch_home / "hub" / "checkpoints"]


def find(net: str) -> Path | None:
    """The weights file of LPIPS's network ``net`` (alex, squeeze or vgg), or ``None``."""
    architecture = ARCHITECTURES[net]
    for folder in folders():
        for pattern in architecture.patterns:
            for found in sorted(folder.glob(pattern)):
                if found.is_file():
                    return found
    return None


def require(net: str) -> Path:
    """The weights file of LPIPS's network ``net``.

    Raises:
        Unavailable: there is none; says which file to put where.
    """
    found = find(net)
    if found is None:
        raise Unavailable(f"weights missing: {advice(net)}")
    return found


def advice(net: str) -> str:
    """What to do to get the weights of ``net``."""
    architecture = ARCHITECTURES[net]
    return f"put torchvision's {architecture.checkpoint} into the folder ${FOLDER_VARIABLE} or torch's hub cache"


def checksum(path: Path) -> str:
    """SHA-256 of a weights file.

    Raises:
        Unavailable: the file is not what its name promises (``name-<first eight digits>.pth``).
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    promised = re.search(r"-([0-9a-f]{8})\.pth\Z", path.name)
    if promised and not digest.startswith(promised[1]):
        raise Unavailable(f"weights damaged: SHA-256 of {path.name} does not begin with {promised[1]}")
    return digest


def check() -> list[CheckResult]:
    """For ``benchmark doctor``: which networks LPIPS could use here."""
    results = []
    for net in ARCHITECTURES:
        found = find(net)
        if found is None:
            results.append(CheckResult("missing", f"LPIPS weights ({net})", advice(net)))
        else:
            results.append(CheckResult("ok", f"LPIPS weights ({net}): {found}"))
    return results

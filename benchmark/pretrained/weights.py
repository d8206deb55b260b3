"""Pretrained weights on disk: where they are looked for, what was found, and how to fetch what is missing.

Looked for in the folder named by ``$BENCHMARK_WEIGHTS``, then in torch hub's cache. What is missing is downloaded when
the user asks (``benchmark weights fetch``), or by who calls :func:`obtain`: then only within a minute, and never where
``$BENCHMARK_OFFLINE`` forbids it. Nothing but tensors is read from a file. Which weights there are, plugins say
(``benchmark_weights``).
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from benchmark import atomic
from benchmark.contracts.specs import CheckResult, WeightsSpec
from benchmark.errors import BenchmarkError, Unavailable
from benchmark.pretrained.downloading import ASKED, UNASKED, DownloadError, Patience, download
from benchmark.printable import printable

if TYPE_CHECKING:
    from torch import Tensor

VARIABLE = "BENCHMARK_WEIGHTS"
OFFLINE = "BENCHMARK_OFFLINE"
"""Set to anything but ``0``, ``no``, ``off`` or ``false``: nothing is downloaded unasked."""
AGAIN_S = 3600.0
"""How long after a failed download none is tried unasked: a table has many cells."""


@dataclass(frozen=True)
class Found:
    """A weights file and the SHA-256 of its content."""

    path: Path
    sha256: str


def folders() -> list[Path]:
    """Where weights are looked for, in this order."""
    named = os.environ.get(VARIABLE)
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    torch_home = Path(os.environ.get("TORCH_HOME") or Path(cache) / "torch").expanduser()
    return [*([Path(named).expanduser()] if named else []), torch_home / "hub" / "checkpoints"]


def find(wanted: WeightsSpec) -> Path | None:
    """The file that holds these weights, or ``None``; its content is not looked at."""
    return next((path for folder in folders() for path in _candidates(wanted, folder) if path.is_file()), None)


def _candidates(wanted: WeightsSpec, folder: Path) -> Iterator[Path]:
    """Files that are taken for these weights, best first."""
    yield folder / wanted.file
    name = wanted.name
    for pattern in (f"{name}-*.pth", f"{name}.pth", f"*{name}*.safetensors", f"*{name}*.npz"):
        yield from sorted(folder.glob(pattern))


def advice(wanted: WeightsSpec) -> str:
    """The one command that fetches these weights."""
    return f"benchmark weights fetch {wanted.name}"


def _shown(folder: Path) -> str:
    """A folder as it may stand in a record that others read: without the name of who ran it."""
    home = Path.home()
    return f"~/{folder.relative_to(home).as_posix()}" if folder.is_relative_to(home) else str(folder)


def require(wanted: WeightsSpec) -> Found:
    """The file that holds these weights, with its checksum.

    Raises:
        Unavailable: there is none (says which file, where it was looked for, and what fetches it), or its content is
            not what its name promises.
    """
    path = find(wanted)
    if path is None:
        looked = " and ".join(map(_shown, folders()))
        raise Unavailable(
            f"weights missing: {wanted.title} ({wanted.file}, or {wanted.name} as .safetensors or .npz) is not in "
            f"{looked}; fetch with: {advice(wanted)}"
        )
    return Found(path, checksum(path, wanted))


def offline() -> bool:
    """Whether the user forbids what was not asked for to use the network."""
    return os.environ.get(OFFLINE, "").strip().lower() not in ("", "0", "no", "off", "false")


def forbid_network() -> None:
    """From here on, in this process and those it starts, nothing is downloaded unasked."""
    os.environ[OFFLINE] = "1"


def obtain(wanted: WeightsSpec, patience: Patience = UNASKED) -> Found:
    """As :func:`require`, but what is missing is downloaded first, where that is allowed and quick.

    Processes that need the same file wait for one another; after a failure none tries again for an hour.

    Raises:
        Unavailable: they are not here and could not be had; says why, and what fetches them.
    """
    if find(wanted) is not None or urlsplit(wanted.url).scheme not in ("http", "https"):
        return require(wanted)
    if offline():
        raise _not_fetched(wanted, f"${OFFLINE} forbids to fetch it")
    path = folders()[0] / wanted.file
    failed = path.with_name(f".{wanted.file}.not-fetched")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{wanted.file}.lock"), timeout=patience.total_s + patience.answer_s):
            if find(wanted) is not None:
                return require(wanted)
            if failed.is_file() and time.time() - failed.stat().st_mtime < AGAIN_S:
                raise _not_fetched(wanted, failed.read_text(encoding="utf-8"))
            try:
                download(wanted.url, path, wanted.sha256, patience)
            except DownloadError as error:
                reason = printable(str(error))
                atomic.write_text(failed, reason)
                raise _not_fetched(wanted, reason) from None
            failed.unlink(missing_ok=True)
    except (OSError, Timeout) as error:
        raise _not_fetched(wanted, f"{type(error).__name__}: {error}") from None
    return require(wanted)


def _not_fetched(wanted: WeightsSpec, reason: str) -> Unavailable:
    host = urlsplit(wanted.url).hostname
    return Unavailable(
        f"weights missing: {wanted.title} ({wanted.file}) is not here and was not fetched from {host} ({reason}); "
        f"fetch with: {advice(wanted)}"
    )


def checksum(path: Path, wanted: WeightsSpec) -> str:
    """SHA-256 of a weights file.

    Raises:
        Unavailable: the file is not what its name promises: the publisher's (:attr:`WeightsSpec.sha256`), or one like
            ``name-<first eight digits>.pth``.
    """
    digest = sha256(path)
    in_name = re.search(r"-([0-9a-f]{8})\.pth\Z", path.name)
    promised = wanted.sha256 if path.name == wanted.file else in_name[1] if in_name else ""
    if not digest.startswith(promised):
        raise Unavailable(
            f"weights damaged: SHA-256 of {path} does not begin with {promised}; remove it, then: {advice(wanted)}"
        )
    return digest


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path, wanted: WeightsSpec) -> dict[str, Tensor]:
    """The tensors under :attr:`WeightsSpec.prefix`, without it: ``0.weight``, ``3.squeeze.bias``, ...

    Raises:
        Unavailable: the file cannot be read without unpickling objects, or holds something else.
    """
    try:
        tensors = _tensors(path)
        prefix = wanted.prefix if any(key.startswith(wanted.prefix) for key in tensors) else ""
        tensors = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        # a counter of batch norm's, which old files lack and evaluation does not use
        tensors = {key: tensor for key, tensor in tensors.items() if not key.endswith("num_batches_tracked")}
        total = sum(tensor.numel() for tensor in tensors.values())
        if total != wanted.parameters:
            raise ValueError(f"{total} parameters instead of {wanted.parameters}")
    except Exception as error:  # whatever a damaged file makes the readers raise
        first = printable((str(error).splitlines() or [type(error).__name__])[0])
        raise Unavailable(f"{path} does not hold {wanted.title} ({first}); remove it, then: {advice(wanted)}") from None
    return {key: tensor.float() for key, tensor in tensors.items()}


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


def check(wanted: WeightsSpec, needed_by: str) -> CheckResult:
    """A line of ``benchmark doctor``: are these weights here, and what needs them."""
    path = find(wanted)
    if path is None:
        looked = " and ".join(map(str, folders()))
        return CheckResult(
            "missing", f"{wanted.title} weights, looked for in {looked}; needed by {needed_by}", advice(wanted)
        )
    return CheckResult("ok", f"{wanted.title} weights: {path}")


def fetch(wanted: WeightsSpec) -> Found:
    """Download weights into ``$BENCHMARK_WEIGHTS``, or torch hub's cache without one, checked and not unpickled.

    A sound file that is there already is kept.

    Raises:
        BenchmarkError: the download failed, or its checksum is wrong; then nothing is left behind.
    """
    folder = folders()[0]
    path = folder / wanted.file
    if path.is_file() and sha256(path).startswith(wanted.sha256):
        return require(wanted)
    try:
        download(wanted.url, path, wanted.sha256, ASKED)
    except DownloadError as error:
        raise BenchmarkError(
            f"{wanted.file} could not be fetched from {wanted.url} ({error}); on a machine without network put the "
            f"file into {folder}"
        ) from None
    return require(wanted)

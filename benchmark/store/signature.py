"""A run signed by whoever publishes it: a list of its records' hashes, and an SSH signature of that list.

Hashes in a record show what was altered by accident; whoever edits can hash again. A signature says that the holder of
a key stands for these records, and for the files that they name with their hashes. The list is what ``sha256sum -c``
reads, the signature what ``ssh-keygen -Y verify`` does, so that both can be checked without this program.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmark import atomic
from benchmark.errors import BenchmarkError, UsageError
from benchmark.store.folder import RunFolder

LIST = "signed.txt"
SIGNATURE = f"{LIST}.sig"
NAMESPACE = "mi2i-benchmark"
"""Keeps signatures apart that one key makes for several purposes."""
COMMAND = "ssh-keygen"


@dataclass(frozen=True)
class Signed:
    """What a look at a run's signature gave: who signed, by the list of allowed signers, and what does not hold.

    ``faults`` by path in the run's folder (``cells/ID/record.json``, ``run.json``, ``signed.txt``); empty: all holds.
    """

    signer: str
    faults: dict[str, str]


def sign(run: RunFolder, key: Path) -> int:
    """Write the list and its signature into a run's folder; how many records it vouches for.

    ``key`` is a private key for ``ssh-keygen``, or a public one whose private half an SSH agent holds.

    Raises:
        UsageError: there is no such key, or cells are at work.
        BenchmarkError: a record is damaged, ``ssh-keygen`` is missing or refuses, or the folder cannot be written.
    """
    if not key.is_file():
        raise UsageError(f"no key {key}; 'ssh-keygen -t ed25519 -f {key}' makes one")
    if run.leases.standing():
        raise UsageError(f"cells of {run.path} are at work; sign it when they have ended")
    for cell in _folders(run):
        try:
            run.cell(cell).record()
        except (OSError, ValueError) as error:
            raise BenchmarkError(f"cells/{cell}/record.json is damaged ({error}); nothing was signed") from None
    run.about()
    hashes = _hashes(run)
    text = "".join(f"{digest}  {path}\n" for path, digest in hashes.items()).encode()
    signed = _ssh_keygen(["-Y", "sign", "-f", str(key), "-n", NAMESPACE], text)
    if signed.returncode or not signed.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        raise BenchmarkError(f"{COMMAND} does not sign with {key}: {_last_line(signed)}")
    try:
        # the list last: a signature without it fits nothing, and is found
        atomic.write_bytes(run.path / SIGNATURE, signed.stdout)
        atomic.write_bytes(run.path / LIST, text)
    except OSError as error:
        raise BenchmarkError(f"cannot write the signature into {run.path}: {error.strerror or error}") from None
    return len(hashes) - 1


def check(run: RunFolder, signers: Path) -> Signed:
    """Whether one of ``signers`` (ALLOWED SIGNERS of ``man ssh-keygen``) stands for exactly these records.

    Raises:
        UsageError: there is no such file.
        BenchmarkError: ``ssh-keygen`` is missing.
    """
    if not signers.is_file():
        raise UsageError(f"no file of allowed signers {signers}; a line of it is 'NAME ssh-ed25519 AAAA...'")
    path = run.path / SIGNATURE
    try:
        text = (run.path / LIST).read_bytes()
        signature = path.read_bytes()
    except OSError:
        return Signed("", {LIST: "the run is not signed; 'benchmark sign' does that"})
    if not signature:
        return Signed("", {LIST: "its signature is empty"})
    signer, fault = _signer(text, path, signers)
    if fault:
        return Signed("", {LIST: fault})
    return Signed(signer, _differences(_listed(text), _hashes(run)))


def _signer(text: bytes, signature: Path, signers: Path) -> tuple[str, str]:
    """Whose signature of a text it is; or what is wrong with it."""
    common = ["-n", NAMESPACE, "-s", str(signature)]
    alone = _ssh_keygen(["-Y", "check-novalidate", *common], text)
    if alone.returncode:
        return "", f"the list was altered after signing, or has another's signature ({_last_line(alone)})"
    known = _ssh_keygen(["-Y", "find-principals", "-s", str(signature), "-f", str(signers)])
    for name in known.stdout.decode(errors="replace").splitlines():
        if not _ssh_keygen(["-Y", "verify", *common, "-f", str(signers), "-I", name], text).returncode:
            return name, ""
    key = alone.stdout.decode(errors="replace").strip().rpartition(" key ")[2]
    why = known.stderr.decode(errors="replace").strip().partition("\n")[0]
    more = "" if why.startswith("No principal") or not why else f"; {why}"
    return "", f"it is signed with a key that {signers} does not allow ({key}{more})"


def _differences(listed: dict[str, str], there: dict[str, str]) -> dict[str, str]:
    faults = {
        path: "it is not the one that was signed" for path in listed.keys() & there if listed[path] != there[path]
    }
    faults |= dict.fromkeys(listed.keys() - there.keys(), "it was signed, and is gone")
    faults |= dict.fromkeys(there.keys() - listed.keys(), "it was added after signing")
    return dict(sorted(faults.items()))


def _listed(text: bytes) -> dict[str, str]:
    lines = (line.partition("  ") for line in text.decode(errors="replace").splitlines())
    return {path: digest for digest, _, path in lines}


def _hashes(run: RunFolder) -> dict[str, str]:
    """Of everything that a table reads, by path."""
    paths = ["run.json", *(f"cells/{cell}/record.json" for cell in _folders(run))]
    return {path: atomic.sha256_file(run.path / path) for path in paths if (run.path / path).is_file()}


def _folders(run: RunFolder) -> list[str]:
    """Cells that have left a record."""
    return sorted(path.parent.name for path in run.path.glob("cells/*/record.json"))


def _ssh_keygen(arguments: list[str], text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """One call, which reads ``text``; a passphrase is asked for on the terminal.

    Raises:
        BenchmarkError: there is no such program.
    """
    with tempfile.TemporaryFile() as given:  # not a pipe: it may end without reading
        given.write(text)
        given.seek(0)
        try:
            return subprocess.run([COMMAND, *arguments], stdin=given, capture_output=True, check=False)
        except OSError as error:
            raise BenchmarkError(f"{COMMAND} cannot be run ({error.strerror}); install OpenSSH 8.2 or later") from None


def _last_line(ended: subprocess.CompletedProcess[bytes]) -> str:
    lines = (ended.stderr or ended.stdout).decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else f"exit code {ended.returncode}"

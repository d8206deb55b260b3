"""A signed run: what each change to it is called, and that nothing else is needed to check it than ``ssh-keygen``."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from made_runs import MadeRun

from benchmark.errors import BenchmarkError, UsageError
from benchmark.store import signature
from benchmark.store.folder import CellFolder, RunFolder
from benchmark.store.seal import read_sealed, write_sealed

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")


def key(folder: Path, name: str) -> Path:
    """A key, and a file of allowed signers with it alone: ``NAME.allowed``."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)], check=True)
    public = (folder / f"{name}.pub").read_text()
    (folder / f"{name}.allowed").write_text(f"{name}@example.org {public}")
    return folder / name


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of two cells signed by alice, and bob's key."""
    folder = tmp_path_factory.mktemp("published")
    made = MadeRun(folder / "run")
    for name in ("good", "bad"):
        made.add(name, 10.0)
    key(folder, "alice")
    key(folder, "bob")
    assert signature.sign(RunFolder(made.path), folder / "alice") == 2
    return folder


@pytest.fixture
def signed(published: Path, tmp_path: Path) -> Path:
    """A copy to be altered."""
    return Path(shutil.copytree(published, tmp_path / "copy"))


def faults(folder: Path, signers: str = "alice") -> list[str]:
    """What is wrong with the run in a folder, as lines."""
    found = signature.check(RunFolder(folder / "run"), folder / f"{signers}.allowed")
    return [f"{path}: {fault}" for path, fault in found.faults.items()]


def record(folder: Path) -> Path:
    """The first record of its run."""
    return sorted((folder / "run").glob("cells/*/record.json"))[0]


def test_what_was_signed_and_not_touched_holds(signed: Path) -> None:
    found = signature.check(RunFolder(signed / "run"), signed / "alice.allowed")
    assert (found.signer, found.faults) == ("alice@example.org", {})


def test_it_can_be_checked_without_this_program(signed: Path) -> None:
    run = signed / "run"
    text = (run / "signed.txt").read_bytes()
    said = ["-n", "mi2i-benchmark", "-s", str(run / "signed.txt.sig"), "-I", "alice@example.org"]
    subprocess.run(["ssh-keygen", "-Y", "verify", "-f", str(signed / "alice.allowed"), *said], input=text, check=True)
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--status", "-c", "signed.txt"], cwd=run, check=True)


def resealed(folder: Path) -> None:
    """A number changed by one who hashes again."""
    about = read_sealed(record(folder))
    about["scores"]["psnr"]["mean"] = 99.0
    write_sealed(record(folder), about)


def removed(folder: Path) -> None:
    shutil.rmtree(record(folder).parent)


def added(folder: Path) -> None:
    shutil.copytree(record(folder).parent, folder / "run" / "cells" / "0123456789abcdef")


def replanned(folder: Path) -> None:
    about = read_sealed(folder / "run" / "run.json")
    write_sealed(folder / "run" / "run.json", {**about, "grid": "another"})


def unlisted(folder: Path) -> None:
    path = folder / "run" / "signed.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def unsigned(folder: Path) -> None:
    (folder / "run" / "signed.txt.sig").unlink()


def scribbled(folder: Path) -> None:
    (folder / "run" / "signed.txt.sig").write_text("no signature")


def from_another_run(folder: Path) -> None:
    """Alice did sign something, but not this."""
    other = MadeRun(folder / "other")
    signature.sign(RunFolder(other.path), folder / "alice")
    shutil.copy(folder / "other" / "signed.txt.sig", folder / "run" / "signed.txt.sig")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (resealed, "record.json: it is not the one that was signed"),
        (removed, "record.json: it was signed, and is gone"),
        (added, "cells/0123456789abcdef/record.json: it was added after signing"),
        (replanned, "run.json: it is not the one that was signed"),
        (unlisted, "signed.txt: the list was altered after signing"),
        (unsigned, "signed.txt: the run is not signed"),
        (scribbled, "signed.txt: the list was altered after signing, or has another's signature"),
        (from_another_run, "signed.txt: the list was altered after signing, or has another's signature"),
    ],
)
def test_each_change_is_one_clear_line(signed: Path, change: Callable[[Path], None], said: str) -> None:
    change(signed)
    (line,) = faults(signed)
    assert said in line


def test_another_key_is_named(signed: Path) -> None:
    (line,) = faults(signed, "bob")
    assert "signed with a key that" in line
    assert "ED25519 key SHA256:" not in line
    assert "SHA256:" in line


def test_a_key_that_is_too_old_says_so(signed: Path) -> None:
    public = (signed / "alice.pub").read_text()
    (signed / "old.allowed").write_text(f'alice valid-before="20200101" {public}')
    (line,) = faults(signed, "old")
    assert "expired" in line


def test_who_lacks_what_is_told(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(signed / "run")
    with pytest.raises(UsageError, match="makes one"):
        signature.sign(run, signed / "nobody")
    with pytest.raises(UsageError, match="no file of allowed signers"):
        signature.check(run, signed / "nobody")
    with pytest.raises(BenchmarkError, match="does not sign with"):
        signature.sign(run, signed / "alice.allowed")
    CellFolder(record(signed).parent).file("record.json").write_text("{}")
    with pytest.raises(BenchmarkError, match="nothing was signed"):
        signature.sign(run, signed / "alice")
    monkeypatch.setattr(signature, "COMMAND", "no-such-program")
    with pytest.raises(BenchmarkError, match="install OpenSSH"):
        signature.check(run, signed / "alice.allowed")

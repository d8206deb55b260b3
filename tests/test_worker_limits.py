"""What a plugin does in its worker costs its own cell only: texts, children, memory, output, imports, interrupts."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from made_records import spec

from benchmark import atomic
from benchmark.cell.job import CellJob, Message
from benchmark.errors import LONGEST, BenchmarkError, explain, said
from benchmark.executors import process_group, worker
from benchmark.executors.local import _interrupts_held
from benchmark.store.folder import CellFolder

FORK = multiprocessing.get_context("fork")


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class NoText(Exception):
    def __str__(self) -> str:
        return 3  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError("cannot read scan-\udcff.nii"), r"RuntimeError: cannot read scan-\udcff.nii"),
        (Unprintable(), "Unprintable: (its text cannot be printed)"),
        (NoText(), "NoText: (its text cannot be printed)"),
        (ValueError("a\nb\tc"), "ValueError: a b c"),
        (KeyError(), "KeyError"),
        (BenchmarkError("half \ud800"), r"half \ud800"),
    ],
)
def test_every_exception_has_a_line_that_can_be_stored(error: Exception, text: str) -> None:
    assert explain(error) == text
    assert json.loads(json.dumps(explain(error)).encode("utf-8")) == text


@pytest.mark.parametrize("text", ["x " * 1_000_000, "y" * 5000, "\n" * 10_000 + "z" * 1001])
def test_a_message_is_as_long_as_somebody_may_read(text: str) -> None:
    assert len(said(RuntimeError(text))) < LONGEST + 40


def leading(pipe: int, command: list[str]) -> None:
    process_group.lead()
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    if command[0] != "sleep":
        assert child.stdout is not None
        child.stdout.readline()
    os.write(pipe, f"{child.pid}\n".encode())
    time.sleep(1000)


def with_child(command: list[str]) -> tuple[FORK.Process, int]:  # type: ignore[name-defined]
    """A worker with a child, both running; the child's number."""
    ours, theirs = os.pipe()
    process = FORK.Process(target=leading, args=(theirs, command))
    process.start()
    child = int(os.read(ours, 20))
    os.close(ours), os.close(theirs)
    return process, child


def gone(pid: int) -> bool:
    """Ended, be it that nobody has taken notice yet."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")


@linux
@pytest.mark.parametrize("before", ["while it runs", "after it was killed"])
def test_children_end_with_their_worker(before: str) -> None:
    process, child = with_child(["sleep", "1000"])
    if before == "after it was killed":
        process.kill()
        process.join()
    process_group.end(process)
    assert process.exitcode == -signal.SIGKILL
    assert gone(child)


@linux
def test_the_memory_of_children_counts() -> None:
    hungry = "x = b'1' * 100_000_000; print(flush=True); import time; time.sleep(1000)"
    process, _ = with_child([sys.executable, "-S", "-c", hungry])
    try:
        held = process_group.memory(process.pid)
        assert held is not None
        own = process_group._resident(process.pid) * os.sysconf("SC_PAGE_SIZE") / process_group.GIB
        assert held - own > 0.09
    finally:
        process_group.end(process)


def test_of_a_process_that_is_not_there_no_memory_is_known() -> None:
    assert process_group.memory(2**22 + 1) is None


def printing(path: str) -> None:
    worker.MOST_OUTPUT, worker.OUTPUT_SECONDS = 10_000, 0.01
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    import threading

    watch = threading.Thread(target=worker._limit_output, args=(Path(path),))
    watch.start()
    while watch.is_alive():
        os.write(1, b"again and again\n")
    os.write(1, b"unheard")


def test_output_without_end_is_cut(tmp_path: Path) -> None:
    process = FORK.Process(target=printing, args=(str(tmp_path / "output.txt"),))
    process.start()
    process.join(20)
    assert process.exitcode == 0
    text = (tmp_path / "output.txt").read_bytes()
    assert text.startswith(b"again and again\n")
    assert text.endswith(b"[10000 bytes; what was printed after them was dropped]\n")
    assert len(text) < 10_100


def raising(error: BaseException) -> Callable[..., None]:
    def fault(*_: object, **__: object) -> None:
        raise error

    return fault


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        ("one_thread", ImportError("libtorch_cpu.so: cannot open"), "ImportError: libtorch_cpu.so: cannot open"),
        ("one_thread", OSError("no such library"), "OSError: no such library"),
        ("run_job", KeyboardInterrupt(), "KeyboardInterrupt"),
        ("run_job", GeneratorExit("x" * 9000), f"GeneratorExit: {'x' * LONGEST}... (9000 characters)"),
    ],
)
def test_a_worker_that_cannot_begin_is_a_failed_row_with_its_reason(
    name: str, error: BaseException, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, name, raising(error))
    if name != "one_thread":
        monkeypatch.setattr(worker, "one_thread", lambda: None)
    ours, theirs = FORK.Pipe()
    job = CellJob(spec(), CellFolder(tmp_path / "cell"), False, "cpu")
    process = FORK.Process(target=worker.work, args=(job, theirs))
    process.start()
    assert ours.recv() == Message("failed", reason)
    process.join(20)
    assert process.exitcode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_a_worker_starts_counts_afterwards(number: signal.Signals) -> None:
    before = signal.signal(number, signal.default_int_handler)
    reached = []

    def start() -> None:
        with _interrupts_held():
            os.kill(os.getpid(), number)
            reached.append("the end")

    try:
        with pytest.raises(KeyboardInterrupt):
            start()
        assert reached == ["the end"]
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_an_interrupt_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _interrupts_held():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


DEAD = 2**22 + 1
"""No process has such a number."""


@pytest.mark.parametrize(
    ("name", "stays"),
    [
        (f".checkpoint.pt.{DEAD}.part", False),
        (f".predictions.h5.{DEAD}@HERE.part", False),
        (f".predictions.h5.{DEAD}@another-machine.part", True),
        (".checkpoint.pt.ALIVE.part", True),
        (".notes.part", True),
        (f"checkpoint.pt.{DEAD}.part", True),
    ],
)
def test_leftovers_of_killed_processes_go(name: str, stays: bool, tmp_path: Path) -> None:
    name = name.replace("HERE", atomic.platform.node()).replace("ALIVE", str(os.getpid()))
    (tmp_path / name).write_bytes(b"half")
    atomic.remove_leftovers(tmp_path)
    assert (tmp_path / name).exists() == stays


def test_writing_removes_what_is_left_of_the_same_file_only(tmp_path: Path) -> None:
    for name in (f".a.json.{DEAD}.part", f".b.json.{DEAD}.part"):
        (tmp_path / name).write_bytes(b"half")
    atomic.write_json(tmp_path / "a.json", 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".b.json.{DEAD}.part", "a.json"]

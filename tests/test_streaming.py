"""Training slices that stay on disk: the weights are those from memory, a cache heals, and memory stays flat."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import small_datasets
import torch
from command_line import CommandLine
from noisy import Noisy
from test_unpaired_data import write as write_unpaired

from benchmark.cell import checkpoints, train
from benchmark.cell.augmentation import Augmentation
from benchmark.cell.batches import Batches, Slices
from benchmark.cell.read_ahead import AHEAD, ReadAhead
from benchmark.cell.streamed import StreamedSlices, training_slices
from benchmark.contracts.intensity import Window
from benchmark.contracts.specs import ModelSpec
from benchmark.data.checks import case
from benchmark.data.checks.file import check
from benchmark.data.contact_sheet import contact_sheet
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import Side
from benchmark.data.format.writer import DatasetWriter
from benchmark.data.streaming import build
from benchmark.data.streaming.build import NO_NEIGHBOURS, cached, obstacle
from benchmark.data.streaming.cache import beside, key_of
from benchmark.data.streaming.places import bytes_in_memory
from benchmark.data.volumes.export import export
from benchmark.errors import DatasetError, Interrupted
from benchmark.runs.execute import Observer, say_what_has_no_cache
from benchmark.sanity import card
from benchmark.store.folder import CellFolder
from benchmark.store.record import TrainingFacts
from benchmark.testing import tiny
from benchmark.testing.processes import in_child

CPU = torch.device("cpu")
NOISY = ModelSpec("noisy", "noisy:Noisy")
LIMIT = "benchmark.data.streaming.places.MOST_IN_MEMORY"
STEPS = 11


@pytest.fixture
def file(tmp_path: Path) -> Path:
    def cut(patient: str, arrays: small_datasets.Arrays) -> None:
        arrays["mask"][1] &= patient != "train1"  # a slice that nobody trains on

    return small_datasets.write(tmp_path / "d.h5", slices=3, side=16, change=cut)


def without_cache(file: Path) -> None:
    """Make the cache impossible, whoever runs this: where its lock would be, there is a folder."""
    (file.parent / f".{beside(file).name}.lock").mkdir()


def batches(slices: Any, *, unpaired: bool = False, steps: int = 9) -> list[tuple[torch.Tensor, ...]]:
    whole = Augmentation(jitter=1.25, mirrored_axis=-1)
    with Batches(slices, 3, 7, unpaired=unpaired, device=CPU, augmentation=whole) as drawn:
        return [(batch.source, batch.target, batch.mask) for batch in map(drawn.__getitem__, range(steps))]


def same(first: list[tuple[torch.Tensor, ...]], second: list[tuple[torch.Tensor, ...]]) -> bool:
    return all(
        torch.equal(a, b) for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True)
    )


def from_memory(file: Path, **how: Any) -> list[tuple[torch.Tensor, ...]]:
    with Dataset(file) as dataset:
        return batches(Slices(dataset, "train"), **how)


def from_disk(file: Path, **how: Any) -> tuple[list[tuple[torch.Tensor, ...]], str]:
    with Dataset(file) as dataset, StreamedSlices(dataset) as slices:
        return batches(slices, **how), slices.how


# -- the same numbers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("unpaired", [True, False])
def test_batches_from_disk_are_those_from_memory(file: Path, unpaired: bool, cache: bool) -> None:
    if not cache:
        without_cache(file)
    streamed_batches, how = from_disk(file, unpaired=unpaired)
    assert ("no slice cache" in how) == (not cache)
    assert beside(file).is_file() == cache
    assert same(streamed_batches, from_memory(file, unpaired=unpaired))


@pytest.mark.parametrize("cache", [True, False])
def test_sides_of_different_length_are_streamed_each_over_its_own_slices(tmp_path: Path, cache: bool) -> None:
    path = write_unpaired(tmp_path / "u.h5")
    if not cache:
        without_cache(path)
    assert same(from_disk(path, unpaired=True)[0], from_memory(path, unpaired=True))
    with Dataset(path) as dataset, StreamedSlices(dataset) as slices:
        memory = Slices(dataset, "train")
        assert (slices.counts, len(slices), slices.paired) == (memory.counts, len(memory), memory.paired)
        for streamed_slice, expected in zip(slices, memory, strict=True):
            for image, known in zip(streamed_slice, expected, strict=True):
                assert image.dtype == known.dtype
                np.testing.assert_array_equal(image, known)


def cell(folder: Path, data: Path) -> Callable[[], None]:
    """What a worker does: a whole cell of the noisy model, in this folder."""
    task = tiny.task_for(NOISY)
    if not data.is_file():
        tiny.write(data, task, (16, 16))
    spec = tiny.cell(NOISY, data, steps=STEPS, options={})
    return lambda: tiny.run(spec, folder, tiny.registry_with(NOISY, task))


def facts(folder: Path) -> TrainingFacts:
    training = CellFolder(folder).record().training
    assert training is not None
    return training


def weights(folder: Path) -> dict[str, Any]:
    found = checkpoints.load(folder / "checkpoint.pt", CellFolder(folder).record().spec.id, CPU)
    assert found is not None
    assert found.step == STEPS
    return dict(found.model["net"])


def equal(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_weights_are_those_from_memory_also_after_kill_9_and_in_the_midst_of_making_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "tiny.h5"
    cell(tmp_path / "memory", data)()
    monkeypatch.setattr(LIMIT, 0)
    cell(tmp_path / "disk", data)()
    assert equal(weights(tmp_path / "disk"), weights(tmp_path / "memory"))
    assert facts(tmp_path / "disk").slices == "streamed from tiny.h5.slices"
    assert facts(tmp_path / "memory").slices == "in memory"
    beside(data).unlink()

    def dies(work: Callable[..., Any], after: int) -> Callable[..., Any]:
        calls = iter(range(after + 1))

        def dying(*given: Any) -> Any:
            if next(calls) == after:
                os.kill(os.getpid(), signal.SIGKILL)
            return work(*given)

        return dying

    with monkeypatch.context() as patch:
        patch.setattr(train, "CHECKPOINT_SECONDS", 0.0)
        patch.setattr(train, "CHECKPOINT_SHARE", 1e9)
        with patch.context() as inner:
            inner.setattr(build, "read_mapped", dies(build.read_mapped, 2))
            assert in_child(cell(tmp_path / "killed", data)) == "killed by SIGKILL"
        assert not beside(data).is_file()
        assert len(build.unfinished(beside(data))) == 1
        with patch.context() as inner:
            inner.setattr(Noisy, "training_step", dies(Noisy.training_step, 6))
            assert in_child(cell(tmp_path / "killed", data)) == "killed by SIGKILL"
        assert build.unfinished(beside(data)) == []
    cell(tmp_path / "killed", data)()
    assert facts(tmp_path / "killed").resumed_at == 6
    assert equal(weights(tmp_path / "killed"), weights(tmp_path / "memory"))


def test_few_slices_are_held_and_many_are_not(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Dataset(file) as dataset:
        with training_slices(dataset) as slices:
            assert isinstance(slices, Slices)
        assert not beside(file).exists()
        monkeypatch.setattr(LIMIT, bytes_in_memory(dataset.info) - 1)
        with training_slices(dataset) as slices:
            assert isinstance(slices, StreamedSlices)
        assert beside(file).is_file()


# -- the cache ----------------------------------------------------------------------------------------------------


def test_it_is_made_once_for_all_that_ask_at_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    write = build._write

    def slow(*given: Any) -> None:
        made.append(1)
        time.sleep(0.2)
        write(*given)

    monkeypatch.setattr(build, "_write", slow)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: from_disk(file)[0], range(3)))
    assert len(made) == 1
    assert all(same(one, from_memory(file)) for one in found)
    from_disk(file)
    assert len(made) == 1


@pytest.mark.parametrize("what", ["pixels", "window", "code"])
def test_it_is_made_again_when_what_decides_it_changes(file: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, _ = from_disk(file)
    key = key_of(beside(file))

    def darker(_: str, arrays: small_datasets.Arrays) -> None:
        arrays["target"] -= 5

    if what == "code":
        monkeypatch.setattr(build, "_code", lambda: "another")
    else:
        narrow = Side("CT", "HU", Window(-500.0, 900.0))
        other: dict[str, Any] = {"change": darker} if what == "pixels" else {"target": narrow}
        small_datasets.write(file, slices=3, side=16, **other)
    after, _ = from_disk(file)
    assert key_of(beside(file)) != key
    assert same(after, from_memory(file))
    assert same(after, before) == (what == "code")


def flipped(path: Path) -> None:
    with h5py.File(path) as opened:
        place = opened["target"].id.get_offset() + 4 * 16 * 16 * 2 + 5
    data = bytearray(path.read_bytes())
    data[place] ^= 0x40
    path.write_bytes(data)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def no_hdf5(path: Path) -> None:
    path.write_bytes(b"\0" * path.stat().st_size)


@pytest.mark.parametrize("spoil", [flipped, cut_short, no_hdf5])
def test_a_damaged_one_is_made_anew_and_never_trained_on(file: Path, spoil: Callable[[Path], None]) -> None:
    from_disk(file)
    spoil(beside(file))
    found, how = from_disk(file)
    assert same(found, from_memory(file))
    assert ("target slice 2 is not what was written" in how) == (spoil is flipped)
    assert from_disk(file)[1] == "streamed from d.h5.slices"


def test_one_that_is_damaged_while_it_is_read_is_made_anew_once(file: Path) -> None:
    with Dataset(file) as dataset, StreamedSlices(dataset) as first, StreamedSlices(dataset) as second:
        cut_short(beside(file))
        everything = np.arange(len(first))
        expected = Slices(dataset, "train")
        for slices in (first, second):
            np.testing.assert_array_equal(slices.targets(everything)[0][:, 0], expected.target)
            assert "ends too early" in slices.how
        inode = beside(file).stat().st_ino
        np.testing.assert_array_equal(second.sources(everything), expected.source)
        assert beside(file).stat().st_ino == inode


def full_disk(_: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    real = os.pwrite

    def pwrite(handle: int, data: memoryview, place: int) -> int:
        if place > 3000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle, data, place)

    monkeypatch.setattr(os, "pwrite", pwrite)
    return "No space left on device"


def little_room(_: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(build, "SPARED_BYTES", 1 << 60)
    return "it takes 0.0 GB, and only"


def read_only(file: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    real = os.open

    def opened(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if str(path).startswith(str(file.parent)) and flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", opened)
    return "Read-only file system"


def in_the_way(file: Path, _: pytest.MonkeyPatch) -> str:
    without_cache(file)
    return "Is a directory"


@pytest.mark.parametrize("fault", [full_disk, little_room, read_only, in_the_way])
def test_where_none_can_be_kept_the_file_itself_is_read_and_one_line_says_so(
    file: Path, fault: Callable[[Path, pytest.MonkeyPatch], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = from_memory(file)
    reason = fault(file, monkeypatch)
    found, how = from_disk(file)
    assert same(found, expected)
    assert how.startswith(f"streamed from d.h5 itself, no slice cache: {reason}")
    assert "\n" not in how
    assert not list(file.parent.glob(".*.part"))
    assert not beside(file).exists()
    with Dataset(file) as dataset:  # what a run says before it trains; that a disk will be full nobody can foresee
        assert obstacle(dataset.info).startswith("" if fault is full_disk else reason)


def test_who_waits_or_makes_it_can_be_stopped(file: Path) -> None:
    with Dataset(file) as dataset:
        with pytest.raises(Interrupted, match=r"stopped while d\.h5\.slices was"):
            cached(dataset, lambda: True)
        calls = iter([False, False, True])
        with pytest.raises(Interrupted, match=r"stopped while d\.h5\.slices was made$"):
            cached(dataset, lambda: next(calls))
    assert not beside(file).exists()
    assert not build.unfinished(beside(file))


def test_a_split_without_a_region_is_refused_as_from_memory(tmp_path: Path) -> None:
    declared = Side("MR T1", "a.u.", Window(0.0, 1000.0))
    with Dataset(small_datasets.write(tmp_path / "d.h5", splits={"test": 2}, source=declared)) as dataset:
        for read in (lambda: Slices(dataset, "train"), lambda: StreamedSlices(dataset)):
            with pytest.raises(DatasetError, match="the train split has no source slice with a region"):
                read()


# -- reading ahead ------------------------------------------------------------------------------------------------


def test_batches_are_read_before_they_are_asked_for_and_no_farther() -> None:
    read: list[int] = []
    there = threading.Semaphore(0)

    def take(step: int) -> int:
        read.append(step)
        there.release()
        return step * step

    ahead = ReadAhead(take)
    assert ahead(3) == 9
    for _ in range(1 + AHEAD):
        assert there.acquire(timeout=10)
    assert read == [3, 4, 5]
    assert [ahead(4), ahead(5), ahead(1)] == [16, 25, 1]
    ahead.close()
    assert read.count(4) == 1
    assert max(read) <= 5 + AHEAD


def test_what_goes_wrong_in_reading_is_raised_at_its_step() -> None:
    def take(step: int) -> int:
        if step == 2:
            raise DatasetError("slice 2")
        return step

    ahead = ReadAhead(take)
    assert [ahead(0), ahead(1)] == [0, 1]
    with pytest.raises(DatasetError, match="slice 2"):
        ahead(2)
    ahead.close()


# -- memory -------------------------------------------------------------------------------------------------------

SIDE, SLICES, PATIENTS = 256, 16, 14
ROOM = 96 << 20
"""Bytes of address space beside what the process has: three studies of everything, and what a new thread reserves."""


def free_in_heap() -> int:
    """Bytes that a process has given back and could use again without new address space."""
    fields = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"

    class Mallinfo2(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in fields.split()]

    asked = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if asked is None:  # another C library than glibc
        return 0
    asked.restype = Mallinfo2
    return int(asked().fordblks)


def limited(work: Callable[[], object], *, already: int = 0) -> Callable[[], object]:
    """The work, with so much more address space, less what is there already, and not a page beyond."""

    def run() -> object:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        size = pages * resource.getpagesize() + ROOM - already
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
        return work()

    return run


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Training and test patients, each of whose splits is far larger than the room."""
    path = tmp_path_factory.mktemp("large") / "large.h5"
    side = Side("A", "HU", Window(0, 1000))
    image = np.broadcast_to(np.arange(SIDE, dtype=np.int16), (SLICES, SIDE, SIDE))
    with DatasetWriter(path, task="tiny", name="large", source=side, target=side, simulated=True) as writer:
        for number in range(2 * PATIENTS):
            shown = image + np.int16(number)
            writer.add_case(f"p{number}", "s", source=shown, target=shown + np.int16(1), spacing=(1, 1, 1))
        names = [f"p{number}" for number in range(2 * PATIENTS)]
        writer.set_splits({"train": names[:PATIENTS], "test": names[PATIENTS:]})
    yield path
    beside(path).unlink(missing_ok=True)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_a_cell_needs_no_more_memory_than_a_study_whatever_the_data(large: Path, tmp_path: Path) -> None:
    """Making the cache, training, translating, looking for faults, scoring; with a limit that reading all breaks."""
    task = tiny.task_for(NOISY)
    spec = tiny.cell(NOISY, large, steps=4, options={})
    with Dataset(large) as dataset:
        assert bytes_in_memory(dataset.info) > ROOM
        read_all = limited(lambda: Slices(dataset, "train"), already=free_in_heap())
        said = in_child(read_all)
        assert said.startswith(("MemoryError", "_ArrayMemoryError")) or "not enough memory to read it" in said
        assert "damaged" not in said
    registry = tiny.registry_with(NOISY, task)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LIMIT, 0)
        # what is loaded and reserved once in a process is no part of what a cell needs
        tiny.run(spec, tmp_path / "before", registry)
        beside(large).unlink()
        assert in_child(limited(lambda: tiny.run(spec, tmp_path / "cell", registry))) == ""
    assert CellFolder(tmp_path / "cell").record().state == "done"
    assert facts(tmp_path / "cell").slices == "streamed from large.h5.slices"


def checked(large: Path, _: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(case, "alignment", lambda *_: None)  # half a minute, on arrays that are there already
        assert [problem for problem in check(large) if problem.severity == "error"] == []


def looked_at(large: Path, folder: Path) -> None:
    contact_sheet(large, folder / "sheet.png")


def taken_out(large: Path, folder: Path) -> None:
    export(large, folder / "out", roles=["target"], splits=["test"], grid="stored", say=str)


def distorted(large: Path, _: Path) -> None:
    registry = tiny.registry_with(NOISY, tiny.task_for(NOISY))
    with pytest.MonkeyPatch.context() as patch, Dataset(large) as dataset:
        patch.setattr(card, "DISTORTIONS", tuple(d for d in card.DISTORTIONS if d.name in ("scale", "mean image")))
        assert len(card.make_card(registry, dataset, "error").ladders) == 2


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    "use",
    [
        checked,
        taken_out,
        pytest.param(looked_at, marks=pytest.mark.slow),
        pytest.param(distorted, marks=pytest.mark.slow),
    ],
)
def test_whatever_else_reads_a_data_set_needs_no_more_either(
    large: Path, tmp_path: Path, use: Callable[[Path, Path], None]
) -> None:
    assert in_child(limited(lambda: use(large, tmp_path))) == ""


# -- on the command line ------------------------------------------------------------------------------------------


@pytest.fixture
def kept(toy: CommandLine) -> CommandLine:
    """A folder with the caches of three data files: one that serves, one whose file changed, one whose file is gone."""
    for name in ("a", "b", "c"):
        path = small_datasets.write(toy.folder / "data" / f"{name}.h5", slices=3, side=16)
        with Dataset(path) as dataset:
            cached(dataset).close()
    small_datasets.write(toy.folder / "data" / "b.h5", slices=2, side=16)
    (toy.folder / "data" / "c.h5").unlink()
    (toy.folder / "data" / ".d.h5.slices.77.part").write_bytes(b"begun")
    return toy


def states(listed: str) -> dict[str, str]:
    return {Path(one["path"]).name: one["state"] for one in json.loads(listed)}


def test_caches_are_listed_with_what_they_are_worth(kept: CommandLine) -> None:
    found = kept("data", "caches", "data", "--json")
    assert states(found.stdout) == {
        "a.h5.slices": "current",
        "b.h5.slices": "stale",
        "c.h5.slices": "orphan",
        ".d.h5.slices.77.part": "unfinished",
    }
    shown = kept("data", "caches", "data").stdout
    assert "orphan: its data file is gone" in shown
    assert shown.splitlines()[-1].startswith("4 caches, ")
    assert states(kept("data", "caches", "data/a.h5", "--json").stdout) == {"a.h5.slices": "current"}
    assert kept("data", "caches").stdout.startswith("0 caches")
    assert kept("data", "caches", "nowhere").returncode == 2


def test_caches_are_removed_all_or_those_that_serve_nothing(kept: CommandLine) -> None:
    assert kept("data", "caches", "data", "--unused", "--remove").stdout.splitlines()[-1].startswith("3 caches removed")
    assert states(kept("data", "caches", "data", "--json").stdout) == {"a.h5.slices": "current"}
    lock = build.lock_of(kept.folder / "data" / "a.h5.slices")
    with lock:
        assert "being made" in kept("data", "caches", "data", "--remove").stdout
    assert "removed" in kept("data", "caches", "data", "--remove").stdout
    assert sorted(path.name for path in (kept.folder / "data").iterdir() if "slices" in path.name) == []


def test_a_run_says_once_for_each_file_that_training_has_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LIMIT, 0)
    for folder in ("sound", "in-the-way"):
        (tmp_path / folder).mkdir()
        cell(tmp_path / folder, tmp_path / folder / "tiny.h5")
    without_cache(tmp_path / "in-the-way" / "tiny.h5")
    said: list[str] = []
    sound, blocked = (str(tmp_path / folder / "tiny.h5") for folder in ("sound", "in-the-way"))
    say_what_has_no_cache([(sound, 0), (blocked, 0)], Observer(say=said.append))
    assert said == [f"training reads {blocked} without a slice cache, which is slower: Is a directory"]
    said.clear()
    say_what_has_no_cache([(sound, 0)], Observer(say=said.append))
    assert said == []
    say_what_has_no_cache([(sound, 0), (sound, 1)], Observer(say=said.append))
    assert said == [f"training reads {sound} without a slice cache, which is slower: {NO_NEIGHBOURS}"]

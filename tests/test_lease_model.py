"""A model of the lease's protocol, searched through in every order in which its workers' steps can fall.

The model has one cell and the operations that :mod:`benchmark.store.lease` makes on the file system, each at once and
as its own step. A worker may be slow at any step for any time, which is also what a crash is; it may be suspected dead
at any time, rightly or not, which is worse than any clock or network; and a late one may make its old folder anew, as
libraries do that save files. ``test_leases.py`` holds the code to the same operations in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

Name = tuple[str, int, int]
"""A folder: ``held`` or ``ended``, its token, and the worker whose own name it is."""


@dataclass(frozen=True)
class Folder:
    """What lies in a folder: whether it is signed, who wrote the files, and the record as writer and token."""

    signed: bool = True
    payload: str = ""
    record: tuple[str, int] | None = None


@dataclass(frozen=True)
class Worker:
    """Where a worker is in its program, and what it remembers of what it saw."""

    step: str = "list"
    token: int = 0
    seen: tuple[Name, ...] = ()
    done: int = 0
    moving: Name = ("ended", 0, 0)
    over: Name = ("held", 0, 0)
    then: str = ""
    fresh: bool = False


@dataclass(frozen=True)
class World:
    """The file system and all workers."""

    folders: tuple[tuple[Name, Folder], ...] = ()
    home: Folder = Folder(signed=False)
    workers: tuple[Worker, ...] = ()
    commits: int = 0

    def at(self, name: Name) -> Folder | None:
        return dict(self.folders).get(name)

    def with_folder(self, name: Name, folder: Folder | None) -> World:
        folders = dict(self.folders)
        folders.pop(name, None)
        if folder is not None:
            folders[name] = folder
        return replace(self, folders=tuple(sorted(folders.items(), key=lambda item: item[0])))

    def renamed(self, old: Name, new: Name) -> World | None:
        """``None`` where the file system refuses: nothing there, or something in the way (no folder is ever empty)."""
        folder = self.at(old)
        if folder is None or self.at(new) is not None:
            return None
        return self.with_folder(old, None).with_folder(new, folder)

    def moved_on(self, number: int, worker: Worker) -> World:
        workers = list(self.workers)
        workers[number] = worker
        return replace(self, workers=tuple(workers))


def steps(world: World, number: int, *, look_again: bool = True) -> Iterator[World]:
    """All that a worker may do next."""
    me, who = world.workers[number], f"w{number}"

    def go(step: str, world: World = world, **more: object) -> World:
        return world.moved_on(number, replace(me, step=step, **more))  # type: ignore[arg-type]

    held, ended = ("held", me.token, number), ("ended", me.token, number)
    match me.step:
        case "list":  # settle(): what is there
            left = [name for name, _ in world.folders if name[0] == "ended"]
            yield go("settle", moving=left[0], then="list") if left else go("read token")
        case "settle":
            folder = world.at(me.moving)
            yield go("move payload" if folder is not None and folder.signed else "remove ended")
        case "move payload":
            source = world.at(me.moving)
            if source is None or not source.payload:
                yield go("move record")
            else:
                after = world.with_folder(me.moving, replace(source, payload=""))
                yield go("move record", replace(after, home=replace(world.home, payload=source.payload)))
        case "move record":
            source = world.at(me.moving)
            if source is None or source.record is None:
                yield go("remove ended")
            else:
                after = world.with_folder(me.moving, replace(source, record=None))
                home = replace(world.home, record=source.record)
                yield go("remove ended", replace(after, home=home, commits=world.commits + 1))
        case "remove ended":
            yield go(me.then, world.with_folder(me.moving, None))
        case "read token":
            yield go("look", done=world.home.record[1] if world.home.record else 0)
        case "look":
            signed = [name for name, folder in world.folders if name[0] == "held" and folder.signed]
            if not signed:
                yield go("take", token=me.done + 1)
            else:  # it is free, or its holder is suspected dead, rightly or not
                over = max(signed, key=lambda name: name[1])
                yield go("take over", token=over[1] + 1, over=over)
        case "take":
            yield go("list again", world.with_folder(held, Folder()), fresh=True)
        case "take over":
            taken = world.renamed(me.over, held)
            yield go("gave up") if taken is None else go("sign", taken)
        case "sign":
            folder = world.at(held)
            yield (
                go("gave up")
                if folder is None
                else go("list again", world.with_folder(held, replace(folder, signed=True)))
            )
        case "list again":
            others = [name for name, folder in world.folders if name != held and folder.signed]
            if not (others and look_again):
                yield go("read token again")
            else:
                yield go("drop")
                if all(kind == "held" for kind, _, _ in others):  # they are free, or suspected dead, rightly or not
                    yield go("list again", world.with_folder(others[0], None))
        case "read token again":
            late = world.home.record is not None and world.home.record[1] >= me.token
            yield go("drop") if late and look_again else go("is it done")
        case "is it done":
            yield go("drop") if world.home.record is not None else go("write payload")
        case "drop":  # what was taken over stays, free, for the next
            yield go("gave up", world.with_folder(held, None) if me.fresh else world)
        case "write payload" | "write record":
            following = "write record" if me.step == "write payload" else "commit"
            change = {"payload": who} if me.step == "write payload" else {"record": (who, me.token)}
            folder = world.at(held)
            if folder is None:
                yield go("gave up")
                folder = Folder(signed=False)  # or a library of the late worker makes its folder anew
            yield go(following, world.with_folder(held, replace(folder, **change)))
        case "commit":
            committed = world.renamed(held, ended)
            yield go("gave up") if committed is None else go("settle", committed, moving=ended, then="gave up")


def explore(workers: int, **rules: bool) -> Iterator[World]:
    """Every state that can be reached."""
    start = World(workers=tuple(Worker() for _ in range(workers)))
    open_, known = [start], {start}
    while open_:
        world = open_.pop()
        yield world
        for number in range(workers):
            for after in steps(world, number, **rules):
                if after not in known:
                    known.add(after)
                    open_.append(after)


def fault(world: World) -> str:
    """What must never be, in any state."""
    if world.commits > 1:
        return "the cell was ended twice"
    if world.home.record is not None and world.home.record[0] != world.home.payload:
        return "the record is one worker's, the files beside it another's"
    return ""


@pytest.mark.parametrize("workers", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_in_no_order_of_steps_is_a_cell_ended_twice_or_mixed(workers: int) -> None:
    faults = [(fault(world), world) for world in explore(workers) if fault(world)]
    assert not faults, faults[0]


def test_without_the_second_look_it_would_be() -> None:
    assert any(fault(world) for world in explore(2, look_again=False))


def test_whatever_became_of_the_others_a_worker_that_comes_later_ends_the_cell() -> None:
    for world in explore(2):
        later = replace(world, workers=(*world.workers, Worker()))
        for _ in range(2):  # the first time it may have to give way
            while later.workers[2].step != "gave up":
                *_, later = steps(later, 2)  # it takes everybody for dead
            later = later.moved_on(2, Worker())
        assert later.home.record is not None, world

"""A lease for every cell: whoever works on one has a folder of its own for that, and who loses it can write nothing.

::

    work/<cell>.<token>.<name>/        one worker at work: what it writes, ``holder.json``, ``beat``, which changes
    work/<cell>.<token>.<name>.ended/  what it leaves, on its way to ``cells/<cell>``
    work/.<name>                       being made, or being thrown away

Tokens count up; no name is used twice. What decides are renames of folders, which a file system does at once and for
one caller only; no file is locked, and no clocks are compared:

* *take* a cell that nobody holds: put a signed folder there, and look again. Who sees another gives way, so that of two
  who come at once at most one stays;
* *take over* from a dead holder: its folder is renamed to one's own name, which fails if another did before; then look
  again too. Checkpoint and log come with it, and the old name, which is all that a late worker knows, leads nowhere;
* *commit*: the folder is renamed to ``.ended``, which fails if it was taken over. From then on anybody may finish the
  commit, and whoever looks does: files are moved into the cell's folder, the record last.

A folder that nobody signed is nothing: a late worker's library made it anew.
docs/design/leases.md says what this proves, and what not.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmark import atomic
from benchmark.errors import BenchmarkError
from benchmark.json_fields import RecordError
from benchmark.store.holder import BEATS, Holder, ago
from benchmark.store.seal import Unsealed, read_sealed

WORK = "work"
HOLDER, BEAT, RECORD = "holder.json", "beat", "record.json"
PROGRESS = ("checkpoint.pt", "log.jsonl", "output.txt")
"""What the next holder of a cell goes on with."""
ENDED = ".ended"
NAME = re.compile(r"([0-9a-f]{16})\.([1-9][0-9]{0,8})\.[0-9a-f]{8}(\.ended)?")
TRIES = 5
"""How often one who gave way tries again, after a moment of random length."""


@dataclass(frozen=True)
class Standing:
    """A lease as others see it: ``by`` is ``None`` while its new holder has not signed yet."""

    cell: str
    token: int
    path: Path
    by: Holder | None

    @property
    def free(self) -> bool:
        """Whether it was given up."""
        return self.by is not None and self.by.free

    @property
    def sign(self) -> tuple[int, bytes]:
        """Changes as long as its holder lives."""
        try:
            return self.token, (self.path / BEAT).read_bytes()
        except OSError:
            return self.token, b""

    def __str__(self) -> str:
        """Who holds it and since when."""
        return f"held by {self.by}, since {ago(self.by.since)}" if self.by else "about to be held by another process"


class Held(BenchmarkError):
    """Somebody else has the cell, or has ended it; ``standing`` is ``None`` if nobody holds it (any more)."""

    def __init__(self, standing: Standing | None = None) -> None:
        super().__init__(str(standing) if standing else "another process has ended it")
        self.standing = standing


class Watch:
    """Since when leases have given no sign of life, by our own clock alone: one must have looked for that long."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[tuple[int, bytes], float]] = {}

    def silent_seconds(self, standing: Standing) -> float:
        """How long nothing has changed that this process has seen; 0 when it looks for the first time."""
        now, sign = time.monotonic(), standing.sign
        before, since = self._seen.get(standing.cell, (None, now))
        if sign != before:
            self._seen[standing.cell] = (sign, now)
            return 0.0
        return now - since

    def gone(self, standing: Standing, lost_seconds: float) -> bool:
        """Whether the holder is dead: known to be, or silent for ``lost_seconds`` and as long as it said itself."""
        if standing.by is not None and standing.by.surely_gone:
            return True
        patience = max(lost_seconds, standing.by.lost_seconds if standing.by else 0.0)
        return self.silent_seconds(standing) >= patience


@dataclass
class Lease:
    """The right to work on a cell. Everything is written into :attr:`path`, and counts once it is committed."""

    cell: str
    token: int
    path: Path
    home: Path
    """The cell's own folder."""
    holder: Holder
    fresh: bool = True
    """Whether nobody held it before."""
    _lost: threading.Event = field(default_factory=threading.Event)
    _beats: int = 0

    @property
    def lost(self) -> bool:
        """Whether somebody has taken it over, as far as this process has noticed; stop then."""
        return self._lost.is_set()

    def beat(self) -> bool:
        """Give a sign of life; whether the lease still holds."""
        self._beats += 1
        # the content changes, not only the time, which some network file systems round to seconds
        try:
            (self.path / BEAT).write_text(f"{self._beats}\n")
            if not (self.path / HOLDER).is_file():
                raise FileNotFoundError
        except FileNotFoundError:
            self._lost.set()
            return False
        return True

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Give signs of life from a thread while the block runs.

        A holder whose file system does not answer stops before others may think it dead.
        """
        over = threading.Event()
        every = self.holder.lost_seconds / BEATS

        def tend() -> None:
            heard = time.monotonic()
            while not over.wait(every):
                try:
                    if not self.beat():
                        return
                    heard = time.monotonic()
                except OSError:
                    if time.monotonic() - heard > self.holder.lost_seconds - 2 * every:
                        self._lost.set()
                        return

        threading.Thread(target=tend, name=f"lease of {self.cell}", daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def go_on(self) -> None:
        """Take in what an earlier holder has left in the cell's folder: checkpoint, log and output.

        Raises:
            Held: taken over meanwhile.
        """
        for name in PROGRESS:
            if not (self.path / name).exists():
                with contextlib.suppress(FileNotFoundError):
                    os.replace(self.home / name, self.path / name)
        self._still_held()

    def borrow(self, names: tuple[str, ...]) -> None:
        """Have files of the cell here too, and leave them where they are: its readers must not miss them.

        Raises:
            Held: taken over meanwhile.
        """
        for name in names:
            source, target = self.home / name, self.path / name
            if source.is_file() and not target.exists():
                try:
                    os.link(source, target)
                except FileNotFoundError:
                    break
                except OSError:  # a file system without links
                    shutil.copyfile(source, target)
        self._still_held()

    def _still_held(self) -> None:
        if not (self.path / HOLDER).is_file():
            self._lost.set()
            raise Held

    def commit(self) -> bool:
        """Put what was written into the cell's folder, the record last; ``False`` if the lease was lost, and then
        nothing of it counts.

        Raises:
            OSError: the file system fails on the way; the next to look at the cell finishes the commit.
        """
        ended = self.path.with_name(f"{self.path.name}{ENDED}")
        try:
            os.rename(self.path, ended)
        except OSError:  # not there, or something is in its place
            self._lost.set()
            return False
        if _signed(ended) is None:
            self._lost.set()
            _throw_away(ended)
            return False
        _move_home(ended, self.home)
        return True

    def drop(self) -> None:
        """Give the lease up. What was taken over stays for the next: it may hold a checkpoint."""
        if self.fresh:
            _throw_away(self.path)
        else:
            with contextlib.suppress(OSError):
                _sign(self.path, replace(self.holder, free=True))


@dataclass(frozen=True, slots=True)
class _Name:
    """A folder's name, read."""

    text: str
    cell: str
    token: int
    ended: bool


class Leases:
    """The leases of one run."""

    def __init__(self, run: Path) -> None:
        self._work = run / WORK
        self._cells = run / "cells"

    def standing(self) -> dict[str, Standing]:
        """Who works on which cell; one look into one folder. Holders may be dead: see :class:`Watch`."""
        found: dict[str, Standing] = {}
        for name in self._names():
            if not name.ended and (standing := self._standing(name)) is not None and not standing.free:
                before = found.get(name.cell)
                if before is None or (standing.token, standing.path.name) > (before.token, before.path.name):
                    found[name.cell] = standing
        return found

    def of(self, cell: str) -> Standing | None:
        """Who works on a cell."""
        standing = self._highest(cell)
        return None if standing is None or standing.free else standing

    def take(self, cell: str, me: Holder, over: int | None = None) -> Lease:
        """Take a cell that nobody holds; or, with ``over``, from the holder of that token, who is known to be dead.

        Raises:
            Held: somebody else holds it, or was quicker.
            OSError: the folder cannot be written.
        """
        for _ in range(TRIES):
            if (lease := self._try(cell, me, over)) is not None:
                return lease
            time.sleep(random.uniform(0.0, 0.05))
        raise Held(self.of(cell))

    def _try(self, cell: str, me: Holder, over: int | None) -> Lease | None:
        """Take it, or give way to somebody who comes at the same time."""
        self.settle(cell)
        done = self._token(cell)
        standing = self._highest(cell)
        token = max(done, standing.token if standing else 0) + 1
        path = self._work / f"{cell}.{token}.{secrets.token_hex(4)}"
        lease = Lease(cell, token, path, self._cells / cell, me.signing(token), fresh=standing is None)
        if standing is None:
            fresh = self._work / f".new-{secrets.token_hex(6)}"
            fresh.mkdir(parents=True)
            _sign(fresh, lease.holder)
            os.rename(fresh, path)
        else:
            if not _may_go(standing, over):
                raise Held(standing)
            try:
                os.rename(standing.path, path)
                _sign(path, lease.holder)
            except OSError:
                return None
        # what was seen before the folder was there may have been old: look once more, first for others and for commits
        # under way, then at the record that they end with
        if not self._alone(cell, path, over) or self._token(cell) >= token:
            lease.drop()
            return None
        return lease

    def settle(self, cell: str | None = None) -> None:
        """Finish commits that were begun: of one cell, or of all.

        Raises:
            OSError: the file system fails.
        """
        for name in self._names():
            if name.ended and cell in (None, name.cell):
                path = self._work / name.text
                if _signed(path) is not None:
                    _move_home(path, self._cells / name.cell)
                else:
                    _throw_away(path)

    def _alone(self, cell: str, mine: Path, over: int | None) -> bool:
        """Whether nobody else has a folder for the cell; what the dead have left, who gave way to each other, is thrown
        away."""
        others = [name for name in self._names() if name.cell == cell and name.text != mine.name]
        for name in others:
            standing = self._standing(name)
            if standing is None:
                continue
            if name.ended or not _may_go(standing, over):
                return False
            _throw_away(standing.path)
        return True

    def _highest(self, cell: str) -> Standing | None:
        """The lease of the highest token; one that was given up where there is no other."""
        found = [self._standing(name) for name in self._names() if name.cell == cell and not name.ended]
        return max((one for one in found if one is not None), key=_rank, default=None)

    def _standing(self, name: _Name) -> Standing | None:
        """A lease as its folder has it; ``None`` where nobody ever signed it."""
        path = self._work / name.text
        holder = _signed(path)
        if holder is None:
            return None
        return Standing(name.cell, name.token, path, holder if holder.token == name.token else None)

    def _names(self) -> list[_Name]:
        """What lies in the folder."""
        try:
            names = os.listdir(self._work)
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = (NAME.fullmatch(name) for name in names)
        return [_Name(match[0], match[1], int(match[2]), bool(match[3])) for match in found if match]

    def _token(self, cell: str) -> int:
        """The token that the cell's record was committed under; 0 where there is none."""
        try:
            token = read_sealed(self._cells / cell / RECORD).get("token", 0)
        except (OSError, Unsealed):
            return 0
        return token if type(token) is int else 0


def _rank(standing: Standing) -> tuple[bool, int, str]:
    return not standing.free, standing.token, standing.path.name


def _may_go(standing: Standing, over: int | None) -> bool:
    """Whether a lease may be taken over: it was given up, its process is no more, or its cell's holders up to the token
    ``over`` are known to be dead."""
    if over is not None and standing.token <= over:
        return True
    return standing.by is not None and (standing.by.free or standing.by.surely_gone)


def _sign(folder: Path, holder: Holder) -> None:
    """Write who holds a folder. It is not made for that: where it is gone, so is the lease."""
    part = folder / f".{HOLDER}.{secrets.token_hex(4)}"
    part.write_text(json.dumps(holder.to_json()))
    os.replace(part, folder / HOLDER)


def _signed(folder: Path) -> Holder | None:
    """Who signed a folder last; ``None`` for one that nobody did: a late worker's, made anew by a library of its."""
    try:
        return Holder.from_json(json.loads((folder / HOLDER).read_bytes()))
    except (OSError, ValueError, RecordError):
        return None


def _move_home(ended: Path, home: Path) -> None:
    """Move what an ended lease left into the cell's folder, the record last. Several may do so at once."""
    try:
        names = set(os.listdir(ended)) - {HOLDER, BEAT}
    except FileNotFoundError:
        return  # another was quicker
    home.mkdir(parents=True, exist_ok=True)
    moved = {name for name in names if not name.startswith(".")}
    for name in sorted(moved - {RECORD}):
        _move(ended / name, home / name)
    if RECORD in moved:
        if "error.txt" not in moved:
            (home / "error.txt").unlink(missing_ok=True)
        _move(ended / RECORD, home / RECORD)
    atomic.sync_folder(home)
    _throw_away(ended)


def _move(source: Path, target: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # another has moved it
        os.replace(source, target)


def _throw_away(folder: Path) -> None:
    """Remove a folder. By its name first: if somebody takes it over at this moment, one of the two comes too late."""
    away = folder.with_name(f".old-{secrets.token_hex(6)}")
    try:
        os.rename(folder, away)
    except OSError:
        return
    shutil.rmtree(away, ignore_errors=True)

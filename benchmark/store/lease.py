"""A lease for every cell: whoever works on one has a folder of its own for that, and who loses it can write nothing.

::

    work/<cell>.<token>/          one worker at work: all that it writes, ``holder.json``, and ``beat``, which changes
    work/<cell>.<token>.ended/    what it leaves, on its way to ``cells/<cell>``
    work/.<name>                  being made, or being thrown away

Tokens count up. All decisions are renames of folders, which a file system does at once and for one caller only; no
file is locked, and no clocks are compared:

* *take* a cell that nobody holds: a signed folder is renamed to the next token's name, which fails if it exists;
* *take over* from a dead holder: its folder is renamed to the next token's name, which fails if another did before.
  Checkpoint and log come with it, and the old name, which is all that a late worker knows, leads nowhere;
* *commit*: the folder is renamed to ``.ended``, which fails if it was taken over. From then on anybody may finish the
  commit, and whoever looks does: files are moved into the cell's folder, the record last.

docs/design/leases.md says what this proves, and what not.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
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
NAME = re.compile(r"([0-9a-f]{16})\.([1-9][0-9]{0,8})(\.ended)?")


@dataclass(frozen=True)
class Standing:
    """A lease as others see it: ``by`` is ``None`` while its new holder has not signed yet."""

    cell: str
    token: int
    path: Path
    by: Holder | None

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
        """Give the lease up; what was written is thrown away."""
        _throw_away(self.path)


class Leases:
    """The leases of one run."""

    def __init__(self, run: Path) -> None:
        self._work = run / WORK
        self._cells = run / "cells"

    def standing(self) -> dict[str, Standing]:
        """Who works on which cell; one look into one folder. Holders may be dead: see :class:`Watch`."""
        highest: dict[str, int] = {}
        for cell, token, ended in self._names():
            if not ended:
                highest[cell] = max(token, highest.get(cell, 0))
        found = {cell: self._standing(cell, token) for cell, token in highest.items()}
        return {cell: standing for cell, standing in found.items() if standing is not None}

    def of(self, cell: str) -> Standing | None:
        """Who works on a cell."""
        tokens = sorted((token for name, token, ended in self._names() if name == cell and not ended), reverse=True)
        return next((found for token in tokens if (found := self._standing(cell, token)) is not None), None)

    def take(self, cell: str, me: Holder, over: int | None = None) -> Lease:
        """Take a cell that nobody holds; or, with ``over``, from the holder of that token, who is known to be dead.

        Raises:
            Held: somebody else holds it, or was quicker.
            OSError: the folder cannot be written.
        """
        self.settle(cell)
        done = self._token(cell)
        self._clear(cell, done)
        standing = self.of(cell)
        self._work.mkdir(parents=True, exist_ok=True)
        if standing is None:
            token = done + 1
            lease = self._lease(cell, token, me)
            fresh = self._work / f".new-{secrets.token_hex(6)}"
            fresh.mkdir()
            _sign(fresh, lease.holder)
            try:
                # fails where the name is taken: a folder in use is never empty
                os.rename(fresh, lease.path)
            except OSError:
                shutil.rmtree(fresh, ignore_errors=True)
                raise Held(self.of(cell)) from None
        else:
            gone = over == standing.token or (standing.by is not None and standing.by.surely_gone)
            if not gone:
                raise Held(standing)
            lease = self._lease(cell, standing.token + 1, me)
            try:
                os.rename(standing.path, lease.path)
                _sign(lease.path, lease.holder)
            except OSError:
                raise Held(self.of(cell)) from None
        # what was seen before the folder was there may have been old: look once more, first for commits that are under
        # way, then at the record that they end with
        others = [(token, ended) for name, token, ended in self._names() if name == cell]
        if any(ended or token > lease.token for token, ended in others) or self._token(cell) >= lease.token:
            lease.drop()
            raise Held(self.of(cell))
        return lease

    def settle(self, cell: str | None = None) -> None:
        """Finish commits that were begun: of one cell, or of all.

        Raises:
            OSError: the file system fails.
        """
        for name, token, ended in self._names():
            if ended and cell in (None, name):
                path = self._work / f"{name}.{token}{ENDED}"
                if _signed(path) is not None:
                    _move_home(path, self._cells / name)
                elif path.exists():
                    _throw_away(path)

    def _clear(self, cell: str, done: int) -> None:
        """Throw away what is left of workers who were too late: they lost, or the cell was ended without them."""
        for name, token, ended in self._names():
            path = self._work / f"{name}.{token}"
            if name == cell and not ended and (token <= done or not (path / HOLDER).exists()):
                _throw_away(path)

    def _lease(self, cell: str, token: int, me: Holder) -> Lease:
        return Lease(cell, token, self._work / f"{cell}.{token}", self._cells / cell, me.signing(token))

    def _standing(self, cell: str, token: int) -> Standing | None:
        """A lease as its folder has it; ``None`` where nobody ever signed it."""
        path = self._work / f"{cell}.{token}"
        holder = _signed(path)
        if holder is None:
            return None
        return Standing(cell, token, path, holder if holder.token == token else None)

    def _names(self) -> list[tuple[str, int, bool]]:
        """Cell, token and whether it has ended, of all folders."""
        try:
            names = os.listdir(self._work)
        except FileNotFoundError:
            return []
        found = (NAME.fullmatch(name) for name in names)
        return [(match[1], int(match[2]), bool(match[3])) for match in found if match]

    def _token(self, cell: str) -> int:
        """The token that the cell's record was committed under; 0 where there is none."""
        try:
            token = read_sealed(self._cells / cell / RECORD).get("token", 0)
        except (OSError, Unsealed):
            return 0
        return token if type(token) is int else 0


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

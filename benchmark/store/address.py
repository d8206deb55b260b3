"""How people name a cell, wherever one can be typed: ``RUN/task/model/s0``, or ``RUN/`` and the start of its id."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from benchmark.errors import BenchmarkError, UsageError
from benchmark.plan.claim import CellSpec
from benchmark.store.folder import CellFolder, RunFolder
from benchmark.store.record import Record

EXAMPLE = "results/full-small-3seeds/mr-ct/pix2pix/s0"


def split_address(address: str) -> tuple[RunFolder, str]:
    """The run of an address, and what it says of cells: empty for all of them.

    Raises:
        UsageError: there is no run.
    """
    path = Path(address)
    run = next((folder for folder in (path, *path.parents) if (folder / "run.json").is_file()), None)
    if run is None:
        raise UsageError(f"{address}: no run there; write RUN/CELL, e.g. {EXAMPLE}")
    cell = path.relative_to(run).as_posix().removeprefix("cells/")
    return RunFolder(run), "" if cell == "." else cell


def cells_of(address: str) -> tuple[RunFolder, str]:
    """The run of an address, and which of its cells it means.

    Raises:
        UsageError: there is no run, or the address is of a whole one.
    """
    run, cell = split_address(address)
    if not cell:
        raise _which_cell(run)
    return run, cell


def _which_cell(run: RunFolder) -> UsageError:
    return UsageError(f"{run.path}: which cell? write RUN/CELL, e.g. {EXAMPLE}; 'benchmark status' lists them")


def meant(cell: str) -> Callable[[CellSpec], bool]:
    """Whether a text means a cell: its id or the start of it, task/model/s0 or whole parts of that from the left."""
    named = f"{cell.strip('/')}/"
    return lambda spec: spec.id.startswith(cell) or f"{spec.title}/".startswith(named)


def matching(records: Iterable[Record], cell: str) -> list[Record]:
    """The records that a text means."""
    means = meant(cell)
    return [record for record in records if means(record.spec)]


def one_cell(run: RunFolder, cell: str) -> Record:
    """The one cell of the plan that a text means.

    Raises:
        UsageError: there is none, or several.
    """
    if not cell:
        raise _which_cell(run)
    records = matching(run.stream(only=meant(cell)), cell)
    current = [record for record in records if record.state != "stale"] or records
    if not current:
        raise UsageError(f"no cell {cell!r} in {run.path}; see 'benchmark status {run.path}'")
    if len(current) > 1:
        names = ", ".join(record.title for record in current[:4])
        more = ", ..." if len(current) > 4 else ""
        raise UsageError(f"{cell!r} means {len(current)} cells of {run.path}: {names}{more}")
    return current[0]


def finished_cell(address: str) -> tuple[CellFolder, Record]:
    """The done cell of an address, its files hashed and compared.

    Raises:
        UsageError: there is no such cell, or it is not done.
        BenchmarkError: a file of it is missing or altered.
    """
    run, cell = split_address(address)
    record = one_cell(run, cell)
    if not record.done:
        reason = f" ({record.reason})" if record.reason else ""
        raise UsageError(f"{address}: the cell is {record.state}{reason}; only a done cell can be used")
    folder = run.cell(record.id)
    if damage := folder.damage(record, thorough=True):
        raise BenchmarkError(f"{address}: {damage}; run the grid again")
    return folder, record

"""Whether a run's folder holds what its records say, before it stands beside others."""

from __future__ import annotations

from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.registry.plugins import registry
from benchmark.store.folder import RunFolder


def fault_of(path: Path, *, rescore: bool = False) -> str:
    """The first thing that is wrong with a run; empty where there is nothing.

    Its plan and records can be read, every file that a done cell vouches for has the hash that is stated, and with
    ``rescore`` the stored predictions give the stated scores again.
    """
    folder = RunFolder(path)
    if not folder.exists:
        return "no run there (it would have a run.json)"
    try:
        about = folder.about()
        for cell in about.cells:
            if folder.cell(cell.spec.id).file("record.json").is_file() and folder.cell(cell.spec.id).read() is None:
                return f"{cell.spec.title}: its record.json is torn or was altered, or makes no sense"
        for name, reason in folder.unreadable():
            return f"cell {name}: {reason}"
        done = [record for record in folder.stream() if record.done]
        if not done:
            return "no cell of it is done"
        for record in done:
            if damage := folder.cell(record.id).damage(record, thorough=True):
                return f"{record.title}: {damage}"
        if rescore:
            from benchmark.runs.verify import Verifier

            verifier = Verifier(folder, registry())
            for record in done:
                if fault := verifier.examine(record):
                    return f"{record.title}: {fault}"
    except BenchmarkError as error:
        return str(error)
    return ""

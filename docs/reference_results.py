"""What is committed of a reference run: ``python docs/reference_results.py RUN COMMAND``, from a checkout's root.

Run folders hold checkpoints and predictions, far too large for a repository. Of RUN this takes the leaderboards, the
frame of its cells, their records (without paths of the machine), the means of their loss terms and a few pictures,
into ``results/reference/NAME``, and says beside them by which command, commit and machine they were made. It then
writes the table of ``results/reference/README.md`` anew from all pieces. The scripts that lie there call it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import benchmark
from benchmark import Run, load_run
from benchmark.errors import BenchmarkError, UsageError
from benchmark.leaderboard import to_csv, to_markdown
from benchmark.report.curve_figure import curve_figure
from benchmark.report.draw import cases_of, plot_board
from benchmark.report.figures import Look, save

PIECES = Path(__file__).parents[1] / "results" / "reference"
LARGEST = 1_000_000
"""Bytes that a piece may have."""
MODELS = 3
"""Columns of the picture of cases, beside source and target."""
BEGIN, END = "<!-- pieces -->\n", "<!-- end -->\n"


def collect(path: Path, command: str) -> Path:
    """Write a run's piece; its folder.

    Raises:
        BenchmarkError: no run, none of its cells is done, or the piece is too large.
    """
    run = load_run(path)
    cells = [cell for cell in run if cell.state == "done"]
    if not cells:
        raise BenchmarkError(f"{path}: no cell is done yet")
    piece = PIECES / path.name
    piece.mkdir(exist_ok=True)
    board = run.leaderboard()
    (piece / "leaderboard.md").write_text(to_markdown(board), encoding="utf-8")
    (piece / "leaderboard.csv").write_text(to_csv(board), encoding="utf-8")
    run.frame().sort_values(["task", "model", "seed", "budget"]).to_csv(piece / "cells.csv", index=False)
    (piece / "losses.csv").write_text(losses(run), encoding="utf-8")
    (piece / "records.jsonl.gz").write_bytes(gzip.compress("".join(records(run)).encode(), mtime=0))
    pictures(run, piece)
    about = {"command": command, **origin(run)}
    (piece / "made.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    size = sum(file.stat().st_size for file in piece.iterdir())
    if size > LARGEST:
        raise BenchmarkError(f"{piece}: {size / 1e6:.1f} MB are too much for a repository")
    return piece


def records(run: Run) -> Iterator[str]:
    """A record a line, sorted; of the paths of the data set and of the cell it began from only the end."""
    for cell in sorted(run, key=lambda cell: (cell.task, cell.name, cell.seed, cell.id)):
        if cell.state == "done":
            record = cell.record.to_json()
            dataset = record["spec"]["dataset"]
            dataset["path"] = Path(dataset["path"]).name
            if start := record["spec"].get("start"):
                start["path"] = "/".join(Path(start["path"]).parts[-3:])
            yield json.dumps(record, sort_keys=True) + "\n"


def losses(run: Run) -> str:
    """Each loss term as it entered the sum: its mean over the first tenth, and over the last quarter of a training."""
    stream = io.StringIO()
    out = csv.writer(stream, lineterminator="\n")
    out.writerow(["task", "model", "seed", "steps", "term", "first_tenth", "last_quarter"])
    for cell in sorted(run, key=lambda cell: (cell.task, cell.name, cell.seed, cell.id)):
        lines = [line for line in cell.log() if "losses" in line] if cell.state == "done" else []
        if not lines:
            continue
        last = lines[-1]["step"]
        early = [line["losses"] for line in lines if line["step"] <= max(last / 10, lines[0]["step"])]
        late = [line["losses"] for line in lines if line["step"] > last * 3 / 4]
        for term in late[-1]:
            means = (fmean(one[term] for one in some if term in one) for some in (early, late))
            out.writerow([cell.task, cell.name, cell.seed, last, term, *(f"{mean:.6g}" for mean in means)])
    return stream.getvalue()


def pictures(run: Run, piece: Path) -> None:
    """The order of each task's table, the curve against budget, and the median patient of each task."""
    board = run.leaderboard()
    for task in dict.fromkeys(table.task for table in board.tables):
        if board.curves:
            save(curve_figure(board, task), piece / f"{task}-budgets.png")
        else:
            save(plot_board(board, task), piece / f"{task}-order.png")
        try:
            save(cases_of(run.path, task, [], ["median"], "", Look(width=120.0)), piece / f"{task}-cases.png")
        except UsageError as error:  # a run of which predictions were removed has tables all the same
            print(f"{task}: no picture of cases: {error}")
    for picture in piece.glob("*.png"):
        _squeeze(picture)


def _squeeze(picture: Path) -> None:
    """A palette instead of millions of colours, which nobody sees in grey images and lines."""
    from PIL import Image

    with Image.open(picture) as image:
        small = image.convert("RGB").quantize(colors=256, dither=Image.Dither.NONE)
        small.save(picture, optimize=True)


def origin(run: Run) -> dict[str, Any]:
    """Commit, versions, machine, data and time of a run."""
    done = [cell.record for cell in run if cell.state == "done"]
    source = Path(benchmark.__file__).parent
    git = ["git", "-C", str(source), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    last = max((cell.path / "record.json").stat().st_mtime for cell in run if cell.state == "done")
    libraries = run.about.environment["libraries"]
    return {
        "commit": os.environ.get("COMMIT") or commit,
        "finished": datetime.fromtimestamp(last, UTC).strftime("%Y-%m-%d"),
        "done": len(done),
        "missing": sum(count for state, count in run.states.items() if state not in ("done", "skipped", "stale")),
        "cpu_hours": round(sum(record.timings.cpu_s or 0.0 for record in done) / 3600, 2),
        "peak_memory_mb": max(record.peak_memory_mb or 0.0 for record in done),
        "data": {r.dataset.name: r.dataset.content_sha256[:16] for r in done if r.dataset is not None},
        "python": run.about.environment["python"],
        "torch": libraries["torch"],
        "machine": f"{_processor()}, {os.cpu_count()} cores",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def write_table() -> None:
    """The pieces in ``README.md``, from what each says of itself."""
    lines = ["| piece | command | cells | made with |", "|---|---|---|---|"]
    for path in sorted(PIECES.glob("*/made.json")):
        about = json.loads(path.read_text(encoding="utf-8"))
        cells = f"{about['done']} done" + (f", {about['missing']} not yet" if about["missing"] else "")
        machine = f"{about['machine']}, Python {about['python']}, torch {about['torch']}"
        cost = f"{about['cpu_hours']:g} CPU hours, at most {about['peak_memory_mb']:.0f} MB a process"
        name = path.parent.name
        lines.append(
            f"| [{name}]({name}/leaderboard.md) | `{about['command']}` | {cells} | "
            f"commit {about['commit'][:7]}, {about['finished']}; {cost}; {machine} |"
        )
    readme = PIECES / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    readme.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n\n" + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    print(collect(Path(sys.argv[1]), " ".join(sys.argv[2:])))
    write_table()

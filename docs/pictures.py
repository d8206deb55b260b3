"""The pictures of README.md: ``python docs/pictures.py [RUN]``, from the root of a checkout.

The order of a table is drawn from the committed reference results. Cases and the report's first screen need a run's
predictions, which are too large to be committed; they are drawn where RUN is given, such as that of

    benchmark run --grid full --tasks mr-ct --models unet-l1,pix2pix,cyclegan,histogram,copy-input

and the report's where Chromium is installed.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

from benchmark.leaderboard.tables import Column, Row, Score, Table
from benchmark.report.draw import cases_of
from benchmark.report.figures import Look, save, table_figure
from benchmark.statistics.intervals import Interval

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
REFERENCE = ROOT / "results" / "reference" / "full-small-300" / "leaderboard.csv"
TASK = "mr-ct"
LARGEST = 300_000
"""Bytes that a picture may have."""


def reference_table(path: Path, task: str) -> Table:
    """A task's table under its primary metric, as ``leaderboard.csv`` tells it."""
    with path.open(newline="", encoding="utf-8") as handle:
        mine = [line for line in csv.DictReader(handle) if line["task"] == task and line["primary"] == "true"]
    lines = [line for line in mine if line["rank"]]  # what is not done yet has no rank
    first = lines[0]
    column = Column(first["metric"], first["metric"].upper(), first["unit"], first["higher_is_better"] == "true", 2)
    rows = []
    for line in lines:
        interval = Interval(float(line["mean"]), float(line["low95"]), float(line["high95"]), int(line["patients"]))
        score = Score(interval, int(line["patients_expected"]), 0, 0.0, 0, None, float(line["median"]), 0.0)
        rows.append(
            Row(
                name=line["model"],
                model=line["model"],
                baseline=line["baseline"] == "true",
                seeds=tuple(range(int(line["seeds"]))),
                scores={column.name: score},
                rank=int(line["rank"]),
                rank_range=(int(line["rank_low"]), int(line["rank_high"])),
                tier=line["tier"],
            )
        )
    return Table(
        task=task, title="MR to CT", dataset=first["dataset"], content_sha256=first["content_sha256"],
        simulated=first["simulated"] == "true", profile=first["profile"], preset=first["preset"],
        patients=int(first["patients_expected"]), hardware=(), primary=column.name, ranked_by=(column.name,),
        columns=(column,), rows=tuple(sorted(rows, key=lambda row: row.rank or 0)), comparisons=(), stability=None,
        notes=(),
    )  # fmt: skip


def draw(run: Path | None) -> None:
    """Write what can be drawn, and say how large it is."""
    PICTURES.mkdir(exist_ok=True)
    save(table_figure(reference_table(REFERENCE, TASK)), PICTURES / "order.png")
    if run is not None:
        models = ["unet-l1", "pix2pix", "histogram"]
        save(cases_of(run, TASK, models, ["median"], "", Look(width=175.0)), PICTURES / "cases.png")
        _first_screen(run, PICTURES / "report.png")
    for picture in sorted(PICTURES.glob("*.png")):
        _squeeze(picture)
        size = picture.stat().st_size
        print(f"{picture.relative_to(ROOT)} {size / 1000:.0f} kB")
        if size > LARGEST:
            raise SystemExit(f"{picture} is larger than {LARGEST / 1000:.0f} kB")


def _first_screen(run: Path, target: Path) -> None:
    """The first screen of the report, as a browser shows it."""
    sys.path.insert(0, str(ROOT / "tests"))
    from chromium import PLOTTED, browser, chromium

    from benchmark.report import write_report

    if chromium() is None:
        print("no Chromium: the picture of the report stays as it is")
        return
    with tempfile.TemporaryDirectory() as folder, browser(Path(folder)) as page:
        report = write_report([run], Path(folder) / "report.html").path
        page.size(1240, 1000)
        page.open(report, wait=PLOTTED)
        page.value("scrollTo(0, 0); new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        page.screenshot(target)


def _squeeze(picture: Path) -> None:
    """A palette instead of millions of colours, which nobody sees in grey images and lines."""
    from PIL import Image

    with Image.open(picture) as image:
        small = image.convert("RGB").quantize(colors=256, dither=Image.Dither.NONE)
        small.save(picture, optimize=True)


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else None)

"""``benchmark figure``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def figure(
    run: Annotated[Path | None, typer.Argument(help="Run folder; default: the latest under results/.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="File: .pdf, .svg, .eps or .png.")] = Path("figure.pdf"),
    task: Annotated[str, typer.Option(help="Task; needed where the run has several.")] = "",
    models: Annotated[str, typer.Option(metavar="MODEL,...", help="Columns; default: the first four ranked.")] = "",
    patients: Annotated[
        str, typer.Option(metavar="PATIENT,...", help="Names, or worst, median, best by the metric.")
    ] = "worst,median,best",
    metric: Annotated[str, typer.Option(help="Metric to print and to judge by; default: the task's primary.")] = "",
    window: Annotated[str, typer.Option(metavar="LOW,HIGH", help="Shades in the target's unit.")] = "",
    error: Annotated[float, typer.Option(metavar="VALUE", help="End of the error maps in the target's unit.")] = 0.0,
    inset: Annotated[str, typer.Option(metavar="ROW,COLUMN,SIZE", help="Pixels to enlarge.")] = "",
    slice_: Annotated[int | None, typer.Option("--slice", help="Slice; default: the one with most region.")] = None,
    width: Annotated[float, typer.Option(metavar="MM", help="Width; a column is about 85, a page 175.")] = 175.0,
    order: Annotated[bool, typer.Option("--order", help="Draw the table's order instead of cases.")] = False,
    budgets: Annotated[bool, typer.Option("--budgets", help="Draw metric and rank against budget instead.")] = False,
) -> None:
    """Draw a figure for a paper: cases with error maps and scale bars, the order of a table, or a run's budgets.

    benchmark figure results/full-small-1seed --task mr-ct --models unet-l1,copy-input -o fig.pdf
    benchmark figure results/full-small-1seed --task mr-ct --order -o order.pdf
    benchmark figure results/full-small-1seed-by-steps --budgets -o curve.pdf
    """
    from benchmark.cli.text import echo
    from benchmark.errors import UsageError
    from benchmark.report.draw import cases_of, order_of
    from benchmark.report.figures import Look, save

    if not 20 <= width <= 1000:
        raise UsageError(f"--width {width:g}: give millimetres, 20 to 1000")
    if order and budgets:
        raise UsageError("--order and --budgets are two figures; give one of them")
    if order:
        drawn = order_of(run, task, metric)
    elif budgets:
        from benchmark.report.curve_figure import curve_figure
        from benchmark.report.gather import gather

        drawn = curve_figure(gather([run]).board, task)
    else:
        shades = _numbers(window, 2, "--window LOW,HIGH")
        if shades and not shades[0] < shades[1]:
            raise UsageError(f"--window {window}: the first has to be below the second")
        place = _numbers(inset, 3, "--inset ROW,COLUMN,SIZE")
        look = Look(
            window=(shades[0], shades[1]) if shades else None,
            error=error if error > 0 else None,
            inset=(int(place[0]), int(place[1]), int(place[2])) if place else None,
            width=width,
            slice=slice_,
        )
        names = [name.strip() for name in models.split(",") if name.strip()]
        drawn = cases_of(run, task, names, [name.strip() for name in patients.split(",") if name.strip()], metric, look)
    save(drawn, out)
    echo(out)


def _numbers(text: str, count: int, what: str) -> list[float]:
    """Numbers separated by commas; none where the option was not given.

    Raises:
        UsageError: they are not as many, or no numbers.
    """
    from benchmark.errors import UsageError

    if not text:
        return []
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(abs(number) < 1e9 for number in numbers) or (count == 3 and min(numbers) < 0):
        raise UsageError(f"{text!r}: expected {what}, numbers separated by commas")
    return numbers

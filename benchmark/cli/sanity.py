"""``benchmark data sanity``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.errors import UsageError
from benchmark.registry.plugins import registry


def sanity(
    file: Annotated[Path, typer.Argument(help="An mi2i/1 file.")],
    profile: Annotated[str, typer.Option(help="Metric profile; default: the task's.")] = "",
    patients: Annotated[int, typer.Option(help="Take the first so many test patients; 0: all.", min=0)] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Try every metric on graded distortions of the test targets, and mark what does not get worse.

    Writes the card beside the file, as .sanity.json and .sanity.md.
    """
    from benchmark import atomic
    from benchmark.cli.text import columns, count, echo, echo_json
    from benchmark.data.format.reader import Dataset
    from benchmark.plan.file_tasks import task_of
    from benchmark.sanity.card import make_card, notes, rows, to_markdown

    found = registry()
    with Dataset(file) as dataset:
        chosen = profile or task_of(found, dataset.info.task, file).profile
        card = make_card(
            found, dataset, chosen, patients=patients, report=lambda name: None if json else echo(f"trying {name}")
        )
    written = file.with_suffix(".sanity.json"), file.with_suffix(".sanity.md")
    try:
        atomic.write_json(written[0], card.to_json())
        atomic.write_bytes(written[1], to_markdown(card).encode())
    except OSError as error:
        raise UsageError(f"cannot write the card {written[0]}: {error.strerror or error}") from None
    if json:
        echo_json(card.to_json())
        return
    header, body = rows(card)
    for line in columns([header, *body]):
        echo(line)
    for note in notes(card):
        echo(note)
    echo(
        f"{count(len(card.wrong), 'distortion')} of {len(card.ladders)} with a metric that does not follow; "
        f"written: {written[0]}, {written[1].name}"
    )

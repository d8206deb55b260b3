"""``benchmark weights``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from benchmark.contracts.specs import WeightsSpec
from benchmark.registry.plugins import registry

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Pretrained weights of losses and metrics.")


@app.command("status", short_help="Which pretrained weights are here.")
def status(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show which pretrained weights were found, where, with their SHA-256, and how to fetch those that are missing."""
    from benchmark.cli.text import columns, echo, echo_json
    from benchmark.pretrained import weights

    rows = [_row(wanted) for wanted in _declared().values()]
    looked = [str(folder) for folder in weights.folders()]
    if json:
        echo_json({"looked_in": looked, "weights": rows})
        return
    for line in columns([[row["name"], row["state"], row["path"] or row["file"], _last(row)] for row in rows]):
        echo(line)
    echo(f"looked in: {', '.join(looked)}")


@app.command("fetch", short_help="Download pretrained weights.")
def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="As in 'benchmark weights status'; none named: all.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Download weights from their publisher into $BENCHMARK_WEIGHTS, or torch hub's cache, and check them.

    benchmark weights fetch vgg19
    """
    from benchmark.cli.text import echo, echo_json
    from benchmark.pretrained import weights

    rows = []
    for wanted in [registry().find("weights", name).spec for name in names] if names else _declared().values():
        found = weights.fetch(wanted)
        rows.append({"name": wanted.name, "path": str(found.path), "sha256": found.sha256})
        if not json:
            echo(f"{wanted.name}: {found.path} sha256 {found.sha256}")
    if json:
        echo_json(rows)


def _declared() -> dict[str, WeightsSpec]:
    """What plugins say that they need, by name."""
    return {name: offer.spec for name, offer in sorted(registry().all("weights").items())}


def _row(wanted: WeightsSpec) -> dict[str, Any]:
    from benchmark.errors import Unavailable
    from benchmark.pretrained import weights

    row: dict[str, Any] = {"name": wanted.name, "title": wanted.title, "file": wanted.file, "url": wanted.url}
    row |= {"state": "missing", "path": None, "sha256": None, "advice": weights.advice(wanted)}
    path = weights.find(wanted)
    if path is None:
        return row
    try:
        return row | {"state": "ok", "path": str(path), "sha256": weights.checksum(path, wanted), "advice": ""}
    except Unavailable as error:
        return row | {"state": "damaged", "path": str(path), "advice": str(error)}


def _last(row: dict[str, Any]) -> str:
    return f"sha256 {row['sha256'][:16]}..." if row["sha256"] else str(row["advice"])

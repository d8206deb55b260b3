"""``benchmark weights``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("status", short_help="Which pretrained weights are here.")
def status(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show which pretrained weights were found, where, with their SHA-256, and how to fetch those that are missing."""
    from benchmark.cli.text import columns, echo, echo_json
    from benchmark.errors import Unavailable
    from benchmark.pretrained import weights

    rows: list[dict[str, Any]] = []
    for name, wanted in weights.KNOWN.items():
        path = weights.find(name)
        row = {"name": name, "file": wanted.file, "state": "missing", "path": None, "sha256": None}
        row["advice"] = weights.advice(name)
        if path is not None:
            try:
                row |= {"state": "ok", "path": str(path), "sha256": weights.checksum(path), "advice": ""}
            except Unavailable as error:
                row |= {"state": "damaged", "path": str(path), "advice": str(error)}
        rows.append(row)
    looked = [str(folder) for folder in weights.folders()]
    if json:
        echo_json({"looked_in": looked, "weights": rows})
        return
    for line in columns([[r["name"], r["state"], r["path"] or r["file"], _last(r)] for r in rows]):
        echo(line)
    echo(f"looked in: {', '.join(looked)}")


def _last(row: dict[str, Any]) -> str:
    return f"sha256 {row['sha256'][:16]}..." if row["sha256"] else row["advice"]


@app.command("fetch", short_help="Download torchvision's weights.")
def fetch(names: Annotated[list[str], typer.Argument(help="vgg19, vgg16, alexnet, squeezenet1_1, or all.")]) -> None:
    """Download torchvision's ImageNet weights into $BENCHMARK_WEIGHTS, or torch hub's cache, and check them.

    benchmark weights fetch vgg19
    """
    from benchmark.cli.text import echo
    from benchmark.pretrained import weights

    wanted = list(weights.KNOWN) if names == ["all"] else [weights.known(name).name for name in names]
    for name in wanted:
        found = weights.fetch(name)
        echo(f"{name}: {found.path} sha256 {found.sha256}")

"""``benchmark export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli import completion
from benchmark.errors import UsageError


def export(
    cell: Annotated[str, completion.DONE_CELL],
    onnx: Annotated[bool, typer.Option("--onnx", help="As ONNX (needs the extra 'onnx').")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File; default: MODEL-ID.onnx here.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Export the model of a finished cell, translate a few images with both, and print the difference.

    benchmark export results/full-small-1seed/mr-ct/unet-l1/s0 --onnx
    """
    if not onnx:
        raise UsageError("say what to export to: --onnx")
    from benchmark.cli.text import echo, echo_json, warn
    from benchmark.inference.onnx_export import export as export_onnx
    from benchmark.inference.trained_cell import load_cell
    from benchmark.registry.plugins import registry

    loaded = load_cell(cell, registry(), "cpu")
    warn(loaded.warnings)
    path = output or Path(f"{loaded.record.name}-{loaded.record.id}.onnx")
    done = export_onnx(loaded, path)
    if json:
        echo_json(
            {
                "path": str(done.path),
                "difference": done.difference,
                "difference_in_unit": done.difference_in_unit,
                "unit": done.unit,
            }
        )
        return
    echo(
        f"{done.path}: largest difference from the model {done.difference:.2g} in [-1, 1], "
        f"{done.difference_in_unit:.2g} {done.unit}"
    )

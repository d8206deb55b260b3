"""``benchmark bundle``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli import completion


def bundle(
    cell: Annotated[str, completion.DONE_CELL],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder; default: MODEL-ID here.")] = None,
    licence: Annotated[
        str, typer.Option("--licence", "--license", help="Licence of the weights, such as apache-2.0.")
    ] = "not stated",
    hub_dataset: Annotated[str, typer.Option(help="OWNER/NAME of the benchmark's data set on Hugging Face.")] = "",
    onnx: Annotated[bool, typer.Option("--onnx/--no-onnx", help="With an ONNX file (needs the extra 'onnx').")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a folder of a finished cell that others can load: this harness, MONAI, ONNX runtimes, Hugging Face.

    Weights as safetensors with their hash, what rebuilds the model, what goes in and comes out, scores and licences.

    benchmark bundle results/full-small-1seed/mr-ct/unet-l1/s0 -o unet-l1-mr-ct
    """
    from benchmark.cli.text import echo, echo_json, warn
    from benchmark.inference.bundling import Terms, write_bundle
    from benchmark.inference.trained_cell import load_cell
    from benchmark.registry.plugins import registry

    loaded = load_cell(cell, registry(), "cpu")
    warn(loaded.warnings)
    target = output or Path(f"{loaded.record.name}-{loaded.record.id}")
    done = write_bundle(loaded, registry(), target, Terms(licence, hub_dataset, onnx))
    if json:
        facts = {"path": str(done.path), "bytes": done.size, "weights": done.form, "left_out": list(done.left_out)}
        echo_json({**facts, "onnx_difference": done.onnx_difference, "unit": done.unit})
        return
    what = "the weights that translate" if done.form == "networks" else "the model's whole state"
    echo(f"{done.path} ({done.size / 1e6:.1f} MB): {what}; they translate bit for bit as the cell does")
    if done.onnx_difference is not None:
        echo(f"ONNX: at most {done.onnx_difference:.2g} {done.unit} away")
    for text in done.left_out:
        echo(f"left out: {text}")

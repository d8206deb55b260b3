"""``benchmark translate``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli import completion
from benchmark.errors import UsageError


def translate(
    cell: Annotated[
        str,
        typer.Argument(
            metavar="RUN/CELL|BUNDLE",
            help="A done cell, e.g. results/full-small-1seed/mr-ct/pix2pix/s0, or a bundle.",
            autocompletion=completion.cells,
        ),
    ],
    source: Annotated[
        list[str],
        typer.Argument(
            help="A NIfTI file in the source's unit, or a folder with some in it or below; of a source of several "
            "channels each as NAME=FILE, on one grid."
        ),
    ],
    output: Annotated[Path, typer.Argument(help="The file, or the folder, to write.")],
    fuse: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUN/CELL|BUNDLE",
            help="Average with the translation of this one, e.g. of a model of coronal slices. Repeatable.",
            autocompletion=completion.cells,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-p", "--parameter", help="OPTION=VALUE of how the model samples, where it has such options. Repeatable."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there already.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Translate NIfTI volumes with the model of a finished cell, or of a bundle.

    Each translation lies on its source's grid, in the target's unit: HU as int16, all else as float32. A file
    that cannot be used is reported and the rest goes on; exit 1 then. Not for clinical use.

    benchmark translate results/full-small-1seed/mr-ct/unet-l1/s0 t1.nii.gz ct.nii.gz

    benchmark translate results/t1t2/t1t2-flair/unet-l1/s0 T1=t1.nii.gz T2=t2.nii.gz flair.nii.gz
    """
    from benchmark.cli.text import echo, echo_json, warn
    from benchmark.data.volumes.geometry import CaseFault
    from benchmark.inference.bundle import is_bundle, load_bundle, read_manifest
    from benchmark.inference.fusion import fuse_file, require_alike
    from benchmark.inference.trained_cell import TrainedCell, load_cell
    from benchmark.inference.translate import list_channels, translate_file
    from benchmark.registry.plugins import registry
    from benchmark.store.address import finished_cell

    bundled = is_bundle(Path(cell))
    facts = read_manifest(Path(cell)).data if bundled else finished_cell(cell)[1].dataset
    channels = [channel.name for channel in facts.sources] if facts is not None else ["source"]
    files = list_channels(source, output, channels)
    there = [target for _, target in files if target.exists()]
    if there and not overwrite:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(f"{there[0]}{more} exists already; add --overwrite to replace it")
    sampling = _changes(parameter or ())

    def load(place: str) -> TrainedCell:
        if is_bundle(Path(place)):
            trained = load_bundle(place, device, sampling)
        else:
            trained = load_cell(place, registry(), device, sampling)
        warn(trained.warnings)
        return trained

    loaded, *others = [load(place) for place in (cell, *(fuse or ()))]
    require_alike([loaded, *others])
    rows = []
    for inputs, target in files:
        try:
            told = fuse_file([loaded, *others], inputs, target) if others else translate_file(loaded, inputs, target)
            warnings, fault = told, ""
        except CaseFault as error:
            warnings, fault = (), str(error)
        if len(inputs) == 1:
            named: dict[str, object] = {"source": str(inputs[0])}
        else:
            named = {"source": {name: str(file) for name, file in zip(channels, inputs, strict=True)}}
        rows.append({**named, "output": "" if fault else str(target), "fault": fault, "warnings": warnings})
        warn(f"{inputs[0].name}: {text}" for text in warnings)
        if not json:
            echo(
                f"skipped {fault}" if fault else f"{target}: {loaded.data.target_modality} in {loaded.data.target.unit}"
            )
    if json:
        fused = {"fused": [other.record.id for other in others]} if others else {}
        echo_json({"cell": loaded.record.id, **fused, "unit": loaded.data.target.unit, "files": rows})
    raise typer.Exit(1 if any(row["fault"] for row in rows) else 0)


def _changes(given: Iterable[str]) -> dict[str, str]:
    """What was typed as OPTION=VALUE."""
    changes = {}
    for item in given:
        name, separator, value = item.partition("=")
        if not separator or not name:
            raise UsageError(f"--parameter {item!r}: write OPTION=VALUE")
        changes[name] = value
    return changes

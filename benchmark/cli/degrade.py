"""``benchmark data degrade``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from benchmark.errors import DatasetError, UsageError
from benchmark.registry.plugins import registry


def degrade(
    name: Annotated[str, typer.Argument(help="Simulator: see 'benchmark list degraders'.")],
    file: Annotated[Path, typer.Argument(help="An mi2i/1 file with clean images ('benchmark data import').")],
    out: Annotated[Path, typer.Option(help="The .h5 file to write.")],
    side: Annotated[
        str, typer.Option(help="Which side is clean: source or target. Default: the one in the simulator's unit.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Seed of motion and noise.")] = 0,
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", help="OPTION=VALUE; see 'benchmark show degrader NAME'. Repeatable."),
    ] = None,
) -> None:
    """Degrade imported clean images: the image becomes the target, a simulator makes the source."""
    from benchmark.cli.listing import settings
    from benchmark.cli.text import count, echo
    from benchmark.contracts import options
    from benchmark.data.degrading import Request
    from benchmark.data.degrading import degrade as make

    spec = registry().find("degrader", name).spec
    if out.suffix not in (".h5", ".hdf5"):
        raise UsageError(f"--out {out}: name a .h5 file")
    if side not in ("", "source", "target"):
        raise UsageError(f"--side {side!r}: use source or target")
    values = options.resolve(spec.name, spec.options, settings(parameter or []))
    chosen = cast(Literal["source", "target"] | None, side or None)
    request = Request(spec, options.build(spec.options, values), file, out, chosen, seed)
    try:
        patients = make(request, echo)
    except DatasetError as error:
        raise DatasetError(f"{error}; nothing was written") from None
    echo(f"wrote {out} for {spec.task}: {count(patients, 'patient')}; look at it with: benchmark data inspect {out}")

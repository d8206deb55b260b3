"""``benchmark data``: build, import, inspect, check, export, caches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from benchmark.contracts.presets import DATA_SEED
from benchmark.errors import UsageError
from benchmark.registry.plugins import registry

if TYPE_CHECKING:
    from benchmark.data.streaming.listing import KeptSlices

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Build, import, inspect and check data sets.")

RAW = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.command()
def build(
    tasks: Annotated[list[str] | None, typer.Argument(help="Tasks; see 'benchmark list tasks'.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All tasks.")] = False,
    preset: Annotated[str, typer.Option(help="How large.")] = "small",
    seed: Annotated[int, typer.Option(help="Seed of the anatomy and the noise; 0 to 9 are for tuning.")] = DATA_SEED,
    datasets: Annotated[Path, typer.Option(help="Where built data sets are kept.")] = Path("datasets"),
) -> None:
    """Build the embedded data of tasks; what is there already is left alone."""
    from benchmark.cli.text import echo
    from benchmark.plan.expand import build_job
    from benchmark.runs.execute import build_data

    if every == bool(tasks):
        raise UsageError("name tasks, or give --all")
    found = registry()
    jobs = [build_job(found, task, preset, seed, datasets) for task in tasks or sorted(found.all("task"))]
    outcome = build_data(jobs, found)
    for job in jobs:
        state, reason = outcome[job.task]
        echo(f"{job.task}: {job.path}" if state == "done" else f"{job.task}: {state}: {reason}")
    raise typer.Exit(0 if all(state == "done" for state, _ in outcome.values()) else 1)


@app.command("import", context_settings=RAW)
def import_(
    context: typer.Context,
    layout: Annotated[str, typer.Argument(help="Layout: see 'benchmark list importers'.")] = "",
) -> None:
    """Import scans into one data set file: benchmark data import LAYOUT --help shows a layout's options."""
    from benchmark.cli import dataclass_arguments
    from benchmark.cli.text import echo
    from benchmark.errors import DatasetError

    found = registry()
    if layout in ("", "-h", "--help"):
        offers = sorted(found.all("importer").items())
        echo("usage: benchmark data import LAYOUT ... ; layouts:")
        for name, offer in offers:
            echo(f"  {name}: {offer.spec.summary}")
        raise typer.Exit(0 if layout else 2)
    spec = found.find("importer", layout).spec
    options, output = dataclass_arguments.parse(f"benchmark data import {layout}", spec, list(context.args))
    if output.suffix not in (".h5", ".hdf5"):
        raise UsageError(f"--out {output}: name a .h5 file")
    try:
        spec.load()(options, output, echo)
    except DatasetError as error:
        raise DatasetError(f"{error}; nothing was written") from None
    echo(f"wrote {output}; look at it with: benchmark data inspect {output}")


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="An mi2i/1 file, or predictions (mi2i-predictions/1).")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Contact sheet to write; default: beside the file, none with --json.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Of predictions: their data set; default: the one that their cell names.")
    ] = None,
) -> None:
    """Print shapes, units, windows, splits, patients and checks; write a contact sheet (PNG) and Croissant metadata.

    Of predictions: range and error of each study, what is lost, and a sheet of source, target, prediction, difference.
    """
    from benchmark import atomic
    from benchmark.cli.text import columns, echo, echo_json
    from benchmark.data.checks.file import check
    from benchmark.data.contact_sheet import contact_sheet
    from benchmark.data.format import croissant
    from benchmark.data.summary import summary
    from benchmark.evaluation import stored

    if stored.is_predictions(file):
        _inspect_predictions(file, stored.data_of(file, data), picture, json)
        return
    if data is not None:
        raise UsageError(f"--data goes with predictions, and {file} holds none")
    facts = summary(file)
    if json:
        echo_json(facts)
    else:
        for line in columns(_readable(facts)):
            echo(line)
        problems = check(file)
        for problem in problems:
            echo(f"{problem.severity}: {problem.where}: {problem.what}")
            echo(f"    -> {problem.advice}")
        if not problems:
            echo("checks: nothing found")
    if picture or not json:
        path = picture or file.with_suffix(".png")
        try:
            contact_sheet(file, path)
        except OSError as error:
            raise UsageError(
                f"cannot write the contact sheet {path}: {error.strerror or error}; choose another with --picture"
            ) from None
    if not json:
        echo(f"contact sheet: {path}")
        try:
            if croissant.stated_sha256(file) != atomic.sha256_file(file):
                croissant.write(file)
            echo(f"metadata: {croissant.beside(file)}")
        except OSError as error:
            echo(f"metadata: not written, {error.strerror or error}")


def _inspect_predictions(file: Path, data: Path | None, picture: Path | None, json: bool) -> None:
    from benchmark.cli.text import columns, echo, echo_json
    from benchmark.evaluation import stored

    facts = stored.facts(file, data)
    if json:
        echo_json(facts)
    else:
        where = f"{facts['split']} split of {data or 'unknown data'}"
        echo(f"{file}: predictions of the {where}, in {facts['unit'] or 'no unit'}")
        heading = ["patient", "study", "slices", "least", "mean", "greatest", *(["mean abs. error"] if data else [])]
        rows = [
            [one["patient"], one["study"], str(one["shape"][0])]
            + [f"{one[name]:.4g}" for name in ("least", "mean", "greatest", "mae") if name in one]
            for one in facts["studies"]
        ]
        for line in columns([heading, *rows]):
            echo(line)
        for name, state in facts["lost"].items():
            echo(f"{name}: {state}")
        if data is None:
            echo("errors and pictures need the data set: --data FILE.h5")
    if data is not None and (picture or not json):
        path = picture or file.with_suffix(".png")
        try:
            stored.picture(file, data, path)
        except OSError as error:
            raise UsageError(
                f"cannot write the picture {path}: {error.strerror or error}; choose another with --picture"
            ) from None
        if not json:
            echo(f"contact sheet: {path}")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="An mi2i/1 file.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find every fault of a data set at once: schema, hashes, leakage between splits, NaN, wrong units."""
    from dataclasses import asdict

    from benchmark.cli.text import count, echo, echo_json
    from benchmark.data.checks.file import check as find_problems

    problems = find_problems(file)
    if json:
        echo_json([asdict(problem) for problem in problems])
    else:
        for problem in problems:
            echo(f"{problem.severity}: {problem.where}: {problem.what}")
            echo(f"    -> {problem.advice}")
        errors = sum(problem.severity == "error" for problem in problems)
        echo(f"{file}: {count(errors, 'error')}, {count(len(problems) - errors, 'warning')}")
    raise typer.Exit(1 if any(problem.severity == "error" for problem in problems) else 0)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="An mi2i/1 file, or predictions (mi2i-predictions/1).")],
    folder: Annotated[
        Path,
        typer.Argument(
            help="New folder for PATIENT/STUDY/ROLE.nii.gz and manifest.csv; predictions: PATIENT/STUDY.nii.gz."
        ),
    ],
    role: Annotated[
        list[str] | None, typer.Option(help="source, target, mask or labels; may be repeated. Default: all there are.")
    ] = None,
    split: Annotated[list[str] | None, typer.Option(help="train, val or test; may be repeated. Default: all.")] = None,
    grid: Annotated[
        str,
        typer.Option(help="original: each scan's own voxels, where noted at import; stored: the slices as they are."),
    ] = "original",
    data: Annotated[
        Path | None, typer.Option(help="Of predictions: their data set; default: the one that their cell names.")
    ] = None,
) -> None:
    """Write the volumes of a data set, or of predictions, back to NIfTI."""
    from benchmark.cli.text import count, echo
    from benchmark.data.format.schema import ROLES, SPLITS
    from benchmark.data.volumes.export import MANIFEST, Grid
    from benchmark.data.volumes.export import export as write_out
    from benchmark.errors import unknown_name
    from benchmark.evaluation import stored

    if grid not in get_args(Grid):
        raise unknown_name("grid", grid, get_args(Grid))
    if stored.is_predictions(file):
        if role or split:
            raise UsageError("--role and --split choose from a data set; predictions are exported whole")
        if (known_data := stored.data_of(file, data)) is None:
            raise UsageError(f"{file}: where these predictions lie is said by their data set: --data FILE.h5")
        predicted = stored.export(file, known_data, folder, grid=cast(Grid, grid), say=echo)
        echo(f"wrote {count(len(predicted), 'volume')}; score them with: benchmark evaluate --predictions {folder}")
        return
    if data is not None:
        raise UsageError(f"--data goes with predictions, and {file} holds none")
    for kind, given, known in (("role", role, ROLES), ("split", split, SPLITS)):
        for name in given or ():
            if name not in known:
                raise unknown_name(kind, name, known)
    written = write_out(file, folder, roles=role or ROLES, splits=split or SPLITS, grid=cast(Grid, grid), say=echo)
    interpolated = sum(not one.exact for one in written)
    echo(
        f"wrote {count(len(written), 'volume')} and {folder / MANIFEST}; "
        + (
            f"{interpolated} were resampled at import and are interpolated"
            if interpolated
            else "every value is the stored one"
        )
    )


@app.command()
def caches(
    where: Annotated[
        list[Path] | None, typer.Argument(help="Folders or data files. Default: the folder datasets.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove what is listed; made again when needed.")] = False,
    unused: Annotated[
        bool, typer.Option("--unused", help="Only what serves no training any more: of changed or missing data.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the slice caches that training on large data sets keeps beside them, or remove them."""
    from benchmark.cli.text import columns, count, echo, echo_json
    from benchmark.data.streaming import listing

    kept = [one for one in listing.caches(where or _usual_folder()) if not (unused and one.state == "current")]
    gone = [one for one in kept if listing.remove(one)] if remove else []
    if json:
        echo_json(
            [
                {"path": str(one.path), "data": str(one.data), "bytes": one.bytes, "state": one.state}
                | ({"removed": one in gone} if remove else {})
                for one in kept
            ]
        )
        return
    rows = [(str(one.path), f"{one.bytes / 1e9:.2f} GB", _fate(one, remove, gone)) for one in kept]
    for line in columns(rows):
        echo(line)
    total = sum(one.bytes for one in (gone if remove else kept)) / 1e9
    echo(f"{count(len(gone if remove else kept), 'cache')}{' removed' if remove else ''}, {total:.2f} GB")


def _usual_folder() -> list[Path]:
    """Where built data sets are kept, if anything has been built here."""
    folder = Path("datasets")
    return [folder] if folder.is_dir() else []


def _fate(kept: KeptSlices, remove: bool, gone: list[KeptSlices]) -> str:
    """What is known of a slice cache, or what became of it."""
    from benchmark.data.streaming.listing import MEANINGS

    if not remove:
        return f"{kept.state}: {MEANINGS[kept.state]}"
    return "removed" if kept in gone else "kept: it is being made this moment"


def _readable(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """What :func:`benchmark.data.summary.summary` gave, as rows for a person."""
    from benchmark.cli.text import count

    rows = [
        ("file", f"{facts['path']} ({facts['schema']})"),
        ("data set", f"{facts['name']}, {facts['nature']} for {facts['task']}"),
    ]
    if not facts["paired"]:
        rows.append(("pairs", "sources and targets of the training patients do not belong together"))
    if facts["mirror_safe"]:
        rows.append(("mirroring", "left and right may be exchanged in training"))
    channels = facts["source"].get("channels")
    sources = (
        {f"source {channel['name']}": channel for channel in channels} if channels else {"source": facts["source"]}
    )
    for role, side in {**sources, "target": facts["target"]}.items():
        low, high = side["window"]
        rows.append(
            (role, f"{side['modality']}, window {low:.5g} to {high:.5g} {side['unit']} ({_rule(side['rule'])})")
        )
    height, width = facts["image_size"]
    rows.append(("slices", f"{height} x {width} pixels; spacing z, y, x {_spacing(facts['spacing_mm'])}"))
    for split, numbers in facts["splits"].items():
        parts = [
            count(numbers["patients"], "patient"),
            count(numbers["studies"], "study", "studies"),
            count(numbers["slices"], "slice"),
        ]
        names = f": {_short(numbers['names'])}" if numbers["names"] else ""
        rows.append((split, ", ".join(parts) + names))
    rows.append(("content", f"sha256 {facts['content_sha256']}"))
    rows += [(key, _short(value)) for key, value in facts["provenance"].items()]
    return rows


def _rule(rule: dict[str, Any]) -> str:
    if rule["kind"] == "fixed":
        return "declared"
    return f"percentiles {rule['low']:g} and {rule['high']:g} of the training patients' region"


def _spacing(spacing: dict[str, list[float]]) -> str:
    axes = []
    for low, high in zip(spacing["smallest"], spacing["largest"], strict=True):
        low_text, high_text = f"{low:.3g}", f"{high:.3g}"
        axes.append(low_text if low_text == high_text else f"{low_text}-{high_text}")
    return f"{' x '.join(axes)} mm"


def _short(value: object) -> str:
    """A value of the provenance in at most 100 characters; ``--json`` has all of it."""
    if isinstance(value, dict):
        text = ", ".join(f"{key}={item}" for key, item in value.items())
    elif isinstance(value, list):
        text = ", ".join(str(item) for item in value)
    else:
        text = str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."

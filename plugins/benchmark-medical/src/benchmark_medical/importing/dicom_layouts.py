"""Layouts of DICOM files: pairs of series, and LDCT-and-Projection-data."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmark.errors import UsageError
from benchmark_medical.importing import options as chosen
from benchmark_medical.importing.dicom_series import Series, find_series, patients, read_series
from benchmark_medical.importing.dicom_slices import UNITS
from benchmark_medical.importing.layouts import as_both_sides, by_channel, called, folder_of, tree_of
from benchmark_medical.importing.sources import each, named
from benchmark_medical.importing.studies import Found, Image, Skipped, Study
from benchmark_medical.importing.volumes import Report, import_studies

Wanted = Callable[[Series], bool]


def dicom_pairs(options: chosen.DicomPairsOptions, output: Path, report: Report) -> None:
    """Import pairs of series, matched within a study of a patient; a source may be several series, one a channel."""
    folder = folder_of(options)
    if options.clean == any(each(options.source)):
        raise UsageError("give --source, or --clean and no --source")
    target = _selector("target", options.target)
    asked = {"": options.target} if options.clean else _channels(options)
    sources = {name: _selector("source", text) for name, text in asked.items()}
    of_target, of_sources = _modality(options.target), [_modality(text) for text in asked.values()]
    options = replace(
        options,
        source_modality=options.source_modality or called(_modalities(tuple(asked), of_sources)),
        target_modality=options.target_modality or of_target or "DICOM",
        source_unit=options.source_unit or called([UNITS.get(modality, "a.u.") for modality in of_sources]),
        target_unit=options.target_unit or UNITS.get(of_target, "a.u."),
    )
    if options.clean:
        options = as_both_sides(options)

    def find() -> Found:
        tree = tree_of(options)
        series, skipped = find_series(folder, tree.files)
        if not series:
            skipped.append(Skipped(folder.name, "holds no DICOM slices"))
        studies: list[Study] = []
        for patient, own in patients(series):
            name = _name(patient, own, options.keep_ids)
            groups: dict[str, list[Series]] = {}
            for one in own:
                groups.setdefault("" if options.across_studies else one.study, []).append(one)
            for number, group in enumerate(groups.values(), start=1):
                where = f"{name}/s{number}"
                matched = _matched(group, {} if options.clean else sources, target)
                if isinstance(matched, Unmatched):
                    skipped.append(Skipped(where, matched.why, lacking=name if matched.lacks_channel else ""))
                    continue
                series_of, shown = matched
                if fault := next(filter(None, (_frame_fault(one, shown, options) for one in series_of.values())), ""):
                    skipped.append(Skipped(where, fault))
                    continue
                image = _image(shown)
                images = {channel: _image(one) for channel, one in series_of.items()}
                # one frame of reference is the scanner's word that coordinates are to be trusted, whatever the grids
                studies.append(
                    Study(name, f"s{number}", by_channel(images) if images else image, image, own_grids=True)
                )
        return Found(studies, skipped, tree)

    channels = tuple(filter(None, asked))
    import_studies(find, options, output, report, "dicom-pairs", channels=channels)


def ldct_projection(options: chosen.LdctOptions, output: Path, report: Report) -> None:
    """Import low-dose and full-dose images of LDCT-and-Projection-data."""
    folder_of(options)
    if options.part and options.part not in ("C", "L", "N"):
        raise UsageError(f"--part {options.part!r}: C, L or N")
    patient = re.compile(rf"[{options.part or 'CLN'}]\d{{3}}\Z")

    def find() -> Found:
        studies: list[Study] = []
        skipped: list[Skipped] = []
        tree = tree_of(options)
        for place in (entry for entry in tree.folders if patient.match(entry.name)):
            series, unread = find_series(place, [path for path in tree.files if path.is_relative_to(place)])
            skipped += [Skipped(f"{place.name}/{entry.what}", entry.why, entry.files) for entry in unread]
            # of the projections' own format there may be series too: they hold no slices
            matched = _matched(series, {"": _called("low dose image")}, _called("full dose image"))
            if isinstance(matched, Unmatched):
                skipped.append(Skipped(place.name, matched.why))
            else:
                (low_dose,), full_dose = matched[0].values(), matched[1]
                studies.append(Study(place.name, "s1", _image(low_dose), _image(full_dose), aligned=True))
        return Found(studies, skipped, tree)

    import_studies(find, options, output, report, "ldct-projection")


def _called(text: str) -> Wanted:
    """Series whose folder or description says so."""
    return lambda one: text in one.folder.name.lower() or text in one.description.lower()


def _selector(role: str, text: str) -> Wanted:
    """Of ``PT``, ``PT/regex of the description`` or ``/regex``."""
    modality, _, pattern = text.partition("/")
    try:
        expression = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise UsageError(f"--{role} {text!r}: not a regular expression ({error})") from None
    if not modality and not pattern:
        raise UsageError(f"--{role}: give a modality such as CT, or MODALITY/REGEX of the series' description")
    return lambda one: (not modality or one.modality == modality) and expression.search(one.description) is not None


def _modality(text: str) -> str:
    """Of ``PT`` or ``PT/regex``; empty where any will do."""
    return text.partition("/")[0]


def _channels(options: chosen.DicomPairsOptions) -> dict[str, str]:
    """What was asked for each channel by name; a channel that was given none is called as its DICOM modality is."""
    given = each(options.source)
    return named(
        given, each(options.source_modality) if options.source_modality else [_modality(text) for text in given]
    )


def _modalities(names: Sequence[str], dicom: Sequence[str]) -> list[str]:
    """What channels show, from their DICOM modality, and their names where several are of one: ``MR T1``, ``MR T2``."""
    plain = [modality or "DICOM" for modality in dicom]
    return [
        f"{modality} {name}" if plain.count(modality) > 1 else modality
        for name, modality in zip(names, plain, strict=True)
    ]


class Unmatched(NamedTuple):
    """Why a study has not the one series that was asked for, of each side."""

    why: str
    lacks_channel: bool
    """The target and some channels of the source are there, and others are not."""


def _matched(
    group: list[Series], sources: Mapping[str, Wanted], target: Wanted
) -> tuple[dict[str, Series], Series] | Unmatched:
    """The one series of each channel, and that of the target."""
    wanted = {"the target": target, **{f"the source {name}".rstrip(): source for name, source in sources.items()}}
    fitting = {role: [one for one in group if fits(one)] for role, fits in wanted.items()}
    for role, candidates in fitting.items():
        if len(candidates) != 1:
            listed = ", ".join(one.name for one in (candidates or group)[:4])
            count, verb = len(candidates) or "no", "match" if candidates else "matches"
            there = [bool(fitting[name]) for name in fitting if name != "the target"]
            lacks = bool(fitting["the target"]) and any(there) and not all(there)
            return Unmatched(f"{count} series {verb} {role} (there are: {listed})", lacks)
    (shown,), *candidates_of = fitting.values()
    series_of = {name: one for name, (one,) in zip(sources, candidates_of, strict=True)}
    for role, (one,) in fitting.items():
        if same := [other for other, (series,) in fitting.items() if series is one and other != role]:
            return Unmatched(f"{role} and {same[0]} are one series, {one.name}", False)
    return series_of, shown


def _frame_fault(source: Series, target: Series, options: chosen.DicomPairsOptions) -> str:
    if options.any_frame or (source.frame and source.frame == target.frame):
        return ""
    return (
        f"{source.name} and {target.name} have different frames of reference: register them, or give --any-frame "
        "if the scanners' coordinates are to be trusted"
    )


def _image(series: Series) -> Image:
    return Image(series.name, lambda: read_series(series), tuple(series.files))


def _name(patient: str, series: list[Series], keep: bool) -> str:
    """The patient's id, or a hash of it where nobody said that it is no real one."""
    if patient and (keep or all(one.deidentified for one in series)):
        return patient
    return f"patient-{hashlib.sha256(patient.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"

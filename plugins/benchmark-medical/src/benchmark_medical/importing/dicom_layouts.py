"""Layouts of DICOM files: pairs of series, and LDCT-and-Projection-data."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmark.errors import UsageError
from benchmark_medical.importing import options as chosen
from benchmark_medical.importing.dicom_series import Series, find_series, patients, read_series
from benchmark_medical.importing.dicom_slices import UNITS
from benchmark_medical.importing.layouts import as_both_sides, folder_of, tree_of
from benchmark_medical.importing.studies import Found, Image, Skipped, Study
from benchmark_medical.importing.volumes import Report, import_studies

Wanted = Callable[[Series], bool]


def dicom_pairs(options: chosen.DicomPairsOptions, output: Path, report: Report) -> None:
    """Import pairs of series, matched within a study of a patient."""
    folder = folder_of(options)
    if options.clean == bool(options.source):
        raise UsageError("give --source, or --clean and no --source")
    target = _selector("target", options.target)
    source = target if options.clean else _selector("source", options.source)
    of_target, of_source = options.target.partition("/")[0], options.source.partition("/")[0]
    options = replace(
        options,
        source_modality=options.source_modality or of_source or "DICOM",
        target_modality=options.target_modality or of_target or "DICOM",
        source_unit=options.source_unit or UNITS.get(of_source, "a.u."),
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
                pair = _pair(group, source, target, clean=options.clean)
                fault = pair if isinstance(pair, str) else _frame_fault(*pair, options)
                if isinstance(pair, str) or fault:
                    skipped.append(Skipped(where, str(fault)))
                    continue
                image = _image(pair[1])
                studies.append(Study(name, f"s{number}", image if options.clean else _image(pair[0]), image))
        return Found(studies, skipped, tree)

    import_studies(find, options, output, report, "dicom-pairs")


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
            pair = _pair(series, _called("low dose image"), _called("full dose image"), clean=False)
            if isinstance(pair, str):
                skipped.append(Skipped(place.name, pair))
            else:
                studies.append(Study(place.name, "s1", _image(pair[0]), _image(pair[1]), aligned=True))
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


def _pair(group: list[Series], source: Wanted, target: Wanted, *, clean: bool) -> tuple[Series, Series] | str:
    """The one source and the one target of a group, or why there are none."""
    sources, targets = [one for one in group if source(one)], [one for one in group if target(one)]
    for role, found in (("target", targets), *(() if clean else (("source", sources),))):
        if len(found) != 1:
            listed = ", ".join(one.name for one in (found or group)[:4])
            return f"{len(found) or 'no'} series match{'es' if not found else ''} the {role} (there are: {listed})"
    return (targets[0] if clean else sources[0]), targets[0]


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

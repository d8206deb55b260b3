"""Find which files belong together: a folder per patient, a flat folder, or a CSV manifest."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping
from pathlib import Path

from benchmark.data.format.schema import SPLITS
from benchmark.errors import DatasetError, UsageError
from benchmark_medical.importing.options import NiftiPairsOptions
from benchmark_medical.importing.studies import Found, Image, Skipped, Study

PLACEHOLDER = "{patient}"
ROLES = ("source", "target", "mask", "labels")


def find(options: NiftiPairsOptions) -> Found:
    """All studies, and what was left out.

    Raises:
        UsageError: neither or both of folder and manifest, or a pattern is missing.
        DatasetError: the manifest cannot be read.
    """
    if (options.folder is None) == (options.manifest is None):
        raise UsageError("name either a folder of patients or --manifest FILE.csv")
    if options.clean and options.source:
        raise UsageError("--clean: the target is both sides, leave out --source")
    needed = ("target",) if options.clean else ("source", "target")
    if options.manifest is not None:
        return _from_manifest(options.manifest, needed)
    assert options.folder is not None
    if not options.folder.is_dir():
        raise UsageError(f"{options.folder}: no such folder")
    given = {"source": options.source, "target": options.target, "mask": options.mask, "labels": options.labels}
    patterns = {role: pattern for role, pattern in given.items() if pattern or role in needed}
    for role, pattern in patterns.items():
        if not pattern:
            raise UsageError(f"--{role} is missing: a file pattern such as '*_{role}.nii.gz'")
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise UsageError(f"--{role} {pattern!r}: give a pattern inside the folder, without '..'")
    flat = {PLACEHOLDER in pattern for pattern in patterns.values()}
    if len(flat) > 1:
        raise UsageError(f"put {PLACEHOLDER} into all file patterns or into none")
    return (_flat if flat.pop() else _folders)(options.folder, patterns)


def _study(patient: str, study: str, files: Mapping[str, Path], split: str = "") -> Study:
    images = {role: Image.of(path) for role, path in files.items()}
    source, target, mask, labels = (images.get(role) for role in ROLES)
    return Study(patient, study, source or target, target, mask=mask, labels=labels, split=split)


def _from_manifest(path: Path, needed: tuple[str, ...]) -> Found:
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read as CSV ({error})") from None
    columns = set(rows[0]) if rows else set()
    if missing := {"patient", *needed} - columns:
        raise DatasetError(f"{path}: column {', '.join(sorted(missing))} is missing (or the file has no rows)")
    root = Path(os.path.abspath(path.parent))
    studies, skipped = [], []
    for number, row in enumerate(rows, start=2):
        files: dict[str, Path] = {}
        fault = "" if row["patient"] else "no patient"
        for role in ROLES:
            name = row.get(role) or ""
            if not name:
                fault = fault or (f"no {role}" if role in needed else "")
                continue
            files[role] = Path(os.path.abspath(root / name)) if "\0" not in name else root.parent
            if not files[role].is_relative_to(root):
                fault = f"{role} {name!r} lies outside the manifest's folder"
        if row.get("split") and row["split"] not in SPLITS:
            fault = fault or f"split {row['split']!r}; use {', '.join(SPLITS)}"
        if fault:
            skipped.append(Skipped(f"{path.name} line {number}", fault))
        else:
            if "source" not in needed:
                files.pop("source", None)
            studies.append(_study(row["patient"], row.get("study") or "s1", files, row.get("split") or ""))
    return studies, skipped


def _flat(folder: Path, patterns: dict[str, str]) -> Found:
    found: dict[str, dict[str, list[Path]]] = {}
    for role, pattern in patterns.items():
        parts = [re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") for part in pattern.split(PLACEHOLDER)]
        expression = re.compile(parts[0] + "(?P<patient>[^/]+?)" + "(?P=patient)".join(parts[1:]) + r"\Z")
        for file in sorted(folder.glob(pattern.replace(PLACEHOLDER, "*"))):
            if match := expression.match(file.relative_to(folder).as_posix()):
                found.setdefault(match["patient"], {}).setdefault(role, []).append(file)
    studies, skipped = [], []
    for patient in sorted(found):
        files = found[patient]
        if fault := _not_one_each(files, patterns):
            skipped.append(Skipped(patient, fault))
        else:
            studies.append(_study(patient, "s1", {role: paths[0] for role, paths in files.items()}))
    return studies, skipped


def _folders(folder: Path, patterns: dict[str, str]) -> Found:
    studies, skipped = [], []
    for place in sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
        files = {role: sorted(place.glob(pattern)) for role, pattern in patterns.items()}
        if all(len(paths) == 1 for paths in files.values()):
            groups = {"s1": files}
        else:  # several studies: files of one subfolder belong together
            groups = {}
            for role, paths in files.items():
                for path in paths:
                    study = path.parent.relative_to(place).as_posix()
                    groups.setdefault("s1" if study == "." else study, {}).setdefault(role, []).append(path)
        if not groups:
            skipped.append(Skipped(place.name, f"no file matches {' or '.join(map(repr, patterns.values()))}"))
        for study, group in sorted(groups.items()):
            if fault := _not_one_each(group, patterns):
                skipped.append(Skipped(f"{place.name}/{study}", fault))
            else:
                studies.append(_study(place.name, study, {role: paths[0] for role, paths in group.items()}))
    return studies, skipped


def _not_one_each(files: dict[str, list[Path]], patterns: dict[str, str]) -> str:
    for role, pattern in patterns.items():
        paths = files.get(role, [])
        if not paths:
            return f"no {role} file matches {pattern!r}"
        if len(paths) > 1:
            return f"{len(paths)} files match the {role} pattern {pattern!r}, e.g. {paths[0].name} and {paths[1].name}"
    return ""

"""Find which files belong together: a folder per patient, a flat folder, or a CSV manifest."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.data.schema import IDENTIFIER
from benchmark.errors import DatasetError, UsageError
from benchmark_medical.import_options import NiftiPairsOptions

PLACEHOLDER = "{patient}"


@dataclass(frozen=True)
class Study:
    """The files of one study; ``mask`` only where the user has one."""

    patient: str
    study: str
    source: Path
    target: Path
    mask: Path | None = None


@dataclass(frozen=True)
class Skipped:
    """Something that could not be used, and why."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"skipped {self.what}: {self.why}"


def find_studies(options: NiftiPairsOptions) -> tuple[list[Study], list[Skipped]]:
    """All studies, sorted, with names that may stand in a data set file; and what was left out.

    Raises:
        UsageError: neither or both of folder and manifest, or a pattern is missing.
        DatasetError: the manifest cannot be read.
    """
    if (options.folder is None) == (options.manifest is None):
        raise UsageError("name either a folder of patients or --manifest FILE.csv")
    if options.manifest is not None:
        found, skipped = _from_manifest(options.manifest)
    else:
        assert options.folder is not None
        if not options.folder.is_dir():
            raise UsageError(f"{options.folder}: no such folder")
        patterns = {"source": options.source, "target": options.target}
        if options.mask:
            patterns["mask"] = options.mask
        for role, pattern in patterns.items():
            if not pattern:
                raise UsageError(f"--{role} is missing: a file pattern such as '*_{role}.nii.gz'")
            if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
                raise UsageError(f"--{role} {pattern!r}: give a pattern inside the folder, without '..'")
        flat = {PLACEHOLDER in pattern for pattern in patterns.values()}
        if len(flat) > 1:
            raise UsageError(f"put {PLACEHOLDER} into all file patterns or into none")
        found, skipped = (_flat if flat.pop() else _folders)(options.folder, patterns)
    studies, doubled = _renamed(found)
    return studies, skipped + doubled


def _from_manifest(path: Path) -> tuple[list[Study], list[Skipped]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read as CSV ({error})") from None
    columns = set(rows[0]) if rows else set()
    if missing := {"patient", "source", "target"} - columns:
        raise DatasetError(f"{path}: column {', '.join(sorted(missing))} is missing (or the file has no rows)")
    root = Path(os.path.abspath(path.parent))
    studies, skipped = [], []
    for number, row in enumerate(rows, start=2):
        where = f"{path.name} line {number}"
        files: dict[str, Path | None] = {"mask": None}
        fault = "" if row["patient"] else "no patient"
        for role in ("source", "target", "mask"):
            name = row.get(role) or ""
            if not name:
                fault = fault or ("" if role == "mask" else f"no {role}")
                continue
            place = Path(os.path.abspath(root / name))
            if "\0" in name or not place.is_relative_to(root):
                fault = f"{role} {name!r} lies outside the manifest's folder"
            files[role] = place
        if fault:
            skipped.append(Skipped(where, fault))
            continue
        source, target = files["source"], files["target"]
        assert source is not None
        assert target is not None
        studies.append(Study(row["patient"], row.get("study") or "s1", source, target, files["mask"]))
    return studies, skipped


def _flat(folder: Path, patterns: dict[str, str]) -> tuple[list[Study], list[Skipped]]:
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
            studies.append(Study(patient, "s1", **{role: paths[0] for role, paths in files.items()}))
    return studies, skipped


def _folders(folder: Path, patterns: dict[str, str]) -> tuple[list[Study], list[Skipped]]:
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
                studies.append(Study(place.name, study, **{role: paths[0] for role, paths in group.items()}))
    return studies, skipped


def _not_one_each(files: dict[str, list[Path]], patterns: dict[str, str]) -> str:
    for role, pattern in patterns.items():
        paths = files.get(role, [])
        if not paths:
            return f"no {role} file matches {pattern!r}"
        if len(paths) > 1:
            return f"{len(paths)} files match the {role} pattern {pattern!r}, e.g. {paths[0].name} and {paths[1].name}"
    return ""


def plain_name(name: str) -> str:
    """The name itself where a data set file can hold it, else a readable one with a checksum of the original."""
    if IDENTIFIER.match(name):
        return name
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:40] or "patient"
    return f"{readable}-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def _renamed(studies: list[Study]) -> tuple[list[Study], list[Skipped]]:
    kept: dict[tuple[str, str], Study] = {}
    skipped = []
    for study in studies:
        key = (plain_name(study.patient), plain_name(study.study))
        if key in kept:
            skipped.append(Skipped(f"{key[0]}/{key[1]}", f"listed twice ({study.source.name})"))
            continue
        kept[key] = replace(study, patient=key[0], study=key[1])
    return [kept[key] for key in sorted(kept)], skipped

"""Find which files belong together: a folder per patient, a flat folder, or a CSV manifest."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path

from benchmark.data.format.schema import SPLITS
from benchmark.data.volumes.files import Tree, leads_out, walk
from benchmark.errors import DatasetError, UsageError
from benchmark_medical.importing.options import NiftiPairsOptions
from benchmark_medical.importing.patterns import WHO, matches, require_inside, whose, words
from benchmark_medical.importing.studies import Found, Image, Skipped, Study

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
        return _from_manifest(options.manifest, needed, outside=options.follow_links)
    assert options.folder is not None
    given = {"source": options.source, "target": options.target, "mask": options.mask, "labels": options.labels}
    patterns = {role: pattern for role, pattern in given.items() if pattern or role in needed}
    for role, pattern in patterns.items():
        if not pattern:
            raise UsageError(f"--{role} is missing: a file pattern such as '*_{role}.nii.gz'")
        require_inside(role, pattern)
    named = {role: set(words(pattern)) for role, pattern in patterns.items()}
    if len({frozenset(there) for there in named.values()}) > 1:
        raise UsageError("put the same words in braces, such as {patient}, into all file patterns, or none into any")
    if named["target"] and not named["target"] & set(WHO):
        raise UsageError(f"--target {patterns['target']!r}: one of the words in braces must be {{patient}}")
    tree = walk(options.folder, outside=options.follow_links)
    return (_by_words if named["target"] else _folders)(tree, patterns)


def _study(patient: str, study: str, files: Mapping[str, Path], split: str = "") -> Study:
    images = {role: Image.of(path) for role, path in files.items()}
    source, target, mask, labels = (images.get(role) for role in ROLES)
    return Study(patient, study, source or target, target, mask=mask, labels=labels, split=split)


def _from_manifest(path: Path, needed: tuple[str, ...], *, outside: bool) -> Found:
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
            elif not outside and leads_out(files[role], root):
                fault = f"{role} {name!r} is a link that leads out of the manifest's folder (--follow-links)"
        if row.get("split") and row["split"] not in SPLITS:
            fault = fault or f"split {row['split']!r}; use {', '.join(SPLITS)}"
        if fault:
            skipped.append(Skipped(f"{path.name} line {number}", fault))
        else:
            if "source" not in needed:
                files.pop("source", None)
            studies.append(_study(row["patient"], row.get("study") or "s1", files, row.get("split") or ""))
    return Found(studies, skipped)


def _by_words(tree: Tree, patterns: dict[str, str]) -> Found:
    """Files that belong together because the same words stand in the same places of their paths."""
    groups: dict[tuple[str, str], dict[str, list[Path]]] = {}
    for role, pattern in patterns.items():
        for values, path in matches(tree, pattern):
            # in the order of the target's pattern, whatever the role's own is
            ordered = {word: values[word] for word in words(patterns["target"])}
            groups.setdefault(whose(ordered), {}).setdefault(role, []).append(path)
    studies, skipped = [], []
    for (patient, study), files in sorted(groups.items()):
        where = patient if study == "s1" else f"{patient}/{study}"
        if fault := _not_one_each(tree, files, patterns):
            skipped.append(Skipped(where, fault, _all(files)))
        else:
            studies.append(_study(patient, study, {role: paths[0] for role, paths in files.items()}))
    return Found(studies, skipped, tree)


def _folders(tree: Tree, patterns: dict[str, str]) -> Found:
    """A folder per patient; where a pattern looks into subfolders, these are studies."""
    studies, skipped = [], []
    by_patient: dict[str, dict[str, list[Path]]] = {
        folder.name: {role: [] for role in patterns} for folder in tree.folders if folder.parent == tree.root
    }
    for role, pattern in patterns.items():
        for path in tree.matching(f"*/{pattern}"):
            by_patient[path.relative_to(tree.root).parts[0]][role].append(path)
    for patient, files in sorted(by_patient.items()):
        if all(len(paths) == 1 for paths in files.values()):
            groups = {"s1": files}
        else:  # several studies: files of one subfolder belong together
            groups = {}
            for role, paths in files.items():
                for path in paths:
                    study = path.parent.relative_to(tree.root / patient).as_posix()
                    groups.setdefault("s1" if study == "." else study, {}).setdefault(role, []).append(path)
        if not groups:
            skipped.append(Skipped(patient, f"no file matches {' or '.join(map(repr, patterns.values()))}"))
        for study, group in sorted(groups.items()):
            if fault := _not_one_each(tree, group, patterns):
                skipped.append(Skipped(f"{patient}/{study}", fault, _all(group)))
            else:
                studies.append(_study(patient, study, {role: paths[0] for role, paths in group.items()}))
    return Found(studies, skipped, tree)


def _all(files: Mapping[str, list[Path]]) -> tuple[Path, ...]:
    return tuple(path for paths in files.values() for path in paths)


def _not_one_each(tree: Tree, files: dict[str, list[Path]], patterns: dict[str, str]) -> str:
    for role, pattern in patterns.items():
        paths = files.get(role, [])
        if not paths:
            return f"no {role} file matches {pattern!r}"
        if len(paths) > 1:
            names = f"{tree.name(paths[0])} and {tree.name(paths[1])}"
            return f"{len(paths)} files match the {role} pattern {pattern!r}, e.g. {names}"
    return ""

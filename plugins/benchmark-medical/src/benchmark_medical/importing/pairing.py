"""Find which files belong together: a folder per patient, a flat folder, or a CSV manifest."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from benchmark.data.format.schema import SPLITS, role_words
from benchmark.data.volumes.files import Tree, leads_out, walk
from benchmark.errors import DatasetError, UsageError
from benchmark_medical.importing.options import NiftiPairsOptions
from benchmark_medical.importing.patterns import WHO, matches, require_inside, whose, words
from benchmark_medical.importing.sources import each, named
from benchmark_medical.importing.studies import Found, Image, Skipped, Study

ROLES = ("source", "target", "mask", "labels")


def channels(options: NiftiPairsOptions) -> tuple[str, ...]:
    """The names of a source's channels, where it has several: from the patterns, or the manifest's columns.

    Raises:
        UsageError: they cannot be told apart.
        DatasetError: the manifest cannot be read.
    """
    if options.manifest is not None:
        columns = [name for name in _rows(options.manifest)[0] if name.startswith("source/")]
        return tuple(column.removeprefix("source/") for column in columns)
    return tuple(filter(None, named(each(options.source), each(options.source_modality))))


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
    several = channels(options)
    if len(several) == 1:
        raise UsageError(f"{options.manifest}: a source of one channel stands in a column 'source'")
    sources = tuple(f"source/{name}" for name in several) or ("source",)
    needed = ("target",) if options.clean else (*sources, "target")
    if options.manifest is not None:
        found = _from_manifest(options.manifest, needed, outside=options.follow_links)
        return found._replace(studies=_on_own_grids(found.studies, options.any_grid))
    assert options.folder is not None
    asked = named(each(options.source), each(options.source_modality)).values()
    given = {
        **dict(zip(sources, asked, strict=True)),
        "target": options.target,
        "mask": options.mask,
        "labels": options.labels,
    }
    patterns = {role: pattern for role, pattern in given.items() if pattern or role in needed}
    for role, pattern in patterns.items():
        if not pattern:
            raise UsageError(f"--{role} is missing: a file pattern such as '*_{role}.nii.gz'")
        require_inside(role.partition("/")[0], pattern)
    braced = {role: set(words(pattern)) for role, pattern in patterns.items()}
    if len({frozenset(there) for there in braced.values()}) > 1:
        raise UsageError("put the same words in braces, such as {patient}, into all file patterns, or none into any")
    if braced["target"] and not braced["target"] & set(WHO):
        raise UsageError(f"--target {patterns['target']!r}: one of the words in braces must be {{patient}}")
    tree = walk(options.folder, outside=options.follow_links)
    found = (_by_words if braced["target"] else _folders)(tree, patterns)
    return found._replace(studies=_on_own_grids(found.studies, options.any_grid))


def _on_own_grids(studies: list[Study], allowed: bool) -> list[Study]:
    return [replace(study, own_grids=True) for study in studies] if allowed else studies


def _study(patient: str, study: str, files: Mapping[str, Path], split: str = "") -> Study:
    images = {role: Image.of(path) for role, path in files.items()}
    source, target, mask, labels = (images.get(role) for role in ROLES)
    several = {role.removeprefix("source/"): image for role, image in images.items() if role.startswith("source/")}
    return Study(patient, study, several or source or target, target, mask=mask, labels=labels, split=split)


def _lacking(patient: str, files: Collection[str], needed: Collection[str]) -> str:
    """The patient, where some channels of its source are there and others are not."""
    channels = [role for role in needed if role.startswith("source/")]
    there = [role for role in channels if role in files]
    return patient if there and len(there) < len(channels) else ""


def _rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns and rows of a manifest.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            return list(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read as CSV ({error})") from None


def _from_manifest(path: Path, needed: tuple[str, ...], *, outside: bool) -> Found:
    names, rows = _rows(path)
    columns = set(names) if rows else set()
    if missing := {"patient", *needed} - columns:
        raise DatasetError(f"{path}: column {', '.join(sorted(missing))} is missing (or the file has no rows)")
    root = Path(os.path.abspath(path.parent))
    studies, skipped = [], []
    for number, row in enumerate(rows, start=2):
        files: dict[str, Path] = {}
        fault = "" if row["patient"] else "no patient"
        for role in dict.fromkeys((*needed, *ROLES)):
            name = row.get(role) or ""
            if not name:
                fault = fault or (f"no {role_words(role)}" if role in needed else "")
                continue
            files[role] = Path(os.path.abspath(root / name)) if "\0" not in name else root.parent
            if not files[role].is_relative_to(root):
                fault = f"{role} {name!r} lies outside the manifest's folder"
            elif not outside and leads_out(files[role], root):
                fault = f"{role} {name!r} is a link that leads out of the manifest's folder (--follow-links)"
        if row.get("split") and row["split"] not in SPLITS:
            fault = fault or f"split {row['split']!r}; use {', '.join(SPLITS)}"
        if fault:
            lacking = _lacking(row["patient"] or "", [role for role in needed if row.get(role)], needed)
            who = f" ({lacking})" if lacking else ""
            skipped.append(Skipped(f"{path.name} line {number}{who}", fault, lacking=lacking))
        else:
            if "source" not in needed:  # clean images, or channels
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
            skipped.append(Skipped(where, fault, _all(files), _lacking(patient, files, patterns)))
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
                there = [role for role, paths in group.items() if paths]
                skipped.append(Skipped(f"{patient}/{study}", fault, _all(group), _lacking(patient, there, patterns)))
            else:
                studies.append(_study(patient, study, {role: paths[0] for role, paths in group.items()}))
    return Found(studies, skipped, tree)


def _all(files: Mapping[str, list[Path]]) -> tuple[Path, ...]:
    return tuple(path for paths in files.values() for path in paths)


def _not_one_each(tree: Tree, files: dict[str, list[Path]], patterns: dict[str, str]) -> str:
    for role, pattern in patterns.items():
        paths = files.get(role, [])
        if not paths:
            return f"no {role_words(role)} file matches {pattern!r}"
        if len(paths) > 1:
            names = f"{tree.name(paths[0])} and {tree.name(paths[1])}"
            return f"{len(paths)} files match the {role_words(role)} pattern {pattern!r}, e.g. {names}"
    return ""

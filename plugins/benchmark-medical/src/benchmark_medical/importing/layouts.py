"""Layouts of volumes as public data sets have them: which file is what, and whose.

Sources: the sets' own descriptions and release scripts (SynthRAD2023 doi:10.1002/mp.16529; SynthRAD2025
doi:10.5281/zenodo.14918089; autoPET; BraTS 2020 to 2023; IXI; nnU-Net v2; nnsyn).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from benchmark.data.volumes.files import Tree, walk
from benchmark.errors import UsageError
from benchmark_medical.importing import options as chosen
from benchmark_medical.importing import pairing
from benchmark_medical.importing.formats import SUFFIXES, stem
from benchmark_medical.importing.studies import Found, Image, Skipped, Study
from benchmark_medical.importing.volumes import Report, import_studies

Scans = TypeVar("Scans", bound=chosen.ScanOptions)


def nifti_pairs(options: chosen.NiftiPairsOptions, output: Path, report: Report) -> None:
    """Import pairs in a folder per patient, a flat folder or a manifest."""
    if options.clean:
        options = as_both_sides(options)
    import_studies(lambda: pairing.find(options), options, output, report, "nifti-pairs")


def synthrad2023(options: chosen.SynthRad2023Options, output: Path, report: Report) -> None:
    """Import SynthRAD2023."""
    names = {"source": f"{options.source}.nii.gz", "target": "ct.nii.gz", "mask": "mask.nii.gz"}
    regions = {"brain": "B", "pelvis": "P"}
    _synthrad(options, names, regions, options.region, output, report, "synthrad2023")


def synthrad2025(options: chosen.SynthRad2025Options, output: Path, report: Report) -> None:
    """Import SynthRAD2025."""
    names = {"source": f"{options.source}.mha", "target": f"{options.target}.mha", "mask": "mask.mha"}
    regions = {"HN": "HN", "AB": "AB", "TH": "TH"}
    _synthrad(options, names, regions, options.region, output, report, "synthrad2025")


def _synthrad(
    options: chosen.SynthRad2023Options | chosen.SynthRad2025Options,
    names: Mapping[str, str],
    regions: Mapping[str, str],
    region: str,
    output: Path,
    report: Report,
    layout: str,
) -> None:
    folder_of(options)
    if region and region not in regions:
        raise UsageError(f"--region {region!r}: one of {', '.join(regions)}")
    wanted = [regions[region]] if region else list(regions.values())
    # task, region, centre, number: 1BA001, 1HNA001
    patient = re.compile(rf"\d(?:{'|'.join(wanted)})[A-Z]\d{{3,4}}\Z")

    def find() -> Found:
        tree = tree_of(options)
        studies, skipped = [], []
        for place in (entry for entry in tree.folders if patient.match(entry.name)):
            files = {role: place / name for role, name in names.items()}
            if absent := [path.name for path in files.values() if path not in tree.files]:
                skipped.append(Skipped(tree.name(place), f"no {' and no '.join(absent)}"))
                continue
            images = {role: Image.of(path) for role, path in files.items()}
            studies.append(
                Study(place.name, "s1", images["source"], images["target"], mask=images["mask"], aligned=True)
            )
        return Found(studies, skipped, tree)

    options = replace(
        options,
        task="cbct-ct" if (options.source, options.task) == ("cbct", "mr-ct") else options.task,
        source_modality=options.source_modality or options.source.upper(),
    )
    import_studies(find, options, output, report, layout)


def autopet(options: chosen.AutoPetOptions, output: Path, report: Report) -> None:
    """Import autoPET: SUV and the CT that was resampled onto it."""
    folder_of(options)

    def find() -> Found:
        tree = tree_of(options)
        studies, skipped = [], []
        seen: Counter[str] = Counter()
        for place in sorted({path.parent for path in tree.matching("**/*/*/SUV.nii.gz")}):
            name = f"{place.parent.name}/{place.name}"
            seen[place.parent.name] += 1  # folders of studies are called by their dates
            if place / "CTres.nii.gz" not in tree.files:
                skipped.append(Skipped(name, "no CTres.nii.gz", (place / "SUV.nii.gz",)))
                continue
            lesions = place / "SEG.nii.gz"
            studies.append(
                Study(
                    place.parent.name,
                    f"s{seen[place.parent.name]}",
                    Image.of(place / "SUV.nii.gz"),
                    Image.of(place / "CTres.nii.gz"),
                    labels=Image.of(lesions) if options.lesions and lesions in tree.files else None,
                    aligned=True,
                )
            )
        return Found(studies, skipped, tree)

    import_studies(find, options, output, report, "autopet")


def brats(options: chosen.BratsOptions, output: Path, report: Report) -> None:
    """Import two of the four contrasts of BraTS; time points of a patient stay together."""
    folder_of(options)
    names = {"source": options.source, "target": options.target, "labels": "seg"}
    case = re.compile(r"(?P<patient>BraTS-[A-Za-z]+-\d+)-(?P<study>\d{3})\Z|(?P<old>BraTS\d*_?[A-Za-z0-9_]*\d+)\Z")

    def find() -> Found:
        tree = tree_of(options)
        # some copies of the sets are not compressed
        there = {path.with_name(stem(path)): path for path in tree.matching("**/*.nii*")}
        studies, skipped = [], []
        for place in tree.folders:
            match = case.match(place.name)
            if match is None:
                continue
            join = "_" if match["old"] else "-"
            wanted = {role: place / f"{place.name}{join}{name}" for role, name in names.items()}
            files = {role: there[path] for role, path in wanted.items() if path in there}
            if absent := [path.name for role, path in wanted.items() if role != "labels" and role not in files]:
                skipped.append(Skipped(tree.name(place), f"no {' and no '.join(absent)}.nii.gz"))
                continue
            tumour = options.tumour and "labels" in files
            studies.append(
                Study(
                    match["old"] or match["patient"],
                    match["study"] or "s1",
                    Image.of(files["source"]),
                    Image.of(files["target"]),
                    labels=Image.of(files["labels"]) if tumour else None,
                    aligned=True,
                    stripped=True,
                )
            )
        return Found(studies, skipped, tree)

    named = replace(
        options,
        source_modality=options.source_modality or f"MR {options.source}",
        target_modality=options.target_modality or f"MR {options.target}",
    )
    import_studies(find, named, output, report, "brats")


def ixi(options: chosen.IxiOptions, output: Path, report: Report) -> None:
    """Import two contrasts of IXI, brought onto one grid by the scanner's coordinates."""
    folder_of(options)
    report("IXI's contrasts are not registered: only the scanner's coordinates align them; look at the contact sheet")

    def contrast(tree: Tree, name: str) -> dict[str, Path]:
        scans: dict[str, Path] = {}
        for path in tree.matching(f"**/IXI*-{name}.nii*"):
            scans.setdefault(stem(path).removesuffix(f"-{name}"), path)
        return scans

    def find() -> Found:
        tree = tree_of(options)
        sources, targets = contrast(tree, options.source), contrast(tree, options.target)
        studies = [
            Study(name.split("-")[0], "s1", Image.of(sources[name]), Image.of(targets[name]))
            for name in sorted(sources.keys() & targets.keys())
        ]
        skipped = [
            Skipped(name, f"no {options.target if name in sources else options.source}")
            for name in sorted(sources.keys() ^ targets.keys())
        ]
        return Found(studies, skipped, tree)

    named = replace(
        options,
        source_modality=options.source_modality or f"MR {options.source}",
        target_modality=options.target_modality or f"MR {options.target}",
    )
    import_studies(find, named, output, report, "ixi")


def nnunet(options: chosen.NnunetOptions, output: Path, report: Report) -> None:
    """Import two channels of nnU-Net's raw format; imagesTs, where it is there, is the test set."""
    folder = folder_of(options)
    if not (folder / "imagesTr").is_dir():
        raise UsageError(f"{folder}: no imagesTr there; give the folder of a data set, DatasetNNN_Name")
    patient = patient_of(options.patient)

    def find() -> Found:
        tree = tree_of(options)
        studies: list[Study] = []
        skipped: list[Skipped] = []
        tested = bool(tree.below("imagesTs", ending=SUFFIXES))
        for images, labels, split in (("imagesTr", "labelsTr", "train"), ("imagesTs", "labelsTs", "test")):
            cases: dict[str, dict[str, Path]] = {}
            for path in tree.below(images, ending=SUFFIXES):
                case, _, channel = stem(path).rpartition("_")
                cases.setdefault(case, {})[channel] = path
            structures = {stem(path): path for path in tree.below(labels, ending=SUFFIXES)}
            if images == "imagesTs" and cases and not any(options.target in channels for channels in cases.values()):
                report(
                    f"imagesTs holds no target (channel {options.target}), so its {len(cases)} cases cannot be scored: "
                    "they are left out, and the test set is taken from imagesTr (--split, --split-file)"
                )
                skipped += [
                    Skipped(f"imagesTs/{case}", f"no channel {options.target}", tuple(channels.values()))
                    for case, channels in sorted(cases.items())
                ]
                studies = [replace(study, split="") for study in studies]
                continue
            for case, channels in sorted(cases.items()):
                named = patient(case)
                lacks = [channel for channel in (options.source, options.target) if channel not in channels]
                if lacks or named is None:
                    why = f"no channel {lacks[0]}" if lacks else f"--patient {options.patient!r} does not match"
                    skipped.append(Skipped(f"{images}/{case}", why, tuple(channels.values())))
                    continue
                wanted = structures.get(case) if options.structures else None
                studies.append(
                    Study(
                        *named,
                        Image.of(channels[options.source]),
                        Image.of(channels[options.target]),
                        labels=Image.of(wanted) if wanted else None,
                        split=split if tested else "",
                        aligned=True,
                    )
                )
        return Found(studies, skipped, tree)

    import_studies(find, options, output, report, "nnunet")


def nnsyn(options: chosen.NnsynOptions, output: Path, report: Report) -> None:
    """Import nnsyn's folders; names may carry nnU-Net's channel 0000."""
    folder = folder_of(options)
    for name in ("INPUT_IMAGES", "TARGET_IMAGES"):
        if not (folder / name).is_dir():
            raise UsageError(f"{folder}: no {name} there")
    patient = patient_of(options.patient)

    def find() -> Found:
        tree = tree_of(options)
        inputs, targets, masks, labels = (
            {stem(path).removesuffix("_0000"): path for path in tree.below(name, ending=SUFFIXES)}
            for name in ("INPUT_IMAGES", "TARGET_IMAGES", "MASKS", "LABELS")
        )
        studies: list[Study] = []
        skipped: list[Skipped] = []
        for case in sorted(inputs.keys() | targets.keys()):
            named = patient(case)
            if case not in inputs or case not in targets:
                skipped.append(Skipped(case, f"not in {'INPUT' if case in targets else 'TARGET'}_IMAGES"))
            elif named is None:
                skipped.append(Skipped(case, f"--patient {options.patient!r} does not match"))
            else:
                source, target = Image.of(inputs[case]), Image.of(targets[case])
                mask, structures = (Image.of(files[case]) if case in files else None for files in (masks, labels))
                studies.append(Study(*named, source, target, mask=mask, labels=structures, aligned=True))
        return Found(studies, skipped, tree)

    import_studies(find, options, output, report, "nnsyn")


def folder_of(options: chosen.ScanOptions) -> Path:
    """The folder that was named.

    Raises:
        UsageError: none, or there is no such folder.
    """
    if options.folder is None:
        raise UsageError("name the folder of the scans")
    if not options.folder.is_dir():
        raise UsageError(f"{options.folder}: no such folder")
    return options.folder


def tree_of(options: chosen.ScanOptions) -> Tree:
    """All files below the folder that was named."""
    return walk(folder_of(options), outside=options.follow_links)


def as_both_sides(options: Scans) -> Scans:
    """Options under which clean images are called, measured and windowed as the target on both sides."""
    return replace(
        options,
        source_modality=options.target_modality,
        source_unit=options.target_unit,
        source_window=options.target_window,
    )


class Named(Protocol):
    """Says of a case in a folder its patient and study; ``None`` where its name does not tell."""

    def __call__(self, case: str, folder: str = "") -> tuple[str, str] | None: ...


def patient_of(pattern: str) -> Named:
    """Whose a case is: the group of a regular expression in its name. Without one every case is a patient's only one,
    and the same name in another ``folder`` another patient's.
    """
    try:
        expression = re.compile(pattern or "(.*)", re.DOTALL)
    except re.error as error:
        raise UsageError(f"--patient {pattern!r}: not a regular expression ({error})") from None
    if expression.groups != 1:
        raise UsageError(f"--patient {pattern!r}: put what names the patient into one pair of brackets")

    def of(case: str, folder: str = "") -> tuple[str, str] | None:
        whole = f"{folder}-{case}" if folder else case
        if not pattern:
            return whole, "s1"
        match = expression.search(case)
        return (match[1], whole) if match and match[1] else None

    return of

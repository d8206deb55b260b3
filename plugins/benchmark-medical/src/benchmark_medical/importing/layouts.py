"""Layouts of volumes as public data sets have them: which file is what, and whose.

Sources: the sets' own descriptions and release scripts (SynthRAD2023 doi:10.1002/mp.16529; SynthRAD2025
doi:10.5281/zenodo.14918089; autoPET; BraTS 2020 to 2023; IXI; nnU-Net v2; nnsyn).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from benchmark.data.volumes.files import Tree, walk
from benchmark.errors import UsageError
from benchmark_medical.importing import options as chosen
from benchmark_medical.importing import pairing
from benchmark_medical.importing.formats import SUFFIXES, stem
from benchmark_medical.importing.sources import Several, distinct
from benchmark_medical.importing.studies import Found, Image, Skipped, Study
from benchmark_medical.importing.volumes import Report, import_studies

Scans = TypeVar("Scans", bound=chosen.ScanOptions)


def nifti_pairs(options: chosen.NiftiPairsOptions, output: Path, report: Report) -> None:
    """Import pairs in a folder per patient, a flat folder or a manifest."""
    if options.clean:
        options = as_both_sides(options)
    channels = pairing.channels(options) if options.folder is None or options.manifest is None else ()
    import_studies(lambda: pairing.find(options), options, output, report, "nifti-pairs", channels=channels)


def synthrad2023(options: chosen.SynthRad2023Options, output: Path, report: Report) -> None:
    """Import SynthRAD2023."""
    names = {**_sources(options.source, ".nii.gz"), "target": "ct.nii.gz", "mask": "mask.nii.gz"}
    regions = {"brain": "B", "pelvis": "P"}
    _synthrad(options, names, regions, options.region, output, report, "synthrad2023")


def synthrad2025(options: chosen.SynthRad2025Options, output: Path, report: Report) -> None:
    """Import SynthRAD2025."""
    names = {**_sources(options.source, ".mha"), "target": f"{options.target}.mha", "mask": "mask.mha"}
    regions = {"HN": "HN", "AB": "AB", "TH": "TH"}
    _synthrad(options, names, regions, options.region, output, report, "synthrad2025")


def _sources(source: Several, ending: str) -> dict[str, str]:
    """File names of the source's channels by name; of a single one under the empty name."""
    names = distinct(source)
    return {name if len(names) > 1 else "": f"{name}{ending}" for name in names}


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
                there = [role for role in channels if files[role] in tree.files]
                lacking = place.name if 0 < len(there) < len(channels) else ""
                skipped.append(Skipped(tree.name(place), f"no {' and no '.join(absent)}", lacking=lacking))
                continue
            images = {role: Image.of(path) for role, path in files.items()}
            source = by_channel({name: images[name] for name in channels})
            studies.append(Study(place.name, "s1", source, images["target"], mask=images["mask"], aligned=True))
        return Found(studies, skipped, tree)

    contrasts = distinct(options.source)
    channels = [name for name in names if name not in ("target", "mask")]
    options = replace(
        options,
        task="cbct-ct" if (contrasts, options.task) == (("cbct",), "mr-ct") else options.task,
        source_modality=options.source_modality or called([name.upper() for name in contrasts]),
    )
    import_studies(find, options, output, report, layout, channels=contrasts)


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
    """Import contrasts of BraTS, one or several of them as the source; time points of a patient stay together."""
    folder_of(options)
    contrasts = distinct(options.source)
    _require_other(options.target, contrasts)
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
            wanted = {name: place / f"{place.name}{join}{name}" for name in (*contrasts, options.target, "seg")}
            files = {name: there[path] for name, path in wanted.items() if path in there}
            if absent := [path.name for name, path in wanted.items() if name != "seg" and name not in files]:
                why = f"no {' and no '.join(absent)}.nii.gz"
                lacking = (match["old"] or match["patient"]) if some_lack(contrasts, files) else ""
                skipped.append(Skipped(tree.name(place), why, lacking=lacking))
                continue
            tumour = options.tumour and "seg" in files
            studies.append(
                Study(
                    match["old"] or match["patient"],
                    match["study"] or "s1",
                    by_channel({name: Image.of(files[name]) for name in contrasts}),
                    Image.of(files[options.target]),
                    labels=Image.of(files["seg"]) if tumour else None,
                    aligned=True,
                    stripped=True,
                )
            )
        return Found(studies, skipped, tree)

    named = replace(
        options,
        source_modality=options.source_modality or called([f"MR {name}" for name in contrasts]),
        target_modality=options.target_modality or f"MR {options.target}",
    )
    import_studies(find, named, output, report, "brats", channels=contrasts)


def ixi(options: chosen.IxiOptions, output: Path, report: Report) -> None:
    """Import contrasts of IXI, one or several as the source, brought onto one grid by the scanner's coordinates."""
    folder_of(options)
    contrasts = distinct(options.source)
    _require_other(options.target, contrasts)
    report("IXI's contrasts are not registered: only the scanner's coordinates align them; look at the contact sheet")

    def contrast(tree: Tree, name: str) -> dict[str, Path]:
        scans: dict[str, Path] = {}
        for path in tree.matching(f"**/IXI*-{name}.nii*"):
            scans.setdefault(stem(path).removesuffix(f"-{name}"), path)
        return scans

    def find() -> Found:
        tree = tree_of(options)
        scans = {kind: contrast(tree, kind) for kind in (*contrasts, options.target)}
        studies, skipped = [], []
        for name in sorted({name for found in scans.values() for name in found}):
            patient = name.split("-")[0]
            if absent := [kind for kind, found in scans.items() if name not in found]:
                there = [kind for kind in scans if name in scans[kind]]
                lacking = patient if options.target in there and some_lack(contrasts, there) else ""
                skipped.append(Skipped(name, f"no {' and no '.join(absent)}", lacking=lacking))
                continue
            source = by_channel({kind: Image.of(scans[kind][name]) for kind in contrasts})
            studies.append(Study(patient, "s1", source, Image.of(scans[options.target][name]), own_grids=True))
        return Found(studies, skipped, tree)

    named = replace(
        options,
        source_modality=options.source_modality or called([f"MR {name}" for name in contrasts]),
        target_modality=options.target_modality or f"MR {options.target}",
    )
    import_studies(find, named, output, report, "ixi", channels=contrasts)


def nnunet(options: chosen.NnunetOptions, output: Path, report: Report) -> None:
    """Import channels of nnU-Net's raw format; imagesTs, where it is there, is the test set."""
    folder = folder_of(options)
    if not (folder / "imagesTr").is_dir():
        raise UsageError(f"{folder}: no imagesTr there; give the folder of a data set, DatasetNNN_Name")
    patient = patient_of(options.patient)
    contrasts = distinct(options.source)
    if contrasts == ("all",):
        contrasts = _all_channels(tree_of(options), options.target)
    _require_other(options.target, contrasts)

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
                lacks = [channel for channel in (*contrasts, options.target) if channel not in channels]
                if lacks or named is None:
                    why = f"no channel {lacks[0]}" if lacks else f"--patient {options.patient!r} does not match"
                    lacking = named[0] if named and some_lack(contrasts, channels) else ""
                    skipped.append(Skipped(f"{images}/{case}", why, tuple(channels.values()), lacking))
                    continue
                wanted = structures.get(case) if options.structures else None
                studies.append(
                    Study(
                        *named,
                        by_channel({name: Image.of(channels[name]) for name in contrasts}),
                        Image.of(channels[options.target]),
                        labels=Image.of(wanted) if wanted else None,
                        split=split if tested else "",
                        aligned=True,
                    )
                )
        return Found(studies, skipped, tree)

    import_studies(find, options, output, report, "nnunet", channels=contrasts)


def _all_channels(tree: Tree, target: str) -> tuple[str, ...]:
    """Every channel of the training images but the target's.

    Raises:
        UsageError: there is none.
    """
    there = {stem(path).rpartition("_")[2] for path in tree.below("imagesTr", ending=SUFFIXES)}
    if not (others := sorted(there - {target})):
        raise UsageError(f"--source all: imagesTr holds no channel beside the target's, {target}")
    return tuple(others)


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


def by_channel(images: Mapping[str, Image]) -> Image | Mapping[str, Image]:
    """The source of a study: its channels by name, or the only one."""
    return images if len(images) > 1 else next(iter(images.values()))


def called(modalities: list[str]) -> Several:
    """Modalities as options hold them."""
    return tuple(modalities) if len(modalities) > 1 else modalities[0]


def some_lack(contrasts: Collection[str], there: Collection[str]) -> bool:
    """Whether some channels of a source are there and others are not."""
    return 0 < len([name for name in contrasts if name in there]) < len(contrasts)


def _require_other(target: str, contrasts: Collection[str]) -> None:
    """A source that shows the target is no translation.

    Raises:
        UsageError: the target is among the source's channels.
    """
    if target in contrasts:
        raise UsageError(f"--target {target} is among the sources; name another")


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

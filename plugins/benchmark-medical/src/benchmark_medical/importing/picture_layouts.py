"""Layouts of pictures and arrays: pairs by name, pix2pix, CycleGAN; and fastMRI's files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmark.data.format.hdf5 import open_read
from benchmark.data.format.schema import MAXIMUM_VOXELS
from benchmark.data.format.self_contained import require_self_contained, require_stored
from benchmark.data.volumes.files import Tree
from benchmark.data.volumes.geometry import CaseFault, Volume
from benchmark.errors import DatasetError, UsageError
from benchmark_medical.importing import options as chosen
from benchmark_medical.importing import pictures
from benchmark_medical.importing.damage import reason, shown
from benchmark_medical.importing.formats import SUFFIXES, stem
from benchmark_medical.importing.layouts import as_both_sides, folder_of, patient_of, tree_of
from benchmark_medical.importing.patterns import matches
from benchmark_medical.importing.studies import Found, Image, Skipped, Study
from benchmark_medical.importing.volumes import Report, import_studies

PLACEHOLDER = "{name}"


def image_pairs(options: chosen.ImagePairsOptions, output: Path, report: Report) -> None:
    """Import pairs of pictures that share a part of their names."""
    folder_of(options)
    patterns = {"source": options.source, "target": options.target, "mask": options.mask}
    for role, pattern in patterns.items():
        if pattern and (PLACEHOLDER not in pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts):
            raise UsageError(f"--{role} {pattern!r}: a path inside the folder with {PLACEHOLDER}, without '..'")
    patient = patient_of(options.patient)

    def find() -> Found:
        tree = tree_of(options)
        found = {role: _named(tree, pattern) for role, pattern in patterns.items() if pattern}
        studies: list[Study] = []
        skipped: list[Skipped] = []
        for name in sorted({name for files in found.values() for name in files}):
            lacks = [role for role, files in found.items() if name not in files]
            named = patient(name)
            if lacks or named is None:
                why = f"no {lacks[0]}" if lacks else f"--patient {options.patient!r} does not match"
                skipped.append(Skipped(name, why, tuple(files[name] for files in found.values() if name in files)))
                continue
            images = {role: Image.of(files[name], options.channel) for role, files in found.items()}
            studies.append(
                Study(*named, images["source"], images["target"], mask=images.get("mask"), aligned=True, whole=True)
            )
        return Found(studies, skipped, tree)

    import_studies(find, options, output, report, "image-pairs")


def pix2pix(options: chosen.Pix2PixOptions, output: Path, report: Report) -> None:
    """Import the folders of pix2pix, combined (A and B side by side) or apart."""
    folder = folder_of(options)
    apart = all((folder / side).is_dir() for side in "AB")
    patient = patient_of(options.patient)
    order = "AB" if options.direction == "AtoB" else "BA"
    where = list(order) if apart else ["", ""]
    splits = {split: split for split in ("train", "val", "test")}
    if not (folder / where[0] / "test").is_dir() and (folder / where[0] / "val").is_dir():
        report("there is no folder test: val is the test set")
        splits = {"train": "train", "val": "test"}

    def find() -> Found:
        tree = tree_of(options)
        studies: list[Study] = []
        skipped: list[Skipped] = []
        for named_split, split in splits.items():
            sources, targets = (_by_name(tree, *filter(None, (side, named_split))) for side in where)
            for name in sorted(sources.keys() | targets.keys()):
                named = patient(name, split)
                if name not in sources or name not in targets or named is None:
                    why = "only on one side" if named else f"--patient {options.patient!r} does not match"
                    skipped.append(Skipped(f"{split}/{name}", why))
                    continue
                halves = ("", "") if apart else tuple("left" if side == "A" else "right" for side in order)
                source, target = (
                    _half(path, half, options.channel)
                    for path, half in zip((sources[name], targets[name]), halves, strict=True)
                )
                studies.append(Study(*named, source, target, split=split, aligned=True, whole=True))
        return Found(studies, skipped, tree)

    import_studies(find, options, output, report, "pix2pix")


def cyclegan(options: chosen.CycleGanOptions, output: Path, report: Report) -> None:
    """Import CycleGAN's folders: training pictures without pairs, test pictures paired by name."""
    folder = folder_of(options)
    missing = [name for name in ("trainA", "trainB", "testA", "testB") if not (folder / name).is_dir()]
    if missing:
        raise UsageError(f"{folder}: no {missing[0]} there")
    patient = patient_of(options.patient)
    domains = {"source": options.direction[0], "target": options.direction[-1]}

    def find() -> Found:
        tree = tree_of(options)
        studies: list[Study] = []
        skipped: list[Skipped] = []
        for role, domain in domains.items():
            for name, path in _by_name(tree, f"train{domain}").items():
                named = patient(name, f"train{domain}")
                if named is None:
                    why = f"--patient {options.patient!r} does not match"
                    skipped.append(Skipped(f"train{domain}/{path.name}", why, (path,)))
                    continue
                image = Image.of(path, options.channel)
                source, target = (image, None) if role == "source" else (None, image)
                studies.append(Study(*named, source, target, split="train", whole=True))
        sources, targets = (_by_name(tree, f"test{domain}") for domain in domains.values())
        for name in sorted(sources.keys() | targets.keys()):
            named = patient(name, "test")
            if name not in sources or name not in targets:
                skipped.append(Skipped(f"test/{name}", "not in both of testA and testB: it could not be scored"))
            elif named is None:
                skipped.append(Skipped(f"test/{name}", f"--patient {options.patient!r} does not match"))
            else:
                pair = [Image.of(side[name], options.channel) for side in (sources, targets)]
                studies.append(Study(*named, pair[0], pair[1], split="test", aligned=True, whole=True))
        return Found(studies, skipped, tree)

    import_studies(find, options, output, report, "cyclegan", paired=False)


def fastmri(options: chosen.FastMriOptions, output: Path, report: Report) -> None:
    """Import fastMRI's reconstructions as clean images; volumes of a patient stay together."""
    folder_of(options)

    def find() -> Found:
        tree = tree_of(options)
        studies: list[Study] = []
        skipped: list[Skipped] = []
        for path in tree.matching("**/*.h5"):
            try:
                patient, acquisition = _fastmri_facts(path)
            except CaseFault as fault:
                skipped.append(Skipped(tree.name(path), str(fault), (path,)))
                continue
            if options.acquisition and acquisition != options.acquisition:
                skipped.append(Skipped(tree.name(path), f"its acquisition is {acquisition or 'not told'}", (path,)))
                continue
            image = Image(path.name, _fastmri_reader(path, options.key), (path,))
            studies.append(Study(patient or path.stem, path.stem, image, image))
        return Found(studies, skipped, tree)

    import_studies(find, as_both_sides(options), output, report, "fastmri")


def _fastmri_facts(path: Path) -> tuple[str, str]:
    try:
        with open_read(path) as file:
            require_self_contained(file, shown(path))
            return str(file.attrs.get("patient_id", "")), str(file.attrs.get("acquisition", ""))
    except DatasetError as error:
        raise CaseFault(str(error)) from None
    except Exception as error:  # whatever a damaged file makes the reader raise
        raise CaseFault(reason(error)) from None


def _fastmri_reader(path: Path, key: str) -> Callable[[], Volume]:
    def read() -> Volume:
        import h5py

        try:
            with open_read(path) as file:
                stored = file.get(key)
                if not isinstance(stored, h5py.Dataset):
                    raise CaseFault(f"{shown(path)}: no {key} in it")
                if stored.ndim != 3 or stored.size > MAXIMUM_VOXELS:
                    raise CaseFault(f"{shown(path)}: {key} of shape {stored.shape} is no stack of slices")
                require_stored(stored, shown(path))
                slices = np.asarray(stored)
        except CaseFault:
            raise
        except Exception as error:  # whatever a damaged file makes the reader raise
            raise CaseFault(f"{shown(path)}: {reason(error)}") from None
        return pictures.of_array(slices, shown(path))

    return read


def _named(tree: Tree, pattern: str) -> dict[str, Path]:
    """Files by what stands for ``{name}`` in their path."""
    files: dict[str, Path] = {}
    for values, path in matches(tree, pattern):
        if (other := files.setdefault(values["name"], path)) is not path:
            raise DatasetError(f"{pattern!r} finds {tree.name(other)} and {tree.name(path)} for {values['name']!r}")
    return files


def _by_name(tree: Tree, *folder: str) -> dict[str, Path]:
    """Pictures and volumes of a folder and its subfolders, by their path in it without the ending."""
    files: dict[str, Path] = {}
    for path in tree.below(*folder, ending=SUFFIXES):
        name = "-".join([*path.parent.relative_to(tree.root.joinpath(*folder)).parts, stem(path)])
        if (other := files.setdefault(name, path)) is not path:
            raise DatasetError(f"{tree.name(other)} and {tree.name(path)} have one name: keep one of them")
    return files


def _half(path: Path, half: str, channel: str) -> Image:
    """One half of a combined picture, or all of it."""

    def read() -> Volume:
        whole = pictures.load(path, channel)
        if not half:
            return whole
        width = whole.data.shape[0]
        if width % 2:
            raise CaseFault(f"{shown(path)}: {width} columns are not two pictures side by side")
        # columns run to the left of the patient: the left half of the picture has the higher indices
        part = whole.data[width // 2 :] if half == "left" else whole.data[: width // 2]
        half_of = pictures.of_array(part[::-1, ::-1].transpose(2, 1, 0)[0], shown(path))
        return replace(half_of, told=whole.told)

    return Image(path.name, read, (path,))

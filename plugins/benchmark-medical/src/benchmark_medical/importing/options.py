"""Options of the importers: light dataclasses that become the command line of ``benchmark data import``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def option(default: Any, text: str, **more: Any) -> Any:
    """A field with its default and its help."""
    return field(default=default, metadata={"help": text, **more})


def required(text: str, **more: Any) -> Any:
    """A field that has to be given."""
    return field(metadata={"help": text, **more})


# without comparison and representation, which nobody asks for: making them is half of what importing this costs
@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SplitOptions:
    """Which patients train, and which are tested."""

    split: str = option("0.6:0.1:0.3", "shares of patients for training, validation and test; 0:0:1 is a test set")
    seed: int = option(0, "seed of the split")
    split_file: Path | None = field(
        default=None, metadata={"help": "instead of shares: a CSV with columns patient and split"}
    )
    folds: int = option(0, "instead of shares: deal patients out to this many folds; one file is made per --fold")
    fold: int = option(0, "the fold that is tested, from 0; of the others the second share of --split validates")
    licence: str = option("", "licence of the data, stored in the file")
    citation: str = option("", "what to cite, stored in the file")
    mirror_safe: bool = option(
        False, "left and right may be exchanged in training: a head or a limb, not a trunk with its organs"
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ScanOptions(SplitOptions):
    """What holds for volumes, however they lie on disk."""

    folder: Path | None = field(default=None, metadata={"help": "folder of the scans", "positional": True})
    task: str = required("task that the data are for, e.g. mr-ct")
    source_modality: str | tuple[str, ...] = option(
        "", "as it should be called in tables; default: what the layout or the task says", repeated=True
    )
    target_modality: str = option("", "the same")
    source_unit: str | tuple[str, ...] = option(
        "", "HU, SUV, a.u. or another; default: the task's, else what the modality is measured in", repeated=True
    )
    target_unit: str = option("", "the same")
    source_window: str | tuple[str, ...] = option(
        "auto", "--source-window=LOW:HIGH in the unit, LOW%:HIGH% of training patients, or auto", repeated=True
    )
    target_window: str = option("auto", "as for the source; auto: HU -1024:2000, SUV 0:10, else 0.5%:99.5%")
    axis: str = option("axial", "direction of slicing", choices=("axial", "coronal", "sagittal"))
    size: int = option(256, "pixels per side; slices are padded to a square, then resampled")
    spacing: float = option(
        0.0, "mm per pixel, the same for all patients; default: whatever makes a slice fill --size pixels"
    )
    own_pixels: bool = option(
        False, "keep the target's own pixels and pad to --size: values come back from 'data export' to the last bit"
    )
    min_body: float = option(
        0.02, "slices whose region fills less than this share are dropped at the ends, and unused between them"
    )
    exclude: tuple[str, ...] = option((), "patients to leave out, by name; several with commas between them")
    follow_links: bool = option(False, "read also what lies behind links that lead out of the folder")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NiftiPairsOptions(ScanOptions):
    """Pairs of volumes, in a folder or listed in a manifest."""

    folder: Path | None = field(
        default=None, metadata={"help": "folder with one subfolder per patient, or a flat one", "positional": True}
    )
    manifest: Path | None = field(
        default=None,
        metadata={
            "help": "instead of a folder: a CSV with columns patient, source, target and, if wanted, study, mask, "
            "labels, split"
        },
    )
    source: str | tuple[str, ...] = option(
        "",
        "source file: a pattern inside a patient's folder, or a path such as {date}/{patient}/mr.nii.gz; {patient} and "
        "{site} say whose it is, other words in braces which study; given again for each further channel, as "
        "NAME=PATTERN",
        repeated=True,
    )
    target: str = option("", "target file, in the same way")
    mask: str = option("", "region file on the target's grid, in the same way; default: made from the images")
    labels: str = option("", "file with structures on the target's grid, in the same way; 0 is none")
    any_grid: bool = option(
        False, "channels of a source may lie on grids of their own: the scanner's coordinates alone align them"
    )
    clean: bool = option(
        False, "there is no source: the target becomes both sides, to be degraded by 'benchmark data degrade'"
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SynthRad2023Options(ScanOptions):
    """Task1/{brain,pelvis}/ID/{mr,ct,mask}.nii.gz, Task2 with cbct in place of mr."""

    folder: Path | None = field(
        default=None, metadata={"help": "Task1 or Task2, or one of its regions", "positional": True}
    )
    task: str = option("mr-ct", "task that the data are for; of CBCT it is called cbct-ct")
    source: str | tuple[str, ...] = option(
        "mr", "mr of Task1, or cbct of Task2; both, where patients have both", choices=("mr", "cbct"), repeated=True
    )
    source_modality: str | tuple[str, ...] = option(
        "", "as it should be called in tables; default: MR or CBCT", repeated=True
    )
    target_modality: str = option("CT", "as it should be called in tables")
    target_unit: str = option("HU", "as CT has it")
    region: str = option("", "brain or pelvis; default: all that are there")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SynthRad2025Options(ScanOptions):
    """Task1/{HN,AB,TH}/ID/{mr,ct,mask}.mha, Task2 with cbct in place of mr."""

    folder: Path | None = field(
        default=None, metadata={"help": "Task1 or Task2, or one of its regions", "positional": True}
    )
    task: str = option("mr-ct", "task that the data are for; of CBCT it is called cbct-ct")
    source: str | tuple[str, ...] = option(
        "mr", "mr of Task1, or cbct of Task2; both, where patients have both", choices=("mr", "cbct"), repeated=True
    )
    target: str = option("ct", "ct, or ct_def: the CT deformed onto the source", choices=("ct", "ct_def"))
    source_modality: str | tuple[str, ...] = option(
        "", "as it should be called in tables; default: MR or CBCT", repeated=True
    )
    target_modality: str = option("CT", "as it should be called in tables")
    target_unit: str = option("HU", "as CT has it")
    region: str = option("", "HN, AB or TH; default: all that are there")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AutoPetOptions(ScanOptions):
    """PATIENT/STUDY/{SUV,CTres,SEG}.nii.gz, as autoPET and FDG-PET-CT-Lesions have it."""

    task: str = option("pet-ct", "task that the data are for")
    source_modality: str = option("FDG-PET", "as it should be called in tables")
    source_unit: str = option("SUV", "unit of SUV.nii.gz")
    target_modality: str = option("CT", "as it should be called in tables")
    target_unit: str = option("HU", "unit of CTres.nii.gz")
    lesions: bool = option(True, "take SEG.nii.gz along as labels")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BratsOptions(ScanOptions):
    """BraTS: BraTS-GLI-00000-000/BraTS-GLI-00000-000-t1n.nii.gz and older names."""

    task: str = required("task that the data are for")
    source: str | tuple[str, ...] = option(
        "t1n", "t1n, t1c, t2w or t2f; older sets: t1, t1ce, t2 or flair; given again for each channel", repeated=True
    )
    target: str = option("t2w", "the same, once")
    source_modality: str | tuple[str, ...] = option(
        "", "as it should be called in tables; default: its name in BraTS", repeated=True
    )
    target_modality: str = option("", "the same")
    source_unit: str | tuple[str, ...] = option("a.u.", "the same as of the target", repeated=True)
    target_unit: str = option("a.u.", "BraTS has no unit")
    tumour: bool = option(True, "take the segmentation along as labels")
    mirror_safe: bool = option(True, "left and right may be exchanged in training")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class IxiOptions(ScanOptions):
    """IXI: folders IXI-T1, IXI-T2, IXI-PD with IXI002-Guys-0828-T1.nii.gz."""

    task: str = required("task that the data are for")
    source: str | tuple[str, ...] = option("T1", "T1, T2, PD or MRA; given again for each channel", repeated=True)
    target: str = option("T2", "the same, once")
    source_modality: str | tuple[str, ...] = option(
        "", "as it should be called in tables; default: MR and the name in IXI", repeated=True
    )
    target_modality: str = option("", "the same")
    source_unit: str | tuple[str, ...] = option("a.u.", "the same as of the target", repeated=True)
    target_unit: str = option("a.u.", "IXI has no unit")
    mirror_safe: bool = option(True, "left and right may be exchanged in training")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NnunetOptions(ScanOptions):
    """nnU-Net raw: imagesTr/CASE_0000.nii.gz, labelsTr/CASE.nii.gz, imagesTs as test set."""

    task: str = required("task that the data are for")
    source: str | tuple[str, ...] = option(
        "0000", "channel of the source; given again for each, or all: every channel but the target's", repeated=True
    )
    target: str = option("0001", "channel of the target")
    patient: str = option("", "regular expression whose group is the patient in a case's name; default: the whole name")
    structures: bool = option(True, "take labelsTr and labelsTs along as labels")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NnsynOptions(ScanOptions):
    """nnsyn: INPUT_IMAGES/, TARGET_IMAGES/, MASKS/ and, if there, LABELS/, with the same case names."""

    task: str = required("task that the data are for")
    patient: str = option("", "regular expression whose group is the patient in a case's name; default: the whole name")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DicomPairsOptions(ScanOptions):
    """Pairs of DICOM series of the same patient and study, wherever their files lie below the folder."""

    folder: Path | None = field(default=None, metadata={"help": "folder with DICOM files", "positional": True})
    source: str | tuple[str, ...] = option(
        "",
        "series of the source: MODALITY or MODALITY/REGEX of its description, e.g. PT/AC; given again for each "
        "channel, as NAME=MODALITY/REGEX",
        repeated=True,
    )
    target: str = required("series of the target, in the same way, e.g. CT")
    source_modality: str | tuple[str, ...] = option(
        "", "as it should be called in tables; default: the DICOM modality", repeated=True
    )
    source_unit: str | tuple[str, ...] = option("", "default: HU for CT, SUV for PT, else a.u.", repeated=True)
    clean: bool = option(
        False, "there is no source: the target becomes both sides, to be degraded by 'benchmark data degrade'"
    )
    across_studies: bool = option(False, "pair series of a patient's different studies, if there is one of each")
    any_frame: bool = option(
        False, "pair series of different frames of reference: the scanners' coordinates alone align them"
    )
    keep_ids: bool = option(
        False, "keep patient ids of files that do not say that they were de-identified; else they are hashed"
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LdctOptions(ScanOptions):
    """LDCT-and-Projection-data: PATIENT/STUDY/1.000000-Low Dose Images-00959/*.dcm and Full Dose Images."""

    folder: Path | None = field(
        default=None, metadata={"help": "folder with C121, L004, N012 and so on", "positional": True}
    )
    task: str = option("ldct", "task that the data are for")
    part: str = option("", "C chest, L liver or N head; default: all that are there")
    source_modality: str = option("low-dose CT", "as it should be called in tables")
    source_unit: str = option("HU", "as CT has it")
    target_modality: str = option("CT", "as it should be called in tables")
    target_unit: str = option("HU", "as CT has it")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FastMriOptions(ScanOptions):
    """fastMRI: file*.h5 with reconstruction_rss; clean images, which are both sides."""

    folder: Path | None = field(default=None, metadata={"help": "folder with the .h5 files", "positional": True})
    task: str = option("mr-motion", "task that the data are for")
    source_modality: str = option("MR", "as it should be called in tables")
    target_modality: str = option("MR", "as it should be called in tables")
    source_unit: str = option("a.u.", "the same as of the target")
    target_unit: str = option("a.u.", "fastMRI has no unit")
    acquisition: str = option("", "only this contrast, as the files call it, e.g. AXT2; default: all")
    key: str = option("reconstruction_rss", "data set inside the files, (slices, rows, columns)")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PictureOptions(ScanOptions):
    """What holds for pictures: PNG (8 and 16 bit), TIFF, JPEG, and NPY arrays."""

    channel: str = option("", "of colour pictures", choices=("red", "green", "blue", "luma", "index"))
    min_body: float = option(0.0, "pictures whose region fills less than this share are dropped")
    patient: str = option(
        "", "regular expression whose group is the patient in a picture's name; default: every picture is a patient"
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ImagePairsOptions(PictureOptions):
    """Pairs of pictures or arrays by their names."""

    folder: Path | None = field(default=None, metadata={"help": "folder of the pictures", "positional": True})
    source: str = required("source file inside the folder, with {name} for what pairs share, e.g. masks/{name}.png")
    target: str = required("target file, in the same way")
    mask: str = option("", "region, in the same way; default: the whole picture")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Pix2PixOptions(PictureOptions):
    """pix2pix: {train,val,test}/*.png with A and B side by side, or A/train and B/train with the same names."""

    folder: Path | None = field(default=None, metadata={"help": "folder of the data set", "positional": True})
    direction: str = option("AtoB", "which half is the source", choices=("AtoB", "BtoA"))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CycleGanOptions(PictureOptions):
    """CycleGAN: trainA, trainB (not paired), testA, testB (paired by name)."""

    folder: Path | None = field(default=None, metadata={"help": "folder of the data set", "positional": True})
    direction: str = option("AtoB", "which domain is the source", choices=("AtoB", "BtoA"))

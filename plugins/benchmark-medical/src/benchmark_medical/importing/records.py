"""The light records of the importers, and of what they read that others may want."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.contracts.specs import ImporterSpec, ReaderSpec
from benchmark_medical.importing import options

ITK = ReaderSpec(
    "itk",
    "benchmark_medical.importing.formats:load",
    endings=(".mha", ".mhd", ".nrrd", ".nhdr"),
    beside=(".raw", ".zraw", ".raw.gz", ".img"),
    summary="MetaImage and NRRD, the formats of SynthRAD and of 3D Slicer, read by SimpleITK.",
)

VOLUMES: dict[str, tuple[type, str]] = {
    "nifti-pairs": (
        options.NiftiPairsOptions,
        "pairs of volumes (NIfTI, MHA, NRRD): a folder per patient, a flat folder, or a CSV manifest",
    ),
    "synthrad2023": (options.SynthRad2023Options, "SynthRAD2023: MR or CBCT to CT, brain and pelvis"),
    "synthrad2025": (options.SynthRad2025Options, "SynthRAD2025: MR or CBCT to CT, head and neck, abdomen, thorax"),
    "autopet": (options.AutoPetOptions, "autoPET, FDG-PET-CT-Lesions: SUV to the CT on its grid, lesions as labels"),
    "brats": (options.BratsOptions, "BraTS: two of its contrasts, tumour as labels"),
    "ixi": (options.IxiOptions, "IXI: two of its contrasts"),
    "nnunet": (options.NnunetOptions, "nnU-Net raw: two channels, imagesTs as test set"),
    "nnsyn": (options.NnsynOptions, "nnsyn: INPUT_IMAGES, TARGET_IMAGES, MASKS"),
}
DICOM: dict[str, tuple[type, str]] = {
    "dicom-pairs": (options.DicomPairsOptions, "pairs of DICOM series of a study, in HU, SUV or as stored"),
    "ldct-projection": (options.LdctOptions, "LDCT-and-Projection-data (DICOM): low-dose and full-dose images"),
}
PICTURES: dict[str, tuple[type, str]] = {
    "image-pairs": (options.ImagePairsOptions, "pairs of PNG, TIFF, JPEG or NPY files by name"),
    "pix2pix": (options.Pix2PixOptions, "pix2pix folders: A and B side by side in a picture, or in two folders"),
    "cyclegan": (options.CycleGanOptions, "CycleGAN folders: trainA, trainB (not paired), testA, testB"),
    "fastmri": (options.FastMriOptions, "fastMRI: reconstructions as clean images"),
}
MODULES = {"layouts": VOLUMES, "dicom_layouts": DICOM, "picture_layouts": PICTURES}


def every() -> Iterator[ImporterSpec]:
    """All of them."""
    for module, layouts in MODULES.items():
        for name, (chosen, summary) in layouts.items():
            function = name.replace("-", "_")
            yield ImporterSpec(
                name, f"benchmark_medical.importing.{module}:{function}", summary=summary, options=chosen
            )

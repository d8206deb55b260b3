"""The light records of the importers."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.specs import ImporterSpec
from benchmark_medical.importing import options

LAYOUTS: tuple[tuple[str, type, str], ...] = (
    (
        "nifti-pairs",
        options.NiftiPairsOptions,
        "pairs of volumes (NIfTI, MHA, NRRD): a folder per patient, a flat folder, or a CSV manifest",
    ),
    ("synthrad2023", options.SynthRad2023Options, "SynthRAD2023: MR or CBCT to CT, brain and pelvis"),
    ("synthrad2025", options.SynthRad2025Options, "SynthRAD2025: MR or CBCT to CT, head and neck, abdomen, thorax"),
    (
        "autopet",
        options.AutoPetOptions,
        "autoPET, FDG-PET-CT-Lesions: SUV to the CT on its grid, lesions as labels",
    ),
    ("brats", options.BratsOptions, "BraTS: two of its contrasts, tumour as labels"),
    ("ixi", options.IxiOptions, "IXI: two of its contrasts"),
    ("nnunet", options.NnunetOptions, "nnU-Net raw: two channels, imagesTs as test set"),
    ("nnsyn", options.NnsynOptions, "nnsyn: INPUT_IMAGES, TARGET_IMAGES, MASKS"),
)


def every() -> Iterator[ImporterSpec]:
    """All of them."""
    for name, chosen, summary in LAYOUTS:
        module = "benchmark_medical.importing.layouts"
        yield ImporterSpec(name, f"{module}:{name.replace('-', '_')}", summary=summary, options=chosen)

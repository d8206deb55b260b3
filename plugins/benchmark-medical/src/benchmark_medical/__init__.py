"""Medical tasks with embedded, simulated data, and importers of real scans.

Only records are here; anatomy, simulators and importers are loaded when data are built or imported.
"""

from __future__ import annotations

from collections.abc import Iterable

from benchmark import DegraderSpec, DownstreamSpec, ImporterSpec, ReaderSpec, TaskSpec, hookimpl
from benchmark_medical.downstream import records as measure_records
from benchmark_medical.importing import records as importer_records
from benchmark_medical.options import (
    FilamentOptions,
    LdctOptions,
    LowCountOptions,
    LowDoseOptions,
    MrCtOptions,
    MrMotionOptions,
    PetCtOptions,
    PetDenoiseOptions,
    ScanMotionOptions,
)

__version__ = "0.1.0"

benchmark_api = 1


@hookimpl
def benchmark_tasks() -> Iterable[TaskSpec]:
    """The tasks; each factory builds the task's embedded data set."""
    yield TaskSpec(
        "pet-ct",
        "benchmark_medical.tasks:build_pet_ct",
        summary="FDG-PET of the head to CT",
        options=PetCtOptions,
        mirror_safe=True,
        source_modality="FDG-PET",
        target_modality="CT",
        source_unit="SUV",
        target_unit="HU",
        data_version="3",
        profile="default",
    )
    yield TaskSpec(
        "pet-denoise",
        "benchmark_medical.tasks:build_pet_denoise",
        summary="low-count to full-count FDG-PET of the torso",
        options=PetDenoiseOptions,
        source_modality="low-count FDG-PET",
        target_modality="FDG-PET",
        source_unit="SUV",
        target_unit="SUV",
        data_version="3",
        profile="default",
    )
    yield TaskSpec(
        "mr-motion",
        "benchmark_medical.tasks:build_mr_motion",
        summary="motion-corrupted to motion-free T1-weighted MR of the head",
        options=MrMotionOptions,
        mirror_safe=True,
        source_modality="MR T1 with motion",
        target_modality="MR T1",
        source_unit="a.u.",
        target_unit="a.u.",
        data_version="2",
        profile="default",
    )
    yield TaskSpec(
        "mr-ct",
        "benchmark_medical.tasks:build_mr_ct",
        summary="T1-weighted MR of the head to CT",
        options=MrCtOptions,
        mirror_safe=True,
        source_modality="MR T1",
        target_modality="CT",
        source_unit="a.u.",
        target_unit="HU",
        data_version="2",
        profile="default",
    )
    yield TaskSpec(
        "ldct",
        "benchmark_medical.low_dose_ct:build",
        summary="low-dose to full-dose CT of the torso",
        options=LdctOptions,
        source_modality="low-dose CT",
        target_modality="CT",
        source_unit="HU",
        target_unit="HU",
        profile="default",
    )
    yield TaskSpec(
        "filaments",
        "benchmark_medical.filaments.builder:build",
        summary="mask of vessels or of a neuron to a photograph of it (one channel)",
        options=FilamentOptions,
        mirror_safe=True,
        source_modality="filament mask",
        target_modality="photograph",
        source_unit="mask",
        target_unit="a.u.",
        profile="default",
    )


@hookimpl
def benchmark_downstream() -> Iterable[DownstreamSpec]:
    """The downstream evaluations, asked wherever their units fit."""
    yield from measure_records.every()


@hookimpl
def benchmark_importers() -> Iterable[ImporterSpec]:
    """The importers of real scans."""
    yield from importer_records.every()


@hookimpl
def benchmark_readers() -> Iterable[ReaderSpec]:
    """What importers read beside NIfTI and NumPy and predictions may be handed in as."""
    yield importer_records.ITK


@hookimpl
def benchmark_degraders() -> Iterable[DegraderSpec]:
    """The simulators that act on imported clean images."""
    yield DegraderSpec(
        "motion",
        "benchmark_medical.degrading:Motion",
        summary="rigid motion during the acquisition of a magnitude MR",
        options=ScanMotionOptions,
        task="mr-motion",
        unit="a.u.",
        suffix="with simulated motion",
    )
    yield DegraderSpec(
        "low-counts",
        "benchmark_medical.degrading:LowCounts",
        summary="a share of the counts behind a PET",
        options=LowCountOptions,
        task="pet-denoise",
        unit="SUV",
        suffix="with simulated low counts",
    )
    yield DegraderSpec(
        "low-dose",
        "benchmark_medical.degrading:LowDose",
        summary="a share of the photons behind a CT",
        options=LowDoseOptions,
        task="ldct",
        unit="HU",
        suffix="with simulated low dose",
    )

"""Records of the downstream evaluations; what computes them is imported when something is measured."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.contracts.specs import DownstreamColumn, DownstreamSpec

_HERE = "benchmark_medical.downstream"


def every() -> Iterator[DownstreamSpec]:
    """All of them. Units decide where they are asked, so that tasks of others are measured too."""
    yield DownstreamSpec(
        "attenuation-correction",
        f"{_HERE}.attenuation:AttenuationCorrection",
        source_units=("SUV",),
        target_units=("HU",),
        values=(
            DownstreamColumn("error", "PET error", unit="%", higher_is_better=False, digits=2),
            DownstreamColumn("bias", "PET bias", unit="%", higher_is_better=None, digits=2),
        ),
        summary="the PET corrected with the synthetic CT's attenuation map, against the true CT's; in percent of the "
        "body's uptake",
        source="Ladefoged et al., NeuroImage 2017, 147:346 (measures); STIR ct_slopes.json (HU to 511 keV)",
    )
    yield DownstreamSpec(
        "ct-tissues",
        f"{_HERE}.ct_tissues:CtTissues",
        target_units=("HU",),
        values=(
            *(
                DownstreamColumn(f"mae-{name}", f"MAE {name}", unit="HU", higher_is_better=False, digits=1)
                for name in ("air", "soft", "bone")
            ),
            *(DownstreamColumn(f"dice-{name}", f"Dice {name}", higher_is_better=True) for name in ("air", "bone")),
        ),
        summary="tissues by thresholds of the true CT inside the body (air below -400 HU, bone from 200 HU)",
    )
    yield DownstreamSpec(
        "pet-lesions",
        f"{_HERE}.pet_lesions:PetLesions",
        source_units=("SUV",),
        target_units=("SUV",),
        values=(
            DownstreamColumn("suv-mean-error", "SUVmean error", unit="%", higher_is_better=False, digits=2),
            DownstreamColumn("suv-max-error", "SUVmax error", unit="%", higher_is_better=False, digits=2),
            DownstreamColumn("contrast-recovery", "contrast recovery", unit="%", higher_is_better=True, digits=1),
        ),
        summary="lesion by lesion against the target, which has noise of its own; contrast to the tissue around",
    )
    yield DownstreamSpec(
        "pet-liver",
        f"{_HERE}.pet_lesions:PetLiver",
        source_units=("SUV",),
        target_units=("SUV",),
        values=(
            DownstreamColumn("bias", "liver bias", unit="%", higher_is_better=None, digits=2),
            DownstreamColumn("noise", "liver noise", unit="%", higher_is_better=None, digits=2),
        ),
        summary="mean uptake of the liver against the target's, and its coefficient of variation; little noise is "
        "worth something only where contrast is recovered",
    )
    yield DownstreamSpec(
        "brain-tissues",
        f"{_HERE}.brain:BrainTissues",
        source_units=("a.u.",),
        target_units=("a.u.",),
        values=tuple(
            DownstreamColumn(f"dice-{name}", f"Dice {text}", higher_is_better=True)
            for name, text in (("mean", "brain"), ("grey", "grey"), ("white", "white"), ("csf", "CSF"))
        ),
        summary="grey matter, white matter and CSF found by a classifier that was fitted to the patient's true image",
    )
    yield DownstreamSpec(
        "edges",
        f"{_HERE}.brain:Edges",
        source_units=("a.u.",),
        target_units=("a.u.",),
        values=(DownstreamColumn("sharpness", "edge sharpness", higher_is_better=True),),
        summary="steepness of the target's own edges in the translation, 1 where it equals the target's",
    )
    yield DownstreamSpec(
        "taught-segmenter",
        f"{_HERE}.filaments:TaughtSegmenter",
        level="split",
        source_units=("mask",),
        values=tuple(
            DownstreamColumn(name.lower(), name, higher_is_better=True) for name in ("F1", "precision", "recall")
        ),
        summary="a segmenter trained on the made photographs of half the patients, tested on the real ones of the "
        "other half; (target itself): trained on real ones",
        source="Zhao et al., Med. Image Anal. 2018, 49:14 (Fila-sGAN), its test of synthetic pairs",
    )
    yield DownstreamSpec(
        "noise-power",
        f"{_HERE}.ct_noise:NoisePower",
        source_units=("HU",),
        target_units=("HU",),
        values=(
            DownstreamColumn("noise", "noise", unit="HU", higher_is_better=None, digits=1),
            DownstreamColumn("frequency", "noise frequency", unit="1/cm", higher_is_better=None, digits=2),
        ),
        summary="standard deviation and mean frequency of the noise power spectrum in even soft tissue; less noise of "
        "a lower frequency than the target's is blur",
    )
    yield DownstreamSpec(
        "low-contrast",
        f"{_HERE}.ct_noise:LowContrast",
        source_units=("HU",),
        target_units=("HU",),
        values=(DownstreamColumn("detectability", "detectability d'", higher_is_better=True, digits=2),),
        summary="a model observer (non-prewhitening) tells planted low-contrast discs from places without one",
        source="ICRU Report 54, 1996",
    )

"""The profiles: one of our own, and one for each published evaluation that is copied.

A published evaluation is copied with its quirks, so that its numbers can be compared; ``docs/profiles.md`` says
for each what they are and where they were read.
"""

from __future__ import annotations

from benchmark.contracts.specs import MetricUse, ProfileSpec

UNIFORM = {"window": "uniform", "covariance": "sample"}
"""SSIM with scikit-image's defaults: 7 equal taps, N - 1."""
HU_WINDOWS = {"": (-150.0, 249.0), "-chest": (-1350.0, 149.0), "-neuro": (0.0, 79.0)}
"""By exam, what a window of centre 50, -600 or 40 and width 400, 1500 or 80 HU shows (DICOM PS3.3 C.11.2.1.2)."""


def own() -> list[ProfileSpec]:
    """What the benchmark's tasks are scored with unless a grid says otherwise."""
    return [
        ProfileSpec(
            "default",
            1,
            (
                *(MetricUse(name, clip=False) for name in ("mae", "bias", "rmse", "mse", "nmse")),
                MetricUse("psnr"),
                *(MetricUse(name, outside="low") for name in ("ssim", "uqi", "vif-p")),
                *(MetricUse(name, clip=False) for name in ("pcc", "nmi", "edge-sharpness", "through-plane")),
                MetricUse("embedded-distance", outside="low"),
                MetricUse("lpips", outside="low"),
            ),
            primary="psnr",
            ranked_by=("psnr", "mae", "ssim"),
            summary="Errors in the target's unit inside the region; similarities over the data set's window.",
        ),
        ProfileSpec(
            "medgan-8bit",
            1,
            tuple(MetricUse(name, scale="0..255") for name in ("ssim", "psnr", "mse", "vif-p", "uqi", "lpips")),
            primary="ssim",
            summary="MedGAN's measures of 2-D slices, the window scaled to 0..255, the whole slice counted.",
            region="image",
            source="Armanious et al., MedGAN, Comput. Med. Imaging Graph. 2020 (arXiv 1806.06397)",
        ),
    ]


def synthrad() -> list[ProfileSpec]:
    """The SynthRAD challenges: synthetic CT inside the body mask, study by study."""

    def profile(
        name: str, data_range: tuple[float, float], more: tuple[MetricUse, ...], summary: str, source: str
    ) -> ProfileSpec:
        volumes = (MetricUse("mae", dimension="volume", clip=False), MetricUse("psnr", dimension="volume"))
        return ProfileSpec(
            name,
            1,
            (*volumes, *more),
            primary="mae",
            data_range=data_range,
            needs_mask=True,
            averaging="slice, study, patient, cohort",
            units=("HU",),
            summary=summary,
            source=source,
        )

    of_2025 = (
        MetricUse("ms-ssim-synthrad2025", outside="low"),
        MetricUse("dice", options={"present": "target"}),
        MetricUse("hd95-synthrad2025"),
    )
    return [
        profile(
            "synthrad2023",
            (-1024.0, 3000.0),
            (MetricUse("ssim", dimension="volume", outside="low", options=UNIFORM),),
            summary="SynthRAD2023: MAE, PSNR and SSIM of volumes, range -1024..3000 HU.",
            source="SynthRAD2023/metrics 3200007",
        ),
        profile(
            "synthrad2025-metrics",
            (-1024.0, 3000.0),
            of_2025,
            summary="SynthRAD2025's metrics repository: as its scoring container, but range -1024..3000 HU.",
            source="SynthRAD2025/metrics 0beef65",
        ),
        profile(
            "synthrad2025-eval",
            (-1024.0, 3071.0),
            of_2025,
            summary="SynthRAD2025's scoring container: MAE, PSNR, MS-SSIM, Dice, HD95; range -1024..3071 HU.",
            source="SynthRAD2025/evaluation 17cac47",
        ),
    ]


def magnetic_resonance() -> list[ProfileSpec]:
    """fastMRI and BraTS local inpainting: magnitude images, whose range is the study's own."""
    return [
        ProfileSpec(
            "fastmri",
            1,
            (
                MetricUse("nmse", dimension="volume", clip=False),
                MetricUse("psnr", dimension="volume", clip=False),
                MetricUse("ssim", clip=False, options=UNIFORM),
                MetricUse("mse", dimension="volume", clip=False),
            ),
            primary="ssim",
            ranked_by=("ssim", "psnr", "nmse"),
            summary="fastMRI: NMSE, PSNR, SSIM of studies, the peak being the largest value of the target.",
            data_range="target-maximum",
            region="image",
            crop="square",
            averaging="slice, study, patient, cohort",
            units=("a.u.",),
            source="facebookresearch/fastMRI 91f2df4, evaluate.py",
        ),
        ProfileSpec(
            "brats-inpainting",
            1,
            (
                MetricUse("ssim-sagittal", scale="0..1"),
                MetricUse("psnr", dimension="volume", scale="0..1"),
                MetricUse("psnr-target-range", scale="0..1"),
                MetricUse("mse", dimension="volume", scale="0..1"),
                MetricUse("rmse", dimension="volume", scale="0..1"),
                MetricUse("mae", dimension="volume", scale="0..1"),
                MetricUse("msle", dimension="volume", scale="0..1"),
            ),
            primary="ssim-sagittal",
            ranked_by=("ssim-sagittal", "psnr", "mse"),
            summary="BraTS local inpainting: inside the mask, scaled by percentiles of the source to 0..1.",
            data_range="source-percentiles",
            percentiles=(0.5, 99.5),
            needs_mask=True,
            averaging="slice, study, patient, cohort",
            units=("a.u.",),
            source="inpainting 0.0.12 (BraTS local synthesis)",
        ),
    ]


def low_dose_ct() -> list[ProfileSpec]:
    """LDCT-bench, by exam: abdomen, chest, head."""
    exams = {"": "abdomen", "-chest": "chest", "-neuro": "head"}
    return [
        ProfileSpec(
            f"ldct-bench{suffix}",
            1,
            (
                MetricUse("ssim", data_range=window, scale="0..1", options=UNIFORM),
                MetricUse("psnr", data_range=window, scale="0..1"),
                MetricUse("rmse"),
                MetricUse("vif-p-ldct-bench", scale="from-low"),
            ),
            primary="ssim",
            summary=f"LDCT-bench, {exams[suffix]}: SSIM and PSNR in {window[0]:g}..{window[1]:g} HU, RMSE and VIF-P.",
            data_range=(-1024.0, 1900.0),
            region="image",
            units=("HU",),
            source="eeulig/ldct-benchmark 09b1011; Eulig et al., arXiv 2401.04661",
        )
        for suffix, window in HU_WINDOWS.items()
    ]


def every() -> list[ProfileSpec]:
    """All of them."""
    return [*own(), *synthrad(), *magnetic_resonance(), *low_dose_ct()]

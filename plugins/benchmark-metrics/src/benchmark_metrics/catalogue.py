"""What each metric that compares image with image is: direction, unit, bounds, source. Records only."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.contracts.specs import MetricSpec
from benchmark_metrics import options

INFINITY = float("inf")


def image_metrics() -> Iterator[MetricSpec]:
    """All of them, in the order in which listings show them."""
    yield from _pointwise()
    yield from _similarities()
    yield from _dependences()
    yield from _edges()
    yield from _between_slices()
    yield from _structures()
    yield from _inpainting()
    yield from _low_dose()


def _pointwise() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "mae",
        "benchmark_metrics.pointwise:MAE",
        label="MAE",
        summary="Mean absolute error over the region.",
        higher_is_better=False,
        unit="target",
        bounds=(0.0, INFINITY),
    )
    yield MetricSpec(
        "rmse",
        "benchmark_metrics.pointwise:RMSE",
        label="RMSE",
        summary="Root mean square error over the region.",
        higher_is_better=False,
        unit="target",
        bounds=(0.0, INFINITY),
    )
    yield MetricSpec(
        "mse",
        "benchmark_metrics.pointwise:MSE",
        label="MSE",
        summary="Mean square error over the region.",
        higher_is_better=False,
        unit="target^2",
        bounds=(0.0, INFINITY),
    )
    yield MetricSpec(
        "bias",
        "benchmark_metrics.pointwise:Bias",
        label="bias",
        summary="Mean error over the region, prediction minus target; 0 is best.",
        higher_is_better=None,
        unit="target",
    )
    yield MetricSpec(
        "nmse",
        "benchmark_metrics.pointwise:NMSE",
        label="NMSE",
        summary="Square error over the region, relative to the energy of the target.",
        higher_is_better=False,
        bounds=(0.0, INFINITY),
        digits=4,
    )
    yield MetricSpec(
        "nrmse",
        "benchmark_metrics.pointwise:NRMSE",
        label="NRMSE",
        summary="Root mean square error over the region, relative to the size of the target.",
        higher_is_better=False,
        bounds=(0.0, INFINITY),
        digits=4,
        options=options.NrmseOptions,
    )
    yield MetricSpec(
        "psnr",
        "benchmark_metrics.pointwise:PSNR",
        label="PSNR",
        summary="Peak signal-to-noise ratio of each slice; the peak is the width of the profile's range.",
        higher_is_better=True,
        unit="dB",
        digits=2,
    )
    yield MetricSpec(
        "psnr-pooled",
        "benchmark_metrics.pointwise:PooledPSNR",
        label="PSNR (pooled)",
        summary="Peak signal-to-noise ratio of the square error of all voxels of a study together.",
        higher_is_better=True,
        level="volume",
        unit="dB",
        digits=2,
    )


def _similarities() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "ssim",
        "benchmark_metrics.ssim:SSIM",
        label="SSIM",
        summary="Structural similarity, 11x11 Gaussian window, windows fully inside.",
        higher_is_better=True,
        bounds=(-1.0, 1.0),
        options=options.SsimOptions,
        source="Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004",
    )
    yield MetricSpec(
        "ms-ssim",
        "benchmark_metrics.ms_ssim:MSSSIM",
        label="MS-SSIM",
        summary="Structural similarity at five scales, luminance at the coarsest.",
        higher_is_better=True,
        bounds=(0.0, 1.0),
        options=options.MsSsimOptions,
        source="Wang, Simoncelli, Bovik, Asilomar 2003",
    )
    yield MetricSpec(
        "ms-ssim-synthrad2025",
        "benchmark_metrics.ms_ssim_synthrad:SynthradMSSSIM",
        label="MS-SSIM (SynthRAD2025)",
        summary="MS-SSIM of volumes as the SynthRAD2025 challenge computed it; not Wang's index.",
        higher_is_better=True,
        level="volume",
        bounds=(0.0, 1.0),
        options=options.SynthradMsSsimOptions,
        source="SynthRAD2025/evaluation 17cac47",
    )
    yield MetricSpec(
        "uqi",
        "benchmark_metrics.uqi:UQI",
        label="UQI",
        summary="Universal quality index, 8x8 blocks at stride 1.",
        higher_is_better=True,
        bounds=(-1.0, 1.0),
        source="Wang, Bovik, IEEE Signal Processing Letters 2002",
    )
    yield MetricSpec(
        "vif-p",
        "benchmark_metrics.vif:VIFP",
        label="VIF-P",
        summary="Visual information fidelity in the pixel domain, on a 0..255 scale.",
        higher_is_better=True,
        bounds=(0.0, INFINITY),
        options=options.VifOptions,
        source="Sheikh, Bovik, IEEE TIP 2006",
    )


def _low_dose() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "vif-p-ldct-bench",
        "benchmark_metrics.ldct_bench:SwappedVIFP",
        label="VIF-P (LDCT-bench)",
        summary="VIF-P as LDCT-bench computes it: the prediction as reference, values not brought to 0..255.",
        higher_is_better=True,
        bounds=(0.0, INFINITY),
        source="eeulig/ldct-benchmark 09b1011",
    )


def _dependences() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "pcc",
        "benchmark_metrics.dependence:PCC",
        label="PCC",
        summary="Pearson's correlation coefficient over the region.",
        higher_is_better=True,
        bounds=(-1.0, 1.0),
    )
    yield MetricSpec(
        "nmi",
        "benchmark_metrics.dependence:NMI",
        label="NMI",
        summary="Normalised mutual information over the region, from histograms of the profile's range.",
        higher_is_better=True,
        bounds=(1.0, 2.0),
        options=options.NmiOptions,
        source="Studholme, Hill, Hawkes, Pattern Recognition 1999",
    )


def _edges() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "edge-sharpness",
        "benchmark_metrics.sharpness:EdgeSharpness",
        label="edges",
        summary="Agreement of gradients at the target's edges; blur, noise and displacement lower it.",
        higher_is_better=True,
        bounds=(0.0, 1.0),
    )
    yield MetricSpec(
        "edge-ratio",
        "benchmark_metrics.sharpness:EdgeRatio",
        label="edge ratio",
        summary="Gradient magnitude at the target's edges over the target's own; 1 is best, below is blurred.",
        higher_is_better=None,
        bounds=(0.0, INFINITY),
    )


def _between_slices() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "through-plane",
        "benchmark_metrics.through_plane:ThroughPlane",
        label="flicker",
        summary="Change from slice to slice beyond the target's own: what slice-wise methods do, and no slice shows.",
        higher_is_better=False,
        level="volume",
        unit="target",
        bounds=(0.0, INFINITY),
    )


def _inpainting() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "ssim-sagittal",
        "benchmark_metrics.inpainting:SagittalSSIM",
        label="SSIM (sagittal)",
        summary="SSIM of sagittal planes over the mask, as the BraTS inpainting challenge computed it.",
        higher_is_better=True,
        level="volume",
        bounds=(-1.0, 1.0),
        source="inpainting 0.0.12 (BraTS local synthesis)",
    )
    yield MetricSpec(
        "psnr-target-range",
        "benchmark_metrics.inpainting:PSNROfTargetRange",
        label="PSNR (target range)",
        summary="PSNR of a study whose peak is the spread of the target inside the mask.",
        higher_is_better=True,
        level="volume",
        unit="dB",
        digits=2,
        source="inpainting 0.0.12 (BraTS local synthesis)",
    )
    yield MetricSpec(
        "msle",
        "benchmark_metrics.inpainting:MSLE",
        label="MSLE",
        summary="Mean square error of log(1 + value) over the region; for images scaled to 0..1.",
        higher_is_better=False,
        bounds=(0.0, INFINITY),
        digits=4,
        source="inpainting 0.0.12 (BraTS local synthesis)",
    )


def _structures() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "dice",
        "benchmark_metrics.structures:Dice",
        label="Dice",
        summary="Mean overlap of structures of label maps; missed and invented ones count 0.",
        higher_is_better=True,
        level="volume",
        requires=("labels",),
        bounds=(0.0, 1.0),
        options=options.DiceOptions,
        source="Dice, Ecology 1945",
    )
    yield MetricSpec(
        "hd95",
        "benchmark_metrics.structures:HD95",
        label="HD95",
        summary="Mean 95 % surface distance of structures; missed and invented ones count the volume's diagonal.",
        higher_is_better=False,
        level="volume",
        requires=("labels",),
        unit="mm",
        bounds=(0.0, INFINITY),
        digits=2,
        options=options.HausdorffOptions,
        source="Huttenlocher, Klanderman, Rucklidge, IEEE TPAMI 1993",
    )
    yield MetricSpec(
        "hd95-synthrad2025",
        "benchmark_metrics.synthrad:HD95WithoutMissed",
        label="HD95 (SynthRAD2025)",
        summary="HD95 as the SynthRAD2025 challenge computed it: missed structures are left out.",
        higher_is_better=False,
        level="volume",
        requires=("labels",),
        unit="mm",
        bounds=(0.0, INFINITY),
        digits=2,
        source="SynthRAD2025/evaluation 17cac47",
    )
    yield MetricSpec(
        "tissue-dice",
        "benchmark_metrics.structures:TissueDice",
        label="Dice (tissue)",
        summary="Overlap of a tissue found by thresholds in both images; bone in HU unless set.",
        higher_is_better=True,
        level="volume",
        bounds=(0.0, 1.0),
        options=options.TissueOptions,
        source="Dice, Ecology 1945",
    )
    yield MetricSpec(
        "tissue-hd95",
        "benchmark_metrics.structures:TissueHD95",
        label="HD95 (tissue)",
        summary="95 % surface distance of a tissue found by thresholds in both images; bone in HU unless set.",
        higher_is_better=False,
        level="volume",
        unit="mm",
        bounds=(0.0, INFINITY),
        digits=2,
        options=options.TissueOptions,
        source="Huttenlocher, Klanderman, Rucklidge, IEEE TPAMI 1993",
    )

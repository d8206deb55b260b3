"""Regression networks on MONAI: a residual-encoder U-Net planned from the data, MONAI's U-Net and SwinUNETR."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark import ModelSpec, hookimpl
from benchmark_monai import options

benchmark_api = 1


@hookimpl
def benchmark_models() -> Iterable[ModelSpec]:
    """The networks, imported only when one is built."""
    yield ModelSpec(
        "resenc-unet",
        "benchmark_monai.regression:ResidualEncoderRegression",
        summary="Residual-encoder U-Net planned from size, spacing and slices; masked L1.",
        channels="several",
        options=options.ResidualEncoderOptions,
        # nnU-Net's width
        recipes={"paper": {"filters": 32}},
        cost=3.0,
        source="after Isensee et al., nnU-Net Revisited, MICCAI 2024, arXiv 2404.09556, and nnsyn (SynthRAD2025)",
    )
    yield ModelSpec(
        "monai-unet",
        "benchmark_monai.regression:UnetRegression",
        summary="MONAI's residual U-Net; masked L1.",
        channels="several",
        options=options.UnetOptions,
        cost=1.9,
        source="Kerfoot et al., Left-ventricle quantification using residual U-Net, STACOM 2018; MONAI",
    )
    yield ModelSpec(
        "swin-unetr",
        "benchmark_monai.regression:SwinRegression",
        summary="MONAI's SwinUNETR: a windowed transformer encodes, convolutions decode; masked L1.",
        channels="several",
        options=options.SwinOptions,
        cost=7.0,
        source="Hatamizadeh et al., Swin UNETR, BrainLes 2021, arXiv 2201.01266; MONAI",
    )

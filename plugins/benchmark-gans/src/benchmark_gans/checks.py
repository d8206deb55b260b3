"""Health checks for ``benchmark doctor``."""

from __future__ import annotations

from benchmark import CheckResult
from benchmark_gans import vgg_weights


def weights() -> list[CheckResult]:
    """Are the VGG-19 weights there that the paper preset needs?"""
    path = vgg_weights.find()
    if path is not None:
        return [CheckResult("ok", f"VGG-19 weights: {path}")]
    looked = " and ".join(map(str, vgg_weights.folders()))
    return [
        CheckResult(
            "missing",
            f"VGG-19 weights (vgg19*.pth, .safetensors or .npz), looked for in {looked}; "
            "medgan, id-cgan and fila-sgan need them at preset paper or with features=vgg19",
            f"fetch them with: {vgg_weights.FETCH}",
        )
    ]

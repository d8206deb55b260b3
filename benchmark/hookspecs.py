"""The hooks a plugin may implement. This file is the plugin interface, version 1.

A plugin is a module named by an entry point of the group ``benchmark.plugins``; its functions carry
``@benchmark.hookimpl`` and the names below. Every hook is called when components are listed or looked up,
so answer with records only: what stands behind ``factory`` is imported when a run builds it, not here.

A module may say ``benchmark_api = 1``; the harness refuses a plugin made for a later interface.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from benchmark.specs import (
        CheckSpec,
        DegraderSpec,
        GridSpec,
        ImporterSpec,
        MeasureSpec,
        MetricSpec,
        ModelSpec,
        ProfileSpec,
        TaskSpec,
        WeightsSpec,
    )

API_VERSION = 1
"""The interface of this harness. It grows within a version; a version ends what an earlier one deprecated."""
OLDEST_API = 1
"""The oldest interface whose plugins still load; those below :data:`API_VERSION` with a warning."""
PROJECT = "benchmark"
GROUP = "benchmark.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def benchmark_models() -> Iterable[ModelSpec]:  # type: ignore[empty-body]
    """Offer models.

    @hookimpl
    def benchmark_models():
        yield ModelSpec("my-unet", "benchmark_my_unet.model:build", summary="U-Net with attention.")
    """


@hookspec
def benchmark_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """Offer tasks, each with a builder of its embedded data.

    @hookimpl
    def benchmark_tasks():
        yield TaskSpec("t1-t2", "benchmark_t1t2.phantoms:build", source_modality="MR T1",
                       target_modality="MR T2", source_unit="a.u.", target_unit="a.u.",
                       profile="default")
    """


@hookspec
def benchmark_metrics() -> Iterable[MetricSpec]:  # type: ignore[empty-body]
    """Offer metrics.

    @hookimpl
    def benchmark_metrics():
        yield MetricSpec("bias", "benchmark_bias.metric:Bias", label="bias", higher_is_better=False,
                         unit="target")
    """


@hookspec
def benchmark_measures() -> Iterable[MeasureSpec]:  # type: ignore[empty-body]
    """Offer downstream measures: what translations are worth for that which comes after them.

    @hookimpl
    def benchmark_measures():
        yield MeasureSpec("dose", "benchmark_dose.measure:Dose", target_units=("HU",),
                          values=(MeasuredValue("gamma", "gamma 2 %/2 mm", unit="%", higher_is_better=True),))
    """


@hookspec
def benchmark_profiles() -> Iterable[ProfileSpec]:  # type: ignore[empty-body]
    """Offer metric profiles.

    @hookimpl
    def benchmark_profiles():
        yield ProfileSpec("plain", 1, (MetricUse("mae", clip=False),), primary="mae")
    """


@hookspec
def benchmark_grids() -> Iterable[GridSpec]:  # type: ignore[empty-body]
    """Offer grids: TOML files inside the plugin's package.

    @hookimpl
    def benchmark_grids():
        yield GridSpec("ablation", "benchmark_my_unet", "grids/ablation.toml")
    """


@hookspec
def benchmark_importers() -> Iterable[ImporterSpec]:  # type: ignore[empty-body]
    """Offer importers of scans.

    @hookimpl
    def benchmark_importers():
        yield ImporterSpec("my-layout", "benchmark_my_layout.importer:run", options=MyLayoutOptions)
    """


@hookspec
def benchmark_degraders() -> Iterable[DegraderSpec]:  # type: ignore[empty-body]
    """Offer simulators that act on imported clean images, for ``benchmark data degrade``.

    @hookimpl
    def benchmark_degraders():
        yield DegraderSpec("my-noise", "benchmark_my_noise.degrade:Noise", task="my-denoise", unit="a.u.",
                           suffix="with simulated noise")
    """


@hookspec
def benchmark_weights() -> Iterable[WeightsSpec]:  # type: ignore[empty-body]
    """Name the pretrained weights that models or metrics need, for ``benchmark weights status`` and ``fetch``.

    @hookimpl
    def benchmark_weights():
        yield WeightsSpec("my-encoder", "my-encoder-0123abcd.pth", title="My encoder", parameters=11_689_512,
                          url="https://example.org/my-encoder-0123abcd.pth", sha256="0123abcd")
    """


@hookspec
def benchmark_checks() -> Iterable[CheckSpec]:  # type: ignore[empty-body]
    """Offer health checks for ``benchmark doctor`` (weights present? a library usable?).

    @hookimpl
    def benchmark_checks():
        yield CheckSpec("my-weights", "benchmark_my_unet.checks:weights")
    """

"""The hooks a plugin may implement. This file is the plugin interface, version 1, and its reference.

A plugin is a module named by an entry point of the group ``benchmark.plugins``; its functions carry
``@benchmark.hookimpl`` and the names below. None takes an argument; each gives an iterable of records, whose names are
lower-case words joined by ``-``, ``_`` or ``.``. Every hook is called whenever components are listed or looked up, so
answer with records only: what stands behind ``factory`` is imported when a run builds it, not here.

A module says for which version it was made: ``benchmark_api = 1``. Within a version hooks and fields are added and
never changed or taken away. What will go carries an :class:`benchmark.errors.InterfaceDeprecation`, which is reported
with the plugin's name for as long as the version lasts; the next one still loads plugins of the last, with a warning.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from benchmark.contracts.specs import (
        CheckSpec,
        DegraderSpec,
        DownstreamSpec,
        ExecutorSpec,
        GridSpec,
        ImporterSpec,
        MetricSpec,
        ModelSpec,
        ObserverSpec,
        ProfileSpec,
        ReaderSpec,
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
    """Offer models: translators from source to target images.

    Answer with :class:`benchmark.ModelSpec` records. ``kind`` says who trains: ``trained`` (the harness, step by step),
    ``fitted`` (the model, in one call), ``fixed`` (nobody). ``factory`` is called as ``factory(options, context)`` in
    the process of a cell and gives what :mod:`benchmark.contracts.protocols` asks of its kind; it may raise
    :class:`benchmark.Unavailable`, which skips the cell, or :class:`benchmark.UsageError` for options that cannot be.
    Conformance: :class:`benchmark.testing.ModelTests`. ::

        @hookimpl
        def benchmark_models():
            yield ModelSpec("my-unet", "benchmark_my_unet.model:UNet", summary="U-Net with attention.")
    """


@hookspec
def benchmark_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """Offer tasks: translation problems, each with a builder of its embedded data.

    Answer with :class:`benchmark.TaskSpec` records. ``factory`` is called as ``build(request)`` with a
    :class:`benchmark.contracts.protocols.BuildRequest` and writes one data set with
    :class:`benchmark.data.format.writer.DatasetWriter`, the same for the same seed. Change ``data_version`` whenever
    the pixels change. Conformance: :class:`benchmark.testing.TaskTests`. ::

        @hookimpl
        def benchmark_tasks():
            yield TaskSpec(
                "t1-t2", "benchmark_t1t2.phantoms:build", source_modality="MR T1", target_modality="MR T2",
                source_unit="a.u.", target_unit="a.u.", profile="default", summary="T2 weighting from T1 weighting.",
            )
    """


@hookspec
def benchmark_metrics() -> Iterable[MetricSpec]:  # type: ignore[empty-body]
    """Offer metrics: numbers about translated images.

    Answer with :class:`benchmark.MetricSpec` records, or with what :func:`benchmark.from_torchmetrics` and
    :func:`benchmark.from_function` make of metrics that exist. ``higher_is_better`` must be stated. ``factory`` is
    called with the options of a profile, ``factory(**options)``, and gives a
    :class:`benchmark.contracts.protocols.Metric`, ``VolumeMetric`` or ``DistributionMetric``, as ``level`` says. A
    metric is scored where a profile names it. Conformance: :class:`benchmark.testing.MetricTests`. ::

        @hookimpl
        def benchmark_metrics():
            yield MetricSpec("gradient", "benchmark_gradient.metric:Gradient", label="gradient error",
                             higher_is_better=False, unit="target", summary="Mean error of the gradient.")
    """


@hookspec
def benchmark_downstream() -> Iterable[DownstreamSpec]:  # type: ignore[empty-body]
    """Offer downstream evaluations: what translations are worth for that which comes after them.

    Answer with :class:`benchmark.DownstreamSpec` records. ``factory`` is called as ``factory(options, context)`` and
    gives a :class:`benchmark.contracts.protocols.StudyEvaluator` or ``SplitEvaluator``, as ``level`` says; where the
    data lack what it needs it raises :class:`benchmark.NotApplicable`. Values stand in a sheet of their own and rank
    nothing. ::

        @hookimpl
        def benchmark_downstream():
            yield DownstreamSpec("dose", "benchmark_dose.gamma:Dose", target_units=("HU",),
                              values=(DownstreamColumn("gamma", "gamma 2 %/2 mm", unit="%", higher_is_better=True),))
    """


@hookspec
def benchmark_profiles() -> Iterable[ProfileSpec]:  # type: ignore[empty-body]
    """Offer metric profiles: which metrics, on which range, in which region, averaged how.

    Answer with :class:`benchmark.ProfileSpec` records; metrics may be those of other plugins, which the distribution
    then requires. Count ``version`` up whenever a number could change: scores carry it, and tables never mix two. ::

        @hookimpl
        def benchmark_profiles():
            yield ProfileSpec("plain", 1, (MetricUse("mae", clip=False),), primary="mae", summary="The error.")
    """


@hookspec
def benchmark_grids() -> Iterable[GridSpec]:  # type: ignore[empty-body]
    """Offer grids: which models on which tasks, as TOML files inside the plugin's package.

    Answer with :class:`benchmark.GridSpec` records; the format is described in :mod:`benchmark.plan.grid`. ::

        @hookimpl
        def benchmark_grids():
            yield GridSpec("ablation", "benchmark_my_unet", "ablation.toml", summary="Without attention.")
    """


@hookspec
def benchmark_importers() -> Iterable[ImporterSpec]:  # type: ignore[empty-body]
    """Offer importers: scans in some layout become one data set file.

    Answer with :class:`benchmark.ImporterSpec` records. The options dataclass becomes the command line of
    ``benchmark data import NAME``; ``factory`` is called as ``factory(options, path, report)`` where ``report`` takes
    lines of progress. ::

        @hookimpl
        def benchmark_importers():
            yield ImporterSpec("my-layout", "benchmark_my_layout.importer:run", summary="Scans as my lab keeps them.")
    """


@hookspec
def benchmark_readers() -> Iterable[ReaderSpec]:  # type: ignore[empty-body]
    """Offer readers of volumes in other formats than NIfTI and NumPy, for predictions that are evaluated.

    Answer with :class:`benchmark.ReaderSpec` records; ``factory`` is called with a path and gives a
    :class:`benchmark.data.volumes.geometry.Volume`. ::

        @hookimpl
        def benchmark_readers():
            yield ReaderSpec("my-format", "benchmark_my_format.reader:load", endings=(".myf",))
    """


@hookspec
def benchmark_degraders() -> Iterable[DegraderSpec]:  # type: ignore[empty-body]
    """Offer simulators that act on imported clean images, for ``benchmark data degrade``.

    Answer with :class:`benchmark.DegraderSpec` records. ``factory`` is called with the options and gives a
    :class:`benchmark.contracts.protocols.Degrader`. ::

        @hookimpl
        def benchmark_degraders():
            yield DegraderSpec("my-noise", "benchmark_my_noise.degrade:Noise", task="my-denoise", unit="a.u.",
                               suffix="with simulated noise")
    """


@hookspec
def benchmark_executors() -> Iterable[ExecutorSpec]:  # type: ignore[empty-body]
    """Offer ways to run cells, for ``benchmark run --executor``.

    Answer with :class:`benchmark.ExecutorSpec` records; :mod:`benchmark.executors` says what ``factory`` gives. ::

        @hookimpl
        def benchmark_executors():
            yield ExecutorSpec("my-cluster", "benchmark_my_cluster.executor:MyCluster",
                               summary="One job of my cluster for each cell.")
    """


@hookspec
def benchmark_observers() -> Iterable[ObserverSpec]:  # type: ignore[empty-body]
    """Offer observers, which are told what a run does while it does it, for ``benchmark run --observe``.

    Answer with :class:`benchmark.ObserverSpec` records; ``factory`` is called as ``factory(options)`` and gives a
    :class:`benchmark.runs.observers.RunObserver`: run started, cell started, logged and finished, run finished, with
    plain data. Nobody observes a run unless asked to, and a fault of an observer costs nothing but its own record. ::

        @hookimpl
        def benchmark_observers():
            yield ObserverSpec("my-tracker", "benchmark_my_tracker.observer:MyTracker",
                               summary="Losses and scores in my lab's tracker.")
    """


@hookspec
def benchmark_weights() -> Iterable[WeightsSpec]:  # type: ignore[empty-body]
    """Name pretrained weights that models or metrics need, for ``benchmark weights status`` and ``fetch``.

    Answer with :class:`benchmark.WeightsSpec` records. Several plugins may name the same file if their records agree
    to the letter. Read them with :mod:`benchmark.pretrained.weights`. ::

        @hookimpl
        def benchmark_weights():
            yield WeightsSpec("my-encoder", "my-encoder-0123abcd.pth", title="My encoder", parameters=11_689_512,
                              url="https://example.org/my-encoder-0123abcd.pth", sha256="0123abcd")
    """


@hookspec
def benchmark_checks() -> Iterable[CheckSpec]:  # type: ignore[empty-body]
    """Offer health checks for ``benchmark doctor`` (weights present? a library usable?).

    Answer with :class:`benchmark.CheckSpec` records. ``factory`` is called without arguments and gives
    :class:`benchmark.CheckResult` lines; what it raises is a line too. ::

        @hookimpl
        def benchmark_checks():
            yield CheckSpec("my-weights", "benchmark_my_unet.checks:weights")
    """

"""The light, frozen records that plugins answer with.

A record describes a component and names its implementation as ``"package.module:attribute"``; nothing heavy
is imported until a run builds it. Fields after the implementation are keyword-only, so that later versions
of the interface can add some.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

from benchmark.contracts.channels import parts

NAME = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*\Z")
FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")


@dataclass(frozen=True)
class Component:
    """What every component has: a name, where it is implemented, and one line for listings.

    Raises:
        ValueError: the name or the factory is not well formed.
    """

    name: str
    factory: str
    _: KW_ONLY
    summary: str = ""
    options: type | None = None
    """A dataclass: names, types and defaults of what a user may set; ``metadata={"help": ...}`` per field,
    and ``"source"`` where the default is taken from a paper."""

    def __post_init__(self) -> None:
        if not NAME.match(self.name):
            raise ValueError(f"name {self.name!r}: use lower-case words joined by '-', '_' or '.'")
        if not FACTORY.match(self.factory):
            raise ValueError(f"{self.name}: factory {self.factory!r} is not 'package.module:attribute'")
        if self.options is not None and not dataclasses.is_dataclass(self.options):
            raise ValueError(f"{self.name}: options must be a dataclass, not {self.options!r}")

    def load(self) -> Callable[..., Any]:
        """Import the implementation and return it."""
        module, _, attribute = self.factory.partition(":")
        loaded: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
        return loaded


@dataclass(frozen=True)
class ModelSpec(Component):
    """A translator from source to target images.

    ``kind`` says who trains: ``trained`` by the harness (:class:`benchmark.contracts.protocols.TrainedModel`),
    ``fitted`` by itself in one call (:class:`benchmark.contracts.protocols.FittedModel`), or ``fixed``
    (:class:`benchmark.contracts.protocols.FixedModel`).
    """

    _: KW_ONLY
    kind: Literal["trained", "fitted", "fixed"] = "trained"
    pairing: Literal["paired", "unpaired"] = "paired"
    channels: Literal["one", "several"] = "one"
    """``several``: it is built for as many source channels as its context says (``ModelContext.inputs``): contrasts and
    neighbouring slices. Else it is skipped where there is more than one."""
    target_units: tuple[str, ...] = ()
    """The target units the model can work with, e.g. ``("HU",)``; empty: any. Other tasks are skipped."""
    same_unit: bool = False
    """Only for tasks whose source and target are in the same unit, as denoisers are. Other tasks are skipped."""
    output: Literal["translation", "samples"] = "translation"
    """``samples``: it translates nothing but draws images (:class:`benchmark.contracts.protocols.Sampler`), which are
    scored as a set, under ``profile``."""
    profile: str = ""
    """The profile that scores the model, where the task's own cannot; empty: the task's, or what a run asks for."""
    baseline: bool = False
    """Shown apart from the methods: copy-input, mean-image and the like."""
    updates: int = 1
    """Most updates of one network in a training step, where its method asks for more than one. The conformance tests
    count them, and tables state what was counted."""
    cost: float = 1.0
    """Rough cost of a step relative to pix2pix; only decides which cells start first."""
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Per preset, the defaults of ``options`` that differ there."""
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Per preset, fields of :class:`benchmark.contracts.presets.Recipe` that differ for this model."""
    source: str = ""
    """The paper, as it should be cited."""


@dataclass(frozen=True)
class TaskSpec(Component):
    """A translation problem and its embedded data.

    ``factory`` is a builder: ``build(request: benchmark.contracts.protocols.BuildRequest) -> None`` which writes one
    ``mi2i/1`` file. ``data_version`` changes whenever the built pixels change.
    """

    _: KW_ONLY
    source_modality: str
    target_modality: str
    source_unit: str
    target_unit: str
    profile: str
    """Name of the metric profile that scores this task unless a grid says otherwise."""
    source_channels: int = 1
    """How many channels the embedded source has; modalities and units that differ are joined by a plus sign."""
    simulated: bool = True
    mirror_safe: bool = False
    """The embedded anatomy is as likely the other way round, left for right: recipes may mirror training images.
    A file of the user says so itself."""
    data_version: str = "1"


Level = Literal["slice", "volume", "distribution"]


@dataclass(frozen=True)
class MetricSpec(Component):
    """A number about translated images; the harness averages to patients and patients to a cohort.

    ``level`` says what a number is about: a ``slice`` (:class:`benchmark.contracts.protocols.Metric`), a study as one
    ``volume`` (:class:`benchmark.contracts.protocols.VolumeMetric`), or the ``distribution`` of the whole test split
    (:class:`benchmark.contracts.protocols.DistributionMetric`). ``factory`` gives that when called with the options of
    the profile.
    """

    _: KW_ONLY
    label: str
    """Column heading."""
    higher_is_better: bool | None
    """``None``: there is no better; no profile can rank by it."""
    level: Level = "slice"
    requires: tuple[Literal["labels"], ...] = ()
    """What beside the images it needs; ``labels``: label maps of target and prediction. Else it is skipped."""
    unit: str = ""
    """``""`` for a pure number, ``"dB"``, or ``"target"``/``"target^2"`` for the unit of the target image."""
    bounds: tuple[float, float] = (float("-inf"), float("inf"))
    digits: int = 3
    perceptual: bool = False
    """Made to agree with what people see, not with pixels: stands beside the primary metric on the first screen."""
    source: str = ""


@dataclass(frozen=True)
class MetricUse:
    """One metric inside a profile, and how its images are prepared before it sees them.

    In this order: clip to the range, set the outside of the mask, scale.
    """

    metric: str
    _: KW_ONLY
    dimension: Literal["slice", "volume"] | None = None
    """``volume``: score studies as volumes with a metric of level ``slice`` that can; ``None``: its own level."""
    data_range: tuple[float, float] | None = None
    """A range of its own, in the target's unit; ``None``: the profile's."""
    clip: bool = True
    """Clip both images to the range first."""
    outside: Literal["keep", "low"] = "keep"
    """``low``: set both images to the lower end of the range outside the data set's mask."""
    scale: Literal["unit", "from-low", "0..1", "0..255"] = "unit"
    """``unit``: values in the target's unit; ``from-low``: counted from the lower end of the range;
    ``0..1``, ``0..255``: the range mapped there, without rounding."""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ProfileSpec:
    """A named, versioned set of metric definitions: range, region, preparation and order of averaging."""

    name: str
    version: int
    metrics: tuple[MetricUse, ...]
    _: KW_ONLY
    primary: str
    """The metric that stands first, and in whose unit differences are given."""
    ranked_by: tuple[str, ...] = ()
    """The metrics whose ranks a leaderboard averages; empty: all that have a direction. Name some where others say
    the same again (MSE, RMSE and PSNR order a slice alike)."""
    summary: str = ""
    data_range: tuple[float, float] | Literal["window", "target-maximum", "source-percentiles"] = "window"
    """A fixed interval in the target's unit; ``window``: the one that the data set declares for its target;
    ``target-maximum``: from 0 to the largest value of the study's target; ``source-percentiles``: between
    :attr:`percentiles` of the study's source, the lower not below 0."""
    percentiles: tuple[float, float] = (0.5, 99.5)
    region: Literal["mask", "image"] = "mask"
    """Which voxels count: the data set's mask, or all of the slices in which it is not empty."""
    needs_mask: bool = False
    """Refuse studies whose mask is the whole image: nobody said there where the body is."""
    crop: Literal["", "square"] = ""
    """``square``: first crop rows and columns, centred, to the number of columns."""
    averaging: Literal["slice, patient, cohort", "slice, study, patient, cohort"] = "slice, patient, cohort"
    """With ``study`` each study of a patient weighs the same, however many slices it has."""
    units: tuple[str, ...] = ()
    """Target units that it may score; empty: any."""
    source: str = ""
    """The evaluation that it copies: code with version, or paper."""

    def __post_init__(self) -> None:
        names = [use.metric for use in self.metrics]
        if len(set(names)) != len(names):
            raise ValueError(f"profile {self.name}: a metric is listed twice")
        if self.primary not in names:
            raise ValueError(f"profile {self.name}: primary metric {self.primary!r} is not among its metrics")
        if unknown := sorted(set(self.ranked_by) - set(names)):
            raise ValueError(f"profile {self.name}: ranked by {unknown[0]!r}, which is not among its metrics")

    @property
    def id(self) -> str:
        """Name and version, as written into every score."""
        return f"{self.name}/{self.version}"


@dataclass(frozen=True)
class DownstreamColumn:
    """One number of a downstream evaluation: a column of its sheet."""

    name: str
    label: str
    """Column heading."""
    _: KW_ONLY
    higher_is_better: bool | None
    """``None``: there is no better; it is read beside the others."""
    unit: str = ""
    digits: int = 3

    def __post_init__(self) -> None:
        if not NAME.match(self.name):
            raise ValueError(f"name {self.name!r}: use lower-case words joined by '-', '_' or '.'")


@dataclass(frozen=True)
class DownstreamSpec(Component):
    """A downstream evaluation: what translations are worth for that which comes after them.

    It is asked on every data set whose units (and, where named, task) fit, sees the stored predictions after the
    metrics and gives numbers of patients. They are shown in a sheet of their own and rank nothing. ``level`` says
    whether it looks at one ``study`` at a time (:class:`benchmark.contracts.protocols.StudyEvaluator`) or needs the
    whole test ``split`` (:class:`benchmark.contracts.protocols.SplitEvaluator`). ``factory`` is called with the
    options (``None`` without) and a :class:`benchmark.contracts.protocols.DownstreamContext`.
    """

    _: KW_ONLY
    values: tuple[DownstreamColumn, ...]
    level: Literal["study", "split"] = "study"
    source_units: tuple[str, ...] = ()
    """Units of the source in which it makes sense; empty: any."""
    target_units: tuple[str, ...] = ()
    """Units of the target in which it makes sense; empty: any."""
    tasks: tuple[str, ...] = ()
    """The only tasks for which it makes sense; empty: any whose units fit."""
    source: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [value.name for value in self.values]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"{self.name}: a measure needs values, each with a name of its own")

    def fits(self, task: str, source_unit: str, target_unit: str) -> bool:
        """Whether it may say something about translations between these units; of a source of several channels one
        in such a unit is enough."""
        return (
            (not self.source_units or any(unit in self.source_units for unit in parts(source_unit)))
            and (not self.target_units or target_unit in self.target_units)
            and (not self.tasks or task in self.tasks)
        )


@dataclass(frozen=True)
class GridSpec:
    """A grid that ships with a plugin: ``path`` is its TOML file inside ``package``."""

    name: str
    package: str
    path: str
    _: KW_ONLY
    summary: str = ""


@dataclass(frozen=True)
class ImporterSpec(Component):
    """Brings scans in some layout into one ``mi2i/1`` file.

    ``factory`` is called with (options, output path, report) where ``report`` takes progress lines; the
    options dataclass becomes the command line of ``benchmark data import NAME``.
    """


@dataclass(frozen=True)
class ReaderSpec(Component):
    """Reads volumes in a format that the harness does not know, for predictions that ``benchmark evaluate`` scores.

    ``factory`` is called with a path and gives a :class:`benchmark.data.volumes.geometry.Volume`; it raises
    :class:`benchmark.data.volumes.geometry.CaseFault` for a file that cannot be read and
    :class:`benchmark.Unavailable` where a library is missing.
    """

    _: KW_ONLY
    endings: tuple[str, ...]
    """Of the files, in lower case, with their dot."""
    beside: tuple[str, ...] = ()
    """Endings of files that hold the values of a header of the same name."""


@dataclass(frozen=True)
class DegraderSpec(Component):
    """Makes the source of a task out of clean images, for ``benchmark data degrade NAME``.

    ``factory`` is called with the options and gives a :class:`benchmark.contracts.protocols.Degrader`.
    """

    _: KW_ONLY
    task: str
    """The task that the pairs are for."""
    unit: str
    """Unit of the clean images."""
    suffix: str
    """What is added to the clean image's modality, e.g. ``with simulated motion``."""


@dataclass(frozen=True)
class ExecutorSpec(Component):
    """A way to run cells, for ``benchmark run --executor NAME``.

    ``factory`` is called with (options, :class:`benchmark.executors.Surroundings`) and gives a
    :class:`benchmark.executors.Executor`.
    """

    _: KW_ONLY
    foreground: bool = False
    """Cells run in the process of ``benchmark run`` itself, so that what they print is on the terminal."""
    elsewhere: bool = False
    """Cells run on other machines: what devices they have is not to be asked of this one."""


@dataclass(frozen=True)
class ObserverSpec(Component):
    """Is told what a run does, for ``benchmark run --observe NAME``.

    ``factory`` is called with the options and gives a :class:`benchmark.runs.observers.RunObserver`.
    """


@dataclass(frozen=True)
class WeightsSpec:
    """A file of pretrained weights that losses or metrics need: never downloaded unasked, never unpickled.

    :mod:`benchmark.pretrained.weights` finds, checks, reads and fetches it. Plugins that need the same file
    declare the same record; those of torchvision are in :mod:`benchmark.pretrained.imagenet`.

    Raises:
        ValueError: the name is not well formed.
    """

    name: str
    file: str
    """Its name at the publisher's, under which it is cached."""
    _: KW_ONLY
    title: str
    url: str
    sha256: str
    """The checksum, or as many of its first digits as the publisher states."""
    parameters: int
    """How many numbers the tensors that are read hold, by which a file is recognised whatever it is called."""
    prefix: str = ""
    """Only tensors whose names begin so are read; it is taken off, and files may lack it."""
    source: str = ""

    def __post_init__(self) -> None:
        if not NAME.match(self.name):
            raise ValueError(f"name {self.name!r}: use lower-case words joined by '-', '_' or '.'")


@dataclass(frozen=True)
class CheckSpec(Component):
    """A health check for ``benchmark doctor``; the factory returns a list of :class:`CheckResult`."""


@dataclass(frozen=True)
class CheckResult:
    """One line of ``benchmark doctor``."""

    state: Literal["ok", "missing", "fail"]
    what: str
    advice: str = ""

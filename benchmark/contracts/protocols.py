"""What the implementation behind a record must give: protocols, not base classes.

Models see ``(N, C, H, W)`` float32 tensors in [-1, 1] and give ``(N, 1, H, W)``: C is 1 unless the source has several
channels or neighbouring slices come along (:mod:`benchmark.contracts.channels`). Metrics see ``(Z, H, W)`` float64
arrays in physical units (:class:`Images`). The map between the two is the data set's
:class:`benchmark.contracts.intensity.IntensityMap`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from benchmark.contracts.channels import Channel, input_names
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.presets import DataSize, Recipe

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn


@dataclass(frozen=True)
class TaskInfo:
    """What a model may know of the task it is built for.

    ``image_size`` is (height, width) in pixels. ``source`` and ``target`` map physical units to [-1, 1]; of a source of
    several channels ``source`` is the first one's map, and :attr:`sources` has all.
    """

    name: str
    source_modality: str
    target_modality: str
    source: IntensityMap
    target: IntensityMap
    image_size: tuple[int, int]
    training_slices: int
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """(slice, row, column) in mm: the training cases' median."""
    channels: tuple[Channel, ...] = ()
    """The source's channels, where it has several."""

    @property
    def sources(self) -> tuple[Channel, ...]:
        """The source's channels, however many."""
        return self.channels or (Channel("source", self.source_modality, self.source),)


@dataclass(frozen=True)
class ModelContext:
    """What the harness hands to a model's factory beside its options. Torch is already seeded."""

    task: TaskInfo
    recipe: Recipe
    steps: int
    """The budget: how many times ``training_step`` will be called."""
    device: torch.device
    preset: str
    training: bool = True
    """False: built only to translate with stored weights; what only losses need can be left out."""

    @property
    def inputs(self) -> int:
        """C, the channels of what a model translates: the source's, each with the recipe's neighbouring slices."""
        return len(self.task.sources) * (2 * self.recipe.context + 1)

    @property
    def input_names(self) -> tuple[str, ...]:
        """What each of these channels is, in order: ``T1[-1]``, ``T1``, ``T1[+1]``, ``T2[-1]`` ..."""
        return input_names([channel.name for channel in self.task.sources], self.recipe.context)


@dataclass(frozen=True)
class Batch:
    """One training batch on the model's device, float32: source ``(N, C, H, W)`` and target ``(N, 1, H, W)`` in
    [-1, 1], mask ``(N, 1, H, W)`` in {0, 1}.

    For a model that asked for unpaired data, ``source`` and ``target`` come from independently drawn slices;
    ``mask`` then belongs to ``target``.
    """

    source: Tensor
    target: Tensor
    mask: Tensor


class Translator(Protocol):
    """What every model can do.

    A model whose output at a pixel depends on that pixel alone may say so with an attribute ``pointwise = True``:
    volumes of any size are then translated on their own voxels, without resampling.
    """

    def translate(self, source: Tensor) -> Tensor:
        """Translate ``(N, C, H, W)`` in [-1, 1] to ``(N, 1, H, W)`` in the same range. Must not change its input.

        C is :attr:`ModelContext.inputs`: 1 for a model whose record does not say that it takes ``several`` channels.
        """
        ...


class FixedModel(Translator, Protocol):
    """A model without anything to learn. Factory: ``factory(options, context) -> FixedModel``."""


class Stateful(Translator, Protocol):
    """A model whose state can be stored without pickle: nested dicts and lists of tensors and plain numbers."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class TrainedModel(Stateful, Protocol):
    """A model trained step by step by the harness. Factory: ``factory(options, context) -> TrainedModel``.

    ``state_dict`` holds *everything* that the next ``training_step`` depends on beside torch's random state:
    networks, optimisers, schedulers, replay pools.

    Its factory may have a static ``build_networks(options, context) -> dict[str, nn.Module]``: the same networks,
    without pretrained weights or training, so that ``benchmark show model`` can describe them. A network may state
    the pixels that one of its outputs sees as ``receptive_field`` (``None``: all).

    A model may have ``finished_state() -> dict``: what of ``state_dict`` is worth keeping once its budget is spent,
    without optimisers and whatever else only a next step needs. A fresh model that loads it has the same networks and
    translates alike. A cell keeps that alone; without it all of ``state_dict``.

    A model may also have ``provenance() -> Mapping[str, str]``: facts for the record, such as the name and
    checksum of the pretrained features it uses.
    """

    def training_step(self, batch: Batch) -> Mapping[str, Tensor | float]:
        """Update all networks once; return the loss terms (detached) by name, for the log.

        Terms that a discriminator minimises have ``discriminator`` in their names (see :mod:`benchmark.cell.health`).
        """
        ...

    def networks(self) -> Mapping[str, nn.Module]:
        """All trainable networks. Those that ``translate`` uses are called ``generator`` or ``generator_...``."""
        ...


class CapturableModel(TrainedModel, Protocol):
    """A trained model whose step can be replayed as a CUDA graph: ``training_step`` is ``begin_step``, then ``update``.

    ``begin_step`` does what belongs to the host (counting, the learning rate, which must be a tensor on the device).
    ``update`` launches the same work on the device each time: no value read back, no tensor made from numbers, no
    random draw but from torch's CUDA generator, no choice that depends on a value. Models that draw on the host, a
    replay pool say, are not capturable.
    """

    capturable: bool

    def begin_step(self) -> None: ...

    def update(self, batch: Batch) -> Mapping[str, Tensor | float]: ...


class ExtendableModel(TrainedModel, Protocol):
    """A trained model whose budget can be made longer: until its learning rate begins to decay, at ``decay_from`` of
    the budget, it trains the same to the bit whatever ``context.steps`` and ``recipe.decay_from`` are.

    With ``benchmark run --budgets`` such a model trains once; a longer budget loads the state that a shorter one had
    before its decay into a model that was built for the longer one. Others train each budget from the start.
    """

    extendable: bool


class TrainingSlices(Protocol):
    """The training slices as arrays, for models that train themselves.

    Where the training images are not paired, the shorter side starts again.
    """

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]]:
        """Source and target in [-1, 1] and the region mask, each ``(H, W)``; a source of C > 1 is ``(C, H, W)``."""
        ...


@dataclass(frozen=True)
class Samples:
    """Drawn images ``(N, 1, H, W)`` in the target's [-1, 1], and the structures in them ``(N, H, W)``, 0 background."""

    images: Tensor
    labels: Tensor


class Sampler(Protocol):
    """A model of ``output`` ``samples``, beside what its kind asks for; ``translate`` is not needed."""

    def sample(self, count: int, generator: torch.Generator) -> Samples:
        """Draw ``count`` images. All randomness comes from ``generator``, which lives on the CPU."""
        ...


class Staged(Protocol):
    """A model of several steps may say what each of them is worth, beside the scores of its translations."""

    def stage_scores(self, source: Tensor, target: Tensor, region: Tensor) -> Mapping[str, Tensor]:
        """Values of each slice ``(N,)`` by name, NaN where undefined, for ``(N, C, H, W)`` sources, ``(N, 1, H, W)``
        targets in [-1, 1] and their region in {0, 1}. Never used in training; the harness averages slices to patients
        and patients to a cohort.
        """
        ...


class FittedModel(Stateful, Protocol):
    """A model that trains itself in one call. Factory: ``factory(options, context) -> FittedModel``."""

    def fit(self, slices: TrainingSlices) -> None: ...


@dataclass(frozen=True)
class Images:
    """One study as a metric sees it: float64 arrays ``(Z, H, W)`` prepared as the profile says.

    The arrays are shared between metrics and must not be changed. Metrics of level ``slice`` get only those
    slices whose mask is not empty; ``Z`` may be any number of them.

    Raises:
        ValueError: the arrays differ in shape or are not ``(Z, H, W)``; the range is empty.
    """

    prediction: NDArray[np.float64]
    target: NDArray[np.float64]
    mask: NDArray[np.bool_]
    """The region."""
    data_range: tuple[float, float]
    """(low, high), which pins the peak of PSNR, the constants of SSIM and the scale of VIF; never the data's own."""
    _: KW_ONLY
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """(z, y, x) in mm."""
    unit: str = ""
    """Unit of the images after preparation: ``HU``, say, or empty where the profile scales them."""
    labels: NDArray[np.uint8] | None = None
    """Structures in the target, where the data set has any; 0 is background."""
    predicted_labels: NDArray[np.uint8] | None = None
    """The same structures found in the prediction, where somebody gave them."""

    def __post_init__(self) -> None:
        shape = self.target.shape
        if len(shape) != 3:
            raise ValueError(f"images have shape {shape}; expected (slices, rows, columns)")
        for role in ("prediction", "mask", "labels", "predicted_labels"):
            array = getattr(self, role)
            if array is not None and array.shape != shape:
                raise ValueError(f"{role} has shape {array.shape}, target {shape}")
        if not self.data_range[0] < self.data_range[1]:
            raise ValueError(f"data range {self.data_range}: low must be below high")

    def __len__(self) -> int:
        """Number of slices."""
        return int(self.target.shape[0])

    def at(self, slices: slice | NDArray[np.bool_]) -> Images:
        """The same study with some of its slices only."""
        arrays = ("prediction", "target", "mask", "labels", "predicted_labels")
        chosen = {name: None if (array := getattr(self, name)) is None else array[slices] for name in arrays}
        return replace(self, **chosen)  # type: ignore[arg-type]  # fields by name


class Metric(Protocol):
    """Scores every slice of a study (level ``slice``). Factory: ``factory(**options) -> Metric``.

    The factory raises :class:`benchmark.Unavailable` when something it needs (weights, say) is missing. A
    metric may also have ``provenance() -> Mapping[str, str]`` (which weights, which package), and
    ``score_volume(images) -> float`` when it can score a study as one volume too; a profile asks for that
    with ``MetricUse(..., dimension="volume")``.
    """

    def score(self, images: Images) -> NDArray[np.float64]:
        """One number a slice, ``(Z,)``: undefined is NaN, a perfect PSNR infinite.

        A slice's number must not depend on the other slices.
        """
        ...


class VolumeMetric(Protocol):
    """Scores a study as one volume (level ``volume``). Factory: ``factory(**options) -> VolumeMetric``."""

    def score(self, images: Images) -> float:
        """One number for all of the study; undefined is NaN."""
        ...


@dataclass(frozen=True)
class Estimate:
    """What a metric of level ``distribution`` gives: a value, its 95 % interval, and how many items it rests on."""

    value: float
    low: float
    high: float
    n: int
    _: KW_ONLY
    bias: float | None = None
    """How much too high the value is expected to be because ``n`` is finite, where the metric knows."""


class DistributionMetric(Protocol):
    """Compares the set of predictions with the set of targets (level ``distribution``), study by study.

    Factory: ``factory(**options) -> DistributionMetric``. The harness calls ``reset``, then ``update`` with
    each study of the test split (one in memory at a time), then ``compute``.
    """

    def reset(self) -> None:
        """Forget all studies."""
        ...

    def update(self, images: Images) -> None:
        """Take in a study; keep features, not images."""
        ...

    def compute(self) -> Estimate:
        """The value over all studies.

        Raises:
            Unavailable: too few items for the value to mean anything; says how many it needs.
        """
        ...


@dataclass(frozen=True)
class DownstreamContext:
    """What a downstream evaluation may know of the data set before it sees a study of it.

    Of a source of several channels it is told of one, and sees that alone: the first in one of its units.
    """

    task: str
    source: IntensityMap
    target: IntensityMap
    simulated: bool
    labels: Mapping[str, int]
    """Label by name of the structures in the data set's label maps; empty where nobody named them."""


@dataclass(frozen=True)
class DownstreamStudy:
    """One study of the test split with its translation: arrays ``(Z, H, W)`` in physical units, not to be changed."""

    patient: str
    study: str
    source: NDArray[np.float32]
    target: NDArray[np.float32]
    prediction: NDArray[np.float32]
    mask: NDArray[np.bool_]
    """The region in which the images count."""
    labels: NDArray[np.uint8] | None
    spacing: tuple[float, float, float]
    """(z, y, x) in mm."""
    physics: Mapping[str, Any]
    """What the data set says of how the study was made; empty for scans."""


class StudyEvaluator(Protocol):
    """A downstream evaluation of level ``study``. Factory: ``factory(options, context) -> StudyEvaluator``.

    The factory raises :class:`benchmark.NotApplicable` where the data set lacks what the evaluation needs.
    """

    def evaluate(self, study: DownstreamStudy) -> Mapping[str, float]:
        """The values of a study by name; undefined is NaN.

        Raises:
            NotApplicable: the study lacks what the evaluation needs; the study is left out, never counted as 0.
        """
        ...


class SplitEvaluator(Protocol):
    """A downstream evaluation of level ``split``. Factory: ``factory(options, context) -> SplitEvaluator``."""

    def evaluate(self, studies: Iterable[DownstreamStudy]) -> Mapping[tuple[str, str], Mapping[str, float]]:
        """The values of studies, by (patient, study) and name; ``studies`` are read one at a time, as often as asked.

        Raises:
            NotApplicable: the split lacks what the evaluation needs.
        """
        ...


@dataclass(frozen=True)
class CleanStudy:
    """One imported study to be degraded: arrays ``(Z, H, W)`` in physical units, not to be changed."""

    image: NDArray[np.float32]
    """The clean image."""
    other: NDArray[np.float32] | None
    """The file's other side, where it has one of its own (the CT of a PET, say)."""
    other_unit: str
    mask: NDArray[np.bool_]
    spacing: tuple[float, float, float]
    """(z, y, x) in mm."""


@dataclass(frozen=True)
class Degraded:
    """A pair made from a clean study, in its unit: what a model sees, what it should give, and how it was made."""

    source: NDArray[np.generic]
    target: NDArray[np.generic]
    physics: Mapping[str, Any]


class Degrader(Protocol):
    """Degrades clean images. Factory: ``factory(options) -> Degrader``."""

    def degrade(self, study: CleanStudy, rng: np.random.Generator) -> Degraded:
        """Make a pair; all randomness comes from ``rng``.

        Raises:
            DatasetError: the study cannot be degraded; it is left out with this reason.
        """
        ...


@dataclass(frozen=True)
class BuildRequest:
    """What a task's builder is asked for: one ``mi2i/1`` file at ``path``, deterministic in ``seed``.

    Write it with :class:`benchmark.data.format.writer.DatasetWriter`.
    """

    task: str
    path: Path
    size: DataSize
    seed: int
    options: Any
    report: Callable[[str], None]

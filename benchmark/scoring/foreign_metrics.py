"""What stands behind :mod:`benchmark.contracts.foreign_metrics`: hands a study's images to a foreign metric."""

from __future__ import annotations

import importlib
import inspect
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.foreign_metrics import AdaptedMetricSpec
from benchmark.contracts.protocols import Estimate, Images
from benchmark.errors import PluginError, Unavailable

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float64]


def _import(spec: AdaptedMetricSpec) -> Any:
    """The class or function.

    Raises:
        Unavailable: its package cannot be imported here.
        PluginError: the module has no such attribute.
    """
    module, _, attribute = spec.target.partition(":")
    try:
        imported = importlib.import_module(module)
    except Exception as error:  # torchmetrics with a torchvision that does not fit fails with RuntimeError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Unavailable(f"{module} cannot be imported: {reason}") from error
    if not hasattr(imported, attribute):
        raise PluginError(f"metric {spec.name}: {module} has no {attribute!r}")
    return getattr(imported, attribute)


class _Adapter:
    """Takes a study apart as its spec says."""

    def __init__(self, spec: AdaptedMetricSpec) -> None:
        self.spec = spec

    def provenance(self) -> Mapping[str, str]:
        """Which packages give the numbers."""
        facts = {"implementation": self.spec.target}
        for package in (self.spec.target.partition(":")[0].partition(".")[0], *self.spec.packages):
            with suppress(PackageNotFoundError):
                facts[package] = version(package)
        return facts

    def ranged(self, images: Images) -> tuple[Array, Array, tuple[float, float]]:
        """Prediction and target in the range that the implementation expects, and that range.

        Raises:
            ValueError: values lie outside the declared range, so that the expected one would be broken.
        """
        if self.spec.expects is None:
            return images.prediction, images.target, images.data_range
        (low, high), (bottom, top) = images.data_range, self.spec.expects
        slack = 1e-6 * (high - low)
        for array in (images.prediction, images.target):
            if array.min() < low - slack or array.max() > high + slack:
                raise ValueError(f"{self.spec.name}: values outside {low:g}..{high:g}; use clip=True in the profile")
        factor = (top - bottom) / (high - low)
        prediction, target = (
            np.clip((array - low) * factor + bottom, bottom, top) for array in (images.prediction, images.target)
        )
        return prediction, target, (bottom, top)

    def parts(self, images: Images, whole: bool) -> Iterator[tuple[Array, Array, NDArray[np.bool_]]]:
        """Prediction, target and mask of the study, or of each slice in turn."""
        prediction, target, _ = self.ranged(images)
        if whole:
            yield prediction, target, images.mask
        else:
            yield from zip(prediction, target, images.mask, strict=True)


class FunctionMetric(_Adapter):
    """A function of two arrays."""

    OFFERED = ("mask", "data_range", "spacing")

    def __init__(self, spec: AdaptedMetricSpec, options: Mapping[str, Any]) -> None:
        super().__init__(spec)
        self._function = _import(spec)
        self._arguments = {**spec.arguments, **options}
        signature = inspect.signature(self._function)
        try:
            signature.bind_partial(None, None, **self._arguments)
        except TypeError as error:
            raise PluginError(f"metric {spec.name}: {spec.target}: {error}") from None
        names = signature.parameters
        self._wanted = [name for name in self.OFFERED if name in names and name not in self._arguments]

    def score(self, images: Images) -> Array | float:
        """One number a slice, or one for the study where the level is ``volume``."""
        whole = self.spec.level == "volume"
        spacing = images.spacing if whole else images.spacing[1:]
        data_range = self.spec.expects or images.data_range
        values = []
        for prediction, target, mask in self.parts(images, whole):
            offered = {"mask": mask, "data_range": data_range, "spacing": spacing}
            pair = (prediction[mask], target[mask]) if self.spec.takes == "voxels" else (prediction, target)
            given = self._function(*pair, **self._arguments, **{name: offered[name] for name in self._wanted})
            values.append(_number(given, self.spec))
        return values[0] if whole else np.array(values)


class TorchMetric(_Adapter):
    """A ``torchmetrics.Metric``."""

    def __init__(self, spec: AdaptedMetricSpec, options: Mapping[str, Any]) -> None:
        super().__init__(spec)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of buffers that grow: here each slice begins anew
            self._metric = _import(spec)(**{**spec.arguments, **options})
        if spec.dtype == "float64":
            self._metric = self._metric.set_dtype(_torch().float64)
        declared = getattr(self._metric, "higher_is_better", None)
        if spec.higher_is_better is not None and declared is not None and declared != spec.higher_is_better:
            raise PluginError(
                f"metric {spec.name}: declared higher_is_better={spec.higher_is_better}, "
                f"but {spec.target} says {declared}; correct the plugin's from_torchmetrics(...)"
            )
        self._two_sets = "real" in inspect.signature(self._metric.update).parameters
        self._slices = 0

    def score(self, images: Images) -> Array | float:
        """One number a slice, or one for the study where the level is ``volume``."""
        whole = self.spec.level == "volume"
        values = []
        for part in self.parts(images, whole):
            self._metric.reset()
            self._metric.update(*self._tensors(*part))
            values.append(_number(self._metric.compute(), self.spec))
        return values[0] if whole else np.array(values)

    def reset(self) -> None:
        """Forget all studies."""
        self._metric.reset()
        self._slices = 0

    def update(self, images: Images) -> None:
        """Take in the slices of a study."""
        filled: NDArray[np.bool_] = np.asarray(images.mask.any(axis=(1, 2)))
        for part in self.parts(images.at(filled), whole=False):
            prediction, target = self._tensors(*part)
            if self._two_sets:
                self._metric.update(target, real=True)
                self._metric.update(prediction, real=False)
            else:
                self._metric.update(prediction, target)
            self._slices += 1

    def compute(self) -> Estimate:
        """The value over all slices; torchmetrics gives no interval."""
        return Estimate(_number(self._metric.compute(), self.spec), math.nan, math.nan, self._slices)

    def _tensors(self, prediction: Array, target: Array, mask: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
        """Both as the metric wants them: flat inside the region, ``(1, C, 1, N)`` of that, ``(1, C, H, W)`` or
        ``(1, 1, Z, H, W)``.
        """
        torch = _torch()
        pair = (prediction, target) if self.spec.takes == "images" else (prediction[mask], target[mask])
        first, second = (torch.from_numpy(np.ascontiguousarray(each, self.spec.dtype)) for each in pair)
        if self.spec.takes == "voxels":
            return first, second
        if self.spec.takes == "row":
            first, second = first[None], second[None]
        first, second = (each[None, None].repeat_interleave(self.spec.channels, 1) for each in (first, second))
        return first, second


def _torch() -> Any:
    import torch

    return torch


def _number(value: Any, spec: AdaptedMetricSpec) -> float:
    """One plain number.

    Raises:
        PluginError: the implementation gave something else.
    """
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise PluginError(
            f"metric {spec.name}: {spec.target} gave {type(value).__name__} where one number is needed; "
            "wrap it in a function that picks the number, and use from_function"
        ) from None


def from_torchmetrics(spec: AdaptedMetricSpec, **options: Any) -> TorchMetric:
    """Factory behind :func:`benchmark.contracts.foreign_metrics.from_torchmetrics`.

    Raises:
        Unavailable: torchmetrics, or what it needs, cannot be imported.
        PluginError: the class declares another direction.
    """
    try:
        return TorchMetric(spec, options)
    except ModuleNotFoundError as error:  # torchmetrics asks for optional packages in its constructors
        raise Unavailable(f"{spec.target} cannot be used: {str(error).splitlines()[0]}") from error


def from_function(spec: AdaptedMetricSpec, **options: Any) -> FunctionMetric:
    """Factory behind :func:`benchmark.contracts.foreign_metrics.from_function`."""
    return FunctionMetric(spec, options)

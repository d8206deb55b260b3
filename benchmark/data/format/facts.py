"""What a record keeps of a cell's data, so that other images can be brought into the same form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.contracts.channels import Channel
from benchmark.contracts.intensity import IntensityMap

if TYPE_CHECKING:
    from benchmark.data.format.reader import Dataset


USUAL_PIXELS = 0.1
"""Part by which pixel sizes may differ and anatomy still appears at one scale: at import, in training and after."""


@dataclass(frozen=True)
class DataFacts:
    """What a model's data were: enough to bring another image into the same form.

    ``image_size`` (rows, columns) in pixels, ``spacing`` (slice, row, column) in mm: the training cases' median, of a
    mere test set the test cases'.
    """

    name: str
    simulated: bool
    degraded: bool
    """Real images, of which the sources are a simulated degradation."""
    source_modality: str
    """Of a source of several channels those of all, in one text."""
    target_modality: str
    source: IntensityMap
    """Of a source of several channels the first one's."""
    target: IntensityMap
    image_size: tuple[int, int]
    view: str
    """To which sides of the patient columns, rows and slices run."""
    spacing: tuple[float, float, float]
    pixels: tuple[float, float]
    """Smallest and largest pixel in mm of the same cases: what the model has seen."""
    content_sha256: str
    """Hash of the data set's content."""
    training_slices: int = 0
    """How many slices with a region were trained on."""
    remarks: tuple[str, ...] = ()
    """What a reader of a table made from the data must know."""
    channels: tuple[Channel, ...] = ()
    """The source's channels, where it has several."""

    @property
    def sources(self) -> tuple[Channel, ...]:
        """The source's channels, however many."""
        return self.channels or (Channel("source", self.source_modality, self.source),)

    @classmethod
    def of(cls, dataset: Dataset) -> DataFacts:
        """Read them off a data set."""
        import numpy as np

        from benchmark.data.format.orientation import view_of

        info = dataset.info
        places = [dataset.place(key) for key in info.in_split("train") or info.in_split("test")]
        spacing = np.median([spacing for spacing, _ in places], axis=0)
        return cls(
            name=info.name,
            simulated=info.simulated,
            degraded=info.degraded,
            source_modality=info.source_modality,
            target_modality=info.target.modality,
            source=info.source_maps[0],
            target=info.target_map,
            image_size=info.image_size,
            view=view_of(places[0][1]),
            spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
            content_sha256=info.content_sha256,
            remarks=info.remarks,
            pixels=(min(spacing[1] for spacing, _ in places), max(spacing[1] for spacing, _ in places)),
            channels=info.channels if len(info.sources) > 1 else (),
        )

    @property
    def recorded_spacing(self) -> tuple[float, float, float]:
        """The spacing as a record holds it: a model built by it is built the same when its weights are read again."""
        return (round(self.spacing[0], 4), round(self.spacing[1], 4), round(self.spacing[2], 4))

    def to_json(self) -> dict[str, Any]:
        """As the record holds them."""
        return {
            "name": self.name,
            "simulated": self.simulated,
            **({"degraded": True} if self.degraded else {}),
            "source": {
                **_side(self.source_modality, self.source),
                **(
                    {"channels": [{"name": each.name, **_side(each.modality, each.map)} for each in self.channels]}
                    if self.channels
                    else {}
                ),
            },
            "target": _side(self.target_modality, self.target),
            "image_size": list(self.image_size),
            "view": self.view,
            "spacing_mm": list(self.recorded_spacing),
            "content_sha256": self.content_sha256,
            "training_slices": self.training_slices,
            **({"remarks": list(self.remarks)} if self.remarks else {}),
            "pixels_mm": [round(value, 4) for value in self.pixels],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DataFacts:
        """From what :meth:`to_json` gave.

        Raises:
            KeyError: something is missing.
        """
        height, width = data["image_size"]
        slice_mm, row_mm, column_mm = data["spacing_mm"]
        smallest, largest = data["pixels_mm"]
        return cls(
            name=data["name"],
            simulated=data["simulated"],
            degraded=data.get("degraded", False),
            source_modality=data["source"]["modality"],
            target_modality=data["target"]["modality"],
            source=_map(data["source"]),
            target=_map(data["target"]),
            image_size=(height, width),
            view=data["view"],
            spacing=(slice_mm, row_mm, column_mm),
            content_sha256=data["content_sha256"],
            training_slices=data["training_slices"],
            remarks=tuple(data.get("remarks", ())),
            pixels=(smallest, largest),
            channels=tuple(
                Channel(channel["name"], channel["modality"], _map(channel))
                for channel in data["source"].get("channels", ())
            ),
        )


def _side(modality: str, fitted: IntensityMap) -> dict[str, Any]:
    return {
        "modality": modality,
        "unit": fitted.unit,
        "window": [fitted.low, fitted.high],
        **({} if fitted.curve == "linear" else {"curve": fitted.curve}),
    }


def _map(data: Mapping[str, Any]) -> IntensityMap:
    low, high = data["window"]
    return IntensityMap(data["unit"], float(low), float(high), data.get("curve", "linear"))

"""Conformance tests of models that say they take several channels: contrasts, and neighbouring slices of each."""

from __future__ import annotations

import unittest
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.cell.batches import Batches, Slices
from benchmark.cell.build import build_model, model_context
from benchmark.contracts.channels import Channel
from benchmark.contracts.protocols import Batch
from benchmark.errors import Unavailable
from benchmark.testing.model_case import ModelCase

Slice = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]


class ChannelTests(ModelCase):
    """Built for as many channels as its context says, trained on them, and giving one."""

    def test_takes_several_channels_where_it_says_so(self) -> None:
        """With ``channels="several"``: two contrasts of three slices each are six channels in, and one out."""
        self._only_if(self.spec.channels == "several", "says that it takes one channel")
        self._needs("test_builds_what_its_kind_asks_for")
        facts, train, _ = self._read()
        spec = replace(self.cell(), recipe={**self.cell().recipe, "context": 1})
        channels = tuple(Channel(name, facts.source_modality, facts.source) for name in ("A", "B"))
        known = replace(facts, channels=channels, training_slices=len(train))
        context = model_context(known, spec, torch.device("cpu"))
        images = self.images()
        seen = torch.from_numpy(_widened(images.source.numpy(), 1))
        try:
            model = build_model(self.spec, spec, context)
            if self.spec.kind == "fitted":
                model.fit(_Widened(train))
            elif self.spec.kind == "trained":
                batch = Batches(train, 2, 0, unpaired=self.spec.pairing == "unpaired", device=torch.device("cpu"))[0]
                model.training_step(
                    Batch(torch.from_numpy(_widened(batch.source.numpy(), 1)), batch.target, batch.mask)
                )
            output = None if self.draws else self.translated(model, seen)
        except Unavailable as reason:
            raise unittest.SkipTest(f"{self.spec.name}: {reason}") from None
        except Exception as error:
            raise AssertionError(
                self._says(
                    f"built for {context.inputs} channels it raised {type(error).__name__}: {error}",
                    "build its first layer for context.inputs channels, or leave channels out of its ModelSpec",
                )
            ) from error
        if output is not None:
            self.check_images(output, images.target.shape, f"translate() of {context.inputs} channels")


@dataclass(frozen=True)
class _Widened:
    """Training slices whose source has six channels."""

    slices: Slices

    def __len__(self) -> int:
        return len(self.slices)

    def __iter__(self) -> Iterator[Slice]:
        for source, target, mask in self.slices:
            yield _widened(source[None], 0), target, mask


def _widened(source: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Six channels of one: two contrasts, each between two slices that differ from it."""
    contrasts = (source, -source)
    return np.concatenate(
        [part for image in contrasts for part in (image[..., ::-1], image, image[..., ::-1, :])], axis
    )

"""Conformance tests of what a trained model gives: translations, or images drawn from noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from benchmark.testing.model_case import ModelCase, largest
from benchmark.testing.states import difference

CLOSE = 1e-3
"""Largest difference between a slice translated alone and in a batch, in [-1, 1]: sums are ordered otherwise."""


class TranslatingTests(ModelCase):
    """Images of the right shape and range, each slice for itself, and nothing changed by making them."""

    def translator(self) -> Any:
        """A model that translates, as far as :meth:`test_translates_to_images` can tell."""
        self._only_if(not self.draws, "draws images, translates none")
        self._needs("test_translates_to_images")
        return self.trained_or_built()

    def test_translates_to_images(self) -> None:
        """Shape and range of the source, floating point, finite; one slice as well as several."""
        self._only_if(not self.draws, "draws images, translates none")
        model, images = self.trained_or_built(), self.images()
        for source in (images.source, images.source[:1], images.source[:3]):
            try:
                output = self.translated(model, source.clone())
            except Exception as error:
                raise AssertionError(
                    self._says(
                        f"translate() raised {type(error).__name__} on {tuple(source.shape)}: {error}",
                        "take any number of slices of the task's image size",
                    )
                ) from error
            self.check_images(output, source.shape, "translate()")

    def test_translates_the_same_again(self) -> None:
        """Translating draws nothing: the same source gives the same image."""
        model, source = self.translator(), self.images().source
        first, second = (self.translated(model, source.clone()) for _ in range(2))
        assert torch.equal(first, second), self._says(
            f"translating the same images twice differs by up to {largest(first, second):.2g}",
            "put networks in eval() mode while translating, and draw no noise there",
        )

    def test_translates_each_slice_by_itself(self) -> None:
        """A slice's translation does not depend on the others in its batch."""
        self._needs("test_translates_the_same_again")
        model, source = self.translator(), self.images().source
        together = self.translated(model, source.clone())
        alone = torch.cat([self.translated(model, source[i : i + 1].clone()) for i in range(len(source))])
        assert torch.allclose(together, alone, atol=CLOSE), self._says(
            f"a slice alone and in a batch differ by up to {largest(together, alone):.2g}",
            "use eval() mode: batch normalisation must not see the other patients while translating",
        )

    def test_translating_leaves_its_input_alone(self) -> None:
        """The source is the caller's."""
        model, source = self.translator(), self.images().source
        given = source.clone()
        self.translated(model, given)
        assert torch.equal(source, given), self._says("translate() changed its input", "work on a copy, not in place")

    def test_translating_changes_no_state(self) -> None:
        """Validation during training must not change what is trained."""
        self._only_if(self.spec.kind != "fixed", "has no state")
        self._needs("test_its_state_is_plain")
        self.translator()
        model = self.make()  # one that has not translated yet
        self.train(model)
        before = {"state": _copied(model.state_dict()), "training": _modes(model)}
        self.translated(model, self.images().source)
        fault = difference(before, {"state": model.state_dict(), "training": _modes(model)})
        assert not fault, self._says(
            f"translate() changed the model: {fault}", "use eval() mode and put the networks' modes back afterwards"
        )

    def test_is_pointwise_where_it_says_so(self) -> None:
        """With ``pointwise = True`` an output pixel depends on that pixel alone."""
        model = self.translator()
        self._only_if(bool(getattr(model, "pointwise", False)), "does not say that it is pointwise")
        source = self.images().source
        turned = self.translated(model, source.flip(-1).contiguous()).flip(-1)
        assert torch.allclose(self.translated(model, source.clone()), turned, atol=CLOSE), self._says(
            "pointwise, but mirrored images do not give mirrored translations", "leave out `pointwise`"
        )

    def test_draws_images_and_structures(self) -> None:
        """``sample`` gives as many images and label maps as asked for, the same from the same generator."""
        self._only_if(self.draws, "translates")
        model = self.trained_or_built()
        first, second = (model.sample(3, torch.Generator().manual_seed(5)) for _ in range(2))
        self.check_images(first.images, torch.Size((3, 1, *self.image_size)), "sample()")
        assert first.labels.shape == (3, *self.image_size), self._says(
            f"labels of shape {tuple(first.labels.shape)}", f"give (count, rows, columns), here {(3, *self.image_size)}"
        )
        assert torch.equal(first.images, second.images), self._says(
            "two draws from generators of one seed differ",
            "draw from the generator that is handed over, and only from it",
        )


def _modes(model: Any) -> dict[str, bool]:
    return {name: net.training for name, net in model.networks().items()} if hasattr(model, "networks") else {}


def _copied(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.detach().clone()
    if isinstance(state, Mapping):
        return {name: _copied(value) for name, value in state.items()}
    return [_copied(value) for value in state] if isinstance(state, list | tuple) else state

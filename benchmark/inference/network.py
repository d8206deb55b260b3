"""A model's translation as a module: what exporters trace, and what other libraries load weights into."""

from __future__ import annotations

from torch import Tensor, nn

from benchmark.contracts.protocols import Translator


class TranslationNetwork(nn.Module):
    """``(N, C, H, W)`` float32 in [-1, 1] to ``(N, 1, ...)``; its weights are the networks' ``generator...``."""

    def __init__(self, model: Translator) -> None:
        super().__init__()
        self._model = model
        self.networks = nn.ModuleDict(generators(model))

    def forward(self, source: Tensor) -> Tensor:
        """The model's ``translate``."""
        return self._model.translate(source)


def generators(model: Translator) -> dict[str, nn.Module]:
    """The networks that translate, by name; none where the model has no networks."""
    networks = model.networks() if hasattr(model, "networks") else {}
    return {name: network for name, network in networks.items() if name.startswith("generator")}

"""Defaults that depend on another option."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from benchmark.contracts import options


@dataclass(frozen=True)
class Chosen:
    """A weight whose default follows the system."""

    system: str = "plain"
    weight: float = field(
        default=1.0,
        metadata={
            "help": "a weight",
            "source": "us",
            "when": {"system": {"rich": (8.0, "its paper"), "poor": (0.5, "")}},
        },
    )
    layers: tuple[int, ...] = field(default=(1,), metadata={"when": {"system": {"rich": ((1, 2), "its paper")}}})


@pytest.mark.parametrize(("layers", "weight"), [((), 1.0), (({"system": "rich"},), 8.0), (({"system": "other"},), 1.0)])
def test_a_default_follows_another_option(layers, weight):
    assert options.resolve("model", Chosen, *layers)["weight"] == weight


def test_what_is_set_is_kept_whichever_layer_sets_it():
    assert options.resolve("model", Chosen, {"weight": 3.0}, {"system": "rich"}) == {
        "system": "rich",
        "weight": 3.0,
        "layers": [1, 2],
    }
    assert options.resolve("model", Chosen, {"system": "rich"}, {"system": "poor"})["weight"] == 0.5


def test_resolved_values_build_the_dataclass():
    values = options.resolve("model", Chosen, {"system": "rich"})
    assert options.build(Chosen, values) == Chosen("rich", 8.0, (1, 2))


def test_descriptions_name_every_default_and_its_source():
    system, weight, layers = options.describe(Chosen)
    assert system["when"] == []
    assert weight["default"] == 1.0
    assert weight["when"] == [
        {"option": "system", "value": "rich", "default": 8.0, "source": "its paper"},
        {"option": "system", "value": "poor", "default": 0.5, "source": ""},
    ]
    assert layers["when"][0]["default"] == [1, 2]
    assert options.describe(Chosen, {"system": "rich"})[1]["default"] == 8.0

"""Recipes as data: what may be set, from where, and what is refused before anything is trained."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from benchmark import UsageError
from benchmark.cli.settings import read
from benchmark.contracts.presets import PRESETS, Recipe
from benchmark.settings.setting import settings_of
from benchmark.settings.statement import PlanChoices


def test_the_paper_preset_is_the_papers_recipe() -> None:
    """pix2pix, CycleGAN and MedGAN: Adam 2e-4, beta1 0.5, batch 1, 200 epochs, 286 -> 256 jitter, mirroring."""
    recipe = PRESETS["paper"].recipe
    assert PRESETS["paper"].data.image_size == 256
    assert (recipe.learning_rate, recipe.beta1, recipe.beta2) == (2e-4, 0.5, 0.999)
    assert (recipe.batch_size, recipe.epochs, recipe.decay_from) == (1, 200, 1.0)
    assert (recipe.filters, recipe.discriminator_filters) == (64, 64)
    assert (round(256 * recipe.jitter), recipe.flip) == (286, True)
    assert recipe.budget(1935) == 387_000


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_used(name: str) -> None:
    recipe = PRESETS[name].recipe
    assert recipe.changed({}) == recipe
    assert Recipe(**asdict(recipe)) == recipe


def test_steps_end_epochs_and_epochs_win_over_steps() -> None:
    recipe = PRESETS["paper"].recipe
    assert recipe.changed({"steps": 7}).budget(100) == 7
    assert PRESETS["small"].recipe.changed({"epochs": 3, "batch_size": 8}).budget(100) == 36
    assert recipe.changed({"epochs": 2}).budget(3) == 6


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"step": 5}, "recipe has no option 'step'. Did you mean 'steps'"),
        ({"steps": 0}, "recipe.steps: 0 is less than 1"),
        ({"epochs": 0}, "recipe.epochs: 0 is less than 1"),
        ({"steps": 5, "epochs": 5}, "steps or epochs, not both"),
        ({"batch_size": 0}, "recipe.batch_size: 0 is less than 1"),
        ({"batch_size": "many"}, "recipe.batch_size: 'many' is not int"),
        ({"learning_rate": 0.0}, "recipe.learning_rate: 0 is not above 0"),
        ({"learning_rate": "nan"}, "recipe.learning_rate: nan is not finite"),
        ({"beta1": 1.0}, "recipe.beta1: 1 is not from 0 to below 1"),
        ({"decay_from": 1.5}, "recipe.decay_from: 1.5 is not from 0 to 1"),
        ({"jitter": 0.9}, "recipe.jitter: 0.9 is not from 1 to 2"),
        ({"flip": "maybe"}, "recipe.flip: 'maybe' is not bool"),
        ({"filters": -1}, "recipe.filters: -1 is less than 1"),
    ],
)
def test_what_no_training_can_use_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match="recipe") as refusal:
        PRESETS["small"].recipe.changed(values)
    assert said in str(refusal.value)


def from_command_line(items: list[str], steps: int | None, preset: str) -> dict[str, Any]:
    typed = {setting.name: None for setting in settings_of(PlanChoices)}
    typed |= {"preset": preset, "recipe": items, "steps": steps, "tasks": "", "models": ""}
    values = read(PlanChoices, typed)
    return PlanChoices(preset=preset, recipe=values["recipe"], steps=values["steps"]).recipe_changes


def test_the_command_line_gives_typed_fields() -> None:
    given = from_command_line(["flip=yes", "jitter=1.1", "batch_size=2"], 50, "paper")
    assert given == {"steps": 50, "epochs": None, "flip": True, "jitter": 1.1, "batch_size": 2}
    assert from_command_line([], None, "paper") == {}
    assert from_command_line(["epochs=3"], None, "small") == {"epochs": 3}


@pytest.mark.parametrize(
    ("items", "said"),
    [
        (["flip"], "write FIELD=VALUE"),
        (["=3"], "write FIELD=VALUE"),
        (["steps=3"], "steps was given before"),
        (["lr=3"], "recipe has no option 'lr'"),
        (["epochs=3"], "steps or epochs"),
    ],
)
def test_the_command_line_refuses(items: list[str], said: str) -> None:
    with pytest.raises(UsageError) as refusal:
        from_command_line(items, 50, "small")
    assert said in str(refusal.value)

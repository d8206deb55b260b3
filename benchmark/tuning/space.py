"""What is searched for one model: the declared ranges of its options and of the recipe, as Optuna's distributions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmark.contracts import options, presets
from benchmark.contracts.search import Choices, Search, spaces, within
from benchmark.contracts.specs import ModelSpec
from benchmark.errors import UsageError
from benchmark.plan.grid import Entry

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

RECIPE = "recipe"


@dataclass(frozen=True)
class Space:
    """The search space of a model: by ``option`` or ``recipe.field``."""

    model: ModelSpec
    preset: str
    searches: Mapping[str, Search]
    untuned: Mapping[str, Any]
    """The values that the model has without tuning, where they lie in the space."""

    @classmethod
    def of(cls, model: ModelSpec, preset: str) -> Space:
        """What a model and the recipe declare.

        Raises:
            UsageError: a model with nothing to train, or a declared range that makes no sense.
        """
        if model.kind != "trained":
            raise UsageError(
                f"{model.name}: it is {model.kind}, there is no training to tune; leave it out of --models"
            )
        searches: dict[str, Search] = dict(spaces(model.name, model.options))
        searches |= {f"{RECIPE}.{name}": one for name, one in spaces(RECIPE, presets.Recipe).items()}
        recipe = presets.preset(preset).recipe.changed(model.recipes.get(preset, {}))
        values = options.resolve(model.name, model.options, model.presets.get(preset, {}))
        values |= {f"{RECIPE}.{name}": value for name, value in asdict(recipe).items()}
        untuned = {name: _chosen(values[name]) for name, search in searches.items() if within(search, values[name])}
        return cls(model, preset, searches, untuned)

    def distributions(self) -> dict[str, BaseDistribution]:
        """As Optuna states them; lists are choices by their text."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        found: dict[str, BaseDistribution] = {}
        for name, search in self.searches.items():
            if isinstance(search, Choices):
                found[name] = CategoricalDistribution([_chosen(value) for value in search.values])
            elif self._whole(name):
                found[name] = IntDistribution(int(search.low), int(search.high), log=search.log)
            else:
                found[name] = FloatDistribution(float(search.low), float(search.high), log=search.log)
        return found

    def entry(self, values: Mapping[str, Any], name: str) -> Entry:
        """The model with these values, as a grid lists it. Numbers keep four digits: a grid file is for people."""
        rounded = {key: _rounded(value) for key, value in values.items()}
        own = {key: value for key, value in rounded.items() if not key.startswith(f"{RECIPE}.")}
        recipe = {key.removeprefix(f"{RECIPE}."): value for key, value in rounded.items() if key not in own}
        return Entry(self.model.name, name, own, {self.preset: recipe} if recipe else {})

    def _whole(self, name: str) -> bool:
        owner = presets.Recipe if name.startswith(f"{RECIPE}.") else self.model.options
        kinds = {one["name"]: one["type"] for one in options.describe(owner)} if owner is not presets.Recipe else {}
        return kinds.get(name) == "int"


def _chosen(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value

"""Find plugins, load each one alone, and account for every one of them.

A plugin that cannot be imported, has a misspelt hook or answers with the wrong thing is *failed* with its
reason and costs nobody else anything. Two plugins that offer one name offer it to nobody.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar

from benchmark.contracts import hookspecs, specs
from benchmark.errors import PluginError, UsageError, unknown_name
from benchmark.printable import printable
from benchmark.registry import loading as plugin_loading
from benchmark.registry.sources import code_sha256, files_below

DISABLE_VARIABLE = "BENCHMARK_DISABLE_PLUGINS"
KINDS: dict[str, tuple[str, type[Any]]] = {
    "model": ("benchmark_models", specs.ModelSpec),
    "task": ("benchmark_tasks", specs.TaskSpec),
    "metric": ("benchmark_metrics", specs.MetricSpec),
    "downstream": ("benchmark_downstream", specs.DownstreamSpec),
    "profile": ("benchmark_profiles", specs.ProfileSpec),
    "grid": ("benchmark_grids", specs.GridSpec),
    "importer": ("benchmark_importers", specs.ImporterSpec),
    "reader": ("benchmark_readers", specs.ReaderSpec),
    "degrader": ("benchmark_degraders", specs.DegraderSpec),
    "executor": ("benchmark_executors", specs.ExecutorSpec),
    "observer": ("benchmark_observers", specs.ObserverSpec),
    "weights": ("benchmark_weights", specs.WeightsSpec),
    "check": ("benchmark_checks", specs.CheckSpec),
}
SHARED = {"weights"}
"""Kinds whose records several plugins may offer, if they agree to the letter."""

S = TypeVar("S")


@dataclass(frozen=True)
class Plugin:
    """One entry point of the group ``benchmark.plugins`` and what became of it."""

    name: str
    distribution: str
    version: str
    module: str
    state: Literal["loaded", "disabled", "failed"]
    reason: str = ""
    trace: str = ""
    notes: tuple[str, ...] = ()
    """What its author should change though it works: deprecated parts of the interface, prints at import."""
    offers: Mapping[str, int] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Distribution and version, as printed."""
        return f"{self.distribution} {self.version}".strip()


@dataclass(frozen=True)
class Offer(Generic[S]):
    """A component and the plugin it came from."""

    spec: S
    plugin: Plugin


@dataclass(frozen=True)
class Clash:
    """A name that several plugins offer; nobody gets it."""

    kind: str
    name: str
    plugins: tuple[Plugin, ...]

    def __str__(self) -> str:
        first = f"{self.plugins[0].distribution}:{self.name}"
        offered = " and ".join(sorted(plugin.title for plugin in self.plugins))
        return f"{self.kind} {self.name!r} is offered by {offered}; none is used [use {first!r}]"


class Registry:
    """Everything that plugins offer, by kind and name."""

    def __init__(self, plugins: tuple[Plugin, ...], offers: Mapping[str, list[Offer[Any]]]) -> None:
        self.plugins = plugins
        self.clashes: list[Clash] = []
        self._offers: dict[str, dict[str, Offer[Any]]] = {kind: {} for kind in KINDS}
        self._qualified: dict[str, dict[str, Offer[Any]]] = {kind: {} for kind in KINDS}
        for kind, found in offers.items():
            by_name: dict[str, list[Offer[Any]]] = {}
            for offer in found:
                by_name.setdefault(offer.spec.name, []).append(offer)
                self._qualified[kind][f"{offer.plugin.distribution}:{offer.spec.name}"] = offer
            for name, candidates in sorted(by_name.items()):
                agreed = kind in SHARED and all(each.spec == candidates[0].spec for each in candidates)
                if len(candidates) == 1 or agreed:
                    self._offers[kind][name] = candidates[0]
                else:
                    self.clashes.append(Clash(kind, name, tuple(offer.plugin for offer in candidates)))

    def all(self, kind: str) -> dict[str, Offer[Any]]:
        """All usable offers of a kind, by name."""
        return dict(self._offers[kind])

    def find(self, kind: str, name: str, *, also: Iterable[str] = ()) -> Offer[Any]:
        """The offer of this name, or of ``distribution:name``; ``also``: names the harness has, for the error.

        Raises:
            UsageError: nobody offers it, or several do; names the nearest, and plugins that failed to load.
        """
        offer = self._offers[kind].get(name) or self._qualified[kind].get(name)
        if offer is not None:
            return offer
        for clash in self.clashes:
            if clash.kind == kind and clash.name == name:
                raise UsageError(str(clash))
        hints = [
            f"Plugins that {what}: {', '.join(names)} [{where}]."
            for state, what, where in (
                ("failed", "failed to load", "benchmark doctor"),
                ("disabled", "are switched off", DISABLE_VARIABLE),
            )
            if (names := [plugin.name for plugin in self.plugins if plugin.state == state])
        ]
        raise unknown_name(kind, name, [*self._offers[kind], *also], hint=" ".join(hints))

    def model(self, name: str) -> Offer[specs.ModelSpec]:
        """The model of this name."""
        return self.find("model", name)

    def task(self, name: str) -> Offer[specs.TaskSpec]:
        """The task of this name."""
        return self.find("task", name)

    def metric(self, name: str) -> Offer[specs.MetricSpec]:
        """The metric of this name."""
        return self.find("metric", name)

    def profile(self, name: str) -> Offer[specs.ProfileSpec]:
        """The metric profile of this name."""
        return self.find("profile", name)

    def absence(self, distribution: str) -> str:
        """Why no plugin of this distribution is loaded; empty: one is."""
        states = {plugin.state for plugin in self.plugins if _same_distribution(plugin.distribution, distribution)}
        if "loaded" in states:
            return ""
        if "failed" in states:
            return f"{distribution} failed to load [benchmark doctor]"
        if "disabled" in states:
            return f"{distribution} is switched off [--no-plugin or {DISABLE_VARIABLE}]"
        return f"{distribution} is not installed [pip install {distribution}]"

    def warnings(self) -> list[str]:
        """One line for each plugin that failed, each thing that one should change, and each clash of names."""
        lines = []
        for plugin in self.plugins:
            if plugin.state == "failed":
                lines.append(f"plugin {plugin.name} ({plugin.title}) not loaded: {plugin.reason} [benchmark doctor]")
            lines += [f"plugin {plugin.name} ({plugin.title}): {note}" for note in plugin.notes]
        return lines + [str(clash) for clash in self.clashes]


def _same_distribution(one: str, other: str) -> bool:
    """Names of distributions as the index compares them."""
    plain, theirs = (re.sub(r"[-_.]+", "-", name).lower() for name in (one, other))
    return plain == theirs


@cache
def registry() -> Registry:
    """The plugins of this environment, loaded once per process."""
    return load(installed(), disabled_names())


def disabled_names() -> frozenset[str]:
    """Names in the environment variable ``BENCHMARK_DISABLE_PLUGINS``: entry points, distributions, or ``all``."""
    return frozenset(name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",") if name.strip())


def disable(names: Iterable[str]) -> None:
    """Switch plugins off for this process and those that it starts, before :func:`registry` is asked.

    Raises:
        UsageError: no plugin has this name; names the nearest.
    """
    wanted = set(names)
    known = {"all"}.union(*({about["name"], about["distribution"]} for _, about in _ordered(installed())))
    for name in sorted(wanted - known):
        raise unknown_name("plugin", name, known, hint="(--no-plugin)")
    os.environ[DISABLE_VARIABLE] = ",".join(sorted(wanted | disabled_names()))
    registry.cache_clear()


def installed() -> Iterable[EntryPoint]:
    """The entry points of all installed plugins."""
    return entry_points(group=hookspecs.GROUP)


def _ordered(points: Iterable[EntryPoint]) -> list[tuple[EntryPoint, dict[str, Any]]]:
    """Entry points by name and distribution, each with what is known of it without importing anything."""
    found = []
    for point in points:
        texts = (point.name, *plugin_loading.title(point), point.value.partition(":")[0])
        found.append((point, dict(zip(("name", "distribution", "version", "module"), texts, strict=True))))
    return sorted(found, key=lambda item: (item[1]["name"], item[1]["distribution"], item[0].value))


def load(
    points: Iterable[EntryPoint], disabled: frozenset[str] = frozenset(), interface: ModuleType = hookspecs
) -> Registry:
    """Load entry points one at a time, sorted by name, each registered alone.

    Whatever a plugin does, short of ending the process, costs the others nothing.
    """
    plugins: list[Plugin] = []
    offers: dict[str, list[Offer[Any]]] = {kind: [] for kind in KINDS}
    taken: dict[str, Plugin] = {}
    with plugin_loading.Door(KINDS, interface) as door:
        for point, raw in _ordered(points):
            about: dict[str, Any] = {key: printable(text) for key, text in raw.items()}
            if disabled & {"all", about["name"], about["distribution"]}:
                plugins.append(Plugin(**about, state="disabled", reason=f"--no-plugin or {DISABLE_VARIABLE}"))
                continue
            if point.name in taken:
                reason = f"entry point {point.name!r} is already taken by {taken[point.name].title}"
                plugins.append(Plugin(**about, state="failed", reason=reason))
                continue
            try:
                components, notes = door.load(point, raw["distribution"], raw["version"])
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                reason, trace = plugin_loading.reason(error, point), traceback.format_exc()
                plugins.append(Plugin(**about, state="failed", reason=reason, trace=trace))
                continue
            counts = {kind: len(found) for kind, found in components.items() if found}
            plugin = Plugin(**about, state="loaded", notes=tuple(notes), offers=counts)
            taken[point.name] = plugin
            plugins.append(plugin)
            for kind, found in components.items():
                offers[kind] += [Offer(spec, plugin) for spec in found]
    return Registry(tuple(plugins), offers)


@cache
def source_sha256(module: str) -> str:
    """Hash of every file of a plugin's top-level package (or module), helper files too; comments do not count."""
    top = module.partition(".")[0]
    found = sys.modules.get(top)
    spec = found.__spec__ if found is not None else importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        raise PluginError(f"cannot find the source of {top!r}; reinstall its distribution")
    origin = Path(spec.origin)
    return code_sha256(origin.parent, files_below(origin.parent) if spec.submodule_search_locations else [origin])

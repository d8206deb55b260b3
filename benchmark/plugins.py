"""Find plugins, load each one alone, and account for every one of them.

A plugin that cannot be imported, has a misspelt hook or answers with the wrong thing is *failed* with its
reason and costs nobody else anything. Two plugins that offer one name offer it to nobody.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import pluggy

from benchmark import hookspecs, specs
from benchmark.errors import PluginError, UsageError, unknown_name

DISABLE_VARIABLE = "BENCHMARK_DISABLE_PLUGINS"
KINDS: dict[str, tuple[str, type[Any]]] = {
    "model": ("benchmark_models", specs.ModelSpec),
    "task": ("benchmark_tasks", specs.TaskSpec),
    "metric": ("benchmark_metrics", specs.MetricSpec),
    "measure": ("benchmark_measures", specs.MeasureSpec),
    "profile": ("benchmark_profiles", specs.ProfileSpec),
    "grid": ("benchmark_grids", specs.GridSpec),
    "importer": ("benchmark_importers", specs.ImporterSpec),
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

    def find(self, kind: str, name: str) -> Offer[Any]:
        """The offer of this name, or of ``distribution:name``.

        Raises:
            UsageError: nobody offers it, or several do; names the nearest, and plugins that failed to load.
        """
        offer = self._offers[kind].get(name) or self._qualified[kind].get(name)
        if offer is not None:
            return offer
        for clash in self.clashes:
            if clash.kind == kind and clash.name == name:
                raise UsageError(str(clash))
        failed = [plugin for plugin in self.plugins if plugin.state == "failed"]
        hint = f"Plugins that failed to load: {', '.join(p.name for p in failed)} [benchmark doctor]." if failed else ""
        raise unknown_name(kind, name, self._offers[kind], hint=hint)

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

    def warnings(self) -> list[str]:
        """One line for each plugin that failed and each clash of names."""
        lines = [
            f"plugin {plugin.name} ({plugin.title}) not loaded: {plugin.reason} [benchmark doctor]"
            for plugin in self.plugins
            if plugin.state == "failed"
        ]
        return lines + [str(clash) for clash in self.clashes]


@cache
def registry() -> Registry:
    """The plugins of this environment, loaded once per process."""
    return load(entry_points(group=hookspecs.GROUP), disabled_names())


def disabled_names() -> frozenset[str]:
    """Names in the environment variable ``BENCHMARK_DISABLE_PLUGINS``: entry points, distributions, or ``all``."""
    return frozenset(name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",") if name.strip())


def load(points: Iterable[EntryPoint], disabled: frozenset[str] = frozenset()) -> Registry:
    """Load entry points one at a time, sorted by name, each in a manager of its own."""
    plugins: list[Plugin] = []
    offers: dict[str, list[Offer[Any]]] = {kind: [] for kind in KINDS}
    taken: dict[str, Plugin] = {}
    ordered = sorted(points, key=lambda point: (point.name, point.dist.name if point.dist else "", point.value))
    for point in ordered:
        about: dict[str, Any] = {
            "name": point.name,
            "distribution": point.dist.name if point.dist else "?",
            "version": point.dist.version if point.dist else "",
            "module": point.value.partition(":")[0],
        }
        if disabled & {"all", about["name"], about["distribution"]}:
            plugins.append(Plugin(**about, state="disabled", reason=DISABLE_VARIABLE))
            continue
        if point.name in taken:
            reason = f"entry point {point.name!r} is already taken by {taken[point.name].title}"
            plugins.append(Plugin(**about, state="failed", reason=reason))
            continue
        try:
            components = _components(point)
        except KeyboardInterrupt:
            raise
        except (Exception, SystemExit) as error:
            plugins.append(Plugin(**about, state="failed", reason=_reason(error), trace=traceback.format_exc()))
            continue
        counts = {kind: len(found) for kind, found in components.items() if found}
        plugin = Plugin(**about, state="loaded", offers=counts)
        taken[point.name] = plugin
        plugins.append(plugin)
        for kind, found in components.items():
            offers[kind] += [Offer(spec, plugin) for spec in found]
    return Registry(tuple(plugins), offers)


def _components(point: EntryPoint) -> dict[str, list[Any]]:
    """Import one plugin and ask it for its records.

    Raises:
        PluginError: wrong interface version, hook or answer. Anything the plugin itself raises passes through.
    """
    module = point.load()
    wanted = getattr(module, "benchmark_api", hookspecs.API_VERSION)
    if not isinstance(wanted, int) or not 1 <= wanted <= hookspecs.API_VERSION:
        raise PluginError(f"needs plugin interface {wanted}; this harness has {hookspecs.API_VERSION}")
    manager = _PrefixedManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(module, name=point.name)
    manager.check_pending()
    components: dict[str, list[Any]] = {}
    for kind, (hook, expected) in KINDS.items():
        answers: list[Any] = []
        for answer in getattr(manager.hook, hook)():
            answers += list(answer)
        names: set[str] = set()
        for spec in answers:
            if not isinstance(spec, expected):
                raise PluginError(f"{hook} gave {type(spec).__name__}, expected {expected.__name__}")
            if spec.name in names:
                raise PluginError(f"{hook} gave {spec.name!r} twice")
            names.add(spec.name)
        components[kind] = answers
    if not any(components.values()):
        raise PluginError("offers nothing: no function marked @hookimpl answers a hook")
    return components


class _PrefixedManager(pluggy.PluginManager):
    """Looks only at attributes with our prefix, so that lazy module attributes are never touched."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        return super().parse_hookimpl_opts(plugin, name) if name.startswith("benchmark_") else None


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@cache
def source_sha256(module: str) -> str:
    """Hash of every file of a plugin's top-level package (or module), so that helper files count too."""
    top = module.partition(".")[0]
    found = sys.modules.get(top)
    spec = found.__spec__ if found is not None else importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        raise PluginError(f"cannot find the source of {top!r}; reinstall its distribution")
    origin = Path(spec.origin)
    files = [origin] if not spec.submodule_search_locations else sorted(origin.parent.rglob("*"))
    digest = hashlib.sha256()
    for file in files:
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(origin.parent)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()

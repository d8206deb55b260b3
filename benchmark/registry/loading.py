"""Load one plugin: import it within a time limit, check its hooks, ask it for its records.

Whatever goes wrong here is that plugin's alone: it is imported and registered by itself, what it prints is kept off
standard output, and every kind of exception ends as a reason.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import gc
import inspect
import re
import warnings
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, version
from types import ModuleType
from typing import Any

import pluggy

from benchmark.contracts.specs import NAME
from benchmark.errors import InterfaceDeprecation, PluginError
from benchmark.printable import printable
from benchmark.registry.guards import TIMEOUT_VARIABLE, Alarm, Printed, TookTooLong, limit_seconds

MOST_RECORDS = 10_000
DISTRIBUTION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
VERSION = re.compile(r"[A-Za-z0-9.+!_-]*\Z")
PLAIN_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "bool": (bool,), "int": (int,), "float": (int, float)}
"""Fields of records that are checked, by their annotation."""

Components = dict[str, list[Any]]
Kinds = Mapping[str, tuple[str, type[Any]]]


class Door:
    """Where plugins come in, one at a time: each is registered alone, asked, and put out again.

    A context: while it is open, prints are kept off standard output, warnings are gathered, and the alarm is set.
    """

    def __init__(self, kinds: Kinds, interface: ModuleType) -> None:
        self._kinds = kinds
        self._interface = interface
        self._manager: pluggy.PluginManager | None = None
        self._open = contextlib.ExitStack()
        self._printed = Printed()
        self._alarm = Alarm(limit_seconds())
        self._warnings: list[warnings.WarningMessage] = []

    def __enter__(self) -> Door:
        with contextlib.ExitStack() as stack:
            if gc.isenabled():  # importing many modules makes no garbage, but sets off many collections
                gc.disable()
                stack.callback(gc.enable)
            caught = stack.enter_context(warnings.catch_warnings(record=True))
            assert caught is not None
            self._warnings = caught
            warnings.simplefilter("always", InterfaceDeprecation)
            stack.enter_context(self._printed)
            stack.enter_context(self._alarm)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        for warning in self._warnings:
            if not issubclass(warning.category, InterfaceDeprecation):
                warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)

    def load(self, point: EntryPoint, distribution: str, version: str) -> tuple[Components, list[str]]:
        """Import one plugin and ask it for its records, by kind; with them what its author should be told.

        Raises:
            PluginError: a name, interface version, hook or answer that cannot be. Anything the plugin itself raises
                passes through, and :class:`TookTooLong`.
        """
        check_names(point.name, distribution, version)
        self._printed.take()
        before = len(self._warnings)
        with self._alarm.within_limit(f"{point.name} ({distribution} {version})"):
            module = point.load()
            notes = _check_version(getattr(module, "benchmark_api", 1), self._interface)
            _check_hooks(module, self._interface)
            components = self._ask(module, point.name)
        found = [warning for warning in self._warnings[before:] if issubclass(warning.category, InterfaceDeprecation)]
        notes += [f"deprecated: {warning.message}" for warning in found]
        if text := " ".join(self._printed.take().split()):
            notes.append(f"prints while it is imported: {text[:60]!r}")
        if not any(components.values()):
            raise PluginError("offers nothing: no function marked @hookimpl answers a hook")
        return components, list(dict.fromkeys(notes))

    def _ask(self, module: object, name: str) -> Components:
        """Register a plugin, call its hooks, and put it out. A manager in which something went wrong is used no more:
        pluggy before 1.7 leaves half-registered plugins behind."""
        manager, self._manager = self._manager or self._new_manager(), None
        manager.register(module, name=name)
        manager.check_pending()
        components = {kind: _ask(manager, hook, expected) for kind, (hook, expected) in self._kinds.items()}
        manager.unregister(module)
        self._manager = manager
        return components

    def _new_manager(self) -> pluggy.PluginManager:
        manager = _PrefixedManager(self._interface.PROJECT)
        manager.add_hookspecs(self._interface)
        return manager


def title(point: EntryPoint) -> tuple[str, str]:
    """Name and version of an entry point's distribution, read off the head of its metadata; ``?`` where they are torn.

    ``Distribution.name`` and ``.version`` parse the whole text each time, which for 200 plugins takes as long as
    importing them.
    """
    found = {"Name": "?", "Version": ""}
    with contextlib.suppress(Exception):
        text = (point.dist.read_text("METADATA") or point.dist.read_text("PKG-INFO") or "") if point.dist else ""
        for line in text.split("\n\n", 1)[0].splitlines():
            name, separator, value = line.partition(":")
            if separator and name in found and found[name] in ("?", ""):
                found[name] = value.strip()
    return found["Name"], found["Version"]


def check_names(name: str, distribution: str, version: str) -> None:
    """Refuse names that are none, before anything is imported: they stand in tables, files and commands.

    Raises:
        PluginError: says which name.
    """
    if not NAME.match(name):
        raise PluginError(f"entry point name {name!a}: use lower-case words joined by '-', '_' or '.'")
    if distribution != "?" and not DISTRIBUTION.match(distribution):
        raise PluginError(f"distribution name {distribution!a}: use letters, digits, '-', '_' and '.'")
    if not VERSION.match(version):
        raise PluginError(f"version {version!a} is not a version")


def reason(error: BaseException, point: EntryPoint) -> str:
    """One line for what a plugin raised; a missing module comes with the requirements that are not installed."""
    if isinstance(error, TookTooLong):
        return f"its import took longer than {limit_seconds():g} s and was given up ({TIMEOUT_VARIABLE}=SECONDS)"
    text = " ".join(str(error).split())
    said = printable(f"{type(error).__name__}: {text}" if text else type(error).__name__)
    if isinstance(error, ModuleNotFoundError) and (missing := _missing_requirements(point)):
        said += f"; it requires {', '.join(missing)}, not installed here"
    return said


def _missing_requirements(point: EntryPoint) -> list[str]:
    missing = []
    for requirement in (point.dist.requires if point.dist else None) or []:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        if name is None or ";" in requirement:  # for some platforms or extras only
            continue
        try:
            version(name.group())
        except PackageNotFoundError:
            missing.append(requirement)
    return missing


def _check_version(wanted: Any, interface: ModuleType) -> list[str]:
    """What to tell an author whose plugin was made for an older interface; one that does not say was made for the
    first."""
    oldest, newest = interface.OLDEST_API, interface.API_VERSION
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not oldest <= wanted <= newest:
        has = str(newest) if oldest == newest else f"{oldest} to {newest}"
        late = isinstance(wanted, int) and wanted > newest
        advice = "a newer medgan-benchmark" if late else "a newer version of the plugin"
        raise PluginError(f"needs plugin interface {wanted!r}; this harness has {has}: install {advice}")
    if wanted < newest:
        return [f"deprecated: made for plugin interface {wanted}; this harness has {newest} and will drop {wanted}"]
    return []


def _check_hooks(module: Any, interface: ModuleType) -> None:
    """Refuse a misspelt hook, and one that was not marked and so would be ignored in silence."""
    hooks = {name for name in vars(interface) if name.startswith("benchmark_")}
    marker = f"{interface.PROJECT}_impl"
    for name, value in list(getattr(module, "__dict__", {}).items()):
        if not (name.startswith("benchmark_") and inspect.isroutine(value)):
            continue
        marked = getattr(value, marker, None)
        if marked is None and name in hooks:
            raise PluginError(f"function {name} is not marked @hookimpl, so it would never be called")
        if marked and not marked["optionalhook"] and (hook := marked["specname"] or name) not in hooks:
            near = difflib.get_close_matches(hook, hooks, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(hooks))}"
            raise PluginError(f"unknown hook {printable(hook)!r}; {advice}")


def _ask(manager: pluggy.PluginManager, hook: str, expected: type[Any]) -> list[Any]:
    """What a plugin answers to one hook: records of one type, each name once."""
    caller = getattr(manager.hook, hook)
    if not (implementations := caller.get_hookimpls()):
        return []
    answers = caller()
    if len(answers) < len(implementations):  # pluggy leaves out those that returned None
        raise PluginError(f"{hook} gave None; return or yield {expected.__name__} records")
    found: dict[str, Any] = {}
    for answer in answers:
        if isinstance(answer, str | Mapping) or not hasattr(answer, "__iter__"):
            raise PluginError(f"{hook} gave {type(answer).__name__}, not an iterable of {expected.__name__} records")
        for spec in answer:
            if not isinstance(spec, expected):
                raise PluginError(f"{hook} gave {type(spec).__name__}, expected {expected.__name__}")
            _check_fields(hook, spec)
            if spec.name in found:
                raise PluginError(f"{hook} gave {spec.name!r} twice")
            if len(found) == MOST_RECORDS:
                raise PluginError(f"{hook} gave more than {MOST_RECORDS} records")
            found[spec.name] = spec
    return list(found.values())


def _check_fields(hook: str, spec: Any) -> None:
    """Plain fields are of their type, and texts one line without control characters: they are printed in tables."""
    if not isinstance(spec.name, str) or not NAME.match(spec.name):
        raise PluginError(f"{hook}: name {spec.name!a}: use lower-case words joined by '-', '_' or '.'")
    for name, annotation, wanted in _plain_fields(spec.__class__):
        value = getattr(spec, name)
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            raise PluginError(f"{hook}: {spec.name}.{name} is {type(value).__name__}, expected {annotation}")
        if isinstance(value, str) and not value.isprintable():
            raise PluginError(f"{hook}: {spec.name}.{name} holds control characters: {value!a}")


@cache
def _plain_fields(record: type) -> list[tuple[str, str, tuple[type, ...]]]:
    fields = [(field.name, str(field.type)) for field in dataclasses.fields(record)]
    return [(name, annotation, PLAIN_TYPES[annotation]) for name, annotation in fields if annotation in PLAIN_TYPES]


class _PrefixedManager(pluggy.PluginManager):
    """Looks only at attributes with our prefix, so that lazy module attributes are never touched."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        return super().parse_hookimpl_opts(plugin, name) if name.startswith("benchmark_") else None

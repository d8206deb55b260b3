"""Load one plugin: import it within a time limit, check its hooks, ask it for its records.

Whatever goes wrong here is that plugin's alone: it is imported and registered by itself, what it prints is kept off
standard output, and every kind of exception ends as a reason.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import inspect
import io
import os
import re
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, PackageNotFoundError, version
from types import FrameType, ModuleType
from typing import Any

import pluggy

from benchmark.errors import InterfaceDeprecation, PluginError, UsageError
from benchmark.printable import printable
from benchmark.specs import NAME

TIMEOUT_VARIABLE = "BENCHMARK_PLUGIN_TIMEOUT"
TIMEOUT_SECONDS = 30.0
NOTICE_SECONDS = 5.0
"""After this long a line on standard error says which plugin is being waited for."""
MOST_RECORDS = 10_000
DISTRIBUTION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
VERSION = re.compile(r"[A-Za-z0-9.+!_-]*\Z")
PLAIN_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "bool": (bool,), "int": (int,), "float": (int, float)}
"""Fields of records that are checked, by their annotation."""

Components = dict[str, list[Any]]
Kinds = Mapping[str, tuple[str, type[Any]]]


class TookTooLong(BaseException):
    """Raised in the midst of a plugin's import; no ``Exception``, so that no plugin swallows it by accident."""


def load_components(point: EntryPoint, kinds: Kinds, interface: ModuleType) -> tuple[Components, list[str]]:
    """Import one plugin and ask it for its records, by kind; with them what its author should be told.

    Raises:
        PluginError: a name, interface version, hook or answer that cannot be. Anything the plugin itself raises
            passes through, and :class:`TookTooLong`.
    """
    check_names(point)
    notes: list[str] = []
    with _time_limit(point), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InterfaceDeprecation)
        module = point.load()
        notes += _check_version(getattr(module, "benchmark_api", 1), interface)
        _check_hooks(module, interface)
        manager = _PrefixedManager(interface.PROJECT)
        manager.add_hookspecs(interface)
        manager.register(module, name=point.name)
        manager.check_pending()
        components = {kind: _ask(manager, hook, expected) for kind, (hook, expected) in kinds.items()}
    for warning in caught:
        if issubclass(warning.category, InterfaceDeprecation):
            notes.append(f"deprecated: {warning.message}")
        else:
            warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)
    if not any(components.values()):
        raise PluginError("offers nothing: no function marked @hookimpl answers a hook")
    return components, list(dict.fromkeys(notes))


def check_names(point: EntryPoint) -> None:
    """Refuse names that are none, before anything is imported: they stand in tables, files and commands.

    Raises:
        PluginError: says which name.
    """
    if not NAME.match(point.name):
        raise PluginError(f"entry point name {point.name!a}: use lower-case words joined by '-', '_' or '.'")
    if point.dist is not None:
        if not DISTRIBUTION.match(point.dist.name):
            raise PluginError(f"distribution name {point.dist.name!a}: use letters, digits, '-', '_' and '.'")
        if not VERSION.match(point.dist.version):
            raise PluginError(f"version {point.dist.version!a} is not a version")


def reason(error: BaseException, point: EntryPoint) -> str:
    """One line for what a plugin raised; a missing module comes with the requirements that are not installed."""
    if isinstance(error, TookTooLong):
        return f"its import took longer than {limit_seconds():g} s and was given up ({TIMEOUT_VARIABLE}=SECONDS)"
    text = " ".join(str(error).split())
    said = printable(f"{type(error).__name__}: {text}" if text else type(error).__name__)
    if isinstance(error, ModuleNotFoundError) and (missing := _missing_requirements(point)):
        said += f"; it requires {', '.join(missing)}, not installed here"
    return said


def limit_seconds() -> float:
    """How long a plugin may take to import and answer.

    Raises:
        UsageError: the environment variable holds no positive number.
    """
    text = os.environ.get(TIMEOUT_VARIABLE, "")
    try:
        seconds = float(text or TIMEOUT_SECONDS)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise UsageError(f"{TIMEOUT_VARIABLE}={text!r}: give a number of seconds above 0")
    return seconds


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
    answers = caller()
    if len(answers) < len(caller.get_hookimpls()):  # pluggy leaves out those that returned None
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
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        wanted = PLAIN_TYPES.get(str(field.type))
        if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted)):
            raise PluginError(f"{hook}: {spec.name}.{field.name} is {type(value).__name__}, expected {field.type}")
        if isinstance(value, str) and not value.isprintable():
            raise PluginError(f"{hook}: {spec.name}.{field.name} holds control characters: {value!a}")


class _PrefixedManager(pluggy.PluginManager):
    """Looks only at attributes with our prefix, so that lazy module attributes are never touched."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        return super().parse_hookimpl_opts(plugin, name) if name.startswith("benchmark_") else None


@contextlib.contextmanager
def _time_limit(point: EntryPoint) -> Iterator[None]:
    """Raise :class:`TookTooLong` after the limit, again and again until the plugin gives up.

    A signal does it, so there is no limit outside the main thread, where Python delivers none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    limit, began, noticed = limit_seconds(), time.monotonic(), False

    def ring(_: int, __: FrameType | None) -> None:
        nonlocal noticed
        waited = time.monotonic() - began
        if waited >= limit:
            raise TookTooLong
        if not noticed:
            noticed = True
            title = f"{point.name} ({point.dist.name} {point.dist.version})" if point.dist else point.name
            print(f"waiting for plugin {title} to be imported, {limit:g} s at most", file=sys.stderr, flush=True)

    handler = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, min(limit, NOTICE_SECONDS), min(limit, 0.5))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


class Printed:
    """Keeps what plugins print while they load off standard output, where it would spoil a ``--json``.

    Python's ``sys.stdout`` and the file descriptor below it, which child processes write to, are both caught.
    """

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed on leaving)
        self._descriptor: int | None = None

    def __enter__(self) -> Printed:
        self._redirection = contextlib.redirect_stdout(self._text)
        with contextlib.suppress(AttributeError, OSError, ValueError):
            sys.stdout.flush()
        with contextlib.suppress(OSError):  # closed: nothing to protect
            self._descriptor = os.dup(1)
            os.dup2(self._file.fileno(), 1)
        self._redirection.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._redirection.__exit__(None, None, None)
        if self._descriptor is not None:
            os.dup2(self._descriptor, 1)
            os.close(self._descriptor)
        self._file.close()

    def take(self) -> str:
        """What was printed since the last time."""
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        size = os.fstat(self._file.fileno()).st_size
        if size:
            self._file.seek(0)
            text += self._file.read(size).decode(errors="replace")
            self._file.seek(0)
            self._file.truncate()
        return text

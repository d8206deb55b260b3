"""What every plugin has to do before any of its components is built, as tests that its author subclasses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, NoReturn

from benchmark.contracts import hookspecs
from benchmark.contracts.specs import Component
from benchmark.errors import BenchmarkError, Unavailable
from benchmark.plan.grid import load_grid
from benchmark.registry import plugins
from benchmark.registry.plugins import Plugin, Registry
from benchmark.testing.components import Memory

IMPORT_SECONDS = 0.075
IMPORT_SHARE = 1.0
"""Of what importing the harness's own registry takes: the allowance of a slow or busy machine."""
ATTEMPTS = 5
HEAVY = (
    "torch", "torchvision", "torchmetrics", "tensorflow", "jax", "monai", "lpips", "piq", "scipy", "sklearn", "skimage",
    "pandas", "pyarrow", "h5py", "nibabel", "SimpleITK", "matplotlib", "PIL", "cv2",
)  # fmt: skip
"""What no plugin may import before something of it is built: every command would pay for it."""
PROGRAM = """
import json, sys, time
from importlib.metadata import entry_points
began = time.process_time()
from benchmark.registry import plugins
harness = time.process_time() - began
points = [p for p in entry_points(group="benchmark.plugins") if p.name == sys.argv[1]]
before, began = set(sys.modules), time.process_time()
plugins.load(points[:1])
seconds = time.process_time() - began
print(json.dumps([seconds, harness, sorted({name.partition(".")[0] for name in set(sys.modules) - before})]))
"""


class PluginTests(Memory):
    """Conformance tests of one plugin. Subclass and set :attr:`plugin`; ``Test`` must begin the subclass's name."""

    plugin: ClassVar[str]
    """Its entry point in the group ``benchmark.plugins``."""

    # -- the checks ---------------------------------------------------------------------------------------

    def test_is_installed(self) -> None:
        """The distribution is installed and has the entry point."""
        known = sorted(point.name for point in entry_points(group=hookspecs.GROUP))
        if self.plugin not in known:
            self._fail(
                "no such entry point is installed",
                f'say [project.entry-points."benchmark.plugins"] {self.plugin} = "package" in its pyproject.toml and '
                f"install it; there are: {', '.join(known) or 'none'}",
            )

    def test_loads(self) -> None:
        """It is imported, its hooks are known, and it answers with records."""
        loaded = self._alone().plugins[0]
        if loaded.state != "loaded":
            self._fail(f"is {loaded.state}: {loaded.reason}", f"'benchmark doctor {self.plugin}' shows the traceback")

    def test_imports_nothing_heavy(self) -> None:
        """Listing plugins imports no numerical library."""
        self._needs("test_loads")
        *_, modules = self._measured()
        if heavy := sorted(set(HEAVY) & set(modules)):
            self._fail(
                f"importing it imports {', '.join(heavy)}",
                "keep records in __init__.py, and import libraries in the module that 'factory' names",
            )

    def test_imports_quickly(self) -> None:
        """Importing it and asking it for its records takes at most 75 ms of CPU time, or what the registry takes."""
        self._needs("test_loads", "test_imports_nothing_heavy")
        seconds, allowed, _ = self._measured()
        if seconds > allowed:
            self._fail(
                f"importing it takes {1000 * seconds:.0f} ms of CPU time, allowed are {1000 * allowed:.0f}",
                "compute and read nothing at import: every command pays for it (python -X importtime)",
            )

    def test_prints_nothing_when_imported(self) -> None:
        """Standard output belongs to the command."""
        self._note("prints", "remove the print, or log it")

    def test_uses_nothing_deprecated(self) -> None:
        """Nothing of the interface that it uses will go away."""
        self._note("deprecated", "see docs/plugins.md, 'Versions of the interface'")

    def test_says_its_interface(self) -> None:
        """The module says for which version of the interface it was made."""
        self._needs("test_loads")
        if not isinstance(getattr(self._point().load(), "benchmark_api", None), int):
            self._fail("does not say its interface", f"add benchmark_api = {hookspecs.API_VERSION} to the module")

    def test_requires_the_harness(self) -> None:
        """Its distribution asks for a range of versions of the harness, so that pip keeps them together."""
        self._needs("test_is_installed")
        about = self._point().dist
        needs = [each for each in (about.requires if about else None) or [] if each.startswith("medgan-benchmark")]
        if not any("<" in each or "~=" in each or "==" in each for each in needs):
            self._fail(
                f"its distribution requires {needs[0] if needs else 'no medgan-benchmark'}",
                'say dependencies = ["medgan-benchmark>=0.1,<0.2"] with the versions that you tested',
            )

    def test_names_are_free(self) -> None:
        """No other installed plugin offers the same name."""
        self._needs("test_loads")
        for clash in plugins.registry().clashes:
            if any(each.name == self.plugin for each in clash.plugins):
                self._fail(str(clash), "choose a name of its own, best the plugin's or one that begins with it")

    def test_components_say_what_they_are(self) -> None:
        """A line for 'benchmark list'."""
        for kind, spec in self._specs():
            if not getattr(spec, "summary", spec.name):
                self._fail(f"{kind} {spec.name!r} has no summary", "add summary='one line for the listing'")

    def test_implementations_are_there(self) -> None:
        """Each record's ``factory`` can be imported."""
        for kind, spec in self._specs():
            if not isinstance(spec, Component):
                continue
            try:
                spec.load()
            except Unavailable:
                continue
            except Exception as error:
                self._fail(
                    f"{kind} {spec.name!r}: {spec.factory!r} cannot be loaded: {type(error).__name__}: {error}",
                    "correct the record's factory, 'package.module:attribute', or the module",
                )

    def test_profiles_and_grids_name_what_there_is(self) -> None:
        """Metrics of its profiles and the files of its grids."""
        found = plugins.registry()
        for kind, spec in self._specs():
            try:
                if kind == "profile":
                    for use in spec.metrics:
                        found.metric(use.metric)
                    if found.metric(spec.primary).spec.higher_is_better is None:
                        self._fail(
                            f"profile {spec.name!r} ranks by {spec.primary!r}, which has no direction", "name another"
                        )
                elif kind == "grid":
                    load_grid(found, spec.name)
            except (BenchmarkError, OSError) as error:
                self._fail(f"{kind} {spec.name!r}: {error}", "correct it, or require the distribution that offers it")

    # -- helpers ------------------------------------------------------------------------------------------

    def _point(self) -> EntryPoint:
        return next(point for point in entry_points(group=hookspecs.GROUP) if point.name == self.plugin)

    def _alone(self) -> Registry:
        """It and nothing else: a neighbour's fault is not this plugin's."""
        self._needs("test_is_installed")
        return self._once("alone", lambda: plugins.load([self._point()]))

    def _specs(self) -> Iterator[tuple[str, Any]]:
        self._needs("test_loads")
        alone = self._alone()
        for kind in plugins.KINDS:
            for offer in alone.all(kind).values():
                yield kind, offer.spec

    def _measured(self) -> tuple[float, float, list[str]]:
        """The least CPU seconds of several interpreters to import it, what is allowed, and what was imported."""

        def measure() -> tuple[float, float, list[str]]:
            found = []
            environment = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
            for _ in range(ATTEMPTS):
                command = [sys.executable, "-c", PROGRAM, self.plugin]
                ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
                found.append(json.loads(ended.stdout))
            own, harness = (min(outcome[at] for outcome in found) for at in (0, 1))
            return own, max(IMPORT_SECONDS, IMPORT_SHARE * harness), found[0][2]

        return self._once("measured", measure)

    def _note(self, sort: str, advice: str) -> None:
        self._needs("test_loads")
        loaded: Plugin = self._alone().plugins[0]
        for note in loaded.notes:
            if note.startswith(sort):
                self._fail(note, advice)

    def _fail(self, fault: str, advice: str) -> NoReturn:
        raise AssertionError(f"plugin {self.plugin}: {fault}; {advice}")

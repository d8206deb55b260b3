"""What the conformance tests of all components share: options, prerequisites, and how a failure is worded."""

from __future__ import annotations

import dataclasses
import typing
import unittest
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn, TypeVar

from benchmark.contracts import options as option_values
from benchmark.contracts import search
from benchmark.contracts.specs import Component
from benchmark.errors import UsageError

T = TypeVar("T")
NOBODYS_OPTION = "an_option_that_nobody_has"


class Elsewhere(unittest.SkipTest):
    """Another check fails and names the fault better."""


class Memory:
    """What is expensive is made once per class, and a check whose ground is gone is skipped in favour of the one that
    names the fault."""

    _made: ClassVar[dict[str, Any]]

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls._made = {}

    def _once(self, name: str, make: Callable[[], T]) -> T:
        """What ``make`` gives, made once per class; its exception again if it raised one."""
        if name not in self._made:
            try:
                self._made[name] = (make(), None)
            except Exception as raised:
                self._made[name] = (None, raised)
        value, error = self._made[name]
        if error is not None:
            raise error
        made: T = value
        return made

    def _needs(self, *checks: str) -> None:
        """Skip where one of these checks of the same class fails: it names the fault better."""
        for check in checks:
            try:
                self._once(f"outcome of {check}", getattr(self, check))
            except Elsewhere:
                raise
            except unittest.SkipTest:
                continue
            except Exception:
                raise Elsewhere(f"see {check}") from None


class ComponentTests(Memory):
    """Base of the test classes of components: their options, and how a failure is worded."""

    spec: ClassVar[Any]
    """The component's record."""
    kind: ClassVar[str] = "component"

    def test_every_option_has_a_default_and_says_what_it_is(self) -> None:
        """Options come from the command line, a preset or a grid: each has a default of its type, and a help text."""
        if self.spec.options is None:
            raise unittest.SkipTest(f"{self.spec.name} has no options")
        hints = typing.get_type_hints(self.spec.options)
        for field in dataclasses.fields(self.spec.options):
            where = f"option {field.name!r}"
            if field.default is not dataclasses.MISSING:
                default = field.default
            elif field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            else:
                self._fail(f"{where} has no default", "give it one; 'benchmark run' must work without options")
            try:
                option_values.coerce(default, hints[field.name], field.name)
            except UsageError as error:
                self._fail(f"{where}: its default does not fit its type: {error}", "correct the one or the other")
            if not field.metadata.get("help"):
                self._fail(
                    f"{where} says nothing of itself", 'add metadata={"help": "..."}: \'benchmark show\' prints it'
                )

    def test_declared_search_spaces_make_sense(self) -> None:
        """What an option declares for ``benchmark tune`` is not empty, of its type, and says its source."""
        if self.spec.options is None:
            raise unittest.SkipTest(f"{self.spec.name} has no options")
        for field in dataclasses.fields(self.spec.options):
            if (declared := field.metadata.get("search")) is not None and (
                fault := search.fault_of(self.spec.options, field.name, declared)
            ):
                self._fail(f"option {field.name!r}: {fault}", "correct metadata={'search': Range(...)}")

    # -- helpers ------------------------------------------------------------------------------------------

    def _only_if(self, applies: bool, reason: str) -> None:
        if not applies:
            raise unittest.SkipTest(f"{self.spec.name} {reason}")

    def _says(self, fault: str, advice: str) -> str:
        return f"{self.kind} {self.spec.name}: {fault}; {advice}"

    def _fail(self, fault: str, advice: str) -> NoReturn:
        raise AssertionError(self._says(fault, advice))


def load(spec: Component) -> Callable[..., Any]:
    """A component's implementation.

    Raises:
        AssertionError: it cannot be imported, or is not there.
    """
    try:
        return spec.load()
    except Exception as error:
        raise AssertionError(
            f"{spec.name}: {spec.factory!r} cannot be loaded: {type(error).__name__}: {error}; "
            "correct the record's factory, 'package.module:attribute', or the module"
        ) from error

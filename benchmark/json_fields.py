"""Fields of a JSON object, taken out one at a time as what they have to be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

Word = TypeVar("Word", bound=str)


class RecordError(ValueError):
    """A record or plan that makes no sense; the text says which field, and what is wrong with it."""


class OtherVersion(RecordError):
    """It may well make sense, to the version of the harness that wrote it."""


class _Missing:
    """There is no default."""


MISSING = _Missing()


class Fields:
    """A JSON object whose fields are asked for by kind; a missing field is an error unless there is a default."""

    __slots__ = ("_data", "_where")

    def __init__(self, data: Any, where: str) -> None:
        if not isinstance(data, dict):
            raise RecordError(f"{where} is no table")
        self._data: dict[str, Any] = data
        self._where = where

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def all(self) -> Mapping[str, Any]:
        """The whole object."""
        return self._data

    def text(self, key: str, default: str | _Missing = MISSING) -> str:
        """A text."""
        value = self._get(key, default)
        return value if isinstance(value, str) else self._refuse(key, "no text")

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._get(key, MISSING)
        return value if isinstance(value, bool) else self._refuse(key, "neither true nor false")

    def count(self, key: str) -> int:
        """A whole number from 0 on, below 2**63."""
        value = self._get(key, MISSING)
        if type(value) is not int or not 0 <= value < 1 << 63:
            self._refuse(key, "no count")
        return int(value)

    def number(self, key: str) -> float | None:
        """A finite number; ``None`` where there is none."""
        value = self._data.get(key)
        return value if value is None or is_number(value) else self._refuse(key, "no finite number")

    def numbers(self, key: str) -> list[float | None] | None:
        """A list of finite numbers, ``None`` among them; or none at all."""
        values = self._data.get(key)
        if values is None:
            return None
        if not isinstance(values, list) or not all(value is None or is_number(value) for value in values):
            self._refuse(key, "no list of numbers")
        return list(values)

    def patients(self, key: str) -> dict[str, float | None]:
        """A finite number, or ``None``, by name."""
        values = self.table(key)
        known = [value for value in values.values() if value is not None]
        # a sum of plain numbers that is finite has only finite terms: quicker than asking each of ten thousand
        if not (set(map(type, known)) <= _PLAIN and math.isfinite(math.fsum(known))):
            for name, value in values.items():
                if value is not None and not is_number(value):
                    self._refuse(f"{key}.{name}", "no finite number")
        return dict(values)

    def words(self, key: str) -> dict[str, str]:
        """Texts by name; empty where there are none."""
        values = self.table(key, {})
        if not all(isinstance(value, str) for value in values.values()):
            self._refuse(key, "no table of texts")
        return dict(values)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty where there is none."""
        values = self._data.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            self._refuse(key, "no list of texts")
        return tuple(values)

    def listing(self, key: str) -> Sequence[Any]:
        """A list of anything."""
        values = self._get(key, MISSING)
        return values if isinstance(values, list) else self._refuse(key, "no list")

    def table(self, key: str, default: Mapping[str, Any] | _Missing = MISSING) -> Mapping[str, Any]:
        """A JSON object."""
        value = self._get(key, default)
        return value if isinstance(value, dict) else self._refuse(key, "no table")

    def one_of(self, key: str, known: tuple[Word, ...]) -> Word:
        """One of a few words."""
        value = self._get(key, MISSING)
        for word in known:
            if value == word:
                return word
        raise RecordError(f"{self._where}.{key} is {value!r:.40}, not one of {', '.join(known)}")

    def _get(self, key: str, default: object) -> Any:
        if key in self._data:
            return self._data[key]
        return self._refuse(key, "missing") if isinstance(default, _Missing) else default

    def _refuse(self, key: str, what: str) -> Any:
        raise RecordError(f"{self._where}.{key} is {what}")


_PLAIN = {float}
"""What JSON numbers with a point are read as."""


def is_number(value: object) -> bool:
    """Whether a JSON value is a number that arithmetic can use: finite, and no truth value."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63

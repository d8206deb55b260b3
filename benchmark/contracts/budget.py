"""Training budgets as an axis of a grid: amounts in a currency that means the same for every model, and their steps."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from benchmark.errors import UsageError
from benchmark.json_fields import Fields, RecordError

Currency = Literal["steps", "updates", "flops"]
CURRENCIES: tuple[Currency, ...] = get_args(Currency)
WORDS = {"steps": "training steps", "updates": "generator updates", "flops": "floating-point operations"}
_LETTERS = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}


@dataclass(frozen=True)
class Budget:
    """How long a model may train: so many steps, updates of its generator, or floating-point operations."""

    amount: float
    currency: Currency = "steps"

    @property
    def label(self) -> str:
        """The amount as people type it: ``300``, ``2.5e12``. Part of a cell's address."""
        if self.amount.is_integer() and self.amount < 1e9:
            return str(int(self.amount))
        mantissa, _, exponent = f"{self.amount:e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"

    def __str__(self) -> str:
        """``300 steps``."""
        return f"{self.label} {self.currency}"

    def steps(self, each: float | None, model: str) -> int:
        """The training steps that it pays for; ``each``: what a step costs in its currency, ``None`` if unknown.

        Raises:
            UsageError: a step of the model cannot be counted in the currency, or it does not pay for a single one.
        """
        if self.currency == "steps":
            return int(self.amount)
        if not each:
            raise UsageError(f"{model}: its {WORDS[self.currency]} cannot be counted; use --budget-in steps")
        steps = round(self.amount / each)
        if steps < 1:
            raise UsageError(
                f"a budget of {self.label} {self.currency} is less than one step of {model}, which takes {each:.3g}"
            )
        return steps

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any, where: str = "budget") -> Budget:
        """From what :meth:`to_json` gave.

        Raises:
            RecordError: something is missing or of the wrong kind.
        """
        fields = Fields(data, where)
        amount = fields.number("amount")
        if amount is None or not amount > 0:
            raise RecordError(f"{where}.amount is no amount")
        return cls(amount, fields.one_of("currency", CURRENCIES))


def budgets_from(amounts: Iterable[Any], currency: Currency) -> tuple[Budget, ...]:
    """Budgets from what was typed or written in a grid file, each once, the smallest first.

    Numbers, or texts such as ``300``, ``2.5e12`` and ``4T``.

    Raises:
        UsageError: something is no amount above 0, or no whole number of steps or updates.
    """
    read = [Budget(_amount(amount, currency), currency) for amount in amounts]
    return tuple(sorted(dict.fromkeys(read), key=lambda budget: budget.amount))


def _amount(said: Any, currency: Currency) -> float:
    text = said.strip() if isinstance(said, str) else said
    factor = 1.0
    if isinstance(text, str) and text[-1:] in _LETTERS:
        text, factor = text[:-1], _LETTERS[text[-1]]
    try:
        amount = float("nan") if isinstance(text, bool) else float(text) * factor
    except (TypeError, ValueError, OverflowError):
        amount = math.nan
    if not (math.isfinite(amount) and amount > 0):
        raise UsageError(f"budget {said!r}: give a number of {WORDS[currency]} above 0, such as 300 or 4T")
    if currency != "flops" and not amount.is_integer():
        raise UsageError(f"budget {said!r}: {WORDS[currency]} come in whole numbers")
    return amount

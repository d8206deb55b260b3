"""Which channel a model looks at that can use one alone: copies, tone curves, denoisers, a style."""

from __future__ import annotations

from benchmark import UsageError
from benchmark.contracts.protocols import ModelContext


def source_channel(owner: str, name: str, context: ModelContext) -> int:
    """Number of the source's channel called ``name``; without one the first in the target's unit, else the first.

    Raises:
        UsageError: the source has no such channel.
    """
    sources = context.task.sources
    if name:
        names = [channel.name for channel in sources]
        if name not in names:
            raise UsageError(f"{owner}: the source has no channel {name!r}; it has {', '.join(names)}")
        return names.index(name)
    alike = [number for number, channel in enumerate(sources) if channel.map.unit == context.task.target.unit]
    return alike[0] if alike else 0


def input_of(channel: int, context: ModelContext) -> int:
    """Where the slice itself of this channel lies in a model's input, between its neighbours."""
    return channel * (2 * context.recipe.context + 1) + context.recipe.context

"""Sources of several channels: what the channels of an import are called, show, and are measured in."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.data.format.schema import IDENTIFIER, Side
from benchmark.errors import UsageError
from benchmark_medical.importing.options import ScanOptions
from benchmark_medical.importing.windows import window

Several = str | tuple[str, ...]
"""An option that may be given once for each channel."""


def each(value: Several) -> tuple[str, ...]:
    """What was given for an option, however often."""
    return (value,) if isinstance(value, str) else value


def spread(option: str, value: Several, channels: Sequence[str]) -> tuple[str, ...]:
    """The values of an option for all channels: one that was given once holds for each.

    Raises:
        UsageError: as many were given as fit neither.
    """
    values = each(value)
    if len(values) == 1:
        return values * len(channels)
    if len(values) != len(channels):
        raise UsageError(
            f"--{option} is given {len(values)} times, for a source of {len(channels)} "
            f"channel{'s' if len(channels) > 1 else f' ({channels[0]})'}: give it once, or once for each --source"
        )
    return values


def named(given: Sequence[str], modalities: Sequence[str]) -> dict[str, str]:
    """What was given for each channel by the channel's name, of ``NAME=WHAT`` or else called as its modality is.

    A single source has no name.

    Raises:
        UsageError: a channel has no name, or one that cannot stand in a file, or another's.
    """
    if len(given) == 1:
        return {"": given[0]}
    channels: dict[str, str] = {}
    for place, text in enumerate(given):
        name, equals, what = text.partition("=")
        if not equals:
            name, what = (modalities[place].replace(" ", "-") if place < len(modalities) else ""), text
        if not IDENTIFIER.match(name):
            raise UsageError(f"--source {text!r}: with several sources give each a name: --source T1={what!r}")
        if name in channels:
            raise UsageError(f"two sources are called {name!r}; give each a name of its own: --source NAME={what!r}")
        channels[name] = what
    return channels


def distinct(given: Several) -> tuple[str, ...]:
    """Sources that are called by their contrasts.

    Raises:
        UsageError: one is given twice.
    """
    names = each(given)
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"--source {twice[0]} is given twice")
    return names


def sides(options: ScanOptions, channels: Sequence[str]) -> Side | tuple[Side, ...]:
    """The source as a data set file describes it; ``channels`` are the names of several, and empty for one."""
    names = channels or ("",)
    described = zip(
        names,
        spread("source-modality", options.source_modality, names),
        spread("source-unit", options.source_unit, names),
        spread("source-window", options.source_window, names),
        strict=True,
    )
    made = tuple(Side(modality, unit, window(text, unit), name) for name, modality, unit, text in described)
    return made if channels else made[0]

"""The errors a user meets: each message says what was wrong, where, and what to do."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

LONGEST = 1000
"""Characters of an exception's text that are kept."""


class BenchmarkError(Exception):
    """A fault that the command line prints in one or two lines; ``exit_code`` is what it exits with."""

    exit_code = 1


class UsageError(BenchmarkError):
    """The request itself cannot be carried out: an unknown name, a bad option, a file that is not there."""

    exit_code = 2


class DatasetError(BenchmarkError):
    """A data set that cannot be trusted: wrong schema, leaking splits, values that are not numbers."""

    exit_code = 2


class PluginError(BenchmarkError):
    """A plugin that could not be loaded, or that broke its contract."""


class InterfaceDeprecation(FutureWarning):
    """A plugin uses a part of the interface that will go away; says what to use instead, and when it goes.

    Hookspecs carry it as ``warn_on_impl``, records warn with it; :mod:`benchmark.registry.plugins` reports it with the
    plugin's distribution and version.
    """


class Unavailable(BenchmarkError):
    """Something optional is missing (weights, a library); the cell or score is *skipped* with this reason.

    Raise it from a metric's or a model's factory. Nothing is faked in its place.
    """


class NotApplicable(BenchmarkError):
    """A downstream evaluation means nothing here (no labels, say); the reason is shown where the number would be."""


class TrainingDiverged(BenchmarkError):
    """A loss or a weight became NaN or infinite."""


class Interrupted(BenchmarkError):
    """Asked to stop; what was done so far is in the checkpoint."""

    exit_code = 130


class Detached(BenchmarkError):
    """Not an error: an executor was asked to submit its work and leave it alone."""

    exit_code = 0


def unknown_name(kind: str, name: str, known: Iterable[str], *, hint: str = "") -> UsageError:
    """The error for a name nobody offers, with the nearest names that somebody does."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        advice = f"Did you mean {' or '.join(repr(n) for n in near)}?"
    elif known:
        advice = f"There are: {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}."
    else:
        advice = f"No {kind} is installed."
    return UsageError(f"no {kind} {name!r}. {advice}{' ' + hint if hint else ''}")


def explain(error: BaseException) -> str:
    """One line for an exception: our own errors speak for themselves, others say their kind."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"no space left to write {error.filename or 'the results'}; free some or choose another --results"
    text = said(error)
    if isinstance(error, BenchmarkError):
        return text
    if "No space left on device" in text or "errno = 28" in text:
        return f"no space left on the disk; free some or choose another --results ({text[:80]})"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def said(error: BaseException) -> str:
    """What an exception says, in one line that can be printed and stored, whatever a plugin put into it."""
    try:
        text = str(error)
    except Exception:  # its __str__ is a plugin's too
        return "(its text cannot be printed)"
    # nobody reads millions of characters; and what is no text at all, such as half of a surrogate pair, is escaped
    line = " ".join(text[: 4 * LONGEST].encode("utf-8", "backslashreplace").decode("utf-8").split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}... ({len(text)} characters)"

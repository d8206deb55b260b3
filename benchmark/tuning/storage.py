"""Optuna's storage, samplers and pruners, and its faults in one line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError, UsageError
from benchmark.tuning.statement import PrunerName, SamplerName

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

LOCKED_SECONDS = 10.0
"""How long another process may hold an SQLite storage before that is an error."""


def require_optuna() -> None:
    """Import Optuna and make it quiet.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise UsageError(
            f"benchmark tune needs Optuna ({error}): pip install 'medgan-benchmark[tune]', then the same command"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@contextlib.contextmanager
def faults(url: str) -> Iterator[None]:
    """Inside, what a storage raises becomes one line that says what to do."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        text = " ".join(str(cause).split())[:160]
        advice = (
            "another process holds it; wait for it, or give another --storage"
            if "locked" in text
            else "look whether it is there and can be written, or give another --storage"
        )
        raise BenchmarkError(f"storage {url}: {text}; {advice}") from error


def open_storage(url: str) -> BaseStorage:
    """The storage of a URL.

    Raises:
        UsageError: no URL of a storage.
        BenchmarkError: it is locked, or cannot be reached.
    """
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    more: dict[str, Any] = {"connect_args": {"timeout": LOCKED_SECONDS}} if url.startswith("sqlite") else {}
    try:
        with faults(url):
            return RDBStorage(url, engine_kwargs=more)
    except BenchmarkError as error:
        if isinstance(error.__cause__, ArgumentError | NoSuchModuleError):
            raise UsageError(f"storage {url!r}: no such kind of storage; write sqlite:///FILE.db") from None
        raise
    except ImportError as error:
        raise UsageError(f"storage {url!r}: {error}") from None


def sampler_of(name: SamplerName, seed: int) -> BaseSampler:
    """Optuna's sampler of a name."""
    from optuna import samplers

    kinds = {"tpe": samplers.TPESampler, "random": samplers.RandomSampler, "qmc": samplers.QMCSampler}
    sampler: BaseSampler = kinds[name](seed=seed)
    return sampler


def pruner_of(name: PrunerName) -> BasePruner:
    """Optuna's pruner of a name; a budget is a step of it."""
    from optuna import pruners

    if name == "median":
        return pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0)
    if name == "halving":
        return pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    return pruners.NopPruner()

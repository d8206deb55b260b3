"""What a cell claims: everything that can change its numbers, and the id that is a hash of it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmark.atomic import canonical, sha256_of
from benchmark.contracts.budget import Budget
from benchmark.json_fields import Fields
from benchmark.registry.sources import code_sha256, files_below

NUMERIC_LIBRARIES = ("torch", "numpy", "scipy", "h5py")
"""Libraries whose version belongs to the claim, because it can change numbers."""

HARNESS = Path(__file__).parent.parent

TRAINING = ("contracts", "data/format", "data/streaming", "pretrained", "cell")
"""Rooms of the harness that decide what is trained and translated: their code belongs to every claim."""

SCORING = ("contracts", "data/format", "pretrained", "scoring", "statistics")
"""Rooms that decide what stored predictions score: their code belongs to every score's key."""

BUILDING = ("contracts", "data/format")
"""Rooms that decide what a task's builder writes: their code belongs to the key of embedded data."""


@dataclass(frozen=True)
class DataSource:
    """Where a task's data come from: built by the task's plugin, or a file of the user."""

    kind: str
    """``embedded`` or ``file``."""
    key: str
    """For embedded data a hash of what determines them; for a file the hash of its content."""
    path: str


@dataclass(frozen=True)
class Start:
    """The finished cell whose networks a training starts from, instead of fresh ones."""

    cell: str
    """Its id: the hash of its claim."""
    sha256: str
    """Of its checkpoint."""
    path: str
    """Its folder."""


@dataclass(frozen=True)
class CellAddress:
    """How people refer to a cell within a run."""

    task: str
    name: str
    seed: int
    budget: str = ""
    """Where the run has budgets, and the model is trained."""

    def __str__(self) -> str:
        """task/name/s0, or task/name/s0/b300."""
        return f"{self.task}/{self.name}/s{self.seed}{f'/b{self.budget}' if self.budget else ''}"


@dataclass(frozen=True)
class CellSpec:
    """One point of a grid: the claim, plus what is needed to run it."""

    task: str
    model: str
    name: str
    seed: int
    preset: str
    precision: str
    options: Mapping[str, Any]
    recipe: Mapping[str, Any]
    dataset: DataSource
    profile: str
    sources: Mapping[str, str]
    """Hashes of source code: the model's plugin and the harness."""
    libraries: Mapping[str, str]
    budget: Budget | None = None
    """The budget that its steps were made from, where the run has several."""
    split: str = "test"
    """The patients that are translated and scored: ``val`` in a tuning."""
    start: Start | None = None
    """Where its networks come from, if not from their initialisation."""
    trials: int = 0
    """How many trials its options and recipe were chosen from; 0: untuned."""

    @property
    def claim(self) -> dict[str, Any]:
        """What the id is a hash of: all but the profile (scores are made from stored predictions), the path, how often
        it was tuned, and the budget, of which all that changes a number are the recipe's steps.
        """
        claim = {**vars(self), "dataset": {"kind": self.dataset.kind, "key": self.dataset.key}}
        claim.pop("id", None)  # the cached property's own value
        del claim["profile"], claim["budget"], claim["trials"]
        if self.split == "test":
            del claim["split"]
        if self.start is None:
            del claim["start"]
        else:
            claim["start"] = {"cell": self.start.cell, "sha256": self.start.sha256}
        return claim

    @property
    def trunk(self) -> str:
        """Names what cells of all budgets have in common: the claim without how long it trains and when it decays."""
        recipe = {name: v for name, v in self.recipe.items() if name not in ("steps", "epochs", "decay_from")}
        return sha256_of({**self.claim, "recipe": recipe})[:16]

    @cached_property
    def id(self) -> str:
        """First 16 hex digits of the claim's SHA-256."""
        return _id(self)

    @property
    def address(self) -> CellAddress:
        """How people refer to the cell."""
        return CellAddress(self.task, self.name, self.seed, self.budget.label if self.budget else "")

    @property
    def title(self) -> str:
        """The address as a text: task/name/s0."""
        return str(self.address)

    def to_json(self) -> dict[str, Any]:
        """As a plain mapping."""
        return {name: value for name, value in asdict(self).items() if name not in USUAL} | self.unusual()

    def unusual(self) -> dict[str, Any]:
        """What few cells have, as plain values; empty for a cell of a plain run."""
        own = {name: getattr(self, name) for name in USUAL}
        return {
            name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
            for name, value in own.items()
            if value != USUAL[name]
        }

    def like(self, **other: Any) -> CellSpec:
        """The same claim with other names, or another seed: :func:`dataclasses.replace`, only quicker."""
        claim = object.__new__(CellSpec)
        vars(claim).update(vars(self))
        vars(claim).pop("id", None)
        vars(claim).update(other)
        return claim

    def is_told_by(self, data: Mapping[str, Any]) -> bool:
        """Whether plain values say what this claim says and no more; quicker than reading and hashing them. One that
        has anything unusual is always read."""
        own = vars(self)
        return bool(
            all(own[name] == value for name, value in USUAL.items())
            and data.get("dataset") == vars(self.dataset)
            and len(data) == len(PLAIN) + 1
            and all(name in data and data[name] == own[name] for name in PLAIN)
        )

    @classmethod
    def from_json(cls, data: Any, where: str = "spec") -> CellSpec:
        """From what :meth:`to_json` gave.

        Raises:
            RecordError: something is missing or of the wrong kind.
        """
        fields = Fields(data, where)
        source = Fields(fields.table("dataset"), f"{where}.dataset")
        return cls(
            task=fields.text("task"),
            model=fields.text("model"),
            name=fields.text("name"),
            seed=fields.count("seed"),
            preset=fields.text("preset"),
            precision=fields.text("precision"),
            options=fields.table("options"),
            recipe=fields.table("recipe"),
            dataset=DataSource(source.text("kind"), source.text("key"), source.text("path")),
            profile=fields.text("profile"),
            sources=fields.words("sources"),
            libraries=fields.words("libraries"),
            **unusual_from(data, where),
        )


MOST_HEADS = 512
_heads: dict[tuple[Any, ...], tuple[CellSpec, Any, bytes]] = {}
"""By all that cells of one method share: one of them, which keeps the identities of its mappings taken; the hash of
its claim's text up to the seed; and the text behind it."""


def _id(spec: CellSpec) -> str:
    """The start of what :func:`benchmark.atomic.sha256_of` makes of a claim; what thousands of cells share is made into
    a text once."""
    mappings = id(spec.options), id(spec.recipe), id(spec.sources), id(spec.libraries)
    names = spec.task, spec.model, spec.name, spec.preset, spec.precision, spec.dataset, spec.split, spec.start
    if (found := _heads.get(key := (*mappings, *names))) is None:
        claim = spec.claim
        before = canonical({name: value for name, value in claim.items() if name < "seed"})[:-1]
        after = canonical({name: value for name, value in claim.items() if name > "seed"})[1:]
        if len(_heads) >= MOST_HEADS:
            _heads.clear()
        found = _heads[key] = spec, hashlib.sha256(before + b',"seed":'), b"," + after
    digest = found[1].copy()
    digest.update(b"%d" % spec.seed + found[2])
    return str(digest.hexdigest()[:16])


USUAL: Mapping[str, Any] = {"budget": None, "split": "test", "start": None, "trials": 0}
"""Fields of a :class:`CellSpec` that are written only where they have another value."""
PLAIN = tuple(name for name in CellSpec.__dataclass_fields__ if name not in USUAL and name != "dataset")
"""Fields that are written as they are."""


def unusual_from(data: Any, where: str) -> dict[str, Any]:
    """The fields of :data:`USUAL` from what :meth:`CellSpec.unusual` gave, among others.

    Raises:
        RecordError: one of them is of the wrong kind.
    """
    fields = Fields(data, where)
    budget, start = data.get("budget"), data.get("start")
    return {
        "budget": Budget.from_json(budget, f"{where}.budget") if budget is not None else None,
        "split": fields.one_of("split", ("test", "val")) if "split" in fields else "test",
        "start": _start(start, f"{where}.start") if start is not None else None,
        "trials": fields.count("trials") if "trials" in fields else 0,
    }


def _start(data: Any, where: str) -> Start:
    fields = Fields(data, where)
    return Start(fields.text("cell"), fields.text("sha256"), fields.text("path"))


@cache
def library_version(name: str) -> str:
    """Version of an installed distribution, without importing it."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


@cache
def harness_sha256(rooms: tuple[str, ...] = TRAINING) -> str:
    """Hash of the harness's own code in these rooms, without their comments."""
    return code_sha256(HARNESS, [file for room in rooms for file in files_below(HARNESS / room)])


def environment() -> dict[str, Any]:
    """What a run was made with, recorded once."""
    names = (*NUMERIC_LIBRARIES, "medgan-benchmark", "torchvision", "lpips", "pandas", "pyarrow", "pluggy")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "libraries": {name: library_version(name) for name in names},
    }

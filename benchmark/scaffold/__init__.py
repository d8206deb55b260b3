"""Write a complete plugin distribution: what ``benchmark plugins new`` does.

The files under ``templates/`` are what is written, with ``{{words}}`` replaced; each kind of component brings its own
piece of the package's ``__init__``, of its promises and of its tests.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from benchmark.errors import UsageError, unknown_name

KINDS = ("model", "task", "metric")
LICENCES = ("Apache-2.0", "MIT", "BSD-3-Clause", "none")
PREFIX = "benchmark-"
NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\Z")
LONGEST = 40


@dataclass(frozen=True)
class Wanted:
    """What is to be written."""

    name: str
    kinds: tuple[str, ...]
    licence: str
    author: str

    @classmethod
    def checked(cls, name: str, kinds: list[str], licence: str, author: str) -> Wanted:
        """From what the user said.

        Raises:
            UsageError: a name that is none, or an unknown kind or licence.
        """
        name = name.removeprefix(PREFIX)
        if not NAME.match(name) or len(name) > LONGEST or keyword.iskeyword(name):
            raise UsageError(
                f"plugin name {name!a}: use lower-case letters, digits and '-', a letter first, {LONGEST} at most"
            )
        for kind in kinds:
            if kind not in KINDS:
                raise unknown_name("kind", kind, KINDS)
        known = {each.lower(): each for each in LICENCES}
        if licence.lower() not in known:
            raise unknown_name("licence", licence, LICENCES)
        if not author.isprintable():
            raise UsageError(f"author {author!a} holds control characters")
        ordered = tuple(kind for kind in KINDS if kind in kinds)
        return cls(name, ordered, known[licence.lower()], author or f"The authors of {PREFIX}{name}")

    @property
    def components(self) -> dict[str, str]:
        """The name of each component by kind; with several kinds the model has the plugin's own."""
        several = len(self.kinds) > 1
        names = {"model": self.name, "task": f"{self.name}-task", "metric": f"{self.name}-error"}
        found = {kind: names[kind] if several else self.name for kind in self.kinds}
        return {**found, "profile": self.name} if "metric" in found else found


def write(wanted: Wanted, to: Path) -> Path:
    """Write ``benchmark-NAME`` into a folder; returns where.

    Raises:
        UsageError: it is there already, or cannot be written.
    """
    folder = to / f"{PREFIX}{wanted.name}"
    if folder.exists():
        raise UsageError(f"{folder} is there already; remove it, or write elsewhere with --to")
    try:
        for path, text in contents(wanted).items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {error.filename or folder}: {error.strerror}") from None
    return folder


def contents(wanted: Wanted) -> dict[str, str]:
    """The text of every file by its path in the distribution."""
    words = _words(wanted)
    package = f"src/{words['package']}"
    found = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "tox.ini": "tox.ini",
        ".gitignore": "gitignore",
        ".github/workflows/tests.yml": "tests.yml",
        f"{package}/__init__.py": "init.py",
        f"{package}/conformance.py": "conformance.py",
        **{f"{package}/{kind}.py": f"{kind}.py" for kind in wanted.kinds},
        f"tests/test_{words['module']}.py": "test.py",
    }
    written = {path: _fill(template, words) for path, template in found.items()}
    written[f"{package}/py.typed"] = ""
    if wanted.licence != "none":
        written["LICENSE"] = _fill(f"licences/{wanted.licence}", words)
    return dict(sorted(written.items()))


def _words(wanted: Wanted) -> dict[str, str]:
    from benchmark._version import __version__

    major, minor = __version__.split(".")[:2]
    module = wanted.name.replace("-", "_")
    requires = [f"medgan-benchmark>={major}.{minor},<{major}.{int(minor) + 1}"]
    if wanted.kinds == ("task",) or wanted.kinds == ("model", "task"):
        requires.append(f"benchmark-metrics>={major}.{minor},<{major}.{int(minor) + 1}")
    requires.append("numpy>=2.0")
    if "model" in wanted.kinds:
        requires.append("torch>=2.6")
    names = wanted.components
    words = {
        "name": wanted.name,
        "module": module,
        "package": f"benchmark_{module}",
        "author": wanted.author,
        "toml_author": wanted.author.replace("\\", "\\\\").replace('"', '\\"'),
        "licence": wanted.licence,
        "licence_lines": ""
        if wanted.licence == "none"
        else f'license = "{wanted.licence}"\nlicense-files = ["LICENSE"]\n',
        "what": " and ".join(filter(None, [", ".join(wanted.kinds[:-1]), wanted.kinds[-1]])),
        "requires": "\n".join(f'    "{each}",' for each in requires),
        "model": names.get("model", ""),
        "task": names.get("task", ""),
        "metric": names.get("metric", ""),
        "profile": names.get("profile", "default"),
    }
    for part in ("options", "hooks", "promises", "tests", "usage"):
        words[part] = _parts(part, wanted.kinds, words)
    specs = {"model": ["ModelSpec"], "task": ["TaskSpec"], "metric": ["MetricSpec", "MetricUse", "ProfileSpec"]}
    words["spec_names"] = ", ".join(
        sorted({"hookimpl", *(n for k in wanted.kinds for n in specs[k])}, key=_import_order)
    )
    words["promise_imports"] = "import numpy as np\n\n" if "metric" in wanted.kinds else ""
    kits = sorted(f"{kind.capitalize()}Tests" for kind in wanted.kinds)
    words["kit_names"] = ", ".join(kits)
    words["hook_names"] = ", ".join(sorted(f"benchmark_{kind}s" for kind in wanted.kinds))
    return words


def _import_order(name: str) -> tuple[bool, str]:
    """As ruff sorts what is imported from a module: classes before functions."""
    return name[0].islower(), name


def _parts(part: str, kinds: tuple[str, ...], words: dict[str, str]) -> str:
    """The pieces of a file that each kind brings, in order; nothing for a kind that brings none."""
    folder = files("benchmark.scaffold") / "templates" / part
    found = [folder / f"{kind}.txt" for kind in kinds]
    texts = [_replace(place.read_text(encoding="utf-8"), words) for place in found if place.is_file()]
    return "".join(texts)


def _fill(template: str, words: dict[str, str]) -> str:
    text = (files("benchmark.scaffold") / "templates" / f"{template}.txt").read_text(encoding="utf-8")
    return _replace(text, words).rstrip() + "\n"


def _replace(text: str, words: dict[str, str]) -> str:
    """The text with its words filled in, once: what a word brings is not looked at again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: words[found.group(1)], text)

"""Hashes of source code that change when what it computes may change, and not with a comment or a text for people."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

FOR_PEOPLE = ("help", "summary")
"""Keywords of calls, and keys of mappings, whose constant texts say something to people only."""


def code_sha256(root: Path, files: Iterable[Path]) -> str:
    """Hash of files below ``root``, in the order given: of Python what is executed, of anything else every byte.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for file in files:
        content = _code(file, file.stat().st_mtime_ns) if file.suffix == ".py" else file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}\0".encode() + content + b"\0")
    return digest.hexdigest()


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder that belongs to its source, in a fixed order."""
    files = (file for file in folder.rglob("*") if "__pycache__" not in file.parts and file.is_file())
    return sorted(files)


@cache
def _code(file: Path, modified: int) -> bytes:  # noqa: ARG001 - an edited file is another key
    """The syntax tree of a module as text, without docstrings, help texts and places; the file itself if it is no
    Python.
    """
    content = file.read_bytes()
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return content
    words: list[str] = []
    _spell(tree, words)
    return "\0".join(words).encode()


def _spell(node: object, words: list[str]) -> None:
    """Append a tree's words. Empty fields are left out: newer Pythons have more of them."""
    if isinstance(node, ast.AST):
        if _is_help(node):
            return
        words.append(type(node).__name__)
        for name, value in _fields(node):
            if value is None or value == [] or (name == "kind" and isinstance(node, ast.Constant)):
                continue
            words.append(name)
            _spell(value, words)
    elif isinstance(node, list):
        words.append("[")
        for item in node:
            if not _is_docstring(item):
                _spell(item, words)
        words.append("]")
    else:
        words.append(repr(node))


def _fields(node: ast.AST) -> Iterator[tuple[str, object]]:
    """The fields of a node; of a mapping that is written out, what is not for people."""
    if not isinstance(node, ast.Dict):
        yield from ast.iter_fields(node)
        return
    pairs = [
        (key, value)
        for key, value in zip(node.keys, node.values, strict=True)
        if not (isinstance(key, ast.Constant) and key.value in FOR_PEOPLE and _is_text(value))
    ]
    # a mapping that unpacks another has no key there
    yield "keys", [key if key is not None else "**" for key, _ in pairs]
    yield "values", [value for _, value in pairs]


def _is_help(node: ast.AST) -> bool:
    """A constant text handed on as one of :data:`FOR_PEOPLE`: it is printed, and nothing is computed with it."""
    return isinstance(node, ast.keyword) and node.arg in FOR_PEOPLE and _is_text(node.value)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_docstring(item: object) -> bool:
    """A text that stands by itself: nothing happens when it is executed."""
    return isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)

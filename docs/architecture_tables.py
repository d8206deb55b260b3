"""Write the tables of docs/architecture.md from the modules' docstrings: ``python docs/architecture_tables.py``.

The order of the rooms is that of the contracts in ``pyproject.toml``; a test holds the page to what is written here.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
MARK = "<!-- {}: written by docs/architecture_tables.py -->"
SECTIONS = ("rooms of the harness", "plugins")


def tables() -> dict[str, str]:
    """The text of each section of the page that is not written by hand."""
    harness = [_table(title, files) for title, files in _rooms()]
    packages = sorted((ROOT / "plugins").glob("*/src/benchmark_*"))
    plugins = [_table(f"`{package.parent.parent.name}`", sorted(package.rglob("*.py"))) for package in packages]
    return dict(zip(SECTIONS, ("\n".join(harness), "\n".join(plugins)), strict=True))


def written(page: str) -> str:
    """The page with its tables as they should be.

    Raises:
        ValueError: a mark that surrounds a table is missing.
    """
    for name, text in tables().items():
        mark = MARK.format(name)
        before, _, after = page.split(mark)
        page = f"{before}{mark}\n\n{text}\n{mark}{after}"
    return page


def _rooms() -> Iterator[tuple[str, list[Path]]]:
    """Rooms from the top of the house to its ground, each by its title with its files; rooms inside a room after it."""
    house = ROOT / "benchmark"
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = {contract["containers"][0]: contract["layers"] for contract in contracts if "layers" in contract}
    for layer in layers["benchmark"]:
        room = layer.strip("()")
        if (house / room).is_dir():
            yield f"`{room}/`", sorted((house / room).glob("*.py"))
            for inner in layers.get(f"benchmark.{room}", ()):
                if (house / room / inner).is_dir():
                    yield f"`{room}/{inner}/`", sorted((house / room / inner).rglob("*.py"))
    yield "The ground: modules that lie in no room", sorted(house.glob("*.py"))


def _table(title: str, files: list[Path]) -> str:
    """A heading, what the package is, and a row for each of its modules."""
    package, *modules = sorted(files, key=lambda file: file.name != "__init__.py")
    lines = [f"### {title}", "", f"{_summary(package)}."]
    if modules:
        lines += ["", "| module | what |", "|---|---|"]
        lines += [f"| `{_name(module, package.parent)}` | {_summary(module)} |" for module in modules]
    return "\n".join(lines) + "\n"


def _name(file: Path, home: Path) -> str:
    name = file.relative_to(home)
    return f"{name.parent.as_posix()}/" if name.name == "__init__.py" else name.as_posix()


def _summary(file: Path) -> str:
    """The first sentence of a module's docstring, as Markdown."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    sentence = re.split(r"(?<=[^.]\.)\s+(?=[A-Z`])", paragraph)[0]
    plain = re.sub(r":\w+:`~?([^`]+)`", r"``\1``", sentence).replace("``", "`")
    return re.sub(r"([|*<])", r"\\\1", plain).removesuffix(".")


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
